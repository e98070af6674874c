//! The arithmetic: Montgomery products of many numbers at once, one number a lane.
//!
//! One text, the macro `montgomery!`, is instantiated for each width of vectors: for the 512-bit
//! and the 256-bit registers of AVX-512 IFMA, and for arrays of plain integers. The last is the
//! model, which runs everywhere.
//!
//! # Numbers
//!
//! A number has 40 digits in radix 2^52, the lowest first, and digit *i* of all lanes is one vector.
//! The Montgomery factor is R = 2^2080. A modulus n is odd and below 2^2048, which leaves 32 bits of
//! slack, so nothing is ever subtracted:
//!
//! **Lemma 1 (result).** For a, b < 2^2050 the Montgomery product r = (a·b + q·n) / R is below
//! n + 2^2020, because a·b < 2^4100 and q < R. As n + 2^2020 < 2^2050, r is again such a number, and
//! 40 digits hold it: no carry is left beyond the last one.
//!
//! # Columns
//!
//! `lo` and `hi` add the lower or the upper 52 bits of a product of two digits to an accumulator.
//! Column *c* of a·b + q·n sums the lower halves of all products of digits *i* + *j* = *c*, the upper
//! halves of those with *i* + *j* = *c* − 1, and the carry out of column *c* − 1. Eight columns, a
//! *block*, are summed at a time, in nine accumulators that stay in registers. The ninth takes the
//! upper halves of the eighth column, and is the first of the next block.
//!
//! **Lemma 2 (column).** A column is below 2^60, so no accumulator overflows its 64 bits. It sums at
//! most 40 lower and 40 upper halves of a·b, and as many of q·n, each at most 2^52 − 1, and one carry.
//! The carry out of a column below 2^60 is at most 2^8, and 160·(2^52 − 1) + 2^8 < 2^60.
//!
//! **Lemma 3 (carry).** In columns 0 to 39 a digit d of q is chosen such that column + lo(d·n₀) is
//! divisible by 2^52: d = column·k₀ mod 2^52, where k₀·n₀ ≡ −1. So lo(d·n₀), which is below 2^52, is
//! what the column lacks to the next multiple of 2^52, and the carry is the column divided by 2^52,
//! rounded up: (column + 2^52 − 1) >> 52. The product lo(d·n₀) itself is never computed.
//!
//! # Why this text can be trusted
//!
//! No branch, index or shift depends on data. Every product of two digits takes part in every
//! operation, so a wrong index fails at the first number that is tried. Only carries depend on data,
//! and they are the subject of the three lemmas. The constant assertions below state their
//! arithmetic, the model asserts lemma 2 for every sum in debug builds, and the tests assert lemma 1
//! for every result.

/// Digits of a number.
pub(crate) const DIGITS: usize = 40;
/// Bits of a digit.
pub(crate) const DIGIT_BITS: u32 = 52;
/// Largest digit.
pub(crate) const DIGIT_MAX: u64 = (1 << DIGIT_BITS) - 1;
/// What a column stays below.
pub(crate) const COLUMN_BOUND: u64 = 1 << 60;

/// Columns of a block.
pub(crate) const COLUMNS: usize = 8;
/// Blocks of the lower half of the columns of a product, and of the upper half.
pub(crate) const BLOCKS: usize = DIGITS / COLUMNS;
const _: () = assert!(BLOCKS * COLUMNS == DIGITS);

/// Moduli are below 2 to this power, and at least half of that.
const MODULUS_BITS: u32 = 2048;
/// Factors of a Montgomery product are below 2 to this power.
const FACTOR_BITS: u32 = 2050;
/// A Montgomery product is below n + 2 to this power.
pub(crate) const EXCESS_BITS: u32 = 2 * FACTOR_BITS - DIGITS as u32 * DIGIT_BITS;

// Lemma 1: a product can be a factor.
const _: () = assert!(EXCESS_BITS == 2020);
const _: () = assert!(EXCESS_BITS <= MODULUS_BITS && MODULUS_BITS < FACTOR_BITS);
// Lemma 2: if the column before is below the bound, this one is.
const _: () =
    assert!(4 * DIGITS as u64 * DIGIT_MAX + carry_rounded_up(COLUMN_BOUND - 1) < COLUMN_BOUND);
// Lemma 3: the quotient is rounded up, and rounding does not overflow.
const _: () = assert!(carry_rounded_up(0) == 0 && carry_rounded_up(1) == 1);
const _: () = assert!(carry_rounded_up(DIGIT_MAX) == 1 && carry_rounded_up(DIGIT_MAX + 1) == 1);
const _: () = assert!(carry_rounded_up(DIGIT_MAX + 2) == 2);
const _: () = assert!(COLUMN_BOUND.checked_add(DIGIT_MAX).is_some());

/// Carry out of a column of the lower half, as `quotient!` computes it.
const fn carry_rounded_up(column: u64) -> u64 {
    (column + DIGIT_MAX) >> DIGIT_BITS
}

/// The numbers of one call: for each lane, is `base` below n, and `base`^65537 modulo n the `power`?
pub(crate) struct Lanes<const LANES: usize> {
    /// Moduli: odd, at least 2^2047 and below 2^2048.
    pub(crate) n: [[u64; LANES]; DIGITS],
    /// R² modulo each modulus.
    pub(crate) rr: [[u64; LANES]; DIGITS],
    /// −1/n modulo 2^52.
    pub(crate) k0: [u64; LANES],
    /// Bases, below 2^2048.
    pub(crate) base: [[u64; LANES]; DIGITS],
    /// Expected powers, at least 2^2020 and below the modulus.
    pub(crate) power: [[u64; LANES]; DIGITS],
}

impl<const LANES: usize> Lanes<LANES> {
    /// Zeros. The answer for a lane that keeps them is no, because no base is below them.
    pub(crate) const EMPTY: Self = {
        let zeros = [[0; LANES]; DIGITS];
        Self { n: zeros, rr: zeros, k0: [0; LANES], base: zeros, power: zeros }
    };

    /// Mask of the lanes whose base is below n.
    pub(crate) fn reduced(&self) -> u8 {
        let is_reduced = |lane: usize| {
            let base = self.base.iter().rev().map(|lanes| lanes[lane]);
            base.lt(self.n.iter().rev().map(|lanes| lanes[lane]))
        };
        (0..LANES).map(|lane| u8::from(is_reduced(lane)) << lane).sum()
    }
}

/// The accumulators of the next block: the ninth of this one, and zeros.
macro_rules! carried {
    ($acc:ident) => {{
        let mut next = [zero(); COLUMNS + 1];
        next[0] = $acc[COLUMNS];
        next
    }};
}

/// Adds the halves of `$digit` times `$window[$j]` to columns `$k` and `$k + 1`.
macro_rules! term {
    ($acc:ident, $digit:expr, $window:expr, $k:literal, $j:literal) => {
        $acc[$k] = lo($acc[$k], $digit, $window[$j]);
        $acc[$k + 1] = hi($acc[$k + 1], $digit, $window[$j]);
    };
}

/// Adds a digit times the digits of a window that meet it in the columns of a block. Each pair is a
/// column and an index into the window.
macro_rules! row {
    ($acc:ident, $digit:expr, $window:expr, $($k:literal $j:literal),*) => {{
        let (digit, window) = ($digit, $window);
        $(term!($acc, digit, window, $k, $j);)*
    }};
}

/// The whole window: eight digits, one for each column.
macro_rules! full {
    ($acc:ident, $digit:expr, $window:expr) => {
        row!($acc, $digit, $window, 0 0, 1 1, 2 2, 3 3, 4 4, 5 5, 6 6, 7 7)
    };
}

/// Rows that reach below the first digit of `$b`: the row at index *t* meets digit *k* − 1 − *t* in
/// column *k*.
macro_rules! lower_edge {
    ($acc:ident, $rows:expr, $b:expr) => {{
        let (rows, b) = ($rows, &$b[..COLUMNS]);
        row!($acc, rows[0], b, 1 0, 2 1, 3 2, 4 3, 5 4, 6 5, 7 6);
        row!($acc, rows[1], b, 2 0, 3 1, 4 2, 5 3, 6 4, 7 5);
        row!($acc, rows[2], b, 3 0, 4 1, 5 2, 6 3, 7 4);
        row!($acc, rows[3], b, 4 0, 5 1, 6 2, 7 3);
        row!($acc, rows[4], b, 5 0, 6 1, 7 2);
        row!($acc, rows[5], b, 6 0, 7 1);
        row!($acc, rows[6], b, 7 0);
    }};
}

/// Rows that reach beyond the last digit of `$b`: the row at index *t* meets digit 39 − *t* + *k* in
/// column *k*. The window begins at digit 32.
macro_rules! upper_edge {
    ($acc:ident, $rows:expr, $b:expr) => {{
        let (rows, b) = ($rows, &$b[DIGITS - COLUMNS..]);
        row!($acc, rows[0], b, 0 7);
        row!($acc, rows[1], b, 0 6, 1 7);
        row!($acc, rows[2], b, 0 5, 1 6, 2 7);
        row!($acc, rows[3], b, 0 4, 1 5, 2 6, 3 7);
        row!($acc, rows[4], b, 0 3, 1 4, 2 5, 3 6, 4 7);
        row!($acc, rows[5], b, 0 2, 1 3, 2 4, 3 5, 4 6, 5 7);
        row!($acc, rows[6], b, 0 1, 1 2, 2 3, 3 4, 4 5, 5 6, 6 7);
    }};
}

/// One digit of q, from column `$k`, which is complete: adds its products with the digits of n to the
/// columns above, and the carry by lemma 3. Column `$k` itself is not needed any more.
macro_rules! quotient {
    ($acc:ident, $q:expr, $modulus:ident, $k:literal, $($above:literal $j:literal),*) => {{
        let n = &$modulus.n;
        let digit = lo(zero(), $acc[$k], $modulus.k0);
        $q[$k] = digit;
        $acc[$k + 1] = hi($acc[$k + 1], digit, n[0]);
        let filled = add($acc[$k], splat(DIGIT_MAX));
        $acc[$k + 1] = add($acc[$k + 1], carry(filled));
        $(term!($acc, digit, n, $above, $j);)*
    }};
}

/// Adds, in a block of the lower half, the multiples of n found so far, and finds those that make its
/// own columns zero.
macro_rules! reduce {
    ($acc:ident, $q:ident, $first:ident, $modulus:ident) => {{
        for i in 0..$first {
            full!($acc, $q[i], &$modulus.n[$first - i..$first - i + COLUMNS]);
        }
        let q = &mut $q[$first..$first + COLUMNS];
        quotient!($acc, q, $modulus, 0, 1 1, 2 2, 3 3, 4 4, 5 5, 6 6, 7 7);
        quotient!($acc, q, $modulus, 1, 2 1, 3 2, 4 3, 5 4, 6 5, 7 6);
        quotient!($acc, q, $modulus, 2, 3 1, 4 2, 5 3, 6 4, 7 5);
        quotient!($acc, q, $modulus, 3, 4 1, 5 2, 6 3, 7 4);
        quotient!($acc, q, $modulus, 4, 5 1, 6 2, 7 3);
        quotient!($acc, q, $modulus, 5, 6 1, 7 2);
        quotient!($acc, q, $modulus, 6, 7 1);
        quotient!($acc, q, $modulus, 7,);
    }};
}

/// Adds, in a block of the upper half, the multiples of n found before, and writes the block's
/// digits.
macro_rules! write_block {
    ($acc:ident, $q:ident, $first:ident, $modulus:ident, $out:ident) => {{
        upper_edge!($acc, &$q[$first - (DIGITS - 1)..$first - (DIGITS - COLUMNS)], &$modulus.n);
        for i in $first - (DIGITS - COLUMNS)..DIGITS {
            full!($acc, $q[i], &$modulus.n[$first - i..$first - i + COLUMNS]);
        }
        let out = &mut $out[$first - DIGITS..$first - DIGITS + COLUMNS];
        for k in 0..COLUMNS {
            out[k] = digit($acc[k]);
            $acc[k + 1] = add($acc[k + 1], carry($acc[k]));
        }
    }};
}

/// Rows of a square beside its diagonal. The block's columns begin at twice `$middle`, so the row of
/// digit `$middle` + *t* meets digit `$middle` + *k* − *t* in column *k*, and only digits above its
/// own are taken.
macro_rules! beside_diagonal {
    ($acc:ident, $a:expr, $middle:expr) => {{
        let a = &$a[$middle..$middle + COLUMNS];
        row!($acc, a[0], a, 1 1, 2 2, 3 3, 4 4, 5 5, 6 6, 7 7);
        row!($acc, a[1], a, 3 2, 4 3, 5 4, 6 5, 7 6);
        row!($acc, a[2], a, 5 3, 6 4, 7 5);
        row!($acc, a[3], a, 7 4);
    }};
}

/// Doubles what a block has summed, and adds the carry and the squares of digits: of the four digits
/// `$a`, that at index *t* belongs to column 2*t*.
macro_rules! complete_square {
    ($acc:ident, $a:expr, $carry:ident) => {{
        for column in &mut $acc {
            *column = add(*column, *column);
        }
        $acc[0] = add($acc[0], $carry);
        let a = $a;
        row!($acc, a[0], a, 0 0);
        row!($acc, a[1], a, 2 1);
        row!($acc, a[2], a, 4 2);
        row!($acc, a[3], a, 6 3);
    }};
}

/// Instantiates the arithmetic for one width. `$vectors` names the module of the vectors and their
/// operations; the attribute enables their instructions.
macro_rules! montgomery {
    ($(#[$attribute:meta])* $vectors:ident) => {
        use $crate::montgomery::{BLOCKS, COLUMNS, DIGIT_MAX, DIGITS, Lanes};
        use $crate::vectors::$vectors::*;

        /// One number in each lane.
        pub(crate) type Num = [V; DIGITS];

        /// Modulus of each lane, with −1/n modulo 2^52.
        pub(crate) struct Modulus {
            n: Num,
            k0: V,
        }

        /// Montgomery product: `out` = a·b/R modulo n, below n + 2^2020. `q` is scratch.
        $(#[$attribute])*
        pub(crate) fn multiply(a: &Num, b: &Num, modulus: &Modulus, out: &mut Num, q: &mut Num) {
            let mut acc = [zero(); COLUMNS + 1];
            for block in 0..BLOCKS {
                let first = block * COLUMNS;
                for i in 0..=first {
                    full!(acc, a[i], &b[first - i..first - i + COLUMNS]);
                }
                lower_edge!(acc, &a[first + 1..first + COLUMNS], b);
                reduce!(acc, q, first, modulus);
                acc = carried!(acc);
            }
            for block in BLOCKS..2 * BLOCKS {
                let first = block * COLUMNS;
                upper_edge!(acc, &a[first - (DIGITS - 1)..first - (DIGITS - COLUMNS)], b);
                for i in first - (DIGITS - COLUMNS)..DIGITS {
                    full!(acc, a[i], &b[first - i..first - i + COLUMNS]);
                }
                write_block!(acc, q, first, modulus, out);
                acc = carried!(acc);
            }
        }

        /// Montgomery square: `out` = a²/R modulo n, below n + 2^2020. `q` is scratch.
        ///
        /// Each pair of different digits is multiplied once, and the sums are doubled.
        $(#[$attribute])*
        pub(crate) fn square(a: &Num, modulus: &Modulus, out: &mut Num, q: &mut Num) {
            let mut acc = [zero(); COLUMNS + 1];
            for block in 0..BLOCKS {
                let (first, middle) = (block * COLUMNS, block * COLUMNS / 2);
                let carry = core::mem::replace(&mut acc[0], zero());
                for i in 0..middle {
                    full!(acc, a[i], &a[first - i..first - i + COLUMNS]);
                }
                beside_diagonal!(acc, a, middle);
                complete_square!(acc, &a[middle..middle + COLUMNS / 2], carry);
                reduce!(acc, q, first, modulus);
                acc = carried!(acc);
            }
            for block in BLOCKS..2 * BLOCKS - 1 {
                let (first, middle) = (block * COLUMNS, block * COLUMNS / 2);
                let carry = core::mem::replace(&mut acc[0], zero());
                upper_edge!(acc, &a[first - (DIGITS - 1)..first - (DIGITS - COLUMNS)], a);
                for i in first - (DIGITS - COLUMNS)..middle {
                    full!(acc, a[i], &a[first - i..first - i + COLUMNS]);
                }
                beside_diagonal!(acc, a, middle);
                complete_square!(acc, &a[middle..middle + COLUMNS / 2], carry);
                write_block!(acc, q, first, modulus, out);
                acc = carried!(acc);
            }
            // In the last block the upper edge and the diagonal meet.
            let first = (2 * BLOCKS - 1) * COLUMNS;
            let carry = core::mem::replace(&mut acc[0], zero());
            let top = &a[DIGITS - COLUMNS..];
            row!(acc, top[1], top, 0 7);
            row!(acc, top[2], top, 0 6, 1 7);
            row!(acc, top[3], top, 0 5, 1 6, 2 7);
            row!(acc, top[4], top, 1 5, 2 6, 3 7);
            row!(acc, top[5], top, 3 6, 4 7);
            row!(acc, top[6], top, 5 7);
            complete_square!(acc, &top[COLUMNS / 2..], carry);
            write_block!(acc, q, first, modulus, out);
        }

        /// Mask of the lanes in which `base` is below n, and `base`^65537 is `power` modulo n.
        ///
        /// By lemma 1 the computed power is below n + 2^2020, and it is right modulo n. So it either
        /// is the expected `power` or differs from it modulo n: `power` + n would be too large,
        /// because `power` is at least 2^2020.
        $(#[$attribute])*
        pub(crate) fn verdicts(lanes: &Lanes<{ LANES }>) -> u8 {
            let modulus = Modulus { n: number(&lanes.n), k0: load(&lanes.k0) };
            let (rr, base) = (number(&lanes.rr), number(&lanes.base));
            // Any contents would do: each product writes all digits of `out` and of `q`.
            let (mut x, mut y, mut q) = (base, base, base);
            multiply(&base, &rr, &modulus, &mut x, &mut q);
            for _ in 0..8 {
                square(&x, &modulus, &mut y, &mut q);
                square(&y, &modulus, &mut x, &mut q);
            }
            // x is base^65536·R. This product removes R again.
            multiply(&x, &base, &modulus, &mut y, &mut q);
            equal(&y, &number(&lanes.power)) & lanes.reduced()
        }

        /// Mask of the lanes in which all digits are equal.
        $(#[$attribute])*
        fn equal(a: &Num, b: &Num) -> u8 {
            let mut differences = zero();
            for (a, b) in a.iter().zip(b) {
                differences = or_differences(differences, *a, *b);
            }
            zeros(differences)
        }

        /// Arranges digits of all lanes as vectors.
        $(#[$attribute])*
        fn number(digits: &[[u64; LANES]; DIGITS]) -> Num {
            let mut number = [zero(); DIGITS];
            for (vector, lanes) in number.iter_mut().zip(digits) {
                *vector = load(lanes);
            }
            number
        }

        /// Masks of the lanes in which the product and the square of given numbers are the expected
        /// ones, digit by digit.
        #[cfg(test)]
        $(#[$attribute])*
        pub(crate) fn products_agree(lanes: &$crate::montgomery::tests::Products<{ LANES }>) -> [u8; 2] {
            let modulus = Modulus { n: number(&lanes.n), k0: load(&lanes.k0) };
            let (a, b) = (number(&lanes.a), number(&lanes.b));
            let (mut product, mut square_of_a, mut q) = (a, a, a);
            multiply(&a, &b, &modulus, &mut product, &mut q);
            square(&a, &modulus, &mut square_of_a, &mut q);
            [equal(&product, &number(&lanes.product)), equal(&square_of_a, &number(&lanes.square))]
        }
    };
}

#[cfg(test)]
pub(crate) mod tests;
