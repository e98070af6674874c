//! The vectors of `docs/PROTOCOL-VECTORS.md`, which the Python client made. Every packet verifies
//! and opens with every provider. Its plaintexts parse, and are emitted again without a change.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking, in its helpers too"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;
use chacha20::ChaCha20Rng;
use rand_core::SeedableRng;
use sealpost_core::crypto::{Crypto, Job, OpenedMessage, Outcome, PrivateKey, Provider};
use sealpost_core::event::{
    AnnotatedText, Body, Caption, Emoji, EncodedEvent, Event, EventId, ExpirySecs, FileAnswer,
    FileId, FileName, FileOffer, FilePiece, FileSize, GroupId, GroupRequest, GroupState, GroupTag,
    MediaType, Mention, Mentions, MessageText, NotAnEvent, PieceData, PieceIndex, PieceLen,
    Reference, References, StateHash, Target,
};
use sealpost_core::groups::{DOMAIN, States};
use sealpost_core::ids::{MessageId, UserId};
use sealpost_core::keys::{Fingerprint, SymmetricKey, private_key_from_pem, safety_number};
use sealpost_core::wire::{
    ConfirmRequest, Direction, ErrorForm, ErrorReply, FromClient, FromServer, Inner, Lookup,
    MessageHead, NoMoreMessages, OAEP_LEN, Op, OtpIssued, Packet, Profile, PublicKeyAnswer,
    ReceiptsTaken, ReconnectRequest, RegisterRequest, RegistrationRejected, SEALED_ERROR_AT,
    SessionGrant, SessionResumed, StoredAck, emit_server_key,
};

#[test]
fn keys_load_and_have_their_fingerprints() {
    let page = Page::read();
    for provider in providers() {
        for (name, pem) in PEM_FILES {
            let vector = page.vector(name);
            let pkcs8 = private_key_from_pem(pem, None).unwrap();
            assert_eq!(pkcs8.expose(), vector.bytes("pkcs8"), "{name}");
            let key = provider.load_key(pkcs8.expose()).unwrap();
            assert_eq!(key.public_key().der(), vector.bytes("spki"), "{name}");
            let fingerprint: Fingerprint = vector.text("fingerprint").parse().unwrap();
            assert_eq!(*key.public_key().fingerprint(), fingerprint, "{name}");
        }
    }
}

#[test]
fn the_safety_number_is_the_listed_one() {
    let page = Page::read();
    for provider in providers() {
        let [alice, bob] = ["alice", "bob"].map(|name| page.key(&provider, name));
        let shown = page.vector("safety_number").text("safety_number").replace(' ', "");
        assert_eq!(safety_number(alice.public_key(), bob.public_key()), shown);
        assert_eq!(safety_number(bob.public_key(), alice.public_key()), shown);
    }
}

#[test]
fn group_states_verify_and_have_their_hashes() {
    let page = Page::read();
    let vector = page.vector("group_states");
    for provider in providers() {
        let states = States::verify(&vector.bytes("states"), |check| {
            provider.verify(check.key, check.message, check.signature)
        });
        let states = states.unwrap();
        assert_eq!(states.encode(), vector.bytes("states"));
        let [first, second] = states.as_slice() else { panic!("{states:?}") };
        assert_eq!(first.hash(), StateHash(vector.array("previous")));
        assert_eq!(second.hash(), StateHash(vector.array("hash")));
        let text = [DOMAIN.as_bytes(), &vector.bytes("state")].concat();
        assert_eq!(second.state().signed_text(), text);
        let alice = page.key(&provider, vector.text("signed_by"));
        assert_eq!(second.state().writer(), alice.public_key().fingerprint());
        let signature = vector.bytes("signature");
        assert!(provider.verify(alice.public_key(), &text, &signature).is_ok());
        let [alice, bob] =
            ["alice", "bob"].map(|name| *page.key(&provider, name).public_key().fingerprint());
        assert!(second.state().is_owner(&alice) && second.state().has_joined(&bob));
        assert!(!first.state().has_joined(&bob));
    }
}

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

#[test]
fn events_are_read_as_listed_and_encoded_to_the_listed_bytes() {
    let page = Page::read();
    let mut read = BTreeSet::new();
    for vector in page.vectors().filter(|vector| vector.text("type") == "event") {
        let (bytes, name) = (vector.bytes("event"), vector.name);
        read.insert(vector.text("reads").to_owned());
        let parsed = EncodedEvent::parse(bytes.clone().into());
        if vector.text("reads") == "no" {
            assert_eq!(parsed, Err(NotAnEvent), "{name}");
            continue;
        }
        let parsed = parsed.unwrap_or_else(|_| panic!("{name}"));
        assert_eq!(parsed.as_bytes(), bytes, "{name}");
        if vector.text("reads") == "unknown" {
            let unknown = parsed.event().unwrap_err();
            assert_eq!(unknown.kind, vector.number("kind"), "{name}");
            assert_eq!(unknown.id.0, vector.array("id"), "{name}");
            continue;
        }
        let listed = listed_event(&vector);
        assert_eq!(parsed.event(), Ok(&listed), "{name}");
        if name != "event_text_grown" {
            assert_eq!(EncodedEvent::new(listed).as_bytes(), bytes, "{name}");
        }
    }
    assert_eq!(read.len(), 11 + 2, "every type, unknown ones, and what is not an event");
}

/// Makes the event of a vector from its fields.
fn listed_event(vector: &Vector<'_>) -> Event {
    let (file, code) = (|| FileId(vector.array("file_id")), || vector.number("code"));
    let data = || vector.bytes("data");
    let body = match vector.text("reads") {
        "text" => {
            Body::Text { text: vector.annotated_text(), reply_to: vector.reference("reply_to") }
        }
        "edit" => Body::Edit { target: vector.target(), text: vector.annotated_text() },
        "delete" => Body::Delete { target: vector.target() },
        "reaction" => {
            Body::Reaction { target: vector.target(), emoji: Emoji::new(vector.text("text")).ok() }
        }
        "read" => Body::Read { entries: References::new(vector.references()).unwrap() },
        "expiry" => Body::Expiry { expiry: ExpirySecs::new(vector.number("seconds")).ok() },
        "file_offer" => Body::FileOffer(FileOffer {
            file: file(),
            name: FileName::new(vector.text("name")).unwrap(),
            media_type: MediaType::new(vector.text("media_type")).unwrap(),
            size: FileSize::new(vector.number("size")).unwrap(),
            sha256: vector.array("sha256"),
            piece_len: PieceLen::new(vector.number("piece_length")).unwrap(),
            caption: Caption::new(vector.text("text")).unwrap(),
        }),
        "file_piece" => Body::FilePiece(FilePiece {
            file: file(),
            index: PieceIndex::new(vector.number("index")).unwrap(),
            data: PieceData::new(data()).unwrap(),
        }),
        "file_answer" => {
            let answer = match code() {
                0 => {
                    FileAnswer::Accepted { next: PieceIndex::new(vector.number("index")).unwrap() }
                }
                1 => FileAnswer::Received,
                2 => FileAnswer::Refused,
                3 => FileAnswer::Cancelled,
                4 => {
                    FileAnswer::Progress { next: PieceIndex::new(vector.number("index")).unwrap() }
                }
                other => panic!("{other}"),
            };
            Body::FileAnswer { file: file(), answer }
        }
        "group_state" => Body::GroupState(GroupState::new(data()).unwrap()),
        "group_request" => {
            let requests = [
                GroupRequest::Leave,
                GroupRequest::Accept,
                GroupRequest::Decline,
                GroupRequest::NewerState,
            ];
            let request = requests[usize::try_from(code()).unwrap()];
            Body::GroupRequest { group: GroupId(vector.array("group_id")), request }
        }
        other => panic!("{other}"),
    };
    let group = vector.has("group").then(|| vector.group_tag());
    let expiry = vector.has("expiry").then(|| ExpirySecs::new(vector.number("expiry")).unwrap());
    Event { id: EventId(vector.array("id")), group, expiry, body }
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

/// Vectors of the page, in order.
struct Page(Vec<(&'static str, BTreeMap<&'static str, &'static str>)>);

/// One vector: the lines of its block, by their key.
struct Vector<'a> {
    name: &'a str,
    lines: &'a BTreeMap<&'static str, &'static str>,
}

impl Page {
    /// Reads the page by the rules at its top.
    fn read() -> Self {
        let (mut vectors, mut name) = (Vec::new(), "");
        let mut lines = include_str!("../../docs/PROTOCOL-VECTORS.md").lines();
        while let Some(line) = lines.next() {
            if let Some(heading) = line.strip_prefix("### ") {
                name = heading;
            } else if line == "```vector" {
                let block = lines.by_ref().take_while(|line| *line != "```");
                let pair = |line: &'static str| {
                    let (key, value) = line.split_once(':').unwrap();
                    (key, value.trim_start())
                };
                vectors.push((name, block.map(pair).collect()));
            }
        }
        Self(vectors)
    }

    fn vectors(&self) -> impl Iterator<Item = Vector<'_>> {
        self.0.iter().map(|(name, lines)| Vector { name, lines })
    }

    fn packets(&self) -> impl Iterator<Item = Vector<'_>> {
        self.vectors().filter(|vector| vector.text("type") == "packet")
    }

    fn vector(&self, name: &str) -> Vector<'_> {
        self.vectors().find(|vector| vector.name == name).unwrap()
    }

    fn key(&self, provider: &Arc<dyn Provider>, name: &str) -> Arc<dyn PrivateKey> {
        provider.load_key(&self.vector(name).bytes("pkcs8")).unwrap()
    }
}

impl Vector<'_> {
    fn has(&self, key: &str) -> bool {
        self.lines.contains_key(key)
    }

    fn text(&self, key: &str) -> &str {
        self.lines.get(key).unwrap_or_else(|| panic!("{}: no {key}", self.name))
    }

    fn number(&self, key: &str) -> u64 {
        self.text(key).parse().unwrap()
    }

    /// Bytes of a line; empty if there is no such line.
    fn bytes(&self, key: &str) -> Vec<u8> {
        hex::decode(self.lines.get(key).copied().unwrap_or_default()).unwrap()
    }

    fn array<const N: usize>(&self, key: &str) -> [u8; N] {
        self.bytes(key).try_into().unwrap()
    }

    fn annotated_text(&self) -> AnnotatedText {
        let mentions = self.has("mentions").then(|| {
            // One mention: [start, length, user].
            let bytes = self.bytes("mentions");
            let (head, user) = bytes.split_last_chunk().unwrap();
            let &[0x81, 0x83, start, len, 0x58, 32] = head else { panic!("{}", self.name) };
            let (start, len) = (start.into(), len.into());
            Mentions::new(vec![Mention { start, len, user: Fingerprint(*user) }]).unwrap()
        });
        AnnotatedText::new(MessageText::new(self.text("text")).unwrap(), mentions).unwrap()
    }

    fn target(&self) -> Reference {
        self.reference("reference").unwrap()
    }

    fn reference(&self, key: &str) -> Option<Reference> {
        self.has(key).then(|| reference(&self.bytes(key)))
    }

    /// One reference to an event, then one to a message.
    fn references(&self) -> Vec<Reference> {
        let bytes = self.bytes("references");
        let (first, second) = bytes[1..].split_at(3 + 32 + 1 + 16);
        vec![reference(first), reference(second)]
    }

    fn group_tag(&self) -> GroupTag {
        let bytes = self.bytes("group");
        assert_eq!((bytes.len(), &bytes[..2]), (2 + 16 + 1 + 2 + 32, &[0x83, 0x50][..]));
        GroupTag {
            group: GroupId(bytes[2..18].try_into().unwrap()),
            epoch: bytes[18].into(),
            state_hash: StateHash(bytes[21..].try_into().unwrap()),
        }
    }

    fn packet(&self) -> Packet {
        let profile = match self.text("profile") {
            "compact" => Profile::Compact,
            "wide" => Profile::Wide,
            other => panic!("{other}"),
        };
        Packet::parse(profile, Bytes::from(self.bytes("packet"))).unwrap()
    }
}

/// A reference: `[author, target]`, to an event or to a message with a number of 8 bytes.
fn reference(bytes: &[u8]) -> Reference {
    let (head, rest) = bytes.split_at(3);
    assert_eq!(head, [0x82, 0x58, 32]);
    let (author, target) = rest.split_first_chunk().unwrap();
    let target = match target {
        [0x50, id @ ..] => Target::Event(EventId(id.try_into().unwrap())),
        [0x1b, id @ ..] => Target::Message(MessageId(u64::from_be_bytes(id.try_into().unwrap()))),
        other => panic!("{other:?}"),
    };
    Reference { author: Fingerprint(*author), target }
}

fn providers() -> Vec<Arc<dyn Provider>> {
    vec![
        #[cfg(feature = "rust-crypto")]
        Arc::new(sealpost_core::crypto::RustCrypto),
        #[cfg(feature = "aws-lc")]
        Arc::new(sealpost_core::crypto::AwsLc::default()),
    ]
}

/// Opening draws random bytes only for blinding, so the plaintext does not depend on the seed.
fn rng() -> ChaCha20Rng {
    ChaCha20Rng::seed_from_u64(0)
}

const PEM_FILES: [(&str, &str); 3] = [
    ("server", include_str!("../../docs/vectors/test-only-server.pem")),
    ("alice", include_str!("../../docs/vectors/test-only-alice.pem")),
    ("bob", include_str!("../../docs/vectors/test-only-bob.pem")),
];
