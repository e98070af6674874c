//! Mentions: names of people behind an @.

use std::cmp::Reverse;

use sealpost_messenger::api::{Conversation, Entry, Mention, Peer, PhoneNumber};

use super::Model;

/// What the name that is being written may become.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Completion {
    /// Bytes in front of the cursor that are replaced.
    pub(crate) replaced: usize,
    /// What is put there: as much of a name as is certain.
    pub(crate) name: String,
    /// The names that it may become.
    pub(crate) choices: Vec<String>,
}

impl Model {
    /// Whether something unseen in a conversation mentions the user.
    pub(crate) fn is_mentioned(&self, conversation: &Conversation) -> bool {
        let latest = self.mentions.get(&conversation.with);
        conversation.unread > 0 && latest.is_some_and(|entry| *entry > conversation.read_up_to)
    }

    /// Takes note of whether an entry mentions the user, who may not have seen it.
    pub(crate) fn note_mention(&mut self, entry: &Entry) {
        let with = entry.conversation;
        if self.is_meant(entry) {
            let latest = self.mentions.entry(with).or_default();
            *latest = entry.entry.max(*latest);
        } else if self.mentions.get(&with) == Some(&entry.entry) {
            self.mentions.remove(&with);
        }
    }

    /// Whether an entry mentions the user.
    pub(crate) fn is_meant(&self, entry: &Entry) -> bool {
        entry.from.is_some()
            && self.account.is_some()
            && entry.mentions.iter().any(|mention| mention.number == self.account)
    }

    /// The people whom a text mentions in the conversation that is open.
    pub(crate) fn mentions_in(&self, text: &str) -> Vec<Mention> {
        let mut people = self.people();
        // Where one name begins another, the longer one is meant.
        people.sort_by_key(|(name, _)| Reverse(name.len()));
        let mut mentions = Vec::new();
        for (at, _) in text.match_indices('@') {
            let (before, behind) = text.split_at(at);
            let named = behind.get(1..).unwrap_or_default();
            let is_name = |(name, _): &&(String, PhoneNumber)| {
                named.strip_prefix(name.as_str()).is_some_and(|rest| !rest.starts_with(in_word))
            };
            let found = people.iter().find(is_name).filter(|_| !before.ends_with(in_word));
            if let Some((name, number)) = found {
                let length = name.chars().count().saturating_add(1);
                let short = |length| u32::try_from(length).unwrap_or(u32::MAX);
                mentions.push(Mention {
                    start: short(before.chars().count()),
                    length: short(length),
                    number: Some(*number),
                });
            }
        }
        mentions.truncate(MENTIONS_MAX);
        mentions
    }

    /// What the name behind an @ in front of the cursor may become. `None` if none is being written.
    pub(crate) fn completion(&self) -> Option<Completion> {
        let text = self.composer.text().get(..self.composer.cursor())?;
        let (before, begun) = text.rsplit_once('@')?;
        if before.ends_with(in_word) || begun.contains('\n') {
            return None;
        }
        let begins = |name: &str| name.to_lowercase().starts_with(&begun.to_lowercase());
        let names = self.people().into_iter().map(|(name, _)| name);
        let choices: Vec<String> = names.filter(|name| begins(name)).collect();
        let first = choices.first()?.clone();
        let name = choices.iter().fold(first, |shared, name| shared_beginning(&shared, name));
        // Behind a whole name, the text goes on.
        let name = if choices.len() == 1 { name + " " } else { name };
        Some(Completion { replaced: begun.len(), name, choices })
    }

    /// Those who can be mentioned in the conversation that is open.
    fn people(&self) -> Vec<(String, PhoneNumber)> {
        let Some(thread) = &self.thread else { return Vec::new() };
        let named = |phone: PhoneNumber| (self.name(Peer::Person(phone)), phone);
        match thread.with {
            Peer::Person(phone) => vec![named(phone)],
            Peer::Group(_) => {
                let group = self.conversation(thread.with).and_then(|known| known.group.as_ref());
                let members = group.iter().flat_map(|group| &group.members);
                members.filter(|member| !member.own).map(|member| named(member.phone)).collect()
            }
        }
    }
}

/// The beginning that two names share, without regard to case, as the first one has it.
fn shared_beginning(one: &str, other: &str) -> String {
    let same = |(a, b): &(char, char)| a.to_lowercase().eq(b.to_lowercase());
    one.chars().zip(other.chars()).take_while(same).map(|(a, _)| a).collect()
}

/// Whether a character makes a word of what is beside it.
fn in_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Most mentions in a message.
const MENTIONS_MAX: usize = 64;
