//! Jobs that run together, whose signatures are verified together.

use sealpost_core::crypto::{Job, Outcome};
use sealpost_core::keys::Rejected;
use sealpost_core::wire::{Op, Packet, Profile};

use crate::jobs::{clear, draft, emit, sealed, session_key};
use crate::support::{crypto, providers};

/// Jobs without a signature to verify stand between those with one, and a spoilt packet between
/// those that are not.
#[test]
fn jobs_that_run_together_have_the_outcomes_that_they_have_alone() {
    for provider in providers() {
        let mut alice = crypto(&provider, "alice");
        let mut server = crypto(&provider, "server");
        let signer = alice.public_key().clone();
        let packet = emit(&mut alice, draft(Op::DeliveryAck, vec![sealed(b"taken")])).unwrap();
        let mut bytes = packet.bytes().to_vec();
        *bytes.last_mut().unwrap() ^= 1;
        let spoilt = Packet::parse(Profile::Compact, bytes.into()).unwrap();
        let mut jobs = Vec::new();
        for nth in 0..30 {
            let packet = if nth % 3 == 0 { &spoilt } else { &packet }.clone();
            let (signer, key) = (signer.clone(), session_key());
            jobs.push((
                nth,
                match nth % 4 {
                    0 | 1 => Job::Verify { packet, signer },
                    2 => Job::OpenSealed { packet, signer, key, at: 0 },
                    _ => Job::Emit(Box::new(draft(Op::Message, vec![clear(b"text")]))),
                },
            ));
        }
        let alone: Vec<_> =
            jobs.iter().map(|(nth, job)| (*nth, summary(&server.run(job.clone())))).collect();
        let mut together = Vec::new();
        server.run_all(&mut jobs, &mut together);
        assert!(jobs.is_empty());
        let together: Vec<_> =
            together.into_iter().map(|(nth, outcome)| (nth, summary(&outcome))).collect();
        assert_eq!(together, alone);
        assert_eq!(together[0].1, "rejected");
    }
}

/// Kind of an outcome.
fn summary(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Verified(Ok(())) => "verified",
        Outcome::Opened(Ok(plaintext)) if plaintext.expose() == b"taken" => "opened",
        Outcome::Emitted(Ok(_)) => "emitted",
        Outcome::Verified(Err(Rejected)) | Outcome::Opened(Err(Rejected)) => "rejected",
        _ => "something else",
    }
}
