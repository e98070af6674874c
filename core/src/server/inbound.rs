//! What clients send in a session: the checks of PROTOCOL 8, then its effect.

use super::Server;
use super::awaits::{Await, AwaitChecked};
use super::proof::{Authenticated, Verified};
use super::reply::Refusal;
use super::session::{Arrival, Farewell, Standing};
use crate::crypto::Job;
use crate::ids::{ConnId, MessageId};
use crate::keys::{Plaintext, Rejected};
use crate::time::Now;
use crate::wire::{ErrorCode, FromClient, ItemId, ItemKind, MalformedPacket, Op, Packet};

impl Server {
    /// Whether a packet's time is near enough to ours. Messages may come late, because they are
    /// repeated byte for byte until they are acknowledged.
    pub(super) fn is_timely(&self, now: Now, packet: &Packet) -> bool {
        let limits = &self.config.limits;
        let secs =
            |duration: core::time::Duration| i64::try_from(duration.as_secs()).unwrap_or(i64::MAX);
        let patience =
            if packet.op() == Op::Message { limits.retention } else { limits.clock_skew };
        let oldest = secs(patience);
        let age = now.wall.secs_since(packet.header().timestamp);
        (-secs(limits.clock_skew)..=oldest).contains(&age)
    }

    /// The cheap checks first, then the signature.
    pub(super) fn in_session(&mut self, now: Now, conn: ConnId, packet: Packet) {
        let Some((who, _)) = self.session_mut(conn) else { return };
        let mut standing = Standing::Open;
        if !self.is_timely(now, &packet) {
            if packet.header().timestamp > now.wall {
                // Its time will come; what follows it has to wait until then.
                self.hold_back(now, conn, &packet, ErrorCode::Unavailable);
            }
            let refusal = Refusal::new(ErrorCode::ClockSkew).answering(&packet);
            self.refuse(now, conn, refusal, None);
            if packet.op() != Op::Message {
                return;
            }
            // If its time was changed on the way, its client will repeat it, and what follows must
            // not be taken before.
            standing = Standing::Refused;
        }
        if packet.header().sender != Some(who.user()) {
            let refusal = Refusal::new(ErrorCode::NotAuthenticated).answering(&packet);
            return self.refuse(now, conn, refusal, None);
        }
        match FromClient::parse(packet) {
            Ok(inbound) => self.check(now, conn, inbound, standing),
            Err(MalformedPacket(packet)) => {
                let refusal = Refusal::new(ErrorCode::Malformed).answering(&packet);
                self.refuse(now, conn, refusal, None);
            }
        }
    }

    /// Has the signature checked, if the limits allow it.
    fn check(&mut self, now: Now, conn: ConnId, inbound: FromClient, standing: Standing) {
        let Some(state) = self.conns.get_mut(&conn) else { return };
        let Some(session) = state.session_mut() else { return };
        let limits = &self.config.limits;
        let (packet, signer) = (inbound.packet().clone(), session.public_key().clone());
        let mut slowed_until = None;
        let job = match &inbound {
            FromClient::Message { .. } => {
                slowed_until = session.count_message(limits, now.mono);
                Job::Verify { packet, signer }
            }
            FromClient::Lookup(_) => {
                if let Err(too_many) = session.count_lookup(limits, now.mono) {
                    return self.refuse(
                        now,
                        conn,
                        Refusal::too_many(too_many).answering(&packet),
                        None,
                    );
                }
                Job::OpenSealed { packet, signer, key: session.key().clone(), at: 0 }
            }
            FromClient::ReceiptsTaken(_) => {
                Job::OpenSealed { packet, signer, key: session.key().clone(), at: 0 }
            }
            FromClient::Receipt { .. } | FromClient::Disconnect(_) => {
                Job::Verify { packet, signer }
            }
            FromClient::Register(_)
            | FromClient::Confirm { .. }
            | FromClient::Reconnect(_)
            | FromClient::ServerKey(_) => {
                return self.refuse(
                    now,
                    conn,
                    Refusal::new(ErrorCode::Malformed).answering(&packet),
                    None,
                );
            }
        };
        let slot = session.arrivals.push();
        state.slowed_until = slowed_until.or(state.slowed_until);
        self.out.compute(job, Await::Checked(AwaitChecked { conn, slot, inbound, standing }));
    }

    /// A message is refused for now: none to the same recipient goes before it (PROTOCOL 6.2). A
    /// session of which too much would have to be remembered is closed; in the next one its client
    /// repeats everything in order.
    pub(super) fn hold_back(&mut self, now: Now, conn: ConnId, packet: &Packet, code: ErrorCode) {
        let Some(ItemId { kind: ItemKind::Message, id, .. }) = ItemId::of(packet) else { return };
        let Some(recipient) = packet.header().recipient else { return };
        let limits = &self.config.limits;
        let Some(session) = self.conns.get_mut(&conn).and_then(|conn| conn.session_mut()) else {
            return;
        };
        if session.refused(limits, recipient, MessageId(id), code).is_err() {
            self.refuse_and_close(now, conn, Refusal::new(ErrorCode::RateLimited), None);
        }
    }

    /// A signature was checked. Packets take effect in order of arrival.
    pub(super) fn checked(
        &mut self,
        now: Now,
        awaited: AwaitChecked,
        checked: Result<Plaintext, Rejected>,
    ) {
        let AwaitChecked { conn, slot, inbound, standing } = awaited;
        let Some((_, session)) = self.session_mut(conn) else { return };
        session.arrivals.complete(slot, Arrival { inbound, checked, standing });
        while let Some((who, session)) = self.session_mut(conn) {
            if session.farewell.is_some() {
                return;
            }
            let Some(arrival) = session.arrivals.pop_ready() else { break };
            let Arrival { inbound, checked, standing } = arrival;
            match Verified::mint(inbound, checked) {
                Ok((inbound, opened)) if standing == Standing::Open => {
                    self.take_effect(now, who, &inbound, &opened);
                }
                Ok(_) => {}
                Err(inbound) => {
                    let refusal = Refusal::new(ErrorCode::BadSignature).answering(inbound.packet());
                    self.refuse(now, conn, refusal, None);
                }
            }
        }
        self.update_flow(now, conn);
    }

    fn take_effect(
        &mut self,
        now: Now,
        who: Authenticated,
        inbound: &Verified<FromClient>,
        opened: &Plaintext,
    ) {
        let packet = inbound.packet();
        match inbound.get() {
            FromClient::Lookup(_) => self.lookup(now, who, packet, opened),
            FromClient::Message { recipient, message_id, .. } => {
                let session = self.session_mut(who.conn()).map(|(_, session)| session);
                let waits = session.and_then(|s| s.out_of_turn(*recipient, *message_id));
                if let Some(code) = waits {
                    self.hold_back(now, who.conn(), packet.get(), code);
                    let refusal = Refusal::new(code).answering(packet.get());
                    return self.refuse(now, who.conn(), refusal, None);
                }
                let key = ItemId { kind: ItemKind::Message, origin: who.user(), id: message_id.0 };
                self.route(now, *recipient, key, packet);
            }
            FromClient::Receipt { sender, receipt, .. } => {
                self.receipt(now, who, packet, *sender, receipt);
            }
            FromClient::ReceiptsTaken(_) => self.receipts_taken(now, who, &packet, opened),
            FromClient::Disconnect(_) => self.begin_farewell(now, who.conn(), Farewell::Disconnect),
            // The gate lets none of these into a session.
            FromClient::Register(_)
            | FromClient::Confirm { .. }
            | FromClient::Reconnect(_)
            | FromClient::ServerKey(_) => {}
        }
    }
}
