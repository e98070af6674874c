//! Vectors of 64-bit lanes, and the operations that the arithmetic needs.
//!
//! | operation | result in each lane |
//! |---|---|
//! | `lo(acc, a, b)`, `hi(acc, a, b)` | `acc` plus the lower or the upper 52 bits of the product of the lower 52 bits of `a` and of `b` |
//! | `add(a, b)` | sum |
//! | `carry(a)`, `digit(a)` | `a` without its lower 52 bits, shifted down; the lower 52 bits |
//! | `splat(a)`, `zero()`, `load(lanes)` | the same number in all lanes; zero; the number for each lane |
//! | `or_differences(acc, a, b)` | `acc`, with those bits set in which `a` and `b` differ |
//! | `zeros(a)` | for all lanes together: the mask of those that are zero |
//!
//! The model, `plain`, defines the operations. The others have one instruction for each.

/// Arrays of integers. In debug builds every sum is checked against the bounds of the arithmetic.
pub(crate) mod plain {
    use crate::montgomery::{COLUMN_BOUND, DIGIT_BITS, DIGIT_MAX};

    pub(crate) const LANES: usize = 8;
    pub(crate) type V = [u64; LANES];

    fn each(f: impl Fn(usize) -> u64) -> V {
        core::array::from_fn(f)
    }

    fn product(a: u64, b: u64) -> u128 {
        u128::from(a & DIGIT_MAX) * u128::from(b & DIGIT_MAX)
    }

    /// Passes a column on.
    fn column(sum: u64) -> u64 {
        debug_assert!(sum < COLUMN_BOUND, "lemma 2");
        sum
    }

    pub(crate) fn lo(acc: V, a: V, b: V) -> V {
        each(|lane| column(acc[lane] + (product(a[lane], b[lane]) as u64 & DIGIT_MAX)))
    }

    pub(crate) fn hi(acc: V, a: V, b: V) -> V {
        each(|lane| column(acc[lane] + (product(a[lane], b[lane]) >> DIGIT_BITS) as u64))
    }

    pub(crate) fn add(a: V, b: V) -> V {
        each(|lane| a[lane] + b[lane])
    }

    pub(crate) fn carry(a: V) -> V {
        a.map(|lane| lane >> DIGIT_BITS)
    }

    pub(crate) fn digit(a: V) -> V {
        a.map(|lane| lane & DIGIT_MAX)
    }

    pub(crate) fn splat(a: u64) -> V {
        [a; LANES]
    }

    pub(crate) fn zero() -> V {
        splat(0)
    }

    pub(crate) fn load(lanes: &[u64; LANES]) -> V {
        *lanes
    }

    pub(crate) fn or_differences(acc: V, a: V, b: V) -> V {
        each(|lane| acc[lane] | (a[lane] ^ b[lane]))
    }

    pub(crate) fn zeros(a: V) -> u8 {
        a.iter().enumerate().map(|(lane, a)| u8::from(*a == 0) << lane).sum()
    }
}

/// The operations on registers of one width, from their intrinsics.
#[cfg(target_arch = "x86_64")]
macro_rules! registers {
    ($module:ident, $doc:literal, $vector:ident, $lanes:literal, $features:literal,
     $lo:ident $hi:ident $add:ident $shift:ident $and:ident $splat:ident $zero:ident
     $or:ident $xor:ident $equal:ident, $set:ident($($index:literal),*)) => {
        #[doc = $doc]
        pub(crate) mod $module {
            use core::arch::x86_64::*;

            use crate::montgomery::DIGIT_MAX;

            pub(crate) const LANES: usize = $lanes;
            pub(crate) type V = $vector;

            #[inline]
            #[target_feature(enable = $features)]
            pub(crate) fn lo(acc: V, a: V, b: V) -> V {
                $lo(acc, a, b)
            }

            #[inline]
            #[target_feature(enable = $features)]
            pub(crate) fn hi(acc: V, a: V, b: V) -> V {
                $hi(acc, a, b)
            }

            #[inline]
            #[target_feature(enable = $features)]
            pub(crate) fn add(a: V, b: V) -> V {
                $add(a, b)
            }

            #[inline]
            #[target_feature(enable = $features)]
            pub(crate) fn carry(a: V) -> V {
                $shift::<52>(a)
            }

            #[inline]
            #[target_feature(enable = $features)]
            pub(crate) fn digit(a: V) -> V {
                $and(a, splat(DIGIT_MAX))
            }

            #[inline]
            #[target_feature(enable = $features)]
            pub(crate) fn splat(a: u64) -> V {
                $splat(a.cast_signed())
            }

            #[inline]
            #[target_feature(enable = $features)]
            pub(crate) fn zero() -> V {
                $zero()
            }

            #[inline]
            #[target_feature(enable = $features)]
            pub(crate) fn load(lanes: &[u64; LANES]) -> V {
                $set($(lanes[$index].cast_signed()),*)
            }

            #[inline]
            #[target_feature(enable = $features)]
            pub(crate) fn or_differences(acc: V, a: V, b: V) -> V {
                $or(acc, $xor(a, b))
            }

            #[inline]
            #[target_feature(enable = $features)]
            pub(crate) fn zeros(a: V) -> u8 {
                $equal(a, zero())
            }
        }
    };
}

#[cfg(target_arch = "x86_64")]
registers!(
    wide, "512-bit registers.", __m512i, 8, "avx512f,avx512ifma",
    _mm512_madd52lo_epu64 _mm512_madd52hi_epu64 _mm512_add_epi64 _mm512_srli_epi64
    _mm512_and_si512 _mm512_set1_epi64 _mm512_setzero_si512 _mm512_or_si512 _mm512_xor_si512
    _mm512_cmpeq_epi64_mask, _mm512_set_epi64(7, 6, 5, 4, 3, 2, 1, 0)
);

#[cfg(target_arch = "x86_64")]
registers!(
    narrow, "256-bit registers.", __m256i, 4, "avx2,avx512f,avx512ifma,avx512vl",
    _mm256_madd52lo_epu64 _mm256_madd52hi_epu64 _mm256_add_epi64 _mm256_srli_epi64
    _mm256_and_si256 _mm256_set1_epi64x _mm256_setzero_si256 _mm256_or_si256 _mm256_xor_si256
    _mm256_cmpeq_epi64_mask, _mm256_set_epi64x(3, 2, 1, 0)
);
