//! The committed fuzz corpora: every input runs through its target's body, and the seeds match the
//! test vectors.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking, in its helpers too"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;

use sealpost_core::groups::{GroupTag, Groups, Input, ItemId, Me, States};
use sealpost_core::ids::{MessageId, ReceiptId, UserId};
use sealpost_core::keys::{Fingerprint, Plaintext, PublicKey, SymmetricKey};
use sealpost_core::time::Timestamp;
use sealpost_core::wire::{
    ConfirmRequest, ContentKind, ErrorCode, ErrorReply, Gate, InReplyTo, Inner, Lookup,
    MessageHead, NoMoreMessages, OtpIssued, Profile, PublicKeyAnswer, Receipt, ReceiptsTaken,
    ReconnectRequest, RegisterRequest, RegistrationRejected, RequestHash, SessionGrant,
    SessionResumed, StoredAck, emit_server_key,
};
use sealpost_tests::fuzz::{BODIES, selector};
use serde_json::Value;

const FUZZ: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../fuzz");

/// Environment variable that makes the test write the seeds instead of comparing them.
const WRITE: &str = "SEALPOST_WRITE_CORPORA";

#[test]
#[expect(clippy::print_stdout, reason = "names the input that fails")]
fn every_corpus_runs_through_its_body() {
    for (target, body) in BODIES {
        let inputs = corpus(target);
        assert!(!inputs.is_empty(), "fuzz/corpus/{target} is empty");
        for (name, input) in inputs {
            println!("fuzz/corpus/{target}/{name}");
            body(&input);
        }
    }
}

#[test]
fn every_body_has_a_target_and_a_corpus_and_there_are_no_others() {
    let bodies: BTreeSet<_> = BODIES.iter().map(|(target, _)| (*target).to_owned()).collect();
    let names = |folder: &str| -> BTreeSet<_> {
        let entries = fs::read_dir(PathBuf::from(FUZZ).join(folder)).unwrap();
        let stem = |path: PathBuf| path.file_stem().unwrap().to_str().unwrap().to_owned();
        entries.map(|entry| stem(entry.unwrap().path())).collect()
    };
    assert_eq!(names("corpus"), bodies);
    assert_eq!(names("fuzz_targets"), bodies);
}

/// A corpus may hold more than its seeds: inputs that a fuzzer found.
#[test]
fn the_seeds_are_what_the_vectors_give() {
    for (target, seeds) in [
        ("deframer", streams()),
        ("event", events()),
        ("groups", groups()),
        ("payloads", plaintexts()),
    ] {
        if std::env::var_os(WRITE).is_some() {
            let folder = PathBuf::from(FUZZ).join("corpus").join(target);
            fs::create_dir_all(&folder).unwrap();
            for (name, seed) in &seeds {
                fs::write(folder.join(name), seed).unwrap();
            }
        }
        let corpus = corpus(target);
        for (name, seed) in seeds {
            assert_eq!(
                corpus.get(&name),
                Some(&seed),
                "{target}/{name}: regenerate with {WRITE}=1"
            );
        }
    }
}

fn corpus(target: &str) -> BTreeMap<String, Vec<u8>> {
    let folder = PathBuf::from(FUZZ).join("corpus").join(target);
    let entries = fs::read_dir(folder).unwrap().map(Result::unwrap);
    entries
        .map(|entry| (entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap()))
        .collect()
}

/// The events of the documentation, and what is not one, by name.
fn events() -> BTreeMap<String, Vec<u8>> {
    let page = include_str!("../../docs/PROTOCOL-VECTORS.md");
    let (mut events, mut name) = (BTreeMap::new(), "");
    for line in page.lines() {
        if let Some(heading) = line.strip_prefix("### ") {
            name = heading;
        } else if let Some(event) = line.strip_prefix("event: ") {
            events.insert(name.replace('_', "-"), hex::decode(event).unwrap());
        }
    }
    events
}

/// The states of the documentation, and the record that a client keeps of them, by name.
fn groups() -> BTreeMap<String, Vec<u8>> {
    let page = include_str!("../../docs/PROTOCOL-VECTORS.md");
    let bytes = page.lines().find_map(|line| line.strip_prefix("states: ")).unwrap();
    let bytes = hex::decode(bytes).unwrap();
    let states = States::verify(&bytes, |_| Ok(())).unwrap();
    let [first, second] = states.as_slice() else { panic!("{states:?}") };
    let (alice, id) = (*first.state().writer(), first.state().parts().group);
    let invited = |key: &&Fingerprint| **key != alice;
    let bob = *second.state().keys().find(invited).unwrap();
    let keys = page.lines().filter_map(|line| line.strip_prefix("spki: "));
    let mut keys = keys.map(|key| PublicKey::from_der(&hex::decode(key).unwrap()).unwrap());
    let public_key = keys.find(|key| *key.fingerprint() == bob).unwrap();
    let me = Me::new(public_key, second.state().member(&bob).unwrap().phone);
    let mut machine = Groups::new(me, []);
    machine.handle(Input::States { from: alice, states: states.clone() });
    let tag = GroupTag { epoch: 7, ..machine.group(id).unwrap().tag() };
    machine.handle(Input::Text { from: alice, tag, item: ItemId(5) });
    let record = machine.group(id).unwrap().encode();
    let seed = |selector: u8, bytes: &[u8]| [&[selector], bytes].concat();
    [("states", seed(0, &bytes)), ("record", seed(1, &record))]
        .map(|(name, seed)| (name.to_owned(), seed))
        .into()
}

/// One stream for each gate and profile, by file name.
fn streams() -> BTreeMap<String, Vec<u8>> {
    let before_session = ["server_key_request", "register", "confirm", "reconnect"];
    let in_session = [
        "request_public_key_by_id",
        "message_empty",
        "delivery_ack_delivered",
        "disconnect_request",
    ];
    let client = ["server_key", "session_resumed", "delivery_ack_delivered", "error_in_the_clear"];
    let vectors = vectors();
    let mut streams = BTreeMap::new();
    for (profile, of) in [(Profile::Compact, "compact"), (Profile::Wide, "wide")] {
        for (gate, at, names) in [
            (Gate::BeforeSession, "before-session", before_session),
            (Gate::InSession, "in-session", in_session),
            (Gate::Client, "client", client),
        ] {
            let piece_len = 100;
            let mut stream = vec![selector(profile, gate), piece_len];
            for name in names {
                stream.extend(bytes(&vectors, of, name, "packet"));
            }
            streams.insert(format!("{of}-{at}"), stream);
        }
    }
    streams
}

/// One input for each parser, built from the fields of the vectors, by file name.
fn plaintexts() -> BTreeMap<String, Vec<u8>> {
    let vectors = vectors();
    let field = |name, field| bytes(&vectors, "compact", name, field);
    let key = |name, of| SymmetricKey::from_bytes(field(name, of).try_into().unwrap());
    let public_key = |person: &str| {
        let der = vectors["keys"][person]["public_spki_der"].as_str().unwrap();
        PublicKey::from_der(&hex::decode(der).unwrap()).unwrap()
    };
    let in_reply_to = InReplyTo(field("registration_rejected", "in_reply_to").try_into().unwrap());
    let user = UserId::new(513).unwrap();
    let phone = "+4915187654321".parse().unwrap();
    let message_ids = vec![MessageId(1 << 40), MessageId((1 << 40) + 1)];
    let (session_key, reply_key) =
        (key("session_issued", "session_key"), key("register", "reply_key"));
    let otp: Option<_> = "042137".parse().ok();
    let error = ErrorReply {
        code: ErrorCode::RateLimited,
        in_reply_to,
        retry_after_secs: 30,
        server_time: Timestamp::from_unix_secs(1_795_437_296),
        text: "slow down".into(),
    };
    let inner = |kind, content: &str| {
        Inner::new(kind, message_ids.first().copied(), content.into()).unwrap().emit()
    };
    let confirm = ConfirmRequest {
        reply_key: reply_key.clone(),
        otp: otp.clone().unwrap(),
        fingerprint: Fingerprint(field("session_issued", "request_hash").try_into().unwrap()),
        phone,
    };
    let timestamp = error.server_time;
    let invitation = "SPRING-2026-EXAMPLE-CODE".parse().ok();
    let register =
        RegisterRequest { reply_key: reply_key.clone(), phone, timestamp, invitation: None };
    let invited = RegisterRequest { invitation, ..register.clone() };
    let (request_hash, successor) = (RequestHash([7; 32]), Some(Fingerprint([8; 32])));
    let grant = SessionGrant { session_key, request_hash, successor: None };
    let sealed = [
        ("register", register.emit()),
        ("register-invited", invited.emit()),
        ("reconnect", ReconnectRequest { reply_key, phone }.emit()),
        ("confirm", confirm.emit()),
        ("otp-in-band", OtpIssued { in_reply_to, ttl_secs: 300, attempts: 5, otp }.emit()),
        ("otp-elsewhere", OtpIssued { in_reply_to, ttl_secs: 300, attempts: 5, otp: None }.emit()),
        ("rejected", RegistrationRejected { in_reply_to }.emit()),
        ("grant", grant.emit()),
        ("grant-with-successor", SessionGrant { successor, ..grant }.emit()),
        ("resumed", SessionResumed { pending: 3 }.emit()),
        ("no-more", NoMoreMessages { drained: 3 }.emit()),
        ("lookup-phone", Lookup::Phone(phone).emit()),
        ("lookup-id", Lookup::Id(user).emit()),
        ("public-key", {
            let public_key = public_key("bob");
            PublicKeyAnswer { in_reply_to, user, phone, public_key }.emit()
        }),
        ("stored", StoredAck { items: message_ids.iter().map(|id| (user, *id)).collect() }.emit()),
        ("receipts-taken", ReceiptsTaken { items: vec![(user, ReceiptId(99))] }.emit()),
        ("error", error.emit()),
        ("inner-text", inner(ContentKind::Text, "Grüße, Bob ✓")),
        ("inner-bytes", inner(ContentKind::Bytes, "\0\u{1}")),
    ];
    let head = MessageHead { message_id: MessageId(1 << 40), suite: MessageHead::SUITE_1 };
    let clear = [
        ("server-key", emit_server_key(&public_key("server"))),
        ("receipt", Receipt { receipt_id: ReceiptId(99), message_ids: message_ids.clone() }.emit()),
        ("error-clear", error.emit_clear()),
        ("message", [head.emit(), vec![0x5a; 32]].concat()),
    ];
    let exposed = |(name, plaintext): (_, Plaintext)| (name, plaintext.expose().to_vec());
    let all = sealed.into_iter().map(exposed).chain(clear);
    all.map(|(name, bytes): (&str, _)| (name.to_owned(), bytes)).collect()
}

fn vectors() -> Value {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../core/testdata/vectors.json");
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

/// A hex field of the named packet.
fn bytes(vectors: &Value, profile: &str, name: &str, field: &str) -> Vec<u8> {
    let packets = vectors["packets"].as_array().unwrap();
    let is_it = |packet: &&Value| packet["profile"] == profile && packet["name"] == name;
    hex::decode(packets.iter().find(is_it).unwrap()[field].as_str().unwrap()).unwrap()
}
