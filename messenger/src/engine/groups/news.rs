//! What a conversation says of its group, in words.

use sealpost_core::client::store::Contact;
use sealpost_core::groups::{Groups, Refusal, Role, Standing, State, Told};
use sealpost_core::ids::Phone;
use sealpost_core::keys::Fingerprint;
use sealpost_storage::client::conversations::Peer;

use crate::engine::changes::expiry_notice;
use crate::engine::core::Core;
use crate::foreign_text::OneLine;

/// What people are called.
#[derive(Clone, Copy)]
pub(super) struct Names<'a> {
    pub(super) core: &'a Core,
    pub(super) contacts: &'a [Contact],
    pub(super) machine: &'a Groups,
}

impl Names<'_> {
    /// Phone number of the contact with this key.
    pub(super) fn contact(&self, key: &Fingerprint) -> Option<Phone> {
        let has = |contact: &&Contact| contact.pinned.public_key.fingerprint() == key;
        self.contacts.iter().find(has).map(|contact| contact.phone)
    }

    /// A person: the name that the user gave them, and their phone number.
    pub(super) fn phone(&self, phone: Phone) -> String {
        let found = self.core.read(|store| store.conversation(&Peer::Person(phone)));
        match found.ok().flatten().and_then(|found| found.name) {
            Some(name) => format!("{} ({phone})", OneLine(name)),
            None => phone.to_string(),
        }
    }

    /// The owner of a key.
    fn key(&self, key: &Fingerprint) -> String {
        let of_member = || {
            let mut states = self.machine.iter().flat_map(|(_, record)| record.states());
            states.find_map(|state| state.state().member(key).map(|member| member.phone))
        };
        match self.contact(key).or_else(of_member) {
            Some(phone) => self.phone(phone),
            None => format!("somebody with the key sha256:{key}"),
        }
    }

    fn is_own(&self, key: &Fingerprint) -> bool {
        self.core.public_key.fingerprint() == key
    }
}

/// Lines that tell news of a group, whose newest state was `before` and is `after`.
pub(super) fn lines(
    told: &Told,
    before: Option<&State>,
    after: Option<&State>,
    names: &Names<'_>,
) -> Vec<String> {
    let name = after.map_or("", |state| state.parts().name.as_str());
    let by = |key: &Fingerprint| names.key(key);
    vec![match told {
        Told::Invited { by: owner } => {
            let members = after.map_or(0, |state| state.parts().members.len());
            format!(
                "{} invites you to the group “{}”, which has {members} members. No message of it is \
                 shown before you join.",
                by(owner),
                OneLine(name)
            )
        }
        Told::Joined if before.is_none() => format!("You made the group “{}”.", OneLine(name)),
        Told::Joined => "You have joined.".into(),
        Told::Removed => "You are not a member of this group any more.".into(),
        Told::Left => "You have left this group.".into(),
        Told::Changed => {
            return before.zip(after).map(|both| changes(both, names)).unwrap_or_default();
        }
        Told::Undone { before, after } => {
            let undone =
                "The newest changes of this group were undone: two people had changed it at \
                          once, and the changes of the other count."
                    .to_owned();
            return [undone].into_iter().chain(changes((before, after), names)).collect();
        }
        Told::TwoStates { writer, epoch } => format!(
            "{} has written two different versions of this group, both with the number {epoch}: \
             their device was restored from a backup, or they are dishonest.",
            by(writer)
        ),
        Told::Differs { from } => format!("{} has another version of this group.", by(from)),
        Told::MemberLeft { key } => {
            format!("{} has left the group, and gets no more messages.", by(key))
        }
        Told::Apart { from } => format!(
            "{} has versions of this group that differ from yours for so long that they can't be \
             compared.",
            by(from)
        ),
        Told::Missed { from } => format!(
            "Too many changes of this group were missed. {} has sent its newest version; join again \
             to accept it.",
            by(from)
        ),
        Told::Suspicious { from, why } => {
            format!("{} has sent versions of a group that are not valid: {why}.", by(from))
        }
        Told::NotWritten => "Your changes of this group were given up: you are not its owner any \
                             more, or they could not be signed."
            .into(),
        // The answer to the command says why.
        Told::CommandRefused(_) => return Vec::new(),
    }]
}

/// What differs between two states.
fn changes((before, after): (&State, &State), names: &Names<'_>) -> Vec<String> {
    let mut lines = Vec::new();
    let (old, new) = (before.parts(), after.parts());
    if old.name != new.name {
        lines.push(format!("The group is called “{}” now.", OneLine(new.name.as_str())));
    }
    if old.expiry_secs != new.expiry_secs {
        lines.push(expiry_notice(Some(new.expiry_secs)));
    }
    for (key, member) in new.members.iter().filter(|(key, _)| !names.is_own(key)) {
        let who = || names.key(key);
        match (old.members.get(key).map(|member| member.standing), member.standing) {
            (None, Standing::Invited) => lines.push(format!("{} is invited.", who())),
            (None | Some(Standing::Invited), Standing::Joined) => {
                lines.push(format!("{} has joined.", who()));
            }
            (Some(_), Standing::Invited | Standing::Joined) => {}
        }
    }
    for key in old.members.keys().filter(|key| !names.is_own(key)) {
        if !new.members.contains_key(key) {
            lines.push(format!("{} is not a member any more.", names.key(key)));
        }
    }
    if before.owner() != after.owner()
        && let Some(owner) = after.owner()
    {
        lines.push(if names.is_own(owner) {
            "You are the owner of this group now.".into()
        } else {
            format!("{} is the owner of this group now.", names.key(owner))
        });
    }
    let own = names.core.public_key.fingerprint();
    let role = |state: &State| state.member(own).map(|member| member.role);
    if let Some(Role::Successor(_)) = role(after)
        && role(before) != role(after)
    {
        lines.push("You may take over from the owner of this group now.".into());
    }
    lines
}

/// What is shown of a text that a group does not show.
pub(super) fn refused(sender: &str, why: Refusal) -> String {
    let why = match why {
        Refusal::UnknownGroup => "it is for a group that you don't know",
        Refusal::NotJoined => "you are not in the group",
        Refusal::NotAMember => "its author is not in the group",
        Refusal::TooMany => "too many of their messages wait for changes of the group",
    };
    format!("A message of {sender} is not shown: {why}.")
}
