//! Packets verify and open, and their plaintexts are emitted without a change.

use std::collections::BTreeSet;
use std::sync::Arc;

use sealpost_core::crypto::{Crypto, Job, OpenedMessage, Outcome, Provider};
use sealpost_core::ids::UserId;
use sealpost_core::keys::SymmetricKey;
use sealpost_core::wire::{
    ConfirmRequest, Direction, ErrorForm, ErrorReply, FromClient, FromServer, Inner, Lookup,
    MessageHead, NoMoreMessages, OAEP_LEN, Op, OtpIssued, PublicKeyAnswer, ReceiptsTaken,
    ReconnectRequest, RegisterRequest, RegistrationRejected, SEALED_ERROR_AT, SessionGrant,
    SessionResumed, StoredAck, emit_server_key,
};

use crate::page::{Page, Vector};
use crate::{providers, rng};

#[test]
fn both_profiles_have_vectors_of_every_operation() {
    let page = Page::read();
    for profile in ["compact", "wide"] {
        let of_profile = page.packets().filter(|vector| vector.text("profile") == profile);
        let ops: Vec<u64> = of_profile.map(|vector| vector.number("op")).collect();
        assert_eq!(ops.len(), 36, "{profile}");
        let ops: BTreeSet<u64> = ops.into_iter().collect();
        let all = [100, 101, 102, 105, 106, 150, 200, 201, 203, 204, 206, 222, 244, 255];
        assert_eq!(ops, BTreeSet::from(all), "{profile}");
    }
}

#[test]
fn headers_and_payloads_are_the_listed_ones() {
    for vector in Page::read().packets() {
        let (packet, name) = (vector.packet(), vector.name);
        let header = packet.header();
        assert_eq!(u64::from(header.op.code()), vector.number("op"), "{name}");
        assert_eq!(header.sender, UserId::new(vector.number("sender_id")), "{name}");
        assert_eq!(header.recipient, UserId::new(vector.number("recipient_id")), "{name}");
        let secs = u64::try_from(header.timestamp.unix_secs()).unwrap();
        assert_eq!(secs, vector.number("timestamp"), "{name}");
        assert_eq!(packet.payload(), vector.bytes("payload"), "{name}");
    }
}

#[test]
fn every_packet_verifies_and_opens_with_every_provider() {
    let page = Page::read();
    for provider in providers() {
        for vector in page.packets() {
            let (packet, name) = (vector.packet(), vector.name);
            match vector.text("signed_by") {
                "none" => assert!(packet.is_unsigned(), "{name}"),
                signer => {
                    let signer = page.key(&provider, signer);
                    let verified =
                        provider.verify(signer.public_key(), packet.signed(), packet.signature());
                    assert_eq!(verified, Ok(()), "{name}");
                }
            }
            opens_to_what_is_listed(&page, &provider, &vector);
        }
    }
}

/// Opens the `oaep(…)` and the `sealed(…)` of a packet with the listed label and keys.
fn opens_to_what_is_listed(page: &Page, provider: &Arc<dyn Provider>, vector: &Vector<'_>) {
    let (packet, name) = (vector.packet(), vector.name);
    let payload = packet.payload();
    let oaep_at = if packet.op() == Op::Message { MessageHead::LEN } else { 0 };
    let mut sealed_at = if packet.op() == Op::Error { SEALED_ERROR_AT } else { oaep_at };
    if vector.has("oaep_plain") {
        let recipient = page.key(provider, vector.text("oaep_key"));
        let label = vector.text("oaep_label").as_bytes();
        let wrapped = &payload[oaep_at..oaep_at + OAEP_LEN];
        let opened = recipient.oaep_open(&mut rng(), label, wrapped).unwrap();
        assert_eq!(opened.expose(), vector.bytes("oaep_plain"), "{name}");
        sealed_at = oaep_at + OAEP_LEN;
    }
    if vector.has("sealed_plain") {
        let key = SymmetricKey::from_bytes(vector.array("sealed_key"));
        let (iv, ciphertext) = payload[sealed_at..].split_first_chunk().unwrap();
        assert_eq!(*iv, vector.array("iv"), "{name}");
        let opened = provider.cbc_open(&key, iv, ciphertext).unwrap();
        assert_eq!(opened.expose(), vector.bytes("sealed_plain"), "{name}");
    }
}

#[test]
fn messages_open_for_their_recipient_or_are_undecryptable() {
    let page = Page::read();
    for provider in providers() {
        let bob = page.key(&provider, "bob");
        let alice = page.key(&provider, "alice").public_key().clone();
        let unused = SymmetricKey::from_bytes([0; 32]);
        let mut bob = Crypto::new(Arc::clone(&provider), bob, unused, Box::new(rng()));
        for vector in page.packets().filter(|vector| vector.number("op") == 102) {
            let job = Job::OpenMessage { packet: vector.packet(), signer: alice.clone() };
            let Outcome::MessageOpened(Ok(opened)) = bob.run(job) else { panic!() };
            match opened {
                OpenedMessage::Inner(inner) => {
                    assert!(!vector.has("opens"), "{}", vector.name);
                    assert_eq!(inner.expose(), vector.bytes("sealed_plain"), "{}", vector.name);
                    let inner = Inner::parse(inner.expose()).unwrap();
                    let previous = inner.previous().map_or(0, |id| id.0);
                    assert_eq!(previous, vector.number("previous_id"), "{}", vector.name);
                    assert_eq!(inner.content(), vector.bytes("content"), "{}", vector.name);
                }
                OpenedMessage::Undecryptable => {
                    assert_eq!(vector.text("opens"), "no", "{}", vector.name);
                }
            }
        }
    }
}

#[test]
fn plaintexts_parse_and_are_emitted_without_a_change() {
    for vector in Page::read().packets() {
        let packet = vector.packet();
        let emitted = if is_from_client(packet.op(), packet.header().sender) {
            emitted_by_client(FromClient::parse(packet).unwrap(), &vector)
        } else {
            emitted_by_server(FromServer::parse(packet).unwrap(), &vector)
        };
        for (field, bytes) in emitted {
            let mut listed = vector.bytes(field);
            if vector.name.starts_with("no_more_messages_grown") {
                listed.truncate(bytes.len()); // bytes after the last known field are ignored
            }
            assert_eq!(bytes, listed, "{}: {field}", vector.name);
        }
    }
}

/// Plaintexts and clear payloads as the code emits them, by the name of their line on the page.
type Emitted = Vec<(&'static str, Vec<u8>)>;

fn emitted_by_client(parsed: FromClient, vector: &Vector<'_>) -> Emitted {
    let (oaep, sealed) = (vector.bytes("oaep_plain"), vector.bytes("sealed_plain"));
    let plaintext = match parsed {
        FromClient::Register(packet) => {
            let request = RegisterRequest::parse(&oaep).unwrap();
            assert_eq!(request.timestamp, packet.header().timestamp);
            request.emit()
        }
        FromClient::Reconnect(_) => ReconnectRequest::parse(&oaep).unwrap().emit(),
        FromClient::Confirm { public_key_der, .. } => {
            assert_eq!(public_key_der, vector.bytes("public_key"));
            ConfirmRequest::parse(&oaep).unwrap().emit()
        }
        FromClient::Lookup(_) => Lookup::parse(&sealed).unwrap().emit(),
        FromClient::ReceiptsTaken(_) => ReceiptsTaken::parse(&sealed).unwrap().emit(),
        FromClient::Receipt { receipt, .. } => return vec![("payload", receipt.emit())],
        FromClient::Message { message_id, .. } => {
            assert_eq!(message_id.0, vector.number("message_id"));
            if vector.has("opens") {
                return vec![];
            }
            Inner::parse(&sealed).unwrap().emit()
        }
        FromClient::ServerKey { expected, .. } => {
            return vec![("payload", expected.map_or(vec![], |key| key.0.to_vec()))];
        }
        FromClient::Disconnect(_) => return vec![("payload", vec![])],
    };
    let field = if oaep.is_empty() || !sealed.is_empty() { "sealed_plain" } else { "oaep_plain" };
    vec![(field, plaintext.expose().to_vec())]
}

fn emitted_by_server(parsed: FromServer, vector: &Vector<'_>) -> Emitted {
    let (oaep, sealed) = (vector.bytes("oaep_plain"), vector.bytes("sealed_plain"));
    let grant = || {
        let grant = SessionGrant::parse(&oaep).unwrap();
        ("oaep_plain", grant.emit().expose().to_vec())
    };
    let plaintext = match parsed {
        FromServer::OtpIssued(_) => OtpIssued::parse(&sealed).unwrap().emit(),
        FromServer::RegistrationRejected(_) => RegistrationRejected::parse(&sealed).unwrap().emit(),
        FromServer::PublicKey(_) => PublicKeyAnswer::parse(&sealed).unwrap().emit(),
        FromServer::Stored(_) => StoredAck::parse(&sealed).unwrap().emit(),
        FromServer::NoMoreMessages(_) => NoMoreMessages::parse(&sealed).unwrap().emit(),
        FromServer::SessionIssued { .. } => return vec![grant()],
        FromServer::SessionResumed { .. } => {
            let resumed = SessionResumed::parse(&sealed).unwrap().emit();
            return vec![grant(), ("sealed_plain", resumed.expose().to_vec())];
        }
        FromServer::ServerKey { public_key, .. } => {
            return vec![("payload", emit_server_key(&public_key))];
        }
        FromServer::Error { packet, form } => {
            assert_eq!(u64::from(form.code()), vector.number("form"));
            match form {
                ErrorForm::Clear => {
                    let reply = ErrorReply::parse_clear(packet.payload()).unwrap();
                    return vec![("payload", reply.emit_clear())];
                }
                ErrorForm::ReplyKey | ErrorForm::SessionKey => {
                    ErrorReply::parse(&sealed).unwrap().emit()
                }
            }
        }
        FromServer::Receipt { receipt, .. } => return vec![("payload", receipt.emit())],
        FromServer::Message { .. } => return vec![],
        FromServer::Disconnect(_) => return vec![("payload", vec![])],
    };
    vec![("sealed_plain", plaintext.expose().to_vec())]
}

/// Whether a client made the packet. Packets that the server forwards are the same on both sides.
fn is_from_client(op: Op, sender: Option<UserId>) -> bool {
    match op.direction() {
        Direction::ToServerBeforeSession | Direction::ToServer => true,
        Direction::Both => sender.is_some(),
        Direction::ToClient => false,
    }
}
