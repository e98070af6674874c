"""What can go wrong. The errors of the interface itself are in `sealpost.api.errors`."""


class SealpostError(Exception):
    """Base class of every error of this package."""


class ApiError(SealpostError):
    """A method was not carried out. Each kind is a class of its own, with a `code` that never changes.

    An error of a kind that only a later version knows is an `ApiError` itself.
    """

    code: int = 0
    """Number of the kind of error."""

    def __init__(
        self,
        message: str,
        *,
        code: int | None = None,
        retry_after_seconds: int | None = None,
        entry: int | None = None,
    ) -> None:
        super().__init__(message)
        if code is not None:
            self.code = code
        self.retry_after_seconds = retry_after_seconds
        """Seconds after which a repeat may succeed, if that is known."""
        self.entry = entry
        """Number of the entry that was made all the same."""


class RejectedError(ApiError):
    """Refused for good: a repeat fails in the same way until something else has changed."""


class TemporaryError(ApiError):
    """A repeat may succeed later."""


class NoClientError(SealpostError):
    """There is no such home, or the command that was to speak for it failed."""


class NotRunningError(SealpostError):
    """Nothing serves the home."""


class NotPermittedError(SealpostError):
    """The home belongs to another user."""


class IncompatibleError(SealpostError):
    """The process that serves the home is older than this package."""


class ConnectionLostError(SealpostError):
    """The connection ended before the answer. The next call connects again."""

    def __init__(self, message: str, *, may_be_done: bool = True) -> None:
        super().__init__(message)
        self.may_be_done = may_be_done
        """Whether what was called may have been carried out."""


class CallTimeoutError(SealpostError):
    """A method was not answered in time. It may still be carried out."""


class SubscriptionEndedError(SealpostError):
    """Nothing more comes for a consumer until it is received again.

    Another program receives under the same name, or has unsubscribed it; or what arrived can't be
    read. `reason` is what the interface calls it.
    """

    def __init__(self, consumer: str, reason: str) -> None:
        super().__init__(f"nothing more comes for the consumer {consumer!r}: {reason}")
        self.reason = reason


class ProtocolError(SealpostError):
    """What came is not what the interface says."""
