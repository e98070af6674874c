"""Events: what a message can be beyond plain text (section 5.4 of docs/PROTOCOL.md), in deterministic CBOR."""
TEXT, BYTES, EVENT, DEPTH_MAX, CONTENT_MAX = 0, 1, 2, 8, 65235

# The fields of every type, those of each, and the bounds of their values: of a number, or of a length in bytes or items
COMMON, OPTIONAL = ("type", "id", "group", "expiry"), {"group", "expiry", "mentions", "reply_to"}
TYPES = {
    1: ("text", "text reply_to mentions"), 2: ("edit", "text reference mentions"), 3: ("delete", "reference"),
    4: ("reaction", "text reference"), 5: ("read", "references"), 6: ("expiry", "seconds"),
    7: ("file_offer", "text file_id name media_type size sha256 piece_length"), 8: ("file_piece", "file_id index data"),
    9: ("file_answer", "file_id index code"), 10: ("group_state", "data"), 11: ("group_request", "code group_id")}
KEYS = {"type": 0, "id": 1, "group": 2, "expiry": 3, "text": 8, "reply_to": 9, "reference": 9, "mentions": 10, "references": 11,
        "seconds": 12, "file_id": 13, "name": 14, "media_type": 15, "size": 16, "sha256": 17, "piece_length": 18,
        "index": 19, "data": 20, "code": 21, "group_id": 22}
TEXT_MAX, CODES = {"text": 60000, "edit": 60000, "reaction": 64, "file_offer": 16384}, {"file_answer": 4, "group_request": 3}
BOUNDS = {  # by field: type, least, most
    "type": (int, 0, 2**64), "id": (bytes, 16, 16), "expiry": (int, 1, 31622400), "references": (list, 1, 256),
    "seconds": (int, 0, 31622400), "file_id": (bytes, 16, 16), "name": (str, 1, 255), "media_type": (str, 1, 127),
    "size": (int, 0, 2**40), "sha256": (bytes, 32, 32), "piece_length": (int, 1, 60000), "index": (int, 0, 2**40),
    "data": (bytes, 1, 60000), "code": (int, 0, 2**64), "group_id": (bytes, 16, 16), "mentions": (list, 1, 64)}

def expect(holds, complaint):
    if not holds:
        raise ValueError(complaint)

# CBOR (RFC 8949, section 4.2.1)
def encode(value):
    """Encodes a number, bytes, text, list, dictionary, bool or None."""
    def head(major, number):
        if number < 24:
            return bytes([major << 5 | number])
        power = next(power for power in range(4) if number < 1 << 8 * 2**power)
        return bytes([major << 5 | 24 + power]) + number.to_bytes(2**power, "big")
    if value is None or isinstance(value, bool):
        return bytes([{False: 0xf4, True: 0xf5, None: 0xf6}[value]])
    if isinstance(value, int):
        return head(0, value) if value >= 0 else head(1, -1 - value)
    if isinstance(value, bytes):
        return head(2, len(value)) + value
    if isinstance(value, str):
        return head(3, len(value.encode())) + value.encode()
    if isinstance(value, list):
        return head(4, len(value)) + b"".join(map(encode, value))
    entries = sorted((encode(key), encode(item)) for key, item in value.items())
    return head(5, len(entries)) + b"".join(key + item for key, item in entries)

def decode(data):
    """Decodes exactly one item. ValueError unless it is deterministic and shallow; see the section for the other rules."""
    at = 0
    def take(size):
        nonlocal at
        expect(at + size <= len(data), "CBOR that ends early")
        at += size
        return data[at - size:at]
    def item(depth):
        start, first = at, take(1)[0]
        major, number = first >> 5, first & 31
        if major == 7:
            expect(number in (20, 21, 22), "a float, or a simple value other than false, true and null")
            return {20: False, 21: True, 22: None}[number]
        expect(major != 6 and number < 28, "a tag, or an item of indefinite length")
        if number >= 24:
            number = int.from_bytes(take(2 ** (number - 24)), "big")
            expect(len(encode(number)) == at - start, "a number that is longer than it has to be")
        if major in (2, 3):
            return take(number) if major == 2 else take(number).decode()
        if major in (0, 1):
            return number if major == 0 else -1 - number
        expect(depth > 0, "CBOR that is too deep")
        if major == 4:
            return [item(depth - 1) for _ in range(number)]
        entries, last = {}, None
        for _ in range(number):
            before, key = at, item(depth - 1)
            expect(last is None or last < data[before:at], "a map whose keys are not in order, or not different")
            last = data[before:at]
            entries[key if isinstance(key, (int, str, bytes)) and not isinstance(key, bool) else last] = item(depth - 1)
        return entries
    expect(len(data) <= CONTENT_MAX, "an event that is too long")
    found = item(DEPTH_MAX)
    expect(at == len(data), "bytes after the event")
    return found

# Events
def make_event(kind, **values):
    """Encodes an event from its fields, by their names."""
    return encode({KEYS[name]: value for name, value in ({"type": kind} | values).items()})

def read_event(content):
    """The fields of an event, by their names, and its type as `event`. One of a type or with a code that is not known here
    is `unknown` and has only the fields of every type. ValueError if it is not an event."""
    fields = decode(content)
    expect(isinstance(fields, dict) and all(type(key) is int and key >= 0 for key in fields), "no map of fields")
    def read(names, event):
        return {name: checked(event, name, fields[KEYS[name]]) for name in names if KEYS[name] in fields or name not in OPTIONAL}
    try:
        common = read(COMMON, "unknown")
        event, names = TYPES.get(common["type"], ("unknown", ""))
        if event == "file_answer" and fields.get(KEYS["code"]) not in (0, 4):
            names = names.replace("index", "")  # only acceptance and progress have one
        found = {"event": event} | common | read(names.split(), event)
    except KeyError as missing:
        raise ValueError(f"no field {missing}") from None
    check_mentions(found.get("text", ""), found.get("mentions", []))
    return found if found.get("code", 0) <= CODES.get(event, 0) else {"event": "unknown"} | common

def checked(event, name, value):
    """The value of a field, if it is of its type and within its bounds."""
    if name == "group":
        good = has_form(value, [16, int, 32])
    elif name in ("reference", "reply_to"):
        good = is_reference(value)
    elif name == "text":
        good = type(value) is str and len(value.encode()) <= TEXT_MAX[event]
    else:
        kind, least, most = BOUNDS[name]
        size = value if kind is int else len(value.encode() if type(value) is str else value) if type(value) is kind else 0
        good = type(value) is kind and least <= size <= most
        good = good and (name != "references" or all(map(is_reference, value)))
    expect(good, f"a wrong {name}")
    return value

def has_form(value, form):
    """Whether a list has items like these: numbers, or so many bytes."""
    return type(value) is list and len(value) == len(form) and all(
        type(item) is int and item >= 0 if part is int else type(item) is bytes and len(item) == part
        for item, part in zip(value, form))

def is_reference(value):
    return has_form(value, [32, 16]) or has_form(value, [32, int]) and value[1] > 0

def check_mentions(text, mentions):
    raw, end = text.encode(), 0
    for mention in mentions:
        expect(has_form(mention, [int, int, 32]) and mention[1] > 0 and end <= mention[0], "a wrong mention")
        start, end = mention[0], mention[0] + mention[1]
        expect(end <= len(raw), "a mention outside of its text")
        raw[start:end].decode()  # fails within a character

def shown(kind, content):
    """What a client shows of the content of a message. ValueError if it does not open."""
    if kind == TEXT:
        return {"text": content.decode()}
    if kind == BYTES:
        return {"bytes": content.hex()}
    expect(kind == EVENT, "an unsupported kind of content")
    found = read_event(content)
    return {name: found[name] for name in ("event", "text") if name in found} | {"event_id": found["id"].hex()}
