//! Attacks, and the reactions of attackers to events on their connections.

use bytes::Bytes;
use sealpost_core::crypto::{Draft, Job, Outcome, OwnKey, Part};
use sealpost_core::ids::{ConnId, MessageId, ReceiptId, UserId};
use sealpost_core::time::Timestamp;
use sealpost_core::wire::{
    Deframer, Gate, Header, Lookup, Op, Otp, OtpIssued, Packet, Receipt, SessionResumed,
};

use super::attackers::{Admission, MalloryState, Stranger};
use super::model;
use super::network::LinkId;
use super::process::ProcessId;
use super::settings::Otps;
use super::step::{Attack, End};
use super::world::World;
use crate::scripted_client::Received;

impl World {
    pub(super) fn attack(&mut self, how: Attack, victim: usize) {
        if victim >= self.clients.len() {
            return;
        }
        self.fault(attack_fault(how));
        let at = self.server_time();
        match how {
            Attack::Replay
            | Attack::Impersonate
            | Attack::Adopt
            | Attack::FalseReceipt
            | Attack::FalseTaken
            | Attack::Flood => {
                self.attackers.mallory.todo.push_back((how, victim));
                self.act_as_mallory();
            }
            Attack::ReplayReconnect => {
                let of_victim = |packet: &&Packet| {
                    packet.op() == Op::Reconnect && packet.header().sender == self.apps[victim].user
                };
                let seen = self.env.captured.iter().rev().find(of_victim).cloned();
                let admission = self.admission(victim, seen.as_ref());
                self.connect_stranger(seen.into_iter().collect(), admission);
            }
            Attack::StealSession => self.steal_session(victim, self.apps[victim].user, at),
            Attack::StealSessionByPhone => self.steal_session(victim, None, at),
            Attack::ReplayReconnectByPhone => {
                if let Some(seen) = self.attackers.by_phone.get(&victim).cloned() {
                    let admission = self.admission(victim, Some(&seen));
                    self.connect_stranger(vec![seen], admission);
                }
                self.open_second_connection(victim, None);
            }
            Attack::Unauthenticated => {
                let seen = self.captured(Op::Message);
                self.connect_stranger(seen.into_iter().collect(), Admission::Never);
            }
            Attack::StealPhone => self.steal_phone(victim, at),
            Attack::Loiter => {
                (0..5).for_each(|_| self.connect_stranger(Vec::new(), Admission::Never));
            }
        }
    }

    /// Requests a one-time password for a victim's phone, and guesses it. With in-band passwords,
    /// whoever asks first owns an unregistered phone, so that would not be an attack.
    fn steal_phone(&mut self, victim: usize, at: Timestamp) {
        if self.env.settings.otps == Otps::InBand && self.apps[victim].user.is_none() {
            return;
        }
        let mut thief = self.attackers.scripted_client(self.attackers.key(), model::phone(victim));
        let guesses = [0, 1, 2].map(|number| Otp::from_number(number).unwrap());
        let mut packets = vec![thief.register(at)];
        packets.extend(guesses.map(|guess| thief.confirm(at, &guess)));
        self.connect_stranger(packets, Admission::Never);
    }

    fn steal_session(&mut self, victim: usize, id: Option<UserId>, at: Timestamp) {
        let mut thief = self.attackers.scripted_client(self.attackers.key(), model::phone(victim));
        thief.id = id;
        let packet = thief.reconnect(at);
        self.connect_stranger(vec![packet], Admission::Never);
    }

    /// Opens a second connection with a user's own key, which reads and acknowledges nothing. Its
    /// 106 names the user by `id`, or by phone number alone.
    pub(super) fn open_second_connection(&mut self, client: usize, id: Option<UserId>) {
        if self.apps.get(client).is_none_or(|app| app.user.is_none()) {
            return;
        }
        self.fault("user: a second connection");
        let mut second =
            self.attackers.scripted_client(self.apps[client].key, model::phone(client));
        second.id = id;
        let packet = second.reconnect(self.server_time());
        if id.is_none() {
            self.attackers.by_phone.insert(client, packet.clone());
        }
        self.connect_stranger(vec![packet], Admission::Possible);
    }

    /// Whether a recorded 106 of a user may still begin a session: the server may not have seen it.
    fn admission(&self, victim: usize, recorded: Option<&Packet>) -> Admission {
        let last = self.apps[victim].user.and_then(|user| self.model.last_reconnect(user));
        match (recorded, last) {
            (Some(packet), Some(last)) if packet.header().timestamp <= last => Admission::Never,
            _ => Admission::Possible,
        }
    }

    fn connect_stranger(&mut self, packets: Vec<Packet>, admission: Admission) {
        self.attackers.strangers.push(Stranger { packets, admission });
        let who = ProcessId::Scripted(self.attackers.strangers.len());
        self.env.dial(who, ConnId(1));
    }

    /// Checks that a session did not begin on the connection of somebody who has no right to one.
    pub(super) fn check_session(&mut self, server: usize, conn: ConnId) {
        let Some((_, _, link)) = self.env.network.find(ProcessId::Server(server), conn) else {
            return;
        };
        if let ProcessId::Scripted(index @ 1..) = link.dialler
            && self.attackers.strangers[index - 1].admission == Admission::Never
        {
            self.env.violate(|| format!("attacker {index} is given a session"));
        }
    }

    pub(super) fn server_time(&self) -> Timestamp {
        self.servers[0].host.now(self.env.queue.now()).wall
    }

    /// One of the last captured packets with this op code.
    fn captured(&mut self, op: Op) -> Option<Packet> {
        let seen: Vec<_> = self.env.captured.iter().filter(|packet| packet.op() == op).collect();
        if seen.is_empty() {
            return None;
        }
        Some(seen[self.env.dice.index(seen.len())].clone())
    }

    /// Carries out Mallory's pending attacks, or starts a session for them.
    fn act_as_mallory(&mut self) {
        match self.attackers.mallory.state {
            MalloryState::Away => {
                self.attackers.mallory.state = MalloryState::Dialling;
                self.attackers.mallory.conns += 1;
                self.env.dial(ProcessId::Scripted(0), ConnId(self.attackers.mallory.conns));
            }
            MalloryState::Online => {
                while let Some((how, victim)) = self.attackers.mallory.todo.pop_front() {
                    for packet in self.prepare(how, victim) {
                        self.mallory_sends(&packet);
                    }
                }
            }
            MalloryState::Dialling | MalloryState::Connecting | MalloryState::Retired => {}
        }
    }

    fn prepare(&mut self, how: Attack, victim: usize) -> Vec<Packet> {
        let at = self.server_time();
        let victim = self.apps[victim].user;
        let message = self.captured(Op::Message);
        let receipt = self.captured(Op::DeliveryAck);
        let client = &mut self.attackers.mallory.client;
        let payload = |packet: &Packet| Bytes::copy_from_slice(packet.payload());
        let id_of = |packet: &Packet| {
            packet.payload().first_chunk().map_or(0, |id| u64::from_le_bytes(*id))
        };
        match (how, message, victim) {
            (Attack::Replay, Some(message), _) => vec![message],
            (Attack::Impersonate, Some(message), _) => {
                let mut edited = message.payload().to_vec();
                if let Some(last) = edited.last_mut() {
                    *last ^= 1;
                }
                vec![client.sign(*message.header(), vec![Part::Clear(edited.into())])]
            }
            (Attack::Adopt, Some(message), _) => {
                let header = Header { sender: client.id, ..*message.header() };
                vec![client.sign(header, vec![Part::Clear(payload(&message))])]
            }
            (Attack::FalseReceipt, Some(message), Some(victim)) => {
                let own = client.receipt(at, victim, id_of(&message), &[id_of(&message)]);
                let header = Header { sender: message.header().recipient, ..*own.header() };
                let stolen = client.sign(header, vec![Part::Clear(payload(&own))]);
                vec![own, stolen]
            }
            (Attack::FalseTaken, ..) => {
                let taken = receipt.and_then(|receipt| {
                    let recipient = receipt.header().sender?;
                    Some(client.receipts_taken(at, &[(recipient, id_of(&receipt))]))
                });
                taken.into_iter().collect()
            }
            (Attack::Flood, _, Some(victim)) => {
                (0..100).map(|_| client.lookup(at, &Lookup::Id(victim))).collect()
            }
            _ => Vec::new(),
        }
    }

    fn mallory_sends(&mut self, packet: &Packet) {
        let conn = ConnId(self.attackers.mallory.conns);
        self.scripted_sends(0, conn, packet);
    }

    fn scripted_sends(&mut self, index: usize, conn: ConnId, packet: &Packet) {
        let who = ProcessId::Scripted(index);
        if self.env.network.find(who, conn).is_some_and(|(_, _, link)| link.client.open) {
            self.env.send(who, conn, packet.bytes().clone());
        }
    }

    pub(super) fn scripted_opened(&mut self, index: usize, conn: ConnId) {
        if index > 0 {
            for packet in self.attackers.strangers[index - 1].packets.clone() {
                self.scripted_sends(index, conn, &packet);
            }
            return;
        }
        let at = self.server_time();
        let mallory = &mut self.attackers.mallory;
        if mallory.state != MalloryState::Dialling {
            return;
        }
        mallory.state = MalloryState::Connecting;
        mallory.deframer = Deframer::new(self.env.settings.profile());
        let client = &mut mallory.client;
        let packet = if client.id.is_some() { client.reconnect(at) } else { client.register(at) };
        self.mallory_sends(&packet);
    }

    pub(super) fn scripted_receives(&mut self, index: usize, mut data: &[u8]) {
        if index > 0 {
            return;
        }
        while let Ok(Some(packet)) = self.attackers.mallory.deframer.next(&mut data, Gate::Client) {
            if packet.header().sender.is_none() {
                self.mallory_receives(packet);
            }
        }
    }

    fn mallory_receives(&mut self, packet: Packet) {
        let at = self.server_time();
        let mallory = &mut self.attackers.mallory;
        match mallory.client.open(packet) {
            Received::OtpIssued(OtpIssued { otp: Some(otp), .. }) => {
                let packet = mallory.client.confirm(at, &otp);
                self.mallory_sends(&packet);
            }
            Received::SessionIssued | Received::SessionResumed(SessionResumed { .. }) => {
                mallory.state = MalloryState::Online;
                self.act_as_mallory();
            }
            _ => {}
        }
    }

    /// Gives Mallory a one-time password that was delivered out of band.
    pub(super) fn deliver_otp_to_attacker(&mut self, otp: &Otp) {
        let at = self.server_time();
        let packet = self.attackers.mallory.client.confirm(at, otp);
        self.mallory_sends(&packet);
    }

    pub(super) fn scripted_lost(&mut self, index: usize, conn: ConnId) {
        let mallory = &mut self.attackers.mallory;
        if index == 0 && conn == ConnId(mallory.conns) && mallory.state != MalloryState::Retired {
            mallory.state = MalloryState::Away;
        }
    }

    /// Closes the connections of every attacker.
    pub(super) fn close_scripted(&mut self) {
        for index in 0..=self.attackers.strangers.len() {
            for id in self.env.network.of(ProcessId::Scripted(index)) {
                self.env.cut(id, End::Client, 0);
            }
        }
    }

    /// Has a dishonest server sign a receipt for a message itself, and send it to the message's
    /// sender.
    pub(super) fn forge_receipt(&mut self, _: LinkId, message: &Bytes) {
        let profile = self.env.settings.profile();
        let Some(message) = Packet::parse(profile, message.clone()) else { return };
        let Header { sender, recipient, .. } = *message.header();
        if message.op() != Op::Message {
            return;
        }
        let Some(victim) = self.apps.iter().position(|app| app.user == sender) else { return };
        let id = message.payload().first_chunk().map_or(0, |id| u64::from_le_bytes(*id));
        let receipt = Receipt { receipt_id: ReceiptId(id), message_ids: vec![MessageId(id)] };
        let header = Header {
            sender: recipient,
            recipient: sender,
            timestamp: self.server_time(),
            op: Op::DeliveryAck,
        };
        let parts = vec![Part::Clear(receipt.emit().into())];
        let draft = Draft { profile, header, parts, signer: Some(OwnKey::First) };
        let Outcome::Emitted(Ok(forged)) =
            self.servers[0].host.crypto.run(Job::Emit(Box::new(draft)))
        else {
            return;
        };
        for id in self.env.network.of(ProcessId::Client(victim)) {
            if let Some(link) = self.env.network.links.get_mut(&id) {
                link.down.send(forged.bytes().clone());
                self.env.transmit(id, End::Server);
            }
        }
    }
}

const fn attack_fault(how: Attack) -> &'static str {
    match how {
        Attack::Replay => "attacker: a message replayed",
        Attack::Impersonate => "attacker: a message edited and re-signed",
        Attack::Adopt => "attacker: a message adopted",
        Attack::FalseReceipt => "attacker: false receipts",
        Attack::FalseTaken => "attacker: receipts claimed as taken",
        Attack::ReplayReconnect => "attacker: a reconnect replayed",
        Attack::StealSession => "attacker: a session requested with another key",
        Attack::ReplayReconnectByPhone => "attacker: a reconnect without an id replayed",
        Attack::StealSessionByPhone => "attacker: a session requested by phone with another key",
        Attack::Unauthenticated => "attacker: a message without a session",
        Attack::StealPhone => "attacker: another's phone number",
        Attack::Flood => "attacker: a flood",
        Attack::Loiter => "attacker: silent connections",
    }
}
