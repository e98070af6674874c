//! Requests before a session: 100, 101 and 106.

use alloc::vec;

use bytes::Bytes;

use crate::client::Client;
use crate::client::awaits::{AwaitJob, AwaitStore};
use crate::client::notice::OfflineReason;
use crate::client::state::account::ReconnectDate;
use crate::client::state::exchange::{Exchange, Request};
use crate::client::state::goal::Goal;
use crate::client::state::link::Phase;
use crate::client::store::ClientOp;
use crate::crypto::{EmitError, Part, RequestKind};
use crate::frame::{Durable, Pending, StoreError};
use crate::ids::ConnId;
use crate::keys::{Plaintext, SymmetricKey};
use crate::time::Timestamp;
use crate::wire::{ConfirmRequest, Header, Op, Packet, ReconnectRequest, RegisterRequest};

impl Client {
    /// Makes the request that the goal needs.
    pub(in crate::client) fn pursue_goal(&mut self) {
        self.expect_progress();
        match &self.goal {
            Goal::Offline | Goal::AwaitOtp => self.lose(OfflineReason::Requested),
            Goal::Register(invitation) => {
                self.send_request(Request::Register(invitation.clone()));
            }
            Goal::Confirm(otp) => self.send_request(Request::Confirm(otp.clone())),
            Goal::Online | Goal::Renew(_) | Goal::Recheck(_) => self.record_reconnect_date(),
        }
    }

    /// A 106 is dated strictly after the last one, and that date is durable before it leaves, so
    /// that the next one is dated after it even if the process crashes in between.
    fn record_reconnect_date(&mut self) {
        let date = self.account.next_reconnect(self.now, self.config.limits.reconnect_ahead_secs);
        let Some(connection) = self.link.connection_mut() else { return };
        connection.set_phase(Phase::AwaitReconnectDate);
        let conn = connection.id();
        let then = AwaitStore::ReconnectDate(conn, Pending::new(date));
        self.out.store(ClientOp::UseReconnectTime(date.to_record()), then);
    }

    pub(in crate::client) fn on_reconnect_date(
        &mut self,
        conn: ConnId,
        kept: Result<Durable<ReconnectDate>, (ReconnectDate, StoreError)>,
    ) {
        let used = match &kept {
            Ok(date) => *date.get(),
            Err((date, _)) => *date,
        };
        self.account.use_reconnect_date(used);
        // The store may have been slow, and the connection another one by now.
        let awaits = self.link.connection().is_some_and(|connection| {
            connection.id() == conn && matches!(connection.phase(), Phase::AwaitReconnectDate)
        });
        match kept {
            Ok(date) if awaits => self.send_request(Request::Reconnect(date)),
            Err(_) if awaits => self.lose(OfflineReason::Local),
            Ok(_) | Err(_) => {}
        }
    }

    fn send_request(&mut self, request: Request) {
        let Some(server_key) = self.account.server_key().cloned() else { return };
        let kind = request.kind();
        let reply_key = match kind {
            RequestKind::Register | RequestKind::Confirm => self.registration_key(),
            RequestKind::Reconnect => self.entropy.symmetric_key(),
        };
        let (header, plaintext) = self.request_parts(request, reply_key.clone());
        let mut parts = vec![Part::Oaep { to: server_key, label: kind.label(), plaintext }];
        self.set_phase(Phase::Exchange(Exchange::new(kind, reply_key, header.sender)));
        match kind {
            RequestKind::Register => self.emit_unsigned(header, parts, AwaitJob::Request),
            RequestKind::Confirm => {
                let der = Bytes::copy_from_slice(self.config.public_key.der());
                parts.push(Part::Clear(der));
                self.emit(header, parts, AwaitJob::Request);
            }
            RequestKind::Reconnect => self.emit(header, parts, AwaitJob::Request),
        }
    }

    /// The reply key of this registration. It is kept, because the one-time password belongs to it;
    /// if it is lost all the same, another password has to be asked for.
    fn registration_key(&mut self) -> SymmetricKey {
        if let Some(reply_key) = self.account.reply_key() {
            return reply_key.clone();
        }
        let reply_key = self.entropy.symmetric_key();
        self.account.begin_registration(reply_key.clone());
        self.pin(ClientOp::KeepReplyKey(reply_key.clone()));
        reply_key
    }

    /// The header of a request, and the plaintext of its OAEP part.
    fn request_parts(&self, request: Request, reply_key: SymmetricKey) -> (Header, Plaintext) {
        let phone = self.account.phone();
        match request {
            Request::Register(invitation) => {
                let header = self.header_to_server(Op::Register, None);
                let timestamp = header.timestamp;
                let request = RegisterRequest { reply_key, phone, timestamp, invitation };
                (header, request.emit())
            }
            Request::Confirm(otp) => {
                let fingerprint = *self.config.public_key.fingerprint();
                let header = self.header_to_server(Op::Confirm, None);
                (header, ConfirmRequest { reply_key, otp, fingerprint, phone }.emit())
            }
            Request::Reconnect(date) => {
                let header = self.reconnect_header(ReconnectDate::of(&date));
                (header, ReconnectRequest { reply_key, phone }.emit())
            }
        }
    }

    const fn reconnect_header(&self, timestamp: Timestamp) -> Header {
        // Without an id, as after a 101 whose answer was lost, the server finds us by phone number.
        let sender = match self.goal {
            Goal::Recheck(_) => None,
            Goal::Offline
            | Goal::Online
            | Goal::Renew(_)
            | Goal::Register(_)
            | Goal::AwaitOtp
            | Goal::Confirm(_) => self.account.user(),
        };
        Header { sender, recipient: None, timestamp, op: Op::Reconnect }
    }

    pub(in crate::client) fn on_request_made(&mut self, made: Result<Packet, EmitError>) {
        let Ok(packet) = made else { return self.lose(OfflineReason::Local) };
        let Some(exchange) = self.link.exchange_mut() else { return };
        exchange.sent(packet.request_hash());
        if exchange.kind() == RequestKind::Confirm {
            self.goal.confirm_sent();
        }
        self.expect_progress();
        self.send(&packet);
    }
}
