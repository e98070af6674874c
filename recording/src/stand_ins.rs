//! Values that stand in for labels when a recording is replayed.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};

use sealpost_core::ids::{Phone, UserId};
use sealpost_core::keys::{Fingerprint, PublicKey, SymmetricKey};
use sealpost_core::wire::{Invitation, InvitationHash, Otp};
use sha2::{Digest, Sha256};

use crate::line::{Label, New};
use crate::names::Names;
use crate::packet::Tag;

/// A value for every label, and the way back.
#[derive(Debug, Default)]
pub(crate) struct StandIns {
    /// Ids by labels.
    ids: BTreeMap<Label, UserId>,
    users: BTreeMap<UserId, Label>,
    phones: BTreeMap<Label, Phone>,
    phone_labels: BTreeMap<u64, Label>,
    peers: BTreeMap<Label, IpAddr>,
    keys: BTreeMap<Label, PublicKey>,
    key_labels: BTreeMap<[u8; 32], Label>,
    invitation_labels: BTreeMap<[u8; 32], Label>,
}

impl StandIns {
    /// Makes stand-ins for all labels of a recording.
    pub(crate) fn new(news: &[New]) -> Self {
        let mut stand_ins = Self::default();
        // The next user in the order of ids; the first one behind 0.
        let mut next: BTreeMap<Label, Label> = BTreeMap::new();
        for new in news {
            match *new {
                New::User { label, after } => {
                    if let Some(behind) = next.insert(after, label) {
                        next.insert(label, behind);
                    }
                }
                New::Phone { label, digits, is_listed } => {
                    stand_ins.add_phone(label, digits, is_listed);
                }
                New::Peer { label, is_exempt } => {
                    let [_, high, middle, low] = label.to_be_bytes();
                    let network = if is_exempt { EXEMPT_NETWORK } else { OTHER_NETWORK };
                    let address = Ipv4Addr::new(network, high, middle, low);
                    stand_ins.peers.insert(label, address.into());
                }
            }
        }
        let mut label = 0;
        for rank in 1..=next.len() as u64 {
            let Some(following) = next.get(&label) else { break };
            label = *following;
            if let Some(id) = UserId::new(rank) {
                stand_ins.ids.insert(label, id);
                stand_ins.users.insert(id, label);
            }
        }
        stand_ins
    }

    fn add_phone(&mut self, label: Label, digits: u32, is_listed: bool) {
        let lead = if is_listed { 1 } else { 2 };
        let zeros = 10_u64.saturating_pow(digits.clamp(7, 15) - 1);
        let number = lead * zeros + u64::from(label);
        if let Ok(phone) = format!("+{number}").parse() {
            self.phones.insert(label, phone);
            self.phone_labels.insert(number, label);
        }
    }

    /// The user of a label. Ids are in the order of those that were taken out.
    pub(crate) fn user(&self, label: Label) -> Option<UserId> {
        self.ids.get(&label).copied()
    }

    pub(crate) fn phone(&self, label: Label) -> Option<Phone> {
        self.phones.get(&label).copied()
    }

    pub(crate) fn peer(&self, label: Label) -> Option<IpAddr> {
        self.peers.get(&label).copied()
    }

    /// A public key that nobody has the private half of.
    pub(crate) fn key(&mut self, label: Label) -> PublicKey {
        if let Some(key) = self.keys.get(&label) {
            return key.clone();
        }
        let key = made_up_key(label);
        self.keys.insert(label, key.clone());
        self.key_labels.insert(key.fingerprint().0, label);
        key
    }

    pub(crate) fn secret(label: Label) -> SymmetricKey {
        let mut bytes = [0; 32];
        bytes.iter_mut().zip(label.to_le_bytes()).for_each(|(byte, of_label)| *byte = of_label);
        SymmetricKey::from_bytes(bytes)
    }

    pub(crate) fn otp(label: Label) -> Otp {
        Otp::last_digits(label.into())
    }

    pub(crate) fn invitation(&mut self, label: Label) -> Option<Invitation> {
        let invitation: Invitation = label.to_string().parse().ok()?;
        self.invitation_labels.insert(invitation.hash().0, label);
        Some(invitation)
    }
}

impl Names for StandIns {
    fn user(&mut self, user: UserId) -> Label {
        self.users.get(&user).copied().unwrap_or_default()
    }

    fn phone(&mut self, phone: Phone) -> Label {
        self.phone_labels.get(&phone.digits()).copied().unwrap_or_default()
    }

    fn peer(&mut self, peer: IpAddr) -> Label {
        match peer {
            IpAddr::V4(v4) => v4.to_bits() & 0x00ff_ffff,
            IpAddr::V6(_) => 0,
        }
    }

    fn key(&mut self, key: &Fingerprint) -> Label {
        self.key_labels.get(&key.0).copied().unwrap_or_default()
    }

    fn secret(&mut self, key: &SymmetricKey) -> Label {
        Label::from_le_bytes(key.expose().first_chunk().copied().unwrap_or_default())
    }

    fn otp(&mut self, otp: &Otp) -> Label {
        otp.digits().parse().unwrap_or_default()
    }

    fn invitation(&mut self, invitation: &InvitationHash) -> Label {
        self.invitation_labels.get(&invitation.0).copied().unwrap_or_default()
    }

    fn tag(&mut self, signature: &[u8]) -> Option<Tag> {
        let tag = u64::from_le_bytes(signature.first_chunk().copied().unwrap_or_default());
        (tag != 0).then_some(Tag(tag))
    }
}

/// The first key of a sequence that the machine accepts.
fn made_up_key(label: Label) -> PublicKey {
    let mut attempt = 0_u64;
    loop {
        let mut der = DER_HEAD.to_vec();
        for block in 0..8_u64 {
            let seed = [u64::from(label), attempt, block].map(u64::to_le_bytes).concat();
            der.extend_from_slice(&Sha256::digest(seed));
        }
        if let Some(high) = der.get_mut(DER_HEAD.len()) {
            *high |= 0x80;
        }
        if let Some(low) = der.last_mut() {
            *low |= 1;
        }
        der.extend_from_slice(DER_TAIL);
        if let Ok(key) = PublicKey::from_der(&der) {
            return key;
        }
        attempt += 1;
    }
}

/// Prefix of stand-ins for phone numbers that had a configured prefix.
pub(crate) const LISTED: &str = "+1";
/// Network of stand-ins for addresses that were in an exempt network.
pub(crate) const EXEMPT: &str = "10.0.0.0/8";
const EXEMPT_NETWORK: u8 = 10;
const OTHER_NETWORK: u8 = 11;

/// Bytes of the one accepted encoding of a key, before and after its modulus.
const DER_HEAD: &[u8] = &[
    0x30, 0x82, 0x01, 0x22, 0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01,
    0x01, 0x05, 0x00, 0x03, 0x82, 0x01, 0x0f, 0x00, 0x30, 0x82, 0x01, 0x0a, 0x02, 0x82, 0x01, 0x01,
    0x00,
];
const DER_TAIL: &[u8] = &[0x02, 0x03, 0x01, 0x00, 0x01];
