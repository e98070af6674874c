//! Payloads: their exact bytes, and their bounds.

use std::fmt::Debug;

use sealpost_core::ids::{MessageId, Phone, ReceiptId, UserId};
use sealpost_core::keys::{Fingerprint, Plaintext, SymmetricKey};
use sealpost_core::time::Timestamp;
use sealpost_core::wire::{
    ConfirmRequest, ContentKind, ErrorClass, ErrorCode, ErrorForm, ErrorReply, InReplyTo, Inner,
    InnerRefused, Lookup, Malformed, NoMoreMessages, Otp, OtpIssued, PublicKeyAnswer, Receipt,
    ReceiptsTaken, ReconnectRequest, RegisterRequest, RegistrationRejected, RequestHash,
    SessionGrant, SessionResumed, StoredAck, emit_server_key, parse_server_key,
};

use crate::vectors::public_key;

const KEY: [u8; 32] = [0xaa; 32];
const HASH: [u8; 32] = [0xbb; 32];
const REPLY: [u8; 8] = [1, 2, 3, 4, 5, 6, 7, 8];
const PHONE: &[u8] = b"\x0e+4915112345678";
const DATE: &[u8; 19] = b"2026-11-23 12:34:56";

fn key() -> SymmetricKey {
    SymmetricKey::from_bytes(KEY)
}

fn phone() -> Phone {
    "+4915112345678".parse().unwrap()
}

fn user(id: u64) -> UserId {
    UserId::new(id).unwrap()
}

/// Asserts that a sealed payload is emitted as these bytes and parsed from them: with more bytes
/// after them too, but not with any missing.
#[track_caller]
fn holds<T: PartialEq + Debug>(
    value: &T,
    parse: fn(&[u8]) -> Result<T, Malformed>,
    emit: fn(&T) -> Plaintext,
    bytes: &[&[u8]],
) {
    let bytes = bytes.concat();
    assert_eq!(emit(value).expose(), bytes);
    assert_eq!(parse(&bytes).as_ref(), Ok(value));
    assert_eq!(
        parse(&[bytes.as_slice(), b"field of a later version"].concat()).as_ref(),
        Ok(value)
    );
    for len in 0..bytes.len() {
        assert_eq!(parse(&bytes[..len]), Err(Malformed), "the first {len} bytes");
    }
    let mut version_2 = bytes;
    version_2[0] = 2;
    assert_eq!(parse(&version_2), Err(Malformed), "another version");
}

#[test]
fn requests_before_a_session() {
    let register = RegisterRequest {
        reply_key: key(),
        phone: phone(),
        timestamp: Timestamp::parse(DATE).unwrap(),
        invitation: None,
    };
    let bytes: [&[u8]; 5] = [b"\x01", &KEY, PHONE, DATE, b"\0"];
    holds(&register, RegisterRequest::parse, RegisterRequest::emit, &bytes);

    let invited = RegisterRequest { invitation: "SPRING".parse().ok(), ..register };
    let bytes: [&[u8]; 5] = [b"\x01", &KEY, PHONE, DATE, b"\x06SPRING"];
    holds(&invited, RegisterRequest::parse, RegisterRequest::emit, &bytes);

    let reconnect = ReconnectRequest { reply_key: key(), phone: phone() };
    let bytes: [&[u8]; 3] = [b"\x01", &KEY, PHONE];
    holds(&reconnect, ReconnectRequest::parse, ReconnectRequest::emit, &bytes);

    let confirm = ConfirmRequest {
        reply_key: key(),
        otp: Otp::from_number(42_137).unwrap(),
        fingerprint: Fingerprint(HASH),
        phone: phone(),
    };
    let bytes: [&[u8]; 5] = [b"\x01", &KEY, b"042137", &HASH, PHONE];
    holds(&confirm, ConfirmRequest::parse, ConfirmRequest::emit, &bytes);
}

#[test]
fn a_100_with_an_impossible_date_or_invitation_is_malformed() {
    let request = |date: &[u8], invitation: &[u8]| {
        let len = [u8::try_from(invitation.len()).unwrap()];
        let bytes = [b"\x01".as_slice(), &KEY, PHONE, date, &len, invitation].concat();
        RegisterRequest::parse(&bytes)
    };
    assert!(request(DATE, &[b'x'; 64]).is_ok());
    assert_eq!(request(DATE, &[b'x'; 65]), Err(Malformed));
    assert_eq!(request(DATE, "früh".as_bytes()), Err(Malformed));
    assert_eq!(request(DATE, b"\xff"), Err(Malformed));
    assert_eq!(request(b"2026-02-30 12:34:56", b""), Err(Malformed));
}

#[test]
fn a_101_without_six_digits_is_malformed() {
    let bytes = [b"\x01".as_slice(), &KEY, b"04213x", &HASH, PHONE].concat();
    assert_eq!(ConfirmRequest::parse(&bytes), Err(Malformed));
}

#[test]
fn text_that_is_not_a_phone_number_is_malformed() {
    for phone in [b"\x07+012345".as_slice(), b"\x081234567\xff", b"\0", b"\x0e+4915112345x78"] {
        let bytes = [b"\x01", KEY.as_slice(), phone].concat();
        assert_eq!(ReconnectRequest::parse(&bytes), Err(Malformed), "{phone:?}");
        let bytes = [&bytes, DATE.as_slice(), b"\0"].concat();
        assert_eq!(RegisterRequest::parse(&bytes), Err(Malformed), "{phone:?}");
        assert_eq!(Lookup::parse(&[b"\x01\0", phone].concat()), Err(Malformed), "{phone:?}");
    }
}

#[test]
fn answers_to_a_registration() {
    let in_reply_to = InReplyTo(REPLY);
    let otp = Otp::from_number(42_137);
    let in_band = OtpIssued { in_reply_to, ttl_secs: 300, attempts: 5, otp };
    let bytes: [&[u8]; 3] = [b"\x01", &REPLY, b"\x2c\x01\x05\0\x06042137"];
    holds(&in_band, OtpIssued::parse, OtpIssued::emit, &bytes);

    let out_of_band = OtpIssued { otp: None, ..in_band };
    let bytes: [&[u8]; 3] = [b"\x01", &REPLY, b"\x2c\x01\x05\x01\0"];
    holds(&out_of_band, OtpIssued::parse, OtpIssued::emit, &bytes);

    let rejected = RegistrationRejected { in_reply_to };
    let bytes: [&[u8]; 2] = [b"\x01", &REPLY];
    holds(&rejected, RegistrationRejected::parse, RegistrationRejected::emit, &bytes);
}

#[test]
fn a_200_has_a_password_exactly_if_its_channel_is_in_band() {
    for tail in [b"\0\0".as_slice(), b"\x01\x06042137", b"\x02\0", b"\0\x0504213", b"\0\x0604213x"]
    {
        let bytes = [b"\x01", REPLY.as_slice(), b"\x2c\x01\x05", tail].concat();
        assert_eq!(OtpIssued::parse(&bytes), Err(Malformed), "{tail:?}");
    }
}

#[test]
fn sessions() {
    let (session_key, request_hash) = (key(), RequestHash(HASH));
    let grant = SessionGrant { session_key, request_hash, successor: None };
    let fields: [&[u8]; 3] = [b"\x01", &KEY, &HASH];
    assert_eq!(grant.emit().expose(), fields.concat());
    assert_eq!(SessionGrant::parse(&fields.concat()), Ok(grant.clone()));
    assert_eq!(SessionGrant::parse(&[&fields.concat()[..], b"\0\0"].concat()), Ok(grant.clone()));
    let short = [&fields.concat()[..], b"\x1f\0", &HASH].concat();
    assert_eq!(SessionGrant::parse(&short), Err(Malformed), "no fingerprint");
    let named = SessionGrant { successor: Some(Fingerprint(HASH)), ..grant };
    let fields: [&[u8]; 5] = [b"\x01", &KEY, &HASH, b"\x20\0", &HASH];
    assert_eq!(named.emit().expose(), fields.concat());
    assert_eq!(SessionGrant::parse(&fields.concat()), Ok(named.clone()));
    let grown = [&fields.concat()[..], b"field of a later version"].concat();
    assert_eq!(SessionGrant::parse(&grown), Ok(named));
    let resumed = SessionResumed { pending: 0x0102_0304 };
    holds(&resumed, SessionResumed::parse, SessionResumed::emit, &[b"\x01\x04\x03\x02\x01"]);
    let drained = NoMoreMessages { drained: 3 };
    holds(&drained, NoMoreMessages::parse, NoMoreMessages::emit, &[b"\x01\x03\0\0\0"]);
}

#[test]
fn look_ups() {
    holds(&Lookup::Phone(phone()), Lookup::parse, Lookup::emit, &[b"\x01\0", PHONE]);
    holds(&Lookup::Id(user(513)), Lookup::parse, Lookup::emit, &[b"\x01\x01\x01\x02\0\0\0\0\0\0"]);
    assert_eq!(Lookup::parse(b"\x01\x01\0\0\0\0\0\0\0\0"), Err(Malformed), "0 is the server");
    assert_eq!(Lookup::parse(b"\x01\x02\x01\0\0\0\0\0\0\0"), Err(Malformed), "no such kind");
}

#[test]
fn public_keys() {
    let public_key = public_key("bob");
    let answer = PublicKeyAnswer {
        in_reply_to: InReplyTo(REPLY),
        user: user(513),
        phone: phone(),
        public_key: public_key.clone(),
    };
    let bytes: [&[u8]; 6] =
        [b"\x01", &REPLY, b"\x01\x02\0\0\0\0\0\0", PHONE, b"\x26\x01", public_key.der()];
    holds(&answer, PublicKeyAnswer::parse, PublicKeyAnswer::emit, &bytes);
}

#[test]
fn the_servers_key_in_the_clear_ends_its_payload() {
    let server = public_key("server");
    let payload = emit_server_key(&server);
    assert_eq!(payload, [b"\x01\x26\x01", server.der()].concat());
    assert_eq!(parse_server_key(&payload), Ok(server));
    assert_eq!(parse_server_key(&[payload.as_slice(), b"!"].concat()), Err(Malformed));
    for len in 0..payload.len() {
        assert_eq!(parse_server_key(&payload[..len]), Err(Malformed));
    }
    let mut no_key = payload;
    no_key[3] ^= 1;
    assert_eq!(parse_server_key(&no_key), Err(Malformed));
}

#[test]
fn sealed_acknowledgements() {
    let stored = StoredAck { items: vec![(user(513), MessageId(5)), (user(7), MessageId(6))] };
    let bytes: [&[u8]; 5] = [
        b"\x01\x01\x02\0",
        b"\x01\x02\0\0\0\0\0\0",
        b"\x05\0\0\0\0\0\0\0",
        b"\x07\0\0\0\0\0\0\0",
        b"\x06\0\0\0\0\0\0\0",
    ];
    holds(&stored, StoredAck::parse, StoredAck::emit, &bytes);

    let taken = ReceiptsTaken { items: vec![(user(513), ReceiptId(99))] };
    let bytes: [&[u8]; 3] = [b"\x01\x01\0", b"\x01\x02\0\0\0\0\0\0", b"\x63\0\0\0\0\0\0\0"];
    holds(&taken, ReceiptsTaken::parse, ReceiptsTaken::emit, &bytes);

    assert_eq!(StoredAck::parse(b"\x01\x02\0\0"), Err(Malformed), "another status");
    let without_origin = [b"\x01\x01\0".as_slice(), &[0; 8], &[1; 8]].concat();
    assert_eq!(ReceiptsTaken::parse(&without_origin), Err(Malformed));
}

#[test]
fn a_receipt_ends_with_its_last_message() {
    let receipt = Receipt { receipt_id: ReceiptId(99), message_ids: vec![MessageId(5)] };
    let payload = b"\x63\0\0\0\0\0\0\0\x02\x01\0\x05\0\0\0\0\0\0\0";
    assert_eq!(receipt.emit(), payload);
    assert_eq!(Receipt::parse(payload), Ok(receipt));
    assert_eq!(Receipt::parse(&[payload.as_slice(), b"!"].concat()), Err(Malformed));
    for len in 0..payload.len() {
        assert_eq!(Receipt::parse(&payload[..len]), Err(Malformed));
    }
    assert_eq!(Receipt::parse(b"\x63\0\0\0\0\0\0\0\x02\0\0"), Err(Malformed), "no messages");
    assert_eq!(Receipt::parse(b"\x63\0\0\0\0\0\0\0\x01\x01\0\x05\0\0\0\0\0\0\0"), Err(Malformed));
}

#[test]
fn the_longest_lists_just_fit_a_packet() {
    let receipt_len = |ids| {
        let message_ids = vec![MessageId(1); ids];
        Receipt { receipt_id: ReceiptId(1), message_ids }.emit().len()
    };
    assert!((65_528..=65_535).contains(&receipt_len(Receipt::MAX_ITEMS)));

    let sealed_len = |plaintext: Plaintext| 16 + (plaintext.expose().len() / 16 + 1) * 16;
    let stored = StoredAck { items: vec![(user(1), MessageId(1)); StoredAck::MAX_ITEMS] };
    assert_eq!(sealed_len(stored.emit()), 65_520);
    let taken = ReceiptsTaken { items: vec![(user(1), ReceiptId(1)); ReceiptsTaken::MAX_ITEMS] };
    assert_eq!(sealed_len(taken.emit()), 65_520);
}

#[test]
fn inner_is_padded_with_zeros_to_the_smallest_bucket() {
    let buckets = [255, 511, 1_023, 2_047, 4_095, 8_191, 16_383, 32_767, 65_247];
    let padded_len = |len| {
        let inner = Inner::new(ContentKind::Bytes, None, vec![1; len]).unwrap();
        inner.emit().expose().len()
    };
    assert_eq!(padded_len(0), 255);
    for (bucket, next) in buckets.into_iter().zip(buckets.into_iter().skip(1)) {
        assert_eq!(padded_len(bucket - 12), bucket);
        assert_eq!(padded_len(bucket - 11), next);
    }
    assert_eq!(padded_len(Inner::MAX_CONTENT), 65_247);
}

#[test]
fn layout_of_inner() {
    let text = "Grüße";
    let inner = Inner::new(ContentKind::Text, Some(MessageId(0x0102)), text.into()).unwrap();
    let emitted = inner.emit();
    let (head, rest) = emitted.expose().split_at(12);
    let (content, zeros) = rest.split_at(text.len());
    assert_eq!(head, b"\x01\0\x02\x01\0\0\0\0\0\0\x07\0");
    assert_eq!(content, text.as_bytes());
    assert_eq!(zeros, [0; 236]);

    assert_eq!(Inner::parse(emitted.expose()).as_ref(), Ok(&inner));
    assert_eq!((inner.kind(), inner.previous()), (ContentKind::Text, Some(MessageId(0x0102))));
    assert_eq!(inner.content(), text.as_bytes());
    assert_eq!(inner.clone().into_content(), text.as_bytes());
    let unpadded = &emitted.expose()[..12 + text.len()];
    assert_eq!(Inner::parse(unpadded), Ok(inner), "the padding is ignored");
    assert_eq!(Inner::parse(&unpadded[..unpadded.len() - 1]), Err(Malformed));
}

#[test]
fn content_that_does_not_fit_is_given_back() {
    let long = vec![b'a'; Inner::MAX_CONTENT + 1];
    assert_eq!(Inner::MAX_CONTENT, 65_235);
    assert_eq!(
        Inner::new(ContentKind::Bytes, None, long.clone()),
        Err(InnerRefused::TooLong(long))
    );
    let not_utf8 = vec![0xff];
    assert_eq!(
        Inner::new(ContentKind::Text, None, not_utf8.clone()),
        Err(InnerRefused::NotText(not_utf8.clone()))
    );
    assert!(Inner::new(ContentKind::Bytes, None, not_utf8).is_ok());
}

#[test]
fn inner_of_a_reserved_kind_or_with_invalid_utf8_is_malformed() {
    let inner = |kind: u8, content: u8| [1, kind, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, content];
    assert!(Inner::parse(&inner(1, 0xff)).is_ok());
    assert_eq!(Inner::parse(&inner(0, 0xff)), Err(Malformed));
    assert!(Inner::parse(&inner(2, 0xff)).is_ok(), "events are parsed elsewhere");
    assert_eq!(Inner::parse(&inner(3, b'a')), Err(Malformed));
}

#[test]
fn debug_shows_no_content() {
    let content = b"attack at dawn".to_vec();
    let inner = Inner::new(ContentKind::Text, None, content.clone()).unwrap();
    assert!(!format!("{inner:?}").contains("dawn"));
    assert!(!format!("{:?}", InnerRefused::TooLong(content)).contains("97"));
}

#[test]
fn errors() {
    let reply = ErrorReply {
        code: ErrorCode::RateLimited,
        in_reply_to: InReplyTo(REPLY),
        retry_after_secs: 30,
        server_time: Timestamp::from_unix_secs(1_795_437_296),
        text: "slow down".into(),
    };
    let bytes: [&[u8]; 6] =
        [b"\x01\x07", &REPLY, b"\x1e\0\0\0", b"\xf0\x32\x04\x6b\0\0\0\0", b"\x09", b"slow down"];
    holds(&reply, ErrorReply::parse, ErrorReply::emit, &bytes);

    let clear = reply.emit_clear();
    assert_eq!(clear, [b"\0".as_slice(), &bytes.concat()].concat());
    assert_eq!(ErrorReply::parse_clear(&clear).as_ref(), Ok(&reply));
    assert_eq!(ErrorReply::parse_clear(&[clear.as_slice(), b"!"].concat()), Err(Malformed));
    let sealed_form = [b"\x02".as_slice(), &clear[1..]].concat();
    assert_eq!(ErrorReply::parse_clear(&sealed_form), Err(Malformed));

    let long = ErrorReply { text: "ü".repeat(200), ..reply };
    let cut = ErrorReply::parse(long.emit().expose()).unwrap();
    assert_eq!(cut.text, "ü".repeat(127), "cut between two characters");
}

#[test]
fn an_error_with_an_impossible_time_is_malformed_and_one_with_an_unknown_code_is_not() {
    let error = |code: u8, secs: u64| {
        let tail: [&[u8]; 4] = [&REPLY, &[0; 4], &secs.to_le_bytes(), b"\0"];
        ErrorReply::parse(&[&[1, code], tail.concat().as_slice()].concat())
    };
    assert!(error(1, 253_402_300_799).is_ok());
    assert_eq!(error(1, 253_402_300_800), Err(Malformed));
    assert_eq!(error(1, u64::MAX), Err(Malformed));
    for number in [0, 17, 255] {
        let reply = error(number, 0).unwrap();
        assert_eq!(reply.code.code(), number);
        assert!(matches!(reply.code, ErrorCode::Unknown(_)), "{reply:?}");
        assert_eq!(ErrorReply::parse(reply.emit().expose()), Ok(reply));
    }
    assert_eq!(format!("{:?}", ErrorCode::read(77)), "Unknown(77)");
}

#[test]
fn an_error_has_one_of_three_forms() {
    let forms = [ErrorForm::Clear, ErrorForm::ReplyKey, ErrorForm::SessionKey];
    assert!((0..=u8::MAX).filter_map(ErrorForm::from_code).eq(forms));
    assert_eq!(forms.map(ErrorForm::code), [0, 1, 2]);
}

#[test]
fn error_codes_and_those_that_close() {
    let codes = (0..=u8::MAX).filter_map(ErrorCode::from_code);
    assert!(codes.clone().eq(ErrorCode::ALL));
    assert!(ErrorCode::ALL.into_iter().all(|code| ErrorCode::read(code.code()) == code));
    assert!(codes.map(ErrorCode::code).eq(1..=16));
    let closing = ErrorCode::ALL.into_iter().filter(|code| code.closes()).map(ErrorCode::code);
    assert!(closing.eq([1, 2, 3, 10, 13, 16]));
}

#[test]
fn error_codes_by_class() {
    let of_class = |class| {
        let codes = ErrorCode::ALL.into_iter().filter(|code| code.class() == class);
        codes.map(ErrorCode::code).collect::<Vec<_>>()
    };
    assert_eq!(of_class(ErrorClass::Fault), [1, 2]);
    assert_eq!(of_class(ErrorClass::SessionOver), [3, 10, 13, 16]);
    assert_eq!(of_class(ErrorClass::Temporary), [7, 8, 12]);
    assert_eq!(of_class(ErrorClass::WrongTime), [11]);
    assert_eq!(of_class(ErrorClass::Denied), [4, 5, 6, 9, 14, 15]);
}
