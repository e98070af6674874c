//! Choices read from bytes, by which fuzzers and simulations control a test bed.

/// Bytes that are read from the front. Once they are exhausted, every choice is the first one.
#[derive(Clone, Debug)]
pub struct Arb<'a>(&'a [u8]);

impl<'a> Arb<'a> {
    /// Choices from these bytes.
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// Whether the bytes are exhausted.
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Next byte; 0 at the end.
    pub fn byte(&mut self) -> u8 {
        self.0.split_off_first().copied().unwrap_or(0)
    }

    /// Next `len` bytes, or as many as are left.
    pub fn bytes(&mut self, len: usize) -> &'a [u8] {
        let len = len.min(self.0.len());
        self.0.split_off(..len).unwrap_or_default()
    }

    /// A number below `n`, read from as few bytes as can represent all of them; 0 if `n` is 0.
    pub fn below(&mut self, n: u64) -> u64 {
        let Some(last) = n.checked_sub(1) else { return 0 };
        let bytes = (u64::BITS - last.leading_zeros()).div_ceil(8);
        let number = (0..bytes).fold(0, |number, _| number << 8 | u64::from(self.byte()));
        number % n
    }

    /// An index into a slice of this length.
    pub fn index(&mut self, len: usize) -> usize {
        usize::try_from(self.below(len as u64)).unwrap_or_default()
    }

    /// One of the items, if there are any.
    pub fn pick<'b, T>(&mut self, of: &'b [T]) -> Option<&'b T> {
        of.get(self.index(of.len()))
    }

    /// True with a probability of `per_mille` in a thousand. False at the end of the bytes, unless it
    /// is always true.
    pub fn chance(&mut self, per_mille: u64) -> bool {
        self.below(1_000) >= 1_000_u64.saturating_sub(per_mille)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_choice_takes_as_few_bytes_as_it_needs() {
        let bytes = [7, 1, 2, 9];
        let mut arb = Arb::new(&bytes);
        assert_eq!([arb.below(0), arb.below(1), arb.below(256), arb.below(257)], [0, 0, 7, 1]);
        assert_eq!((arb.byte(), arb.is_empty()), (9, true));
    }

    #[test]
    fn exhausted_input_chooses_the_first() {
        let mut arb = Arb::new(&[]);
        assert_eq!((arb.byte(), arb.below(99), arb.pick(&['a', 'b'])), (0, 0, Some(&'a')));
        assert_eq!((arb.bytes(4), arb.pick::<u8>(&[])), (&[][..], None));
        assert!(!arb.chance(999) && arb.chance(1_000));
    }

    #[test]
    fn chances_add_up() {
        let yes = (0..=u16::MAX).filter(|n| Arb::new(&n.to_be_bytes()).chance(250)).count();
        assert!((15_000..18_000).contains(&yes), "{yes}");
    }
}
