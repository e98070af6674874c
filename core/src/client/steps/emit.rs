//! Making our packets, and sending them.

use alloc::vec;
use alloc::vec::Vec;

use crate::client::Client;
use crate::client::awaits::AwaitJob;
use crate::client::state::link::Connection;
use crate::crypto::{Draft, OwnKey, Part};
use crate::ids::UserId;
use crate::keys::Plaintext;
use crate::wire::{Header, Op, Packet};

impl Client {
    /// The header of a packet to the server, dated now.
    pub(in crate::client) fn header_to_server(&self, op: Op, sender: Option<UserId>) -> Header {
        let timestamp = self.server_time();
        Header { sender, recipient: None, timestamp, op }
    }

    /// The header of a packet to a peer, dated now.
    pub(in crate::client) fn header_to_peer(&self, op: Op, recipient: UserId) -> Header {
        let (sender, timestamp) = (self.account.user(), self.server_time());
        Header { sender, recipient: Some(recipient), timestamp, op }
    }

    /// Has a packet made and signed.
    pub(in crate::client) fn emit(&mut self, header: Header, parts: Vec<Part>, then: AwaitJob) {
        let draft =
            Draft { profile: self.config.profile, header, parts, signer: Some(OwnKey::First) };
        self.out.emit(draft, then);
    }

    /// Has a packet made without a signature: a 100, or a 105 before a session, which come from
    /// somebody whose key the server can't know.
    pub(in crate::client) fn emit_unsigned(
        &mut self,
        header: Header,
        parts: Vec<Part>,
        then: AwaitJob,
    ) {
        let draft = Draft { profile: self.config.profile, header, parts, signer: None };
        self.out.emit(draft, then);
    }

    /// Has a packet to the server made whose payload is sealed with the session's key.
    pub(in crate::client) fn emit_sealed(&mut self, op: Op, plaintext: Plaintext, then: AwaitJob) {
        let Some(key) = self.link.session().map(|session| session.key().clone()) else { return };
        let header = self.header_to_server(op, self.account.user());
        self.emit(header, vec![Part::Sealed { key, plaintext }], then);
    }

    /// Sends a packet, unless the connection is gone.
    pub(in crate::client) fn send(&mut self, packet: &Packet) {
        if let Some(conn) = self.link.connection().and_then(Connection::sends_to) {
            self.out.send(conn, packet.bytes().clone());
        }
    }
}
