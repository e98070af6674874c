//! A public key in the form that the kernels take.

use crate::montgomery::{DIGIT_BITS, DIGIT_MAX, DIGITS};

/// An RSA public key with a modulus of 2048 bits and the exponent 65537. It takes 648 bytes.
///
/// Preparing one takes about four times as long as a verification in a full batch, so keep it. A key
/// is public, so nothing here takes constant time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    /// Modulus n.
    pub(crate) n: [u64; DIGITS],
    /// R² modulo n.
    pub(crate) rr: [u64; DIGITS],
    /// −1/n modulo 2^52.
    pub(crate) k0: u64,
}

const _: () = assert!(size_of::<Key>() == 648, "what the caches of keys count with");

impl Key {
    /// Prepares a key from its modulus, big-endian. `None` if the modulus is even, or below 2^2047.
    #[must_use]
    pub fn from_modulus(modulus: &[u8; 256]) -> Option<Self> {
        let n = Limbs::from_be_bytes(modulus);
        if modulus[0] < 0x80 || n.0[0] & 1 == 0 {
            return None;
        }
        Some(Self { n: n.digits(), rr: n.rr().digits(), k0: n.minus_inverse() & DIGIT_MAX })
    }
}

/// Splits a big-endian number of 2048 bits into digits, the lowest first.
pub(crate) fn digits(bytes: &[u8; 256]) -> [u64; DIGITS] {
    Limbs::from_be_bytes(bytes).digits()
}

const LIMBS: usize = 32;

/// A number of 2048 bits, in limbs of 64 bits, the lowest first.
struct Limbs([u64; LIMBS]);

impl Limbs {
    fn from_be_bytes(bytes: &[u8; 256]) -> Self {
        let mut limbs = [0; LIMBS];
        for (limb, bytes) in limbs.iter_mut().rev().zip(bytes.as_chunks().0) {
            *limb = u64::from_be_bytes(*bytes);
        }
        Self(limbs)
    }

    fn digits(&self) -> [u64; DIGITS] {
        core::array::from_fn(|nth| {
            let bit = nth * DIGIT_BITS as usize;
            let limb = |index: usize| self.0.get(index).copied().unwrap_or(0);
            let pair = u128::from(limb(bit / 64)) | u128::from(limb(bit / 64 + 1)) << 64;
            (pair >> (bit % 64)) as u64 & DIGIT_MAX
        })
    }

    /// −1/n modulo 2^64, by Newton's iteration: each step doubles the bits that are right, from
    /// the three with which every odd number is its own inverse.
    fn minus_inverse(&self) -> u64 {
        let n = self.0[0];
        let mut inverse = n;
        for _ in 0..5 {
            inverse = inverse.wrapping_mul(2_u64.wrapping_sub(n.wrapping_mul(inverse)));
        }
        inverse.wrapping_neg()
    }

    /// 2^4160 modulo n: R² for R = 2^2080.
    ///
    /// With M = 2^2048, a Montgomery square maps M·2^e to M·2^2e, and 4160 = 2048 + 66·2^5.
    fn rr(&self) -> Self {
        // M modulo n is M − n, because n is at least M/2.
        let mut x = Self([0; LIMBS]).minus(self).0;
        for _ in 0..66 {
            x = x.doubled(self);
        }
        let k0 = self.minus_inverse();
        for _ in 0..5 {
            x = x.squared(self, k0);
        }
        x
    }

    /// The difference modulo 2^2048, and whether it borrowed.
    fn minus(&self, other: &Self) -> (Self, bool) {
        let mut borrow = false;
        let limbs = core::array::from_fn(|nth| {
            let (difference, first) = self.0[nth].overflowing_sub(other.0[nth]);
            let (difference, second) = difference.overflowing_sub(borrow.into());
            borrow = first | second;
            difference
        });
        (Self(limbs), borrow)
    }

    /// This number, which has one more bit if `carry` is set, less n if it is not below n.
    fn reduced(self, carry: bool, n: &Self) -> Self {
        let (less, borrow) = self.minus(n);
        if carry || !borrow { less } else { self }
    }

    /// Twice a number below n, modulo n.
    fn doubled(&self, n: &Self) -> Self {
        let twice = core::array::from_fn(|nth| {
            let below = if nth == 0 { 0 } else { self.0[nth - 1] >> 63 };
            self.0[nth] << 1 | below
        });
        Self(twice).reduced(self.0[LIMBS - 1] >> 63 == 1, n)
    }

    /// x²/2^2048 modulo n, for x below n.
    fn squared(&self, n: &Self, k0: u64) -> Self {
        let (mut sum, mut top) = ([0; LIMBS], 0_u64);
        for digit in self.0 {
            let mut carry = 0;
            for (limb, other) in sum.iter_mut().zip(self.0) {
                (*limb, carry) = multiply_add(digit, other, *limb, carry);
            }
            let (above, overflow) = top.overflowing_add(carry);
            let quotient = k0.wrapping_mul(sum[0]);
            let (_, mut carry) = multiply_add(quotient, n.0[0], sum[0], 0);
            for nth in 1..LIMBS {
                (sum[nth - 1], carry) = multiply_add(quotient, n.0[nth], sum[nth], carry);
            }
            let (above, second) = above.overflowing_add(carry);
            sum[LIMBS - 1] = above;
            top = u64::from(overflow) + u64::from(second);
        }
        Self(sum).reduced(top > 0, n)
    }
}

/// a·b + c + d, as lower and upper half. It can't overflow.
const fn multiply_add(a: u64, b: u64, c: u64, d: u64) -> (u64, u64) {
    let sum = a as u128 * b as u128 + c as u128 + d as u128;
    (sum as u64, (sum >> 64) as u64)
}

#[cfg(test)]
mod tests {
    use num_bigint::BigUint;

    use super::*;
    use crate::montgomery::tests::{self, Modulus, moduli, r, rng};

    #[test]
    fn key_has_the_numbers_of_num_bigint() {
        for n in moduli(&mut rng()) {
            let key = Key::from_modulus(n.to_bytes_be().as_slice().try_into().unwrap()).unwrap();
            assert_eq!(key.n, tests::digits(&n));
            assert_eq!(key.rr, tests::digits(&(r() * r() % &n)));
            assert_eq!(key.k0, tests::digits(&Modulus::new(n).minus_inverse)[0]);
        }
    }

    #[test]
    fn digits_are_those_of_the_number() {
        for bit in 0..2048 {
            let number = BigUint::from(1_u8) << bit;
            let mut bytes = [0; 256];
            bytes[255 - bit / 8] = 1 << (bit % 8);
            assert_eq!(digits(&bytes), tests::digits(&number), "bit {bit}");
        }
    }
}
