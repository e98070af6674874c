//! Every job: each provider opens what the others emit, and none opens what was changed.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use rand_core::CryptoRng;
use sealpost_core::crypto::{
    Crypto, Draft, EmitError, Grant, Job, OpenedMessage, OpenedRequest, Outcome, OwnKey, Part,
    PrivateKey, Provider, RequestKind, SESSION_LABEL,
};
use sealpost_core::ids::UserId;
use sealpost_core::keys::{KeyRejected, Plaintext, PublicKey, Rejected, SymmetricKey};
use sealpost_core::time::Timestamp;
use sealpost_core::wire::{Header, Op, Packet, Profile};

use crate::support::{crypto, pairs, providers, wrapping_key};

pub(crate) fn session_key() -> SymmetricKey {
    SymmetricKey::from_bytes([0x55; 32])
}
const REQUEST_HASH: [u8; 32] = [0x99; 32];
const RECONNECT: &str = RequestKind::Reconnect.label();

fn header(op: Op) -> Header {
    Header { sender: UserId::new(7), recipient: None, timestamp: Timestamp::MIN, op }
}

pub(crate) fn draft(op: Op, parts: Vec<Part>) -> Draft {
    Draft { profile: Profile::Compact, header: header(op), parts, signer: Some(OwnKey::First) }
}

pub(crate) fn emit(crypto: &mut Crypto, draft: Draft) -> Result<Packet, EmitError> {
    let Outcome::Emitted(packet) = crypto.run(Job::Emit(Box::new(draft))) else { panic!() };
    packet
}

pub(crate) fn clear(bytes: &[u8]) -> Part {
    Part::Clear(Bytes::copy_from_slice(bytes))
}

pub(crate) fn sealed(plaintext: &[u8]) -> Part {
    Part::Sealed { key: session_key(), plaintext: Plaintext::new(plaintext.to_vec()) }
}

fn oaep(to: &PublicKey, label: &'static str, plaintext: &[u8]) -> Part {
    Part::Oaep { to: to.clone(), label, plaintext: Plaintext::new(plaintext.to_vec()) }
}

fn envelope(to: &PublicKey, inner: &[u8]) -> Part {
    Part::Envelope { to: to.clone(), inner: Plaintext::new(inner.to_vec()) }
}

/// `message_id` and suite, which precede the body of a message.
const MESSAGE_HEAD: [u8; 9] = [1, 0, 0, 0, 0, 0, 0, 0, 1];

fn grant(session_key: &SymmetricKey) -> Vec<u8> {
    [&[1], &session_key.expose()[..], &REQUEST_HASH].concat()
}

fn verify(crypto: &mut Crypto, packet: &Packet, signer: &PublicKey) -> Result<(), Rejected> {
    let job = Job::Verify { packet: packet.clone(), signer: signer.clone() };
    let Outcome::Verified(result) = crypto.run(job) else { panic!() };
    result
}

fn open_sealed(
    crypto: &mut Crypto,
    packet: &Packet,
    signer: &PublicKey,
    key: &SymmetricKey,
    at: usize,
) -> Result<Plaintext, Rejected> {
    let (packet, signer, key) = (packet.clone(), signer.clone(), key.clone());
    let Outcome::Opened(result) = crypto.run(Job::OpenSealed { packet, signer, key, at }) else {
        panic!()
    };
    result
}

fn open_request(
    crypto: &mut Crypto,
    packet: &Packet,
    signer: Option<&PublicKey>,
    kind: RequestKind,
) -> Result<OpenedRequest, Rejected> {
    let job = Job::OpenRequest {
        packet: packet.clone(),
        signer: signer.cloned(),
        kind,
        key: OwnKey::First,
    };
    let Outcome::RequestOpened(result) = crypto.run(job) else { panic!() };
    result
}

fn open_grant(crypto: &mut Crypto, packet: &Packet, signer: &PublicKey) -> Result<Grant, Rejected> {
    let job = Job::OpenGrant { packet: packet.clone(), signer: signer.clone() };
    let Outcome::GrantOpened(result) = crypto.run(job) else { panic!() };
    result
}

/// Opens a message; `Ok(None)` if it is authentic and does not open.
fn open_message(
    crypto: &mut Crypto,
    packet: &Packet,
    signer: &PublicKey,
) -> Result<Option<Plaintext>, Rejected> {
    let job = Job::OpenMessage { packet: packet.clone(), signer: signer.clone() };
    let Outcome::MessageOpened(result) = crypto.run(job) else { panic!() };
    result.map(|message| match message {
        OpenedMessage::Inner(inner) => Some(inner),
        OpenedMessage::Undecryptable => None,
    })
}

#[test]
fn a_signed_packet_verifies_with_its_signer_only() {
    for (sealer, opener) in pairs() {
        let (mut alice, mut bob) = (crypto(&sealer, "alice"), crypto(&opener, "bob"));
        let packet = emit(&mut alice, draft(Op::Disconnect, vec![])).unwrap();
        assert_eq!(verify(&mut bob, &packet, alice.public_key()), Ok(()));
        let bobs_key = bob.public_key().clone();
        assert_eq!(verify(&mut bob, &packet, &bobs_key), Err(Rejected));
    }
}

#[test]
fn an_unsigned_packet_carries_zeros_and_verifies_with_no_key() {
    for provider in providers() {
        let mut alice = crypto(&provider, "alice");
        let unsigned = Draft { signer: None, ..draft(Op::Register, vec![clear(b"payload")]) };
        let packet = emit(&mut alice, unsigned).unwrap();
        assert_eq!(packet.signature(), [0; 256]);
        assert_eq!(packet.payload(), b"payload");
        let key = alice.public_key().clone();
        assert_eq!(verify(&mut alice, &packet, &key), Err(Rejected));
    }
}

#[test]
fn parts_keep_their_order_and_a_sealed_part_opens_only_at_its_offset() {
    for (sealer, opener) in pairs() {
        let (mut server, mut alice) = (crypto(&sealer, "server"), crypto(&opener, "alice"));
        let signer = server.public_key().clone();
        for plaintext in [vec![], b"text".to_vec(), vec![7; 65_000]] {
            let parts = vec![clear(&[2]), clear(&[3, 4]), sealed(&plaintext)];
            let packet = emit(&mut server, draft(Op::Error, parts)).unwrap();
            assert_eq!(packet.payload()[..3], [2, 3, 4]);
            let opened = open_sealed(&mut alice, &packet, &signer, &session_key(), 3).unwrap();
            assert_eq!(opened.expose(), plaintext);

            let other = SymmetricKey::from_bytes([0x56; 32]);
            let wrong_key = open_sealed(&mut alice, &packet, &signer, &other, 3);
            assert_ne!(wrong_key, Ok(Plaintext::new(plaintext)));
            let len = packet.payload().len();
            for at in [0, 2, 4, len - 17, len - 16, len, len + 1, usize::MAX] {
                let misplaced = open_sealed(&mut alice, &packet, &signer, &session_key(), at);
                assert_eq!(misplaced, Err(Rejected), "at {at}");
            }
        }
    }
}

#[test]
fn a_request_opens_under_its_own_label_and_draws_a_session_if_it_leads_to_one() {
    use RequestKind::{Confirm, Reconnect, Register};
    for (sealer, opener) in pairs() {
        let (mut alice, mut server) = (crypto(&sealer, "alice"), crypto(&opener, "server"));
        let (to, signer) = (server.public_key().clone(), alice.public_key().clone());
        for (kind, op) in
            [(Register, Op::Register), (Confirm, Op::Confirm), (Reconnect, Op::Reconnect)]
        {
            let parts = vec![oaep(&to, kind.label(), b"request"), clear(b"what follows")];
            let packet = emit(&mut alice, draft(op, parts)).unwrap();
            for signer in [None, Some(&signer)] {
                let opened = open_request(&mut server, &packet, signer, kind).unwrap();
                assert_eq!(opened.plaintext.expose(), b"request");
                let again = open_request(&mut server, &packet, signer, kind).unwrap();
                match (opened.session, again.session) {
                    (Some(session), Some(another)) => {
                        assert!(kind.leads_to_session());
                        assert_eq!(
                            session.wrapped.unwrap(&wrapping_key()),
                            Ok(session.key.clone())
                        );
                        assert_ne!(session.key, another.key);
                    }
                    (None, None) => assert!(!kind.leads_to_session()),
                    sessions => panic!("{sessions:?}"),
                }
            }
            for other in [Register, Confirm, Reconnect] {
                let opened = open_request(&mut server, &packet, Some(&signer), other);
                assert_eq!(opened.is_ok(), other == kind);
            }
            assert!(open_request(&mut server, &packet, Some(&to), kind).is_err(), "wrong signer");
        }
        let short = emit(&mut alice, draft(Op::Register, vec![clear(&[1; 255])])).unwrap();
        assert!(open_request(&mut server, &short, None, Register).is_err());
    }
}

#[test]
fn a_grant_yields_the_session_key_and_its_sealed_part() {
    for (sealer, opener) in pairs() {
        let (mut server, mut alice) = (crypto(&sealer, "server"), crypto(&opener, "alice"));
        let (to, signer) = (alice.public_key().clone(), server.public_key().clone());
        let grant_part = oaep(&to, SESSION_LABEL, &grant(&session_key()));

        let issued = draft(Op::SessionIssued, vec![grant_part.clone()]);
        let issued = emit(&mut server, issued).unwrap();
        let opened = open_grant(&mut alice, &issued, &signer).unwrap();
        assert_eq!((opened.session_key, opened.request_hash), (session_key(), REQUEST_HASH));
        assert_eq!(opened.sealed, None);

        let resumed = draft(Op::SessionResumed, vec![grant_part, sealed(&[1, 3, 0, 0, 0])]);
        let resumed = emit(&mut server, resumed).unwrap();
        let opened = open_grant(&mut alice, &resumed, &signer).unwrap();
        assert_eq!((opened.session_key, opened.request_hash), (session_key(), REQUEST_HASH));
        assert_eq!(opened.sealed, Some(Plaintext::new(vec![1, 3, 0, 0, 0])));

        assert!(open_grant(&mut alice, &resumed, &to).is_err(), "wrong signer");
        assert!(open_grant(&mut server, &resumed, &signer).is_err(), "wrong recipient");
    }
}

#[test]
fn a_signed_but_malformed_grant_is_rejected() {
    let whole = grant(&session_key());
    let mut version_2 = whole.clone();
    version_2[0] = 2;
    for (sealer, opener) in pairs() {
        let (mut server, mut alice) = (crypto(&sealer, "server"), crypto(&opener, "alice"));
        let (to, signer) = (alice.public_key().clone(), server.public_key().clone());
        for parts in [
            vec![],
            vec![clear(&[0; 255])],
            vec![clear(&[0; 256])],
            vec![oaep(&to, RECONNECT, &whole)],
            vec![oaep(&to, SESSION_LABEL, &[])],
            vec![oaep(&to, SESSION_LABEL, &whole[..64])],
            vec![oaep(&to, SESSION_LABEL, &version_2)],
            vec![oaep(&to, SESSION_LABEL, &whole), clear(&[0; 16])],
            vec![oaep(&to, SESSION_LABEL, &whole), clear(&[0; 31])],
            vec![oaep(&to, SESSION_LABEL, &grant(&wrapping_key())), sealed(&[1, 3, 0, 0, 0])],
        ] {
            let packet = emit(&mut server, draft(Op::SessionResumed, parts.clone())).unwrap();
            assert!(open_grant(&mut alice, &packet, &signer).is_err(), "{parts:?}");
        }
    }
}

#[test]
fn a_message_opens_only_for_its_recipient_and_from_its_sender() {
    for (sealer, opener) in pairs() {
        let (mut alice, mut bob) = (crypto(&sealer, "alice"), crypto(&opener, "bob"));
        let (from, to) = (alice.public_key().clone(), bob.public_key().clone());
        for inner in [vec![], vec![1; 255], vec![2; 65_247]] {
            let parts = vec![clear(&MESSAGE_HEAD), envelope(&to, &inner)];
            let packet = emit(&mut alice, draft(Op::Message, parts)).unwrap();
            let opened = open_message(&mut bob, &packet, &from).unwrap().unwrap();
            assert_eq!(opened.expose(), inner);
            let stranger = open_message(&mut crypto(&opener, "server"), &packet, &from);
            assert_eq!(stranger, Ok(None));
            assert_eq!(open_message(&mut bob, &packet, &to), Err(Rejected), "wrong signer");
        }
    }
}

#[test]
fn a_signed_message_that_does_not_open_is_undecryptable() {
    for (sealer, opener) in pairs() {
        let (mut alice, mut bob) = (crypto(&sealer, "alice"), crypto(&opener, "bob"));
        let (from, to) = (alice.public_key().clone(), bob.public_key().clone());
        let parts = vec![clear(&MESSAGE_HEAD), envelope(&to, &[0; 31])];
        let sound = emit(&mut alice, draft(Op::Message, parts)).unwrap();
        let sound = sound.payload();
        let mut resign =
            |payload: &[u8]| emit(&mut alice, draft(Op::Message, vec![clear(payload)])).unwrap();

        for len in 0..sound.len() {
            // Zeros are not valid padding, so a cut between two blocks is noticed too.
            let packet = resign(&sound[..len]);
            assert_eq!(open_message(&mut bob, &packet, &from), Ok(None), "cut to {len}");
        }
        for at in 9..265 {
            let mut payload = sound.to_vec();
            payload[at] ^= 1;
            let packet = resign(&payload);
            assert_eq!(open_message(&mut bob, &packet, &from), Ok(None), "byte {at}");
        }
        let mut suite_2 = sound.to_vec();
        suite_2[8] = 2;
        assert_eq!(open_message(&mut bob, &resign(&suite_2), &from), Ok(None));

        let short_key = vec![clear(&MESSAGE_HEAD), oaep(&to, "", &[1; 31]), sealed(b"inner")];
        let packet = emit(&mut alice, draft(Op::Message, short_key)).unwrap();
        assert_eq!(open_message(&mut bob, &packet, &from), Ok(None));
    }
}

#[test]
fn a_ciphertext_that_another_user_signs_as_their_own_does_not_open() {
    for (sealer, opener) in pairs() {
        let (mut alice, mut bob) = (crypto(&sealer, "alice"), crypto(&opener, "bob"));
        let to = bob.public_key().clone();
        let parts = vec![clear(&MESSAGE_HEAD), envelope(&to, b"from alice")];
        let packet = emit(&mut alice, draft(Op::Message, parts)).unwrap();

        let mut mallory = crypto(&sealer, "server");
        let stolen = draft(Op::Message, vec![clear(packet.payload())]);
        let stolen = emit(&mut mallory, stolen).unwrap();
        assert_eq!(open_message(&mut bob, &stolen, mallory.public_key()), Ok(None));
    }
}

/// Flips one bit in each byte of each kind of packet: in the header, every part of the payload, and
/// the signature.
#[test]
fn any_byte_changed_on_the_way_is_rejected() {
    for (sealer, opener) in pairs() {
        let (mut server, mut alice) = (crypto(&sealer, "server"), crypto(&opener, "alice"));
        let (to, signer) = (alice.public_key().clone(), server.public_key().clone());
        let message = vec![clear(&MESSAGE_HEAD), envelope(&to, b"inner")];
        let grant = oaep(&to, SESSION_LABEL, &grant(&session_key()));
        let request = oaep(&to, RECONNECT, b"request");
        let packets = [
            draft(Op::Message, message),
            draft(Op::SessionResumed, vec![grant, sealed(b"pending")]),
            draft(Op::Reconnect, vec![request]),
            draft(Op::NoMoreMessages, vec![sealed(b"drained")]),
        ];
        for packet in packets.map(|draft| emit(&mut server, draft).unwrap()) {
            let mut changed_and_parsed = 0;
            for at in 0..packet.bytes().len() {
                let mut bytes = packet.bytes().to_vec();
                bytes[at] ^= 1 << (at % 8);
                let Some(changed) = Packet::parse(Profile::Compact, bytes.into()) else { continue };
                changed_and_parsed += 1;
                let rejected = match packet.op() {
                    Op::Message => open_message(&mut alice, &changed, &signer).is_err(),
                    Op::SessionResumed => open_grant(&mut alice, &changed, &signer).is_err(),
                    Op::Reconnect => {
                        let kind = RequestKind::Reconnect;
                        open_request(&mut alice, &changed, Some(&signer), kind).is_err()
                    }
                    _ => open_sealed(&mut alice, &changed, &signer, &session_key(), 0).is_err(),
                };
                assert!(rejected, "{:?}, byte {at}", packet.op());
                assert_eq!(verify(&mut alice, &changed, &signer), Err(Rejected));
            }
            assert!(changed_and_parsed >= packet.payload().len() + 256);
        }
    }
}

#[test]
fn a_part_or_id_that_does_not_fit_is_not_emitted() {
    for provider in providers() {
        let mut alice = crypto(&provider, "alice");
        let to = alice.public_key().clone();
        let mut fails = |draft| emit(&mut alice, draft).err() == Some(EmitError);
        assert!(fails(draft(Op::Message, vec![clear(&[0; 65_536])])));
        assert!(!fails(draft(Op::Message, vec![clear(&[0; 65_535])])));
        assert!(fails(draft(Op::Message, vec![clear(&[0; 65_504]), sealed(&[0; 16])])));
        assert!(fails(draft(Op::Confirm, vec![oaep(&to, RECONNECT, &[0; 191])])));
        let mut too_wide = draft(Op::Disconnect, vec![]);
        too_wide.header.sender = UserId::new(65_536);
        assert!(fails(too_wide));
    }
}

#[test]
fn a_runner_works_on_another_thread() {
    for provider in providers() {
        let mut alice = crypto(&provider, "alice");
        let mut fork = alice.fork();
        let work = move || emit(&mut fork, draft(Op::Disconnect, vec![])).unwrap();
        let packet = std::thread::spawn(work).join().unwrap();
        let key = alice.public_key().clone();
        assert_eq!(verify(&mut alice, &packet, &key), Ok(()));
    }
}

#[test]
fn a_fork_signs_with_the_same_key_and_draws_other_secrets() {
    for provider in providers() {
        let mut alice = crypto(&provider, "alice");
        let (mut fork, mut other) = (alice.fork(), alice.fork());
        let key = alice.public_key().clone();
        assert_eq!(fork.public_key(), &key);
        let mut packets: Vec<_> = [&mut alice, &mut fork, &mut other]
            .map(|crypto| emit(crypto, draft(Op::Error, vec![sealed(b"same")])).unwrap())
            .into();
        for packet in &packets {
            assert_eq!(verify(&mut alice, packet, &key), Ok(()));
        }
        packets.sort_by(|a, b| a.payload().cmp(b.payload()));
        packets.dedup();
        assert_eq!(packets.len(), 3, "each packet has its own IV");
    }
}

/// A provider that counts its decryptions with AES.
struct Counting {
    provider: Arc<dyn Provider>,
    cbc_opened: AtomicUsize,
}

impl Provider for Counting {
    fn name(&self) -> &'static str {
        "counting"
    }
    fn generate_key(&self, rng: &mut dyn CryptoRng) -> Result<Plaintext, KeyRejected> {
        self.provider.generate_key(rng)
    }
    fn load_key(&self, pkcs8_der: &[u8]) -> Result<Arc<dyn PrivateKey>, KeyRejected> {
        self.provider.load_key(pkcs8_der)
    }
    fn verify(&self, key: &PublicKey, message: &[u8], signature: &[u8]) -> Result<(), Rejected> {
        self.provider.verify(key, message, signature)
    }
    fn oaep_seal(
        &self,
        rng: &mut dyn CryptoRng,
        key: &PublicKey,
        label: &[u8],
        plaintext: &[u8],
    ) -> Result<[u8; 256], EmitError> {
        self.provider.oaep_seal(rng, key, label, plaintext)
    }
    fn cbc_seal(
        &self,
        key: &SymmetricKey,
        iv: &[u8; 16],
        plaintext: &[u8],
    ) -> Result<Vec<u8>, EmitError> {
        self.provider.cbc_seal(key, iv, plaintext)
    }
    fn cbc_open(
        &self,
        key: &SymmetricKey,
        iv: &[u8; 16],
        ciphertext: &[u8],
    ) -> Result<Plaintext, Rejected> {
        self.cbc_opened.fetch_add(1, Ordering::Relaxed);
        self.provider.cbc_open(key, iv, ciphertext)
    }
}

#[test]
fn opening_a_message_does_the_same_work_whether_its_key_unwraps_or_not() {
    for provider in providers() {
        let mut alice = crypto(&provider, "alice");
        let counting = Arc::new(Counting { provider, cbc_opened: AtomicUsize::new(0) });
        let mut bob = crypto(&(Arc::clone(&counting) as Arc<dyn Provider>), "bob");
        let from = alice.public_key().clone();
        // The second message is to alice herself, so its key does not unwrap for bob.
        for (to, opens) in [(bob.public_key().clone(), true), (from.clone(), false)] {
            let parts = vec![clear(&MESSAGE_HEAD), envelope(&to, b"inner")];
            let packet = emit(&mut alice, draft(Op::Message, parts)).unwrap();
            let opened = open_message(&mut bob, &packet, &from).unwrap();
            assert_eq!(opened.is_some(), opens);
            assert_eq!(counting.cbc_opened.swap(0, Ordering::Relaxed), 1);
        }
    }
}
