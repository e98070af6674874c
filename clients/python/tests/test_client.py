"""Calls, over connections that break in every way."""
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest
from collections.abc import Callable
from pathlib import Path
from unittest import mock

from scripted import Peer, ScriptedClient
from sealpost import (
    ApiError,
    BusyError,
    CallTimeoutError,
    Client,
    ConnectionLostError,
    IncompatibleError,
    InvalidParamsError,
    InvalidRequestError,
    KeptForLaterError,
    KeyChangedError,
    NoClientError,
    NotPermittedError,
    NotRunningError,
    ParseError,
    ProtocolError,
    RejectedError,
    TemporaryError,
    VersionResult,
)
from sealpost.connection import LINE_MAX

VERSION = {"apiVersion": 1, "version": "9.9"}
SENT = {"entry": 1, "progress": {"state": "queued"}}


class TestBed(unittest.TestCase):
    """A home, which scripts serve."""

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory(prefix="sealpost-")
        self.addCleanup(folder.cleanup)
        self.home = Path(folder.name)

    def client(self, *, patience: float = 5.0, timeout: float = 5.0) -> Client:
        return Client(self.home, patience=patience, timeout=timeout)


class Calls(TestBed):
    def test_a_method_is_called_with_the_parameters_that_there_are(self) -> None:
        def script(peer: Peer) -> None:
            peer.greet()
            peer.serve("version", VERSION)
            request = peer.read()
            self.assertEqual(request["params"], {"query": "a b", "limit": 50})
            peer.say(id=request["id"], result={"entries": [], "more": False, "further": 1})
            peer.serve("block", {}, recipient="+49")
            self.assertTrue(peer.ended())

        with ScriptedClient(self.home, script), self.client() as client:
            self.assertEqual(client.account(), "+4915112345678")
            self.assertEqual(client.version(), VersionResult(api_version=1, version="9.9"))
            self.assertEqual(client.search(query="a b").entries, ())
            client.block(recipient="+49")

    def test_a_refusal_is_an_error_of_its_class(self) -> None:
        def script(peer: Peer) -> None:
            peer.greet()
            peer.refuse("send", KeyChangedError.code, entry=7)
            peer.refuse("send", KeptForLaterError.code, entry=8)
            peer.refuse("block", BusyError.code, retryAfterSeconds=3)
            peer.refuse("block", 4711)

        with ScriptedClient(self.home, script), self.client() as client:
            for entry, kind in ((7, KeyChangedError), (8, KeptForLaterError)):
                with self.assertRaises(kind) as caught:
                    client.send(recipient="+49", message="hello")
                self.assertEqual((caught.exception.entry, caught.exception.code), (entry, kind.code))
            with self.assertRaises(TemporaryError) as busy:
                client.block(recipient="+49")
            self.assertEqual(busy.exception.retry_after_seconds, 3)
            with self.assertRaises(ApiError) as unknown:
                client.block(recipient="+49")
            self.assertEqual((type(unknown.exception), unknown.exception.code), (ApiError, 4711))
        self.assertTrue(issubclass(KeyChangedError, RejectedError))

    def test_an_answer_that_comes_late_is_not_taken_for_another(self) -> None:
        def script(peer: Peer) -> None:
            peer.greet()
            late, next_ = peer.expect("version"), peer.expect("block")
            peer.say(id=late, result=VERSION)
            peer.say(method="changed", params={"type": "warning", "text": "!"})
            peer.say(id=next_, result={})
            peer.serve("version", VERSION)

        with ScriptedClient(self.home, script), self.client(timeout=0.1) as client:
            with self.assertRaises(CallTimeoutError):
                client.version()
            client._timeout = 5.0
            client.block(recipient="+49")
            client.version()

    def test_a_message_is_sent_once_over_a_connection_that_is_lost(self) -> None:
        keys: list[str] = []

        def cut(peer: Peer) -> None:
            peer.greet()
            keys.append(peer.read()["params"]["idempotencyKey"])
            peer.raw(b'{"jsonrpc":"2.0","id":1,"resu')

        def ending(peer: Peer) -> None:
            peer.greet()
            keys.append(peer.read()["params"]["idempotencyKey"])
            peer.say(id=1, error={"code": 12, "message": "the process is ending"})

        def answer(peer: Peer) -> None:
            peer.greet()
            keys.append(peer.read()["params"]["idempotencyKey"])
            peer.say(id=1, result=SENT)

        with ScriptedClient(self.home, cut, ending, cut, answer), self.client() as client:
            self.assertEqual(client.send(recipient="+49", message="hello").entry, 1)
        self.assertEqual(len(keys), 4)
        self.assertEqual(len(set(keys)), 1)

    def test_what_may_be_done_is_not_repeated(self) -> None:
        def lost(peer: Peer) -> None:
            peer.greet()
            peer.expect("editMessage")

        def answer(peer: Peer) -> None:
            peer.greet()
            peer.serve("version", VERSION)

        with ScriptedClient(self.home, lost, answer), self.client() as client:
            with self.assertRaises(ConnectionLostError) as caught:
                client.edit_message(entry=1, message="hello")
            self.assertTrue(caught.exception.may_be_done)
            client.version()

    def test_what_can_not_be_done_is_repeated(self) -> None:
        def ended(peer: Peer) -> None:
            peer.greet()
            peer.serve("version", VERSION)

        def answer(peer: Peer) -> None:
            peer.greet()
            peer.serve("editMessage", SENT)

        with ScriptedClient(self.home, ended, answer), self.client() as client:
            client.version()
            wait_until(lambda: socket_has_ended(client))
            client.edit_message(entry=1, message="hello")

    def test_what_is_not_json_ends_the_connection(self) -> None:
        for line in (b"what?\n", b"[1]\n", b'{"a":\n', b"[" * 100_000 + b"\n", b'{"id":1,"error":7}\n'):
            with self.subTest(line=line[:20]):
                def script(peer: Peer) -> None:
                    peer.greet()
                    peer.expect("version")
                    peer.raw(line)

                with ScriptedClient(self.home, script), self.client() as client:
                    with self.assertRaises(ProtocolError):
                        client.version()
                (self.home / "socket").unlink()

    def test_a_line_arrives_in_pieces_and_may_be_long(self) -> None:
        def script(peer: Peer) -> None:
            peer.greet()
            number = peer.expect("version")
            peer.raw(b"\r\n\n")
            for byte in b'{"jsonrpc":"2.0","id":%d,' % number:
                peer.raw(bytes([byte]))
            peer.raw(b'"result":{"apiVersion":1,"version":"' + b"x" * (4 << 20) + b'"}}\r\n')

        with ScriptedClient(self.home, script), self.client() as client:
            self.assertEqual(len(client.version().version), 4 << 20)

    def test_what_can_not_be_sent_is_refused_and_the_next_call_works(self) -> None:
        def script(peer: Peer) -> None:
            peer.greet()
            peer.say(id=None, error={"code": -32700, "message": f"not JSON: {peer.read()['id']}"})
            peer.serve("version", VERSION)

        with ScriptedClient(self.home, script), self.client() as client:
            with self.assertRaises(ParseError):
                client.call("send", {"message": "\ud800"}, VersionResult)
            with self.assertRaises(InvalidRequestError):
                client.send(recipient="+49", message="x" * LINE_MAX)
            for value in (float("nan"), object(), {1, 2}):
                with self.assertRaises(InvalidParamsError):
                    client.call("send", {"message": value}, VersionResult)
            client.version()

    def test_a_second_thread_is_kept_out(self) -> None:
        entered = threading.Event()

        def script(peer: Peer) -> None:
            peer.greet()
            number = peer.expect("version")
            entered.set()
            time.sleep(0.2)
            peer.say(id=number, result=VERSION)

        with ScriptedClient(self.home, script), self.client() as client:
            other = threading.Thread(target=client.version)
            other.start()
            entered.wait()
            with self.assertRaisesRegex(RuntimeError, "one for each thread"):
                client.version()
            other.join()


class Greetings(TestBed):
    def greeted(self, script: Callable[[Peer], None]) -> str:
        with ScriptedClient(self.home, script), self.client() as client:
            return client.account()

    def test_a_newer_version_is_welcome(self) -> None:
        self.assertEqual(self.greeted(lambda peer: peer.greet(2, mood="good")), "+4915112345678")

    def test_an_older_version_is_not(self) -> None:
        with self.assertRaisesRegex(IncompatibleError, "sealpost 9.9 has version 0.*newer"):
            self.greeted(lambda peer: peer.greet(0))

    def test_what_does_not_greet_is_no_client(self) -> None:
        for line in (b"SSH-2.0-OpenSSH\n", b'{"jsonrpc":"2.0","method":"changed"}\n', b"[]\n"):
            with self.subTest(line=line), self.assertRaises(ProtocolError):
                self.greeted(lambda peer: peer.raw(line))
            (self.home / "socket").unlink()

    def test_a_greeting_that_is_cut_off_or_busy_is_waited_for(self) -> None:
        def cut(peer: Peer) -> None:
            peer.raw(b'{"jsonrpc":"2.0","method":"hel')

        def busy(peer: Peer) -> None:
            peer.say(id=None, error={"code": 14, "message": "64 are open", "data": {"retryAfterSeconds": 1}})

        started = time.monotonic()
        with ScriptedClient(self.home, cut, busy, Peer.greet), self.client() as client:
            client.account()
        self.assertGreater(time.monotonic() - started, 1.0)

    def test_busy_is_an_error_once_patience_is_over(self) -> None:
        def busy(peer: Peer) -> None:
            peer.say(id=None, error={"code": 14, "message": "64 are open", "data": {}})

        with ScriptedClient(self.home, busy), self.client(patience=0) as client:
            with self.assertRaisesRegex(BusyError, "64 are open"):
                client.account()


class Homes(TestBed):
    def test_a_home_that_is_not_served_says_what_to_run(self) -> None:
        with self.assertRaisesRegex(NotRunningError, "run sealpost --home .* daemon"):
            self.client(patience=0).version()
        # What a process that was killed has left behind.
        with socket.socket(socket.AF_UNIX) as stale:
            stale.bind(str(self.home / "socket"))
        with self.assertRaisesRegex(NotRunningError, "run sealpost --home .* daemon"):
            self.client(patience=0.2).version()

    def test_no_home_says_what_to_run_at_once(self) -> None:
        for home in (self.home / "none", Path("/dev/null")):
            started = time.monotonic()
            with self.assertRaisesRegex(NoClientError, f"sealpost --home {home} register"):
                Client(home).version()
            self.assertLess(time.monotonic() - started, 1.0)

    def test_a_home_is_waited_for(self) -> None:
        scripted: list[ScriptedClient] = []

        def start() -> None:
            scripted.append(ScriptedClient(self.home, Peer.greet))

        timer = threading.Timer(0.3, start)
        timer.start()
        with self.client() as client:
            self.assertEqual(client.account(), "+4915112345678")
        timer.join()
        scripted[0].thread.join()

    def test_a_home_with_a_long_path_is_reached(self) -> None:
        home = self.home / ("long" * 50)
        home.mkdir()
        with ScriptedClient(self.home, Peer.greet):
            (self.home / "socket").rename(home / "socket")
            with Client(home) as client:
                self.assertEqual(client.account(), "+4915112345678")

    def test_the_home_is_that_of_the_command_line(self) -> None:
        with mock.patch.dict(os.environ, SEALPOST_HOME=str(self.home / "named")):
            with self.assertRaisesRegex(NoClientError, "/named is no home"):
                Client().version()
        with mock.patch.dict(os.environ, HOME=str(self.home)):
            os.environ.pop("SEALPOST_HOME", None)
            with self.assertRaisesRegex(NoClientError, f"{self.home}/.sealpost is no home"):
                Client().version()

    @unittest.skipUnless(os.geteuid() == 0, "needs to be root, to become somebody else")
    def test_the_home_of_somebody_else_says_so(self) -> None:
        code = (
            "import os, sys; from sealpost import Client, NotPermittedError\n"
            f"os.setgid(65534); os.setuid(65534)\n"
            f"try: Client({str(self.home)!r}).version()\n"
            "except NotPermittedError as error: print(error)"
        )
        said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=20)
        self.assertIn("belongs to another user: run this program as that user", said.stdout, said.stderr)
        self.assertTrue(issubclass(NotPermittedError, Exception))


class Commands(TestBed):
    def child(self, code: str) -> Client:
        return Client(command=[sys.executable, "-c", code], patience=5.0)

    def test_a_command_is_spoken_to_and_ends_with_its_input(self) -> None:
        hello = '{"jsonrpc":"2.0","method":"hello","params":{"account":"+49","apiVersion":1,"version":"9"}}'
        code = f"import sys; print('{hello}', flush=True); sys.stdin.read(); open('{self.home}/over', 'w')"
        with self.child(code) as client:
            self.assertEqual(client.account(), "+49")
        self.assertTrue((self.home / "over").exists())

    def test_a_command_that_fails_is_run_again_only_if_that_may_help(self) -> None:
        count = f"open('{self.home}/runs', 'a').write('x')"
        for status, runs in ((1, 1), (4, 1), (5, 2), (6, 2)):
            with self.subTest(status=status):
                code = f"import sys; {count}; sys.exit({status})"
                client = Client(command=[sys.executable, "-c", code], patience=0.5)
                with self.assertRaises((NoClientError, ConnectionLostError)) as caught:
                    client.version()
                self.assertEqual(isinstance(caught.exception, NoClientError), runs == 1)
                self.assertGreaterEqual(len((self.home / "runs").read_text()), runs)
                (self.home / "runs").unlink()

    def test_a_command_that_does_not_exist_says_so(self) -> None:
        with self.assertRaisesRegex(NoClientError, "can't run /none/sealpost: No such file"):
            Client(command=["/none/sealpost", "rpc"]).version()
        with self.assertRaises(ValueError):
            Client(self.home, command=["sealpost", "rpc"])


def wait_until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 5
    while not holds():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.01)


def socket_has_ended(client: Client) -> bool:
    """Whether the other side has ended the connection, of which the client has not heard yet."""
    assert client._connection
    stream = client._connection._stream.socket
    stream.settimeout(0)
    try:
        return stream.recv(1, socket.MSG_PEEK) == b""
    except BlockingIOError:
        return False


if __name__ == "__main__":
    unittest.main()
