//! Known answers, which show that a kernel works on this processor.
//!
//! Two keys take turns from lane to lane, so that numbers in a wrong lane are seen.

use core::array;

use crate::claim::{Claim, Verdicts};
use crate::kernel::Kernel;
use crate::key::Key;

/// Whether valid claims are judged valid, and a claim with a spoilt signature or a spoilt digest
/// invalid, in each lane, beside valid ones.
///
/// Eight claims fill the wide registers, and four the narrow ones.
pub(crate) fn passes(verify: impl Fn(&[Claim<'_>]) -> Verdicts) -> bool {
    let [Some(first), Some(second)] =
        [WYCHEPROOF_MODULUS, ALICE_MODULUS].map(|modulus| Key::from_modulus(&modulus))
    else {
        return false;
    };
    let answers = [(&first, &WYCHEPROOF_SIGNATURE), (&second, &ALICE_SIGNATURE)];
    let valid: [Claim<'_>; Kernel::MOST] = array::from_fn(|lane| {
        let (key, signature) = answers[lane % answers.len()];
        Claim { key, digest: &DIGEST, signature }
    });
    let claims_judged_together = [Kernel::MOST, Kernel::MOST / 2];
    claims_judged_together.iter().all(|count| {
        let valid = &valid[..*count];
        let all = Verdicts(u8::MAX >> (Kernel::MOST - count));
        verify(valid) == all && (0..*count).all(|lane| rejects_spoilt(&verify, valid, all, lane))
    })
}

/// Whether the claim in a lane, and no other, is judged invalid once it is spoilt.
fn rejects_spoilt(
    verify: impl Fn(&[Claim<'_>]) -> Verdicts,
    valid: &[Claim<'_>],
    all: Verdicts,
    lane: usize,
) -> bool {
    let (mut digest, mut signature) = (*valid[lane].digest, *valid[lane].signature);
    // Another place in each lane.
    digest[4 * lane] ^= 1 << lane;
    signature[32 * lane + 16] ^= 1 << lane;
    let spoilt =
        [Claim { digest: &digest, ..valid[lane] }, Claim { signature: &signature, ..valid[lane] }];
    let others = Verdicts(all.0 & !(1 << lane));
    spoilt.into_iter().all(|spoilt| {
        let mut claims = [spoilt; Kernel::MOST];
        claims[..valid.len()].copy_from_slice(valid);
        claims[lane] = spoilt;
        verify(&claims[..valid.len()]) == others
    })
}

/// SHA-256 of `Test`.
const DIGEST: [u8; 32] = hex("532eaabd9574880dbf76b9b8cc00832c20a6ec113d682299550d7a6e0f345e25");

/// Modulus of the key of `rsa_signature_2048_sha256_test.json` of Project Wycheproof.
const WYCHEPROOF_MODULUS: [u8; 256] =
    hex("a2b451a07d0aa5f96e455671513550514a8a5b462ebef717094fa1fee82224e6\
     37f9746d3f7cafd31878d80325b6ef5a1700f65903b469429e89d6eac8845097\
     b5ab393189db92512ed8a7711a1253facd20f79c15e8247f3d3e42e46e48c98e\
     254a2fe9765313a03eff8f17e1a029397a1fa26a8dce26f490ed81299615d981\
     4c22da610428e09c7d9658594266f5c021d0fceca08d945a12be82de4d1ece6b\
     4c03145b5d3495d4ed5411eb878daf05fd7afc3e09ada0f1126422f590975a19\
     69816f48698bcbba1b4d9cae79d460d8f9f85e7975005d9bc22c4e5ac0f7c1a4\
     5d12569a62807d3b9a02e5a530e773066f453d1f5b4c2e9cf7820283f742b9d5");

/// Its signature over `Test`, which is test case 3 there.
const WYCHEPROOF_SIGNATURE: [u8; 256] =
    hex("264491e844c119f14e425c03282139a558dcdaeb82a4628173cd407fd319f907\
     6eaebc0dd87a1c22e4d17839096886d58a9d5b7f7aeb63efec56c45ac7bead42\
     03b6886e1faa90e028ec0ae094d46bf3f97efdd19045cfbc25a1abda2432639f\
     9876405c0d68f8edbf047c12a454f7681d5d5a2b54bd3723d193dbad4338baad\
     753264006e2d08931c4b8bb79aa1c9cad10eb6605f87c5831f6e2b08e002f9c6\
     f21141f5841d92727dd3e1d99c36bc560da3c9067df99fcaf818941f72588be3\
     3032bad22caf6704223bb114d575b6d02d9d222b580005d930e8f40cce9f672e\
     ebb634a20177d84351627964b83f2053d736a84ab1a005f63bd5ba943de6205c");

/// Modulus of `docs/vectors/test-only-alice.pem`.
const ALICE_MODULUS: [u8; 256] =
    hex("ac52d7a23bdf2ac62e505974afd3f4e9965d7f95dac64a591d0e7f3a0a96a85d\
     b6870d7f68af18feabdb0ee41732169b8610d6f8b0abfc84658fb2b589ece384\
     2dd5a7c67b40a6e608b070e4c63ac25fb5e53b07f32b21b7330d4fdf546622d2\
     efedaa62d9a2565bc559a5d1faba1d5ac98b9ed57efb25c93e05fc2cb93c49fd\
     77715bbf5f9605e2a9cde42e4bf22dbbc5141888d9104a46244943e9c5aa33c2\
     c305a62e9df1d1d27dded93b2efb233e312a37a19e85769c29265a2983a05a85\
     b7d5a6379b4e203575059d2fa80405a75fe8ed7cc224fa478f4c1db38a009990\
     f45058902420c229cf478130a2896f48a4c5b174f2e84a9d533e3937c0d72cc5");

/// Its signature over `Test`, by `printf Test | openssl dgst -sha256 -sign test-only-alice.pem`.
const ALICE_SIGNATURE: [u8; 256] =
    hex("2809d0c9d95244b42032b3ba12b5e7b69f83e930c189997eaf94b6c35c3eacbc\
     890423b0867a790c2533427baa69c5acbfcb401db9b9a62ed390458a583dec73\
     b541d96e17def8a9810dde5923807f064b9bb419f96cc9738b2a8a0b7b5d1754\
     959b15180f3d29fa808275f4050e0b8f53a8f25aa8ca15d8b940e6b4e9fc19fa\
     639f3e55c90bcb9c2fe3e0c937764d55f07d3a93de733724aa5d8826a3ce9332\
     668bfb8818592944e3dbd5faa2ac7a48edf45f2e4bb4457a520b1ed7228b615a\
     42923d0f5afbd6ed8c628f76d4d3e01d1b3025b48353d49abaa6ba7721a4d781\
     aa2543f80e91df1f3f6e042cc715ed99df8007bf24c1ab4c66a80dec81cff74e");

/// Reads hexadecimal digits, when the crate is compiled.
#[expect(clippy::panic, reason = "a wrong constant does not compile")]
const fn hex<const LEN: usize>(text: &str) -> [u8; LEN] {
    let text = text.as_bytes();
    assert!(text.len() == 2 * LEN, "two digits for each byte");
    let (mut bytes, mut nth) = ([0; LEN], 0);
    while nth < 2 * LEN {
        let value = match text[nth] {
            digit @ b'0'..=b'9' => digit - b'0',
            digit @ b'a'..=b'f' => digit - b'a' + 10,
            _ => panic!("not a hexadecimal digit"),
        };
        bytes[nth / 2] = bytes[nth / 2] << 4 | value;
        nth += 1;
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sound_kernel_passes() {
        assert!(passes(|claims| Kernel::model().verify(claims)));
    }

    #[test]
    fn kernel_that_accepts_or_rejects_everything_fails() {
        assert!(!passes(|claims| Verdicts(u8::MAX >> (Kernel::MOST - claims.len()))));
        assert!(!passes(|_| Verdicts(0)));
    }

    #[test]
    fn kernel_with_one_bad_lane_fails() {
        for lane in 0..Kernel::MOST {
            let model = |claims: &[Claim<'_>]| Kernel::model().verify(claims).0;
            assert!(!passes(|claims| Verdicts(model(claims) & !(1 << lane))), "rejects in {lane}");
            let in_use = |claims: &[Claim<'_>]| u8::from(lane < claims.len()) << lane;
            assert!(
                !passes(|claims| Verdicts(model(claims) | in_use(claims))),
                "accepts in {lane}"
            );
        }
    }

    #[test]
    fn kernel_that_confuses_lanes_fails() {
        let confused = |claims: &[Claim<'_>]| {
            let verdicts = Kernel::model().verify(claims).0;
            (verdicts & 0x55) << 1 | (verdicts & 0xaa) >> 1
        };
        assert!(!passes(|claims| Verdicts(confused(claims))));
    }
}
