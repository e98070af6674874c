//! Verification of several signatures at once, by the kernel of `sealpost-verify8`. aws-lc has the
//! last word.
//!
//! The kernel is young, so nothing rests on it alone: aws-lc judges every signature again that the
//! kernel rejects, and one in 256 that it accepts. The first time the two disagree, the kernel is
//! not used any more, and aws-lc judges everything that came together.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicU64, Ordering};
use std::sync::Arc;

use aws_lc_rs::digest::{Digest, SHA256, digest};
use rand_core::CryptoRng;
use sealpost_verify8::{Claim, Kernel, Verdicts};

use super::SignatureCheck;
use super::parsed_keys::{ParsedKey, ParsedKeys};
use crate::keys::Rejected;

/// A kernel, and how often aws-lc has disagreed with it.
pub(super) struct Together {
    judge: Box<Judge>,
    disagreements: AtomicU64,
    on_disagreement: Box<dyn Fn() + Send + Sync>,
}

/// Judges up to [`Kernel::MOST`] claims.
type Judge = dyn Fn(&[Claim<'_>]) -> Verdicts + Send + Sync;

/// A signature under way: everything that either judge needs.
struct Case<'a> {
    key: Arc<ParsedKey>,
    digest: Digest,
    signature: &'a [u8],
}

impl Together {
    pub(super) fn new(
        judge: impl Fn(&[Claim<'_>]) -> Verdicts + Send + Sync + 'static,
        on_disagreement: impl Fn() + Send + Sync + 'static,
    ) -> Self {
        Self {
            judge: Box::new(judge),
            disagreements: AtomicU64::new(0),
            on_disagreement: Box::new(on_disagreement),
        }
    }

    /// Whether the two judges have agreed so far.
    pub(super) fn is_trusted(&self) -> bool {
        self.disagreements() == 0
    }

    /// Number of batches on which the two judges have disagreed.
    pub(super) fn disagreements(&self) -> u64 {
        self.disagreements.load(Ordering::Relaxed)
    }

    /// Appends a verdict for each check.
    pub(super) fn verify(
        &self,
        keys: &ParsedKeys,
        rng: &mut dyn CryptoRng,
        checks: &[SignatureCheck<'_>],
        verdicts: &mut Vec<Result<(), Rejected>>,
    ) {
        for checks in checks.chunks(Kernel::MOST) {
            let cases: Vec<_> = checks.iter().map(|check| Case::prepare(keys, check)).collect();
            let mut draws = [0; Kernel::MOST];
            rng.fill_bytes(&mut draws);
            self.judge(&cases, draws, verdicts);
        }
    }

    fn judge(
        &self,
        cases: &[Result<Case<'_>, Rejected>],
        draws: [u8; Kernel::MOST],
        verdicts: &mut Vec<Result<(), Rejected>>,
    ) {
        let by_kernel = self.ask_kernel(cases);
        let start = verdicts.len();
        for ((case, accepted), draw) in cases.iter().zip(by_kernel).zip(draws) {
            let is_final = accepted && draw != 0;
            verdicts.push(if is_final { Ok(()) } else { ask_aws_lc(case) });
        }
        let judged = verdicts.get_mut(start..).unwrap_or_default();
        let agree =
            judged.iter().zip(by_kernel).all(|(verdict, by_kernel)| verdict.is_ok() == by_kernel);
        if !agree {
            for (verdict, case) in judged.iter_mut().zip(cases) {
                *verdict = ask_aws_lc(case);
            }
            // Batches that were under way at the first disagreement count, but only it is reported.
            if self.disagreements.fetch_add(1, Ordering::Relaxed) == 0 {
                (self.on_disagreement)();
            }
        }
    }

    /// What the kernel accepts. What it can't judge it doesn't accept.
    fn ask_kernel(&self, cases: &[Result<Case<'_>, Rejected>]) -> [bool; Kernel::MOST] {
        let claims: Vec<_> =
            cases.iter().map(|case| case.as_ref().ok().and_then(Case::claim)).collect();
        let present: Vec<_> = claims.iter().flatten().copied().collect();
        let verdicts = (self.judge)(&present);
        let mut lanes = 0..;
        let mut accepted = [false; Kernel::MOST];
        for (accepted, _) in accepted.iter_mut().zip(&claims).filter(|(_, claim)| claim.is_some()) {
            *accepted = lanes.next().is_some_and(|lane| verdicts.is_valid(lane));
        }
        accepted
    }
}

impl<'a> Case<'a> {
    fn prepare(keys: &ParsedKeys, check: &SignatureCheck<'a>) -> Result<Self, Rejected> {
        let digest = digest(&SHA256, check.message);
        Ok(Self { key: keys.get(check.key)?, digest, signature: check.signature })
    }

    /// The case as the kernel sees it. `None` if the signature has another length than every valid
    /// one.
    fn claim(&self) -> Option<Claim<'_>> {
        Some(Claim {
            key: self.key.for_kernel()?,
            digest: self.digest.as_ref().try_into().ok()?,
            signature: self.signature.try_into().ok()?,
        })
    }
}

fn ask_aws_lc(case: &Result<Case<'_>, Rejected>) -> Result<(), Rejected> {
    let Case { key, digest, signature } = case.as_ref().map_err(|_| Rejected)?;
    key.for_aws_lc().verify_digest_sig(digest, signature).map_err(|_| Rejected)
}

#[cfg(test)]
mod tests {
    use core::num::NonZeroUsize;
    use core::sync::atomic::AtomicUsize;

    use chacha20::ChaCha20Rng;
    use rand_core::SeedableRng;

    use super::super::{AwsLc, PrivateKey, Provider};
    use super::*;

    const MESSAGE: &[u8] = b"message";
    /// Times that 16 signatures are accepted without a draw, at most: one such test in 200,000 fails
    /// by chance.
    const MOST_UNDRAWN: usize = 200;

    struct Rig {
        keys: ParsedKeys,
        key: Arc<dyn PrivateKey>,
        good: [u8; 256],
        bad: [u8; 256],
        reports: Arc<AtomicUsize>,
    }

    impl Rig {
        fn new() -> Self {
            let (provider, rng) = (AwsLc::default(), &mut rng());
            let key = provider.load_key(provider.generate_key(rng).unwrap().expose()).unwrap();
            let good = key.sign(rng, MESSAGE).unwrap();
            let bad = key.sign(rng, b"another").unwrap();
            let keys = ParsedKeys::new(NonZeroUsize::MIN, true);
            Self { keys, key, good, bad, reports: Arc::default() }
        }

        fn together(
            &self,
            judge: impl Fn(&[Claim<'_>]) -> Verdicts + Send + Sync + 'static,
        ) -> Together {
            let reports = Arc::clone(&self.reports);
            Together::new(judge, move || {
                reports.fetch_add(1, Ordering::Relaxed);
            })
        }

        fn check<'a>(&'a self, signature: &'a [u8]) -> SignatureCheck<'a> {
            SignatureCheck { key: self.key.public_key(), message: MESSAGE, signature }
        }

        /// Judges these signatures, of which those with a draw of zero are judged twice.
        fn judge<const N: usize>(
            &self,
            together: &Together,
            signatures: [&[u8]; N],
            draws: [u8; Kernel::MOST],
        ) -> [bool; N] {
            let checks = signatures.map(|signature| self.check(signature));
            let cases: Vec<_> =
                checks.iter().map(|check| Case::prepare(&self.keys, check)).collect();
            let mut verdicts = Vec::new();
            together.judge(&cases, draws, &mut verdicts);
            let accepted: Vec<_> = verdicts.iter().map(Result::is_ok).collect();
            accepted.try_into().unwrap()
        }

        fn reports(&self) -> usize {
            self.reports.load(Ordering::Relaxed)
        }
    }

    fn rng() -> ChaCha20Rng {
        ChaCha20Rng::seed_from_u64(1)
    }

    fn honest(claims: &[Claim<'_>]) -> Verdicts {
        Kernel::model().verify(claims)
    }

    /// Accepts every claim: it judges the first valid claim that it ever saw in place of each.
    fn credulous(rig: &Rig) -> impl Fn(&[Claim<'_>]) -> Verdicts + Send + Sync + use<> {
        let (key, good) = (rig.keys.get(rig.key.public_key()).unwrap(), rig.good);
        move |claims| {
            let digest: [u8; 32] = digest(&SHA256, MESSAGE).as_ref().try_into().unwrap();
            let key = key.for_kernel().unwrap();
            let claim = Claim { key, digest: &digest, signature: &good };
            Kernel::model().verify(&alloc::vec![claim; claims.len()])
        }
    }

    #[test]
    fn signatures_of_every_kind_get_their_verdicts_in_order() {
        let rig = Rig::new();
        let together = rig.together(honest);
        let signatures: [&[u8]; 11] = [
            &rig.good,
            &rig.bad,
            &rig.good,
            &[],
            &rig.good[1..],
            &rig.good,
            &rig.bad,
            &rig.good,
            &rig.bad,
            &rig.good,
            &[0; 257],
        ];
        let checks = signatures.map(|signature| rig.check(signature));
        let mut verdicts = Vec::new();
        together.verify(&rig.keys, &mut rng(), &checks, &mut verdicts);
        let expected =
            signatures.map(|signature| if signature == rig.good { Ok(()) } else { Err(Rejected) });
        assert_eq!(verdicts, expected);
        assert!(together.is_trusted() && rig.reports() == 0);
    }

    #[test]
    fn rejection_is_judged_again_and_the_first_disagreement_ends_the_trust() {
        let rig = Rig::new();
        let together = rig.together(|_| Kernel::model().verify(&[]));
        let accepted = rig.judge(&together, [&rig.bad, &rig.bad], [1; 8]);
        assert_eq!((accepted, together.is_trusted()), ([false, false], true));
        for batch in 1..=2 {
            assert_eq!(rig.judge(&together, [&rig.bad, &rig.good], [1; 8]), [false, true]);
            assert_eq!((together.is_trusted(), rig.reports()), (false, 1));
            assert_eq!(together.disagreements(), batch);
        }
    }

    #[test]
    fn acceptance_that_is_drawn_is_judged_again_and_all_that_came_with_it() {
        let rig = Rig::new();
        let together = rig.together(credulous(&rig));
        assert_eq!(
            rig.judge(&together, [&rig.good, &rig.bad], [0, 1, 1, 1, 1, 1, 1, 1]),
            [true, true]
        );
        assert!(together.is_trusted());
        // The second one is drawn, and the third would pass without the second.
        let accepted =
            rig.judge(&together, [&rig.good, &rig.bad, &rig.bad], [1, 0, 1, 1, 1, 1, 1, 1]);
        assert_eq!((accepted, rig.reports()), ([true, false, false], 1));
        assert!(!together.is_trusted());
    }

    #[test]
    fn one_acceptance_in_256_is_drawn() {
        let rig = Rig::new();
        let together = rig.together(credulous(&rig));
        let checks = alloc::vec![rig.check(&rig.bad); 16];
        let mut rng = rng();
        let undrawn = (0..MOST_UNDRAWN).take_while(|_| {
            together.verify(&rig.keys, &mut rng, &checks, &mut Vec::new());
            together.is_trusted()
        });
        let undrawn = undrawn.count();
        assert!((1..MOST_UNDRAWN).contains(&undrawn), "{undrawn} times 16 without a draw");
    }

    #[test]
    fn provider_without_trust_verifies_by_aws_lc_alone() {
        let rig = Rig::new();
        let provider = AwsLc::with_judge(rig.together(|_| Kernel::model().verify(&[])));
        let checks = [rig.check(&rig.good), rig.check(&rig.bad)];
        for disagreements in [0, 1] {
            assert_eq!(provider.verifies_together(), disagreements == 0);
            assert_eq!(provider.disagreements(), disagreements);
            let mut verdicts = Vec::new();
            provider.verify_all(&mut rng(), &checks, &mut verdicts);
            assert_eq!(verdicts, [Ok(()), Err(Rejected)]);
        }
        assert_eq!((provider.disagreements(), rig.reports()), (1, 1));
        assert_eq!(AwsLc::default().disagreements(), 0);
    }
}
