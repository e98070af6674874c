//! The message envelope of suite 1 (PROTOCOL 5.2): a key for one message, wrapped for its recipient
//! under a label of both fingerprints, and the message sealed with that key.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::sealed::{append_sealed, open_sealed};
use super::{EmitError, OpenedMessage, PrivateKey, Provider};
use crate::keys::{Fingerprint, Plaintext, PublicKey, SymmetricKey};
use crate::wire::Parser;
use rand_core::CryptoRng;

/// Suite of this envelope.
const SUITE: u8 = 1;

/// OAEP label of a message of suite 1. It binds the ciphertext to both keys (PROTOCOL 2).
pub(super) fn message_label(sender: &Fingerprint, recipient: &Fingerprint) -> String {
    format!("sealpost/1/message/{sender}/{recipient}")
}

/// Appends the body of a message: `oaep(to, message label, K)` and `sealed(K, inner)`.
pub(super) fn append(
    body: &mut Vec<u8>,
    provider: &dyn Provider,
    rng: &mut dyn CryptoRng,
    from: &PublicKey,
    to: &PublicKey,
    inner: &Plaintext,
) -> Result<(), EmitError> {
    let key = SymmetricKey::random(rng);
    let label = message_label(from.fingerprint(), to.fingerprint());
    body.extend_from_slice(&provider.oaep_seal(rng, to, label.as_bytes(), key.expose())?);
    append_sealed(body, provider, rng, &key, inner)
}

/// Opens the payload of a message whose signature by `sender` has been verified.
///
/// The work is the same whichever part fails, so that its time tells nothing: if the key does not
/// unwrap, a random key takes its place, and whatever that opens is dropped.
pub(super) fn open(
    payload: &[u8],
    provider: &dyn Provider,
    rng: &mut dyn CryptoRng,
    sender: &PublicKey,
    recipient: &dyn PrivateKey,
) -> OpenedMessage {
    let Some((wrapped, sealed)) = split(payload) else {
        return OpenedMessage::Undecryptable;
    };
    let label = message_label(sender.fingerprint(), recipient.public_key().fingerprint());
    let substitute = SymmetricKey::random(rng);
    let unwrapped = recipient.oaep_open(rng, label.as_bytes(), wrapped).ok();
    let unwrapped = unwrapped.and_then(|key| Some(SymmetricKey::copied(key.expose().as_array()?)));
    let inner = open_sealed(provider, unwrapped.as_ref().unwrap_or(&substitute), sealed);
    match (unwrapped, inner) {
        (Some(_), Ok(inner)) => OpenedMessage::Inner(inner),
        (_, _) => OpenedMessage::Undecryptable,
    }
}

/// Splits `message_id ‖ suite ‖ body` into wrapped key and sealed part, if the suite is this one.
fn split(payload: &[u8]) -> Option<(&[u8; 256], &[u8])> {
    let mut fields = Parser::new(payload);
    fields.u64().ok()?;
    let suite = fields.u8().ok()?;
    let wrapped = fields.array().ok()?;
    (suite == SUITE).then_some((wrapped, fields.rest()))
}
