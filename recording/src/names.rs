//! Labels of what is taken out of a recording.

use std::net::IpAddr;

use sealpost_core::ids::{Phone, UserId};
use sealpost_core::keys::{Fingerprint, SymmetricKey};
use sealpost_core::wire::{InvitationHash, Otp};

use crate::line::Label;
use crate::packet::Tag;

/// Labels values. A recorder gives a new value the next label; a replay knows which value stands in
/// for which label.
pub(crate) trait Names {
    fn user(&mut self, user: UserId) -> Label;
    fn phone(&mut self, phone: Phone) -> Label;
    fn peer(&mut self, peer: IpAddr) -> Label;
    /// Labels a public key by its fingerprint.
    fn key(&mut self, key: &Fingerprint) -> Label;
    /// Labels a session key or a reply key.
    fn secret(&mut self, key: &SymmetricKey) -> Label;
    fn otp(&mut self, otp: &Otp) -> Label;
    fn invitation(&mut self, invitation: &InvitationHash) -> Label;
    /// A number that tells a signature from others; `None` for one of zeros.
    fn tag(&mut self, signature: &[u8]) -> Option<Tag>;

    /// Labels the user in a header.
    fn party(&mut self, user: Option<UserId>) -> Option<Label> {
        user.map(|user| self.user(user))
    }
}
