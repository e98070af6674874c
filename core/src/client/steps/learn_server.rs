//! Learning the server's key, on the first connection and while the server changes it.

use alloc::vec;
use alloc::vec::Vec;

use crate::client::Client;
use crate::client::awaits::{AwaitJob, AwaitStore};
use crate::client::notice::{Notice, OfflineReason, ServerKeyChange, Suspicion};
use crate::client::state::account::{KeyQuestion, Offered, ServerKeyOffer, ServerKeys};
use crate::client::state::link::{ClockCorrection, Connection, Phase};
use crate::client::store::ClientOp;
use crate::crypto::{EmitError, Part};
use crate::frame::{Durable, Judged, Pending, StoreError, Unverified};
use crate::keys::Fingerprint;
use crate::time::Timestamp;
use crate::wire::{ErrorCode, ErrorForm, ErrorReply, FromServer, Header, Op, Packet, Violation};

impl Client {
    /// 105 before a session.
    pub(in crate::client) fn ask_server_key(&mut self, question: KeyQuestion) {
        self.ask_server_key_at(self.server_time(), question);
    }

    fn ask_server_key_at(&mut self, timestamp: Timestamp, question: KeyQuestion) {
        self.set_phase(Phase::AwaitServerKeyRequest);
        self.expect_progress();
        let op = Op::RequestPublicKey;
        let header = Header { sender: None, recipient: None, timestamp, op };
        let expected = match question {
            KeyQuestion::First => Vec::new(),
            KeyQuestion::Successor(Fingerprint(expected)) => expected.to_vec(),
            KeyQuestion::Ours { .. } => self.account.server().0.to_vec(),
        };
        let parts = vec![Part::Clear(expected.into())];
        self.emit_unsigned(header, parts, AwaitJob::ServerKeyRequest(question));
    }

    pub(in crate::client) fn on_server_key_request_made(
        &mut self,
        question: KeyQuestion,
        made: Result<Packet, EmitError>,
    ) {
        let Ok(packet) = made else { return self.lose(OfflineReason::Local) };
        self.set_phase(Phase::ExpectServerKey(packet.request_hash().in_reply_to(), question));
        self.send(&packet);
    }

    /// 204 before a session. The key must be the one in the address, or its successor, and must have
    /// signed the packet: the fingerprint shows which key it is, the signature that the server has
    /// it.
    pub(in crate::client) fn on_server_key_packet(&mut self, packet: Packet) {
        let Some(Phase::ExpectServerKey(_, question)) =
            self.link.connection().map(Connection::phase)
        else {
            return;
        };
        let question = *question;
        match FromServer::parse(packet) {
            Ok(FromServer::ServerKey { packet, public_key }) => {
                let offered = *public_key.fingerprint();
                match self.account.judge(offered, question) {
                    Offered::Trusted => {}
                    Offered::Another => {
                        return self.ask_server_key(KeyQuestion::Ours { instead_of: offered });
                    }
                    Offered::Wrong => return self.reject_server(offered),
                }
                self.set_phase(Phase::AwaitServerKey);
                let signer = public_key.clone();
                let (job, offer) =
                    Unverified::verify(ServerKeyOffer { packet, public_key, question }, signer);
                self.out.compute(job, AwaitJob::ServerKey(offer));
            }
            Ok(FromServer::Error { packet, form: ErrorForm::Clear }) => {
                self.on_server_key_refused(&packet);
            }
            Ok(_) | Err(_) => self.fault(Suspicion::BadPacket(Violation::Malformed)),
        }
    }

    fn reject_server(&mut self, offered: Fingerprint) {
        let suspicion = Suspicion::WrongServerKey { offered };
        self.out.notify(Notice::Suspicious { suspicion });
        // One bad endpoint must not keep the client from the good ones.
        if self.redial.has_others() {
            self.lose(OfflineReason::WrongServer);
        } else {
            self.leave(OfflineReason::WrongServer);
        }
    }

    /// A 244 that arrives before the server's key is known; anybody may have written it. If it says
    /// that our clock is wrong, the key is asked for once more, dated as the answer wants it; that
    /// time is used for nothing else. The answer to the next request is signed.
    fn on_server_key_refused(&mut self, packet: &Packet) {
        let Ok(reply) = ErrorReply::parse_clear(packet.payload()) else { return };
        let limit = self.config.limits.clock_corrections;
        let Some(connection) = self.link.connection_mut() else { return };
        let Phase::ExpectServerKey(asked, question) = *connection.phase() else { return };
        let is_clock = reply.code == ErrorCode::ClockSkew && reply.in_reply_to == asked;
        if is_clock && connection.correct_clock(limit) == ClockCorrection::Granted {
            return self.ask_server_key_at(reply.server_time, question);
        }
        match question {
            // A server of an earlier version knows no names.
            KeyQuestion::Successor(_) => self.account.doubt_key(true),
            KeyQuestion::Ours { instead_of } if !is_clock => return self.reject_server(instead_of),
            KeyQuestion::First | KeyQuestion::Ours { .. } => {}
        }
        self.lose(OfflineReason::Lost);
    }

    pub(in crate::client) fn on_server_key_verified(&mut self, judged: Judged<ServerKeyOffer, ()>) {
        let Ok((offer, ())) = judged else { return self.fault(Suspicion::BadServerSignature) };
        let (offered, question) = (*offer.get().public_key.fingerprint(), offer.get().question);
        if let Some(key) = self.account.learn_server_key(offer) {
            self.pin(ClientOp::PinServerKey(key));
        }
        match question {
            KeyQuestion::Successor(successor) if successor != offered => {
                self.tell_key_change(ServerKeyChange::Missing, successor);
            }
            // It has to be named on every connection.
            KeyQuestion::Ours { .. } => self.keep_successor(Some(offered)),
            KeyQuestion::First | KeyQuestion::Successor(_) => {}
        }
        self.pursue_goal();
    }

    /// The server names a successor of its key, or none, in a packet that was verified.
    pub(in crate::client) fn keep_successor(&mut self, successor: Option<Fingerprint>) {
        if let Some(keys) = self.account.keys_with(successor) {
            self.out.store(keys.to_keep(), AwaitStore::ServerKeyChanged(Pending::new(keys)));
        }
    }

    /// What is lost with a failure is learnt again in the next session.
    pub(in crate::client) fn on_server_key_changed(
        &mut self,
        kept: Result<Durable<ServerKeys>, (ServerKeys, StoreError)>,
    ) {
        let Ok(keys) = kept else { return };
        if let Some((change, fingerprint)) = self.account.use_keys(keys) {
            self.tell_key_change(change, fingerprint);
        }
    }

    fn tell_key_change(&mut self, change: ServerKeyChange, fingerprint: Fingerprint) {
        self.out.notify(Notice::ServerKey { change, fingerprint });
    }
}
