//! Bytes become packets, packets are verified, then take effect in order of arrival.

use alloc::vec::Vec;
use core::time::Duration;

use crate::frame::{Judged, Signed, Unverified, Verified};
use crate::ids::{ConnId, MessageId, UserId};
use crate::keys::Plaintext;
use crate::server::Server;
use crate::server::awaits::{AwaitArrival, AwaitJob};
use crate::server::state::conn::Phase;
use crate::server::state::entry::Request;
use crate::server::state::refusal::Refusal;
use crate::server::state::session::{
    Arrival, Authenticated, Farewell, Others, SealedPacket, SignedPacket, Standing,
};
use crate::wire::{ErrorCode, FromClient, Gate, ItemId, ItemKind, MalformedPacket, Op, Packet};

impl Server {
    pub(in crate::server) fn on_bytes(&mut self, conn: ConnId, data: &[u8]) {
        self.touched.conn(conn);
        self.take_bytes(conn, data);
    }

    /// Takes packet after packet. Over its user's rate, or while memory is short, a session takes
    /// none: what has arrived already waits, as what comes later waits to be read.
    fn take_bytes(&mut self, conn_id: ConnId, mut data: &[u8]) {
        loop {
            let is_full = self.config.limits.is_full(self.held_memory());
            let Some(conn) = self.connections.get_mut(conn_id) else { return };
            if is_full && !data.is_empty() {
                conn.slow_until(self.now.mono + FULL_PAUSE);
            }
            if conn.takes_no_packet(self.now.mono) {
                if conn.keep_unread(&self.config.limits, data).is_err() {
                    self.close(conn_id);
                }
                return;
            }
            let (gate, packet) = match conn.next_packet(&mut data) {
                Ok(None) => return,
                Ok(Some(next)) => next,
                Err(violation) => return self.refuse(conn_id, Refusal::new(violation.into())),
            };
            self.counters.received(&packet);
            match gate {
                Gate::InSession => self.receive_in_session(conn_id, packet),
                Gate::BeforeSession | Gate::Client => self.receive_before_session(conn_id, packet),
            }
        }
    }

    /// Memory of all packets that are being verified or wait for the store, and of answers that are
    /// being made.
    pub(in crate::server) const fn held_memory(&self) -> usize {
        self.checking.memory() + self.mailboxes.unstored.memory()
    }

    fn receive_before_session(&mut self, conn_id: ConnId, packet: Packet) {
        let inbound = match FromClient::parse(packet) {
            Ok(inbound) => inbound,
            Err(MalformedPacket(packet)) => {
                let refusal = Refusal::new(ErrorCode::Malformed).answering(&packet);
                return self.refuse(conn_id, refusal);
            }
        };
        let limit = self.config.limits.waiting_requests;
        let Some(conn) = self.connections.get_mut(conn_id) else { return };
        match &mut conn.phase {
            Phase::ExpectRequest => {
                conn.phase = Phase::AwaitReply { waiting: Vec::new() };
                self.begin_request(conn_id, inbound);
            }
            Phase::AwaitReply { waiting } if waiting.len() < limit => waiting.push(inbound),
            Phase::AwaitReply { .. } => {
                self.refuse_and_close(conn_id, Refusal::new(ErrorCode::RateLimited));
            }
            Phase::Session(_) | Phase::Closing => {}
        }
    }

    /// Begins a request before a session. The connection awaits its reply.
    fn begin_request(&mut self, conn: ConnId, inbound: FromClient) {
        if self.out.awaited() >= self.config.limits.under_way {
            return self.shed(conn);
        }
        match inbound {
            FromClient::Register(packet) => self.register(Request::new(conn, packet)),
            FromClient::Confirm { packet, public_key_der } => {
                self.confirm(Request::new(conn, packet), &public_key_der);
            }
            FromClient::Reconnect(packet) => self.reconnect(Request::new(conn, packet)),
            FromClient::ServerKey { packet, expected } => {
                self.tell_server_key(&Request::new(conn, packet), expected.as_ref());
            }
            FromClient::Lookup(_)
            | FromClient::Message { .. }
            | FromClient::Receipt { .. }
            | FromClient::ReceiptsTaken(_)
            | FromClient::Disconnect(_) => {
                self.refuse(conn, Refusal::new(ErrorCode::NotAuthenticated));
            }
        }
    }

    /// The request under way was answered: the next one that waits begins.
    pub(in crate::server) fn next_request(&mut self, conn_id: ConnId) {
        self.touched.conn(conn_id);
        let next = self
            .connections
            .get_mut(conn_id)
            .and_then(super::super::state::conn::Conn::next_request);
        if let Some(inbound) = next {
            self.begin_request(conn_id, inbound);
        }
    }

    /// Whether a packet's date is close enough to our time. A message may come late, because it is
    /// repeated byte for byte until it is acknowledged.
    pub(in crate::server) fn is_timely(&self, packet: &Packet) -> bool {
        let limits = &self.config.limits;
        let secs = |duration: Duration| i64::try_from(duration.as_secs()).unwrap_or(i64::MAX);
        let patience =
            if packet.op() == Op::Message { limits.retention } else { limits.clock_skew };
        let age = self.now.wall.secs_since(packet.header().timestamp);
        (-secs(limits.clock_skew)..=secs(patience)).contains(&age)
    }

    /// A packet in a session. The cheap checks come first, in the order of PROTOCOL 8: nothing is
    /// verified that would be refused anyway. But whatever becomes of the packet, its user has sent
    /// it.
    fn receive_in_session(&mut self, conn_id: ConnId, packet: Packet) {
        let Some(conn) = self.connections.get_mut(conn_id) else { return };
        conn.charge_packet(&self.config.limits, self.now.mono);
        let Some((who, _)) = conn.session_mut() else { return };
        let mut standing = Standing::Open;
        if !self.is_timely(&packet) {
            if packet.header().timestamp > self.now.wall {
                // Its time will come; what follows it has to wait until then.
                self.hold_back(conn_id, &packet, ErrorCode::Unavailable);
            }
            self.refuse(conn_id, Refusal::new(ErrorCode::ClockSkew).answering(&packet));
            if packet.op() != Op::Message {
                return;
            }
            // If its date was changed on the way, its client will repeat it, and what follows must
            // not be accepted before that.
            standing = Standing::Refused;
        }
        if packet.header().sender != Some(who.user()) {
            return self
                .refuse(conn_id, Refusal::new(ErrorCode::NotAuthenticated).answering(&packet));
        }
        match FromClient::parse(packet) {
            Ok(inbound) => self.verify(conn_id, inbound, standing),
            Err(MalformedPacket(packet)) => {
                self.refuse(conn_id, Refusal::new(ErrorCode::Malformed).answering(&packet));
            }
        }
    }

    /// Has a packet verified, and opened if it is sealed, if the rates allow it.
    fn verify(&mut self, conn: ConnId, inbound: FromClient, standing: Standing) {
        match inbound {
            FromClient::Message { packet, recipient, message_id, .. } => {
                let signed = SignedPacket::Message { packet, recipient, id: message_id };
                self.verify_signed(conn, signed, standing);
            }
            FromClient::Receipt { packet, sender, receipt, .. } => {
                let signed = SignedPacket::Receipt { packet, sender, receipt };
                self.verify_signed(conn, signed, standing);
            }
            FromClient::Disconnect(packet) => {
                self.verify_signed(conn, SignedPacket::Disconnect(packet), standing);
            }
            FromClient::Lookup(packet) => {
                if let Err(refusal) = self.admit_lookup(conn) {
                    return self.refuse(conn, refusal.answering(&packet));
                }
                self.open_sealed(conn, SealedPacket::Lookup(packet), standing);
            }
            FromClient::ReceiptsTaken(packet) => {
                self.open_sealed(conn, SealedPacket::ReceiptsTaken(packet), standing);
            }
            // The gate admits none of these in a session. They are refused here too, in case it
            // changes.
            FromClient::Register(packet)
            | FromClient::Confirm { packet, .. }
            | FromClient::Reconnect(packet)
            | FromClient::ServerKey { packet, .. } => {
                self.refuse(conn, Refusal::new(ErrorCode::Malformed).answering(&packet));
            }
        }
    }

    fn admit_lookup(&mut self, conn_id: ConnId) -> Result<(), Refusal> {
        let (limits, now) = (&self.config.limits, self.now.mono);
        let Some((_, session)) = self.connections.session_mut(conn_id) else { return Ok(()) };
        session.meters.count_lookup(limits, now).map_err(Refusal::too_many)
    }

    fn verify_signed(&mut self, conn: ConnId, packet: SignedPacket, standing: Standing) {
        let Some((_, session)) = self.connections.session_mut(conn) else { return };
        let arrival = AwaitArrival::begin(conn, session, packet.packet(), standing);
        self.checking.enter(arrival.bytes);
        let (job, packet) = Unverified::verify(packet, session.public_key().clone());
        self.out.compute(job, AwaitJob::Signed { arrival, packet });
    }

    fn open_sealed(&mut self, conn: ConnId, packet: SealedPacket, standing: Standing) {
        let Some((_, session)) = self.connections.session_mut(conn) else { return };
        let (signer, key) = (session.public_key().clone(), session.key().clone());
        let arrival = AwaitArrival::begin(conn, session, packet.packet(), standing);
        self.checking.enter(arrival.bytes);
        let (job, packet) = Unverified::open_sealed(packet, signer, key, 0);
        self.out.compute(job, AwaitJob::Sealed { arrival, packet });
    }

    pub(in crate::server) fn on_signed_packet(
        &mut self,
        arrival: AwaitArrival,
        judged: Judged<SignedPacket, ()>,
    ) {
        let arrived = match (judged, arrival.standing) {
            (Ok((packet, ())), Standing::Open) => Arrival::Signed(packet),
            (Ok(_), Standing::Refused) => Arrival::Refused,
            (Err(forged), _) => Arrival::forged(forged),
        };
        self.arrive(arrival, arrived);
    }

    pub(in crate::server) fn on_sealed_packet(
        &mut self,
        arrival: AwaitArrival,
        judged: Judged<SealedPacket, Plaintext>,
    ) {
        let arrived = match (judged, arrival.standing) {
            (Ok((packet, opened)), Standing::Open) => Arrival::Sealed(packet, opened),
            (Ok(_), Standing::Refused) => Arrival::Refused,
            (Err(forged), _) => Arrival::forged(forged),
        };
        self.arrive(arrival, arrived);
    }

    /// A packet's job is done. Packets take effect in order of arrival, so all that are ready
    /// behind it may follow, or none if one before it is not.
    fn arrive(&mut self, arrival: AwaitArrival, arrived: Arrival) {
        let AwaitArrival { conn: conn_id, slot, bytes, .. } = arrival;
        let session = self.connections.get_mut(conn_id).and_then(|conn| {
            // With fewer packets under way, reading can only be resumed.
            if conn.is_paused() {
                self.touched.conn(conn_id);
            }
            conn.session_mut()
        });
        let Some((who, session)) = session else {
            // Its session has ended, and the packet is dropped.
            return self.checking.leave(bytes);
        };
        session.complete_arrival(slot, bytes, arrived);
        let mut next = session.next_arrival();
        while let Some((bytes, arrival, others)) = next {
            self.checking.leave(bytes);
            self.take_effect(who, arrival);
            next = match others {
                Others::None => None,
                // Looked up again, because the packet may have ended the session.
                Others::Wait => {
                    let session = self.connections.session_mut(conn_id);
                    session.and_then(|(_, session)| session.next_arrival())
                }
            };
        }
    }

    fn take_effect(&mut self, who: Authenticated, arrival: Arrival) {
        match arrival {
            Arrival::Signed(packet) => match packet.get() {
                SignedPacket::Message { id, recipient, .. } => {
                    let (id, recipient) = (*id, *recipient);
                    self.take_message(who, id, recipient, packet.into_packet());
                }
                SignedPacket::Receipt { sender, receipt, .. } => {
                    let (sender, receipt) = (*sender, receipt.clone());
                    self.take_receipt(who, packet.into_packet(), sender, &receipt);
                }
                SignedPacket::Disconnect(_) => {
                    self.begin_farewell(who.conn(), Farewell::Disconnect);
                }
            },
            Arrival::Sealed(packet, opened) => match packet.get() {
                SealedPacket::Lookup(_) => self.look_up(who, &packet.into_packet(), &opened),
                SealedPacket::ReceiptsTaken(_) => {
                    self.take_receipts_taken(who, &packet.into_packet(), &opened);
                }
            },
            Arrival::Refused => {}
            Arrival::Forged(packet) => {
                let refusal = Refusal::new(ErrorCode::BadSignature).answering(&packet);
                self.refuse(who.conn(), refusal);
            }
        }
    }

    fn take_message(
        &mut self,
        who: Authenticated,
        id: MessageId,
        recipient: UserId,
        packet: Verified<Packet>,
    ) {
        let session = self.connections.session_mut(who.conn()).map(|(_, session)| session);
        if let Some(session) = session.filter(|session| session.sent().refused_len() > 0) {
            // The list may become shorter.
            self.touched.conn(who.conn());
            if let Some(code) = session.sent_mut().out_of_turn(recipient, id) {
                return self.refuse_for_now(who.conn(), packet.get(), Refusal::new(code));
            }
        }
        let limits = &self.config.limits;
        if let Some((_, session)) = self.connections.session_mut(who.conn()) {
            if session.sent().owes_receipts(limits) {
                let refusal =
                    Refusal::new(ErrorCode::Unavailable).saying("take the receipts first");
                return self.refuse_for_now(who.conn(), packet.get(), refusal);
            }
            if let Some(peers) = session.sent_mut().answered(recipient) {
                self.record_answers(who.user(), peers);
            }
        }
        let item = ItemId { kind: ItemKind::Message, origin: who.user(), id: id.0 };
        self.route(recipient, item, packet);
    }

    /// Refuses a message that its sender will repeat.
    pub(in crate::server) fn refuse_for_now(
        &mut self,
        conn: ConnId,
        packet: &Packet,
        refusal: Refusal,
    ) {
        self.hold_back(conn, packet, refusal.code);
        self.refuse(conn, refusal.answering(packet));
    }

    /// A message is refused for now: until it is repeated, no other one to the same recipient is
    /// accepted (PROTOCOL 6.2). A session with too many refused messages is closed; in the next one
    /// its client repeats everything in order.
    pub(in crate::server) fn hold_back(&mut self, conn: ConnId, packet: &Packet, code: ErrorCode) {
        let Some(ItemId { kind: ItemKind::Message, id, .. }) = ItemId::of(packet) else { return };
        let Some(recipient) = packet.header().recipient else { return };
        let Some((_, session)) = self.connections.session_mut(conn) else { return };
        if session
            .sent_mut()
            .hold_back(&self.config.limits, recipient, MessageId(id), code)
            .is_err()
        {
            self.refuse_and_close(conn, Refusal::new(ErrorCode::RateLimited));
        }
    }
}

/// Pause of a session whose packets can't be taken because too much is held of everybody's. Much is
/// verified and stored meanwhile.
const FULL_PAUSE: Duration = Duration::from_millis(50);
