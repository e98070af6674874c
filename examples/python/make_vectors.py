#!/usr/bin/env python3
"""Writes docs/PROTOCOL-VECTORS.md again, byte for byte the same each time; `--check` compares instead.

`--new-keys` makes the three test keys, once: every packet in the document changes with them.
"""
import argparse, re, sys
from pathlib import Path

from Crypto.Hash import SHA256
from Crypto.PublicKey import RSA
from Crypto.Signature import pkcs1_15

from sealpost_events import TYPES, encode, make_event
from sealpost_client import (
    DELIVERED, INNER_SIZES, STORED, V, Op, build, message_label, seal, sha256, spki, stamp, str8, uint, wrap)

DOCS = Path(__file__).resolve().parents[2] / "docs"
KEYS = {name: DOCS / "vectors" / f"test-only-{name}.pem" for name in ("server", "alice", "bob")}
SECS = 1795437296  # 2026-11-23 12:34:56
ALICE_PHONE, BOB_PHONE, OTP = "+4915112345678", "+4915187654321", "042137"
STATE_DOMAIN = b"sealpost/1/group-state"
INVITATION = "SPRING-2026-EXAMPLE-CODE"
IDS = {"compact": (2, 7, 513), "wide": (8, 0x1122334455667788, 0x0102030405060708)}

INTRODUCTION = """\
# Test vectors

These belong to [PROTOCOL.md](PROTOCOL.md). `examples/python/make_vectors.py` writes this page, the same bytes each time;
`examples/python/test_client.py` reads it. The keys are published here: use them for tests only.

## Format

Each vector is a level-3 heading with its name, an optional line of prose, and one fenced block whose info string is `vector`:

    ### name
    ```vector
    key: value
    ```

A line is a key, a colon, a space and a value that runs to the end of the line; it may be empty (then the line ends with
the colon). Keys are of `a-z0-9_`. Bytes are lower-case hex, integers are decimal, text is itself. A list (`stored`,
`message_ids`, `receipts`) separates its items by spaces; an item of two numbers joins them with a slash. The key `type` comes
first and is `key`, `packet`, `event`, `group_states` or `safety_number`.

| key | of a `packet` vector |
|---|---|
| `profile`, `op`, `sender_id`, `recipient_id`, `timestamp` | header fields; `timestamp` is in seconds since 1970 |
| `signed_by` | the name of the signing key, or `none` for 256 zero bytes |
| `opens` | `no` where the signature verifies and the body must not open; otherwise it is left out |
| `packet` | the whole packet |
| `payload` | its payload, before the signature is made |
| `oaep_key`, `oaep_label`, `oaep_seed`, `oaep_plain` | the one `oaep(…)` in it: whose public key, the label, the 32 random bytes of the encoding, what is inside |
| `sealed_key`, `iv`, `sealed_plain` | the one `sealed(…)` in it: the key, the IV, what is inside before padding |
| the rest | fields, named as in PROTOCOL.md; `request` is the name of the vector that `in_reply_to` or `request_hash` is of |

| key | of an `event` vector |
|---|---|
| `reads` | the name of its type; `unknown` where it needs a newer version; `no` where it is not an event, and then only `event` follows |
| `kind` | the number of its type |
| `event` | the whole event, in CBOR |
| the rest | fields, named as in PROTOCOL.md; those that are arrays are shown in CBOR |

| key | of a `group_states` vector |
|---|---|
| `state` | the newest state, in CBOR |
| `signed_by`, `signature` | the name of the signing key, and the signature of that state |
| `hash`, `previous` | the hash of that state, and of the one before it |
| `states` | both states as they are in the event, in CBOR |

All randomness is drawn from a stream: the concatenation of SHA-256(`sealpost/1/test-vectors/` ‖ name ‖ i as u64) for i = 0, 1, 2 …, where
name is the vector's. A vector draws, in this order and as far as it has them: its `reply_key` or `message_key` (32 bytes), its
`oaep_seed` (32), its `iv` (16). The `reply_key` of `confirm`, and of an answer, is that of its request. The session key of a profile is the first 32 bytes of the stream named `session_compact` or
`session_wide`. RSASSA-PKCS1-v1_5 is deterministic, so whoever can set the seed and the IV gets these packets byte for byte.
"""


class Stream:
    def __init__(self, name):
        self.name, self.counter, self.buffer = name, 0, b""

    def draw(self, size):
        while len(self.buffer) < size:
            self.buffer += sha256(b"sealpost/1/test-vectors/" + self.name.encode() + uint(self.counter, 8))
            self.counter += 1
        drawn, self.buffer = self.buffer[:size], self.buffer[size:]
        return drawn


class Page:
    """The vectors of one profile, in order."""
    def __init__(self, profile, keys):
        self.profile, self.keys, self.packets, self.blocks = profile, keys, {}, []
        self.id_size, self.alice, self.bob = IDS[profile]
        self.session_key = Stream(f"session_{profile}").draw(32)

    def name(self, name):
        return name if self.profile == "compact" else f"{name}_wide"

    def add(self, name, op, parties, signed_by, parts=(), note=None, secs=SECS, **fields):
        """`parts` makes the payload: bytes, ("oaep", key, label, plain) or ("sealed", key, plain)."""
        name, (sender, recipient) = self.name(name), parties
        stream, payload, shown = fields.pop("stream", None) or Stream(name), b"", {}
        for part in parts:
            if isinstance(part, bytes):
                payload += part
            elif part[0] == "oaep":
                _, whose, label, plain = part
                seed = stream.draw(32)
                payload += wrap(self.keys[whose], label, plain, lambda size, seed=seed: seed[:size])
                shown |= {"oaep_key": whose, "oaep_label": label, "oaep_seed": seed, "oaep_plain": plain}
            else:
                _, key, plain = part
                if key == self.session_key:
                    fields["session_key"] = key
                iv = stream.draw(16)
                payload += seal(key, plain, lambda size, iv=iv: iv[:size])
                shown |= {"sealed_key": key, "iv": iv, "sealed_plain": plain}
        packet = build(self.id_size, sender, recipient, op, payload, self.keys.get(signed_by), secs)
        self.packets[name] = packet
        self.blocks.append(block(name, note, {
            "type": "packet", "profile": self.profile, "op": int(op), "sender_id": sender, "recipient_id": recipient,
            "timestamp": secs, "signed_by": signed_by, **fields, **shown, "payload": payload, "packet": packet}))
        return packet

    def with_reply_key(self, name):
        """The stream of a request, and the reply key that is the first thing drawn from it."""
        stream = Stream(self.name(name))
        return stream, stream.draw(32)

    def in_session(self, plain):
        """The parts of a payload that is nothing but `plain`, sealed."""
        return [("sealed", self.session_key, plain)]


def block(name, note, fields):
    def show(value):
        if isinstance(value, bytes):
            return value.hex()
        if isinstance(value, list):
            return " ".join("/".join(map(str, item)) if isinstance(item, tuple) else str(item) for item in value)
        return str(value)
    lines = [f"{key}: {show(value)}".rstrip() for key, value in fields.items()]
    return f"### {name}\n\n" + (f"{note}\n\n" if note else "") + "```vector\n" + "\n".join(lines) + "\n```\n"


def inner(kind, previous_id, content):
    plain = V + uint(kind, 1) + uint(previous_id, 8) + uint(len(content), 2) + content
    return plain.ljust(next(size for size in INNER_SIZES if size >= len(plain)), b"\0")


def registration(page):
    to_server, nobody = "server", (0, 0)
    page.add("server_key_request", Op.REQUEST_PUBLIC_KEY, nobody, "none")
    der = spki(page.keys["server"])
    page.add("server_key", Op.PUBLIC_KEY, nobody, "server", [V + uint(len(der), 2) + der], public_key=der)
    page.add("server_key_request_by_name", Op.REQUEST_PUBLIC_KEY, nobody, "none", [sha256(der)],
             "The client knows that the server changes its key.", fingerprint=sha256(der))
    for name, invitation, note in [
            ("register", "", None),
            ("register_with_invitation", INVITATION, "A server that asks for no invitation answers it like `register`.")]:
        stream, reply_key = page.with_reply_key(name)
        page.add(name, Op.REGISTER, nobody, "none", [
            ("oaep", to_server, "sealpost/1/register",
             V + reply_key + str8(ALICE_PHONE) + stamp(SECS) + str8(invitation))],
            note, stream=stream, reply_key=reply_key, phone=ALICE_PHONE, invitation=invitation)
    request, (_, reply_key) = page.packets[page.name("register")], page.with_reply_key("register")
    answers = {"request": page.name("register"), "reply_key": reply_key, "in_reply_to": sha256(request)[:8]}
    for name, channel, otp in [("otp_issued_in_band", 0, OTP), ("otp_issued_out_of_band", 1, "")]:
        page.add(name, Op.OTP_ISSUED, nobody, "server", [
            ("sealed", reply_key, V + answers["in_reply_to"] + uint(300, 2) + uint(5, 1) + uint(channel, 1) + str8(otp))],
            **answers, ttl_seconds=300, attempts=5, channel=channel, otp=otp)
    page.add("registration_rejected", Op.REGISTRATION_REJECTED, nobody, "server",
             [("sealed", reply_key, V + answers["in_reply_to"])], **answers)
    der = spki(page.keys["alice"])
    request = page.add("confirm", Op.CONFIRM, nobody, "alice", [
        ("oaep", to_server, "sealpost/1/confirm", V + reply_key + OTP.encode() + sha256(der) + str8(ALICE_PHONE)), der],
        "Its reply_key is that of `register`, to which the password belongs.", reply_key=reply_key, otp=OTP, fingerprint=sha256(der), phone=ALICE_PHONE, public_key=der)
    page.add("session_issued", Op.SESSION_ISSUED, (0, page.alice), "server", [
        ("oaep", "alice", "sealpost/1/session", V + page.session_key + sha256(request))],
        request=page.name("confirm"), request_hash=sha256(request), session_key=page.session_key)


def reconnection(page):
    for name, sender, note in [
            ("reconnect", page.alice, None),
            ("reconnect_without_id", 0, "The 201 was lost: the client does not know its id.")]:
        stream, reply_key = page.with_reply_key(name)
        request = page.add(name, Op.RECONNECT, (sender, 0), "alice", [
            ("oaep", "server", "sealpost/1/reconnect", V + reply_key + str8(ALICE_PHONE))],
            note, SECS + bool(note), stream=stream, reply_key=reply_key, phone=ALICE_PHONE)
        if not note:
            page.add("session_resumed", Op.SESSION_RESUMED, (0, page.alice), "server", [
                ("oaep", "alice", "sealpost/1/session", V + page.session_key + sha256(request)),
                ("sealed", page.session_key, V + uint(3, 4))],
                request=page.name(name), request_hash=sha256(request), session_key=page.session_key, pending=3)
            successor = sha256(spki(page.keys["server"]))
            page.add("session_resumed_with_successor", Op.SESSION_RESUMED, (0, page.alice), "server", [
                ("oaep", "alice", "sealpost/1/session", V + page.session_key + sha256(request) + uint(32, 2) + successor),
                ("sealed", page.session_key, V + uint(3, 4))],
                "The connection uses the successor, beside which the server still has an older key.",
                request=page.name(name), request_hash=sha256(request), successor=successor,
                session_key=page.session_key, pending=3)


def directory(page):
    out, back = (page.alice, 0), (0, page.alice)
    page.add("request_public_key_by_phone", Op.REQUEST_PUBLIC_KEY, out, "alice",
             page.in_session(V + uint(0, 1) + str8(BOB_PHONE)), kind=0, phone=BOB_PHONE)
    request = page.add("request_public_key_by_id", Op.REQUEST_PUBLIC_KEY, out, "alice",
                       page.in_session(V + uint(1, 1) + uint(page.bob, 8)), kind=1, user_id=page.bob)
    der, hash8 = spki(page.keys["bob"]), sha256(request)[:8]
    page.add("public_key", Op.PUBLIC_KEY, back, "server", page.in_session(
        V + hash8 + uint(page.bob, 8) + str8(BOB_PHONE) + uint(len(der), 2) + der),
        request=page.name("request_public_key_by_id"), in_reply_to=hash8, user_id=page.bob, phone=BOB_PHONE, public_key=der)


def messages(page):
    first = 1 << 40
    contents = [
        ("message_text", 0, "Grüße, Bob! 🦭".encode(), None),
        ("message_empty", 0, b"", None),
        ("message_fills_the_first_size", 1, bytes(range(243)), "255 - 12 = 243 bytes: no zeros at all."),
        ("message_second_size", 1, bytes(range(244)), "One byte more, and inner has 511 bytes."),
    ]
    for at, (name, kind, content, note) in enumerate(contents):
        previous_id = first + at - 1 if at else 0
        label, stream = message_label(page.keys["alice"], page.keys["bob"]), Stream(page.name(name))
        key = stream.draw(32)
        page.add(name, Op.MESSAGE, (page.alice, page.bob), "alice", [
            uint(first + at, 8) + uint(1, 1), ("oaep", "bob", label, key), ("sealed", key, inner(kind, previous_id, content))],
            note, stream=stream, message_id=first + at, suite=1, message_key=key, kind=kind, previous_id=previous_id, content=content)
    stream = Stream(page.name("message_of_a_stranger"))
    key, label = stream.draw(32), message_label(page.keys["bob"], page.keys["bob"])
    page.add("message_of_a_stranger", Op.MESSAGE, (page.alice, page.bob), "alice", [
        uint(first + 4, 8) + uint(1, 1), ("oaep", "bob", label, key), ("sealed", key, inner(0, 0, b"A note to myself"))],
        "Bob sealed this for himself; Alice signs his ciphertext as her own. It verifies and, under the label of a message "
        "from her, does not open.", stream=stream, message_id=first + 4, suite=1, opens="no")
    page.add("message_of_a_reserved_suite", Op.MESSAGE, (page.alice, page.bob), "alice",
             [uint(first + 5, 8) + uint(2, 1) + b"whatever suite 2 will be"],
             "The server passes it on; a client of version 1 shows it as a message that does not open, and acknowledges it.",
             message_id=first + 5, suite=2, opens="no")
    stream, label = Stream(page.name("message_event")), message_label(page.keys["alice"], page.keys["bob"])
    key, content = stream.draw(32), make_event(1, id=event_id("event_text"), text="Hello")
    page.add("message_event", Op.MESSAGE, (page.alice, page.bob), "alice", [
        uint(first + 6, 8) + uint(1, 1), ("oaep", "bob", label, key), ("sealed", key, inner(2, first + 3, content))],
        "Its content is the event `event_text`.", stream=stream, message_id=first + 6, suite=1, message_key=key, kind=2,
        previous_id=first + 3, content=content)


def event_id(name):
    return Stream(name).draw(16)


def events(keys):
    """An event of each type, of unknown ones, and what is not an event."""
    alice, bob = (sha256(spki(keys[name])) for name in ("alice", "bob"))
    text, group_id, file_id = "Grüße, @Bob! 🦭", event_id("group"), event_id("file")
    group, of_text, of_message = [group_id, 3, sha256(b"state")], [alice, event_id("event_text")], [bob, 1 << 40]
    mention = [[len("Grüße, ".encode()), len("@Bob"), bob]]
    known = [
        ("event_text", 1, dict(text="Hello"), None),
        ("event_text_with_everything", 1, dict(group=group, expiry=604800, text=text, reply_to=of_message, mentions=mention), None),
        ("event_edit", 2, dict(text=text, reference=of_text, mentions=mention), None),
        ("event_delete", 3, dict(reference=of_text), None),
        ("event_reaction", 4, dict(text="👍🏽", reference=of_message), None),
        ("event_reaction_taken_back", 4, dict(text="", reference=of_message), None),
        ("event_read", 5, dict(references=[of_text, of_message]), None),
        ("event_expiry", 6, dict(seconds=86400), None),
        ("event_expiry_none", 6, dict(seconds=0), None),
        ("event_file_offer", 7, dict(text="", file_id=file_id, name="seal.png", media_type="image/png", size=150000,
                                     sha256=sha256(b"seal"), piece_length=60000), None),
        ("event_file_piece", 8, dict(file_id=file_id, index=2, data=bytes(range(32))), None),
        ("event_file_accepted", 9, dict(file_id=file_id, index=2, code=0), None),
        ("event_file_received", 9, dict(file_id=file_id, code=1), None),
        ("event_file_refused", 9, dict(file_id=file_id, code=2), None),
        ("event_file_cancelled", 9, dict(file_id=file_id, code=3), None),
        ("event_file_progress", 9, dict(file_id=file_id, index=2, code=4), None),
        ("event_group_state", 10, dict(data=b"state"), "The state itself is not an event."),
        *((f"event_group_{name}", 11, dict(code=code, group_id=group_id), None)
          for code, name in enumerate(("leave", "accept", "decline", "newer_state"))),
    ]
    blocks = [event_block(name, kind, TYPES[kind][0], make_event(kind, id=event_id(name), **fields), note, **fields)
              for name, kind, fields, note in known]
    name, grown = "event_text_grown", {0: 1, 1: event_id("event_text_grown"), 8: "Hello", 23: [True, {"deep": -1}], 99: None}
    blocks.append(event_block(name, 1, "text", encode(grown), "As a later version may send it: unknown fields are ignored.", text="Hello"))
    name = "event_of_a_later_version"
    later = encode({0: 99, 1: event_id(name), 8: 7})
    blocks.append(event_block(name, 99, "unknown", later, "Shown as one that needs a newer version, and kept byte for byte."))
    name = "event_file_answer_of_a_later_version"
    later = encode({0: 9, 1: event_id(name), 13: file_id, 21: 200})
    blocks.append(event_block(name, 9, "unknown", later, "The type is known, its code is not."))
    head = bytes.fromhex("00010150") + event_id("event_broken")
    broken = [
        ("event_broken_twice", b"\xa4" + head + bytes.fromhex("08614108 6142"), "A field comes twice."),
        ("event_broken_order", b"\xa3" + bytes.fromhex("0150") + event_id("event_broken") + bytes.fromhex("0001086141"), "Keys are not sorted."),
        ("event_broken_long_number", b"\xa3" + bytes.fromhex("001801") + head[2:] + bytes.fromhex("086141"), "The type takes two bytes."),
        ("event_broken_indefinite", b"\xbf" + head + bytes.fromhex("086141ff"), "The map's length is not announced."),
        ("event_broken_tag", b"\xa4" + head + bytes.fromhex("08614117c100"), "An unknown field has a tag."),
        ("event_broken_float", b"\xa4" + head + bytes.fromhex("08614117f93c00"), "An unknown field is a float."),
        ("event_broken_deep", b"\xa4" + head + bytes.fromhex("08614117" + "81" * 8 + "00"), "Nine levels."),
        ("event_broken_after", b"\xa3" + head + bytes.fromhex("08614100"), "A byte follows."),
        ("event_broken_short", b"\xa3" + head + bytes.fromhex("087affffffff41"), "The text is announced with 4 GiB."),
        ("event_broken_no_text", b"\xa2" + head, "A text event without text."),
        ("event_broken_mention", make_event(1, id=event_id("event_broken"), text="ü", mentions=[[1, 1, bob]]), "A mention begins within a character."),
    ]
    return blocks + [block(name, note, {"type": "event", "reads": "no", "event": cbor}) for name, cbor, note in broken]


def event_block(name, kind, type_name, cbor, note, /, **fields):
    """A vector of an event, shown with its fields."""
    shown = {key: encode(value) if isinstance(value, list) else value for key, value in fields.items()}
    return block(name, note, {"type": "event", "reads": type_name, "kind": kind, "id": event_id(name), **shown, "event": cbor})


def delivery(page):
    first, back = 1 << 40, (0, page.alice)
    stored = [(page.bob, first), (page.bob, first + 1)]
    page.add("delivery_ack_stored", Op.DELIVERY_ACK, back, "server", page.in_session(
        V + uint(STORED, 1) + uint(2, 2) + b"".join(uint(a, 8) + uint(b, 8) for a, b in stored)), status=1, stored=stored)
    page.add("delivery_ack_delivered", Op.DELIVERY_ACK, (page.bob, page.alice), "bob",
             [uint(99, 8) + uint(DELIVERED, 1) + uint(2, 2) + uint(first, 8) + uint(first + 1, 8)],
             receipt_id=99, status=2, message_ids=[first, first + 1])
    page.add("receipts_acknowledged", Op.DELIVERY_ACK, (page.alice, 0), "alice",
             page.in_session(V + uint(1, 2) + uint(page.bob, 8) + uint(99, 8)), receipts=[(page.bob, 99)])
    page.add("no_more_messages", Op.NO_MORE_MESSAGES, back, "server", page.in_session(V + uint(3, 4)), drained=3)
    page.add("no_more_messages_grown", Op.NO_MORE_MESSAGES, back, "server", page.in_session(V + uint(3, 4) + b"later"),
             "As a later version may send it: what follows the last known field is ignored.", drained=3)
    page.add("disconnect_request", Op.DISCONNECT, (page.alice, 0), "alice")
    page.add("disconnect", Op.DISCONNECT, back, "server")


def errors(page):
    def body(code, hash8, retry_after_secs, text):
        return V + uint(code, 1) + hash8 + uint(retry_after_secs, 4) + uint(SECS, 8) + str8(text)
    def add(name, form, key, to, code, request, retry_after_secs, text):
        hash8 = sha256(page.packets[page.name(request)])[:8] if request else bytes(8)
        plain = body(code, hash8, retry_after_secs, text)
        keys = {0: {}, 1: {"reply_key": key}, 2: {"session_key": key}}[form]
        page.add(name, Op.ERROR, (0, to), "server", [uint(form, 1), ("sealed", key, plain) if form else plain], form=form,
                 request=page.name(request) if request else "none", in_reply_to=hash8, **keys, code=code,
                 retry_after_seconds=retry_after_secs, server_time=SECS, text=text)
    add("error_in_the_clear", 0, None, 0, 2, "register", 0, "")
    add("error_before_a_session", 1, page.with_reply_key("register")[1], 0, 5, "confirm", 0, "4 attempts left")
    add("error_in_a_session", 2, page.session_key, page.alice, 7, "message_text", 30, "slow down")
    add("error_unprompted", 2, page.session_key, page.alice, 13, None, 0, "")
    add("error_of_a_later_version", 2, page.session_key, page.alice, 200, "message_text", 0, "only on working days")


def render():
    keys = {name: RSA.import_key(path.read_text()) for name, path in KEYS.items()}
    parts = [INTRODUCTION, "## Keys\n\nThe same three are in [vectors/](vectors) as PEM.\n"]
    for name, key in keys.items():
        parts.append(block(name, None, {"type": "key", "pkcs8": key.export_key("DER", pkcs=8), "spki": spki(key),
                                        "fingerprint": sha256(spki(key))}))
    parts.append("## Safety number\n")
    parts.append(safety(keys["alice"], keys["bob"]))
    parts += ["## Events\n"] + events(keys)
    parts += ["## Groups\n", group_states(keys)]
    for profile in IDS:
        page = Page(profile, keys)
        for make in (registration, reconnection, directory, messages, delivery, errors):
            make(page)
        parts += [f"## Packets, {profile} profile\n"] + page.blocks
    return "\n".join(parts)


def stretched(key):
    """h(0) and h(5200) of a key (section 9)."""
    der = spki(key)
    first = last = sha256(b"sealpost/1/safety-number" + der)
    for _ in range(5200):
        last = sha256(last + der)
    return first, last


def safety_number(key_a, key_b):
    """Sixty digits that two people compare aloud, the same on both sides (section 9)."""
    ends = [stretched(key)[1] for key in (key_a, key_b)]
    halves = ["".join(f"{int.from_bytes(end[i:i + 5], 'big') % 100000:05}" for i in range(0, 30, 5)) for end in ends]
    return " ".join(re.findall(".....", "".join(sorted(halves))))


def safety(alice, bob):
    ends = {}
    for name, key in (("alice", alice), ("bob", bob)):
        ends[f"{name}_h0"], ends[f"{name}_h5200"] = stretched(key)
    return block("safety_number", None, {"type": "safety_number", "keys": "alice bob", **ends,
                                         "safety_number": safety_number(alice, bob)})


def group_states(keys):
    """Alice makes a group and invites Bob; Bob accepts (section 5.5)."""
    alice, bob = (sha256(spki(keys[name])) for name in ("alice", "bob"))
    def state(epoch, previous, standing):
        members = sorted([[alice, int(ALICE_PHONE), 1, 1], [bob, int(BOB_PHONE), 0, standing]])
        return encode([event_id("group"), epoch, previous, "Seals 🦭", 604800, alice, members])
    def signed(text):
        return [text, spki(keys["alice"]), pkcs1_15.new(keys["alice"]).sign(SHA256.new(STATE_DOMAIN + text))]
    invited = state(0, None, 0)
    previous = sha256(STATE_DOMAIN + invited)
    joined = state(1, previous, 1)
    return block("group_states", "The first state invites Bob; in the second he has joined.", {
        "type": "group_states", "signed_by": "alice", "state": joined, "previous": previous,
        "hash": sha256(STATE_DOMAIN + joined), "signature": signed(joined)[2], "states": encode([signed(invited), signed(joined)])})


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="fail if the page is not what this would write")
    parser.add_argument("--new-keys", action="store_true", help="make the test keys that are missing")
    args, path = parser.parse_args(), DOCS / "PROTOCOL-VECTORS.md"
    for key_path in KEYS.values() if args.new_keys else ():
        if not key_path.exists():
            key_path.write_text(RSA.generate(2048).export_key("PEM", pkcs=8).decode() + "\n")
    text = render()
    if not args.check:
        path.write_text(text)
    elif path.read_text() != text:
        sys.exit(f"{path} is not what make_vectors.py writes")


if __name__ == "__main__":
    main()
