//! Look-ups (105): users who are being asked for, until the server has answered.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use crate::ids::UserRef;
use crate::time::Mono;
use crate::wire::InReplyTo;

/// Every look-up that is wanted, once each, however many messages wait for it. Those by phone number
/// outlive the connection.
#[derive(Debug, Default)]
pub(in crate::client) struct Lookups {
    wanted: BTreeMap<UserRef, Wanted>,
    /// Those that the server was asked, by the hash of the packet, as answers name it.
    asked: BTreeMap<InReplyTo, UserRef>,
}

#[derive(Clone, Copy, Debug)]
struct Wanted {
    asker: Asker,
    stage: Stage,
}

/// Who wants the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::client) enum Asker {
    /// The client only, for a message that waits.
    Client,
    /// The application as well, so it is told.
    Application,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// To be asked, not before this moment.
    Waiting(Mono),
    /// The packet is being made.
    Sealing,
    /// The server has been asked.
    Asked(InReplyTo),
}

impl Lookups {
    /// Wants a user looked up.
    pub(in crate::client) fn want(&mut self, who: UserRef, asker: Asker) {
        let waiting = Wanted { asker, stage: Stage::Waiting(Mono(0)) };
        let wanted = self.wanted.entry(who).or_insert(waiting);
        wanted.asker = wanted.asker.max(asker);
    }

    /// Count of look-ups that are wanted.
    pub(in crate::client) fn len(&self) -> usize {
        self.wanted.len()
    }

    /// The next user to ask for, if fewer than `limit` are being asked for.
    pub(in crate::client) fn next_to_ask(&mut self, now: Mono, limit: usize) -> Option<UserRef> {
        let due = |wanted: &Wanted| matches!(wanted.stage, Stage::Waiting(from) if from <= now);
        let busy = self.wanted.values().filter(|wanted| !wanted.waits()).count();
        if busy >= limit {
            return None;
        }
        let (who, wanted) = self.wanted.iter_mut().find(|(_, wanted)| due(wanted))?;
        wanted.stage = Stage::Sealing;
        Some(*who)
    }

    /// The request is being sent.
    pub(in crate::client) fn asked(&mut self, who: UserRef, request: InReplyTo) {
        if let Some(wanted) = self.wanted.get_mut(&who) {
            wanted.stage = Stage::Asked(request);
            self.asked.insert(request, who);
        }
    }

    /// The user for whom a request asked, if it awaits an answer.
    pub(in crate::client) fn who(&self, request: InReplyTo) -> Option<UserRef> {
        self.asked.get(&request).copied()
    }

    /// The answer arrived: forgets the look-up, and returns who wanted it.
    pub(in crate::client) fn answered(&mut self, request: InReplyTo) -> Option<(UserRef, Asker)> {
        let who = self.asked.remove(&request)?;
        let wanted = self.wanted.remove(&who)?;
        Some((who, wanted.asker))
    }

    /// The server can't answer now, and is to be asked again at `at`.
    pub(in crate::client) fn retry(&mut self, request: InReplyTo, at: Mono) {
        let who = self.asked.remove(&request);
        if let Some(wanted) = who.and_then(|who| self.wanted.get_mut(&who)) {
            wanted.stage = Stage::Waiting(at);
        }
    }

    /// The connection is gone, and with it the answers: what was asked on it is to be asked again.
    /// Returns the users concerned.
    ///
    /// The senders of messages that waited on the connection are forgotten. Such a message comes
    /// again, and until then the server does not know that its sender has written (PROTOCOL 5.1).
    pub(in crate::client) fn connection_lost(&mut self) -> Vec<UserRef> {
        self.asked.clear();
        let lost = self.wanted.iter_mut().filter(|(_, wanted)| !wanted.waits());
        let lost = lost.map(|(who, wanted)| {
            wanted.stage = Stage::Waiting(Mono(0));
            *who
        });
        let lost = lost.collect();
        self.wanted.retain(|who, wanted| {
            wanted.asker == Asker::Application || matches!(who, UserRef::Phone(_))
        });
        lost
    }

    pub(in crate::client) fn is_consistent(&self) -> Result<(), &'static str> {
        let asked = self.wanted.iter().filter_map(|(who, wanted)| match wanted.stage {
            Stage::Asked(request) => Some((request, *who)),
            Stage::Waiting(_) | Stage::Sealing => None,
        });
        let known = asked.filter(|(request, who)| self.asked.get(request) == Some(who)).count();
        if known != self.asked.len() {
            return Err("a request for a look-up is not that of a user who is wanted");
        }
        Ok(())
    }
}

impl Wanted {
    const fn waits(&self) -> bool {
        matches!(self.stage, Stage::Waiting(_))
    }
}
