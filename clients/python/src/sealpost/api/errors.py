"""The errors of the interface, each with its number. Made from docs/openrpc.json by generate.py: do not edit."""
from ..errors import ApiError, RejectedError, TemporaryError


class ParseError(ApiError):
    """What was sent is not JSON."""

    code = -32700


class InternalError(ApiError):
    """The client failed. The log says more."""

    code = -32603


class InvalidParamsError(ApiError):
    """A parameter is missing, is not known, or has a wrong type."""

    code = -32602


class MethodNotFoundError(ApiError):
    """There is no such method."""

    code = -32601


class InvalidRequestError(ApiError):
    """It is JSON, but not a request."""

    code = -32600


class KeptForLaterError(ApiError):
    """What was to be awaited has not happened in time. The message is kept, and sent later."""

    code = 1


class UnknownRecipientError(RejectedError):
    """Nobody is registered with this phone number."""

    code = 2


class KeyChangedError(RejectedError):
    """The key of the recipient has changed. Nothing is sent until the change is accepted."""

    code = 3


class TooLongError(RejectedError):
    """The message is too long."""

    code = 4


class RefusedError(RejectedError):
    """The server, or the client for it, refused the message for good."""

    code = 5


class OutboxFullError(TemporaryError):
    """Too many messages wait to be sent."""

    code = 6


class NotFoundError(RejectedError):
    """There is no such entry, conversation, contact, consumer or file."""

    code = 7


class NotAllowedError(RejectedError):
    """It belongs to somebody else, or it is too late for it."""

    code = 8


class KeyReusedError(RejectedError):
    """Another request was made with this idempotency key."""

    code = 9


class HomeInUseError(ApiError):
    """The home is used by another process, which takes no requests."""

    code = 10


class NotRegisteredError(ApiError):
    """No account is registered."""

    code = 11


class UnavailableError(TemporaryError):
    """The server can't be reached, or did not answer in time. Nothing was kept."""

    code = 12


class SafetyNumberMismatchError(RejectedError):
    """The safety number is not that of the contact's key."""

    code = 13


class BusyError(TemporaryError):
    """Too many connections, subscriptions or requests."""

    code = 14


class StorageError(ApiError):
    """The disk is full, or the database failed. What was acknowledged before is kept."""

    code = 15


ERRORS: dict[int, type[ApiError]] = {
    ParseError.code: ParseError,
    InternalError.code: InternalError,
    InvalidParamsError.code: InvalidParamsError,
    MethodNotFoundError.code: MethodNotFoundError,
    InvalidRequestError.code: InvalidRequestError,
    KeptForLaterError.code: KeptForLaterError,
    UnknownRecipientError.code: UnknownRecipientError,
    KeyChangedError.code: KeyChangedError,
    TooLongError.code: TooLongError,
    RefusedError.code: RefusedError,
    OutboxFullError.code: OutboxFullError,
    NotFoundError.code: NotFoundError,
    NotAllowedError.code: NotAllowedError,
    KeyReusedError.code: KeyReusedError,
    HomeInUseError.code: HomeInUseError,
    NotRegisteredError.code: NotRegisteredError,
    UnavailableError.code: UnavailableError,
    SafetyNumberMismatchError.code: SafetyNumberMismatchError,
    BusyError.code: BusyError,
    StorageError.code: StorageError,
}
"""The errors by their numbers. A number that is not here is of a later version."""
