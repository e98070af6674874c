//! Payloads with arbitrary content: emitted ones parse to the same value, and no bytes panic.

use std::fmt::Debug;

use proptest::prelude::*;
use sealpost_core::ids::MessageId;
use sealpost_core::keys::{Fingerprint, Plaintext, SymmetricKey};
use sealpost_core::time::Timestamp;
use sealpost_core::wire::{
    ConfirmRequest, ContentKind, ErrorCode, ErrorReply, InReplyTo, Inner, Lookup, Malformed,
    MessageHead, NoMoreMessages, OtpIssued, PublicKeyAnswer, Receipt, ReceiptsTaken,
    ReconnectRequest, RegisterRequest, RegistrationRejected, RequestHash, SessionGrant,
    SessionResumed, StoredAck, emit_server_key, parse_server_key,
};

use crate::arb;
use crate::vectors::public_key;

proptest! {
    #[test]
    fn registration_round_trips(
        key: [u8; 32], reply: [u8; 8], fingerprint: [u8; 32],
        phone in arb::phone(), otp in arb::otp(),
        ttl_secs: u16, attempts: u8, in_band: bool,
        secs in 0..=Timestamp::MAX.unix_secs(), invitation in "[ -~]{0,64}",
    ) {
        let (reply_key, in_reply_to) = (SymmetricKey::from_bytes(key), InReplyTo(reply));
        let fingerprint = Fingerprint(fingerprint);
        let timestamp = Timestamp::from_unix_secs(secs);
        let invitation = invitation.parse().ok();
        let register = RegisterRequest { reply_key: reply_key.clone(), phone, timestamp, invitation };
        round_trips(&register, RegisterRequest::parse, RegisterRequest::emit)?;
        let reconnect = ReconnectRequest { reply_key: reply_key.clone(), phone };
        round_trips(&reconnect, ReconnectRequest::parse, ReconnectRequest::emit)?;
        let issued = in_band.then(|| otp.clone());
        let issued = OtpIssued { in_reply_to, ttl_secs, attempts, otp: issued };
        round_trips(&issued, OtpIssued::parse, OtpIssued::emit)?;
        let rejected = RegistrationRejected { in_reply_to };
        round_trips(&rejected, RegistrationRejected::parse, RegistrationRejected::emit)?;
        let confirm = ConfirmRequest { reply_key, otp, fingerprint, phone };
        round_trips(&confirm, ConfirmRequest::parse, ConfirmRequest::emit)?;
    }

    #[test]
    fn sessions_round_trip(
        key: [u8; 32], hash: [u8; 32], named: bool, pending: u32, drained: u32,
    ) {
        let session_key = SymmetricKey::from_bytes(key);
        let successor = named.then_some(Fingerprint(hash));
        let grant = SessionGrant { session_key, request_hash: RequestHash(hash), successor };
        round_trips(&grant, SessionGrant::parse, SessionGrant::emit)?;
        round_trips(&SessionResumed { pending }, SessionResumed::parse, SessionResumed::emit)?;
        round_trips(&NoMoreMessages { drained }, NoMoreMessages::parse, NoMoreMessages::emit)?;
    }

    #[test]
    fn the_directory_round_trips(
        user in arb::user(), phone in arb::phone(), reply: [u8; 8],
        person in prop::sample::select(["server", "alice", "bob"].as_slice()),
    ) {
        round_trips(&Lookup::Phone(phone), Lookup::parse, Lookup::emit)?;
        round_trips(&Lookup::Id(user), Lookup::parse, Lookup::emit)?;
        let (in_reply_to, public_key) = (InReplyTo(reply), public_key(person));
        let answer = PublicKeyAnswer { in_reply_to, user, phone, public_key };
        round_trips(&answer, PublicKeyAnswer::parse, PublicKeyAnswer::emit)?;
    }

    #[test]
    fn acknowledgements_round_trip(
        stored in prop::collection::vec((arb::user(), arb::message_id()), 0..300),
        taken in prop::collection::vec((arb::user(), arb::receipt_id()), 0..300),
        receipt_id in arb::receipt_id(),
        message_ids in prop::collection::vec(arb::message_id(), 1..600),
    ) {
        round_trips(&StoredAck { items: stored }, StoredAck::parse, StoredAck::emit)?;
        round_trips(&ReceiptsTaken { items: taken }, ReceiptsTaken::parse, ReceiptsTaken::emit)?;
        let receipt = Receipt { receipt_id, message_ids };
        prop_assert_eq!(Receipt::parse(&receipt.emit()), Ok(receipt));
    }

    #[test]
    fn messages_round_trip(
        message_id in arb::message_id(), suite: u8, previous: u64,
        text in ".{0,400}", bytes in prop::collection::vec(any::<u8>(), 0..70_000),
    ) {
        let head = MessageHead { message_id, suite };
        let payload = [head.emit(), vec![1]].concat();
        prop_assert_eq!(MessageHead::parse(&payload), Ok((head, [1].as_slice())));
        // On the wire, 0 says that there is no previous message.
        let previous = (previous > 0).then_some(MessageId(previous));
        let text = Inner::new(ContentKind::Text, previous, text.into_bytes()).unwrap();
        round_trips(&text, Inner::parse, Inner::emit)?;
        let fits = bytes.len() <= Inner::MAX_CONTENT;
        match Inner::new(ContentKind::Bytes, previous, bytes) {
            Ok(inner) if fits => round_trips(&inner, Inner::parse, Inner::emit)?,
            refused => prop_assert!(!fits, "{:?}", refused),
        }
    }

    #[test]
    fn errors_round_trip(
        code in any::<u8>().prop_map(ErrorCode::read), reply: [u8; 8],
        retry_after_secs: u32, secs in 0..=Timestamp::MAX.unix_secs(), text in "[ -ü]{0,100}",
    ) {
        let server_time = Timestamp::from_unix_secs(secs);
        let in_reply_to = InReplyTo(reply);
        let error = ErrorReply { code, in_reply_to, retry_after_secs, server_time, text };
        round_trips(&error, ErrorReply::parse, ErrorReply::emit)?;
        prop_assert_eq!(ErrorReply::parse_clear(&error.emit_clear()), Ok(error));
    }

    #[test]
    fn no_bytes_panic(data in prop::collection::vec(any::<u8>(), 0..400), versioned: bool) {
        let mut data = data;
        if versioned && let Some(version) = data.first_mut() {
            *version = 1;
        }
        rewrites(&data, RegisterRequest::parse, RegisterRequest::emit)?;
        rewrites(&data, ReconnectRequest::parse, ReconnectRequest::emit)?;
        rewrites(&data, ConfirmRequest::parse, ConfirmRequest::emit)?;
        rewrites(&data, OtpIssued::parse, OtpIssued::emit)?;
        rewrites(&data, RegistrationRejected::parse, RegistrationRejected::emit)?;
        rewrites(&data, SessionGrant::parse, SessionGrant::emit)?;
        rewrites(&data, SessionResumed::parse, SessionResumed::emit)?;
        rewrites(&data, NoMoreMessages::parse, NoMoreMessages::emit)?;
        rewrites(&data, Lookup::parse, Lookup::emit)?;
        rewrites(&data, PublicKeyAnswer::parse, PublicKeyAnswer::emit)?;
        rewrites(&data, StoredAck::parse, StoredAck::emit)?;
        rewrites(&data, ReceiptsTaken::parse, ReceiptsTaken::emit)?;
        rewrites(&data, ErrorReply::parse, ErrorReply::emit)?;
        if let Ok(inner) = Inner::parse(&data) {
            round_trips(&inner, Inner::parse, Inner::emit)?;
        }
        if let Ok(receipt) = Receipt::parse(&data) {
            prop_assert_eq!(receipt.emit(), &*data);
        }
        if let Ok(reply) = ErrorReply::parse_clear(&data) {
            prop_assert_eq!(reply.emit_clear(), &*data);
        }
        if let Ok(key) = parse_server_key(&data) {
            prop_assert_eq!(emit_server_key(&key), &*data);
        }
        if let Ok((head, body)) = MessageHead::parse(&data) {
            prop_assert_eq!([&head.emit(), body].concat(), data);
        }
    }
}

/// Asserts that the emitted bytes parse to the same value.
fn round_trips<T: PartialEq + Debug>(
    value: &T,
    parse: fn(&[u8]) -> Result<T, Malformed>,
    emit: fn(&T) -> Plaintext,
) -> Result<(), TestCaseError> {
    let parsed = parse(emit(value).expose());
    prop_assert_eq!(parsed.as_ref(), Ok(value));
    Ok(())
}

/// Asserts that a value that parses is emitted as the same bytes, up to its end.
fn rewrites<T>(
    data: &[u8],
    parse: fn(&[u8]) -> Result<T, Malformed>,
    emit: fn(&T) -> Plaintext,
) -> Result<(), TestCaseError> {
    if let Ok(value) = parse(data) {
        prop_assert!(data.starts_with(emit(&value).expose()));
    }
    Ok(())
}
