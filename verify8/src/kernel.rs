//! Kernels, which judge claims.

use crate::claim::{Claim, Verdicts};
use crate::encoded::encoded_message;
use crate::key::digits;
#[cfg(test)]
use crate::montgomery::tests;
use crate::montgomery::{DIGITS, Lanes};
use crate::self_test;

/// An implementation that this processor can run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kernel {
    /// For no more claims than a narrow call takes.
    few: Width,
    /// For more.
    many: Width,
}

/// A width of vectors. The two of registers exist only where their instructions were detected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Width {
    #[cfg(target_arch = "x86_64")]
    Wide,
    #[cfg(target_arch = "x86_64")]
    Narrow,
    Plain,
}

/// Calls a function of the instance of the arithmetic for a width.
macro_rules! call {
    ($width:expr, $function:ident($($argument:expr),*)) => {
        match $width {
            #[cfg(target_arch = "x86_64")]
            Width::Wide => call!(@detected wide, $function($($argument),*)),
            #[cfg(target_arch = "x86_64")]
            Width::Narrow => call!(@detected narrow, $function($($argument),*)),
            Width::Plain => crate::plain::$function($($argument),*),
        }
    };
    (@detected $instance:ident, $function:ident($($argument:expr),*)) => {{
        // SAFETY: `Kernel::wide` and `Kernel::narrow` alone name these widths, after they detected
        // the instructions that the functions of the instance are compiled for.
        #[expect(unsafe_code, reason = "a function for processors with certain instructions")]
        let result = unsafe { crate::$instance::$function($($argument),*) };
        result
    }};
}

impl Kernel {
    /// Claims that one call takes.
    pub const MOST: usize = 8;

    /// The fastest kernel of this processor, which uses vectors of 256 bits for up to four claims and
    /// of 512 bits for more. It has passed its [self test](Self::passes_self_test).
    ///
    /// `None` without AVX-512 IFMA and VL, or if a width failed. Takes up to a millisecond, so call
    /// it once.
    #[must_use]
    pub fn detect() -> Option<Self> {
        let kernel = Self { few: Self::narrow()?.few, many: Self::wide()?.many };
        kernel.passes_self_test().then_some(kernel)
    }

    /// Eight lanes in 512-bit registers. `None` without AVX-512 IFMA. Not self-tested.
    #[must_use]
    pub fn wide() -> Option<Self> {
        #[cfg(target_arch = "x86_64")]
        if is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512ifma") {
            return Some(Self::of(Width::Wide));
        }
        None
    }

    /// Four lanes in 256-bit registers, which takes less time for up to four claims. `None` without
    /// AVX-512 IFMA and VL. Not self-tested.
    #[must_use]
    pub fn narrow() -> Option<Self> {
        #[cfg(target_arch = "x86_64")]
        if is_x86_feature_detected!("avx2")
            && is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512ifma")
            && is_x86_feature_detected!("avx512vl")
        {
            return Some(Self::of(Width::Narrow));
        }
        None
    }

    /// The model in plain integers, which runs everywhere and is slow. It is what the others are
    /// compared with, and what runs under Miri.
    #[must_use]
    pub const fn model() -> Self {
        Self::of(Width::Plain)
    }

    const fn of(width: Width) -> Self {
        Self { few: width, many: width }
    }

    /// Claims that are judged together, in about the time of one.
    #[must_use]
    pub const fn lanes(self) -> usize {
        self.many.lanes()
    }

    /// Judges up to [`MOST`](Self::MOST) claims, each for itself. Any claims beyond that are invalid.
    #[must_use]
    pub fn verify(self, claims: &[Claim<'_>]) -> Verdicts {
        let claims = &claims[..claims.len().min(Self::MOST)];
        let width = if claims.len() <= FEW { self.few } else { self.many };
        let mut verdicts = 0;
        for (nth, together) in claims.chunks(width.lanes()).enumerate() {
            verdicts |= width.judge(together) << (nth * width.lanes());
        }
        Verdicts(verdicts)
    }

    /// Whether known valid claims are judged valid, and known invalid ones invalid, in every lane of
    /// both widths. With AVX-512 IFMA this takes less than a millisecond.
    #[must_use]
    pub fn passes_self_test(self) -> bool {
        self_test::passes(|claims| self.verify(claims))
    }
}

#[cfg(test)]
impl Kernel {
    /// Mask of the right products, and of the right squares.
    pub(crate) fn products_agree(self, products: &[tests::Product<'_>]) -> [u8; 2] {
        call!(self.many, products_agree(&tests::product_lanes(products)))
    }

    /// Mask of the right powers of reduced bases.
    pub(crate) fn powers_agree(self, powers: &[&tests::Power<'_>]) -> u8 {
        call!(self.many, verdicts(&tests::power_lanes(powers)))
    }
}

/// Lanes of 256-bit registers.
const FEW: usize = 4;
const _: () = assert!(Kernel::MOST == u8::BITS as usize, "a bit of `Verdicts` for each claim");

impl Width {
    const fn lanes(self) -> usize {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Wide => crate::vectors::wide::LANES,
            #[cfg(target_arch = "x86_64")]
            Self::Narrow => crate::vectors::narrow::LANES,
            Self::Plain => crate::vectors::plain::LANES,
        }
    }

    /// Mask of the valid claims among as many as there are lanes, or fewer.
    fn judge(self, claims: &[Claim<'_>]) -> u8 {
        call!(self, verdicts(&lanes(claims)))
    }
}

/// Puts each claim into a lane. Lanes without a claim stay empty.
fn lanes<const LANES: usize>(claims: &[Claim<'_>]) -> Lanes<LANES> {
    let mut lanes = Lanes::EMPTY;
    for (lane, Claim { key, digest, signature }) in claims.iter().take(LANES).enumerate() {
        let put = |numbers: &mut [[u64; LANES]; DIGITS], number: &[u64; DIGITS]| {
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
