#!/usr/bin/env python3
"""Checks of the client: `python test_client.py`.

It reads the vectors of docs/PROTOCOL-VECTORS.md and, if the environment variable SEALPOST_VECTORS names a JSON file of another
implementation's, those too; then it runs the client against a small server of its own.
"""
import json, os, re, socket, tempfile, threading, time, unittest
from pathlib import Path
from unittest import mock

from Crypto.PublicKey import RSA

import make_vectors
import sealpost_client
from sealpost_events import TYPES, encode, make_event, read_event
from sealpost_client import (
    DELIVERED, STORED, V, Client, Connection, Op, Packet, Refused, build, fields, open_message, public_key, read_error, seal,
    seal_message, sha256, spki, str8, uint, unseal, unwrap, wrap)

ID_SIZES = {"compact": 2, "wide": 8}


# Vectors

def documented():
    """{name: {key: value}} of the documentation's blocks."""
    text = (make_vectors.DOCS / "PROTOCOL-VECTORS.md").read_text()
    blocks = re.findall(r"^### (\S+)\n(?:(?!###)[^\n]*\n)*?```vector\n(.*?)^```$", text, re.M | re.S)
    assert len(blocks) == text.count("\n```vector\n")
    return {name: dict(re.findall(r"^([a-z0-9_]+): ?(.*)$", body, re.M)) for name, body in blocks}

def opened(vector, packet, keys):
    """The fields that the client reads in a packet, under the names of PROTOCOL.md."""
    secret = {name: bytes.fromhex(vector.get(name, "")) for name in ("reply_key", "session_key")}
    op, payload, named = packet.op, packet.payload, lambda names, values: dict(zip(names.split(), values))
    if op == Op.REQUEST_PUBLIC_KEY and packet.sender == 0:
        return {"fingerprint": payload} if payload else {}
    if op == Op.REQUEST_PUBLIC_KEY:
        kind, rest = fields(unseal(secret["session_key"], payload), "v u1 *")
        return {"kind": kind} | ({"user_id": fields(rest, "u8")[0]} if kind else {"phone": fields(rest, "str8")[0]})
    if op == Op.PUBLIC_KEY and packet.recipient == 0:
        return {"public_key": spki(public_key(fields(payload, "v data16")[0]))}
    if op == Op.PUBLIC_KEY:
        return named("in_reply_to user_id phone public_key", fields(unseal(secret["session_key"], payload), "v 8 u8 str8 data16"))
    if op == Op.REGISTER:
        plain = unwrap(keys["server"], "sealpost/1/register", payload)
        found = named("reply_key phone date invitation", fields(plain, "v 32 str8 19 str8"))
        assert found.pop("date").decode() == packet.time
        return found
    if op == Op.RECONNECT:
        return named("reply_key phone", fields(unwrap(keys["server"], "sealpost/1/reconnect", payload), "v 32 str8"))
    if op == Op.CONFIRM:
        wrapped, der = fields(payload, "256 *")
        plain = unwrap(keys["server"], "sealpost/1/confirm", wrapped)
        found = named("reply_key otp fingerprint phone", fields(plain, "v 32 6 32 str8"))
        assert sha256(spki(public_key(der))) == found["fingerprint"]
        return found | {"otp": found["otp"].decode(), "public_key": der}
    if op == Op.OTP_ISSUED:
        return named("in_reply_to ttl_seconds attempts channel otp", fields(unseal(secret["reply_key"], payload), "v 8 u2 u1 u1 str8"))
    if op == Op.REGISTRATION_REJECTED:
        return named("in_reply_to", fields(unseal(secret["reply_key"], payload), "v 8"))
    if op in (Op.SESSION_ISSUED, Op.SESSION_RESUMED):
        wrapped, sealed = fields(payload, "256 *")
        plain = unwrap(keys["alice"], "sealpost/1/session", wrapped)
        found = named("session_key request_hash", fields(plain, "v 32 32"))
        if len(plain) > 65:
            found |= named("successor", fields(plain[65:], "data16"))
        return found | (named("pending", fields(unseal(found["session_key"], sealed), "v u4")) if sealed else {})
    if op == Op.MESSAGE:
        message_id, suite = fields(payload, "u8 u1")
        kind, previous_id, content = open_message(payload, keys["bob"], keys["alice"])
        return {"message_id": message_id, "suite": suite, "kind": kind, "previous_id": previous_id, "content": content}
    if op == Op.DELIVERY_ACK and packet.sender and packet.recipient:
        receipt_id, status, count, rest = fields(payload, "u8 u1 u2 *")
        return {"receipt_id": receipt_id, "status": status, "message_ids": fields(rest, "u8 " * count)}
    if op == Op.DELIVERY_ACK:
        names = "v u1 u2 *" if packet.sender == 0 else "v u2 *"
        *status, count, rest = fields(unseal(secret["session_key"], payload), names)
        pairs = fields(rest, "u8 u8 " * count)
        pairs = [[a, b] for a, b in zip(pairs[::2], pairs[1::2])]
        return {"status": status[0], "stored": pairs} if status else {"receipts": pairs}
    if op == Op.NO_MORE_MESSAGES:
        return named("drained", fields(unseal(secret["session_key"], payload), "v u4"))
    if op == Op.ERROR:
        try:
            error = read_error(packet, {0: None, 1: secret["reply_key"], 2: secret["session_key"]})
        except ConnectionError as closing:
            return {"text": str(closing).partition(": ")[2]}
        return {"code": error.code, "in_reply_to": error.in_reply_to}
    return {}

def plain(value):
    """A value of either source in one form."""
    if isinstance(value, list):
        return " ".join("/".join(map(str, item)) if isinstance(item, list) else str(item) for item in value)
    return value.hex() if isinstance(value, bytes) else str(value)


class Vectors(unittest.TestCase):
    def check(self, name, vector, keys):
        packet = Packet.parse(bytes.fromhex(vector["packet"]), ID_SIZES[vector["profile"]])
        self.assertEqual([str(packet.op.value), str(packet.sender), str(packet.recipient)],
                         [str(vector[key]) for key in ("op", "sender_id", "recipient_id")])
        if vector["signed_by"] in (None, "none"):
            self.assertEqual(packet.raw[-256:], bytes(256))
        else:
            packet.verify(keys[vector["signed_by"]])
            broken = packet._replace(raw=packet.raw[:5] + b"!" + packet.raw[6:])
            self.assertRaises(ValueError, broken.verify, keys[vector["signed_by"]])
        if vector.get("opens") == "no":
            return self.assertRaises(ValueError, opened, vector, packet, keys)
        for key, value in opened(vector, packet, keys).items():
            if key in vector:
                self.assertEqual(plain(value), plain(vector[key]), f"{name}: {key}")

    def test_the_documented_vectors(self):
        vectors = documented()
        keys = {name: RSA.import_key(bytes.fromhex(v["pkcs8"])) for name, v in vectors.items() if v["type"] == "key"}
        self.assertEqual({v["fingerprint"] for v in vectors.values() if v["type"] == "key"},
                         {sha256(spki(key)).hex() for key in keys.values()})
        number = make_vectors.safety_number(keys["bob"], keys["alice"])
        self.assertEqual(vectors["safety_number"]["safety_number"], number)
        packets = {name: v for name, v in vectors.items() if v["type"] == "packet"}
        self.assertEqual({int(v["op"]) for v in packets.values()}, set(Op))
        for name, vector in packets.items():
            with self.subTest(name):
                self.check(name, vector, keys)
                if vector.get("request", "none") != "none":
                    request = sha256(bytes.fromhex(packets[vector["request"]]["packet"])).hex()
                    self.assertEqual(vector.get("request_hash", vector.get("in_reply_to")), request[:64 if "request_hash" in vector else 16])

    def test_the_documented_events(self):
        vectors = {name: v for name, v in documented().items() if v["type"] == "event"}
        types = {vector["reads"] for vector in vectors.values()}
        self.assertEqual(types, {name for name, _ in TYPES.values()} | {"unknown", "no"})
        for name, vector in vectors.items():
            with self.subTest(name):
                content = bytes.fromhex(vector.pop("event"))
                if vector["reads"] == "no":
                    self.assertRaises(ValueError, read_event, content)
                    continue
                read = read_event(content)
                self.assertEqual((read.pop("event"), str(read.pop("type"))), (vector["reads"], vector["kind"]))
                if read_event(content)["event"] != "unknown" and not name.endswith("_grown"):
                    self.assertEqual(make_event(int(vector["kind"]), **read), content)
                read = {key: encode(value) if isinstance(value, list) else value for key, value in read.items()}
                listed = {key: value for key, value in vector.items() if key not in ("type", "reads", "kind")}
                self.assertEqual({key: plain(value) for key, value in read.items()}, listed)

    def test_no_bytes_do_more_than_not_to_be_an_event(self):
        whole = [bytes.fromhex(v["event"]) for v in documented().values() if v["type"] == "event"]
        for event in whole:
            for at in range(len(event)):
                for edited in (event[:at], event[:at] + bytes([event[at] ^ 1 << at % 8]) + event[at + 1:]):
                    try:
                        self.assertIn("event", read_event(edited))
                    except ValueError:
                        pass

    def test_the_document_is_what_the_script_writes(self):
        self.assertEqual((make_vectors.DOCS / "PROTOCOL-VECTORS.md").read_text(), make_vectors.render())

    @unittest.skipUnless("SEALPOST_VECTORS" in os.environ, "SEALPOST_VECTORS names no file")
    def test_the_vectors_of_another_implementation(self):
        vectors = json.loads(Path(os.environ["SEALPOST_VECTORS"]).read_text())
        keys = {name: RSA.import_key(key["private_pkcs8_pem"]) for name, key in vectors["keys"].items()}
        for vector in vectors["packets"]:
            with self.subTest(vector["name"], profile=vector["profile"]):
                self.check(vector["name"], vector, keys)


class Formats(unittest.TestCase):
    def test_a_timestamp_is_a_calendar_second(self):
        good = build(2, 1, 2, Op.DISCONNECT)
        self.assertEqual(Packet.parse(good, 2).op, Op.DISCONNECT)
        for stamp in (b"2026-02-30 12:00:00", b"2026-11-23T12:34:56", b"2026-1-23  12:34:56", b"2026-11-23 24:00:00"):
            self.assertRaises(ValueError, Packet.parse, good[:4] + stamp + good[23:], 2)

    def test_a_field_that_runs_past_the_end_is_refused(self):
        self.assertRaises(ValueError, fields, b"\5four", "str8")
        self.assertRaises(ValueError, fields, b"\2", "v")
        self.assertEqual(fields(b"\1\2\0ab-ignored", "v data16"), [b"ab"])

    def test_only_rsa_2048_with_65537_is_a_key(self):
        self.assertRaises(ValueError, public_key, spki(RSA.generate(1024)))
        self.assertRaises(ValueError, public_key, b"not DER")


# A server, just enough of one

class Server:
    """Keeps everything in memory; `otp` None means in band. The attributes starting with `next_` upset one exchange."""
    key = RSA.import_key(make_vectors.KEYS["server"].read_text())

    def __init__(self, id_size=2, otp=None):
        self.id_size, self.otp, self.users, self.boxes, self.live, self.last = id_size, otp, {}, {}, {}, {}
        self.reply_keys = {}  # of each phone's last 100
        self.next_201_is_lost = self.next_message_is_lost = False
        self.next_message_edit, self.seen = None, []
        self.lock, self.listener = threading.RLock(), socket.create_server(("127.0.0.1", 0))
        scheme = "sealpost" if id_size == 2 else "sealpost+wide"
        self.address = f"{scheme}://127.0.0.1:{self.listener.getsockname()[1]}/{sha256(spki(self.key)).hex()}"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            connection = Connection.__new__(Connection)
            try:
                connection.socket, _ = self.listener.accept()
            except OSError:
                return
            connection.id_size, connection.buffer = self.id_size, b""
            connection.user = connection.server_key = None
            threading.Thread(target=self._serve, args=[connection], daemon=True).start()

    def _serve(self, connection):
        try:
            while True:
                packet = connection.read(60)
                with self.lock:
                    self._handle(connection, packet)
        except (OSError, EOFError):
            connection.socket.close()
            if self.live.get(connection.user) is connection:
                del self.live[connection.user]

    def _reply(self, connection, op, payload, to=None):
        connection.send(build(self.id_size, 0, connection.user or to or 0, op, payload, self.key))

    def _seal(self, connection, plain):
        return seal(connection.session_key, V + plain)

    def _error(self, connection, packet, code, reply_key=None, text=""):
        body = uint(code, 1) + sha256(packet.raw)[:8] + uint(0, 4) + uint(int(time.time()), 8) + str8(text)
        sealed = self._seal(connection, body) if connection.user else seal(reply_key, V + body)
        self._reply(connection, Op.ERROR, (b"\2" if connection.user else b"\1") + sealed)

    def _session(self, connection, packet, user):
        connection.user, connection.session_key = user, os.urandom(32)
        self.live[user] = connection
        return wrap(self.users[user][1], "sealpost/1/session", V + connection.session_key + sha256(packet.raw))

    def _handle(self, connection, packet):
        if connection.user:
            packet.verify(self.users[connection.user][1])
        getattr(self, "_on_" + packet.op.name.lower())(connection, packet)

    def _on_register(self, connection, packet):
        plain = unwrap(self.key, "sealpost/1/register", packet.payload)
        reply_key, phone, date, _invitation = fields(plain, "v 32 str8 19 str8")
        assert date.decode() == packet.time
        self.reply_keys[phone], hash8 = reply_key, sha256(packet.raw)[:8]
        if phone in [user[0] for user in self.users.values()]:
            return self._reply(connection, Op.REGISTRATION_REJECTED, seal(reply_key, V + hash8))
        channel = uint(1, 1) + str8("") if self.otp else uint(0, 1) + str8("042137")
        self._reply(connection, Op.OTP_ISSUED, seal(reply_key, V + hash8 + uint(300, 2) + uint(5, 1) + channel))

    def _on_confirm(self, connection, packet):
        wrapped, der = fields(packet.payload, "256 *")
        reply_key, otp, digest, phone = fields(unwrap(self.key, "sealpost/1/confirm", wrapped), "v 32 6 32 str8")
        packet.verify(public_key(der))
        assert digest == sha256(der)
        if reply_key != self.reply_keys.get(phone):
            return self._error(connection, packet, 6, reply_key)
        if otp.decode() != (self.otp or "042137"):
            return self._error(connection, packet, 5, reply_key, "4 attempts left")
        user = len(self.users) + 300
        self.users[user], self.boxes[user] = (phone, public_key(der)), []
        if self.next_201_is_lost:
            self.next_201_is_lost = False
            raise EOFError
        self._reply(connection, Op.SESSION_ISSUED, self._session(connection, packet, user))

    def _on_reconnect(self, connection, packet):
        reply_key, phone = fields(unwrap(self.key, "sealpost/1/reconnect", packet.payload), "v 32 str8")
        user = next((user for user in self.users if self.users[user][0] == phone), None)
        if user is None or packet.sender not in (0, user):
            return self._error(connection, packet, 4 if packet.sender else 2, reply_key)
        packet.verify(self.users[user][1])
        if packet.time <= self.last.get(user, ""):
            return self._error(connection, packet, 11, reply_key)
        self.last[user] = packet.time
        payload = self._session(connection, packet, user) + self._seal(connection, uint(len(self.boxes[user]), 4))
        self._reply(connection, Op.SESSION_RESUMED, payload)
        for raw in self.boxes[user]:
            connection.send(raw)
        self._drained(connection)

    def _drained(self, connection):
        if not self.boxes[connection.user]:
            self._reply(connection, Op.NO_MORE_MESSAGES, self._seal(connection, uint(0, 4)))

    def _on_request_public_key(self, connection, packet):
        if not connection.user:
            der = spki(self.key)
            return self._reply(connection, Op.PUBLIC_KEY, V + uint(len(der), 2) + der)
        kind, rest = fields(unseal(connection.session_key, packet.payload), "v u1 *")
        wanted = fields(rest, "u8" if kind else "str8")[0]
        for user, (phone, key) in self.users.items():
            if wanted in (user, phone):
                body = sha256(packet.raw)[:8] + uint(user, 8) + str8(phone) + uint(294, 2) + spki(key)
                return self._reply(connection, Op.PUBLIC_KEY, self._seal(connection, body))
        self._error(connection, packet, 4)

    def _on_message(self, connection, packet):
        self.seen.append(packet.raw)
        if self.next_message_is_lost:
            self.next_message_is_lost = False
            raise EOFError
        raw, self.next_message_edit = self.next_message_edit(packet.raw) if self.next_message_edit else packet.raw, None
        self._deliver(raw, packet.recipient)
        if packet.recipient not in self.live:
            pair = uint(packet.recipient, 8) + packet.payload[:8]
            self._reply(connection, Op.DELIVERY_ACK, self._seal(connection, uint(STORED, 1) + uint(1, 2) + pair))

    def _deliver(self, raw, to):
        self.boxes[to].append(raw)
        if to in self.live:
            self.live[to].send(raw)

    def _on_delivery_ack(self, connection, packet):
        box = self.boxes[connection.user]
        if packet.recipient:
            _receipt_id, status, count, rest = fields(packet.payload, "u8 u1 u2 *")
            assert status == DELIVERED
            done = {(packet.recipient, Op.MESSAGE, message_id) for message_id in fields(rest, "u8 " * count)}
            self._deliver(packet.raw, packet.recipient)
        else:
            count, rest = fields(unseal(connection.session_key, packet.payload), "v u2 *")
            pairs = fields(rest, "u8 u8 " * count)
            done = {(origin, Op.DELIVERY_ACK, receipt) for origin, receipt in zip(pairs[::2], pairs[1::2])}
        def name(raw):
            held = Packet.parse(raw, self.id_size)
            return held.sender, held.op, fields(held.payload, "u8")[0]
        box[:] = [raw for raw in box if name(raw) not in done]
        self._drained(connection)

    def _on_disconnect(self, connection, packet):
        self.live.pop(connection.user, None)
        self._reply(connection, Op.DISCONNECT, b"")
        raise EOFError


class AgainstAServer(unittest.TestCase):
    profile = 2

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.home = Path(folder.name)
        self.server = Server(self.profile)
        self.addCleanup(self.server.listener.close)
        keys = [RSA.import_key(make_vectors.KEYS[name].read_text()) for name in ("alice", "bob")]
        generate = mock.patch.object(sealpost_client.RSA, "generate", side_effect=keys + keys)
        generate.start()
        self.addCleanup(generate.stop)

    def client(self, name):
        """The client of the account in a folder; closing it is a crash with what was saved."""
        client = Client(self.home / name, lambda event: None)
        self.addCleanup(self.crash, client)
        return client

    def crash(self, client):
        if client.folder is not None:
            os.close(client.folder)
            client.folder = None
        if client.connection:
            client.connection.socket.close()

    def pair(self):
        alice, bob = self.client("alice"), self.client("bob")
        alice.register(self.server.address, "+4915112345678", self.fail)
        bob.register(self.server.address, "+4915187654321", self.fail)
        return alice, bob

    def collect(self, client, seconds=0.3):
        """What `client` shows until nothing comes for so long."""
        events = []
        client.show = events.append
        client.receive(seconds)
        return events

    def test_messages_wait_for_their_reader_and_the_receipt_for_its(self):
        alice, bob = self.pair()
        bob.close()
        for text in ("Grüße 🦭", "", "x" * 60000):
            self.assertEqual(alice.send("+4915187654321", text.encode()), "stored")
        alice.close()
        bob.connect()
        self.assertEqual([(e["text"], e["gap"]) for e in self.collect(bob)], [("Grüße 🦭", False), ("", False), ("x" * 60000, False)])
        alice.connect()
        self.assertEqual([e["type"] for e in self.collect(alice)], ["delivered"] * 3)
        self.assertEqual((alice.state["sent"], self.server.boxes), ({}, {300: [], 301: []}))

    def test_a_live_message_is_delivered_with_a_receipt(self):
        alice, bob = self.pair()
        reader = threading.Thread(target=self.collect, args=[bob, 1])
        reader.start()
        self.assertEqual(alice.send("+4915187654321", b"now"), "delivered")
        reader.join()

    def test_after_a_wrong_password_registration_can_start_again(self):
        self.server.otp, alice = "654321", self.client("alice")
        for wrong, complaint in (("000000", "OtpRejected"), ("12", "six digits")):
            with self.assertRaisesRegex(ValueError, complaint):
                alice.register(self.server.address, "+4915112345678", lambda: wrong)
        alice.register(self.server.address, "+4915112345678", lambda: "654321")
        self.assertEqual(alice.state["id"], 300)

    def test_a_registered_number_is_rejected(self):
        self.pair()
        with self.assertRaisesRegex(ValueError, "registered already"):
            self.client("carol").register(self.server.address, "+4915112345678", self.fail)

    def test_a_lost_session_is_found_again_without_an_id(self):
        self.server.next_201_is_lost, alice = True, self.client("alice")
        self.assertRaises(ConnectionError, alice.register, self.server.address, "+4915112345678", self.fail)
        self.crash(alice)
        alice = self.client("alice")
        self.assertEqual(alice.state["id"], 0)
        alice.connect()
        self.assertEqual(alice.state["id"], 300)

    def test_another_server_key_is_refused(self):
        address = self.server.address[:-1] + ("0" if self.server.address[-1] != "0" else "1")
        with self.assertRaisesRegex(ValueError, "server's key"):
            self.client("alice").register(address, "+4915112345678", self.fail)

    def test_what_is_not_acknowledged_is_repeated_byte_for_byte(self):
        alice, bob = self.pair()
        bob.close()
        self.server.next_message_is_lost = True
        self.assertRaises(OSError, alice.send, "+4915187654321", b"again")
        self.crash(alice)
        alice = self.client("alice")
        alice.connect()
        self.assertEqual([e["type"] for e in self.collect(alice)], ["stored"])
        self.assertEqual(len(self.server.seen), 2)
        self.assertEqual(*self.server.seen)

    def test_a_repeat_is_delivered_once_and_acknowledged_again(self):
        alice, bob = self.pair()
        alice.send("+4915187654321", b"once", seconds=0.1)
        raw = self.server.seen[0]
        self.assertEqual(len(self.collect(bob)), 1)
        self.server._deliver(raw, 301)
        self.assertEqual((self.collect(bob), self.server.boxes[301]), ([], []))

    def test_a_crash_before_showing_shows_it_again(self):
        alice, bob = self.pair()
        alice.send("+4915187654321", b"kept", seconds=0.1)
        bob.show = lambda event: 1 / 0
        self.assertRaises(ZeroDivisionError, bob.receive, 1)
        self.crash(bob)
        self.assertEqual([e["text"] for e in self.collect(self.connected("bob"))], ["kept"])

    def connected(self, name):
        client = self.client(name)
        client.connect()
        return client

    def test_a_message_that_does_not_verify_is_shown_and_gets_no_receipt(self):
        alice, bob = self.pair()
        self.server.next_message_edit = lambda raw: raw[:-1] + bytes([raw[-1] ^ 1])
        alice.send("+4915187654321", b"forged", seconds=0.1)
        self.assertEqual([e["type"] for e in self.collect(bob)], ["untrusted"])
        self.assertEqual((len(self.server.boxes[301]), bob.state["contacts"][0]["seen"]), (1, []))

    def test_a_message_that_does_not_open_is_shown_and_gets_a_receipt(self):
        alice, bob = self.pair()
        other = lambda message_id, me, peer, *rest: seal_message(message_id, me, me, *rest)
        with mock.patch.object(sealpost_client, "seal_message", other):
            alice.send("+4915187654321", b"for someone else", seconds=0.1)
        self.assertEqual([e["type"] for e in self.collect(bob)], ["undecryptable"])
        self.assertEqual([e["type"] for e in self.collect(alice)], ["delivered"])

    def test_a_missing_message_is_noticed(self):
        alice, bob = self.pair()
        bob.close()
        for text in (b"1", b"2", b"3"):
            alice.send("+4915187654321", text)
        del self.server.boxes[301][1]
        bob.connect()
        self.assertEqual([(e["text"], e["gap"]) for e in self.collect(bob)], [("1", False), ("3", True)])

    def test_a_receipt_is_the_readers_alone(self):
        alice, bob = self.pair()
        bob.close()
        alice.send("+4915187654321", b"proof")
        message_id = alice.state["last_message_id"]
        body = uint(1, 8) + uint(DELIVERED, 1) + uint(1, 2) + uint(message_id, 8)
        self.server._deliver(build(self.profile, 301, 300, Op.DELIVERY_ACK, body, self.server.key), 300)
        self.assertEqual([e["type"] for e in self.collect(alice)], ["untrusted"])
        self.assertEqual(list(alice.state["sent"]), [str(message_id)])

    def test_an_unknown_number_is_an_error_and_the_session_goes_on(self):
        alice, bob = self.pair()
        with self.assertRaisesRegex(Refused, "UnknownUser"):
            alice.send("+4915100000000", b"?")
        bob.close()
        self.assertEqual(alice.send("+4915187654321", b"!"), "stored")

    def test_an_error_of_a_later_version_is_a_refusal(self):
        alice, bob = self.pair()
        bob.close()
        refuse = lambda c, p: self.server._error(c, p, 200, text="only on working days")
        with mock.patch.object(self.server, "_on_message", refuse):
            self.assertEqual(alice.send("+4915187654321", b"?"), "refused")
        self.assertEqual(alice.state["history"][-1]["reason"], "200: only on working days")

    def test_a_refused_message_leaves_no_gap(self):
        alice, bob = self.pair()
        bob.close()
        with mock.patch.object(self.server, "_on_message", lambda c, p: self.server._error(c, p, 8)):
            self.assertEqual(alice.send("+4915187654321", b"full"), "refused")
        alice.send("+4915187654321", b"fits")
        bob.connect()
        self.assertEqual([(e["text"], e["gap"]) for e in self.collect(bob)], [("fits", False)])

    def test_each_106_is_newer_and_the_state_is_private(self):
        alice, _ = self.pair()
        for _ in range(2):
            alice.close()
            alice.connect()
        self.assertEqual(alice.path.stat().st_mode & 0o777, 0o600)


class AgainstAWideServer(AgainstAServer):
    profile = 8


if __name__ == "__main__":
    unittest.main(warnings="ignore")
