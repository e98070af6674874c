"""One connection to a client: lines of JSON-RPC 2.0, and which answer belongs to which request."""
import json
import time
from collections import deque
from collections.abc import Mapping
from typing import NoReturn

from .api import API_VERSION, ERRORS, Hello, InvalidParamsError, InvalidRequestError
from .values import decode, shown
from .errors import (
    ApiError,
    CallTimeoutError,
    ConnectionLostError,
    IncompatibleError,
    ProtocolError,
)
from .transport import Stream

LINE_MAX = 1 << 20
"""Longest line in bytes that a client takes, with its end."""
HELLO_SECONDS = 10.0
WAIT_MAX_SECONDS = 86_400.0
CHUNK = 1 << 16

Notification = tuple[str, object]
"""Name and parameters."""


class Connection:
    """A connection whose peer has greeted. One thread at a time uses it.

    Lines from the peer may have any length: it is a process of the same user, whose pages of history
    may be long.
    """

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._buffer = bytearray()
        self._searched = 0
        self._notifications: deque[Notification] = deque()
        self._last_id = 0
        self.is_open = True
        try:
            self.hello = self._greeting()
        except ConnectionLostError as error:
            raise stream.failure() or error from None
        except BaseException:
            self.close()
            raise

    def request(self, method: str, params: Mapping[str, object], seconds: float) -> object:
        """Calls a method, and returns its result. Notifications that come before it are kept."""
        self._last_id += 1
        number, deadline = self._last_id, time.monotonic() + seconds
        request = {"jsonrpc": "2.0", "id": number, "method": method, "params": params}
        try:
            text = json.dumps(request, allow_nan=False)
        except (TypeError, ValueError) as error:
            raise InvalidParamsError(f"{method}: {error}") from error
        self._write(text.encode() + b"\n", deadline)
        while True:
            line = self._line(deadline)
            if line is None:
                raise CallTimeoutError(f"{method} was not answered within {seconds:g} seconds")
            if "method" in line:
                self._notifications.append((str(line["method"]), line.get("params")))
            elif line.get("id") == number or (line.get("id") is None and "error" in line):
                return result(line)
            # Otherwise it is the answer to a call that was given up.

    def notification(self, seconds: float | None) -> Notification | None:
        """The next notification; None if there is none within so many seconds."""
        deadline = None if seconds is None else time.monotonic() + seconds
        while not self._notifications:
            line = self._line(deadline)
            if line is None:
                return None
            if "method" in line:
                self._notifications.append((str(line["method"]), line.get("params")))
        return self._notifications.popleft()

    def close(self) -> None:
        """Ends the connection. Further calls have no effect."""
        if self.is_open:
            self.is_open = False
            self._stream.close()

    def _greeting(self) -> Hello:
        line = self._line(time.monotonic() + HELLO_SECONDS)
        if line is None:
            raise CallTimeoutError(f"no greeting came within {HELLO_SECONDS:g} seconds")
        if "error" in line:
            result(line)
        if line.get("method") != "hello":
            raise ProtocolError(f"expected a greeting, got {shown(line)}")
        hello = decode(Hello, line.get("params"))
        if hello.api_version < API_VERSION:
            raise IncompatibleError(
                f"sealpost {hello.version} has version {hello.api_version} of the interface, and this "
                f"package needs {API_VERSION}: install a newer sealpost"
            )
        return hello

    def _write(self, line: bytes, deadline: float) -> None:
        if len(line) > LINE_MAX:
            raise InvalidRequestError(f"a request has at most {LINE_MAX} bytes, and this one {len(line)}")
        try:
            self._stream.socket.settimeout(remaining(deadline))
            self._stream.socket.sendall(line)
        except OSError as error:
            # A line without its end is never carried out, but nothing can follow it.
            self._lose(error, may_be_done=False)

    def _line(self, deadline: float | None) -> dict[str, object] | None:
        """The next line that is not empty; None if none is whole by the deadline."""
        while True:
            end = self._buffer.find(b"\n", self._searched)
            if end >= 0:
                line = bytes(self._buffer[:end])
                del self._buffer[: end + 1]
                self._searched = 0
                if line.strip():
                    return self._parsed(line)
            elif not self._read(deadline) and remaining(deadline) == 0:
                return None

    def _read(self, deadline: float | None) -> bool:
        """Reads more; whether anything came, by the deadline or for a long time."""
        self._searched = len(self._buffer)
        try:
            self._stream.socket.settimeout(remaining(deadline))
            chunk = self._stream.socket.recv(CHUNK)
        except (TimeoutError, BlockingIOError):
            return False
        except OSError as error:
            self._lose(error)
        if not chunk:
            self._lose(None)
        self._buffer += chunk
        return True

    def _parsed(self, line: bytes) -> dict[str, object]:
        try:
            value = json.loads(line)
        except (ValueError, RecursionError):
            value = None
        if not isinstance(value, dict):
            self.close()
            raise ProtocolError(f"expected an object of JSON, got {shown(line)}")
        return value

    def _lose(self, error: OSError | None, *, may_be_done: bool = True) -> NoReturn:
        self.close()
        why = f": {error.strerror}" if error and error.strerror else ""
        text = f"the connection to the process that serves the home ended{why}"
        raise ConnectionLostError(text, may_be_done=may_be_done) from error


def remaining(deadline: float | None) -> float:
    """Seconds until a deadline, as many as the system waits at once; 0, which does not wait, after it."""
    if deadline is None:
        return WAIT_MAX_SECONDS
    return min(max(deadline - time.monotonic(), 0.0), WAIT_MAX_SECONDS)


def result(answer: Mapping[str, object]) -> object:
    """The result of an answer.

    Raises:
        ApiError: if the answer is an error, of the class of its number.
    """
    error = answer.get("error")
    if error is None:
        return answer.get("result")
    if not isinstance(error, dict) or type(error.get("code")) is not int:
        raise ProtocolError(f"expected an error, got {shown(error)}")
    data = error.get("data")
    more: Mapping[str, object] = data if isinstance(data, dict) else {}
    numbers = [more.get(name) for name in ("retryAfterSeconds", "entry")]
    retry_after, entry = (number if type(number) is int else None for number in numbers)
    raise ERRORS.get(error["code"], ApiError)(
        str(error.get("message")), code=error["code"], retry_after_seconds=retry_after, entry=entry
    )
