//! The arithmetic: Montgomery products of many numbers at once, one number a lane.
//!
//! One text, the macro [`kernel`], is instantiated for each width of vectors: with 512-bit and
//! 256-bit registers of AVX-512 IFMA, and with arrays of plain integers, which is the model that
//! runs everywhere.
//!
//! # Numbers
//!
//! A number has 40 digits in radix 2^52, the lowest first, and digit *i* of all lanes is one
//! vector: [`Num`](self). R = 2^2080 is the Montgomery factor. A modulus n is below 2^2048 and odd,
//! so there are 32 bits of slack, and nothing is ever subtracted:
//!
//! **Bound.** For a, b < 2^2050 the Montgomery product r = (a·b + q·n) / R, where q < R makes the
//! division exact, is less than 2^4100 / 2^2080 + n = n + 2^2020. That is less than 2^2050 again.
//!
//! # Columns
//!
//! `lo` and `hi` add the lower or upper 52 bits of a product of two digits to an accumulator.
//! Column *c* of a·b + q·n takes the lower halves of all products of digits *i* + *j* = *c*, the
//! upper halves of those with *i* + *j* = *c* − 1, and the carry of column *c* − 1. Eight columns,
//! a *block*, are summed at a time, in nine accumulators that stay in registers: the ninth takes
//! the upper halves of the eighth column, and becomes the first of the next block.
//!
//! **Column bound.** A column sums at most 40 lower and 40 upper halves of a·b, as many of q·n,
//! each below 2^52, and one carry. If the column before it is below 2^60, the carry is at most
//! 2^8, so the column is below 160·2^52 + 2^8 < 2^60, and no accumulator of 64 bits overflows.
//!
//! **Carry.** In the lower half of the columns, the digit d of q is chosen so that column + lo(d·n₀)
//! ends in 52 zero bits. So lo(d·n₀) need not be computed: it is 0 if the lower 52 bits of the
//! column are zero, else what fills them up to 2^52, and the carry is
//! (column + 2^52 − 1) >> 52 either way.
//!
//! # Why this text can be trusted
//!
//! There is no branch, index or shift that depends on data. Each product of two digits takes part
//! in each operation, so a wrong index fails at the first number that is tried. What depends on
//! data are carries, and they are the three statements above.

/// Digits of a number.
pub(crate) const DIGITS: usize = 40;
/// Bits of a digit.
pub(crate) const DIGIT_BITS: u32 = 52;
/// Largest digit.
pub(crate) const DIGIT_MAX: u64 = (1 << DIGIT_BITS) - 1;

/// Columns of a block.
pub(crate) const COLUMNS: usize = 8;
/// Blocks of each half of the columns of a product.
pub(crate) const BLOCKS: usize = DIGITS / COLUMNS;

// Bound: products of two numbers below 2^2050, and of R and a modulus, stay below 2^2050 · R.
const _: () = assert!(DIGITS as u32 * DIGIT_BITS >= 2 * 2050 - 2048 + 1);
// Column bound: 160 halves and a carry.
const _: () = assert!(4 * DIGITS as u128 * (1 << DIGIT_BITS) + (1 << 8) < 1 << 60);
// The blocks cover the columns.
const _: () = assert!(BLOCKS * COLUMNS == DIGITS);

/// Numbers that one call of a kernel works on, digit by digit, lane by lane.
pub(crate) struct Lanes<const LANES: usize> {
    /// Moduli.
    pub(crate) n: [[u64; LANES]; DIGITS],
    /// R² modulo each modulus.
    pub(crate) rr: [[u64; LANES]; DIGITS],
    /// −1/n modulo 2^52.
    pub(crate) k0: [u64; LANES],
    /// Bases.
    pub(crate) base: [[u64; LANES]; DIGITS],
    /// Powers that the bases must have.
    pub(crate) power: [[u64; LANES]; DIGITS],
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

/// Adds a digit times the digits of a window that meet it in the columns of a block. Each
/// pair is a column and an index.
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

/// Rows that reach below the first digit of `$b`: row *t* meets digit *k − t* in column
/// *k*.
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

/// Rows that reach beyond the last digit of `$b`: row *u* meets digit 39 − *u* + *k* in
/// column *k*. The window starts at digit 32.
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

/// One digit of q: from column `$k`, with the digits of n that meet it in the columns
/// above. Column `$k` is complete, and is zero after this but for its carry.
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

/// Subtracts, in a block of the lower half, the multiple of n that makes its columns zero.
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
        // What is left is the carry into the next block.
        $acc = carried!($acc);
    }};
}

/// Adds, in a block of the upper half, the multiples of n found before, and writes the
/// block's digits.
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
        $acc = carried!($acc);
    }};
}

/// Rows of a square next to its diagonal: in row *t* of the four that begin the middle of
/// a block, the digits above the row's own.
macro_rules! beside_diagonal {
    ($acc:ident, $a:expr, $middle:expr) => {{
        let a = &$a[$middle..$middle + COLUMNS];
        row!($acc, a[0], a, 1 1, 2 2, 3 3, 4 4, 5 5, 6 6, 7 7);
        row!($acc, a[1], a, 3 2, 4 3, 5 4, 6 5, 7 6);
        row!($acc, a[2], a, 5 3, 6 4, 7 5);
        row!($acc, a[3], a, 7 4);
    }};
}

/// Doubles what a block has summed, and adds the diagonal and the carry from before.
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

impl<const LANES: usize> Lanes<LANES> {
    pub(crate) const EMPTY: Self = {
        let zeros = [[0; LANES]; DIGITS];
        Self { n: zeros, rr: zeros, k0: [0; LANES], base: zeros, power: zeros }
    };
}

/// Instantiates the kernel for one width. `$vectors` names the module of its vectors and
/// their operations; the attributes enable the instructions.
macro_rules! kernel {
    ($(#[$attribute:meta])* $vectors:ident) => {
        use $crate::kernel::{BLOCKS, COLUMNS, DIGIT_MAX, DIGITS, Lanes};
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
            }
            for block in BLOCKS..2 * BLOCKS {
                let first = block * COLUMNS;
                upper_edge!(acc, &a[first - (DIGITS - 1)..first - (DIGITS - COLUMNS)], b);
                for i in first - (DIGITS - COLUMNS)..DIGITS {
                    full!(acc, a[i], &b[first - i..first - i + COLUMNS]);
                }
                write_block!(acc, q, first, modulus, out);
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

        /// Lanes in which `power` is `base`^65537 modulo n, as a mask.
        ///
        /// The power that is computed is congruent to it and below n + 2^2020, so the comparison
        /// is exact for a `power` of at least 2^2020.
        $(#[$attribute])*
        pub(crate) fn has_power(lanes: &Lanes<{ LANES }>) -> u8 {
            let modulus = Modulus { n: number(&lanes.n), k0: load(&lanes.k0) };
            let (rr, base, power) = (number(&lanes.rr), number(&lanes.base), number(&lanes.power));
            let (mut x, mut y, mut q) = (base, base, base);
            multiply(&base, &rr, &modulus, &mut x, &mut q);
            for _ in 0..8 {
                square(&x, &modulus, &mut y, &mut q);
                square(&y, &modulus, &mut x, &mut q);
            }
            multiply(&x, &base, &modulus, &mut y, &mut q);
            let mut differences = zero();
            for (found, wanted) in y.iter().zip(&power) {
                differences = or_differences(differences, *found, *wanted);
            }
            zeros(differences)
        }

        $(#[$attribute])*
        fn number(digits: &[[u64; LANES]; DIGITS]) -> Num {
            let mut number = [zero(); DIGITS];
            for (vector, lanes) in number.iter_mut().zip(digits) {
                *vector = load(lanes);
            }
            number
        }
    };
}

