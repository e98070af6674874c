"""Connecting, and connecting again."""
import logging
import time
from collections.abc import Callable

from .api import UnavailableError
from .connection import Connection
from .errors import ConnectionLostError, NotRunningError, SealpostError, TemporaryError
from .transport import Stream

# What may be over after a pause.
PASSING = (NotRunningError, ConnectionLostError, TemporaryError)
PAUSE_SECONDS, PAUSE_MAX_SECONDS = 0.1, 5.0
FOREVER = float("inf")

log = logging.getLogger("sealpost")


class Pauses:
    """Pauses between attempts: longer each time, for so long after the first failure."""

    def __init__(self, patience: float) -> None:
        self._patience = patience
        self._deadline: float | None = None
        self._next = PAUSE_SECONDS

    def after(self, error: SealpostError) -> None:
        """Waits, or raises the error if there is no time left."""
        now = time.monotonic()
        if self._deadline is None:
            self._deadline = now + self._patience
            if self._patience > 0:
                until = "" if self._patience == FOREVER else f" for {self._patience:g} seconds"
                log.warning("%s; trying again%s", error, until)
        left = self._deadline - now
        if left <= 0:
            raise error
        asked = getattr(error, "retry_after_seconds", None) or 0
        time.sleep(min(max(self._next, asked), left))
        self._next = min(self._next * 2, PAUSE_MAX_SECONDS)


class Connector:
    """Opens connections to one home."""

    def __init__(self, open_stream: Callable[[], Stream]) -> None:
        self._open_stream = open_stream

    def connection(self, pauses: Pauses) -> Connection:
        """A connection whose peer has greeted."""
        while True:
            try:
                return Connection(self._open_stream())
            except PASSING as error:
                pauses.after(error)


def is_passing(error: SealpostError, is_repeatable: bool) -> bool:
    """Whether to call a method again after an error."""
    if isinstance(error, ConnectionLostError):
        return is_repeatable or not error.may_be_done
    # The process that serves the home is ending, for example.
    return is_repeatable and isinstance(error, UnavailableError)
