//! What surrounds the processes: time, the network, chance, and who watches.

use std::collections::VecDeque;
use std::net::{IpAddr, Ipv4Addr};

use bytes::Bytes;
use sealpost_core::frame::Flow;
use sealpost_core::ids::{ConnId, UserId};
use sealpost_core::time::Mono;
use sealpost_core::wire::{Header, ItemId, Op, Packet, Profile};

use super::agenda::Agenda;
use super::dice::Dice;
use super::model::MARK;
use super::net::{LineId, Net};
use super::plan::{End, Mischief, Settings, Tampering};
use super::tally::Tally;
use super::trace::Trace;
use super::world::{Due, Who};

/// Everything that processes share.
pub(super) struct Around {
    pub(super) agenda: Agenda<Due>,
    pub(super) net: Net,
    pub(super) dice: Dice<'static>,
    pub(super) trace: Trace,
    pub(super) tally: Tally,
    pub(super) settings: Settings,
    /// The server can be reached.
    pub(super) server_up: bool,
    /// Until when each client can't reach anybody.
    pub(super) unreachable: Vec<Mono>,
    /// Packets of clients that were seen on the wire, the last ones.
    pub(super) seen: VecDeque<Packet>,
    /// Somebody will want them.
    pub(super) watched: bool,
    /// The first thing that must not be.
    pub(super) violation: Option<String>,
}

impl Around {
    /// Something happened that must not.
    pub(super) fn violate(&mut self, what: impl FnOnce() -> String) {
        if self.violation.is_none() {
            let what = what();
            self.trace.note(self.agenda.now(), &[], || format!("VIOLATION {what}"));
            self.violation = Some(what);
        }
    }

    pub(super) fn arrange_commit(&mut self, who: Who, life: u32) {
        let most = match who {
            Who::Server => self.settings.commit,
            Who::Client(_) | Who::Puppet(_) => self.settings.client_commit,
        };
        let after = 1 + self.dice.below(most);
        self.agenda.after(after, Due::Committed(who, life));
    }

    pub(super) const fn outcome_delay(&self, who: Who) -> u64 {
        match who {
            Who::Server => self.settings.outcome,
            Who::Client(_) | Who::Puppet(_) => 0,
        }
    }

    /// The address that somebody comes from.
    pub(super) fn address(who: Who) -> IpAddr {
        let [high, low] = match who {
            Who::Server => [0, 1],
            Who::Client(index) => [1, u8::try_from(index).unwrap_or(u8::MAX)],
            Who::Puppet(index) => [2, u8::try_from(index).unwrap_or(u8::MAX)],
        };
        IpAddr::V4(Ipv4Addr::new(10, 0, high, low))
    }

    fn latency(&mut self) -> u64 {
        let (least, most) = self.settings.latency;
        self.dice.between(least, most)
    }

    /// Somebody dials.
    pub(super) fn dial(&mut self, who: Who, conn: ConnId) {
        let now = self.agenda.now();
        self.trace.note(now, &[1, conn.0], || format!("{who} dials {}", conn.0));
        let there = self.latency();
        let back = self.latency();
        let id = self.net.add(who, conn);
        let Some(line) = self.net.lines.get_mut(&id) else { return };
        line.client.open = true;
        let reachable = match who {
            Who::Client(index) => self.unreachable[index] <= now,
            Who::Server | Who::Puppet(_) => true,
        };
        if !self.server_up || !reachable {
            return self.agenda.after(there + back, Due::Lost(id, End::Client));
        }
        line.up.last_due = Mono(now.0 + there);
        line.down.last_due = Mono(now.0 + there + back);
        self.agenda.after(there, Due::Opened(id, End::Server));
        self.agenda.after(there + back, Due::Opened(id, End::Client));
    }

    /// A machine sends a packet.
    pub(super) fn send(&mut self, who: Who, conn: ConnId, bytes: Bytes) {
        self.tally.packets += 1;
        self.trace.bytes(&bytes);
        if who != Who::Server && memchr::memmem::find(&bytes, MARK.as_bytes()).is_some() {
            self.violate(|| format!("{who} sends a plaintext"));
        }
        let now = self.agenda.now();
        let profile = self.settings.profile();
        self.trace.note(now, &[2, conn.0], || format!("{who} sends {}", describe(profile, &bytes)));
        if self.watched && matches!(who, Who::Client(_)) {
            self.see(&bytes);
        }
        let Some((id, from, line)) = self.net.find(who, conn) else {
            return self.violate(|| format!("{who} sends on {}, which is no connection", conn.0));
        };
        if !line.socket(from).open {
            return self.violate(|| format!("{who} sends on {}, which is closed", conn.0));
        }
        let way = line.way(from);
        let mischief = way.mischief.take_if(|_| is_forwarded(profile, &bytes));
        let tampering = way.tampering.take();
        match (mischief, tampering) {
            (Some(mischief), _) => self.do_mischief(id, bytes, mischief),
            (None, Some(how)) => self.tamper(id, from, &bytes, how),
            (None, None) => {
                way.send(bytes);
                if let Some(held) = way.held.take() {
                    way.send(held);
                }
            }
        }
        self.pour(id, from);
        let Some(line) = self.net.lines.get_mut(&id) else { return };
        let way = line.way(from);
        if !way.congested && way.queued > self.settings.congested_at {
            way.congested = true;
            self.agenda.after(0, Due::Pressure(id, from));
        }
    }

    fn see(&mut self, bytes: &Bytes) {
        let Some(packet) = Packet::parse(self.settings.profile(), bytes.clone()) else { return };
        if [Op::Message, Op::DeliveryAck, Op::Reconnect].contains(&packet.op()) {
            self.seen.push_back(packet);
            if self.seen.len() > SEEN {
                self.seen.pop_front();
            }
        }
    }

    /// Puts on its way what there is room for.
    pub(super) fn pour(&mut self, id: LineId, from: End) {
        let now = self.agenda.now();
        let latency = self.latency();
        let window = self.settings.window;
        let Some(line) = self.net.lines.get_mut(&id) else { return };
        let way = line.way(from);
        way.pour(now, latency, window);
        if way.congested && way.queued == 0 {
            way.congested = false;
            self.agenda.after(0, Due::Pressure(id, from));
        }
        self.await_arrival(id, from);
    }

    /// Makes an appointment for the next arrival, if there is none.
    pub(super) fn await_arrival(&mut self, id: LineId, from: End) {
        let Some(line) = self.net.lines.get_mut(&id) else { return };
        let way = line.way(from);
        if !way.awaited
            && let Some(at) = way.next_arrival()
        {
            way.awaited = true;
            self.agenda.at(at, Due::Arrive(id, from));
        }
    }

    /// A machine reads on, or stops reading.
    pub(super) fn flow(&mut self, who: Who, conn: ConnId, flow: Flow) {
        self.trace.note(self.agenda.now(), &[3, conn.0], || format!("{who}: {flow:?} {}", conn.0));
        if flow == Flow::Pause {
            self.tally.state(if who == Who::Server {
                "server pauses reading"
            } else {
                "client pauses reading"
            });
        }
        let Some((id, end, line)) = self.net.find(who, conn) else { return };
        let socket = line.socket(end);
        let (open, repeated) = (socket.open, socket.flow == flow);
        socket.flow = flow;
        if !open || repeated {
            return self.violate(|| format!("{who}: {flow:?} on {} is out of place", conn.0));
        }
        if flow == Flow::Resume {
            self.await_arrival(id, end.other());
        }
    }

    /// A machine closes a connection.
    pub(super) fn close(&mut self, who: Who, conn: ConnId) {
        let now = self.agenda.now();
        self.trace.note(now, &[4, conn.0], || format!("{who} closes {}", conn.0));
        let latency = self.latency();
        let Some((id, end, line)) = self.net.find(who, conn) else {
            return self.violate(|| format!("{who} closes {}, which is no connection", conn.0));
        };
        if !std::mem::take(&mut line.socket(end).open) {
            return self.violate(|| format!("{who} closes {} twice", conn.0));
        }
        if line.way(end).void {
            return self.forget_if_closed(id);
        }
        line.way(end).end(now, latency);
        self.await_arrival(id, end);
    }

    /// Forgets a broken connection of which nobody knows any more.
    pub(super) fn forget_if_closed(&mut self, id: LineId) {
        if self.net.lines.get(&id).is_some_and(|line| !line.client.open && !line.server.open) {
            self.net.remove(id);
        }
    }

    /// A connection breaks: both ends notice, each after a while; `aware` first.
    pub(super) fn cut(&mut self, id: LineId, aware: End, other_after: u64) {
        let Some(line) = self.net.lines.get_mut(&id) else { return };
        line.up.lose();
        line.down.lose();
        self.agenda.after(0, Due::Lost(id, aware));
        self.agenda.after(other_after, Due::Lost(id, aware.other()));
    }

    /// A short while.
    pub(super) fn moment(&mut self) -> u64 {
        self.latency()
    }

    /// How long until keep-alive, or the next write, tells an end that the other one is gone.
    pub(super) fn until_noticed(&mut self) -> u64 {
        self.dice.between(1_000_000, 90_000_000)
    }

    fn do_mischief(&mut self, id: LineId, bytes: Bytes, mischief: Mischief) {
        self.tally.fault(match mischief {
            Mischief::Drop => "dishonest: dropped",
            Mischief::Repeat => "dishonest: repeated",
            Mischief::Swap => "dishonest: swapped",
            Mischief::Late => "dishonest: repeated late",
            Mischief::Misdeliver => "dishonest: misdelivered",
            Mischief::ForgeReceipt => "dishonest: forged a receipt",
        });
        let now = self.agenda.now();
        self.trace.note(now, &[5, id.0], || format!("{mischief:?} on line {}", id.0));
        let late = self.dice.between(100_000, 5_000_000);
        let others: Vec<LineId> =
            self.net.lines.keys().copied().filter(|other| *other != id).collect();
        let other = (!others.is_empty()).then(|| others[self.dice.index(others.len())]);
        let Some(line) = self.net.lines.get_mut(&id) else { return };
        match mischief {
            Mischief::Drop => {}
            Mischief::Repeat => {
                line.down.send(bytes.clone());
                line.down.send(bytes);
            }
            Mischief::Swap => line.down.held = Some(bytes),
            Mischief::Late => {
                line.down.send(bytes.clone());
                self.agenda.after(late, Due::Late(id, bytes));
            }
            Mischief::Misdeliver => {
                line.down.send(bytes.clone());
                if let Some(other) = other {
                    self.agenda.after(0, Due::Late(other, bytes));
                }
            }
            Mischief::ForgeReceipt => {
                line.down.send(bytes.clone());
                self.agenda.after(late, Due::Forge(id, bytes));
            }
        }
    }

    fn tamper(&mut self, id: LineId, from: End, bytes: &Bytes, how: Tampering) {
        self.tally.fault(match how {
            Tampering::Flip => "wire: a bit flipped",
            Tampering::Truncate => "wire: bytes taken out",
            Tampering::Garbage => "wire: garbage put in",
            Tampering::Repeat => "wire: a packet repeated",
            Tampering::Replay => "wire: a packet replayed",
            Tampering::Forge => "wire: a packet forged",
        });
        let now = self.agenda.now();
        self.trace.note(now, &[6, id.0], || format!("{how:?} on line {}", id.0));
        let place = self.dice.index(bytes.len());
        let mut edited = bytes.to_vec();
        let mut before = Vec::new();
        match how {
            Tampering::Flip => edited[place] ^= 1 << self.dice.below(8),
            Tampering::Truncate => {
                let end = place + 1 + self.dice.index(edited.len() - place);
                edited.drain(place..end);
            }
            Tampering::Garbage => {
                let len = 1 + self.dice.index(600);
                let garbage: Vec<u8> =
                    (0..len).map(|_| self.dice.number().to_le_bytes()[0]).collect();
                edited.splice(place..place, garbage);
            }
            Tampering::Repeat => before.clone_from(&edited),
            Tampering::Replay | Tampering::Forge => {
                if !self.seen.is_empty() {
                    let index = self.dice.index(self.seen.len());
                    before = self.seen[index].bytes().to_vec();
                }
                if how == Tampering::Forge && !before.is_empty() {
                    let place = self.dice.index(before.len());
                    before[place] ^= 1 << self.dice.below(8);
                }
            }
        }
        let Some(line) = self.net.lines.get_mut(&id) else { return };
        for part in [before, edited].into_iter().filter(|part| !part.is_empty()) {
            line.way(from).send(part.into());
        }
    }
}

/// Whether a packet of the server's is another user's: a message or a receipt.
fn is_forwarded(profile: Profile, bytes: &Bytes) -> bool {
    Packet::parse(profile, bytes.clone()).is_some_and(|packet| packet.header().sender.is_some())
}

/// A packet in a line of the trace.
fn describe(profile: Profile, bytes: &Bytes) -> String {
    let Some(packet) = Packet::parse(profile, bytes.clone()) else {
        return format!("{} bytes", bytes.len());
    };
    let Header { sender, recipient, op, .. } = *packet.header();
    let name = |user: Option<UserId>| user.map_or(0, UserId::value);
    let item = ItemId::of(&packet).map(|key| format!(" {:?} {}", key.kind, key.id));
    let (from, to) = (name(sender), name(recipient));
    format!("{op:?} {from} to {to}{}, {} bytes", item.unwrap_or_default(), bytes.len())
}

/// Packets that are remembered.
const SEEN: usize = 64;
