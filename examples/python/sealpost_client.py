#!/usr/bin/env python3
"""A Sealpost client: register, send, receive. Contents of messages that are events are read in sealpost_events.py.

It was written from docs/PROTOCOL.md alone; comments refer to the sections of that page. The order is: bytes (fields,
cryptography, packets, messages), the connection, the client with its state on disk, and the command line.
"""
import argparse, fcntl, io, json, os, re, socket, sys, time
from collections import deque, namedtuple
from contextlib import closing, suppress
from datetime import datetime, timezone
from enum import IntEnum
from pathlib import Path

from Crypto.Cipher import AES, PKCS1_OAEP
from Crypto.Hash import SHA256
from Crypto.PublicKey import RSA
from Crypto.Signature import pkcs1_15
from Crypto.Util.Padding import pad, unpad

from sealpost_events import TEXT, shown

class Op(IntEnum):
    REGISTER, CONFIRM, MESSAGE, REQUEST_PUBLIC_KEY, RECONNECT = 100, 101, 102, 105, 106
    REGISTRATION_REJECTED, OTP_ISSUED, SESSION_ISSUED, DELIVERY_ACK = 150, 200, 201, 203
    PUBLIC_KEY, SESSION_RESUMED, DISCONNECT, ERROR, NO_MORE_MESSAGES = 204, 206, 222, 244, 255

ERRORS = """Malformed BadSignature NotAuthenticated UnknownUser OtpRejected OtpExpired RateLimited MailboxFull
    ServerFull Displaced ClockSkew Unavailable ShuttingDown KeyRejected InvitationRejected Suspended""".split()
ERRORS, CLOSING, WORTH_A_REPEAT = dict(enumerate(ERRORS, 1)), {1, 2, 3, 10, 13, 16}, {7, 12}
V, SUITE, STORED, DELIVERED = b"\1", 1, 1, 2
INNER_SIZES = [255, 511, 1023, 2047, 4095, 8191, 16383, 32767, 65247]
CONTENT_MAX, SIGNATURE_SIZE, ANSWER_SECS, REPLAY_WINDOW = 65235, 256, 15, 1024

# Fields (section 2)
def expect(holds, complaint):
    """Raises a ValueError unless `holds`. Every fault of the other side is reported as a ValueError."""
    if not holds:
        raise ValueError(complaint)

def uint(value, size):
    return value.to_bytes(size, "little")
def str8(text):
    return uint(len(text.encode()), 1) + text.encode()

def fields(data, names):
    """Parses the fields at the front of `data`, and ignores bytes after the last field. Names: v (the version, checked
    and left out), u1 to u8 (integers of 1 to 8 bytes), str8, data16, a number (that many bytes), * (the rest)."""
    stream, found = io.BytesIO(data), []
    def take(size):
        part = stream.read(size)
        expect(len(part) == size, "a field runs past the end")
        return part
    def number(size):
        return int.from_bytes(take(size), "little")
    for name in names.split():
        if name == "v":
            expect(take(1) == V, "an unsupported version")
        elif name == "str8":
            found.append(take(number(1)).decode())
        elif name == "data16":
            found.append(take(number(2)))
        elif name == "*":
            found.append(stream.read())
        else:
            found.append(number(int(name[1:])) if name[0] == "u" else take(int(name)))
    return found

# Cryptography (section 2); `draw(n)` returns n random bytes
def sha256(data):
    return SHA256.new(data).digest()
def spki(key):
    return key.public_key().export_key("DER")
def public_key(der):
    key = RSA.construct((int.from_bytes(der[33:289], "big"), 65537))
    expect((key.size_in_bits(), spki(key)) == (2048, der), "not an RSA-2048 public key with exponent 65537")
    return key

def seal(key, plain, draw=os.urandom):
    iv = draw(16)
    return iv + AES.new(key, AES.MODE_CBC, iv).encrypt(pad(plain, 16))
def unseal(key, sealed):
    return unpad(AES.new(key, AES.MODE_CBC, sealed[:16]).decrypt(sealed[16:]), 16)
def wrap(key, label, plain, draw=os.urandom):
    return PKCS1_OAEP.new(key, SHA256, label=label.encode(), randfunc=draw).encrypt(plain)
def unwrap(key, label, wrapped):
    return PKCS1_OAEP.new(key, SHA256, label=label.encode()).decrypt(wrapped)

# Packets, messages, errors (sections 3, 5.2, 7)
class Packet(namedtuple("Packet", "sender recipient time op payload raw")):
    @classmethod
    def parse(cls, raw, id_size):
        sender, recipient, stamp, op, payload = fields(raw, f"u{id_size} u{id_size} 19 u1 data16")
        expect(str(datetime.fromisoformat(stamp.decode())) == stamp.decode(), "not a timestamp")
        return cls(sender, recipient, stamp.decode(), Op(op), payload, raw)

    def verify(self, key):
        pkcs1_15.new(key).verify(SHA256.new(self.raw[:-SIGNATURE_SIZE]), self.raw[-SIGNATURE_SIZE:])

def stamp(secs):
    return datetime.fromtimestamp(secs, timezone.utc).strftime("%Y-%m-%d %H:%M:%S").encode()
def build(id_size, sender, recipient, op, payload=b"", key=None, secs=None):
    """Builds a packet with the time `secs`, or now. It is signed with `key`; without a key the signature is zeros."""
    head = uint(sender, id_size) + uint(recipient, id_size) + stamp(secs or int(time.time())) + uint(op, 1)
    signed = head + uint(len(payload), 2) + payload
    return signed + (pkcs1_15.new(key).sign(SHA256.new(signed)) if key else bytes(SIGNATURE_SIZE))

def message_label(sender, recipient):
    return f"sealpost/1/message/{sha256(spki(sender)).hex()}/{sha256(spki(recipient)).hex()}"

def seal_message(message_id, me, peer, kind, previous_id, content):
    """Builds the payload of a 102."""
    inner = V + uint(kind, 1) + uint(previous_id, 8) + uint(len(content), 2) + content
    inner = inner.ljust(next(size for size in INNER_SIZES if size >= len(inner)), b"\0")
    key = os.urandom(32)
    return uint(message_id, 8) + uint(SUITE, 1) + wrap(peer, message_label(me, peer), key) + seal(key, inner)

def open_message(payload, me, peer):
    """Opens a 102 whose signature was verified with `peer`. Returns [kind, previous_id, content]."""
    _message_id, suite, wrapped, sealed = fields(payload, "u8 u1 256 *")
    expect(suite == SUITE, "an unsupported suite")
    return fields(unseal(unwrap(me, message_label(peer, me), wrapped), sealed), "v u1 u8 data16")

class Refused(ValueError):
    """A 244 that does not close the connection, with `code` and `in_reply_to`."""

def read_error(packet, keys):
    """Returns a 244 as a Refused; raises it if it closes the connection. `keys` has a key for each form allowed now."""
    form, body = fields(packet.payload, "u1 *")
    expect(form in keys, "an error in a form that is not allowed here")
    body = unseal(keys[form], body) if form else body
    code, in_reply_to, wait_secs, _server_time, text = fields(body, "v u1 8 u4 u8 str8")
    text = ": ".join(filter(None, [ERRORS.get(code, str(code)), text, wait_secs and f"wait {wait_secs} s"]))
    if code in CLOSING:
        raise ConnectionError(text)
    refused = Refused(text)
    refused.code, refused.in_reply_to = code, in_reply_to
    return refused

# The connection (sections 1, 4.1)
class Connection:
    """A socket to the server, whose key must have the fingerprint in `address`."""
    def __init__(self, address):
        found = re.fullmatch(r"sealpost(\+wide)?://(.+?):([0-9]{1,5})(?:,[^/]+)?/([0-9a-f]{64})", address)
        expect(found, "an address has the form sealpost://HOST:PORT/FINGERPRINT or sealpost+wide://…")
        wide, host, port, fingerprint = found.groups()
        self.id_size, self.buffer, self.server_key = 8 if wide else 2, b"", None
        self.socket = socket.create_connection((host.strip("[]"), int(port)), ANSWER_SECS)
        self.send(build(self.id_size, 0, 0, Op.REQUEST_PUBLIC_KEY))
        answer = self.read()
        [der] = fields(answer.payload, "v data16")
        expect(sha256(der).hex() == fingerprint, "the server's key does not match its address")
        self.server_key = public_key(der)
        answer.verify(self.server_key)

    def send(self, raw):
        self.socket.sendall(raw)
        return raw

    def read(self, seconds=ANSWER_SECS):
        """Returns the next packet, verified if the server sent it. TimeoutError if none arrives in `seconds`."""
        self.socket.settimeout(seconds)
        end = 2 * self.id_size + 22  # end of the header; its last two bytes are the size of the payload
        while len(self.buffer) < (size := end + int.from_bytes(self.buffer[end - 2:end], "little") + SIGNATURE_SIZE):
            if not (data := self.socket.recv(65536)):
                raise ConnectionError("the server closed the connection")
            self.buffer += data
        packet, self.buffer = Packet.parse(self.buffer[:size], self.id_size), self.buffer[size:]
        if packet.sender == 0 and self.server_key:
            packet.verify(self.server_key)
        return packet

# The client (sections 4 to 6)
class Client:
    """The account of one user, in one folder. Calls `show` with each event, a dictionary. An event is shown before it
    is acknowledged, so that none is lost; after a crash it may be shown again."""
    def __init__(self, home, show=print):
        self.path, self.show = Path(home).expanduser() / "state.json", show
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.folder = os.open(self.path.parent, os.O_RDONLY)
        fcntl.flock(self.folder, fcntl.LOCK_EX)  # a second program with this account waits here
        self.connection, self.session_key, self.backlog = None, None, deque()
        self.state = {"address": "", "phone": "", "key": "", "id": 0, "last_reconnect": 0, "last_message_id": 0,
                      "contacts": [], "sent": {}, "history": []}
        self.state |= json.loads(self.path.read_text()) if self.path.exists() else {}
        self.key = RSA.import_key(self.state["key"]) if self.state["key"] else None

    def save(self):
        """Saves the state durably and atomically."""
        new = self.path.with_suffix(".new")
        with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            json.dump(self.state, file, indent=1)
            file.flush()
            os.fsync(file.fileno())
        os.replace(new, self.path)
        os.fsync(self.folder)

    def register(self, address, phone, ask_otp):
        """Registers an account and begins a session. If it is interrupted, `connect` finds out whether it succeeded."""
        expect(not self.state["id"], f"this folder is the account of {self.state['phone']}")
        (address, _, code), secs, reply_key = address.partition("#"), int(time.time()), os.urandom(32)  # the password's key
        self.key, self.connection = self.key or RSA.generate(2048), Connection(address)
        request, answer = self._ask(Op.REGISTER, reply_key, str8(phone) + stamp(secs) + str8(code), secs=secs)
        in_reply_to, rest = fields(unseal(reply_key, answer.payload), "v 8 *")
        expect(in_reply_to == sha256(request)[:8], "an answer to another request")
        expect(answer.op == Op.OTP_ISSUED, f"{phone} is registered already")
        _ttl_secs, _attempts, out_of_band, otp = fields(rest, "u2 u1 u1 str8")
        self.state |= {"address": address, "phone": phone, "key": self.key.export_key("PEM", pkcs=8).decode()}
        self.save()  # before the first 101: an account whose key was not saved would be lost
        otp, der = ask_otp() if out_of_band else otp, spki(self.key)
        expect(re.fullmatch("[0-9]{6}", otp), "a one-time password is six digits")
        self.connection = Connection(address)  # the first may have timed out while the person looked up the password
        self._begin(Op.CONFIRM, reply_key, otp.encode() + sha256(der) + str8(phone), der)
        self._event(type="registered", phone=phone, id=self.state["id"])

    def connect(self):
        """Begins a session, and repeats unacknowledged packets byte for byte."""
        expect(self.key, "register first")
        self.connection, self.backlog = Connection(self.state["address"]), deque()
        secs = max(int(time.time()), self.state["last_reconnect"] + 1)  # each 106 must be newer than the one before
        self.state["last_reconnect"] = secs
        self._begin(Op.RECONNECT, os.urandom(32), str8(self.state["phone"]), secs=secs)
        for sent in self.state["sent"].values():
            if sent["became"] == "sent":
                self.connection.send(bytes.fromhex(sent["packet"]))

    def close(self):
        """Ends the session. Packets that arrive before the server's 222 are dropped: the server sends them again."""
        with suppress(ValueError, OSError):
            if self.session_key:
                self._send(Op.DISCONNECT)
                while self._read(2).op != Op.DISCONNECT:
                    pass

    def send(self, phone, content, kind=TEXT, seconds=12):
        """Sends a message, waits, and returns its state: "stored", "delivered", "refused", or still "sent"."""
        expect(len(content) <= CONTENT_MAX, f"a message is at most {CONTENT_MAX} bytes")
        peer, message_id = self.contact(phone=phone), self.state["last_message_id"] + 1
        payload = seal_message(message_id, self.key, RSA.import_key(peer["key"]), kind, peer["last_sent"], content)
        packet = build(self.connection.id_size, self.state["id"], peer["id"], Op.MESSAGE, payload, self.key)
        sent = {"to": peer["id"], "previous": peer["last_sent"], "became": "sent", "packet": packet.hex()}
        self.state["sent"][str(message_id)] = sent
        self.state["last_message_id"] = peer["last_sent"] = message_id
        self.save()  # durable first: a message that was sent must be repeated after a crash
        self.connection.send(packet)
        self.receive(seconds, lambda: sent["became"] != "sent")
        return sent["became"]

    def receive(self, seconds=None, until=lambda: False):
        """Handles packets until `until` holds, or until none has arrived for `seconds`."""
        while not until():
            try:
                packet = self.backlog.popleft() if self.backlog else self._read(seconds)
            except TimeoutError:
                return
            self._handle(packet)

    def contact(self, phone=None, user_id=None):
        """Returns another user, who is looked up once and then pinned (section 5.1)."""
        for known in self.state["contacts"]:
            if phone == known["phone"] or user_id == known["id"]:
                return known
        query = V + (uint(0, 1) + str8(phone) if phone else uint(1, 1) + uint(user_id, 8))
        hash8 = sha256(self._send(Op.REQUEST_PUBLIC_KEY, seal(self.session_key, query)))[:8]
        while ((answer := self._read()).sender, answer.op) != (0, Op.PUBLIC_KEY):
            if (answer.sender, answer.op) == (0, Op.ERROR):
                if (error := read_error(answer, {2: self.session_key})).in_reply_to == hash8:
                    raise error
            self.backlog.append(answer)  # another packet that arrived first
        plain = unseal(self.session_key, answer.payload)
        in_reply_to, found_id, found_phone, der = fields(plain, "v 8 u8 str8 data16")
        asked = (hash8, phone or found_phone, user_id or found_id)
        expect((in_reply_to, found_phone, found_id) == asked, "an answer about somebody else")
        expect(all(known["phone"] != found_phone for known in self.state["contacts"]), f"{found_phone} has a new key")
        pem = public_key(der).export_key().decode()
        self.state["contacts"].append({"phone": found_phone, "id": found_id, "key": pem, "last_sent": 0, "seen": []})
        self.save()
        return self.state["contacts"][-1]

    def _ask(self, op, reply_key, secret, clear=b"", secs=None):
        """Sends a 100, 101 or 106. Returns the request and the verified answer. Raises a 244."""
        body = wrap(self.connection.server_key, f"sealpost/1/{op.name.lower()}", V + reply_key + secret) + clear
        key = None if op == Op.REGISTER else self.key
        request = self.connection.send(build(self.connection.id_size, self.state["id"], 0, op, body, key, secs))
        answer = self.connection.read()
        expect(answer.sender == 0, "an answer that is not from the server")
        if answer.op == Op.ERROR:
            raise read_error(answer, {0: None, 1: reply_key})
        return request, answer

    def _begin(self, op, reply_key, secret, clear=b"", secs=None):
        """Begins a session with a 101 or a 106."""
        request, answer = self._ask(op, reply_key, secret, clear, secs)
        plain = unwrap(self.key, "sealpost/1/session", answer.payload[:256])
        self.session_key, request_hash = fields(plain, "v 32 32")
        expect(request_hash == sha256(request), "an answer to another request")
        self.state["id"] = answer.recipient
        self.save()

    def _send(self, op, payload=b"", to=0):
        return self.connection.send(build(self.connection.id_size, self.state["id"], to, op, payload, self.key))

    def _read(self, seconds=ANSWER_SECS):
        packet = self.connection.read(seconds)
        expect(packet.recipient == self.state["id"], "a packet for somebody else")
        return packet

    def _event(self, **event):
        self.show(event)
        self.state["history"].append(event)
        self.save()

    def _handle(self, packet):
        if packet.sender != 0:
            self._from_peer(packet)
        elif packet.op == Op.ERROR:
            self._refused(read_error(packet, {2: self.session_key}))
        elif packet.op == Op.DELIVERY_ACK:
            status, count, rest = fields(unseal(self.session_key, packet.payload), "v u1 u2 *")
            expect(status == STORED, "an acknowledgement with an unknown status")
            pairs = fields(rest, "u8 u8 " * count)
            for to, message_id in zip(pairs[::2], pairs[1::2]):
                self._settle(message_id, to, "stored")

    def _settle(self, message_id, to, became, **more):
        """Records the new state of one of our messages."""
        sent = self.state["sent"].get(str(message_id))
        if sent and sent["to"] == to and sent["became"] != became:
            sent["became"], peer = became, self.contact(user_id=to)
            if became != "stored":  # a stored message is kept until its receipt arrives
                del self.state["sent"][str(message_id)]
            if became == "refused" and peer["last_sent"] == message_id:
                peer["last_sent"] = sent["previous"]
            self._event(type=became, to=peer["phone"], message_id=message_id, **more)

    def _refused(self, error):
        """Handles a 244 about one of our messages that need not be repeated. Raises any other 244."""
        for message_id, sent in self.state["sent"].items():
            ours = sha256(bytes.fromhex(sent["packet"]))[:8] == error.in_reply_to
            if ours and error.code not in WORTH_A_REPEAT:
                return self._settle(int(message_id), sent["to"], "refused", reason=str(error))
        raise error

    def _from_peer(self, packet):
        """Handles a message or a receipt. One that does not verify with the pinned key is shown, not acknowledged."""
        try:
            peer = self.contact(user_id=packet.sender)
            packet.verify(RSA.import_key(peer["key"]))
        except ValueError as error:
            return self._event(type="untrusted", from_id=packet.sender, reason=str(error))
        if packet.op == Op.MESSAGE:
            return self._message(packet, peer)
        receipt_id, status, count, rest = fields(packet.payload, "u8 u1 u2 *")
        expect(status == DELIVERED, "a receipt with an unknown status")
        for message_id in fields(rest, "u8 " * count):
            self._settle(message_id, packet.sender, "delivered")
        receipts = uint(1, 2) + uint(packet.sender, 8) + uint(receipt_id, 8)
        self._send(Op.DELIVERY_ACK, seal(self.session_key, V + receipts))

    def _message(self, packet, peer):
        """Shows a message once; signs a receipt each time that it arrives (section 5.3)."""
        [message_id], seen = fields(packet.payload, "u8"), peer["seen"]
        if message_id not in seen and (len(seen) < REPLAY_WINDOW or message_id > seen[0]):
            event = {"type": "undecryptable", "from": peer["phone"], "message_id": message_id, "time": packet.time}
            with suppress(ValueError):
                kind, previous_id, content = open_message(packet.payload, self.key, RSA.import_key(peer["key"]))
                event |= shown(kind, content) | {"type": "message", "gap": previous_id != max(seen, default=0)}
            peer["seen"] = sorted([*seen, message_id])[-REPLAY_WINDOW:]
            self._event(**event)  # durable first, then acknowledged
        receipt = uint(time.time_ns(), 8) + uint(DELIVERED, 1) + uint(1, 2) + uint(message_id, 8)
        self._send(Op.DELIVERY_ACK, receipt, packet.sender)

# The command line
def main():
    parser = argparse.ArgumentParser(description="A small Sealpost client. Prints events, one JSON object per line.")
    parser.add_argument("--home", default="~/.sealpost-python", metavar="DIR", help="account folder (%(default)s)")
    parser.add_argument("--seconds", type=float, metavar="S", help="stop once nothing has arrived for S seconds")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, operands, about in [("register", ["address", "phone"], "register; asks for the one-time password"),
                                  ("send", ["phone", "text"], "send a text, and wait until it is stored or delivered"),
                                  ("receive", [], "receive messages and receipts")]:
        command = commands.add_parser(name, help=about)
        for operand in operands:
            command.add_argument(operand)
    args = parser.parse_args()
    show = lambda event: print(json.dumps(event, ensure_ascii=False), flush=True)
    try:
        with suppress(KeyboardInterrupt), closing(Client(args.home, show)) as client:
            if args.command == "register":
                return client.register(args.address, args.phone, lambda: input("one-time password: ").strip())
            client.connect()
            if args.command == "receive":
                client.receive(args.seconds)
            elif client.send(args.phone, args.text.encode(), seconds=args.seconds or 12) == "sent":
                sys.exit("sealpost_client: not acknowledged yet; the next connection sends the message again")
    except (ValueError, OSError) as error:
        sys.exit(f"sealpost_client: {error}")

if __name__ == "__main__":
    main()
