//! The labels of a recorder. It forgets the values themselves but for the ids of users, whose order
//! counts.

use std::collections::BTreeMap;
use std::net::IpAddr;

use sealpost_core::ids::{Phone, UserId};
use sealpost_core::keys::{Fingerprint, SymmetricKey};
use sealpost_core::server::{IpNet, PhonePrefix};
use sealpost_core::wire::{InvitationHash, Otp};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::line::{Label, New};
use crate::names::Names;
use crate::packet::Tag;

/// Labels in the order in which values appear.
pub(crate) struct Pseudonyms {
    /// Drawn for this recording and never written: nobody can try values against what is written.
    key: Zeroizing<[u8; 32]>,
    users: BTreeMap<UserId, Label>,
    others: BTreeMap<(Kind, [u8; 16]), Label>,
    last: BTreeMap<Kind, Label>,
    /// Labels that are not written yet.
    pub(crate) news: Vec<New>,
    phone_prefixes: Vec<PhonePrefix>,
    exempt_networks: Vec<IpNet>,
}

/// Kind of a value. Each has labels of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Phone,
    Peer,
    Key,
    Secret,
    Otp,
    Invitation,
    Signature,
}

impl Pseudonyms {
    pub(crate) const fn new(key: Zeroizing<[u8; 32]>) -> Self {
        Self {
            key,
            users: BTreeMap::new(),
            others: BTreeMap::new(),
            last: BTreeMap::new(),
            news: Vec::new(),
            phone_prefixes: Vec::new(),
            exempt_networks: Vec::new(),
        }
    }

    /// Takes the lists over by which the machine treats phone numbers and addresses differently.
    pub(crate) fn configure(&mut self, phone_prefixes: &[PhonePrefix], exempt: &[IpNet]) {
        phone_prefixes.clone_into(&mut self.phone_prefixes);
        exempt.clone_into(&mut self.exempt_networks);
    }

    /// Whether there is no stand-in for one more label of each kind.
    pub(crate) fn is_full(&self) -> bool {
        let most = self.last.values().copied().max().unwrap_or_default();
        most >= LABELS || self.users.len() >= LABELS as usize
    }

    /// The label of a value, and whether it is new. What differs in `class` has different labels.
    fn label(&mut self, kind: Kind, class: bool, value: &[u8]) -> (Label, bool) {
        let hash = self.hash(kind, class, value);
        if let Some(label) = self.others.get(&(kind, hash)) {
            return (*label, false);
        }
        let last = self.last.entry(kind).or_default();
        *last += 1;
        self.others.insert((kind, hash), *last);
        (*last, true)
    }

    fn hash(&self, kind: Kind, class: bool, value: &[u8]) -> [u8; 16] {
        let prefix = [kind as u8, class.into()];
        let hash = Sha256::new().chain_update(*self.key).chain_update(prefix).chain_update(value);
        let hash: [u8; 32] = hash.finalize().into();
        hash.first_chunk().copied().unwrap_or_default()
    }
}

impl Names for Pseudonyms {
    fn user(&mut self, user: UserId) -> Label {
        if let Some(label) = self.users.get(&user) {
            return *label;
        }
        let label = Label::try_from(self.users.len() + 1).unwrap_or(Label::MAX);
        let after = self.users.range(..user).next_back().map_or(0, |(_, label)| *label);
        self.users.insert(user, label);
        self.news.push(New::User { label, after });
        label
    }

    fn phone(&mut self, phone: Phone) -> Label {
        let prefixes = &self.phone_prefixes;
        let is_listed = prefixes.is_empty() || prefixes.iter().any(|prefix| prefix.begins(phone));
        let (label, is_new) = self.label(Kind::Phone, is_listed, &phone.digits().to_le_bytes());
        if is_new {
            let digits = phone.digits().checked_ilog10().unwrap_or_default() + 1;
            self.news.push(New::Phone { label, digits, is_listed });
        }
        label
    }

    fn peer(&mut self, peer: IpAddr) -> Label {
        let address = peer.to_canonical();
        let is_exempt = self.exempt_networks.iter().any(|network| network.contains(&address));
        // The machine counts by these: an IPv4 address, or the /64 network of an IPv6 address.
        let counted = match address {
            IpAddr::V4(v4) => v4.octets().to_vec(),
            IpAddr::V6(v6) => v6.octets().into_iter().take(8).collect(),
        };
        let (label, is_new) = self.label(Kind::Peer, is_exempt, &counted);
        if is_new {
            self.news.push(New::Peer { label, is_exempt });
        }
        label
    }

    fn key(&mut self, key: &Fingerprint) -> Label {
        self.label(Kind::Key, false, &key.0).0
    }

    fn secret(&mut self, key: &SymmetricKey) -> Label {
        self.label(Kind::Secret, false, key.expose()).0
    }

    fn otp(&mut self, otp: &Otp) -> Label {
        self.label(Kind::Otp, false, otp.digits().as_bytes()).0
    }

    fn invitation(&mut self, invitation: &InvitationHash) -> Label {
        self.label(Kind::Invitation, false, &invitation.0).0
    }

    fn tag(&mut self, signature: &[u8]) -> Option<Tag> {
        if signature.iter().all(|byte| *byte == 0) {
            return None;
        }
        let hash = self.hash(Kind::Signature, false, signature);
        let tag = u64::from_le_bytes(hash.first_chunk().copied().unwrap_or_default());
        Some(Tag(tag.max(1)))
    }
}

/// The most labels of one kind. It bounds the memory of a recorder, and stand-ins for phone numbers and
/// passwords have room for these.
const LABELS: Label = 199_999;

#[cfg(test)]
mod tests {
    use super::*;

    fn user(id: u64) -> UserId {
        UserId::new(id).unwrap()
    }

    #[test]
    fn labels_tell_the_order_of_users_and_nothing_else_about_them() {
        let mut names = Pseudonyms::new([1; 32].into());
        let labels = [70_000, 5, 1 << 60, 70_001, 5].map(|id| names.user(user(id)));
        assert_eq!(labels, [1, 2, 3, 4, 2]);
        let after = [(1, 0), (2, 0), (3, 1), (4, 1)];
        assert_eq!(names.news, after.map(|(label, after)| New::User { label, after }));
    }

    #[test]
    fn phone_numbers_and_addresses_that_settings_treat_differently_have_other_labels() {
        let mut names = Pseudonyms::new([1; 32].into());
        let [german, french] = ["+4915112345678", "+33612345678"].map(|text| text.parse().unwrap());
        let peers = ["192.0.2.7", "::ffff:192.0.2.7", "2001:db8::1", "2001:db8::2"];
        let peers = peers.map(|text| text.parse().unwrap());
        assert_eq!([german, french, german].map(|phone| names.phone(phone)), [1, 2, 1]);
        assert_eq!(peers.map(|peer| names.peer(peer)), [1, 1, 2, 2]);
        names.configure(&["+49".parse().unwrap()], &["192.0.2.0/24".parse().unwrap()]);
        assert_eq!([german, french].map(|phone| names.phone(phone)), [1, 3]);
        assert_eq!(peers.map(|peer| names.peer(peer)), [3, 3, 2, 2]);
        let phone = |label, digits, is_listed| New::Phone { label, digits, is_listed };
        let peer = |label, is_exempt| New::Peer { label, is_exempt };
        let news = [
            phone(1, 13, true),
            phone(2, 11, true),
            peer(1, false),
            peer(2, false),
            phone(3, 11, false),
            peer(3, true),
        ];
        assert_eq!(names.news, news);
    }

    #[test]
    fn tags_depend_on_the_key_of_the_recording() {
        let [mut one, mut other] = [1, 2].map(|key| Pseudonyms::new([key; 32].into()));
        assert_ne!(one.tag(&[7; 256]), one.tag(&[8; 256]));
        assert_eq!(one.tag(&[7; 256]), one.tag(&[7; 256]));
        assert_ne!(one.tag(&[7; 256]), other.tag(&[7; 256]));
        assert_eq!(one.tag(&[0; 256]), None);
    }
}
