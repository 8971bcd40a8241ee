"""Whether questions that meet had better be embedded together or each with the whole machine: as measured here and now.

Which way finishes more depends on the model, on the runtime, on the cores, and on how many ask at once. So both are
tried, what each finishes is counted by how many are inside, and the better one is kept until the counts are old.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Sequence

from dinosearch.capacity import cores

_PHASE = 0.25
"""Seconds for which a way is kept at least, as two ways at once disturb each other."""
_SECONDS, _IMAGES = 0.2, 8
"""What a way must have been seen doing before it is judged."""
_HOPELESS = 2
"""Times as many images as it finished the other way had finished by then: it is not tried any longer."""
_FIRST, _MEMORY = 2.0, 20.0
"""Seconds of a crowd after which the way that is not used is tried again, for a phase: the first time, and at most. The
time doubles with each trial, so that what was measured while all else had just begun does not count for long."""
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
        self._most = max(2, cores())
        self._phase = self._strange = 0
        self._last = self._decided = clock()
        self._counts: defaultdict[tuple[int, bool], list[float]] = defaultdict(lambda: [0.0, 0.0])  # seconds, images
        self._memory: defaultdict[int, float] = defaultdict(lambda: _FIRST)
        self._seen: defaultdict[int, float] = defaultdict(float)  # seconds of each crowd in this phase

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
        """How many are inside, roughly: twice as many are the next crowd, up to one for each core."""
        return min(self.inside, self._most).bit_length()

    @property
    def _is_counted(self) -> bool:
        """Whether there is a choice, and those are gone, or should be, who came while the other way was taken."""
        return self.inside > 1 and (not self._strange or self._last - self._decided >= _PHASE)

    def _note(self) -> None:
        now = self._clock()
        if self.inside > 1:
            self._seen[self._crowd] += now - self._last
        if self._is_counted:
            self._counts[self._crowd, self.together][0] += now - self._last
        self._last = now

    def _is_to_change(self) -> bool:
        """Whether to take the other way, because it is better, or to see how good it is."""
        crowd = max(self._seen, key=self._seen.__getitem__)  # for a moment there are always fewer
        mine, other = (self._counts[crowd, way] for way in (self.together, not self.together))
        seconds, images = mine
        known = _rate(other)
        is_hopeless = known is not None and known * seconds > _HOPELESS * (images + 1)
        if _rate(mine) is None and not is_hopeless:
            return False  # until it can be judged
        self._decided = self._last
        self._seen.clear()
        if seconds + other[0] > self._memory[crowd]:
            mine[:], other[:], known = [value / 2 for value in mine], [0.0, 0.0], None
            self._memory[crowd] = min(_MEMORY, 2 * self._memory[crowd])
        return known is None or is_hopeless or known * seconds > _CLEARLY * images


def _rate(counts: list[float]) -> float | None:
    """Images a second; None where too little was seen."""
    seconds, images = counts
    return images / seconds if seconds >= _SECONDS and images >= _IMAGES else None
