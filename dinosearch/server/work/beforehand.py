"""What the first explanation would wait for is made while nobody asks: the mean tokens of each collection.

It begins when the first question has been answered, and gives way to every other before each image, so that nobody
waits for more than one forward pass of it.
"""

from __future__ import annotations

import logging
import threading

from dinosearch.errors import DinosearchError
from dinosearch.server.catalogue import Catalogue
from dinosearch.server.work.threads import Work

QUIET = 1.0
"""Seconds without a question before it goes on; people look at results for longer, programs ask again sooner."""
_LOOK = 0.1  # seconds between two looks at whether it is quiet
_log = logging.getLogger("dinosearch.server")


class _StoppedError(Exception):
    """The server ends."""


class Beforehand:
    """Prepares the collections of a server in a thread of its own.

    Args:
        catalogue: the collections; those that somebody else opened are left alone.
        work: knows whether somebody asks.
    """

    def __init__(self, catalogue: Catalogue, work: Work) -> None:
        self._catalogue, self._work = catalogue, work
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="dinosearch-beforehand", daemon=True)

    def begin(self) -> None:
        """Begin to wait for quiet."""
        self._thread.start()

    def close(self) -> None:
        """End it before its next image."""
        self._stopped.set()
        if self._thread.ident is not None:
            self._thread.join()

    def _run(self) -> None:
        try:
            for served in self._catalogue:
                if served.is_own:
                    self._pause()
                    try:
                        served.collection.prepare_explaining(self._pause)
                    except DinosearchError as error:
                        _log.info("collection %s: explanations are not prepared: %s", served.name, error)
        except _StoppedError:
            return

    def _pause(self) -> None:
        while not self._stopped.is_set():
            if self._work.idle >= QUIET and self._catalogue.ready():
                return
            self._stopped.wait(_LOOK)
        raise _StoppedError
