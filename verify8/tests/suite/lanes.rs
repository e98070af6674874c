//! Each claim is judged for itself, whatever is judged beside it.

use num_bigint::BigUint;

use crate::keys::{KeyPair, encoded};
use crate::support::{assert_verdicts, bytes, kernels, rng};

/// Every pattern of valid and invalid claims, in batches of every size.
#[test]
fn verdict_does_not_depend_on_the_other_lanes() {
    let mut rng = rng();
    let signers: [_; 8] = std::array::from_fn(|_| {
        let key = KeyPair::random(&mut rng);
        let digest: [u8; 32] = bytes(&mut rng);
        let valid = key.sign(&BigUint::from_bytes_be(&encoded(&digest)));
        let mut invalid = valid;
        invalid[100] ^= 1;
        (key, digest, valid, invalid)
    });
    for count in 0..=signers.len() {
        for pattern in 0_u32..1 << count {
            let expected: Vec<_> = (0..count).map(|nth| pattern >> nth & 1 == 1).collect();
            let claims: Vec<_> = std::iter::zip(&signers, &expected)
                .map(|((key, digest, valid, invalid), is_valid)| {
                    key.claim(digest, if *is_valid { valid } else { invalid })
                })
                .collect();
            assert_verdicts(&claims, &expected);
        }
    }
}

/// More claims than a call takes are not judged by halves.
#[test]
fn claims_beyond_the_eighth_are_invalid() {
    let mut rng = rng();
    let key = KeyPair::random(&mut rng);
    let digest = bytes(&mut rng);
    let signature = key.sign(&BigUint::from_bytes_be(&encoded(&digest)));
    for (name, kernel) in kernels() {
        let verdicts = kernel.verify(&[key.claim(&digest, &signature); 9]);
        let valid: Vec<_> = (0..16).filter(|nth| verdicts.is_valid(*nth)).collect();
        assert_eq!(valid, (0..8).collect::<Vec<_>>(), "{name}");
    }
}
