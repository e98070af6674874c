//! Invitations: who may go on with a registration (PROTOCOL 4.2).

use alloc::boxed::Box;

use crate::frame::StoreError;
use crate::keys::SymmetricKey;
use crate::server::Server;
use crate::server::awaits::{AwaitStore, Registrant};
use crate::server::registration::Demand;
use crate::server::state::entry::Request;
use crate::server::state::refusal::Refusal;
use crate::server::store::{InvitationOutcome, PresentedInvitation, StoreOp};
use crate::wire::{ErrorCode, InvitationHash, RegisterRequest};

impl Server {
    /// Goes on with a 100 if its sender may register. The phone number is not looked up before, so
    /// that nobody learns without an invitation, where one is needed, whether it is registered.
    pub(in crate::server) fn admit_registrant(
        &mut self,
        request: Request,
        opened: RegisterRequest,
    ) {
        let invitation = match (self.config.registration.demand(opened.phone), &opened.invitation) {
            // An invitation that is named all the same changes nothing.
            (Demand::Password, _) => {
                return self.find_registrant(Registrant { request, opened, invitation: None });
            }
            (Demand::Invitation, Some(code)) => code.hash(),
            (Demand::Invitation, None) | (Demand::Refusal, _) => {
                return self.reject_invitation(&request, &opened.reply_key);
            }
        };
        let op = StoreOp::CheckInvitation {
            invitation: self.presented(invitation),
            phone: opened.phone,
        };
        let registrant = Registrant { request, opened, invitation: Some(invitation) };
        self.out.store(op, AwaitStore::InvitationChecked(Box::new(registrant)));
    }

    pub(in crate::server) fn on_invitation_checked(
        &mut self,
        registrant: Registrant,
        checked: Result<InvitationOutcome, StoreError>,
    ) {
        let Registrant { request, opened, .. } = &registrant;
        match checked {
            Ok(InvitationOutcome::Good) => self.find_registrant(registrant),
            Ok(InvitationOutcome::Rejected) => self.reject_invitation(request, &opened.reply_key),
            Err(error) => {
                let code = self.store_failed(error);
                self.refuse_opened(request, code, &opened.reply_key);
            }
        }
    }

    /// One answer for every reason, so that it tells nothing about an invitation.
    pub(in crate::server) fn reject_invitation(
        &mut self,
        request: &Request,
        reply_key: &SymmetricKey,
    ) {
        let refusal = Refusal::new(ErrorCode::InvitationRejected)
            .answering(&request.packet)
            .saying("registration needs an invitation that is good for this phone number")
            .sealed_with(reply_key);
        self.refuse(request.conn, refusal);
    }

    /// An invitation, presented now. The server's clock decides whether it has expired, not the
    /// date of a packet, which its sender chooses.
    pub(in crate::server) const fn presented(&self, hash: InvitationHash) -> PresentedInvitation {
        PresentedInvitation { hash, at: self.now.wall }
    }
}
