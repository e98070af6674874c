//! Payloads and plaintexts, read by every parser.

use core::fmt::Debug;

use sealpost_core::keys::Plaintext;
use sealpost_core::wire::{
    ConfirmRequest, ErrorReply, Inner, Lookup, Malformed, MessageHead, NoMoreMessages, OtpIssued,
    PublicKeyAnswer, Receipt, ReceiptsTaken, ReconnectRequest, RegisterRequest,
    RegistrationRejected, SessionGrant, SessionResumed, StoredAck, emit_server_key,
    parse_server_key,
};

/// Reads one payload or plaintext with every parser. A parsed value is written back as the bytes up
/// to the end of its last field, and as all bytes where none may follow.
///
/// # Panics
/// If one of these properties is violated.
pub fn payloads(data: &[u8]) {
    // A sealed payload holds no more.
    let data = data.get(..65_503).unwrap_or(data);
    rewrites(data, RegisterRequest::parse, RegisterRequest::emit);
    rewrites(data, ReconnectRequest::parse, ReconnectRequest::emit);
    rewrites(data, ConfirmRequest::parse, ConfirmRequest::emit);
    rewrites(data, OtpIssued::parse, OtpIssued::emit);
    rewrites(data, RegistrationRejected::parse, RegistrationRejected::emit);
    rewrites(data, SessionGrant::parse, SessionGrant::emit);
    rewrites(data, SessionResumed::parse, SessionResumed::emit);
    rewrites(data, NoMoreMessages::parse, NoMoreMessages::emit);
    rewrites(data, Lookup::parse, Lookup::emit);
    rewrites(data, PublicKeyAnswer::parse, PublicKeyAnswer::emit);
    rewrites(data, StoredAck::parse, StoredAck::emit);
    rewrites(data, ReceiptsTaken::parse, ReceiptsTaken::emit);
    rewrites(data, ErrorReply::parse, ErrorReply::emit);
    if let Ok(inner) = Inner::parse(data) {
        // The padding may differ.
        assert_eq!(Inner::parse(inner.emit().expose()), Ok(inner));
    }
    if let Ok(receipt) = Receipt::parse(data) {
        assert_eq!(receipt.emit(), data);
    }
    if let Ok(reply) = ErrorReply::parse_clear(data) {
        assert_eq!(reply.emit_clear(), data);
    }
    if let Ok(key) = parse_server_key(data) {
        assert_eq!(emit_server_key(&key), data);
    }
    if let Ok((head, body)) = MessageHead::parse(data) {
        assert_eq!([&head.emit(), body].concat(), data);
    }
}

fn rewrites<T: PartialEq + Debug>(
    data: &[u8],
    parse: fn(&[u8]) -> Result<T, Malformed>,
    emit: fn(&T) -> Plaintext,
) {
    if let Ok(value) = parse(data) {
        let emitted = emit(&value);
        assert!(data.starts_with(emitted.expose()));
        assert_eq!(parse(emitted.expose()), Ok(value));
    }
}
