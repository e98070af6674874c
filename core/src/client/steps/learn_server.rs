//! Learning the server's key, on the first connection.

use alloc::vec::Vec;

use crate::client::Client;
use crate::client::awaits::AwaitJob;
use crate::client::notice::{Notice, OfflineReason, Suspicion};
use crate::client::state::account::ServerKeyOffer;
use crate::client::state::link::{ClockCorrection, Phase};
use crate::client::store::ClientOp;
use crate::crypto::EmitError;
use crate::frame::{Judged, Unverified};
use crate::time::Timestamp;
use crate::wire::{ErrorCode, ErrorForm, ErrorReply, FromServer, Header, Op, Packet, Violation};

impl Client {
    /// 105 before a session.
    pub(in crate::client) fn ask_server_key(&mut self) {
        self.ask_server_key_at(self.server_time());
    }

    fn ask_server_key_at(&mut self, timestamp: Timestamp) {
        self.set_phase(Phase::AwaitServerKeyRequest);
        self.expect_progress();
        let op = Op::RequestPublicKey;
        let header = Header { sender: None, recipient: None, timestamp, op };
        self.emit_unsigned(header, Vec::new(), AwaitJob::ServerKeyRequest);
    }

    pub(in crate::client) fn on_server_key_request_made(
        &mut self,
        made: Result<Packet, EmitError>,
    ) {
        let Ok(packet) = made else { return self.lose(OfflineReason::Local) };
        self.set_phase(Phase::ExpectServerKey(packet.request_hash().in_reply_to()));
        self.send(&packet);
    }

    /// 204 before a session. The key must be the one in the address, and must have signed the
    /// packet: the fingerprint shows which key it is, the signature that the server has it.
    pub(in crate::client) fn on_server_key_packet(&mut self, packet: Packet) {
        match FromServer::parse(packet) {
            Ok(FromServer::ServerKey { packet, public_key }) => {
                let offered = *public_key.fingerprint();
                if offered != *self.account.server() {
                    let suspicion = Suspicion::WrongServerKey { offered };
                    self.out.notify(Notice::Suspicious { suspicion });
                    return self.leave(OfflineReason::WrongServer);
                }
                self.set_phase(Phase::AwaitServerKey);
                let signer = public_key.clone();
                let (job, offer) =
                    Unverified::verify(ServerKeyOffer { packet, public_key }, signer);
                self.out.compute(job, AwaitJob::ServerKey(offer));
            }
            Ok(FromServer::Error { packet, form: ErrorForm::Clear }) => {
                self.on_server_key_refused(&packet);
            }
            Ok(_) | Err(_) => self.fault(Suspicion::BadPacket(Violation::Malformed)),
        }
    }

    /// A 244 that arrives before the server's key is known; anybody may have written it. If it says
    /// that our clock is wrong, the key is asked for once more, dated as the answer wants it; that
    /// time is used for nothing else. The answer to the next request is signed.
    fn on_server_key_refused(&mut self, packet: &Packet) {
        let Ok(reply) = ErrorReply::parse_clear(packet.payload()) else { return };
        let limit = self.config.limits.clock_corrections;
        let Some(connection) = self.link.connection_mut() else { return };
        let Phase::ExpectServerKey(asked) = *connection.phase() else { return };
        let is_clock = reply.code == ErrorCode::ClockSkew && reply.in_reply_to == asked;
        if !is_clock || connection.correct_clock(limit) == ClockCorrection::OneTooMany {
            return self.lose(OfflineReason::Lost);
        }
        self.ask_server_key_at(reply.server_time);
    }

    pub(in crate::client) fn on_server_key_verified(&mut self, judged: Judged<ServerKeyOffer, ()>) {
        let Ok((offer, ())) = judged else { return self.fault(Suspicion::BadServerSignature) };
        let key = offer.get().public_key.clone();
        self.account.learn_server_key(offer);
        self.pin(ClientOp::PinServerKey(key));
        self.pursue_goal();
    }
}
