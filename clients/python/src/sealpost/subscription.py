"""What arrives for a consumer."""
from collections.abc import Generator
from dataclasses import dataclass

from .api import Receive, ReceiveEnded, SubscribeResult
from .connection import Connection
from .connector import FOREVER, PASSING, Connector, Pauses, log
from .values import decode
from .errors import ConnectionLostError, SubscriptionEndedError


@dataclass(frozen=True)
class Subscription:
    """A consumer, and how it is served. It has a connection of its own, so that what is called in the
    body of its loop does not mix with what arrives."""

    connector: Connector
    consumer: str
    from_start: bool
    idle_seconds: float | None
    patience: float
    timeout: float

    def begin(self) -> Generator[Receive, None, None]:
        """Subscribes, and returns what arrives."""
        return self.run(self.connect(None, self.patience))

    def run(self, connection: Connection) -> Generator[Receive, None, None]:
        """Yields what arrives, and acknowledges it when the next one is wanted."""
        done: int | None = None
        try:
            while True:
                try:
                    received = self.next(connection, done)
                    if received is None:
                        return
                except ConnectionLostError as error:
                    log.warning("%s", error)
                    connection = self.connect(done, FOREVER)
                    continue
                yield received
                done = received.place
                try:
                    self.acknowledge(connection, done)
                except PASSING as error:
                    log.warning("%s", error)
                    connection.close()
                    connection = self.connect(done, FOREVER)
        finally:
            # What was not acknowledged comes again.
            connection.close()

    def connect(self, done: int | None, patience: float) -> Connection:
        """Subscribes, after acknowledging what is done."""
        pauses = Pauses(patience)
        while True:
            connection = self.connector.connection(pauses)
            try:
                if done is not None:
                    self.acknowledge(connection, done)
                params = {"consumer": self.consumer, "fromStart": self.from_start}
                result = connection.request("subscribeReceive", params, self.timeout)
                decode(SubscribeResult, result)
                return connection
            except PASSING as error:
                connection.close()
                pauses.after(error)
            except BaseException:
                connection.close()
                raise

    def next(self, connection: Connection, done: int | None) -> Receive | None:
        """The next that is not done; None if nothing came in time."""
        while notification := connection.notification(self.idle_seconds):
            method, params = notification
            if method == "receive":
                received = decode(Receive, params)
                if done is None or received.place > done:
                    return received
            elif method == "receiveEnded":
                ended = decode(ReceiveEnded, params)
                raise SubscriptionEndedError(ended.consumer, ended.reason)
        return None

    def acknowledge(self, connection: Connection, place: int) -> None:
        params = {"consumer": self.consumer, "upTo": place}
        connection.request("acknowledge", params, self.timeout)
