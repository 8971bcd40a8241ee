"""Whether questions that meet had better be embedded together or each with the whole machine: as measured here and now.

Which way finishes more depends on the model, on the runtime, on the cores, and on how many ask at once. So both are
tried, what each finishes is counted by how many are inside, and the better one is kept until the counts are old.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Sequence

_PHASE = 0.25
"""Seconds for which a way is kept at least, as two ways at once disturb each other."""
_SECONDS, _IMAGES = 0.2, 8
"""What a way must have been seen doing before it is judged."""
_MEMORY = 20.0
"""Seconds of a crowd after which its counts are halved: the way that is not used is then tried again, for a phase."""
_CLEARLY = 1.05
"""Times as many images for which it is worth while to change the way."""


class Ways:
    """Counts what two ways of working finish; whoever uses it holds a lock.

    Args:
        clock: seconds that rise.

    Attributes:
        together: the way to work in now.
        inside: calls that have entered and not left.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self.together, self.inside = True, 0
        self._phase = self._strange = 0
        self._last = self._decided = clock()
        self._counts: defaultdict[tuple[int, bool], list[float]] = defaultdict(lambda: [0.0, 0.0])  # seconds, images

    def enter(self) -> int:
        """Note a call; what is given back is for `leave`."""
        self._note()
        self.inside += 1
        return self._phase

    def leave(self, entered: Sequence[int], images: int) -> None:
        """Note that calls are over which `entered` like that, and how many images, or calls, they have finished."""
        self._note()
        known = sum(phase == self._phase for phase in entered)
        if self._is_counted:
            self._counts[self._crowd, self.together][1] += images
        self._strange -= len(entered) - known
        # Now, and not when the next one enters: those of one pass leave together, and come back one by one.
        is_due = self.inside > 1 and self._last - self._decided >= _PHASE and self._is_to_change()
        self.inside -= len(entered)
        if is_due:
            self.together, self._phase, self._strange = not self.together, self._phase + 1, self.inside

    @property
    def _crowd(self) -> int:
        """How many are inside, roughly: twice as many are the next crowd."""
        return self.inside.bit_length()

    @property
    def _is_counted(self) -> bool:
        """Whether there is a choice, and nobody inside who came while the other way was gone."""
        return self.inside > 1 and not self._strange

    def _note(self) -> None:
        now = self._clock()
        if self._is_counted:
            self._counts[self._crowd, self.together][0] += now - self._last
        self._last = now

    def _is_to_change(self) -> bool:
        """Whether the other way is to be gone, because it is better, or to see how good it is."""
        mine, other = (self._rate(way) for way in (self.together, not self.together))
        if mine is None:
            return False  # until it can be judged
        self._decided = self._last
        both = [self._counts[self._crowd, way] for way in (True, False)]
        if sum(seconds for seconds, _ in both) > _MEMORY:
            for counts in both:
                counts[:] = (value / 2 for value in counts)
        return other is None or other > _CLEARLY * mine

    def _rate(self, together: bool) -> float | None:
        """Images a second that this way finishes with so many inside; None where too little was seen."""
        seconds, images = self._counts[self._crowd, together]
        return images / seconds if seconds >= _SECONDS and images >= _IMAGES else None
