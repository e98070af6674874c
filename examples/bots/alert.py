#!/usr/bin/env python3
"""Sends each line of standard input as a message.

    journalctl --follow --priority err | alert.py +4915112345678
    systemctl status nginx | alert.py --whole +4915112345678 +4915187654321

Works with `sealpost daemon` and without. The exit status is 0 if the server has stored every message,
3 if one is kept, and sent later, 4 if one was refused for good, and 1 if something else failed; then
standard error has what was not sent.
"""
import argparse
import sys
import time
from collections.abc import Iterator
from typing import TextIO

from sealpost import Client, KeptForLaterError, OutboxFullError, RejectedError, SealpostError, WaitFor

# Whoever reads an alert reads no more; a message could have 60,000 bytes.
CHARACTERS_MAX = 4_000


def texts(source: TextIO, is_whole: bool) -> Iterator[str]:
    """The messages: each line, or everything. One that is too long is cut."""
    if is_whole:
        yield shortened(source.read(CHARACTERS_MAX))
        return
    is_rest = False
    while piece := source.readline(CHARACTERS_MAX):
        if not is_rest:
            yield shortened(piece)
        is_rest = not piece.endswith("\n")


def shortened(text: str) -> str:
    return text + " […]" if len(text) == CHARACTERS_MAX else text.rstrip()


class Sender:
    """Sends, and remembers how well that went."""

    def __init__(self, client: Client, timeout_seconds: int) -> None:
        self.client = client
        self.timeout_seconds = timeout_seconds
        self.wait_for: WaitFor = "stored"
        self.status = 0

    def send(self, recipient: str, text: str) -> None:
        while True:
            try:
                self.client.send(
                    recipient=recipient,
                    message=text,
                    wait_for=self.wait_for,
                    timeout_seconds=self.timeout_seconds,
                )
            except OutboxFullError as error:
                # The pipe fills, and whoever writes to it waits.
                time.sleep(error.retry_after_seconds or 1)
                continue
            except KeptForLaterError as error:
                self.fail(3, f"to {recipient}: {error}")
                # The others need not wait as long.
                self.wait_for = "queued"
            except RejectedError as error:
                self.fail(4, f"not sent to {recipient}: {error}: {text}")
            except SealpostError as error:
                self.fail(1, f"not sent to {recipient}: {error}: {text}")
            return

    def fail(self, status: int, text: str) -> None:
        print(f"alert: {text}", file=sys.stderr, flush=True)
        # What is lost counts more than what is late.
        self.status = status if self.status in (0, 3) else self.status


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("recipients", nargs="+", metavar="+PHONE", help="whom to tell")
    parser.add_argument("--whole", action="store_true", help="send everything as one message")
    parser.add_argument("--home", metavar="DIR", help="home of the sender [default: that of sealpost]")
    parser.add_argument("--program", default="sealpost", metavar="PATH", help="the client [default: sealpost]")
    parser.add_argument("--timeout", type=int, default=30, metavar="S", help="seconds to wait [default: 30]")
    args = parser.parse_args()
    home = ["--home", args.home] if args.home else []
    with (
        open(0, encoding="utf-8", errors="replace", closefd=False) as lines,
        Client(command=[args.program, *home, "rpc"]) as client,
    ):
        sender = Sender(client, args.timeout)
        for text in filter(str.strip, texts(lines, args.whole)):
            for recipient in args.recipients:
                sender.send(recipient, text)
    return sender.status


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
