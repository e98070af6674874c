//! The packets of `testdata/vectors.json`, which an independent implementation made. Everything
//! that is visible without a key must equal the fields in the file.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use sealpost_core::ids::{MessageId, ReceiptId, UserId};
use sealpost_core::keys::PublicKey;
use sealpost_core::time::Timestamp;
use sealpost_core::wire::{
    Deframer, ErrorCode, ErrorForm, ErrorReply, FromClient, FromServer, Gate, Header, InReplyTo,
    Op, Oversized, Packet, Profile, Receipt, RequestHash,
};
use serde_json::Value;

use crate::arb::PROFILES;

static FILE: LazyLock<Value> =
    LazyLock::new(|| serde_json::from_str(include_str!("../../testdata/vectors.json")).unwrap());

/// The public key of `server`, `alice` or `bob`.
pub(crate) fn public_key(person: &str) -> PublicKey {
    let der = FILE["keys"][person]["public_spki_der"].as_str().unwrap();
    PublicKey::from_der(&hex::decode(der).unwrap()).unwrap()
}

/// A packet with the fields that it was made from.
struct Vector {
    packet: Packet,
    fields: &'static Value,
}

impl Vector {
    fn number(&self, field: &str) -> u64 {
        self.fields[field].as_u64().unwrap()
    }

    fn user(&self, field: &str) -> Option<UserId> {
        UserId::new(self.number(field))
    }

    fn array<const N: usize>(&self, field: &str) -> [u8; N] {
        hex::decode(self.fields[field].as_str().unwrap()).unwrap().try_into().unwrap()
    }
}

fn profile_of(fields: &Value) -> Profile {
    match fields["profile"].as_str() {
        Some("compact") => Profile::Compact,
        Some("wide") => Profile::Wide,
        other => panic!("{other:?}"),
    }
}

/// Packets of one profile, by name.
fn vectors(profile: Profile) -> BTreeMap<&'static str, Vector> {
    let of_profile = |fields: &&Value| profile_of(fields) == profile;
    let packets = FILE["packets"].as_array().unwrap().iter().filter(of_profile);
    packets
        .map(|fields| {
            let bytes = hex::decode(fields["packet"].as_str().unwrap()).unwrap();
            let packet = Packet::parse(profile, bytes.into()).unwrap();
            (fields["name"].as_str().unwrap(), Vector { packet, fields })
        })
        .collect()
}

#[test]
fn each_profile_has_26_packets() {
    assert_eq!(FILE["packets"].as_array().unwrap().len(), 52);
    for profile in PROFILES {
        assert_eq!(vectors(profile).len(), 26);
    }
}

#[test]
fn headers_have_the_listed_fields_and_packets_are_rebuilt_from_their_parts() {
    for profile in PROFILES {
        for (name, vector) in vectors(profile) {
            let packet = &vector.packet;
            let expected = Header {
                sender: vector.user("sender_id"),
                recipient: vector.user("recipient_id"),
                timestamp: Timestamp::parse(b"2026-11-23 12:34:56").unwrap(),
                op: Op::from_code(vector.number("op").try_into().unwrap()).unwrap(),
            };
            assert_eq!(*packet.header(), expected, "{name}");
            assert_eq!(packet.is_unsigned(), vector.fields["signed_by"].is_null(), "{name}");

            let rebuilt = Packet::build(profile, expected, packet.payload(), |signed| {
                assert_eq!(signed, packet.signed(), "{name}");
                Ok::<_, Oversized>(packet.signature().try_into().unwrap())
            });
            assert_eq!(rebuilt.as_ref(), Ok(packet), "{name}");
        }
    }
}

#[test]
fn one_stream_yields_every_packet_that_its_gate_admits() {
    for profile in PROFILES {
        for gate in [Gate::BeforeSession, Gate::InSession, Gate::Client] {
            let vectors = vectors(profile);
            let admitted: Vec<_> = vectors
                .values()
                .map(|vector| &vector.packet)
                .filter(|packet| gate.admit(packet.op(), packet.payload().len()).is_ok())
                .collect();
            let stream: Vec<u8> =
                admitted.iter().flat_map(|packet| packet.bytes()).copied().collect();
            let mut deframer = Deframer::new(profile);
            let mut data = stream.as_slice();
            for packet in &admitted {
                assert_eq!(deframer.next(&mut data, gate).as_ref(), Ok(&Some((*packet).clone())));
            }
            let expected = match gate {
                // A look-up by id is as long as a 105 that names a key.
                Gate::BeforeSession => 6,
                Gate::InSession => 10,
                Gate::Client => 19,
            };
            assert_eq!(admitted.len(), expected, "{gate:?}");
            assert_eq!((data, deframer.is_empty()), (b"".as_slice(), true));
        }
    }
}

#[test]
fn every_packet_parses_on_the_side_where_it_arrives_and_only_there() {
    for profile in PROFILES {
        for (name, vector) in vectors(profile) {
            let at_server = FromClient::parse(vector.packet.clone());
            let at_client = FromServer::parse(vector.packet.clone());
            match name {
                "message_text"
                | "message_bytes_second_bucket"
                | "message_empty"
                | "delivery_ack_delivered" => {
                    check_from_client(name, &vector, at_server.unwrap());
                    check_from_server(name, &vector, at_client.unwrap());
                }
                "server_key_request"
                | "register"
                | "register_with_invitation"
                | "confirm"
                | "reconnect"
                | "request_public_key_by_phone"
                | "request_public_key_by_id"
                | "receipts_acknowledged"
                | "disconnect_request" => {
                    check_from_client(name, &vector, at_server.unwrap());
                    at_client.expect_err(name);
                }
                _ => {
                    at_server.expect_err(name);
                    check_from_server(name, &vector, at_client.unwrap());
                }
            }
        }
    }
}

fn check_from_client(name: &str, vector: &Vector, parsed: FromClient) {
    assert_eq!(parsed.packet(), &vector.packet, "{name}");
    match (name, parsed) {
        ("server_key_request", FromClient::ServerKey { expected: None, .. })
        | ("register" | "register_with_invitation", FromClient::Register(_))
        | ("reconnect", FromClient::Reconnect(_))
        | ("request_public_key_by_phone" | "request_public_key_by_id", FromClient::Lookup(_))
        | ("receipts_acknowledged", FromClient::ReceiptsTaken(_))
        | ("disconnect_request", FromClient::Disconnect(_)) => {}
        ("confirm", FromClient::Confirm { public_key_der, .. }) => {
            assert_eq!(PublicKey::from_der(&public_key_der), Ok(public_key("alice")));
        }
        (
            "message_text" | "message_bytes_second_bucket" | "message_empty",
            FromClient::Message { recipient, message_id, .. },
        ) => {
            assert_eq!(Some(recipient), vector.user("recipient_id"));
            assert_eq!(message_id, MessageId(vector.number("message_id")));
        }
        ("delivery_ack_delivered", FromClient::Receipt { recipient, sender, receipt, .. }) => {
            assert_eq!(Some(recipient), vector.user("sender_id"));
            assert_eq!(Some(sender), vector.user("recipient_id"));
            check_receipt(vector, &receipt);
        }
        other => panic!("{other:?}"),
    }
}

fn check_from_server(name: &str, vector: &Vector, parsed: FromServer) {
    assert_eq!(parsed.packet(), &vector.packet, "{name}");
    match (name, parsed) {
        ("otp_issued_in_band" | "otp_issued_out_of_band", FromServer::OtpIssued(_))
        | ("registration_rejected", FromServer::RegistrationRejected(_))
        | ("public_key", FromServer::PublicKey(_))
        | ("delivery_ack_stored", FromServer::Stored(_))
        | ("no_more_messages", FromServer::NoMoreMessages(_))
        | ("disconnect", FromServer::Disconnect(_))
        | ("error_before_a_session", FromServer::Error { form: ErrorForm::ReplyKey, .. })
        | ("error_in_a_session", FromServer::Error { form: ErrorForm::SessionKey, .. }) => {}
        ("server_key", FromServer::ServerKey { public_key: server, .. }) => {
            assert_eq!(server, public_key("server"));
        }
        ("session_issued", FromServer::SessionIssued { user, .. })
        | ("session_resumed", FromServer::SessionResumed { user, .. }) => {
            assert_eq!(Some(user), vector.user("recipient_id"));
        }
        (
            "message_text" | "message_bytes_second_bucket" | "message_empty",
            FromServer::Message { sender, message_id, suite, .. },
        ) => {
            assert_eq!(Some(sender), vector.user("sender_id"));
            assert_eq!(message_id, MessageId(vector.number("message_id")));
            assert_eq!(u64::from(suite), vector.number("suite"));
        }
        ("delivery_ack_delivered", FromServer::Receipt { recipient, receipt, .. }) => {
            assert_eq!(Some(recipient), vector.user("sender_id"));
            check_receipt(vector, &receipt);
        }
        ("error_in_the_clear", FromServer::Error { packet, form: ErrorForm::Clear }) => {
            check_clear_error(vector, packet.payload());
        }
        other => panic!("{other:?}"),
    }
}

fn check_receipt(vector: &Vector, receipt: &Receipt) {
    let ids = vector.fields["message_ids"].as_array().unwrap();
    let message_ids = ids.iter().map(|id| MessageId(id.as_u64().unwrap())).collect();
    let expected = Receipt { receipt_id: ReceiptId(vector.number("receipt_id")), message_ids };
    assert_eq!(*receipt, expected);
    assert_eq!(receipt.emit(), vector.packet.payload());
}

fn check_clear_error(vector: &Vector, payload: &[u8]) {
    let expected = ErrorReply {
        code: ErrorCode::from_code(vector.number("code").try_into().unwrap()).unwrap(),
        in_reply_to: InReplyTo(vector.array("in_reply_to")),
        retry_after_secs: vector.number("retry_after_seconds").try_into().unwrap(),
        server_time: Timestamp::from_unix_secs(vector.number("server_time").cast_signed()),
        text: vector.fields["text"].as_str().unwrap().into(),
    };
    assert_eq!(ErrorReply::parse_clear(payload).as_ref(), Ok(&expected));
    assert_eq!(expected.emit_clear(), payload);
}

#[test]
fn an_answer_names_the_hash_of_its_request() {
    for profile in PROFILES {
        let vectors = vectors(profile);
        let hash_of = |request: &str| vectors[request].packet.request_hash();
        for (answer, request) in [("session_issued", "confirm"), ("session_resumed", "reconnect")] {
            let named = RequestHash(vectors[answer].array("request_hash"));
            assert_eq!(named, hash_of(request), "{answer}");
        }
        for (answer, request) in [
            ("otp_issued_in_band", "register"),
            ("otp_issued_out_of_band", "register"),
            ("registration_rejected", "register"),
            ("public_key", "request_public_key_by_phone"),
            ("error_in_the_clear", "message_empty"),
            ("error_before_a_session", "message_empty"),
            ("error_in_a_session", "message_empty"),
        ] {
            let named = InReplyTo(vectors[answer].array("in_reply_to"));
            assert_eq!(named, hash_of(request).in_reply_to(), "{answer}");
        }
    }
}
