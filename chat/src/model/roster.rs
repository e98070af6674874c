//! The conversations and contacts, in order, and how they are found.

use sealpost_messenger::api::{Conversation, Peer, PhoneNumber};

use super::{Model, is_invitation};

/// What the switcher offers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Candidate {
    /// A conversation or a contact.
    Known { with: Peer, name: String },
    /// A phone number to look up.
    LookUp { phone: PhoneNumber },
}

impl Candidate {
    /// The phone number, if it is a person.
    pub(crate) const fn person(&self) -> Option<PhoneNumber> {
        match self {
            Self::Known { with: Peer::Person(phone), .. } | Self::LookUp { phone } => Some(*phone),
            Self::Known { with: Peer::Group(_), .. } => None,
        }
    }
}

impl Model {
    /// What the switcher offers for a part of a name or number: the best first.
    pub(crate) fn candidates(&self, query: &str) -> Vec<Candidate> {
        let query = query.trim();
        let people = self.contacts.keys().map(|phone| Peer::Person(*phone));
        let others = people.filter(|with| self.conversation(*with).is_none());
        let all = self.conversations.iter().map(|known| known.with).chain(others);
        let mut found: Vec<(usize, Candidate)> = all
            .filter_map(|with| {
                let name = self.name(with);
                let number = with.to_string();
                let score = score(&name, query).into_iter().chain(score(&number, query)).min()?;
                Some((score, Candidate::Known { with, name }))
            })
            .collect();
        found.sort_by_key(|(score, _)| *score);
        let mut found: Vec<Candidate> = found.into_iter().map(|(_, candidate)| candidate).collect();
        if let Ok(phone) = query.parse::<PhoneNumber>()
            && !self.contacts.contains_key(&phone)
            && self.conversation(Peer::Person(phone)).is_none()
        {
            found.push(Candidate::LookUp { phone });
        }
        found
    }

    /// The conversation that many places after the open one, around the end.
    pub(crate) fn neighbour(&self, forwards: bool) -> Option<Peer> {
        let count = self.conversations.len();
        let open = self.thread.as_ref().map(|thread| thread.with);
        let at = self.conversations.iter().position(|known| Some(known.with) == open);
        let to = match (at, forwards) {
            (None, _) => 0,
            (Some(at), true) => at.saturating_add(1).checked_rem(count)?,
            (Some(at), false) => at.checked_sub(1).unwrap_or(count.saturating_sub(1)),
        };
        self.conversations.get(to).map(|known| known.with)
    }

    /// The next conversation with something unseen, those that make a noise first.
    pub(crate) fn next_unread(&self) -> Option<Peer> {
        let open = self.thread.as_ref().map(|thread| thread.with);
        let waiting = || {
            let others = self.conversations.iter().filter(move |known| Some(known.with) != open);
            others.filter(|known| unread(known) > 0)
        };
        let loud = waiting().find(|known| !self.is_muted(known));
        loud.or_else(|| waiting().next()).map(|known| known.with)
    }
}

/// Count of what the user has not seen in a conversation: one at least, until an invitation is
/// answered.
pub(crate) fn unread(conversation: &Conversation) -> u64 {
    conversation.unread.max(u64::from(is_invitation(conversation)))
}

/// How well a name fits what was typed: its characters in order, few others between them, near the
/// beginning. Smaller is better; `None` if it does not fit.
fn score(name: &str, query: &str) -> Option<usize> {
    let name: Vec<char> = name.chars().flat_map(char::to_lowercase).collect();
    let mut at = 0;
    let mut score: usize = 0;
    for c in query.chars().flat_map(char::to_lowercase).filter(|c| !c.is_whitespace()) {
        let rest = name.get(at..)?;
        let skipped = rest.iter().position(|known| *known == c)?;
        score = score.saturating_add(skipped);
        at = at.saturating_add(skipped).saturating_add(1);
    }
    Some(score)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_fit_in_order_and_the_nearest_first() {
        assert_eq!(score("Anna Lind", ""), Some(0));
        assert_eq!(score("Anna Lind", "an"), Some(0));
        assert_eq!(score("Anna Lind", "al"), Some(4));
        assert_eq!(score("Anna Lind", "lin d"), Some(5));
        assert_eq!(score("Anna Lind", "la"), None);
    }
}
