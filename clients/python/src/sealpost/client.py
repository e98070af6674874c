"""A client of a home: its methods, and what arrives."""
import os
import uuid
from collections.abc import Generator, Mapping, Sequence
from threading import Lock
from typing import TypeVar, cast

from .api import Changed, Methods, Receive
from .connection import Connection
from .connector import Connector, Pauses, is_passing
from .values import decode, encode
from .errors import SealpostError
from .subscription import Subscription
from .transport import home_folder, open_child, open_home

Result = TypeVar("Result")


class Client(Methods):
    """Calls the methods of a Sealpost client, and receives what arrives for it.

    A lost connection is made again. One thread at a time uses a client: open one for each thread.

    home: folder of the account [default: $SEALPOST_HOME, or else ~/.sealpost]. A process must serve
        it, for example `sealpost daemon`.
    command: in place of a home, a command that speaks JSON-RPC over its standard input and output,
        for example ["sealpost", "rpc"]. It is run for each connection.
    patience: seconds to wait for a process that serves the home.
    timeout: seconds to wait for an answer, beyond the `timeout_seconds` of the method.
    """

    def __init__(
        self,
        home: str | os.PathLike[str] | None = None,
        *,
        command: Sequence[str] | None = None,
        patience: float = 10.0,
        timeout: float = 60.0,
    ) -> None:
        if home is not None and command is not None:
            raise ValueError("a client has a home or a command, not both")
        self._connector = Connector(
            lambda: open_child(command) if command else open_home(home_folder(home))
        )
        self._patience = patience
        self._timeout = timeout
        self._connection: Connection | None = None
        self._lock = Lock()

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Ends the connection. A later call makes another one."""
        if self._connection:
            self._connection.close()

    def account(self) -> str:
        """Returns the phone number of the account."""
        with self._turn():
            return self._connected(Pauses(self._patience)).hello.account

    def call(self, method: str, params: Mapping[str, object], result: type[Result]) -> Result:
        """Calls a method by its name on the wire. Parameters that are None are absent.

        A method with an idempotency key is repeated after a lost connection, and gets a key if it has
        none; so `send` sends once. Another method is repeated only if it was certainly not carried
        out.

        Raises:
            ApiError: it was refused.
            ConnectionLostError: it may have been carried out.
            CallTimeoutError: it may still be carried out.
            NoClientError, NotRunningError, NotPermittedError, IncompatibleError: it was not called.
        """
        present = {name: encode(value) for name, value in params.items() if value is not None}
        is_repeatable = "idempotencyKey" in params
        if is_repeatable:
            present.setdefault("idempotencyKey", str(uuid.uuid4()))
        own = present.get("timeoutSeconds")
        seconds = self._timeout + (own if isinstance(own, int) else 0)
        with self._turn():
            pauses = Pauses(self._patience)
            while True:
                try:
                    answer = self._connected(pauses).request(method, present, seconds)
                    return decode(result, answer)
                except SealpostError as error:
                    if not is_passing(error, is_repeatable):
                        raise
                    pauses.after(error)

    def receive(
        self, consumer: str, *, from_start: bool = False, idle_seconds: float | None = None
    ) -> Generator[Receive, None, None]:
        """Yields what arrives for a consumer. Each is acknowledged when the body of the loop is done.

        What was not acknowledged comes again, to this process or a later one: after a crash of either
        side, and after a body that ended with an exception, `break` or `return`. Places grow; to
        process each exactly once, keep the place in the same transaction as the results, and skip
        places that are not larger.

        The connection is made again as often as it is lost. One loop at a time has a consumer: when
        another takes it over, this one ends with SubscriptionEndedError.

        consumer: name of the consumer, 1 to 64 bytes. A new one begins with what arrives from now on.
        from_start: if the consumer is new, begin with the oldest message of the history.
        idle_seconds: end when nothing has arrived for so long [default: never].
        """
        return Subscription(
            self._connector, consumer, from_start, idle_seconds, self._patience, self._timeout
        ).begin()

    def changes(self) -> Generator[Changed, None, None]:
        """Yields every change of what is shown, and how the connection to the server is.

        Nothing is repeated after a lost connection: that raises ConnectionLostError, and a display
        reads again what it shows.
        """
        connection = self._connector.connection(Pauses(self._patience))
        try:
            connection.request("subscribeChanges", {}, self._timeout)
            while notification := connection.notification(None):
                method, params = notification
                if method == "changed":
                    yield decode(cast(type[Changed], Changed), params)
        finally:
            connection.close()

    def _connected(self, pauses: Pauses) -> Connection:
        if self._connection is None or not self._connection.is_open:
            self._connection = self._connector.connection(pauses)
        return self._connection

    def _turn(self) -> "Turn":
        return Turn(self._lock)


class Turn:
    """Keeps a second thread out, which would take the answers of the first."""

    def __init__(self, lock: Lock) -> None:
        self._lock = lock

    def __enter__(self) -> None:
        if not self._lock.acquire(blocking=False):
            raise RuntimeError("another thread uses this client: open one for each thread")

    def __exit__(self, *_: object) -> None:
        self._lock.release()
