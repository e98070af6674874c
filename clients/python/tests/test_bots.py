"""The examples and the package with real programs."""
import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import threading
import time
import unittest
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

from bed import ALICE, BOB, TARGET, BotBed, ProgramBed, await_, end
from sealpost import (
    BodyText,
    Client,
    KeyReusedError,
    NotFoundError,
    NotRunningError,
    Receive,
    ReceivedEventMessage,
    SubscriptionEndedError,
    UnknownRecipientError,
)

TOKEN = "0123456789abcdef" * 4


def text(received: Receive) -> str:
    assert isinstance(received.event, ReceivedEventMessage)
    assert isinstance(received.event.message.body, BodyText)
    return received.event.message.body.text


class Package(ProgramBed):
    def test_every_answer_of_a_real_client_is_understood(self) -> None:
        with self.alice.client() as alice, self.bob.client() as bob:
            arrivals = bob.receive("bot", from_start=True, idle_seconds=10)
            sent = alice.send(recipient=BOB, message="hello", wait_for="delivered", idempotency_key="k")
            self.assertEqual(sent.progress.state, "delivered")  # type: ignore[union-attr]
            again = alice.send(recipient=BOB, message="hello", wait_for="delivered", idempotency_key="k")
            self.assertEqual(again.entry, sent.entry)
            received = next(arrivals)
            assert isinstance(received.event, ReceivedEventMessage)
            self.assertEqual((text(received), received.event.message.from_), ("hello", ALICE))
            bob.send_reaction(entry=received.event.message.entry, emoji="👍")
            alice.edit_message(entry=sent.entry, message="hello you")
            self.assertEqual(type(next(arrivals).event).__name__, "ReceivedEventEdited")
            self.assertEqual(alice.account(), ALICE)
            self.assertEqual(alice.version().api_version, 1)
            self.assertEqual(alice.status().phone, ALICE)
            await_(lambda: alice.history(with_=BOB).entries[0].reactions, "the reaction")
            self.assertEqual([entry.entry for entry in alice.search(query="hello").entries], [sent.entry])
            [conversation] = alice.list_conversations().conversations
            alice.update_conversation(with_=BOB, mute="always")
            self.assertEqual((conversation.with_, conversation.mute), (BOB, "off"))
            self.assertEqual([contact.phone for contact in alice.list_contacts().contacts], [BOB])
            self.assertEqual([consumer.name for consumer in bob.list_consumers().consumers], ["bot", "listen"])
            with self.assertRaises(UnknownRecipientError):
                alice.look_up(recipient="+4915100000009")
            with self.assertRaises(KeyReusedError):
                alice.send(recipient=BOB, message="another", idempotency_key="k")
            with self.assertRaises(NotFoundError):
                alice.acknowledge(consumer="nobody", up_to=1)

    def test_a_second_loop_of_a_consumer_ends_the_first(self) -> None:
        with self.bob.client() as one, self.bob.client() as other, self.alice.client() as alice:
            first, second = (client.receive("bot", idle_seconds=10) for client in (one, other))
            alice.send(recipient=BOB, message="hello")
            self.assertEqual(text(next(second)), "hello")
            with self.assertRaisesRegex(SubscriptionEndedError, "takenOver"):
                next(first)

    def test_a_command_speaks_for_a_home_with_a_daemon_and_without(self) -> None:
        command = [str(TARGET / "sealpost"), "--home", str(self.alice.path), "rpc"]
        for number in range(2):
            with Client(command=command) as client:
                client.send(recipient=BOB, message=str(number), wait_for="stored")
            self.alice.stop()
        self.assertEqual([each["body"]["text"] for each in self.bob.call("history")["entries"]], ["0", "1"])

    def test_a_daemon_that_is_gone_or_restarted(self) -> None:
        with self.alice.client() as client:
            client.version()
            self.alice.stop(signal.SIGKILL)
            threading.Timer(0.5, self.alice.start).start()
            # It is waited for.
            client.version()
            self.alice.stop()
        with self.assertRaisesRegex(NotRunningError, "sealpost --home .* daemon"):
            Client(self.alice.path, patience=0).version()


class Lines(ProgramBed):
    @unittest.skipUnless(shutil.which("jq"), "there is no jq")
    def test_a_bot_in_lines_of_json_answers_once(self) -> None:
        bot = self.bot(self.bob.path, "echo.sh")
        self.await_consumers(self.bob, "echo")
        with self.alice.client() as client:
            answers = client.receive("check", idle_seconds=3)
            for number in range(6):
                client.send(recipient=BOB, message=str(number), wait_for="stored")
                if number == 3:
                    bot.kill()
                    bot.wait()
                    bot = self.bot(self.bob.path, "echo.sh")
            self.assertEqual([text(each) for each in answers], list("012345"), self.said("echo.sh"))


class Alert(ProgramBed):
    def alert(self, lines: bytes, *args: str) -> tuple[int, str]:
        bot = self.bot(self.alice.path, "alert", *args, stdin=subprocess.PIPE, errors="surrogateescape")
        # Bytes that are no text go where they came from.
        bot.communicate(lines.decode(errors="surrogateescape"), timeout=30)
        return bot.returncode, self.said("alert")

    def arrived(self) -> list[str]:
        return [each["body"]["text"] for each in self.bob.call("history")["entries"]]

    def test_each_line_is_a_message(self) -> None:
        long = "x" * 10_000
        lines = f"one\n\n  \ntwo\n{long}\n".encode() + b"\xffthree"
        self.assertEqual(self.alert(lines, BOB), (0, ""))
        await_(lambda: len(self.arrived()) == 4, "four messages")
        cut = "x" * 4_000 + " […]"
        self.assertEqual(self.arrived(), ["one", "two", cut, "\ufffdthree"])

    def test_everything_is_one_message_without_a_daemon(self) -> None:
        self.alice.stop()
        self.assertEqual(self.alert(b"one\ntwo\n", "--whole", BOB), (0, ""))
        self.assertEqual(self.arrived(), ["one\ntwo"])

    def test_what_can_not_be_sent_is_kept_and_sent_later(self) -> None:
        # A contact, for whom a message can be sealed at once.
        self.assertEqual(self.alert(b"one\n", BOB), (0, ""))
        end(self.server, signal.SIGTERM)
        status, said = self.alert(b"two\nthree\n", "--timeout", "1", BOB)
        self.assertEqual(status, 3, said)
        self.assertIn("it is kept, and sent later", said)
        self.serve(self.listen)
        await_(lambda: self.arrived() == ["one", "two", "three"], "what was kept")

    def test_what_is_refused_is_said_and_the_others_are_sent(self) -> None:
        status, said = self.alert(b"fire\n", "+4915100000009", BOB)
        self.assertEqual(status, 4, said)
        self.assertRegex(said, "not sent to .4915100000009: .*: fire")
        self.assertEqual(self.arrived(), ["fire"])

    def test_no_account_fails_at_once_and_shows_the_alert(self) -> None:
        status, said = self.alert(b"fire\n", "--home", str(self.folder / "none"), BOB)
        self.assertEqual(status, 1, said)
        self.assertRegex(said, "not sent to .4915187654321: .*: fire")


def secret(path: Path, text: str, mode: int = 0o600) -> str:
    """Writes a file with a token."""
    path.write_text(text + "\n")
    path.chmod(mode)
    return str(path)


class Target(BaseHTTPRequestHandler):
    """A web service that answers with the statuses of its list, and keeps what it was posted."""

    statuses: list[int] = []
    posts: list[tuple[int, Any]] = []
    headers_seen: list[tuple[str | None, str | None]] = []

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        status = self.statuses.pop(0) if self.statuses else 204
        self.posts.append((status, body))
        self.headers_seen.append((self.headers["Authorization"], self.headers["Idempotency-Key"]))
        self.send_response(status)
        if status == 302:
            self.send_header("Location", "/elsewhere")
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        """Says nothing."""


class Webhook(ProgramBed):
    def setUp(self) -> None:
        super().setUp()
        self.token = secret(self.folder / "token", TOKEN)
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]

    def start(self, *args: str) -> subprocess.Popen[str]:
        return self.bot(self.bob.path, "webhook", *args)

    def post(self, body: bytes, *, path: str = "/send", token: str = TOKEN, **headers: str) -> tuple[int, Any]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        sent = {"Authorization": f"Bearer {token}", **headers}
        connection.request("POST", path, body, {name.replace("_", "-"): value for name, value in sent.items()})
        answer = connection.getresponse()
        read = answer.read()
        connection.close()
        return answer.status, json.loads(read)

    def start_listening(self) -> None:
        self.start("--listen", f"127.0.0.1:{self.port}", "--token-file", self.token)

        def is_there() -> bool:
            with socket.socket() as probe:
                return probe.connect_ex(("127.0.0.1", self.port)) == 0

        await_(is_there, "the webhook")

    def test_an_event_is_acknowledged_only_after_the_service_has_taken_it(self) -> None:
        Target.statuses, Target.posts, Target.headers_seen = [500, 302], [], []
        with HTTPServer(("127.0.0.1", self.port), Target) as service:
            threading.Thread(target=service.serve_forever, daemon=True).start()
            options = ["--url", f"http://127.0.0.1:{self.port}/hook", "--url-token-file", self.token]
            bot = self.start(*options)
            self.await_consumers(self.bob, "webhook")
            self.alice.run("send", BOB, "one")
            await_(lambda: len(Target.posts) == 1, "the first attempt")
            [listening] = [each for each in self.bob.call("listConsumers")["consumers"] if each["name"] == "webhook"]
            self.assertEqual(listening["waiting"], 1)
            # Killed before the next attempt: another process tries again.
            bot.send_signal(signal.SIGKILL)
            bot.wait()
            self.start(*options)
            self.alice.run("send", BOB, "two")
            await_(lambda: len(Target.posts) == 4, "two messages")
            self.assertEqual([status for status, _ in Target.posts], [500, 302, 204, 204])
            texts = [body["event"]["message"]["body"]["text"] for _, body in Target.posts]
            self.assertEqual(texts, ["one", "one", "one", "two"])
            places = [body["place"] for _, body in Target.posts]
            seen = [(f"Bearer {TOKEN}", f"webhook-{place}") for place in places]
            self.assertEqual(Target.headers_seen, seen)
            service.shutdown()

    def test_a_post_is_sent_once(self) -> None:
        self.start_listening()
        body = {"recipient": ALICE, "message": "hello", "idempotencyKey": "k", "waitFor": "delivered"}
        answers = [self.post(json.dumps(body).encode()) for _ in range(2)]
        self.assertEqual([status for status, _ in answers], [200, 200], self.said("webhook"))
        self.assertEqual(answers[0][1]["entry"], answers[1][1]["entry"])
        self.assertEqual(len(self.alice.call("history")["entries"]), 1)

    def test_a_post_that_is_wrong_is_refused_and_the_next_one_is_sent(self) -> None:
        self.start_listening()
        good = json.dumps({"recipient": ALICE, "message": "hello"}).encode()
        for status, body, more in (
            (401, good, {"token": TOKEN[:-1] + "0"}),
            (401, good, {"token": ""}),
            (401, good, {"token": "ÿ"}),
            (404, good, {"path": "/history"}),
            (400, b"{", {}),
            (400, b"[]", {}),
            (400, b"[" * 100_000, {}),
            (400, b"\xff", {}),
            (400, b'{"recipient":"+49","message":NaN}', {}),
            (400, b'{"recipient":"\\ud800","message":"x"}', {}),
            (400, b'{"recipient":"+4915112345678"}', {}),
            (400, b'{"recipient":"+4915112345678","message":"x","colour":"red"}', {}),
            (400, b'{"recipient":"+4915112345678","message":"x","timeoutSeconds":"x"}', {}),
            (413, b"x", {"Content_Length": str((256 << 10) + 1)}),
            (413, b"x", {"Content_Length": "9" * 30}),
            (411, b"x", {"Content_Length": "-1"}),
            (422, json.dumps({"recipient": ALICE, "message": "x" * 70_000}).encode(), {}),
        ):
            with self.subTest(body=body[:40], more=more):
                answer = self.post(body, **more)
                self.assertEqual(answer[0], status, (answer, self.said("webhook")))
                self.assertIn("error", answer[1])
        self.assertEqual(self.post(good)[0], 200)
        self.assertNotIn("Traceback", self.said("webhook"))

    def test_whoever_is_slow_does_not_keep_others_out_for_long(self) -> None:
        self.start_listening()
        slow = [socket.create_connection(("127.0.0.1", self.port)) for _ in range(20)]
        for connection in slow:
            connection.sendall(b"POST /send HTTP/1.0\r\nContent-Length: 9")
        started = time.monotonic()
        self.assertEqual(self.post(b"{", token="no")[0], 401)
        self.assertLess(time.monotonic() - started, 25)
        for connection in slow:
            connection.close()


class WebhookOptions(BotBed):
    def test_wrong_options_say_what_to_do(self) -> None:
        token = secret(self.folder / "token", TOKEN)
        readable = secret(self.folder / "readable", TOKEN, 0o644)
        short = secret(self.folder / "short", "x")
        listen = ["--listen", "127.0.0.1:1", "--token-file"]
        for args, said in (
            ([], "pass --url, --listen, or both"),
            (listen[:2], "--listen needs --token-file"),
            (["--listen", "0.0.0.0:1", "--token-file", token], "not a loopback address"),
            ([*listen, readable], "run chmod 600"),
            ([*listen, short], "fewer than 32 characters"),
            ([*listen, "/none"], "can't read /none"),
            (["--url", "file:///etc/passwd"], "begins with http"),
        ):
            with self.subTest(args=args):
                bot = self.bot(self.folder, "webhook", *args)
                self.assertEqual(bot.wait(20), 2)
                self.assertIn(said, self.said("webhook"))
                os.remove(self.folder / "webhook.log")


if __name__ == "__main__":
    unittest.main()
