"""Receiving: at least once, in order, over connections that break."""
import unittest
from collections.abc import Callable, Iterator

from scripted import Peer, ScriptedClient
from sealpost import (
    BodyText,
    ChangedWarning,
    ConnectionLostError,
    NotFoundError,
    ProtocolError,
    Receive,
    ReceivedEventMessage,
    SendResult,
    StorageError,
    SubscriptionEndedError,
)
from test_client import TestBed

SENT = {"entry": 1, "progress": {"state": "queued"}}
Script = Callable[[Peer], None]


def subscribed(peer: Peer, acknowledged: int = 0, **params: object) -> None:
    peer.greet()
    peer.serve("subscribeReceive", {"acknowledged": acknowledged}, consumer="bot", **params)


def acknowledged(peer: Peer, place: int) -> None:
    peer.serve("acknowledge", {}, consumer="bot", upTo=place)


def text(received: Receive) -> str:
    assert isinstance(received.event, ReceivedEventMessage)
    assert isinstance(received.event.message.body, BodyText)
    return received.event.message.body.text


class Receiving(TestBed):
    def received(self, *scripts: Script, idle_seconds: float | None = 0.3) -> list[int]:
        """Places that came until nothing came any more."""
        with ScriptedClient(self.home, *scripts), self.client() as client:
            return [each.place for each in client.receive("bot", idle_seconds=idle_seconds)]

    def test_each_is_acknowledged_once_the_body_is_done(self) -> None:
        done: list[str] = []

        def script(peer: Peer) -> None:
            subscribed(peer, fromStart=True)
            for place in (3, 4, 9):
                peer.receive(place)
            for index, place in enumerate((3, 4, 9)):
                acknowledged(peer, place)
                self.assertEqual(len(done), index + 1)
            self.assertTrue(peer.ended())

        with ScriptedClient(self.home, script), self.client() as client:
            for received in client.receive("bot", from_start=True, idle_seconds=0.3):
                done.append(text(received))
        self.assertEqual(done, ["3", "4", "9"])

    def test_a_body_that_does_not_end_is_not_acknowledged(self) -> None:
        def script(peer: Peer) -> None:
            subscribed(peer)
            peer.receive(1)
            peer.receive(2)
            acknowledged(peer, 1)
            self.assertTrue(peer.ended())

        def with_break(messages: Iterator[Receive]) -> None:
            for received in messages:
                if received.place == 2:
                    break

        def with_exception(messages: Iterator[Receive]) -> None:
            for received in messages:
                if received.place == 2:
                    raise ZeroDivisionError

        for body in (with_break, with_exception):
            with ScriptedClient(self.home, script), self.client() as client:
                try:
                    body(client.receive("bot"))
                except ZeroDivisionError:
                    self.assertIs(body, with_exception)
            (self.home / "socket").unlink()

    def test_what_was_not_acknowledged_comes_again_and_what_is_done_does_not(self) -> None:
        def lost_acknowledgement(peer: Peer) -> None:
            subscribed(peer)
            peer.receive(1)
            peer.expect("acknowledge")

        def half_a_line(peer: Peer) -> None:
            peer.greet()
            acknowledged(peer, 1)
            peer.serve("subscribeReceive", {"acknowledged": 1})
            # A server that forgot the acknowledgement, for example after a restore.
            peer.receive(1)
            peer.receive(2)
            acknowledged(peer, 2)
            peer.raw(b'{"jsonrpc":"2.0","method":"receive","params":{"consumer":"bot","place":3,')

        def ending(peer: Peer) -> None:
            peer.greet()
            peer.refuse("acknowledge", 12)

        def rest(peer: Peer) -> None:
            peer.greet()
            acknowledged(peer, 2)
            # What arrives may overtake the answer.
            number = peer.expect("subscribeReceive")
            peer.receive(3)
            peer.say(id=number, result={"acknowledged": 2})
            acknowledged(peer, 3)
            self.assertTrue(peer.ended())

        self.assertEqual(self.received(lost_acknowledgement, half_a_line, ending, rest), [1, 2, 3])

    def test_what_is_called_in_the_body_has_another_connection(self) -> None:
        # The connection of what arrives breaks as soon as both are on their way.
        def arrivals(peer: Peer) -> None:
            subscribed(peer)
            for place in (1, 2):
                peer.receive(place)

        def calls(peer: Peer) -> None:
            peer.greet()
            for place in (1, 2):
                peer.serve("send", SENT, message=str(place), idempotencyKey=f"bot-{place}")

        def acknowledging(peer: Peer) -> None:
            peer.greet()
            acknowledged(peer, 1)
            peer.serve("subscribeReceive", {"acknowledged": 1})
            peer.receive(2)
            acknowledged(peer, 2)
            self.assertTrue(peer.ended())

        sent: list[SendResult] = []
        calls_home, arrivals_home = self.home / "calls", self.home
        calls_home.mkdir()
        with (
            ScriptedClient(arrivals_home, arrivals, acknowledging),
            ScriptedClient(calls_home, calls),
            self.client() as receiver,
            type(receiver)(calls_home) as caller,
        ):
            for received in receiver.receive("bot", idle_seconds=0.3):
                key = f"bot-{received.place}"
                sent.append(caller.send(recipient="+49", message=text(received), idempotency_key=key))
        self.assertEqual(len(sent), 2)

    def test_events_and_notifications_of_later_versions_do_not_end_the_loop(self) -> None:
        def script(peer: Peer) -> None:
            subscribed(peer)
            peer.say(method="weather", params={"sun": True})
            peer.say(method="receive", params={"consumer": "bot", "place": 5, "event": {"type": "poll"}})
            acknowledged(peer, 5)
            self.assertTrue(peer.ended())

        self.assertEqual(self.received(script), [5])

    def test_errors_of_the_home_end_the_loop(self) -> None:
        for kind in (StorageError, NotFoundError):
            def script(peer: Peer) -> None:
                subscribed(peer)
                peer.receive(1)
                peer.refuse("acknowledge", kind.code)
                self.assertTrue(peer.ended())

            with self.assertRaises(kind):
                self.received(script)
            (self.home / "socket").unlink()

    def test_a_consumer_that_is_taken_over_ends_the_loop(self) -> None:
        def script(peer: Peer) -> None:
            subscribed(peer)
            peer.receive(1)
            acknowledged(peer, 1)
            peer.say(method="receiveEnded", params={"consumer": "bot", "reason": "takenOver"})
            self.assertTrue(peer.ended())

        with self.assertRaisesRegex(SubscriptionEndedError, "'bot': takenOver"):
            self.received(script)

    def test_what_is_not_what_the_interface_says_ends_the_loop(self) -> None:
        def script(peer: Peer) -> None:
            subscribed(peer)
            peer.say(method="receive", params={"consumer": "bot", "place": "1"})
            self.assertTrue(peer.ended())

        with self.assertRaises(ProtocolError):
            self.received(script)

    def test_changes_are_told_until_the_connection_is_lost(self) -> None:
        def script(peer: Peer) -> None:
            peer.greet()
            peer.serve("subscribeChanges", {})
            peer.say(method="changed", params={"type": "warning", "text": "look"})

        with ScriptedClient(self.home, script), self.client() as client:
            changes = client.changes()
            self.assertEqual(next(changes), ChangedWarning(text="look"))
            with self.assertRaises(ConnectionLostError):
                next(changes)


if __name__ == "__main__":
    unittest.main()
