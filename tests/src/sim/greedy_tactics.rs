//! What greedy users send.

use bytes::Bytes;
use sealpost_core::crypto::Part;
use sealpost_core::ids::{MessageId, UserId};
use sealpost_core::time::{Mono, Timestamp};
use sealpost_core::wire::{Lookup, MessageHead, Op, Packet};

use super::greedy::GreedyUser;
use super::model;
use super::step::Greed;
use super::world::World;

/// A packet to be sent.
enum Outgoing {
    /// A message that its recipient may get.
    Message { to: UserId, packet: Packet },
    /// A receipt for a message of this sender, who may await it.
    Receipt { to: UserId, message: MessageId, packet: Packet },
    /// Anything else.
    Other(Packet),
}

impl World {
    /// Has a greedy user in a session do what it is there for.
    pub(super) fn act_greedily(&mut self, index: usize) {
        if self.greedy_backlog(index) > ENOUGH_QUEUED {
            return;
        }
        let (at, now) = (self.server_time(), self.env.queue.now());
        let everyone = self.accounts(index);
        let outgoing = match self.greedy[index].how {
            Greed::Fill => self.greedy[index].fill(at, &everyone),
            Greed::Sweep => self.sweep(index, at),
            Greed::Flood => self.greedy[index].flood(at, &everyone),
            Greed::Withhold | Greed::Deaf => self.greedy[index].write(at, &everyone),
            Greed::Late => self.greedy[index].acknowledge_late(at, now),
            Greed::Invent => self.acknowledge_with_inventions(index, at),
        };
        for outgoing in outgoing {
            self.send_greedily(index, &outgoing);
        }
        let reconnects_per_mille = match self.greedy[index].how {
            Greed::Flood => 200,
            Greed::Withhold | Greed::Deaf | Greed::Late => 30,
            // A sweep leaves when it is told to wait.
            Greed::Fill | Greed::Sweep | Greed::Invent => 0,
        };
        if self.env.dice.chance(reconnects_per_mille) {
            self.greedy_leaves(index);
        }
    }

    fn send_greedily(&mut self, index: usize, outgoing: &Outgoing) {
        let Some(user) = self.greedy[index].client.id else { return };
        let packet = match outgoing {
            Outgoing::Message { to, packet } => {
                self.note_sent(user, *to, packet);
                packet
            }
            Outgoing::Receipt { to, message, packet } => {
                self.model.taken_by_greedy_user(*to, *message);
                self.env.fairness.expect_refund(user);
                packet
            }
            Outgoing::Other(packet) => packet,
        };
        self.greedy_sends(index, packet);
    }

    /// Accounts of all clients, and of all greedy users but one.
    fn accounts(&self, but: usize) -> Vec<UserId> {
        let clients = self.apps.iter().map(|app| app.user);
        let others = self.greedy.iter().enumerate().filter(|(index, _)| *index != but);
        clients.chain(others.map(|(_, user)| user.client.id)).flatten().collect()
    }

    fn sweep(&mut self, index: usize, at: Timestamp) -> Vec<Outgoing> {
        let people = self.clients.len() + self.greedy.len();
        let user = &mut self.greedy[index];
        let mut outgoing = Vec::new();
        for _ in 0..AT_ONCE {
            let number = user.next();
            let id = UserId::new(number / 2 % (2 * people as u64));
            let packet = match id {
                Some(id) if number.is_multiple_of(2) => {
                    let packet = user.client.lookup(at, &Lookup::Id(id));
                    user.asked.insert(packet.request_hash().in_reply_to(), id);
                    packet
                }
                // Half of these phone numbers are nobody's.
                _ => {
                    let client = usize::try_from(number).unwrap_or(0) % (2 * people);
                    user.client.lookup(at, &Lookup::Phone(model::phone(client)))
                }
            };
            outgoing.push(Outgoing::Other(packet));
        }
        outgoing
    }

    /// Acknowledges each message of another greedy user on its own, together with messages that
    /// nobody has sent: with one, which is allowed, or with hundreds.
    fn acknowledge_with_inventions(&mut self, index: usize, at: Timestamp) -> Vec<Outgoing> {
        let user = &mut self.greedy[index];
        let mut outgoing = Vec::new();
        for (to, message, _) in std::mem::take(&mut user.received) {
            if self.env.fairness.is_greedy(to) {
                let number = user.next();
                let invented = if number.is_multiple_of(2) { 1 } else { 500 };
                let ids: Vec<_> =
                    std::iter::once(message.0).chain((UNUSED..).take(invented)).collect();
                let packet = user.client.receipt(at, to, number, &ids);
                outgoing.push(Outgoing::Receipt { to, message, packet });
            }
        }
        outgoing
    }
}

impl GreedyUser {
    const fn next(&mut self) -> u64 {
        self.sent += 1;
        self.sent
    }

    /// A message with this body, which nobody can open.
    fn message(&mut self, number: u64, at: Timestamp, to: UserId, body: &'static [u8]) -> Packet {
        let head = MessageHead { message_id: MessageId(number), suite: MessageHead::SUITE_1 };
        let parts = vec![Part::Clear(head.emit().into()), Part::Clear(Bytes::from_static(body))];
        self.client.packet(Op::Message, Some(to), at, parts)
    }

    /// Large and small messages to everyone in turn.
    fn fill(&mut self, at: Timestamp, everyone: &[UserId]) -> Vec<Outgoing> {
        let targets = everyone.iter().cycle().skip(self.turn(everyone.len()));
        let messages = targets.take(MESSAGES_AT_ONCE).map(|to| {
            let number = self.next();
            let body: &[u8] = if number.is_multiple_of(4) { &[0] } else { &LARGE };
            Outgoing::Message { to: *to, packet: self.message(number, at, *to, body) }
        });
        messages.collect()
    }

    /// A small message to somebody.
    fn write(&mut self, at: Timestamp, everyone: &[UserId]) -> Vec<Outgoing> {
        let Some(to) = everyone.get(self.turn(everyone.len())).copied() else { return Vec::new() };
        let number = self.next();
        vec![Outgoing::Message { to, packet: self.message(number, at, to, &[0]) }]
    }

    /// Whose turn it is among so many.
    fn turn(&self, of: usize) -> usize {
        usize::try_from(self.sent).unwrap_or(0).checked_rem(of).unwrap_or(0)
    }

    /// Packets of all kinds that can have no effect.
    fn flood(&mut self, at: Timestamp, everyone: &[UserId]) -> Vec<Outgoing> {
        let Some(to) = everyone.get(self.turn(everyone.len())).copied() else { return Vec::new() };
        let Some(nobody) = UserId::new(NOBODY) else { return Vec::new() };
        let mut packets = Vec::new();
        for _ in 0..AT_ONCE / 6 {
            let number = UNUSED + self.next();
            let misdated = self.message(number, at.plus_secs(3_600), to, &[0]);
            let to_nobody = self.message(number, at, nobody, &[0]);
            packets.extend([
                misdated,
                to_nobody.clone(),
                to_nobody,
                self.client.receipt(at, to, number, &[number]),
                self.client.receipts_taken(at, &[(to, number)]),
                self.client.lookup(at, &Lookup::Id(nobody)),
            ]);
        }
        packets.into_iter().map(Outgoing::Other).collect()
    }

    /// Acknowledges what it received a while ago.
    fn acknowledge_late(&mut self, at: Timestamp, now: Mono) -> Vec<Outgoing> {
        let mut outgoing = Vec::new();
        while let Some((to, message, _)) =
            self.received.pop_front_if(|(_, _, since)| since.0 + LATE <= now.0)
        {
            let number = self.next();
            let packet = self.client.receipt(at, to, number, &[message.0]);
            outgoing.push(Outgoing::Receipt { to, message, packet });
        }
        outgoing
    }
}

/// Small packets that a greedy user sends at once.
const AT_ONCE: u64 = 30;
/// Messages that it sends at once when it fills mailboxes.
const MESSAGES_AT_ONCE: usize = 8;
/// Bytes in a socket's queue above which it waits.
const ENOUGH_QUEUED: usize = 256 * 1024;
/// Body of a large message: with it, a packet is about as large as the largest of honest clients.
static LARGE: [u8; 8_000] = [0xA5; 8_000];
/// Ids from here on belong to no message.
const UNUSED: u64 = 1 << 40;
/// More users than a world has.
const NOBODY: u64 = 60_000;
/// Time after which a late recipient acknowledges, in microseconds: more than the server waits.
const LATE: u64 = 8_000_000;
