//! The replay window: which of one sender's messages have arrived (PROTOCOL 6.2).

use crate::ids::MessageId;

/// Remembers the newest message id of one sender and which of the [`WIDTH`](Self::WIDTH) ids up to
/// it have been seen. A message is delivered once; what is older than the window counts as seen.
///
/// Ids are shared among all recipients of their sender, so holes are ordinary.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReplayWindow {
    /// Newest id; 0 before the first message, when no bit is set.
    top: u64,
    /// One bit for each id, at the id modulo the width.
    seen: [u64; WORDS],
}

/// What the window says of a message that arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Novelty {
    /// It is new: deliver it.
    New(Continuity),
    /// It was admitted before, or is too old to tell. Acknowledge it again; deliver nothing.
    Repeat,
}

/// Whether the sender's message before this one has arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Continuity {
    /// It has, as far as is known.
    Next,
    /// It has not: something was left out on the way, and may yet arrive.
    AfterGap,
}

impl ReplayWindow {
    /// How far behind the newest id a message may arrive and still be delivered.
    pub const WIDTH: u64 = 1024;
    /// Bytes of [`to_bytes`](Self::to_bytes).
    pub const LEN: usize = 8 + WORDS * 8;

    /// Admits a message, and remembers it.
    ///
    /// `previous` is the id of the sender's previous message to the same recipient, if this message
    /// opened and names one. A `previous` behind the window tells nothing: the message after it has
    /// shown the gap.
    pub fn admit(&mut self, id: MessageId, previous: Option<MessageId>) -> Novelty {
        if self.is_repeat(id) {
            return Novelty::Repeat;
        }
        let gap = previous.is_some_and(|previous| !self.is_repeat(previous));
        self.advance_to(id.0);
        self.mark(id.0);
        Novelty::New(if gap { Continuity::AfterGap } else { Continuity::Next })
    }

    /// Whether the message was admitted before, or is too old to tell.
    pub fn is_repeat(&self, id: MessageId) -> bool {
        if id.0 > self.top {
            return false;
        }
        self.top - id.0 >= Self::WIDTH || self.is_marked(id.0)
    }

    /// Encodes the window for storage, in a format that does not change.
    pub fn to_bytes(&self) -> [u8; Self::LEN] {
        let mut out = [0; Self::LEN];
        let words = core::iter::once(&self.top).chain(&self.seen);
        for (slot, word) in out.chunks_exact_mut(8).zip(words) {
            slot.copy_from_slice(&word.to_le_bytes());
        }
        out
    }

    /// Decodes a stored window.
    pub fn from_bytes(bytes: &[u8; Self::LEN]) -> Self {
        let (words, _) = bytes.as_chunks::<8>();
        let mut words = words.iter().map(|word| u64::from_le_bytes(*word));
        let top = words.next().unwrap_or_default();
        let mut seen = [0; WORDS];
        seen.iter_mut().zip(words).for_each(|(slot, word)| *slot = word);
        Self { top, seen }
    }

    /// Makes `id` the newest, forgetting what falls out of the window.
    fn advance_to(&mut self, id: u64) {
        if id > self.top {
            let steps = (id - self.top).min(Self::WIDTH);
            (0..steps).for_each(|step| self.clear(id - step));
            self.top = id;
        }
    }

    fn is_marked(&self, id: u64) -> bool {
        let (word, bit) = place(id);
        self.seen.get(word).is_some_and(|word| word & bit != 0)
    }

    fn mark(&mut self, id: u64) {
        let (word, bit) = place(id);
        self.seen.iter_mut().skip(word).take(1).for_each(|word| *word |= bit);
    }

    fn clear(&mut self, id: u64) {
        let (word, bit) = place(id);
        self.seen.iter_mut().skip(word).take(1).for_each(|word| *word &= !bit);
    }
}

/// The word and the bit for an id.
fn place(id: u64) -> (usize, u64) {
    let slot = id % ReplayWindow::WIDTH;
    (usize::try_from(slot / 64).unwrap_or_default(), 1 << (slot % 64))
}

const WORDS: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::collections::BTreeSet;
    use alloc::vec::Vec;
    use proptest::prelude::*;

    const NEXT: Novelty = Novelty::New(Continuity::Next);
    const AFTER_GAP: Novelty = Novelty::New(Continuity::AfterGap);

    fn admit(window: &mut ReplayWindow, id: u64, previous: u64) -> Novelty {
        window.admit(MessageId(id), (previous != 0).then_some(MessageId(previous)))
    }

    #[test]
    fn a_chain_in_order_has_no_gap() {
        let mut window = ReplayWindow::default();
        assert_eq!(admit(&mut window, 3, 0), NEXT);
        assert_eq!(admit(&mut window, 7, 3), NEXT);
        assert_eq!(admit(&mut window, 5_000, 7), NEXT);
        assert_eq!(admit(&mut window, 5_001, 5_000), NEXT);
    }

    #[test]
    fn what_was_left_out_is_noticed_and_still_welcome_later() {
        let mut window = ReplayWindow::default();
        assert_eq!(admit(&mut window, 1, 0), NEXT);
        assert_eq!(admit(&mut window, 3, 2), AFTER_GAP);
        assert_eq!(admit(&mut window, 2, 1), NEXT);
        assert_eq!(admit(&mut window, 2, 1), Novelty::Repeat);
    }

    #[test]
    fn a_first_message_with_a_history_is_a_gap() {
        assert_eq!(admit(&mut ReplayWindow::default(), 9, 4), AFTER_GAP);
    }

    #[test]
    fn the_largest_ids_do_no_harm() {
        let mut window = ReplayWindow::default();
        assert_eq!(admit(&mut window, 0, 0), NEXT);
        assert_eq!(admit(&mut window, u64::MAX, 0), NEXT);
        assert_eq!(admit(&mut window, u64::MAX, 0), Novelty::Repeat);
        assert_eq!(admit(&mut window, u64::MAX - 1023, 0), NEXT);
        assert_eq!(admit(&mut window, u64::MAX - 1024, 0), Novelty::Repeat);
    }

    /// Ids that cluster at the edges of the window.
    fn ids() -> impl Strategy<Value = Vec<u64>> {
        prop::collection::vec(
            prop_oneof![1..64_u64, 1..2_500_u64, 1_000..1_060_u64, any::<u64>()],
            0..200,
        )
    }

    proptest! {
        #[test]
        fn admits_exactly_what_is_new_and_within_reach(ids in ids()) {
            let mut window = ReplayWindow::default();
            let mut admitted = BTreeSet::new();
            for id in ids {
                let top = admitted.last().copied().unwrap_or(id);
                let expect_new = !admitted.contains(&id) && (id > top || top - id < 1024);
                let is_new = admit(&mut window, id, 0) != Novelty::Repeat;
                prop_assert_eq!(is_new, expect_new, "id {}", id);
                if is_new {
                    admitted.insert(id);
                }
            }
        }

        /// A gap is reported if the previous message has not arrived, unless that one is too old to
        /// tell.
        #[test]
        fn tells_of_exactly_the_gaps_within_reach(
            messages in prop::collection::vec((1..1_400_u64, 0..1_400_u64), 0..120),
        ) {
            let (mut window, mut admitted) = (ReplayWindow::default(), BTreeSet::new());
            for (id, previous) in messages {
                let top: Option<u64> = admitted.last().copied();
                let forgotten = top.is_some_and(|top| top >= previous + 1_024);
                let has_come = previous == 0 || forgotten || admitted.contains(&previous);
                match admit(&mut window, id, previous) {
                    Novelty::Repeat => {}
                    new @ Novelty::New(_) => {
                        prop_assert_eq!(new, if has_come { NEXT } else { AFTER_GAP });
                        admitted.insert(id);
                    }
                }
            }
        }

        #[test]
        fn survives_storage(ids in ids()) {
            let mut window = ReplayWindow::default();
            for id in ids {
                admit(&mut window, id, 0);
            }
            prop_assert_eq!(ReplayWindow::from_bytes(&window.to_bytes()), window);
        }
    }
}
