//! The outbox: durable messages, until somebody has acknowledged them (PROTOCOL 6.2).

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use core::time::Duration;

use super::backoff::Backoff;
use super::count::Count;
use crate::client::limits::Limits;
use crate::client::store::QueuedMessage;
use crate::entropy::Entropy;
use crate::frame::Durable;
use crate::ids::{MessageId, UserId};
use crate::wire::{InReplyTo, Packet};

/// Queued messages, each in exactly one place: ready to be sent, in flight, or held back. All of
/// them are durable: they come from the store at the start, or with the proof.
///
/// Messages go out in the order of their numbers. If the server can't take one now, all for the
/// same recipient are held back; after a pause the first of them goes alone, and only when that one
/// is acknowledged do the others follow. Otherwise a later one could be accepted before it, and the
/// recipient would read them in the wrong order.
#[derive(Debug)]
pub(in crate::client) struct Outbox {
    queued: BTreeMap<MessageId, Queued>,
    ready: BTreeSet<MessageId>,
    held: BTreeMap<UserId, Hold>,
    /// Messages in flight, by the hash of the packet, as the server's errors name it.
    in_flight: BTreeMap<InReplyTo, MessageId>,
    in_flight_bytes: Count,
    /// Bytes of all packets in the outbox.
    bytes: Count,
}

#[derive(Debug)]
struct Queued {
    recipient: UserId,
    packet: Packet,
    /// The server could not take it on this connection.
    refused: bool,
    /// Hash of the packet while it is in flight.
    flight: Option<InReplyTo>,
}

/// A message that was taken out of the outbox, and may be put back.
#[derive(Debug)]
pub(in crate::client) struct Withdrawn(QueuedMessage);

impl Withdrawn {
    pub(in crate::client) const fn get(&self) -> &QueuedMessage {
        &self.0
    }
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
    /// Nothing goes until the pause is over.
    Pausing,
    /// This message goes alone.
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
    /// The outbox with the messages that the store holds at the start.
    pub(in crate::client) fn new(messages: Vec<QueuedMessage>) -> Self {
        let mut this = Self {
            queued: BTreeMap::new(),
            ready: BTreeSet::new(),
            held: BTreeMap::new(),
            in_flight: BTreeMap::new(),
            in_flight_bytes: Count::ZERO,
            bytes: Count::ZERO,
        };
        for message in messages {
            this.add(message);
        }
        this
    }

    /// Takes a message that has become durable, to be sent.
    pub(in crate::client) fn insert(&mut self, message: Durable<QueuedMessage>) {
        self.add(message.into_inner());
    }

    /// Takes a message back whose acknowledgement could not be recorded.
    pub(in crate::client) fn put_back(&mut self, message: Withdrawn) {
        self.add(message.0);
    }

    fn add(&mut self, message: QueuedMessage) {
        let QueuedMessage { id, recipient, packet } = message;
        self.bytes.take(packet.bytes().len());
        self.queued.insert(id, Queued { recipient, packet, refused: false, flight: None });
        self.line_up(id, recipient);
    }

    /// Count of messages, and count of the bytes of their packets.
    pub(in crate::client) fn size(&self) -> (usize, usize) {
        (self.queued.len(), self.bytes.get())
    }

    /// The first message in flight to a former user id of each recipient, by the recipient's present id.
    /// If it is refused, it is sent to that one, and nothing may have overtaken it.
    pub(in crate::client) fn first_to_former_ids(
        &self,
        present_id: impl Fn(UserId) -> UserId,
    ) -> BTreeMap<UserId, MessageId> {
        let mut first = BTreeMap::new();
        for id in self.in_flight.values() {
            let Some(recipient) = self.recipient(*id) else { continue };
            let present = present_id(recipient);
            if present != recipient {
                let first = first.entry(present).or_insert(*id);
                *first = (*first).min(*id);
            }
        }
        first
    }

    /// The next message to send, if the window has room for it. It is not behind the message that is
    /// `first` for its recipient, as [`first_to_former_ids`](Self::first_to_former_ids) returns it.
    pub(in crate::client) fn next_ready(
        &self,
        limits: &Limits,
        first: &BTreeMap<UserId, MessageId>,
    ) -> Option<(MessageId, &Packet)> {
        let overtakes = |id: &MessageId| {
            let first = self.recipient(*id).and_then(|recipient| first.get(&recipient));
            first.is_some_and(|first| first < id)
        };
        let id = *self.ready.iter().find(|id| !self.waits(**id) && !overtakes(id))?;
        let packet = &self.queued.get(&id)?.packet;
        let fits = self.in_flight.len() < limits.in_flight_messages
            && self.in_flight_bytes.get() + packet.bytes().len() <= limits.in_flight_bytes;
        // One message goes even if it alone is larger than the window.
        (fits || self.in_flight.is_empty()).then_some((id, packet))
    }

    /// Whether a message was refused, and an earlier one to the same recipient is in flight. Then
    /// it waits: its repetition would tell the server that we have heard of the fate of all before
    /// it.
    fn waits(&self, id: MessageId) -> bool {
        let Some(queued) = self.queued.get(&id).filter(|queued| queued.refused) else {
            return false;
        };
        let mut before = self.queued.range(..id).map(|(_, before)| before);
        before.any(|before| before.flight.is_some() && before.recipient == queued.recipient)
    }

    /// A message is being sent.
    pub(in crate::client) fn launch(&mut self, id: MessageId) {
        self.ready.remove(&id);
        let Some(queued) = self.queued.get_mut(&id) else { return };
        let hash = queued.packet.request_hash().in_reply_to();
        queued.flight = Some(hash);
        self.in_flight.insert(hash, id);
        self.in_flight_bytes.take(queued.packet.bytes().len());
    }

    /// Whether anything is in flight.
    pub(in crate::client) fn awaits_acknowledgement(&self) -> bool {
        !self.in_flight.is_empty()
    }

    /// The connection is gone: everything in flight is to be sent again. Whether the server has it
    /// is not known, and it drops what it has already.
    pub(in crate::client) fn land_all(&mut self) {
        for (_, id) in core::mem::take(&mut self.in_flight) {
            if let Some(queued) = self.queued.get_mut(&id) {
                queued.flight = None;
                let recipient = queued.recipient;
                self.line_up(id, recipient);
            }
        }
        self.in_flight_bytes.release(self.in_flight_bytes.get());
        for queued in self.queued.values_mut() {
            queued.refused = false;
        }
    }

    /// The message in flight that an error of the server names.
    pub(in crate::client) fn in_flight(&self, request: InReplyTo) -> Option<(MessageId, &Packet)> {
        let id = *self.in_flight.get(&request)?;
        Some((id, &self.queued.get(&id)?.packet))
    }

    /// Takes out a message that was acknowledged, if it is for this recipient: nobody else can have
    /// received it. What is held back for the recipient goes on.
    pub(in crate::client) fn take(
        &mut self,
        id: MessageId,
        recipient: UserId,
    ) -> Option<Withdrawn> {
        self.queued.get(&id).filter(|queued| queued.recipient == recipient)?;
        self.discard(id)
    }

    /// Takes out a message for any recipient.
    pub(in crate::client) fn discard(&mut self, id: MessageId) -> Option<Withdrawn> {
        self.ground(id);
        self.ready.remove(&id);
        let Queued { recipient, packet, .. } = self.queued.remove(&id)?;
        self.bytes.release(packet.bytes().len());
        if let Some(hold) = self.held.remove(&recipient) {
            self.ready.extend(hold.ids.into_iter().filter(|held| *held != id));
        }
        Some(Withdrawn(QueuedMessage { id, recipient, packet }))
    }

    /// What is held back for a recipient goes on at once.
    pub(in crate::client) fn release(&mut self, recipient: UserId) {
        if let Some(hold) = self.held.remove(&recipient) {
            self.ready.extend(hold.ids);
        }
    }

    /// Takes out messages that are ready to be sent and to be signed again, at most `limit`.
    pub(in crate::client) fn take_ready(
        &mut self,
        limit: usize,
        is_taken: impl Fn(UserId, &Packet) -> bool,
    ) -> Vec<Withdrawn> {
        let is_taken = |id: &&MessageId| {
            self.queued.get(*id).is_some_and(|queued| is_taken(queued.recipient, &queued.packet))
        };
        let taken: Vec<_> = self.ready.iter().filter(is_taken).take(limit).copied().collect();
        taken.into_iter().filter_map(|id| self.discard(id)).collect()
    }

    /// Recipient of a message.
    pub(in crate::client) fn recipient(&self, id: MessageId) -> Option<UserId> {
        self.queued.get(&id).map(|queued| queued.recipient)
    }

    /// Recipients of the messages.
    pub(in crate::client) fn recipients(&self) -> impl Iterator<Item = UserId> {
        self.queued.values().map(|queued| queued.recipient)
    }

    /// The messages for one recipient.
    pub(in crate::client) fn for_recipient(&self, user: UserId) -> Vec<MessageId> {
        let theirs = self.queued.iter().filter(|(_, queued)| queued.recipient == user);
        theirs.map(|(id, _)| *id).collect()
    }

    /// The server can't take a message now: holds back this one and all others for its recipient,
    /// except those in flight. Returns the recipient, and the pause if one is to begin.
    pub(in crate::client) fn hold(
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
        // The message that goes alone still goes if the refusal of another one is late.
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
        // A later message that was to go alone has to wait for this one.
        let overtaken = hold.probe.tried().filter(|tried| *tried > id && self.ready.remove(tried));
        hold.ids.extend(overtaken);
        if is_new || overtaken.is_some() || hold.probe == Probe::Trying(id) {
            hold.probe = Probe::Pausing;
            return Some((recipient, Some(hold.backoff.next(entropy))));
        }
        Some((recipient, None))
    }

    /// The pause is over: the first message that was held back goes alone.
    pub(in crate::client) fn probe(&mut self, recipient: UserId) {
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
            self.in_flight_bytes.release(queued.packet.bytes().len());
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
            // It is earlier than the one that was to go alone, and goes in its place.
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

    pub(in crate::client) fn is_consistent(&self) -> Result<(), &'static str> {
        let (mut bytes, mut in_flight_bytes, mut held) = (0, 0, 0);
        for (id, queued) in &self.queued {
            let hold = self.held.get(&queued.recipient);
            let (is_ready, flies) = (self.ready.contains(id), queued.flight.is_some());
            let is_held = hold.is_some_and(|hold| hold.ids.contains(id));
            if usize::from(is_ready) + usize::from(flies) + usize::from(is_held) != 1 {
                return Err("a message is not in exactly one place");
            }
            if is_ready && hold.is_some_and(|hold| hold.probe != Probe::Trying(*id)) {
                return Err("a message is ready whose recipient's messages are held back");
            }
            let len = queued.packet.bytes().len();
            bytes += len;
            in_flight_bytes += if flies { len } else { 0 };
            held += usize::from(is_held);
        }
        if (bytes, in_flight_bytes) != (self.bytes.get(), self.in_flight_bytes.get()) {
            return Err("the bytes of the outbox are miscounted");
        }
        // Each is in one place, so equal counts mean that no place has a message that is gone.
        let places = self.ready.len() + self.in_flight.len() + held;
        let holds: usize = self.held.values().map(|hold| hold.ids.len()).sum();
        if places != self.queued.len() || holds != held {
            return Err("a place in the outbox has a message that is gone");
        }
        Ok(())
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
                let (id, packet) = (MessageId(*last), packet(*last, recipient));
                let message = QueuedMessage { id, recipient: user(recipient), packet };
                outbox.insert(Durable::assumed(message));
            }
            Step::SendNext => {
                if let Some((id, _)) = outbox.next_ready(&limits, &BTreeMap::new()) {
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

    /// Takes the steps; then the server takes everything, and everything goes.
    fn run(steps: Vec<Step>) {
        let (mut outbox, mut last) = (Outbox::new(Vec::new()), 0);
        for step in steps {
            take(&mut outbox, step, &mut last);
            assert_eq!(outbox.is_consistent(), Ok(()));
        }
        for _ in 0..4 * last {
            (1..4).for_each(|recipient| outbox.probe(user(recipient)));
            take(&mut outbox, Step::SendNext, &mut last);
            take(&mut outbox, Step::Acknowledge { nth: 0 }, &mut last);
            assert_eq!(outbox.is_consistent(), Ok(()));
        }
        assert_eq!(outbox.size(), (0, 0));
    }

    #[test]
    fn late_refusal_does_not_call_back_what_goes_alone() {
        run(vec![
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
            run(steps);
        }
    }
}
