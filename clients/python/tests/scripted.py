"""A client whose every line is written by a test."""
import json
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

PATIENCE_SECONDS = 10.0


class Peer:
    """One connection to the scripted client."""

    def __init__(self, stream: socket.socket) -> None:
        stream.settimeout(PATIENCE_SECONDS)
        self.stream = stream
        self.lines = stream.makefile("rb")

    def raw(self, data: bytes) -> None:
        self.stream.sendall(data)

    def say(self, **line: object) -> None:
        self.raw(json.dumps({"jsonrpc": "2.0", **line}).encode() + b"\n")

    def greet(self, version: int = 1, **more: object) -> None:
        params = {"account": "+4915112345678", "apiVersion": version, "version": "9.9", **more}
        self.say(method="hello", params=params)

    def expect(self, method: str, **params: object) -> int:
        """Reads a request, which has these parameters at least, and returns its number."""
        request = self.read()
        assert request["method"] == method, request
        assert params.items() <= request["params"].items(), request
        number: int = request["id"]
        return number

    def serve(self, method: str, result: object, **params: object) -> None:
        self.say(id=self.expect(method, **params), result=result)

    def refuse(self, method: str, code: int, **data: object) -> None:
        self.say(id=self.expect(method), error={"code": code, "message": "no", "data": data})

    def read(self) -> Any:
        line = self.lines.readline()
        assert line.endswith(b"\n"), f"expected a request, got {line!r}"
        return json.loads(line)

    def receive(self, place: int, consumer: str = "bot") -> None:
        """Tells of a message, whose text is its place."""
        message = {
            "body": {"type": "text", "text": str(place)},
            "conversation": "+4915187654321",
            "entry": place,
            "from": "+4915187654321",
            "receivedAt": "2026-01-31T12:00:00Z",
            "sentAt": "2026-01-31T12:00:00Z",
        }
        event = {"type": "message", "message": message}
        self.say(method="receive", params={"consumer": consumer, "place": place, "event": event})

    def ended(self) -> bool:
        """Waits until the other side has ended the connection without another request."""
        return self.lines.readline() == b""


class ScriptedClient:
    """Serves a home. Each connection is served by the next script, which must succeed."""

    def __init__(self, home: Path, *scripts: Callable[[Peer], None]) -> None:
        self.failures: list[BaseException] = []
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(home / "socket"))
        self.listener.listen()
        self.thread = threading.Thread(target=self.run, args=[scripts], daemon=True)
        self.thread.start()

    def run(self, scripts: tuple[Callable[[Peer], None], ...]) -> None:
        try:
            for script in scripts:
                stream, _ = self.listener.accept()
                with stream:
                    script(Peer(stream))
        except BaseException as failure:
            self.failures.append(failure)
        finally:
            self.listener.close()

    def __enter__(self) -> "ScriptedClient":
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        self.thread.join(PATIENCE_SECONDS)
        if self.failures:
            raise self.failures[0]
        if kind is None:
            assert not self.thread.is_alive(), "a script was not run to its end"
