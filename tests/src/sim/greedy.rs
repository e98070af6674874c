//! Greedy users: people with an account and a key, whose client is replaced by a puppet. What they
//! send is authentic, and takes as much from the server as they can get.

use std::collections::{BTreeMap, VecDeque};

use sealpost_core::frame::Flow;
use sealpost_core::ids::{ConnId, MessageId, Phone, UserId};
use sealpost_core::time::{Mono, Timestamp};
use sealpost_core::wire::{
    Deframer, ErrorCode, FromServer, Gate, InReplyTo, Op, Otp, OtpIssued, Packet, PublicKeyAnswer,
};

use super::attackers::Attackers;
use super::event::SimEvent;
use super::model;
use super::process::ProcessId;
use super::settings::Settings;
use super::step::{End, Greed};
use super::world::World;
use crate::scripted_client::{Received, ScriptedClient};

/// A greedy user and its puppet.
pub(super) struct GreedyUser {
    pub(super) client: ScriptedClient,
    deframer: Deframer,
    state: State,
    /// Connections so far, the last of which is in use.
    conns: u64,
    pub(super) how: Greed,
    /// Time until which it goes on.
    until: Mono,
    is_going_on: bool,
    /// Time before which it does not dial again.
    dial_after: Mono,
    /// Timestamp of its last 106.
    last_request: Timestamp,
    /// Messages, receipts and look-ups that it has sent.
    pub(super) sent: u64,
    /// Messages that it has received and not acknowledged.
    pub(super) received: VecDeque<(UserId, MessageId, Mono)>,
    /// Look-ups by id.
    pub(super) asked: BTreeMap<InReplyTo, UserId>,
}

/// State of a greedy user's connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Away,
    Connecting,
    Online,
    Retired,
}

impl GreedyUser {
    /// The greedy users of a world.
    pub(super) fn all(attackers: &Attackers, settings: &Settings) -> Vec<Self> {
        let user = |index| {
            let key = attackers.key() + 1 + index;
            Self {
                client: attackers.scripted_client(key, phone(index)),
                deframer: Deframer::new(settings.profile()),
                state: State::Away,
                conns: 0,
                how: Greed::Withhold,
                until: Mono(0),
                is_going_on: false,
                dial_after: Mono(0),
                last_request: Timestamp::from_unix_secs(0),
                sent: 0,
                received: VecDeque::new(),
                asked: BTreeMap::new(),
            }
        };
        (0..settings.greedy).map(user).collect()
    }

    const fn conn(&self) -> ConnId {
        ConnId(self.conns)
    }

    /// The next 106. Its date is as old as the server accepts, so that as many as possible can
    /// follow each other at once.
    fn reconnect(&mut self, server_time: Timestamp) -> Packet {
        let oldest = server_time.plus_secs(-TOLERATED_SECS);
        self.last_request = self.last_request.plus_secs(1).max(oldest);
        self.client.reconnect(self.last_request)
    }
}

impl World {
    /// Has a greedy user behave in this way for a while.
    pub(super) fn be_greedy(&mut self, index: usize, how: Greed, ms: u64) {
        let now = self.env.queue.now();
        let Some(user) = self.greedy.get_mut(index) else { return };
        if user.state == State::Retired {
            return;
        }
        (user.how, user.until) = (how, Mono(now.0 + ms * 1_000));
        if !std::mem::replace(&mut user.is_going_on, true) {
            self.env.queue.schedule_after(0, SimEvent::Greed(index));
        }
        self.fault(name(how));
        self.set_reading(index);
    }

    /// Has a greedy user send what it can, and connect if it has to.
    pub(super) fn go_on_greedily(&mut self, index: usize) {
        let now = self.env.queue.now();
        let user = &mut self.greedy[index];
        if user.state == State::Retired || now >= user.until {
            user.is_going_on = false;
            return;
        }
        self.env.queue.schedule_after(PACE, SimEvent::Greed(index));
        match user.state {
            State::Away if now >= user.dial_after => {
                user.state = State::Connecting;
                user.conns += 1;
                user.dial_after = Mono(now.0 + BETWEEN_DIALS);
                let conn = user.conn();
                self.env.dial(ProcessId::Greedy(index), conn);
            }
            State::Online => self.act_greedily(index),
            State::Away | State::Connecting | State::Retired => {}
        }
    }

    /// Sends a packet of a greedy user, unless its connection has ended.
    pub(super) fn greedy_sends(&mut self, index: usize, packet: &Packet) {
        let (who, conn) = (ProcessId::Greedy(index), self.greedy[index].conn());
        if self.env.network.find(who, conn).is_some_and(|(_, _, link)| link.client.open) {
            self.env.send(who, conn, packet.bytes().clone());
        }
    }

    /// Bytes that a greedy user has sent and the network has not taken.
    pub(super) fn greedy_backlog(&mut self, index: usize) -> usize {
        let (who, conn) = (ProcessId::Greedy(index), self.greedy[index].conn());
        self.env.network.find(who, conn).map_or(0, |(_, _, link)| link.up.queued)
    }

    /// Has a greedy user connect again. Every other user closes the earlier connection; the others
    /// let the next one displace it.
    pub(super) fn greedy_leaves(&mut self, index: usize) {
        let (who, conn) = (ProcessId::Greedy(index), self.greedy[index].conn());
        let closes = index.is_multiple_of(2);
        let link = self.env.network.find(who, conn);
        if link.is_some_and(|(_, _, link)| link.client.open) && closes {
            self.env.close(who, conn);
        }
        self.greedy_lost(index, conn);
    }

    pub(super) fn greedy_opened(&mut self, index: usize, conn: ConnId) {
        let at = self.server_time();
        let user = &mut self.greedy[index];
        if user.state != State::Connecting || conn != user.conn() {
            return;
        }
        user.deframer = Deframer::new(self.env.settings.profile());
        let registers = user.client.id.is_none();
        let packet = if registers { user.client.register(at) } else { user.reconnect(at) };
        self.greedy_sends(index, &packet);
    }

    pub(super) fn greedy_receives(&mut self, index: usize, conn: ConnId, mut data: &[u8]) {
        if conn != self.greedy[index].conn() {
            return;
        }
        while let Ok(Some(packet)) = self.greedy[index].deframer.next(&mut data, Gate::Client) {
            self.greedy_takes(index, packet);
        }
    }

    fn greedy_takes(&mut self, index: usize, packet: Packet) {
        let now = self.env.queue.now();
        if packet.op() == Op::Message {
            if let Ok(FromServer::Message { sender, message_id, .. }) = FromServer::parse(packet) {
                self.greedy[index].received.push_back((sender, message_id, now));
            }
            return;
        }
        let user = &mut self.greedy[index];
        match user.client.open(packet) {
            Received::OtpIssued(OtpIssued { otp: Some(otp), .. }) => {
                self.deliver_otp_to_greedy_user(index, &otp);
            }
            Received::SessionIssued | Received::SessionResumed(_) => {
                user.state = State::Online;
                self.set_reading(index);
            }
            Received::PublicKey(answer) => self.check_answer(index, &answer),
            Received::Error(_, error)
                if error.code == ErrorCode::RateLimited
                    && (user.how == Greed::Sweep || user.state == State::Connecting) =>
            {
                self.greedy_leaves(index);
            }
            _ => {}
        }
    }

    /// A look-up by id finds only people who have written to the asker.
    fn check_answer(&mut self, index: usize, answer: &PublicKeyAnswer) {
        let user = &self.greedy[index];
        let Some(found) = user.asked.get(&answer.in_reply_to).copied() else { return };
        let Some(asker) = user.client.id else { return };
        // Mallory sends everybody what others have written to them.
        let is_mallory = self.attackers.mallory.client.id == Some(found);
        if !is_mallory && !self.has_written(found, asker) {
            self.env.violate(|| format!("greedy user {index} finds user {found} by the id"));
        }
    }

    /// Gives a greedy user its one-time password.
    pub(super) fn deliver_otp_to_greedy_user(&mut self, index: usize, otp: &Otp) {
        let at = self.server_time();
        let packet = self.greedy[index].client.confirm(at, otp);
        self.greedy_sends(index, &packet);
    }

    pub(super) fn greedy_lost(&mut self, index: usize, conn: ConnId) {
        let user = &mut self.greedy[index];
        if conn == user.conn() && user.state != State::Retired {
            user.state = State::Away;
            user.received.clear();
        }
    }

    /// Lets a greedy user's socket take bytes, unless the user reads nothing.
    fn set_reading(&mut self, index: usize) {
        let now = self.env.queue.now();
        let user = &self.greedy[index];
        let is_deaf = user.how == Greed::Deaf && user.state == State::Online;
        let flow = if is_deaf { Flow::Pause } else { Flow::Resume };
        let (who, conn) = (ProcessId::Greedy(index), user.conn());
        let Some((id, _, link)) = self.env.network.find(who, conn) else { return };
        (link.client.flow, link.client.flow_since) = (flow, now);
        if flow == Flow::Resume {
            self.env.schedule_arrival(id, End::Server);
        }
    }

    /// Ends the greedy users' connections for good.
    pub(super) fn retire_greedy_users(&mut self) {
        for index in 0..self.greedy.len() {
            self.greedy[index].state = State::Retired;
            for id in self.env.network.of(ProcessId::Greedy(index)) {
                self.env.cut(id, End::Client, 0);
            }
        }
    }

    /// Greedy user with a phone number.
    pub(super) fn greedy_user_of(&self, of: Phone) -> Option<usize> {
        (0..self.greedy.len()).find(|index| phone(*index) == of)
    }

    /// Phone number of a client or, after the clients, of a greedy user.
    pub(super) fn phone_of(&self, person: usize) -> Phone {
        match person.checked_sub(self.clients.len()) {
            Some(greedy) => phone(greedy),
            None => model::phone(person),
        }
    }
}

/// Phone number of a greedy user. The first attacker's is Mallory's.
fn phone(index: usize) -> Phone {
    model::attacker_phone(1 + index)
}

const fn name(how: Greed) -> &'static str {
    match how {
        Greed::Fill => "greedy: fills",
        Greed::Sweep => "greedy: sweeps",
        Greed::Flood => "greedy: floods",
        Greed::Withhold => "greedy: acknowledges nothing",
        Greed::Deaf => "greedy: reads nothing",
        Greed::Late => "greedy: acknowledges late",
        Greed::Invent => "greedy: invents",
    }
}

/// Time between two turns of a greedy user, in microseconds.
const PACE: u64 = 100_000;
/// Shortest time between two connections, in microseconds.
const BETWEEN_DIALS: u64 = 300_000;
/// How old a 106 may be for the server, a little less.
const TOLERATED_SECS: i64 = 290;
