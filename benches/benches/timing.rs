//! Do private operations take a time that depends on what they must not reveal?
//!
//! Each oracle has two classes of inputs. Their runs alternate in random order, and Welch's t-test
//! compares the times (Reparaz, Balasch, Verbauwhede: "Dude, is my code constant time?", 2017).
//! |t| above 4.5 means that the classes can be told apart by time; a smaller |t| means that this
//! many samples on this machine show no difference. The slowest samples are left out at several
//! percentiles, because pauses of the machine hide small differences; the largest |t| counts.
//!
//! The row `control` compares two classes that do differ, by one SHA-256 of 64 bytes in a private
//! operation. If its |t| is small, the machine is too noisy for the other rows to mean anything.

#![expect(clippy::expect_used, reason = "a measurement that goes wrong must not report a figure")]
#![expect(clippy::indexing_slicing, reason = "the indices are drawn below the lengths")]
#![expect(clippy::cast_precision_loss, reason = "there are fewer than 2^52 samples")]
#![expect(clippy::print_stdout, reason = "the table is the result")]

use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use chacha20::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};
use rsa::pkcs8::DecodePublicKey;
use sealpost_core::crypto::{
    AwsLc, Crypto, Draft, Job, OpenedMessage, Outcome, OwnKey, Part, PrivateKey, Provider,
    RustCrypto,
};
use sealpost_core::ids::UserId;
use sealpost_core::keys::{Plaintext, PublicKey, SymmetricKey};
use sealpost_core::wire::{Header, Op, Otp, Packet, Profile};
use sealpost_storage::conformance::at;
use sha2::{Digest, Sha256};

fn main() {
    let argument = std::env::args().skip(1).find_map(|argument| argument.parse().ok());
    let samples = argument.unwrap_or(SAMPLES);
    println!("{samples} samples a row; classes can be told apart if |t| is above {TOLD_APART}\n");
    println!("| provider | oracle | first class | second class | mean difference | \\|t\\| |");
    println!("|---|---|---|---|---|---|");
    for provider in providers() {
        let people = People::new(&provider);
        for mut oracle in oracles(&people) {
            let result = measure(&mut oracle, samples);
            let Oracle { name, classes: [first, second], .. } = &oracle;
            println!(
                "| {} | {name} | {} | {} | {:+.0} ns of {:.0} | {:.1}{} |",
                provider.name(),
                first.name,
                second.name,
                result.difference,
                result.mean,
                result.t.abs(),
                if result.t.abs() > TOLD_APART { " **told apart**" } else { "" },
            );
        }
    }
}

fn providers() -> [Arc<dyn Provider>; 2] {
    [Arc::new(AwsLc::default()), Arc::new(RustCrypto)]
}

/// Two people with keys, and what the measurements need of them.
struct People {
    provider: Arc<dyn Provider>,
    /// Key of the person whose operations are timed.
    own: Arc<dyn PrivateKey>,
    own_der: Plaintext,
    /// Runner of the other person, who sends.
    sender: PublicKey,
    sender_der: Plaintext,
}

impl People {
    fn new(provider: &Arc<dyn Provider>) -> Self {
        let mut rng = rng(1);
        let own_der = provider.generate_key(&mut rng).expect("a key");
        let sender_der = provider.generate_key(&mut rng).expect("a key");
        let own = provider.load_key(own_der.expose()).expect("a key that was just made");
        let sender = provider.load_key(sender_der.expose()).expect("a key that was just made");
        let sender = sender.public_key().clone();
        Self { provider: Arc::clone(provider), own, own_der, sender, sender_der }
    }

    fn crypto(&self, der: &Plaintext, seed: u8) -> Crypto {
        let key = self.provider.load_key(der.expose()).expect("a key that was accepted before");
        let wrapping_key = SymmetricKey::from_bytes([0; 32]);
        Crypto::new(Arc::clone(&self.provider), key, wrapping_key, Box::new(rng(seed)))
    }
}

/// Two classes of inputs whose times must not differ, and the operation that takes them.
struct Oracle<'a> {
    name: &'static str,
    classes: [Class; 2],
    operation: Operation<'a>,
}

type Operation<'a> = Box<dyn FnMut(&[u8]) + 'a>;

struct Class {
    name: &'static str,
    inputs: Vec<Vec<u8>>,
}

fn class(name: &'static str, input: impl FnMut() -> Vec<u8>) -> Class {
    Class { name, inputs: std::iter::repeat_with(input).take(INPUTS).collect() }
}

fn oracles(people: &People) -> Vec<Oracle<'_>> {
    vec![
        control(people),
        first_octet(people),
        failure(people),
        fixed_input(people),
        signature(people),
        message_key(people),
        message_padding(people),
        one_time_password(),
    ]
}

/// Opens an OAEP ciphertext and drops the outcome.
fn open(people: &People) -> Operation<'_> {
    let mut rng = rng(2);
    Box::new(move |ciphertext| {
        let _ = black_box(people.own.oaep_open(&mut rng, LABEL, ciphertext));
    })
}

/// Manger's attack needs to know whether the first octet of the padded message is zero.
fn first_octet(people: &People) -> Oracle<'_> {
    let key = rsa::PublicKey::from_public_key_der(people.own.public_key().der()).expect("a key");
    let mut rng = rng(3);
    let zero = class("zero", || {
        key.encrypt(&mut rng, rsa::Pkcs1v15Encrypt, &[7; 32]).expect("a ciphertext")
    });
    Oracle {
        name: "OAEP: first octet",
        classes: [zero, class("not zero", random_ciphertext(4))],
        operation: open(people),
    }
}

/// Two failures: one at the label only, one at everything after the private operation.
fn failure(people: &People) -> Oracle<'_> {
    Oracle {
        name: "OAEP: what fails",
        classes: [
            class("the label", sealed(people, b"sealpost/1/xegister", 13)),
            class("everything", random_ciphertext(14)),
        ],
        operation: open(people),
    }
}

/// Fixed against random, the general test: it sees any dependence on the ciphertext.
fn fixed_input(people: &People) -> Oracle<'_> {
    let fixed = sealed(people, LABEL, 15)();
    Oracle {
        name: "OAEP: ciphertext",
        classes: [
            class("always the same", || fixed.clone()),
            class("random", sealed(people, LABEL, 16)),
        ],
        operation: open(people),
    }
}

fn signature(people: &People) -> Oracle<'_> {
    let mut rng = rng(5);
    Oracle {
        name: "signature: message",
        classes: [class("always the same", || vec![9; 64]), class("random", random_bytes(6, 64))],
        operation: Box::new(move |message| {
            black_box(people.own.sign(&mut rng, message)).expect("a signature");
        }),
    }
}

/// The same private operation, once with a hash more. The measurement must see it.
fn control(people: &People) -> Oracle<'_> {
    let mut open = open(people);
    let mut sealed = sealed(people, LABEL, 17);
    let mut with = |hashes: u8| [sealed(), vec![hashes]].concat();
    let classes = [class("without a hash", || with(0)), class("with a hash", || with(1))];
    Oracle {
        name: "control",
        classes,
        operation: Box::new(move |input| {
            let (hashes, ciphertext) = input.split_last().expect("a last octet");
            open(ciphertext);
            for _ in 0..*hashes {
                black_box(Sha256::digest(&ciphertext[..64]));
            }
        }),
    }
}

/// Whether the key of a message unwraps, for somebody who signs messages of their own making.
fn message_key(people: &People) -> Oracle<'_> {
    let mut forged = messages(people, 7);
    let mut sealed = messages(people, 8);
    Oracle {
        name: "message: its key",
        classes: [
            class("unwraps", move || sealed.unwraps_to_garbage()),
            class("does not unwrap", move || forged.does_not_unwrap()),
        ],
        operation: open_message(people),
    }
}

/// Whether the padding of a message is right, once its key is.
fn message_padding(people: &People) -> Oracle<'_> {
    let mut right = messages(people, 9);
    let mut wrong = messages(people, 10);
    Oracle {
        name: "message: its padding",
        classes: [
            class("right", move || right.opens()),
            class("wrong", move || wrong.unwraps_to_garbage()),
        ],
        operation: open_message(people),
    }
}

fn one_time_password() -> Oracle<'static> {
    let otp: Otp = "042137".parse().expect("six digits");
    Oracle {
        name: "one-time password: wrong digit",
        classes: [
            class("the first", || b"142137".to_vec()),
            class("the last", || b"042138".to_vec()),
        ],
        // Many comparisons, because one is shorter than a reading of the clock.
        operation: Box::new(move |digits| {
            let guess = Otp::from_digits(digits.as_array().expect("six digits")).expect("digits");
            for _ in 0..1_000 {
                black_box(black_box(&otp).ct_eq(black_box(&guess)));
            }
        }),
    }
}

fn open_message(people: &People) -> Operation<'_> {
    let mut crypto = people.crypto(&people.own_der, 11);
    Box::new(move |bytes| {
        let packet = Packet::parse(Profile::Compact, bytes.to_vec().into()).expect("a packet");
        let job = Job::OpenMessage { packet, signer: people.sender.clone() };
        let Outcome::MessageOpened(Ok(opened)) = crypto.run(job) else {
            unreachable!("its signature is right")
        };
        black_box(matches!(opened, OpenedMessage::Inner(_)));
    })
}

/// Makes signed messages of one size that open, or fail in a chosen way.
struct Messages<'a> {
    people: &'a People,
    crypto: Crypto,
    rng: ChaCha20Rng,
    label: &'static str,
}

fn messages(people: &People, seed: u8) -> Messages<'_> {
    let (from, to) = (people.sender.fingerprint(), people.own.public_key().fingerprint());
    let label = format!("sealpost/1/message/{from}/{to}").leak();
    Messages { people, crypto: people.crypto(&people.sender_der, seed), rng: rng(seed), label }
}

impl Messages<'_> {
    fn opens(&mut self) -> Vec<u8> {
        let (to, inner) = (self.people.own.public_key().clone(), Plaintext::new(vec![0; INNER]));
        self.message(Part::Envelope { to, inner })
    }

    fn unwraps_to_garbage(&mut self) -> Vec<u8> {
        let mut key = vec![0; 32];
        self.rng.fill_bytes(&mut key);
        let oaep = Part::Oaep {
            to: self.people.own.public_key().clone(),
            label: self.label,
            plaintext: Plaintext::new(key),
        };
        self.message(oaep)
    }

    fn does_not_unwrap(&mut self) -> Vec<u8> {
        let mut ciphertext = vec![0; 256];
        self.rng.fill_bytes(&mut ciphertext);
        ciphertext[0] &= 0x7f;
        self.message(Part::Clear(ciphertext.into()))
    }

    /// A signed message. After a wrapped key alone, random bytes follow where the sealed part is.
    fn message(&mut self, body: Part) -> Vec<u8> {
        let sealed = match body {
            Part::Envelope { .. } => 0,
            Part::Clear(_) | Part::Oaep { .. } | Part::Sealed { .. } => SEALED,
        };
        let mut garbage = vec![0; sealed];
        self.rng.fill_bytes(&mut garbage);
        let head = [1_u64.to_le_bytes().as_slice(), &[1]].concat();
        let parts = vec![Part::Clear(head.into()), body, Part::Clear(garbage.into())];
        let header = Header {
            sender: UserId::new(1),
            recipient: UserId::new(2),
            timestamp: at(0),
            op: Op::Message,
        };
        let draft = Draft { profile: Profile::Compact, header, parts, signer: Some(OwnKey::First) };
        let Outcome::Emitted(Ok(packet)) = self.crypto.run(Job::Emit(Box::new(draft))) else {
            unreachable!("the message fits")
        };
        packet.bytes().to_vec()
    }
}

struct Measured {
    /// Mean of the second class less that of the first, in nanoseconds.
    difference: f64,
    /// Mean of both, in nanoseconds.
    mean: f64,
    /// Largest t over all croppings.
    t: f64,
}

/// Times both classes in random order, `samples` runs in all.
fn measure(oracle: &mut Oracle<'_>, samples: usize) -> Measured {
    let mut rng = rng(12);
    let mut times = [Vec::new(), Vec::new()];
    for nth in 0..samples + WARM_UP {
        let which = usize::from(rng.next_u32() & 1 == 1);
        let inputs = &oracle.classes[which].inputs;
        let input = &inputs[rng.next_u32() as usize % inputs.len()];
        let started = Instant::now();
        (oracle.operation)(input);
        let took = started.elapsed();
        if nth >= WARM_UP {
            times[which].push(took.as_secs_f64() * 1e9);
        }
    }
    let mut all = times.concat();
    all.sort_by(f64::total_cmp);
    let results = KEPT.map(|kept| {
        let slowest = all[(all.len() - 1) * kept / 100];
        let [first, second] = times.each_ref().map(|times| Moments::of(times, slowest));
        Measured::of(&first, &second)
    });
    results.into_iter().max_by(|a, b| a.t.abs().total_cmp(&b.t.abs())).expect("several results")
}

impl Measured {
    fn of(first: &Moments, second: &Moments) -> Self {
        let difference = second.mean - first.mean;
        let error = (first.variance / first.count + second.variance / second.count).sqrt();
        Self { difference, mean: f64::midpoint(first.mean, second.mean), t: difference / error }
    }
}

/// Mean and variance of a sample.
struct Moments {
    count: f64,
    mean: f64,
    variance: f64,
}

impl Moments {
    /// Those of the times up to `slowest`.
    fn of(times: &[f64], slowest: f64) -> Self {
        let kept = || times.iter().filter(|time| **time <= slowest);
        let count = kept().count() as f64;
        let mean = kept().sum::<f64>() / count;
        let variance = kept().map(|time| (time - mean).powi(2)).sum::<f64>() / (count - 1.0);
        Self { count, mean, variance }
    }
}

/// Ciphertexts of the same plaintext, each with a seed of its own.
fn sealed<'a>(people: &'a People, label: &'a [u8], seed: u8) -> impl FnMut() -> Vec<u8> + 'a {
    let mut rng = rng(seed);
    move || {
        let key = people.own.public_key();
        let sealed = people.provider.oaep_seal(&mut rng, key, label, &[8; 65]);
        sealed.expect("it fits").to_vec()
    }
}

/// Ciphertexts of nothing. Less than half of the modulus' range, so that all are below it.
fn random_ciphertext(seed: u8) -> impl FnMut() -> Vec<u8> {
    let mut random = random_bytes(seed, 256);
    move || {
        let mut ciphertext = random();
        ciphertext[0] &= 0x7f;
        ciphertext
    }
}

fn random_bytes(seed: u8, len: usize) -> impl FnMut() -> Vec<u8> {
    let mut rng = rng(seed);
    move || {
        let mut bytes = vec![0; len];
        rng.fill_bytes(&mut bytes);
        bytes
    }
}

fn rng(seed: u8) -> ChaCha20Rng {
    ChaCha20Rng::from_seed([seed; 32])
}

const SAMPLES: usize = 20_000;
/// Inputs of each class. Enough that no single one decides, few enough to stay in the cache.
const INPUTS: usize = 256;
/// Runs that are not counted.
const WARM_UP: usize = 500;
/// Shares of the samples that are kept, in percent, the fastest first.
const KEPT: [usize; 5] = [50, 75, 90, 99, 100];
const TOLD_APART: f64 = 4.5;
const LABEL: &[u8] = b"sealpost/1/register";
/// Length in bytes of the smallest `inner` (PROTOCOL 5.2), and of the part that seals it.
const INNER: usize = 255;
const SEALED: usize = 16 + 256;
