#!/usr/bin/env python3
"""Connects an account with a web service, in both directions.

    webhook.py --url https://example.org/hook --url-token-file out.token
    webhook.py --listen 127.0.0.1:8080 --token-file in.token
    curl --header "Authorization: Bearer $(cat in.token)" --json \\
        '{"recipient": "+4915187654321", "message": "See you at eight"}' http://127.0.0.1:8080/send

What arrives is posted to the URL, one event at a time, in order, until an answer with a status of 2xx
comes; only then is it acknowledged. What is posted to /send, with the parameters of `send`, is sent.
Needs `sealpost daemon`. A file with a token has at least 32 characters and mode 0600: make it with
(umask 077; openssl rand -hex 32 > in.token).
"""
import argparse
import contextlib
import hmac
import ipaddress
import json
import logging
import os
import random
import socket
import stat
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from http import HTTPStatus
from http.client import HTTPException, HTTPMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlsplit

from sealpost import (
    ApiError,
    Client,
    InvalidParamsError,
    InvalidRequestError,
    KeptForLaterError,
    ParseError,
    Receive,
    RejectedError,
    SealpostError,
    SendResult,
    TemporaryError,
    to_json,
)

BODY_MAX = 256 << 10
"""Longest body of a post in bytes: the longest message, escaped."""
POSTS_MAX = 16
"""Posts at once; a home takes 64 connections."""
POST_SECONDS = 5
"""How long a post may take to arrive."""
ANSWER_SECONDS = 30
PAUSE_SECONDS, PAUSE_MAX_SECONDS = 1.0, 300.0
TOKEN_MIN = 32

log = logging.getLogger("webhook")


class NoRedirects(urllib.request.HTTPRedirectHandler):
    """A redirect is no answer of 2xx: the token goes to the URL and nowhere else."""

    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> None:
        return None


class Hook:
    """Posts events to a URL."""

    def __init__(self, url: str, token: str | None) -> None:
        self.url = url
        self.token = token
        self.opener = urllib.request.build_opener(NoRedirects)

    def deliver(self, received: Receive) -> None:
        """Posts an event until it is taken. The pauses grow up to five minutes."""
        pause = PAUSE_SECONDS
        while why := self.objection(received):
            log.warning("place %d: %s; again in %.0f s", received.place, why, pause)
            time.sleep(pause * random.uniform(0.8, 1.2))
            pause = min(pause * 2, PAUSE_MAX_SECONDS)

    def objection(self, received: Receive) -> str | None:
        """Posts an event; None if it was taken."""
        headers = {
            "Content-Type": "application/json",
            "Idempotency-Key": f"{received.consumer}-{received.place}",
            **({"Authorization": f"Bearer {self.token}"} if self.token else {}),
        }
        body = json.dumps(to_json(received)).encode()
        request = urllib.request.Request(self.url, body, headers, method="POST")
        try:
            with self.opener.open(request, timeout=ANSWER_SECONDS):
                return None
        except urllib.error.HTTPError as error:
            with error:
                return f"{self.url} answered {error.code}"
        except (OSError, HTTPException) as error:
            return f"{self.url} can't be reached: {error}"


class Refusal(Exception):
    """A post that is not carried out."""

    def __init__(self, status: HTTPStatus, why: str, retry_after: int | None = None) -> None:
        super().__init__(why)
        self.status = status
        self.retry_after = retry_after


class Posts(ThreadingHTTPServer):
    """Takes posts, at most so many at once."""

    daemon_threads = True

    def __init__(self, address: tuple[str, int], token: str, client: Callable[[], Client]) -> None:
        self.token = token.encode()
        self.client = client
        self.places = threading.Semaphore(POSTS_MAX)
        super().__init__(address, Post)

    def process_request(self, request: Any, client_address: Any) -> None:
        # Further connections wait, unaccepted, until one of these has ended.
        self.places.acquire()
        super().process_request(request, client_address)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self.places.release()


class Post(BaseHTTPRequestHandler):
    """One connection, with one request."""

    server: Posts

    def setup(self) -> None:
        super().setup()
        # A time-out of the socket would begin again with each byte.
        self.deadline = threading.Timer(POST_SECONDS, self.cut)
        self.deadline.start()

    def cut(self) -> None:
        with contextlib.suppress(OSError):
            self.connection.shutdown(socket.SHUT_RD)

    def finish(self) -> None:
        self.deadline.cancel()
        super().finish()

    def do_POST(self) -> None:
        try:
            self.authorize()
            if self.path != "/send":
                raise Refusal(HTTPStatus.NOT_FOUND, "post to /send")
            params = self.params()
            self.deadline.cancel()
            self.answer(HTTPStatus.OK, to_json(self.send(params)))
        except Refusal as refusal:
            self.answer(refusal.status, {"error": str(refusal)}, refusal.retry_after)
        except ApiError as error:
            more = {"entry": error.entry} if error.entry is not None else {}
            said = {"error": str(error), "code": error.code, **more}
            self.answer(status_of(error), said, error.retry_after_seconds)
        except SealpostError as error:
            self.answer(HTTPStatus.SERVICE_UNAVAILABLE, {"error": str(error)}, 5)

    def authorize(self) -> None:
        given = self.headers.get("Authorization", "").encode("utf-8", "replace")
        if not hmac.compare_digest(given, b"Bearer " + self.server.token):
            raise Refusal(HTTPStatus.UNAUTHORIZED, "the bearer token is missing or wrong")

    def params(self) -> dict[str, object]:
        length = self.headers.get("Content-Length", "")
        if not (length.isascii() and length.isdigit()):
            raise Refusal(HTTPStatus.LENGTH_REQUIRED, "the post has no Content-Length")
        if len(length) > 9 or int(length) > BODY_MAX:
            raise Refusal(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"a post has at most {BODY_MAX} bytes")
        body = self.rfile.read(int(length))
        if len(body) < int(length):
            raise Refusal(HTTPStatus.BAD_REQUEST, "the post ended early")
        try:
            params = json.loads(body)
        except (ValueError, RecursionError):
            params = None
        if not isinstance(params, dict):
            raise Refusal(HTTPStatus.BAD_REQUEST, "the post is not a JSON object")
        return params

    def send(self, params: dict[str, object]) -> SendResult:
        with self.server.client() as client:
            # A client takes unknown parameters for an error, so nothing is ignored here.
            return client.call("send", {"idempotencyKey": None, **params}, SendResult)

    def answer(self, status: HTTPStatus, body: object, retry_after: int | None = None) -> None:
        text = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        if retry_after is not None:
            self.send_header("Retry-After", str(retry_after))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, format: str, *args: Any) -> None:
        log.info("%s: " + format, self.address_string(), *args)


def status_of(error: ApiError) -> HTTPStatus:
    match error:
        case KeptForLaterError():
            return HTTPStatus.ACCEPTED
        case ParseError() | InvalidRequestError() | InvalidParamsError():
            return HTTPStatus.BAD_REQUEST
        case RejectedError():
            return HTTPStatus.UNPROCESSABLE_ENTITY
        case TemporaryError():
            return HTTPStatus.SERVICE_UNAVAILABLE
        case _:
            return HTTPStatus.INTERNAL_SERVER_ERROR


def address(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if not host or not port.isdigit() or int(port) > 0xFFFF:
        raise argparse.ArgumentTypeError(f"{text} is not ADDRESS:PORT")
    if not ipaddress.IPv4Address(host).is_loopback:
        raise argparse.ArgumentTypeError(f"{host} is not a loopback address: put a proxy with TLS before it")
    return host, int(port)


def http_url(text: str) -> str:
    if urlsplit(text).scheme not in ("http", "https") or not urlsplit(text).hostname:
        raise argparse.ArgumentTypeError(f"{text} is not a URL that begins with http:// or https://")
    return text


def token(text: str) -> str:
    try:
        with Path(text).open(encoding="ascii") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            found = file.readline().strip()
    except (OSError, UnicodeError) as error:
        raise argparse.ArgumentTypeError(f"can't read {text}: {error}") from error
    if mode & 0o077:
        raise argparse.ArgumentTypeError(f"others can read {text}: run chmod 600 {text}")
    if len(found) < TOKEN_MIN:
        raise argparse.ArgumentTypeError(f"{text} has fewer than {TOKEN_MIN} characters: run openssl rand -hex 32 > {text}")
    return found


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--home", metavar="DIR", help="home of the account [default: that of sealpost]")
    parser.add_argument("--url", type=http_url, help="where to post what arrives")
    parser.add_argument("--url-token-file", type=token, metavar="FILE", help="bearer token for the URL")
    parser.add_argument("--consumer", default="webhook", metavar="NAME", help="[default: webhook]")
    parser.add_argument("--listen", type=address, metavar="ADDRESS:PORT", help="where to take posts, on loopback")
    parser.add_argument("--token-file", type=token, metavar="FILE", help="bearer token that posts must have")
    args = parser.parse_args()
    if not args.url and not args.listen:
        parser.error("pass --url, --listen, or both")
    if args.listen and not args.token_file:
        parser.error("--listen needs --token-file")
    return args


def main() -> None:
    args = arguments()
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s")
    posts = Posts(args.listen, args.token_file, lambda: Client(args.home)) if args.listen else None
    if posts:
        log.info("taking posts on http://%s:%d/send", *posts.server_address[:2])
    if posts and args.url:
        threading.Thread(target=posts.serve_forever, daemon=True).start()
    if args.url:
        hook = Hook(args.url, args.url_token_file)
        with Client(args.home) as client:
            for received in client.receive(args.consumer):
                hook.deliver(received)
    elif posts:
        posts.serve_forever()


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
    except SealpostError as error:
        sys.exit(f"webhook: {error}")
