"""Ways to a client: the socket in its home, or a child process that runs `sealpost rpc`."""
import os
import socket
import subprocess
from collections.abc import Sequence
from pathlib import Path

from .errors import NoClientError, NotPermittedError, NotRunningError, SealpostError

# A path of the socket that is longer does not fit into an address of the kernel.
PATH_MAX = 100
CHILD_PATIENCE_SECONDS = 35.0
"""How long a child may take to end: longer than it waits for requests of others."""

# Exit statuses of `sealpost` that may be others a moment later: the home is in use, or about to be.
PASSING_STATUSES = (5, 6)


class Stream:
    """A stream to a client, and the child process at its other end, if there is one."""

    def __init__(self, stream: socket.socket, child: subprocess.Popen[bytes] | None = None) -> None:
        self.socket = stream
        self._child = child

    def close(self) -> None:
        """Ends the stream, and waits until the child has ended, which then can't read or write."""
        self.socket.close()
        if self._child is None:
            return
        try:
            self._child.wait(CHILD_PATIENCE_SECONDS)
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.wait()

    def failure(self) -> SealpostError | None:
        """Why a child ended that can't be run again; known once it is closed."""
        status = self._child.returncode if self._child else None
        if self._child is None or status is None or status <= 0 or status in PASSING_STATUSES:
            return None
        return NoClientError(f"{self._child.args!r} failed with exit status {status}")


def home_folder(home: str | os.PathLike[str] | None) -> Path:
    """The home that the command line would use, too."""
    return Path(home or os.environ.get("SEALPOST_HOME") or Path.home() / ".sealpost")


def open_home(home: Path) -> Stream:
    """Connects to the process that serves a home."""
    stream = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        connect(stream, home)
    except OSError as error:
        stream.close()
        raise trouble(home, error) from error
    return Stream(stream)


def connect(stream: socket.socket, home: Path) -> None:
    path = home / "socket"
    if len(os.fsencode(path)) <= PATH_MAX:
        stream.connect(str(path))
        return
    # Through the folder's descriptor the path is short in any folder.
    folder = os.open(home, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        stream.connect(f"/proc/self/fd/{folder}/socket")
    finally:
        os.close(folder)


def trouble(home: Path, error: OSError) -> SealpostError:
    """What it means that a home can't be connected to."""
    if isinstance(error, PermissionError):
        return NotPermittedError(
            f"can't use {home}, which belongs to another user: run this program as that user, or "
            "name another home"
        )
    if not home.is_dir():
        return NoClientError(f"{home} is no home: run sealpost --home {home} register ADDRESS +PHONE")
    return NotRunningError(f"nothing serves {home}: run sealpost --home {home} daemon")


def open_child(command: Sequence[str]) -> Stream:
    """Runs a command whose standard input and output are the stream."""
    ours, theirs = socket.socketpair()
    with theirs:
        try:
            child = subprocess.Popen(command, stdin=theirs.fileno(), stdout=theirs.fileno())
        except OSError as error:
            ours.close()
            raise NoClientError(f"can't run {command[0]}: {error.strerror}") from error
    return Stream(ours, child)
