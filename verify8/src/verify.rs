//! Claims, and the kernels that judge them.

use crate::encoded::encoded_message;
use crate::kernel::Lanes;
use crate::key::{Key, digits};
use crate::plain;

/// The claim that a signature was made with a key over a message.
#[derive(Clone, Copy, Debug)]
pub struct Claim<'a> {
    /// Public key of the signer.
    pub key: &'a Key,
    /// SHA-256 of the message.
    pub digest: &'a [u8; 32],
    /// The signature, big-endian as on the wire.
    pub signature: &'a [u8; 256],
}

/// The verdicts on up to eight claims.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verdicts(u8);

impl Verdicts {
    /// Whether the claim with this index is true. False for an index beyond the claims.
    #[must_use]
    pub const fn is_valid(self, nth: usize) -> bool {
        nth < Kernel::MOST && self.0 >> nth & 1 == 1
    }
}

/// An implementation of the arithmetic that this processor can run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kernel(Width);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Width {
    #[cfg(target_arch = "x86_64")]
    Wide,
    #[cfg(target_arch = "x86_64")]
    Narrow,
    Plain,
}

impl Kernel {
    /// Claims that one call takes.
    pub const MOST: usize = 8;

    /// The kernel with eight lanes of 512-bit registers. `None` without AVX-512 IFMA.
    #[must_use]
    pub fn wide() -> Option<Self> {
        #[cfg(target_arch = "x86_64")]
        if is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512ifma") {
            return Some(Self(Width::Wide));
        }
        None
    }

    /// The kernel with four lanes of 256-bit registers, which takes less time for one claim.
    /// `None` without AVX-512 IFMA and VL.
    #[must_use]
    pub fn narrow() -> Option<Self> {
        #[cfg(target_arch = "x86_64")]
        if is_x86_feature_detected!("avx2")
            && is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512ifma")
            && is_x86_feature_detected!("avx512vl")
        {
            return Some(Self(Width::Narrow));
        }
        None
    }

    /// The model in plain integers, which runs everywhere and is slow.
    #[must_use]
    pub const fn model() -> Self {
        Self(Width::Plain)
    }

    /// Claims that are judged together.
    #[must_use]
    pub const fn lanes(self) -> usize {
        match self.0 {
            #[cfg(target_arch = "x86_64")]
            Width::Wide => crate::vectors::wide::LANES,
            #[cfg(target_arch = "x86_64")]
            Width::Narrow => crate::vectors::narrow::LANES,
            Width::Plain => crate::vectors::plain::LANES,
        }
    }

    /// Judges up to [`MOST`](Self::MOST) claims; any beyond that count as false.
    #[must_use]
    pub fn verify(self, claims: &[Claim<'_>]) -> Verdicts {
        let claims = &claims[..claims.len().min(Self::MOST)];
        let mut verdicts = 0;
        for (nth, together) in claims.chunks(self.lanes()).enumerate() {
            verdicts |= self.judge(together) << (nth * self.lanes());
        }
        Verdicts(verdicts)
    }

    /// Judges as many claims as there are lanes, or fewer.
    #[expect(unsafe_code, reason = "a function for certain processors, called on one of them")]
    fn judge(self, claims: &[Claim<'_>]) -> u8 {
        let powers = match self.0 {
            // SAFETY: `wide` makes this kernel only where the instructions have been detected.
            #[cfg(target_arch = "x86_64")]
            Width::Wide => unsafe { crate::wide::has_power(&lanes(claims)) },
            // SAFETY: as above, with `narrow`.
            #[cfg(target_arch = "x86_64")]
            Width::Narrow => unsafe { crate::narrow::has_power(&lanes(claims)) },
            Width::Plain => plain::has_power(&lanes(claims)),
        };
        let in_range = claims.iter().enumerate().map(|(lane, claim)| {
            // A signature must be below the modulus (RFC 8017, section 5.2.2).
            u8::from(digits(claim.signature).iter().rev().lt(claim.key.n.iter().rev())) << lane
        });
        powers & in_range.sum::<u8>()
    }
}

/// Puts each claim into a lane. A lane without a claim computes with zeros.
fn lanes<const LANES: usize>(claims: &[Claim<'_>]) -> Lanes<LANES> {
    let mut lanes = Lanes::EMPTY;
    for (lane, Claim { key, digest, signature }) in claims.iter().take(LANES).enumerate() {
        let put = |numbers: &mut [[u64; LANES]; 40], number: &[u64; 40]| {
            for (lanes, digit) in numbers.iter_mut().zip(number) {
                lanes[lane] = *digit;
            }
        };
        put(&mut lanes.n, &key.n);
        put(&mut lanes.rr, &key.rr);
        put(&mut lanes.base, &digits(signature));
        put(&mut lanes.power, &digits(&encoded_message(digest)));
        lanes.k0[lane] = key.k0;
    }
    lanes
}
