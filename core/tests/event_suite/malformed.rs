//! Bytes that are not an event, one fault at a time. All of them give the same error.

use sealpost_core::event::{EncodedEvent, NotAnEvent, UnknownEvent};
use sealpost_core::wire::Inner;

/// Type 1, with an id and three bytes of text, after the head of a map with this many more fields.
fn text(more: u8, rest: &[u8]) -> Vec<u8> {
    [&[0xa3 + more][..], &head(1), &[8, 0x63, b'a', b'b', b'c'], rest].concat()
}

/// The fields of an event of this type, after the head of a map with this many fields in all.
fn event(kind: u8, count: u8, fields: &[u8]) -> Vec<u8> {
    [&[0xa0 + count][..], &head(kind), fields].concat()
}

/// The type, and an id.
fn head(kind: u8) -> Vec<u8> {
    [&[0, kind, 1, 0x50][..], &[7; 16]].concat()
}

/// A reference to message 1.
fn reference() -> Vec<u8> {
    [&[0x82, 0x58, 32][..], &[5; 32], &[1]].concat()
}

fn parse(bytes: &[u8]) -> Result<EncodedEvent, NotAnEvent> {
    EncodedEvent::parse(bytes.to_vec().into())
}

#[test]
fn the_examples_are_events_without_their_faults() {
    assert!(parse(&text(0, &[])).is_ok());
    assert!(parse(&event(3, 3, &[&[9][..], &reference()].concat())).is_ok());
    for harmless in [&[0x00][..], &[0x38, 0x18], &[0x40], &[0x60], &[0x80], &[0xa0], &[0xf6]] {
        assert!(parse(&text(1, &[&[23][..], harmless].concat())).is_ok(), "{harmless:02x?}");
    }
}

#[test]
fn what_is_not_deterministic_is_refused() {
    for (fault, value) in [
        ("number of 2 bytes below 24", &[0x18, 23][..]),
        ("number of 3 bytes below 256", &[0x19, 0, 255]),
        ("number of 5 bytes below 65,536", &[0x1a, 0, 0, 255, 255]),
        ("number of 9 bytes below 2^32", &[0x1b, 0, 0, 0, 0, 255, 255, 255, 255]),
        ("negative number of 2 bytes", &[0x38, 23]),
        ("length of bytes in 2 bytes", &[0x58, 1, 0]),
        ("length of text in 2 bytes", &[0x78, 1, b'a']),
        ("count of an array in 2 bytes", &[0x98, 1, 0]),
        ("count of a map in 2 bytes", &[0xb8, 1, 0, 0]),
        ("indefinite bytes", &[0x5f, 0x41, 0, 0xff]),
        ("indefinite text", &[0x7f, 0x61, b'a', 0xff]),
        ("indefinite array", &[0x9f, 0, 0xff]),
        ("indefinite map", &[0xbf, 0, 0, 0xff]),
        ("keys in another order", &[0xa2, 1, 0, 0, 0]),
        ("equal keys", &[0xa2, 1, 0, 1, 0]),
        ("equal keys that are text", &[0xa2, 0x61, b'a', 0, 0x61, b'a', 0]),
        ("tag", &[0xc1, 0]),
        ("half float", &[0xf9, 0x3c, 0]),
        ("float", &[0xfa, 0, 0, 0, 0]),
        ("double", &[0xfb, 0, 0, 0, 0, 0, 0, 0, 0]),
        ("undefined", &[0xf7]),
        ("simple value", &[0xe0]),
        ("simple value of two bytes", &[0xf8, 0xff]),
        ("true in two bytes", &[0xf8, 0x15]),
        ("break", &[0xff]),
        ("reserved head", &[0x1c]),
        ("text that is not UTF-8", &[0x61, 0xff]),
        ("text in surrogates", &[0x63, 0xed, 0xa0, 0x80]),
    ] {
        let bytes = text(1, &[&[23][..], value].concat());
        assert_eq!(parse(&bytes), Err(NotAnEvent), "{fault}");
        // In an event of a later version, too.
        assert_eq!(parse(&event(23, 3, &[&[23][..], value].concat())), Err(NotAnEvent), "{fault}");
    }
}

#[test]
fn what_is_not_one_map_of_fields_is_refused() {
    let whole = text(0, &[]);
    for (fault, bytes) in [
        ("nothing", vec![]),
        ("a number", vec![1]),
        ("an array", [&[0x83][..], &whole[1..]].concat()),
        ("an empty map", vec![0xa0]),
        ("a byte after it", [&whole[..], &[0]].concat()),
        ("an event after it", [&whole[..], &whole].concat()),
        ("a field fewer than announced", text(1, &[])),
        ("a field more than announced", text(0, &[23, 0])),
        ("a field twice", text(1, &[8, 0x61, b'a'])),
        ("fields in another order", text(1, &[7, 0])),
        ("a key that is text", text(1, &[0x61, b'a', 0])),
        ("a key that is negative", text(1, &[0x20, 0])),
        ("a tag around it", [&[0xd9, 0xd9, 0xf7][..], &whole].concat()),
    ] {
        assert_eq!(parse(&bytes), Err(NotAnEvent), "{fault}");
    }
}

#[test]
fn missing_and_wrong_fields_are_refused() {
    let id = &head(1)[2..];
    let target = [&[9][..], &reference()].concat();
    for (fault, bytes) in [
        ("no type", [&[0xa2][..], id, &[8, 0x60]].concat()),
        ("a type that is text", [&[0xa3, 0, 0x61, b'1'][..], id, &[8, 0x60]].concat()),
        ("no id", vec![0xa2, 0, 1, 8, 0x60]),
        ("an id of 15 bytes", [&[0xa3, 0, 1, 1, 0x4f][..], &[7; 15], &[8, 0x60]].concat()),
        ("an id of an unknown type that is text", vec![0xa2, 0, 23, 1, 0x61, b'a']),
        ("no text", event(1, 2, &[])),
        ("text that is bytes", event(1, 3, &[8, 0x41, b'a'])),
        ("a group that is a number", event(1, 4, &[2, 0, 8, 0x60])),
        ("an expiry of 0 s", event(1, 4, &[3, 0, 8, 0x60])),
        ("an edit without a reference", event(2, 3, &[8, 0x60])),
        ("an edit without a text", event(2, 3, &target)),
        ("a reference of one item", event(3, 3, &[9, 0x81, 0])),
        ("a reference to message 0", event(3, 3, &[&target[..target.len() - 1], &[0]].concat())),
        ("a reference to a text", event(3, 3, &[&target[..target.len() - 1], &[0x60]].concat())),
        ("no entries read", event(5, 3, &[11, 0x80])),
        ("no seconds", event(6, 2, &[])),
        ("an accepted file without the next piece", {
            let file = [&[13, 0x50][..], &[3; 16]].concat();
            event(9, 4, &[&file[..], &[21, 0]].concat())
        }),
        ("progress without the next piece", {
            let file = [&[13, 0x50][..], &[3; 16]].concat();
            event(9, 4, &[&file[..], &[21, 4]].concat())
        }),
        ("an empty piece", {
            let file = [&[13, 0x50][..], &[3; 16]].concat();
            event(8, 5, &[&file[..], &[19, 0, 20, 0x40]].concat())
        }),
        ("an empty state", event(10, 3, &[20, 0x40])),
        ("a request without a group", event(11, 3, &[21, 0])),
    ] {
        assert_eq!(parse(&bytes), Err(NotAnEvent), "{fault}");
    }
}

#[test]
fn mentions_are_within_the_text_and_in_its_order() {
    let mention = |start: u8, len: u8| [&[0x83, start, len, 0x58, 32][..], &[5; 32]].concat();
    let with = |mentions: &[Vec<u8>]| {
        let count = 0x80 + u8::try_from(mentions.len()).unwrap();
        // Five bytes, the second character of which is at 1 and 2.
        let text = [8, 0x65, b'a', 0xc3, 0xbc, b'b', b'c'];
        event(1, 4, &[&text[..], &[10, count], &mentions.concat()].concat())
    };
    assert!(parse(&with(&[mention(0, 1), mention(1, 2), mention(3, 2)])).is_ok());
    for (fault, mentions) in [
        ("none", vec![]),
        ("empty", vec![mention(0, 0)]),
        ("after the end", vec![mention(5, 1)]),
        ("over the end", vec![mention(4, 2)]),
        ("begins within a character", vec![mention(2, 1)]),
        ("ends within a character", vec![mention(0, 2)]),
        ("overlaps", vec![mention(0, 3), mention(1, 2)]),
        ("in another order", vec![mention(3, 1), mention(0, 1)]),
    ] {
        assert_eq!(parse(&with(&mentions)), Err(NotAnEvent), "{fault}");
    }
}

#[test]
fn arrays_and_maps_are_eight_deep_at_most() {
    let nested =
        |head: u8, levels: usize| text(1, &[&[23][..], &vec![head; levels], &[0]].concat());
    assert!(parse(&nested(0x81, 7)).is_ok(), "with the event itself eight");
    assert_eq!(parse(&nested(0x81, 8)), Err(NotAnEvent));
    // A map in the key of a map, and so on.
    let maps = text(1, &[&[23][..], &[0xa1; 8], &[0; 9]].concat());
    assert_eq!(parse(&maps), Err(NotAnEvent));
    // As deep as a message can be.
    assert_eq!(parse(&nested(0x81, 65_000)), Err(NotAnEvent));
    assert_eq!(parse(&nested(0xa1, 65_000)), Err(NotAnEvent));
    assert_eq!(parse(&vec![0x81; Inner::MAX_CONTENT]), Err(NotAnEvent));
}

#[test]
fn what_is_announced_and_does_not_come_is_refused() {
    for head in [0x5b, 0x7b, 0x9b, 0xbb] {
        for count in [[0xff; 8], [0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]] {
            let value = [&[head][..], &count].concat();
            let unknown = text(1, &[&[23][..], &value].concat());
            assert_eq!(parse(&unknown), Err(NotAnEvent), "{head:02x}");
            for (kind, key) in [(1, 8), (5, 11), (10, 20)] {
                let known = event(kind, 3, &[&[key][..], &value].concat());
                assert_eq!(parse(&known), Err(NotAnEvent), "{head:02x} in field {key}");
            }
            assert_eq!(parse(&value), Err(NotAnEvent), "{head:02x} alone");
        }
    }
}

#[test]
fn event_is_no_longer_than_a_message() {
    let filled = |len: usize| {
        let head = text(1, &[23, 0x59]);
        let rest = u16::try_from(len - head.len() - 2).unwrap();
        [&head[..], &rest.to_be_bytes(), &vec![0; rest.into()]].concat()
    };
    assert!(parse(&filled(Inner::MAX_CONTENT)).is_ok());
    assert_eq!(parse(&filled(Inner::MAX_CONTENT + 1)), Err(NotAnEvent));
}

#[test]
fn unknown_types_and_codes_need_a_newer_version() {
    let file = [&[13, 0x50][..], &[3; 16]].concat();
    let group = [&[22, 0x50][..], &[3; 16]].concat();
    for (kind, bytes) in [
        (0, event(0, 2, &[])),
        (12, event(12, 3, &[8, 0x07])),
        (9, event(9, 4, &[&file[..], &[21, 5]].concat())),
        (11, event(11, 4, &[&[21, 4][..], &group].concat())),
    ] {
        let encoded = parse(&bytes).unwrap();
        let unknown = encoded.event().unwrap_err();
        assert_eq!((unknown.kind, unknown.id.0), (kind, [7; 16]));
        assert_eq!((unknown.group, unknown.expiry), (None, None));
        assert_eq!(encoded.as_bytes(), bytes, "kept as it came");
    }
    let expiring = parse(&event(12, 3, &[3, 9])).unwrap();
    let UnknownEvent { expiry, .. } = expiring.event().unwrap_err();
    assert_eq!(expiry.unwrap().value(), 9, "fields of every type are read");
}
