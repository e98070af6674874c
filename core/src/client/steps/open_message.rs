//! Opening messages from peers: verified under the keys that their senders may have.

use crate::client::Client;
use crate::client::awaits::AwaitJob;
use crate::client::notice::{Notice, OfflineReason, Suspicion};
use crate::client::state::contacts::Signer;
use crate::client::state::lookups::Asker;
use crate::client::state::peer_packet::{AuthenticMessage, PeerMessage, PeerPacket, SenderLookup};
use crate::client::state::suspects::Suspect;
use crate::client::store::Trust;
use crate::crypto::OpenedMessage;
use crate::frame::{Judged, Slot, Unverified};
use crate::ids::{MessageId, Phone, UserId, UserRef};
use crate::keys::Fingerprint;
use crate::wire::{ItemId, ItemKind, Packet};

impl Client {
    pub(in crate::client) fn on_peer_message(
        &mut self,
        packet: Packet,
        sender: UserId,
        id: MessageId,
    ) {
        let Some(session) = self.link.session_mut() else { return };
        let slot = session.push_peer(sender);
        self.verify_message(PeerMessage::new(slot, sender, id, packet));
    }

    /// Verifies a message under the next key that its sender may have: the pinned one, the one
    /// offered, and then whatever the server says when it is asked again.
    fn verify_message(&mut self, mut message: PeerMessage) {
        let Some(session) = self.link.session_mut() else { return };
        let sender = message.sender();
        if let Some(signer) = self.contacts.next_signer(sender, message.tried()) {
            let Signer { phone, public_key: signer, trust } = signer;
            let key = *signer.fingerprint();
            message.try_key(key);
            session.begin_verifying();
            let (job, message) = Unverified::open_message(message, signer);
            return self.out.compute(job, AwaitJob::PeerMessage { message, phone, key, trust });
        }
        match message.sender_lookup() {
            SenderLookup::NotAsked => {
                message.ask_for_sender();
                session.park(message);
                self.lookups.want(UserRef::Id(sender), Asker::Client);
            }
            SenderLookup::Asked => self.reject_message(&message),
        }
    }

    /// No key that the sender is known to have has signed the message.
    fn reject_message(&mut self, message: &PeerMessage) {
        let (sender, id) = (message.sender(), message.id());
        let suspicion = if message.tried().is_empty() {
            Suspicion::UnknownSender { sender, id }
        } else {
            Suspicion::ForgedMessage { sender, id }
        };
        self.out.notify(Notice::Suspicious { suspicion });
        self.complete_peer(sender, message.slot(), PeerPacket::ForgedMessage { id });
    }

    /// The server has said what it knows of a user: messages that waited for it go on.
    pub(in crate::client) fn unpark_messages(&mut self, sender: UserId) {
        let Some(session) = self.link.session_mut() else { return };
        for message in session.unpark(sender) {
            self.verify_message(message);
        }
    }

    pub(in crate::client) fn on_message_opened(
        &mut self,
        judged: Judged<PeerMessage, OpenedMessage>,
        signer: (Phone, Fingerprint, Trust),
    ) {
        if let Some(session) = self.link.session_mut() {
            session.end_verifying();
        }
        match judged {
            Ok((message, opened)) => {
                let (sender, slot) = (message.get().sender(), message.get().slot());
                let at = self.server_time();
                let authentic = AuthenticMessage::new(message, &opened, signer, at);
                self.complete_peer(sender, slot, PeerPacket::Message(authentic));
            }
            Err(message) => self.verify_message(message),
        }
    }

    /// A packet of a peer turned out to be verified or forged: handles every packet whose turn has
    /// come.
    pub(in crate::client) fn complete_peer(
        &mut self,
        peer: UserId,
        slot: Slot,
        packet: PeerPacket,
    ) {
        if let Some(session) = self.link.session_mut() {
            session.complete_peer(peer, slot, packet);
        }
        // The session is looked up for each: a forged packet ends it.
        while let Some(packet) = self.link.session_mut().and_then(|session| session.next_from(peer))
        {
            match packet {
                PeerPacket::Message(message) => self.inbox.push(message),
                PeerPacket::Receipt(receipt) => self.record_delivery(receipt),
                PeerPacket::ForgedReceipt(receipt) => self.on_forged_receipt(receipt),
                PeerPacket::ForgedMessage { id } => {
                    // Neither delivered nor acknowledged, the first time or later.
                    self.suspect(ItemId { kind: ItemKind::Message, origin: peer, id: id.0 });
                }
            }
        }
    }

    /// An item is not signed by the user whom it names. The first time, somebody on the wire may
    /// have changed it: in a new session the server sends it again, followed by everything behind
    /// it, in order. If the same item comes again, another session gains nothing, and this one
    /// continues without it.
    pub(in crate::client) fn suspect(&mut self, item: ItemId) -> Suspect {
        let suspect = self.suspects.note(item);
        if suspect == Suspect::First {
            self.lose(OfflineReason::Fault);
        }
        suspect
    }
}
