"""Real programs: a server, homes that daemons serve, and bots."""
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path
from typing import Any

from sealpost import Client

ROOT = Path(__file__).resolve().parents[3]
BOTS = ROOT / "examples" / "bots"
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "debug"
ALICE, BOB = "+4915112345678", "+4915187654321"
PATIENCE_SECONDS = 30
# The programs refuse a variable that names none of their options, such as those of the tests.
ENVIRONMENT = {name: value for name, value in os.environ.items() if not name.startswith("SEALPOST_")}


class Home:
    """An account, and the daemon that serves its home."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.process: subprocess.Popen[str] | None = None

    def run(self, *args: str) -> str:
        command = [str(TARGET / "sealpost"), "--home", str(self.path), *args]
        done = subprocess.run(
            command, env=ENVIRONMENT, capture_output=True, text=True, timeout=PATIENCE_SECONDS
        )
        assert done.returncode == 0, f"sealpost {args}: {done.returncode}: {done.stderr}"
        return done.stdout

    def start(self) -> None:
        """Starts the daemon, and returns when it is ready."""
        command = [str(TARGET / "sealpost"), "--home", str(self.path), "daemon"]
        self.process = subprocess.Popen(command, env=ENVIRONMENT, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout
        line = self.process.stdout.readline()
        assert line == "ready\n", line

    def stop(self, signal_: int = signal.SIGTERM) -> None:
        if self.process:
            end(self.process, signal_)
            self.process = None

    def call(self, method: str, params: object = None) -> Any:
        return json.loads(self.run("call", method, json.dumps(params or {})))

    def client(self) -> Client:
        return Client(self.path)


class BotBed(unittest.TestCase):
    """A folder, and the examples."""

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory(prefix="sealpost-")
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    def bot(self, home: Path, name: str, *args: str, **more: Any) -> subprocess.Popen[str]:
        """Starts an example. What it says on standard error is kept in a file of its name."""
        environment = {**package_environment(), "SEALPOST_HOME": str(home)}
        file = BOTS / f"{name}.py"
        command = [sys.executable, str(file), *args] if file.exists() else [str(BOTS / name), *args]
        with (self.folder / f"{name}.log").open("a") as log:
            bot = subprocess.Popen(command, env=environment, stderr=log, text=True, **more)
        self.addCleanup(end, bot, signal.SIGKILL)
        return bot

    def said(self, name: str) -> str:
        return (self.folder / f"{name}.log").read_text()


class ProgramBed(BotBed):
    """A server, and the homes of Alice and Bob, with a daemon each."""

    def setUp(self) -> None:
        super().setUp()
        address = self.serve()
        self.listen = address.split("/")[2]
        self.alice, self.bob = Home(self.folder / "alice"), Home(self.folder / "bob")
        for home, phone in ((self.alice, ALICE), (self.bob, BOB)):
            home.run("register", address, phone)
            home.start()
            self.addCleanup(home.stop)

    def serve(self, listen: str = "127.0.0.1:0") -> str:
        """Starts the server, and returns its address."""
        data = self.folder / "data"
        command = [str(TARGET / "sealpostd"), "--init", "--data", str(data)]
        command += ["--listen", listen, "--otp", "in-band"]
        with (self.folder / "server.log").open("a") as log:
            self.server = subprocess.Popen(
                command, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=log, text=True
            )
        self.addCleanup(end, self.server, signal.SIGKILL)
        assert self.server.stdout
        ready = re.fullmatch(r"ready (\S+) sha256:([0-9a-f]{64})\n", self.server.stdout.readline())
        assert ready, (self.folder / "server.log").read_text()
        return f"sealpost://{ready[1]}/{ready[2]}"

    def await_consumers(self, home: Home, *names: str) -> None:
        def found() -> bool:
            with home.client() as client:
                known = {consumer.name for consumer in client.list_consumers().consumers}
            return known.issuperset(names)

        await_(found, f"consumers {names}")


def package_environment() -> dict[str, str]:
    """Environment in which the package and the programs are found."""
    path = f"{TARGET}:{os.environ['PATH']}"
    return {**ENVIRONMENT, "PYTHONPATH": str(ROOT / "clients/python/src"), "PATH": path}


def await_(holds: Any, what: str) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not holds():
        assert time.monotonic() < deadline, f"not in time: {what}"
        time.sleep(0.05)


def end(process: subprocess.Popen[str], signal_: int) -> None:
    """Ends a process that a test has started, if it has not ended already."""
    if process.poll() is None:
        process.send_signal(signal_)
        process.wait(PATIENCE_SECONDS)
    for stream in (process.stdin, process.stdout):
        if stream:
            stream.close()
