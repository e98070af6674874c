//! Products and squares against `num-bigint`, with numbers chosen to force carries.

use std::iter;

use chacha20::ChaCha20Rng;
use num_bigint::BigUint;
use rand_core::{Rng, SeedableRng};

use super::{DIGIT_BITS, DIGIT_MAX, DIGITS, EXCESS_BITS, FACTOR_BITS, Lanes, MODULUS_BITS};
use crate::kernel::Kernel;

/// Numbers of one call: for each lane, a·b/R and a²/R modulo n, and what they must be.
pub(crate) struct Products<const LANES: usize> {
    pub(crate) n: [[u64; LANES]; DIGITS],
    pub(crate) k0: [u64; LANES],
    pub(crate) a: [[u64; LANES]; DIGITS],
    pub(crate) b: [[u64; LANES]; DIGITS],
    pub(crate) product: [[u64; LANES]; DIGITS],
    pub(crate) square: [[u64; LANES]; DIGITS],
}

/// One lane of [`Products`].
pub(crate) struct Product<'a> {
    modulus: &'a Modulus,
    a: BigUint,
    b: BigUint,
    wanted: BigUint,
    square: BigUint,
}

impl<'a> Product<'a> {
    fn new(modulus: &'a Modulus, a: BigUint, b: BigUint) -> Self {
        let (wanted, square) = (modulus.product(&a, &b), modulus.product(&a, &a));
        Self { modulus, a, b, wanted, square }
    }
}

/// One lane of a verification: a base, and what may be its power.
pub(crate) struct Power<'a> {
    modulus: &'a Modulus,
    base: BigUint,
    wanted: BigUint,
}

#[test]
fn products_and_squares_are_those_of_num_bigint() {
    let mut rng = rng();
    let moduli = moduli(&mut rng);
    compare(&mut rng, moduli, 10_000);
}

/// `cargo test --release -p sealpost-verify8 --lib -- --ignored`
#[test]
#[ignore = "takes a minute"]
fn products_and_squares_are_those_of_num_bigint_at_length() {
    let mut rng = rng();
    let moduli = moduli(&mut rng);
    compare(&mut rng, moduli, 1_000_000);
}

/// So few that Miri can interpret it: `cargo +nightly miri test -p sealpost-verify8 --lib few`
#[test]
fn few_products_and_squares_are_those_of_num_bigint() {
    let mut rng = rng();
    compare(&mut rng, vec![power_of_two(MODULUS_BITS) - 1557_u16], 1);
}

/// Compares at least so many products, and as many squares, by each kernel.
fn compare(rng: &mut ChaCha20Rng, moduli: Vec<BigUint>, count: usize) {
    let moduli: Vec<_> = moduli.into_iter().map(Modulus::new).collect();
    let mut drawn = 0;
    while drawn < count {
        let products: Vec<_> = (0..count.min(8))
            .map(|_| {
                let modulus = &moduli[rng.next_u32() as usize % moduli.len()];
                let (a, b) = (factor(rng, &modulus.n), factor(rng, &modulus.n));
                Product::new(modulus, a, b)
            })
            .collect();
        drawn += products.len();
        for kernel in kernels() {
            for products in products.chunks(kernel.lanes()) {
                kernel.assert_products(products);
            }
        }
    }
}

/// Each pair of the chosen factors, for each modulus.
#[test]
fn chosen_factors_give_the_products_of_num_bigint() {
    let mut rng = rng();
    for modulus in moduli(&mut rng).into_iter().map(Modulus::new) {
        let chosen = chosen_factors(&modulus.n);
        let pairs = chosen.iter().flat_map(|a| iter::zip(iter::repeat(a), &chosen));
        let products: Vec<_> =
            pairs.map(|(a, b)| Product::new(&modulus, a.clone(), b.clone())).collect();
        for kernel in kernels() {
            for products in products.chunks(kernel.lanes()) {
                kernel.assert_products(products);
            }
        }
    }
}

/// Each base once with its power and twice with another number. A base that is not below the modulus
/// has no power.
#[test]
fn powers_are_those_of_num_bigint() {
    let mut rng = rng();
    let mut right = 0;
    for modulus in moduli(&mut rng).into_iter().map(Modulus::new) {
        let bases = powers_of_factors(&mut rng, &modulus);
        for kernel in kernels() {
            for chunk in bases.chunks(kernel.lanes()) {
                let expected: Vec<_> = chunk.iter().map(|(_, expected)| *expected).collect();
                let powers: Vec<_> = chunk.iter().map(|(power, _)| power).collect();
                let verdicts = kernel.powers_agree(&powers);
                let found: Vec<_> = (0..chunk.len()).map(|nth| verdicts >> nth & 1 == 1).collect();
                assert_eq!(found, expected, "{kernel:?} {:x}", modulus.n);
                right += expected.iter().filter(|expected| **expected).count();
            }
        }
    }
    assert!(right > 500, "{right}");
}

/// Powers, and for each whether it is the right one.
fn powers_of_factors<'a>(rng: &mut ChaCha20Rng, modulus: &'a Modulus) -> Vec<(Power<'a>, bool)> {
    let mut bases = chosen_factors(&modulus.n);
    bases.extend((0..10).map(|_| factor(rng, &modulus.n)));
    let bases = bases.into_iter().filter(|base| base.bits() <= u64::from(MODULUS_BITS));
    let powers = bases.flat_map(|base| {
        let wanted = base.modpow(&65537_u32.into(), &modulus.n);
        let bit = rng.next_u32() % (MODULUS_BITS - 1 - DIGIT_BITS);
        let other = &wanted ^ power_of_two(bit);
        // Two digits differ from the right ones in the same bit: the differences must not cancel.
        let twice = &other ^ power_of_two(bit + DIGIT_BITS);
        let is_reduced = base < modulus.n;
        let power = |wanted, is_right| (Power { modulus, base: base.clone(), wanted }, is_right);
        [power(wanted, is_reduced), power(other, false), power(twice, false)]
    });
    // Encoded messages are that large.
    powers.filter(|(power, _)| power.wanted.bits() > u64::from(EXCESS_BITS)).collect()
}

impl Kernel {
    fn assert_products(self, products: &[Product<'_>]) {
        let all = u8::MAX >> (8 - products.len());
        let [right_products, right_squares] = self.products_agree(products);
        let shown =
            || products.iter().map(|product| format!("{:x} * {:x}\n", product.a, product.b));
        assert_eq!(right_products & all, all, "{self:?}\n{}", shown().collect::<String>());
        assert_eq!(right_squares & all, all, "{self:?}\n{}", shown().collect::<String>());
    }
}

pub(crate) fn product_lanes<const LANES: usize>(products: &[Product<'_>]) -> Products<LANES> {
    let zeros = [[0; LANES]; DIGITS];
    let mut lanes =
        Products { n: zeros, k0: [0; LANES], a: zeros, b: zeros, product: zeros, square: zeros };
    for (lane, Product { modulus, a, b, wanted, square }) in products.iter().enumerate() {
        put(&mut lanes.n, lane, &modulus.n);
        put(&mut lanes.a, lane, a);
        put(&mut lanes.b, lane, b);
        put(&mut lanes.product, lane, wanted);
        put(&mut lanes.square, lane, square);
        lanes.k0[lane] = digits(&modulus.minus_inverse)[0];
    }
    lanes
}

pub(crate) fn power_lanes<const LANES: usize>(powers: &[&Power<'_>]) -> Lanes<LANES> {
    let mut lanes = Lanes::EMPTY;
    for (lane, Power { modulus, base, wanted }) in powers.iter().enumerate() {
        put(&mut lanes.n, lane, &modulus.n);
        put(&mut lanes.rr, lane, &(r() * r() % &modulus.n));
        put(&mut lanes.base, lane, base);
        put(&mut lanes.power, lane, wanted);
        lanes.k0[lane] = digits(&modulus.minus_inverse)[0];
    }
    lanes
}

/// Puts a number into a lane.
fn put<const LANES: usize>(numbers: &mut [[u64; LANES]; DIGITS], lane: usize, number: &BigUint) {
    for (numbers, digit) in numbers.iter_mut().zip(digits(number)) {
        numbers[lane] = digit;
    }
}

/// A modulus, with what defines its Montgomery products.
pub(crate) struct Modulus {
    pub(crate) n: BigUint,
    /// −1/n modulo R.
    pub(crate) minus_inverse: BigUint,
}

impl Modulus {
    pub(crate) fn new(n: BigUint) -> Self {
        let minus_inverse = r() - n.modinv(&r()).unwrap();
        Self { n, minus_inverse }
    }

    /// The Montgomery product as defined: the one multiple q·n with q < R that makes a·b divisible
    /// by R is added. It is below the bound of lemma 1.
    fn product(&self, a: &BigUint, b: &BigUint) -> BigUint {
        let product = a * b;
        let q = &product * &self.minus_inverse % r();
        let sum = product + q * &self.n;
        assert_eq!(&sum % r(), BigUint::ZERO);
        let product = sum / r();
        assert!(product < &self.n + power_of_two(EXCESS_BITS), "lemma 1");
        product
    }
}

/// Moduli at the ends of their range, and moduli whose digits are extreme.
pub(crate) fn moduli(rng: &mut ChaCha20Rng) -> Vec<BigUint> {
    let (least, beyond) = (power_of_two(MODULUS_BITS - 1), power_of_two(MODULUS_BITS));
    let half_ones = power_of_two(1040) - 1_u8;
    let alternating = |first| {
        let digits = (0..DIGITS).map(|nth| if nth % 2 == first { DIGIT_MAX } else { 0 });
        (from_digits(digits) % &beyond) | &least | BigUint::from(1_u8)
    };
    let mut moduli = vec![
        &beyond - 1_u8,
        &least + 1_u8,
        &beyond - 1557_u16, // a prime
        &least + 1919_u16,  // a prime
        &least + &half_ones,
        &beyond - &half_ones,
        alternating(0),
        alternating(1),
        &least + power_of_two(DIGIT_BITS) + 1_u8,
        &least + power_of_two(DIGIT_BITS) - 1_u8,
        &beyond - power_of_two(DIGIT_BITS) + 1_u8,
        &beyond - power_of_two(DIGIT_BITS) - 1_u8,
    ];
    moduli.extend((0..8).map(|_| random(rng, MODULUS_BITS) | &least | BigUint::from(1_u8)));
    moduli
}

/// Factors at the ends of their range, around the modulus and around powers of two.
fn chosen_factors(n: &BigUint) -> Vec<BigUint> {
    let mut factors: Vec<_> = (0_u8..3).map(BigUint::from).collect();
    factors.extend([n - 1_u8, n.clone(), n + 1_u8, n + power_of_two(EXCESS_BITS) - 1_u8]);
    factors.push(power_of_two(FACTOR_BITS) - 1_u8);
    for bits in [51, 52, 53, 103, 104, 416, 1040, 2028, 2047, 2048, 2049] {
        factors.extend([power_of_two(bits) - 1_u8, power_of_two(bits)]);
    }
    factors
}

/// A chosen factor, a random one, or one whose digits are extreme.
fn factor(rng: &mut ChaCha20Rng, n: &BigUint) -> BigUint {
    let chosen = chosen_factors(n);
    match rng.next_u32() % 8 {
        0 => chosen[rng.next_u32() as usize % chosen.len()].clone(),
        1 => power_of_two(rng.next_u32() % FACTOR_BITS),
        2 => power_of_two(rng.next_u32() % FACTOR_BITS) - 1_u8,
        3 => random(rng, FACTOR_BITS),
        4 => random(rng, FACTOR_BITS) % n,
        _ => {
            let extremes = [0, 1, DIGIT_MAX - 1, DIGIT_MAX];
            let digits = (0..DIGITS).map(|_| extremes[rng.next_u32() as usize % extremes.len()]);
            from_digits(digits) % power_of_two(FACTOR_BITS)
        }
    }
}

fn kernels() -> impl Iterator<Item = Kernel> {
    [Kernel::wide(), Kernel::narrow(), Some(Kernel::model())].into_iter().flatten()
}

/// R.
pub(crate) fn r() -> BigUint {
    power_of_two(DIGITS as u32 * DIGIT_BITS)
}

fn power_of_two(bits: u32) -> BigUint {
    BigUint::from(1_u8) << bits
}

fn random(rng: &mut ChaCha20Rng, bits: u32) -> BigUint {
    let mut bytes = [0; 264];
    rng.fill_bytes(&mut bytes);
    BigUint::from_bytes_le(&bytes) % power_of_two(bits)
}

pub(crate) fn digits(number: &BigUint) -> [u64; DIGITS] {
    assert!(number.bits() <= u64::from(DIGITS as u32 * DIGIT_BITS));
    std::array::from_fn(|nth| {
        let digit = (number >> (nth * DIGIT_BITS as usize)) % power_of_two(DIGIT_BITS);
        digit.iter_u64_digits().next().unwrap_or(0)
    })
}

fn from_digits(digits: impl DoubleEndedIterator<Item = u64>) -> BigUint {
    digits.rev().fold(BigUint::ZERO, |number, digit| (number << DIGIT_BITS) + digit)
}

pub(crate) fn rng() -> ChaCha20Rng {
    let seed = std::env::var("SEALPOST_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed: u64 = seed.unwrap_or(0x5ea1_7057);
    show_seed(seed);
    ChaCha20Rng::seed_from_u64(seed)
}

#[expect(clippy::print_stdout, reason = "cargo shows it if the test fails")]
fn show_seed(seed: u64) {
    println!("SEALPOST_SEED={seed}");
}
