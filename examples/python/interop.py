#!/usr/bin/env python3
"""Runs the Python client and the Rust client against a real server. Prints one line per check; exit status 0 if all hold.

    interop.py --sealpostd target/release/sealpostd --sealpost target/release/sealpost [--profile wide] [--crypto rust]
"""
import argparse, json, os, re, subprocess, sys, tempfile, time
from pathlib import Path

from Crypto.PublicKey import RSA

from make_vectors import safety_number
from sealpost_events import EVENT
from test_client import documented
from sealpost_client import Client, Connection, Op, Refused, fields, sha256, spki, stamp, str8, unseal

PYTHON_PHONE, RUST_PHONE, THIRD_PHONE = "+4915112345678", "+4915187654321", "+4915100000001"
TEXTS = {"plain": "See you at eight", "unicode": "Grüße, 世界 🦭 مرحبا", "empty": "", "large": "0123456789" * 6000}
PATIENCE_SECS = 30
# How the two programs verify signatures, as in the tests of the workspace.
VERIFY = os.environ.get("SEALPOST_TEST_VERIFY", "auto")


class Checks:
    """Prints the result of each check. A failed check does not end the run; only an exception does."""
    def __init__(self):
        self.failed = 0

    def __call__(self, what, holds, detail=""):
        self.failed += not holds
        print(f"{'ok    ' if holds else 'FAILED'} {what}" + (f": {detail}" if detail and not holds else ""), flush=True)


class Server:
    """A `sealpostd` with a folder of its own. Clients register with `address`."""
    def __init__(self, program, folder, profile, crypto, listen="127.0.0.1:0", registration="open"):
        folder.mkdir(exist_ok=True)
        self.log = open(folder / "sealpostd.log", "a+")
        self.process = subprocess.Popen(
            [program, "--init", "--data", folder / "data", "--listen", listen, "--otp", "in-band", "--profile", profile,
             "--crypto", crypto, "--verify", VERIFY, "--no-limits", "--registration", registration],
            stdout=subprocess.PIPE, stderr=self.log, text=True)
        line = self.process.stdout.readline()
        ready = re.fullmatch(r"ready (\S+) sha256:([0-9a-f]{64})\s*", line)
        if not ready:
            self.stop()
            raise RuntimeError(f"expected a ready line, got {line!r}")
        self.listen = ready[1]
        self.address = f"{'sealpost+wide' if profile == 'wide' else 'sealpost'}://{ready[1]}/{ready[2]}"

    def stop(self):
        """Stops the server gracefully, and returns its exit status."""
        self.process.terminate()
        try:
            return self.process.wait(PATIENCE_SECS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.wait()

    def tail(self):
        self.log.seek(0)
        return "".join(self.log.readlines()[-20:])


class Rust:
    """An account of the Rust client, `sealpost`."""
    def __init__(self, program, home, crypto):
        self.base = [program, "--home", home, "--crypto", crypto, "--verify", VERIFY]

    def run(self, *args):
        done = subprocess.run([*self.base, *args], capture_output=True, text=True, timeout=PATIENCE_SECS, stdin=subprocess.DEVNULL)
        if done.returncode:
            raise RuntimeError(f"sealpost {args[0]}: exit status {done.returncode}: {done.stderr.strip() or done.stdout.strip()}")
        return done.stdout

    def listen(self, count):
        """Runs `listen --json` until it has `count` messages, and returns these."""
        objects = []
        for line in self.run("listen", "--json", "--count", str(count)).splitlines():
            try:
                objects.append(json.loads(line))
            except ValueError:
                continue  # not JSON: a line for people
        return [item for item in objects if isinstance(item, dict) and item.get("type") == "message"]


class Python(Client):
    """The Python client, with the events that no check has taken yet."""
    def __init__(self, home):
        self.events = []
        super().__init__(home, self.events.append)

    def take(self, kind, count, wanted=lambda event: True):
        """Waits for `count` events of one kind, or until nothing more arrives, and returns the events."""
        def found():
            return [event for event in self.events if event["type"] == kind and wanted(event)]
        self.receive(PATIENCE_SECS, lambda: len(found()) >= count)
        taken = found()
        self.events[:] = [event for event in self.events if event["type"] != kind]
        return taken


def registration(check, address, third):
    """Every request has a connection of its own."""
    third.key, secs, mine, other = RSA.generate(2048), int(time.time()), os.urandom(32), os.urandom(32)
    def ask(*request, secs=None):
        third.connection = Connection(address)
        return third._ask(*request, secs=secs)
    def error(*request):
        try:
            return f"a {ask(*request)[1].op.name}"
        except (Refused, ConnectionError) as refusal:
            return str(refusal).partition(":")[0]
    def password():
        _, answer = ask(Op.REGISTER, mine, str8(THIRD_PHONE) + stamp(secs) + str8(""), secs=secs)
        return fields(unseal(mine, answer.payload), "v 8 u2 u1 u1 str8")[-1]
    otp, der, reconnect = password(), spki(third.key), (Op.RECONNECT, other, str8(THIRD_PHONE))
    again = password()
    check("registration: a repeated 100 brings the same password", again == otp, f"{otp} {again}")
    unknown = error(*reconnect)
    check("registration: a 106 without an id, unknown number: BadSignature", unknown == "BadSignature", unknown)
    secret = otp.encode() + sha256(der) + str8(THIRD_PHONE)
    strange = error(Op.CONFIRM, other, secret, der)
    check("registration: a 101 with another reply key: OtpExpired", strange == "OtpExpired", strange)
    _, answer = ask(Op.CONFIRM, mine, secret, der)
    check("registration: a 101 on a new connection: SessionIssued", answer.op == Op.SESSION_ISSUED, answer.op)
    third.key = RSA.generate(2048)
    foreign = error(*reconnect)
    check("registration: a 106 without an id, another key: BadSignature", foreign == "BadSignature", foreign)


def invitations(check, program, folder, profile, crypto, rust):
    """A server of its own, on which an invitation is needed."""
    server = Server(program, folder, profile, crypto)
    server.stop()
    def invite(*options):
        made = subprocess.run([program, "--data", folder / "data", "invite", "create", *options], capture_output=True,
                              text=True, timeout=PATIENCE_SECS, check=True)
        return made.stdout.splitlines()[0]
    mine, others = invite(), invite("--phone", RUST_PHONE)
    server = Server(program, folder, profile, crypto, server.listen, "invite")
    python = Python(folder / "python")
    def register(address):
        try:
            python.register(address, PYTHON_PHONE, lambda: sys.exit("the one-time password did not come in band"))
            return "registered"
        except Refused as refusal:
            return str(refusal).partition(":")[0]
    try:
        for what, link in [("none", server.address), ("a wrong one", server.address + "#SPRING"), ("another's", others)]:
            became = register(link)
            check(f"invitations: python with {what}: InvitationRejected", became == "InvitationRejected", became)
        became = register(mine)
        check("invitations: python registers with its own", became == "registered", became)
        python.close()
        rust.run("register", others, RUST_PHONE)
        check("invitations: rust registers with its own", True)
    finally:
        server.stop()


def python_to_rust(check, python, rust):
    python.connect()
    ids = {}
    for name, text in TEXTS.items():
        became = python.send(RUST_PHONE, text.encode())
        check(f"python to rust, offline, {name}: stored", became == "stored", became)
        ids[name] = python.state["last_message_id"]
    got = rust.listen(len(TEXTS))
    for (name, text), message in zip(TEXTS.items(), got + [{}] * len(TEXTS)):
        check(f"python to rust, offline, {name}: received", (message.get("from"), message.get("text")) == (PYTHON_PHONE, text),
              str(message)[:200])
    check("python to rust: no duplicates", len(got) == len(TEXTS), f"{len(got)} messages")
    receipts = [event["message_id"] for event in python.take("delivered", len(TEXTS))]
    check("python to rust: delivered, with receipts that verify", sorted(receipts) == sorted(ids.values()), receipts)
    check("python to rust: everything is acknowledged", python.state["sent"] == {}, list(python.state["sent"]))
    python.close()


def events(check, python, rust):
    """Every event of the vectors, and what is not one."""
    sent = {name: vector for name, vector in documented().items() if vector["type"] == "event"}
    python.connect()
    for vector in sent.values():
        python.send(RUST_PHONE, bytes.fromhex(vector["event"]), EVENT)
    # The others change entries that aren't here, or are parts of files and of a group that nobody knows here.
    kinds = ("text", "expiry", "file_offer", "unknown", "no")
    shown = {name: vector for name, vector in sent.items() if vector["reads"] in kinds and "group" not in vector}
    got = rust.listen(len(shown))
    check("python to rust, events: delivered", len(python.take("delivered", len(sent))) > 0, got)
    python.close()
    for (name, vector), message in zip(shown.items(), got + [{}] * len(shown)):
        opens = vector["reads"] != "no"
        check(f"python to rust, {name}: {'opens' if opens else 'does not open'}", message and ("undecryptable" in message) != opens, message)
        if vector["reads"] == "text":
            check(f"python to rust, {name}: read", message.get("text") == vector["text"], message)
        if vector["reads"] == "unknown":
            check(f"python to rust, {name}: needs a newer version", "nothing" in message, message)


def rust_to_python(check, python, rust):
    # `sealpost send` refuses an empty message, which the protocol allows.
    texts = {name: text for name, text in TEXTS.items() if text}
    for text in texts.values():
        rust.run("send", PYTHON_PHONE, text)
    python.connect()
    # What the Rust client says of the files that it was offered comes, too.
    got = python.take("message", len(texts), lambda event: "text" in event)
    for (name, text), message in zip(texts.items(), got + [{}] * len(texts)):
        check(f"rust to python, offline, {name}: received", (message.get("from"), message.get("text")) == (RUST_PHONE, text),
              str(message)[:200])
    check("rust to python: in order and complete", len(got) == len(texts) and not any(event["gap"] for event in got), got[-1:])


def live(check, python, rust):
    """`python` is in a session: what the other sends reaches it at once."""
    sender = subprocess.Popen([*rust.base, "send", PYTHON_PHONE, "live"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                              stdin=subprocess.DEVNULL)
    got = python.take("message", 1)
    check("rust to python, live: received", [event.get("text") for event in got] == ["live"], got)
    check("rust to python, live: the sender is content", sender.wait(PATIENCE_SECS) == 0, sender.returncode)
    python.close()
    listener = subprocess.Popen([*rust.base, "listen", "--json", "--count", "1"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                                text=True, stdin=subprocess.DEVNULL)
    time.sleep(2)  # long enough to be connected and drained; if it isn't, the message is stored first, and that is right too
    python.connect()
    became = python.send(RUST_PHONE, b"live as well")
    out, _ = listener.communicate(timeout=PATIENCE_SECS)
    check("python to rust, live: received", "live as well" in out, out)
    check("python to rust, live: delivered", len(python.take("delivered", 1)) == 1, became)
    python.close()


def safety(check, python, rust):
    """Both show the same number, however they space it."""
    [rust_key] = [contact["key"] for contact in python.state["contacts"] if contact["phone"] == RUST_PHONE]
    ours = safety_number(python.key, RSA.import_key(rust_key))
    theirs = re.sub(r"\s", "", rust.run("verify", PYTHON_PHONE))
    check("the safety numbers are the same", ours.replace(" ", "") in theirs, theirs)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sealpostd", required=True, metavar="PATH", help="the server program")
    parser.add_argument("--sealpost", required=True, metavar="PATH", help="the Rust client program")
    parser.add_argument("--profile", choices=["compact", "wide"], default="compact")
    parser.add_argument("--crypto", choices=["aws-lc", "rust"], default="aws-lc", help="who does that of the two programs")
    args, check = parser.parse_args(), Checks()
    with tempfile.TemporaryDirectory(prefix="sealpost-interop-") as name:
        folder = Path(name)
        server = Server(args.sealpostd, folder, args.profile, args.crypto)
        try:
            python, rust = Python(folder / "python"), Rust(args.sealpost, folder / "rust", args.crypto)
            python.register(server.address, PYTHON_PHONE, lambda: sys.exit("the one-time password did not come in band"))
            check("python registers", python.state["id"] > 0)
            python.close()
            rust.run("register", server.address, RUST_PHONE)
            check("rust registers", True)
            parts = [(part, python, rust) for part in (python_to_rust, events, rust_to_python, live, safety)]
            invited = (args.sealpostd, folder / "invited", args.profile, args.crypto, Rust(args.sealpost, folder / "rust-invited", args.crypto))
            for part, *parties in [(registration, server.address, Python(folder / "third")), *parts, (invitations, *invited)]:
                try:
                    part(check, *parties)
                except Exception as error:  # the other parts may still say something
                    check(part.__name__.replace("_", " "), False, f"{type(error).__name__}: {error}")
                    python.close()
            status = server.stop()
            check("the server stops in order", status == 0, f"exit status {status}")
        finally:
            server.stop()
            if check.failed or sys.exc_info()[0]:
                print(server.tail(), file=sys.stderr)
    sys.exit(1 if check.failed else 0)


if __name__ == "__main__":
    main()
