//! The environment that all processes of a simulation share: time, network, randomness and trace.

use std::collections::VecDeque;
use std::net::{IpAddr, Ipv4Addr};

use bytes::Bytes;
use sealpost_core::frame::Flow;
use sealpost_core::ids::{ConnId, UserId};
use sealpost_core::time::Mono;
use sealpost_core::wire::{Header, ItemId, Op, Packet, Profile};

use super::dice::Dice;
use super::event::SimEvent;
use super::event_queue::EventQueue;
use super::fairness::Fairness;
use super::model::MARK;
use super::network::{LinkId, Network};
use super::process::ProcessId;
use super::settings::Settings;
use super::step::{End, Misbehaviour, Tampering};
use super::tally::Tally;
use super::timeliness::Timeliness;
use super::trace::Trace;

/// What all processes share.
pub(super) struct Environment {
    pub(super) queue: EventQueue<SimEvent>,
    pub(super) network: Network,
    pub(super) dice: Dice<'static>,
    pub(super) trace: Trace,
    pub(super) tally: Tally,
    pub(super) timeliness: Timeliness,
    pub(super) fairness: Fairness,
    pub(super) settings: Settings,
    /// For each server, whether its process is running.
    pub(super) servers_up: Vec<bool>,
    /// For each client that registers, the server that it stays with: one-time passwords are in the
    /// memory of one server.
    pub(super) registering_at: Vec<Option<usize>>,
    /// For each client, the time until which it cannot reach the server.
    pub(super) unreachable: Vec<Mono>,
    /// Last packets of clients on the wire, for attackers.
    pub(super) captured: VecDeque<Packet>,
    /// Whether the plan has attackers, so that packets are captured.
    pub(super) capture: bool,
    /// First violation.
    pub(super) violation: Option<String>,
}

impl Environment {
    /// Records a violation, unless there was one before.
    pub(super) fn violate(&mut self, what: impl FnOnce() -> String) {
        if self.violation.is_none() {
            let what = what();
            self.trace.note(self.queue.now(), &[], || format!("VIOLATION {what}"));
            self.violation = Some(what);
        }
    }

    pub(super) fn schedule_commit(&mut self, who: ProcessId, incarnation: u32) {
        let most = match who {
            ProcessId::Server(_) => self.settings.commit,
            ProcessId::Client(_) | ProcessId::Scripted(_) | ProcessId::Greedy(_) => {
                self.settings.client_commit
            }
        };
        let after = 1 + self.dice.below(most);
        self.queue.schedule_after(after, SimEvent::Committed(who, incarnation));
    }

    pub(super) const fn outcome_delay(&self, who: ProcessId) -> u64 {
        match who {
            ProcessId::Server(_) => self.settings.outcome,
            ProcessId::Client(_) | ProcessId::Scripted(_) | ProcessId::Greedy(_) => 0,
        }
    }

    /// Address of a process.
    pub(super) fn address(who: ProcessId) -> IpAddr {
        let [high, low] = match who {
            ProcessId::Server(index) => [0, 1 + u8::try_from(index).unwrap_or(u8::MAX)],
            ProcessId::Client(index) => [1, u8::try_from(index).unwrap_or(u8::MAX)],
            ProcessId::Scripted(index) => [2, u8::try_from(index).unwrap_or(u8::MAX)],
            ProcessId::Greedy(index) => [3, u8::try_from(index).unwrap_or(u8::MAX)],
        };
        IpAddr::V4(Ipv4Addr::new(10, 0, high, low))
    }

    fn latency(&mut self) -> u64 {
        let (least, most) = self.settings.latency;
        self.dice.between(least, most)
    }

    /// Dials a connection to one of the servers.
    pub(super) fn dial(&mut self, who: ProcessId, conn: ConnId) {
        let now = self.queue.now();
        self.trace.note(now, &[1, conn.0], || format!("{who} dials {}", conn.0));
        let there = self.latency();
        let back = self.latency();
        let registering_at = match who {
            ProcessId::Client(index) => self.registering_at[index],
            ProcessId::Server(_) | ProcessId::Scripted(_) | ProcessId::Greedy(_) => None,
        };
        let at = registering_at.unwrap_or_else(|| self.choose_server());
        let id = self.network.add(who, conn, at);
        let Some(link) = self.network.links.get_mut(&id) else { return };
        link.client.open = true;
        let reachable = match who {
            ProcessId::Client(index) => self.unreachable[index] <= now,
            ProcessId::Server(_) | ProcessId::Scripted(_) | ProcessId::Greedy(_) => true,
        };
        if !self.servers_up[at] || !reachable {
            return self.queue.schedule_after(there + back, SimEvent::Lost(id, End::Client));
        }
        link.up.last_due = Mono(now.0 + there);
        link.down.last_due = Mono(now.0 + there + back);
        self.queue.schedule_after(there, SimEvent::Opened(id, End::Server));
        self.queue.schedule_after(there + back, SimEvent::Opened(id, End::Client));
    }

    /// Index of any of the servers. Nothing is drawn if there is but one.
    pub(super) fn choose_server(&mut self) -> usize {
        let servers = self.servers_up.len();
        if servers > 1 { self.dice.index(servers) } else { 0 }
    }

    /// Sends a packet of a machine.
    pub(super) fn send(&mut self, who: ProcessId, conn: ConnId, bytes: Bytes) {
        self.tally.packets += 1;
        self.trace.bytes(&bytes);
        if !who.is_server() && memchr::memmem::find(&bytes, MARK.as_bytes()).is_some() {
            self.violate(|| format!("{who} sends a packet that contains a plaintext"));
        }
        let now = self.queue.now();
        let profile = self.settings.profile();
        self.trace.note(now, &[2, conn.0], || format!("{who} sends {}", describe(profile, &bytes)));
        if self.capture && matches!(who, ProcessId::Client(_)) {
            self.capture(&bytes);
        }
        let Some((id, from, link)) = self.network.find(who, conn) else {
            return self.violate(|| format!("{who} sends on unknown connection {}", conn.0));
        };
        if !link.socket(from).open {
            return self.violate(|| format!("{who} sends on closed connection {}", conn.0));
        }
        // One packet suffers one fault at most, so that a violation can be traced to it.
        let pipe = link.pipe(from);
        let misbehaviour = pipe.misbehaviour.take_if(|_| is_forwarded(profile, &bytes));
        let tampering = pipe.tampering.take();
        match (misbehaviour, tampering) {
            (Some(misbehaviour), _) => self.misbehave(id, bytes, misbehaviour),
            (None, Some(how)) => self.tamper(id, from, &bytes, how),
            (None, None) => {
                pipe.send(bytes);
                if let Some(held) = pipe.held.take() {
                    pipe.send(held);
                }
            }
        }
        self.transmit(id, from);
        let Some(link) = self.network.links.get_mut(&id) else { return };
        let pipe = link.pipe(from);
        if !pipe.congested && pipe.queued > self.settings.congested_at {
            pipe.congested = true;
            self.queue.schedule_after(0, SimEvent::Pressure(id, from));
        }
    }

    fn capture(&mut self, bytes: &Bytes) {
        let Some(packet) = Packet::parse(self.settings.profile(), bytes.clone()) else { return };
        if [Op::Message, Op::DeliveryAck, Op::Reconnect].contains(&packet.op()) {
            self.captured.push_back(packet);
            if self.captured.len() > CAPTURED {
                self.captured.pop_front();
            }
        }
    }

    /// Moves queued bytes into flight, as far as the window allows.
    pub(super) fn transmit(&mut self, id: LinkId, from: End) {
        let now = self.queue.now();
        let latency = self.latency();
        let window = self.settings.window;
        let Some(link) = self.network.links.get_mut(&id) else { return };
        let pipe = link.pipe(from);
        pipe.transmit(now, latency, window);
        if pipe.congested && pipe.queued == 0 {
            pipe.congested = false;
            self.queue.schedule_after(0, SimEvent::Pressure(id, from));
        }
        self.schedule_arrival(id, from);
    }

    /// Schedules the next arrival, unless one is scheduled.
    pub(super) fn schedule_arrival(&mut self, id: LinkId, from: End) {
        let Some(link) = self.network.links.get_mut(&id) else { return };
        let pipe = link.pipe(from);
        if !pipe.arrival_scheduled
            && let Some(at) = pipe.next_arrival()
        {
            pipe.arrival_scheduled = true;
            self.queue.schedule_at(at, SimEvent::Arrive(id, from));
        }
    }

    /// Pauses or resumes a machine's reading.
    pub(super) fn flow(&mut self, who: ProcessId, conn: ConnId, flow: Flow) {
        let now = self.queue.now();
        self.trace.note(now, &[3, conn.0], || format!("{who}: {flow:?} {}", conn.0));
        if flow == Flow::Pause {
            self.tally.state(if who.is_server() {
                "server pauses reading"
            } else {
                "client pauses reading"
            });
        }
        let Some((id, end, link)) = self.network.find(who, conn) else { return };
        let socket = link.socket(end);
        let (open, repeated) = (socket.open, socket.flow == flow);
        (socket.flow, socket.flow_since) = (flow, now);
        let dialler = link.dialler;
        if !open || repeated {
            return self.violate(|| {
                format!("{who}: {flow:?} on {}, which is closed or in that state already", conn.0)
            });
        }
        match flow {
            Flow::Pause => self.expect_resumption(who, dialler, conn),
            Flow::Resume => self.schedule_arrival(id, end.other()),
        }
    }

    /// Closes a machine's end of a connection.
    pub(super) fn close(&mut self, who: ProcessId, conn: ConnId) {
        let now = self.queue.now();
        self.trace.note(now, &[4, conn.0], || format!("{who} closes {}", conn.0));
        let latency = self.latency();
        let Some((id, end, link)) = self.network.find(who, conn) else {
            return self.violate(|| format!("{who} closes unknown connection {}", conn.0));
        };
        if !std::mem::take(&mut link.socket(end).open) {
            return self.violate(|| format!("{who} closes {} twice", conn.0));
        }
        // Nothing can arrive on a broken link, so no end of the stream is sent.
        if link.pipe(end).broken {
            return self.forget_if_closed(id);
        }
        link.pipe(end).end(now, latency);
        self.schedule_arrival(id, end);
    }

    /// Forgets a link that is closed at both ends.
    pub(super) fn forget_if_closed(&mut self, id: LinkId) {
        if self.network.links.get(&id).is_some_and(|link| !link.client.open && !link.server.open) {
            self.network.remove(id);
        }
    }

    /// Breaks a link. The `aware` end notices at once, the other `other_after` microseconds later.
    pub(super) fn cut(&mut self, id: LinkId, aware: End, other_after: u64) {
        let Some(link) = self.network.links.get_mut(&id) else { return };
        link.up.lose();
        link.down.lose();
        self.queue.schedule_after(0, SimEvent::Lost(id, aware));
        self.queue.schedule_after(other_after, SimEvent::Lost(id, aware.other()));
    }

    /// A short delay, in microseconds.
    pub(super) fn short_delay(&mut self) -> u64 {
        self.latency()
    }

    /// Time until keep-alive or the next write tells an end that the other is gone, in microseconds.
    pub(super) fn detection_delay(&mut self) -> u64 {
        self.dice.between(1_000_000, 90_000_000)
    }

    fn misbehave(&mut self, id: LinkId, bytes: Bytes, misbehaviour: Misbehaviour) {
        self.tally.fault(match misbehaviour {
            Misbehaviour::Drop => "dishonest: dropped",
            Misbehaviour::Repeat => "dishonest: repeated",
            Misbehaviour::Swap => "dishonest: swapped",
            Misbehaviour::Late => "dishonest: repeated late",
            Misbehaviour::HoldBack => "dishonest: held back",
            Misbehaviour::Misdeliver => "dishonest: misdelivered",
            Misbehaviour::ForgeReceipt => "dishonest: forged a receipt",
        });
        let now = self.queue.now();
        self.trace.note(now, &[5, id.0], || format!("{misbehaviour:?} on link {}", id.0));
        let late = self.dice.between(100_000, 5_000_000);
        let others: Vec<LinkId> =
            self.network.links.keys().copied().filter(|other| *other != id).collect();
        let other = (!others.is_empty()).then(|| others[self.dice.index(others.len())]);
        let Some(link) = self.network.links.get_mut(&id) else { return };
        match misbehaviour {
            Misbehaviour::Drop => {}
            Misbehaviour::Repeat => {
                link.down.send(bytes.clone());
                link.down.send(bytes);
            }
            Misbehaviour::Swap => link.down.held = Some(bytes),
            Misbehaviour::Late => {
                link.down.send(bytes.clone());
                self.queue.schedule_after(late, SimEvent::Late(id, bytes));
            }
            Misbehaviour::HoldBack => {
                self.queue.schedule_after(late, SimEvent::Late(id, bytes));
            }
            Misbehaviour::Misdeliver => {
                link.down.send(bytes.clone());
                if let Some(other) = other {
                    self.queue.schedule_after(0, SimEvent::Late(other, bytes));
                }
            }
            Misbehaviour::ForgeReceipt => {
                link.down.send(bytes.clone());
                self.queue.schedule_after(late, SimEvent::Forge(id, bytes));
            }
        }
    }

    fn tamper(&mut self, id: LinkId, from: End, bytes: &Bytes, how: Tampering) {
        self.tally.fault(match how {
            Tampering::Flip => "wire: a bit flipped",
            Tampering::Truncate => "wire: bytes removed",
            Tampering::Garbage => "wire: garbage inserted",
            Tampering::Repeat => "wire: a packet repeated",
            Tampering::Replay => "wire: a packet replayed",
            Tampering::Forge => "wire: a packet forged",
        });
        let now = self.queue.now();
        self.trace.note(now, &[6, id.0], || format!("{how:?} on link {}", id.0));
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
                if !self.captured.is_empty() {
                    let index = self.dice.index(self.captured.len());
                    before = self.captured[index].bytes().to_vec();
                }
                if how == Tampering::Forge && !before.is_empty() {
                    let place = self.dice.index(before.len());
                    before[place] ^= 1 << self.dice.below(8);
                }
            }
        }
        let Some(link) = self.network.links.get_mut(&id) else { return };
        for part in [before, edited].into_iter().filter(|part| !part.is_empty()) {
            link.pipe(from).send(part.into());
        }
    }
}

/// Whether the server forwards a packet of a user: a message or a receipt.
fn is_forwarded(profile: Profile, bytes: &Bytes) -> bool {
    Packet::parse(profile, bytes.clone()).is_some_and(|packet| packet.header().sender.is_some())
}

/// Describes a packet for the trace.
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

/// Number of captured packets.
const CAPTURED: usize = 64;
