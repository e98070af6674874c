//! The outbox: durable messages until somebody has acknowledged them (PROTOCOL 6.2).

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use core::time::Duration;

use super::backoff::Backoff;
use super::limits::Limits;
use super::store::QueuedMessage;
use crate::entropy::Entropy;
use crate::ids::{MessageId, UserId};
use crate::wire::{InReplyTo, Packet};

/// What is queued, each message in exactly one place: ready to be sent, in flight, or held back.
///
/// Messages go out in the order of their numbers. If the server can't take one now, all for the
/// same recipient are held back; after a pause the first of them goes alone, and only when that one
/// is acknowledged do the others follow.
#[derive(Debug)]
pub(super) struct Outbox {
    queued: BTreeMap<MessageId, Queued>,
    ready: BTreeSet<MessageId>,
    held: BTreeMap<UserId, Hold>,
    /// By the hash of the packet, as the server's errors name it.
    in_flight: BTreeMap<InReplyTo, MessageId>,
    in_flight_bytes: usize,
    /// Of every packet queued.
    bytes: usize,
}

/// A message in the outbox.
#[derive(Debug)]
pub(super) struct Queued {
    pub(super) recipient: UserId,
    pub(super) packet: Packet,
    /// The server could not take it on this connection.
    refused: bool,
    flight: Option<InReplyTo>,
}

/// The messages held back for one recipient.
#[derive(Debug)]
struct Hold {
    backoff: Backoff,
    ids: BTreeSet<MessageId>,
    probe: Probe,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Probe {
    /// A pause first.
    Pausing,
    /// This one goes alone.
    Trying(MessageId),
}

impl Probe {
    const fn tried(self) -> Option<MessageId> {
        match self {
            Self::Pausing => None,
            Self::Trying(id) => Some(id),
        }
    }
}

impl Outbox {
    pub(super) fn new(messages: Vec<QueuedMessage>) -> Self {
        let mut this = Self {
            queued: BTreeMap::new(),
            ready: BTreeSet::new(),
            held: BTreeMap::new(),
            in_flight: BTreeMap::new(),
            in_flight_bytes: 0,
            bytes: 0,
        };
        for QueuedMessage { id, recipient, packet } in messages {
            this.insert(id, recipient, packet);
        }
        this
    }

    /// Takes a message that has become durable.
    pub(super) fn insert(&mut self, id: MessageId, recipient: UserId, packet: Packet) {
        self.bytes += packet.bytes().len();
        self.queued.insert(id, Queued { recipient, packet, refused: false, flight: None });
        self.line_up(id, recipient);
    }

    /// Messages, and bytes of their packets.
    pub(super) fn size(&self) -> (usize, usize) {
        (self.queued.len(), self.bytes)
    }

    /// The next message to send, if the window has room for it.
    pub(super) fn next_ready(&self, limits: &Limits) -> Option<(MessageId, &Packet)> {
        let id = *self.ready.iter().find(|id| !self.waits(**id))?;
        let packet = &self.queued.get(&id)?.packet;
        let fits = self.in_flight.len() < limits.in_flight_messages
            && self.in_flight_bytes + packet.bytes().len() <= limits.in_flight_bytes;
        (fits || self.in_flight.is_empty()).then_some((id, packet))
    }

    /// Whether a message was refused, and one before it to the same recipient is in flight: the
    /// server takes its repetition as a sign that we have heard of all before it.
    fn waits(&self, id: MessageId) -> bool {
        let Some(queued) = self.queued.get(&id).filter(|queued| queued.refused) else {
            return false;
        };
        let mut before = self.queued.range(..id).map(|(_, before)| before);
        before.any(|before| before.flight.is_some() && before.recipient == queued.recipient)
    }

    /// A message is being sent.
    pub(super) fn launch(&mut self, id: MessageId) {
        self.ready.remove(&id);
        let Some(queued) = self.queued.get_mut(&id) else { return };
        let hash = queued.packet.request_hash().in_reply_to();
        queued.flight = Some(hash);
        self.in_flight.insert(hash, id);
        self.in_flight_bytes += queued.packet.bytes().len();
    }

    /// Something is in flight.
    pub(super) fn awaits_acknowledgement(&self) -> bool {
        !self.in_flight.is_empty()
    }

    /// The connection is gone: everything in flight is to be sent again.
    pub(super) fn land_all(&mut self) {
        for (_, id) in core::mem::take(&mut self.in_flight) {
            if let Some(queued) = self.queued.get_mut(&id) {
                queued.flight = None;
                let recipient = queued.recipient;
                self.line_up(id, recipient);
            }
        }
        self.in_flight_bytes = 0;
        for queued in self.queued.values_mut() {
            queued.refused = false;
        }
    }

    /// The message in flight that an error of the server names.
    pub(super) fn in_flight(&self, request: InReplyTo) -> Option<(MessageId, &Queued)> {
        let id = *self.in_flight.get(&request)?;
        Some((id, self.queued.get(&id)?))
    }

    /// Takes a message out that was acknowledged, if it is for this recipient. What is held back for
    /// the recipient goes on.
    pub(super) fn take(&mut self, id: MessageId, recipient: UserId) -> Option<QueuedMessage> {
        self.queued.get(&id).filter(|queued| queued.recipient == recipient)?;
        self.discard(id)
    }

    /// The same, whoever it is for.
    pub(super) fn discard(&mut self, id: MessageId) -> Option<QueuedMessage> {
        self.ground(id);
        self.ready.remove(&id);
        let Queued { recipient, packet, .. } = self.queued.remove(&id)?;
        self.bytes = self.bytes.saturating_sub(packet.bytes().len());
        if let Some(hold) = self.held.remove(&recipient) {
            self.ready.extend(hold.ids.into_iter().filter(|held| *held != id));
        }
        Some(QueuedMessage { id, recipient, packet })
    }

    /// The messages for one recipient.
    pub(super) fn for_recipient(&self, user: UserId) -> Vec<MessageId> {
        let theirs = self.queued.iter().filter(|(_, queued)| queued.recipient == user);
        theirs.map(|(id, _)| *id).collect()
    }

    /// The server can't take a message now: holds it and all others for its recipient back, except
    /// those in flight. Returns the recipient, and the pause if one is to begin.
    pub(super) fn hold(
        &mut self,
        id: MessageId,
        limits: &Limits,
        entropy: &mut Entropy,
    ) -> Option<(UserId, Option<Duration>)> {
        let queued = self.queued.get_mut(&id)?;
        queued.refused = true;
        let recipient = queued.recipient;
        self.ground(id);
        let trying = self.held.get(&recipient).and_then(|hold| hold.probe.tried());
        // What goes alone still goes, when an earlier refusal of another comes late.
        let theirs = |ready: &MessageId| {
            Some(*ready) != trying
                && self.queued.get(ready).is_some_and(|queued| queued.recipient == recipient)
        };
        let waiting: BTreeSet<_> = self.ready.extract_if(.., theirs).collect();
        let is_new = !self.held.contains_key(&recipient);
        let hold = self.held.entry(recipient).or_insert_with(|| Hold {
            backoff: Backoff::new(limits.hold_first, limits.hold_max),
            ids: BTreeSet::new(),
            probe: Probe::Pausing,
        });
        hold.ids.extend(waiting);
        hold.ids.insert(id);
        // One that was to go alone and comes after this one has to wait for it.
        let overtaken = hold.probe.tried().filter(|tried| *tried > id && self.ready.remove(tried));
        hold.ids.extend(overtaken);
        if is_new || overtaken.is_some() || hold.probe == Probe::Trying(id) {
            hold.probe = Probe::Pausing;
            return Some((recipient, Some(hold.backoff.next(entropy))));
        }
        Some((recipient, None))
    }

    /// A pause is over: the first message held back goes alone.
    pub(super) fn probe(&mut self, recipient: UserId) {
        let Some(hold) = self.held.get_mut(&recipient) else { return };
        if hold.probe != Probe::Pausing {
            return;
        }
        match hold.ids.pop_first() {
            Some(first) => {
                hold.probe = Probe::Trying(first);
                self.ready.insert(first);
            }
            None => {
                self.held.remove(&recipient);
            }
        }
    }

    /// Takes a message out of flight.
    fn ground(&mut self, id: MessageId) {
        let Some(queued) = self.queued.get_mut(&id) else { return };
        if let Some(hash) = queued.flight.take() {
            self.in_flight.remove(&hash);
            self.in_flight_bytes = self.in_flight_bytes.saturating_sub(queued.packet.bytes().len());
        }
    }

    /// Puts a message where it waits to be sent.
    fn line_up(&mut self, id: MessageId, recipient: UserId) {
        let Some(hold) = self.held.get_mut(&recipient) else {
            self.ready.insert(id);
            return;
        };
        match hold.probe.tried() {
            Some(tried) if tried == id => {
                self.ready.insert(id);
            }
            // It comes before the one that was to go alone, and goes in its place.
            Some(tried) if tried > id && self.ready.remove(&tried) => {
                hold.ids.insert(tried);
                hold.probe = Probe::Trying(id);
                self.ready.insert(id);
            }
            Some(_) | None => {
                hold.ids.insert(id);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::Timestamp;
    use crate::wire::{Header, Op, Oversized, Profile, SIGNATURE_LEN};
    use alloc::vec;
    use proptest::prelude::*;

    #[derive(Clone, Copy, Debug)]
    enum Step {
        Insert { recipient: u64 },
        SendNext,
        Acknowledge { nth: usize },
        Hold { nth: usize },
        Pause { recipient: u64 },
        Reconnect,
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step = prop_oneof![
            (1..4_u64).prop_map(|recipient| Step::Insert { recipient }),
            Just(Step::SendNext),
            (0..8_usize).prop_map(|nth| Step::Acknowledge { nth }),
            (0..8_usize).prop_map(|nth| Step::Hold { nth }),
            (1..4_u64).prop_map(|recipient| Step::Pause { recipient }),
            Just(Step::Reconnect),
        ];
        prop::collection::vec(step, 0..120)
    }

    fn user(id: u64) -> UserId {
        UserId::new(id).unwrap()
    }

    fn packet(id: u64, recipient: u64) -> Packet {
        let (sender, recipient) = (Some(user(9)), Some(user(recipient)));
        let timestamp = Timestamp::from_unix_secs(0);
        let header = Header { sender, recipient, timestamp, op: Op::Message };
        let unsigned = |_: &[u8]| Ok::<_, Oversized>([0; SIGNATURE_LEN]);
        Packet::build(Profile::Compact, header, &id.to_le_bytes(), unsigned).unwrap()
    }

    /// The number and the recipient of the `nth` message in flight.
    fn flying(outbox: &Outbox, nth: usize) -> Option<(MessageId, UserId)> {
        let id = *outbox.in_flight.values().nth(nth)?;
        Some((id, outbox.queued[&id].recipient))
    }

    fn take(outbox: &mut Outbox, step: Step, last: &mut u64) {
        let (limits, mut entropy) = (Limits::default(), Entropy::from_seed([1; 32]));
        match step {
            Step::Insert { recipient } => {
                *last += 1;
                outbox.insert(MessageId(*last), user(recipient), packet(*last, recipient));
            }
            Step::SendNext => {
                if let Some((id, _)) = outbox.next_ready(&limits) {
                    outbox.launch(id);
                }
            }
            Step::Acknowledge { nth } => {
                if let Some((id, recipient)) = flying(outbox, nth) {
                    assert!(outbox.take(id, recipient).is_some());
                }
            }
            Step::Hold { nth } => {
                if let Some((id, _)) = flying(outbox, nth) {
                    outbox.hold(id, &limits, &mut entropy);
                }
            }
            Step::Pause { recipient } => outbox.probe(user(recipient)),
            Step::Reconnect => outbox.land_all(),
        }
    }

    /// Every message is in one place, and none of a recipient's that is held back is ready but the
    /// one that goes alone.
    fn check(outbox: &Outbox) {
        let held = |id: &MessageId| outbox.held.values().any(|hold| hold.ids.contains(id));
        for (id, queued) in &outbox.queued {
            let (ready, flies) = (outbox.ready.contains(id), queued.flight.is_some());
            let places = [ready, flies, held(id)].into_iter().filter(|here| *here).count();
            assert_eq!(places, 1, "{id:?}");
            let hold = outbox.held.get(&queued.recipient);
            assert!(!ready || hold.is_none_or(|hold| hold.probe == Probe::Trying(*id)), "{id:?}");
        }
        let len = |id: &MessageId| outbox.queued[id].packet.bytes().len();
        assert_eq!(outbox.in_flight_bytes, outbox.in_flight.values().map(len).sum());
        assert_eq!(outbox.bytes, outbox.queued.keys().map(len).sum());
    }

    /// Takes the steps; then the server takes everything, and everything goes.
    fn live_through(steps: Vec<Step>) {
        let (mut outbox, mut last) = (Outbox::new(Vec::new()), 0);
        for step in steps {
            take(&mut outbox, step, &mut last);
            check(&outbox);
        }
        for _ in 0..4 * last {
            (1..4).for_each(|recipient| outbox.probe(user(recipient)));
            take(&mut outbox, Step::SendNext, &mut last);
            take(&mut outbox, Step::Acknowledge { nth: 0 }, &mut last);
            check(&outbox);
        }
        assert_eq!(outbox.size(), (0, 0));
    }

    #[test]
    fn late_refusal_does_not_call_back_what_goes_alone() {
        live_through(vec![
            Step::Insert { recipient: 3 },
            Step::Insert { recipient: 3 },
            Step::SendNext,
            Step::SendNext,
            Step::Hold { nth: 0 },
            Step::Pause { recipient: 3 },
            Step::Hold { nth: 0 },
        ]);
    }

    proptest! {
        #[test]
        fn nothing_is_lost_on_the_way_out(steps in steps()) {
            live_through(steps);
        }
    }
}
