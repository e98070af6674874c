//! Packets that an independent implementation made. Every signature verifies, and every sealed part
//! opens to the fields that the file lists for it.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use sealpost_core::crypto::{Crypto, Job, OpenedMessage, Outcome, OwnKey, Provider, RequestKind};
use sealpost_core::keys::{Plaintext, PublicKey, SymmetricKey};
use sealpost_core::wire::{Op, Packet, Profile};
use serde_json::Value;

use crate::support::{crypto, key, providers, vectors};

/// A packet of the vectors, with the fields that the file lists for it.
#[derive(Clone, Copy)]
struct Vector(&'static Value);

impl Vector {
    fn all() -> Vec<Self> {
        vectors()["packets"].as_array().unwrap().iter().map(Self).collect()
    }

    fn text(self, field: &str) -> &'static str {
        self.0[field].as_str().unwrap_or_else(|| panic!("{}: no {field}", self.name()))
    }

    fn name(self) -> String {
        format!("{} ({})", self.0["name"], self.0["profile"])
    }

    fn has(self, field: &str) -> bool {
        self.0.get(field).is_some()
    }

    fn bytes(self, field: &str) -> Vec<u8> {
        hex::decode(self.text(field)).unwrap()
    }

    fn number(self, field: &str) -> u64 {
        self.0[field].as_u64().unwrap_or_else(|| panic!("{}: no {field}", self.name()))
    }

    fn key(self, field: &str) -> SymmetricKey {
        SymmetricKey::from_bytes(self.bytes(field).try_into().unwrap())
    }

    fn packet(self) -> Packet {
        let profile = match self.text("profile") {
            "compact" => Profile::Compact,
            "wide" => Profile::Wide,
            other => panic!("{other}"),
        };
        Packet::parse(profile, Bytes::from(self.bytes("packet"))).unwrap()
    }
}

/// Builder of a payload that does not use the code under test.
#[derive(Default)]
struct Fields(Vec<u8>);

impl Fields {
    /// Starts with the version byte `v`.
    fn new() -> Self {
        Self(vec![1])
    }

    fn int(mut self, value: u64, len: usize) -> Self {
        self.0.extend_from_slice(&value.to_le_bytes()[..len]);
        self
    }

    fn bytes(mut self, bytes: &[u8]) -> Self {
        self.0.extend_from_slice(bytes);
        self
    }

    fn str8(self, text: &str) -> Self {
        self.int(text.len() as u64, 1).bytes(text.as_bytes())
    }

    fn pairs(self, pairs: &Value) -> Self {
        let pairs = pairs.as_array().unwrap();
        pairs.iter().fold(self.int(pairs.len() as u64, 2), |fields, pair| {
            fields.int(pair[0].as_u64().unwrap(), 8).int(pair[1].as_u64().unwrap(), 8)
        })
    }
}

/// Expected plaintext of the sealed or OAEP part of a packet. `None` if it has no such part, or if
/// a job parses the plaintext.
fn expected(vector: Vector) -> Option<Vec<u8>> {
    let v = vector;
    let fields = Fields::new();
    let fields = match v.packet().op() {
        Op::Register => fields
            .bytes(&v.bytes("reply_key"))
            .str8(v.text("phone"))
            .bytes(b"2026-11-23 12:34:56")
            .str8(v.text("invitation")),
        Op::Reconnect => fields.bytes(&v.bytes("reply_key")).str8(v.text("phone")),
        Op::Confirm => {
            let alice = vectors()["keys"]["alice"]["fingerprint"].as_str().unwrap();
            fields
                .bytes(&v.bytes("reply_key"))
                .bytes(v.text("otp").as_bytes())
                .bytes(&hex::decode(alice).unwrap())
                .str8(v.text("phone"))
        }
        Op::OtpIssued => fields
            .bytes(&v.bytes("in_reply_to"))
            .int(v.number("ttl_seconds"), 2)
            .int(v.number("attempts"), 1)
            .int(v.number("channel"), 1)
            .str8(v.text("otp")),
        Op::RegistrationRejected => fields.bytes(&v.bytes("in_reply_to")),
        Op::SessionResumed => fields.int(v.number("pending"), 4),
        Op::RequestPublicKey if v.has("phone") => fields.int(0, 1).str8(v.text("phone")),
        Op::RequestPublicKey if v.has("user_id") => fields.int(1, 1).int(v.number("user_id"), 8),
        Op::PublicKey if v.has("user_id") => fields
            .bytes(&v.bytes("in_reply_to"))
            .int(v.number("user_id"), 8)
            .str8(v.text("phone"))
            .int(294, 2)
            .bytes(&v.bytes("public_key")),
        Op::Message => {
            let content = v.bytes("content");
            let mut inner = fields
                .int(v.number("kind"), 1)
                .int(v.number("previous_id"), 8)
                .int(content.len() as u64, 2)
                .bytes(&content);
            let bucket = [255, 511, 1_023].into_iter().find(|len| *len >= inner.0.len()).unwrap();
            inner.0.resize(bucket, 0);
            inner
        }
        Op::DeliveryAck if v.has("stored") => {
            fields.int(v.number("status"), 1).pairs(&v.0["stored"])
        }
        Op::DeliveryAck if v.has("receipts") => fields.pairs(&v.0["receipts"]),
        Op::NoMoreMessages => fields.int(v.number("drained"), 4),
        Op::Error if v.number("form") != 0 => fields
            .int(v.number("code"), 1)
            .bytes(&v.bytes("in_reply_to"))
            .int(v.number("retry_after_seconds"), 4)
            .int(v.number("server_time"), 8)
            .str8(v.text("text")),
        _ => return None,
    };
    Some(fields.0)
}

/// The people of the vectors, each with a runner of jobs.
struct People {
    server: Crypto,
    alice: Crypto,
    bob: Crypto,
}

impl People {
    fn new(provider: &Arc<dyn Provider>) -> Self {
        let person = |name| crypto(provider, name);
        Self { server: person("server"), alice: person("alice"), bob: person("bob") }
    }

    fn public_key(&self, name: &str) -> PublicKey {
        match name {
            "server" => self.server.public_key().clone(),
            "alice" => self.alice.public_key().clone(),
            "bob" => self.bob.public_key().clone(),
            other => panic!("{other}"),
        }
    }

    /// Opens what a packet holds, as its recipient, with the job that is made for it.
    fn open(&mut self, vector: Vector, signer: Option<PublicKey>) -> Option<Plaintext> {
        let packet = vector.packet();
        let kind = match packet.op() {
            Op::Register => Some(RequestKind::Register),
            Op::Confirm => Some(RequestKind::Confirm),
            Op::Reconnect => Some(RequestKind::Reconnect),
            _ => None,
        };
        if let Some(kind) = kind {
            let job = Job::OpenRequest { packet, signer, kind, key: OwnKey::First };
            let Outcome::RequestOpened(opened) = self.server.run(job) else { panic!() };
            return Some(opened.unwrap().plaintext);
        }
        let signer = signer?;
        match packet.op() {
            Op::SessionIssued | Op::SessionResumed => {
                let job = Job::OpenGrant { packet, signer };
                let Outcome::GrantOpened(grant) = self.alice.run(job) else { panic!() };
                let grant = grant.unwrap();
                assert_eq!(grant.session_key, vector.key("session_key"));
                assert_eq!(grant.request_hash[..], vector.bytes("request_hash"));
                grant.sealed
            }
            Op::Message => {
                let job = Job::OpenMessage { packet, signer };
                let Outcome::MessageOpened(Ok(OpenedMessage::Inner(inner))) = self.bob.run(job)
                else {
                    panic!("{}", vector.name())
                };
                Some(inner)
            }
            op => {
                let key = ["session_key", "reply_key"].into_iter().find(|key| vector.has(key))?;
                let (key, at) = (vector.key(key), usize::from(op == Op::Error));
                let job = Job::OpenSealed { packet, signer, key, at };
                let Outcome::Opened(opened) = self.alice.run(job) else { panic!() };
                Some(opened.unwrap())
            }
        }
    }
}

#[test]
fn every_packet_verifies_and_opens_to_its_fields() {
    for provider in providers() {
        let mut people = People::new(&provider);
        let mut opened_by_op = BTreeMap::new();
        let mut verified = 0;
        for vector in Vector::all() {
            let packet = vector.packet();
            let signer = vector.0["signed_by"].as_str().map(|name| people.public_key(name));
            match &signer {
                Some(signer) => {
                    let job = Job::Verify { packet: packet.clone(), signer: signer.clone() };
                    let outcome = people.bob.run(job);
                    assert!(matches!(outcome, Outcome::Verified(Ok(()))), "{}", vector.name());
                    verified += 1;
                }
                None => assert_eq!(packet.signature(), [0; 256], "{}", vector.name()),
            }
            let opened = people.open(vector, signer);
            let opened = opened.as_ref().map(Plaintext::expose);
            assert_eq!(opened, expected(vector).as_deref(), "{}", vector.name());
            if opened.is_some() {
                *opened_by_op.entry(packet.op().code()).or_insert(0) += 1;
            }
        }
        // Twenty-six packets in each of two profiles; two 100s and the first 105 are not signed.
        assert_eq!(verified, 46, "{}", provider.name());
        let expected = [
            (100, 4),
            (101, 2),
            (102, 6),
            (105, 4),
            (106, 2),
            (150, 2),
            (200, 4),
            (203, 4),
            (204, 2),
            (206, 2),
            (244, 4),
            (255, 2),
        ];
        assert_eq!(opened_by_op, BTreeMap::from(expected), "{}", provider.name());
    }
}

#[test]
fn message_keys_are_wrapped_under_the_label_of_both_fingerprints() {
    let mut rng = crate::support::rng();
    for provider in providers() {
        let bob = key(&provider, "bob");
        let messages = Vector::all().into_iter().filter(|v| v.packet().op() == Op::Message);
        for vector in messages {
            let packet = vector.packet();
            let wrapped = &packet.payload()[9..265];
            let label = vector.text("oaep_label");
            let message_key = bob.oaep_open(&mut rng, label.as_bytes(), wrapped).unwrap();
            assert_eq!(message_key.expose(), vector.bytes("message_key"));
        }
    }
}
