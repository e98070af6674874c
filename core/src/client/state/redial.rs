//! Which server of a deployment is dialled next, and after which pause.

use alloc::vec::Vec;
use core::num::NonZeroUsize;
use core::time::Duration;

use super::backoff::Backoff;
use crate::client::limits::Limits;
use crate::entropy::Entropy;
use crate::ids::EndpointIndex;
use crate::keys::Fingerprint;

/// The endpoints of the server's address, which take turns, and the pauses between attempts to
/// connect. The back-off counts rounds over all endpoints, so that a dead server costs one short
/// pause as long as another one answers.
#[derive(Debug)]
pub(in crate::client) struct Redial {
    /// Every endpoint, in an order of the account's own. All clients have the same address: in the
    /// order of the address, all of them would begin with one server, and those who lose it would go
    /// to the same next one. Each has the same order every time, because a registration has to be
    /// finished at the server where it was begun.
    order: Vec<EndpointIndex>,
    /// Position in `order` of the endpoint that is dialled next.
    next: usize,
    /// The endpoint that was dialled last.
    endpoint: EndpointIndex,
    /// Count of connections lost or not made in this round.
    lost: usize,
    backoff: Backoff,
}

impl Redial {
    /// Endpoints in the order of the account with this key, and the shortest pauses.
    pub(in crate::client) fn new(
        endpoints: NonZeroUsize,
        limits: &Limits,
        own_key: &Fingerprint,
    ) -> Self {
        let mut order: Vec<_> = (0..endpoints.get()).map(EndpointIndex).collect();
        // The order is no secret, and the key is as good as drawn for it.
        let mut draws = Entropy::from_seed(own_key.0);
        // Fisher and Yates.
        for unshuffled in (2..=order.len()).rev() {
            let chosen = usize::try_from(draws.below(unshuffled as u64)).unwrap_or(0);
            order.swap(unshuffled - 1, chosen);
        }
        let backoff = Backoff::new(limits.redial_first, limits.redial_max);
        Self { order, next: 0, endpoint: EndpointIndex::default(), lost: 0, backoff }
    }

    /// The endpoint to dial now. The next call gives the next one.
    pub(in crate::client) fn next_endpoint(&mut self) -> EndpointIndex {
        self.endpoint = self.order.get(self.next).copied().unwrap_or_default();
        self.next = (self.next + 1) % self.order.len().max(1);
        self.endpoint
    }

    /// The endpoint that was dialled last.
    pub(in crate::client) const fn endpoint(&self) -> EndpointIndex {
        self.endpoint
    }

    /// Whether the address names more than one server.
    pub(in crate::client) const fn has_others(&self) -> bool {
        self.order.len() > 1
    }

    /// Draws the pause after a connection was lost or not made.
    pub(in crate::client) fn pause(&mut self, entropy: &mut Entropy) -> Duration {
        self.lost += 1;
        if self.lost < self.order.len() {
            return self.backoff.short(entropy);
        }
        self.lost = 0;
        self.backoff.next(entropy)
    }

    /// Starts over with the shortest pause.
    pub(in crate::client) const fn reset(&mut self) {
        self.lost = 0;
        self.backoff.reset();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn redial(endpoints: usize, key: u8) -> Redial {
        let own_key = Fingerprint([key; 32]);
        Redial::new(NonZeroUsize::new(endpoints).unwrap(), &Limits::default(), &own_key)
    }

    #[test]
    fn endpoints_take_turns_in_an_order_of_the_clients_own() {
        let mut firsts = [0; 3];
        for key in 0..30 {
            let mut redial = redial(3, key);
            let round: Vec<_> = (0..3).map(|_| redial.next_endpoint()).collect();
            let mut sorted = round.clone();
            sorted.sort_unstable();
            assert_eq!(sorted, [0, 1, 2].map(EndpointIndex));
            let again: Vec<_> = (0..3).map(|_| redial.next_endpoint()).collect();
            assert_eq!(again, round);
            firsts[round[0].0] += 1;
        }
        assert!(firsts.iter().all(|count| *count >= 5), "clients spread: {firsts:?}");
    }

    #[test]
    fn pauses_double_after_each_round() {
        let mut entropy = Entropy::from_seed([7; 32]);
        let mut redial = redial(3, 7);
        let ceilings = [500, 500, 500, 500, 500, 1_000, 500, 500, 2_000, 500, 500, 4_000];
        let mut longest = [0; 12];
        for _ in 0..200 {
            for (longest, ceiling) in longest.iter_mut().zip(ceilings) {
                let pause = redial.pause(&mut entropy).as_millis();
                assert!(pause <= ceiling, "{pause} over {ceiling}");
                *longest = pause.max(*longest);
            }
            redial.reset();
        }
        for (longest, ceiling) in longest.iter().zip(ceilings) {
            assert!(*longest > ceiling * 9 / 10, "{longest} of {ceiling}");
        }
    }

    #[test]
    fn only_endpoint_is_dialled_each_time() {
        let mut redial = redial(1, 7);
        assert!(!redial.has_others());
        assert_eq!([redial.next_endpoint(), redial.next_endpoint()], [EndpointIndex(0); 2]);
    }
}
