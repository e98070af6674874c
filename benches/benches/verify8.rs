//! How much faster the kernels of `verify8` are than AWS-LC.
//!
//! AWS-LC and the kernels take turns, in an order that changes from round to round, so that
//! whatever else the machine does hits all of them alike. The figures are medians over the rounds.
//! With `--check` the exit status is 1 if full batches are not [`FLOOR`] times as fast as AWS-LC:
//! the order in which LLVM puts the instructions decides a sixth of the time.

#![expect(clippy::expect_used, reason = "a measurement that goes wrong must not report a figure")]
#![expect(clippy::indexing_slicing, reason = "the lengths are constants")]
#![expect(clippy::print_stdout, reason = "the table is the result")]
#![expect(clippy::cast_precision_loss, reason = "counts are small")]

use std::hint::black_box;
use std::process::ExitCode;
use std::time::Instant;

use aws_lc_rs::digest::{Digest, SHA256, digest};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::{
    KeyPair as _, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_SHA256,
};
use sealpost_verify8::{Claim, Kernel, Key};

fn main() -> ExitCode {
    let check = std::env::args().any(|argument| argument == "--check");
    let Some(kernel) = Kernel::detect() else {
        println!("AVX-512 IFMA absent: nothing is measured");
        return ExitCode::SUCCESS;
    };
    let signed: Vec<_> = (0..KEYS).flat_map(|_| signed_with_a_new_key()).collect();
    let mut contenders = vec![Contender::aws_lc()];
    contenders.extend(BATCHES.map(|claims| Contender::kernel(kernel, claims)));
    measure(&mut contenders, &signed);

    let reference = contenders[0].median();
    println!("| | µs a signature | times as fast as AWS-LC |\n|---|---|---|");
    for contender in &mut contenders {
        let median = contender.median();
        println!("| {} | {median:.2} | {:.2} |", contender.name, reference / median);
    }
    let ratio = reference / contenders[1].median();
    if check && ratio < FLOOR {
        println!("full batches are less than {FLOOR} times as fast as AWS-LC");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

/// A signature, with the key in the forms of both.
struct Signed {
    key: Key,
    parsed: ParsedPublicKey,
    digest: Digest,
    bytes: [u8; 32],
    signature: [u8; 256],
}

fn signed_with_a_new_key() -> impl Iterator<Item = Signed> {
    let pair = KeyPair::generate(KeySize::Rsa2048).expect("a key");
    (0..MESSAGES).map(move |message| Signed::new(&pair, message))
}

impl Signed {
    fn new(pair: &KeyPair, message: u8) -> Self {
        let der = pair.public_key().as_ref();
        // The modulus follows the headers and a zero in DER of `RSAPublicKey` (RFC 8017, A.1.1).
        let modulus = der[9..9 + 256].try_into().expect("256 bytes");
        let (random, mut signature) = (SystemRandom::new(), [0; 256]);
        pair.sign(&RSA_PKCS1_SHA256, &random, &[message], &mut signature).expect("a signature");
        let digest = digest(&SHA256, &[message]);
        Self {
            key: Key::from_modulus(modulus).expect("an odd modulus of 2048 bits"),
            parsed: ParsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, der).expect("a key"),
            bytes: digest.as_ref().try_into().expect("32 bytes"),
            digest,
            signature,
        }
    }

    fn claim(&self) -> Claim<'_> {
        Claim { key: &self.key, digest: &self.bytes, signature: &self.signature }
    }
}

/// One way to verify, and the seconds that it took in each round.
struct Contender {
    name: String,
    verify: Verify,
    seconds: Vec<f64>,
}

type Verify = Box<dyn Fn(&[Signed])>;

impl Contender {
    fn aws_lc() -> Self {
        let verify = |signed: &[Signed]| {
            for Signed { parsed, digest, signature, .. } in signed {
                parsed.verify_digest_sig(digest, black_box(signature)).expect("it is valid");
            }
        };
        Self { name: "AWS-LC".into(), verify: Box::new(verify), seconds: Vec::new() }
    }

    /// The kernel, with so many claims a call.
    fn kernel(kernel: Kernel, together: usize) -> Self {
        let verify = move |signed: &[Signed]| {
            for signed in signed.chunks_exact(together) {
                let mut claims = [signed[0].claim(); Kernel::MOST];
                for (claim, signed) in claims.iter_mut().zip(signed) {
                    *claim = signed.claim();
                }
                let verdicts = kernel.verify(black_box(&claims[..together]));
                assert!((0..together).all(|nth| verdicts.is_valid(nth)), "they are valid");
            }
        };
        let name = format!("{together} at once");
        Self { name, verify: Box::new(verify), seconds: Vec::new() }
    }

    /// Median of the rounds, in microseconds a signature.
    fn median(&mut self) -> f64 {
        self.seconds.sort_by(f64::total_cmp);
        self.seconds[self.seconds.len() / 2] * 1e6 / SLICE as f64
    }
}

fn measure(contenders: &mut [Contender], signed: &[Signed]) {
    let count = contenders.len();
    for round in 0..WARM_UP + ROUNDS {
        let slice = &signed[round * SLICE % signed.len()..][..SLICE];
        for turn in 0..count {
            let contender = &mut contenders[(turn + round) % count];
            let started = Instant::now();
            (contender.verify)(slice);
            let elapsed = started.elapsed().as_secs_f64();
            if round >= WARM_UP {
                contender.seconds.push(elapsed);
            }
        }
    }
}

/// What full batches must reach.
const FLOOR: f64 = 3.5;
/// Claims of a call, the full batch first.
const BATCHES: [usize; 5] = [8, 5, 4, 2, 1];
/// Signatures that are verified in one turn. Divisible by every batch.
const SLICE: usize = 40;
const KEYS: usize = 40;
const MESSAGES: u8 = 10;
const ROUNDS: usize = 500;
const WARM_UP: usize = 10;
