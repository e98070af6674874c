"""A client of Sealpost for bots. It speaks to `sealpost daemon`, or whichever command has the home.

    from sealpost import BodyText, Client, ReceivedEventMessage

    with Client() as client:
        for received in client.receive("echo"):
            match received.event:
                case ReceivedEventMessage(message=message) if isinstance(message.body, BodyText):
                    client.send(
                        recipient=message.conversation,
                        message=message.body.text,
                        idempotency_key=f"echo-{received.place}",
                    )

`Client` has every method of the interface; docs/BOTS.md describes them.
"""
from .api import *
from .api import __all__ as _api
from .client import Client
from .errors import (
    ApiError,
    CallTimeoutError,
    ConnectionLostError,
    IncompatibleError,
    NoClientError,
    NotPermittedError,
    NotRunningError,
    ProtocolError,
    RejectedError,
    SealpostError,
    SubscriptionEndedError,
    TemporaryError,
)
from .unknown import Unknown
from .values import encode as to_json

__all__ = [
    "ApiError",
    "CallTimeoutError",
    "Client",
    "ConnectionLostError",
    "IncompatibleError",
    "NoClientError",
    "NotPermittedError",
    "NotRunningError",
    "ProtocolError",
    "RejectedError",
    "SealpostError",
    "SubscriptionEndedError",
    "TemporaryError",
    "Unknown",
    "to_json",
]
__all__ += _api
