//! Look-ups (105): who is asked for, until the server has answered.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use crate::ids::UserRef;
use crate::time::Mono;
use crate::wire::InReplyTo;

/// Every look-up that is wanted, each once however many wait for it. They outlive the connection.
#[derive(Debug, Default)]
pub(super) struct Lookups {
    wanted: BTreeMap<UserRef, Wanted>,
    asked: BTreeMap<InReplyTo, UserRef>,
}

#[derive(Clone, Copy, Debug)]
struct Wanted {
    asker: Asker,
    stage: Stage,
}

/// Who wants to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Asker {
    /// The client only, for a message that waits.
    Client,
    /// The application as well: it is told.
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
    /// Wants somebody looked up.
    pub(super) fn want(&mut self, who: UserRef, asker: Asker) {
        let waiting = Wanted { asker, stage: Stage::Waiting(Mono(0)) };
        let wanted = self.wanted.entry(who).or_insert(waiting);
        wanted.asker = wanted.asker.max(asker);
    }

    /// How many are wanted.
    pub(super) fn len(&self) -> usize {
        self.wanted.len()
    }

    /// The next one to ask, if fewer than `limit` are being asked.
    pub(super) fn next_to_ask(&mut self, now: Mono, limit: usize) -> Option<UserRef> {
        let due = |wanted: &Wanted| matches!(wanted.stage, Stage::Waiting(from) if from <= now);
        let busy = self.wanted.values().filter(|w| !matches!(w.stage, Stage::Waiting(_))).count();
        if busy >= limit {
            return None;
        }
        let (who, wanted) = self.wanted.iter_mut().find(|(_, wanted)| due(wanted))?;
        wanted.stage = Stage::Sealing;
        Some(*who)
    }

    /// The request is on its way.
    pub(super) fn asked(&mut self, who: UserRef, request: InReplyTo) {
        if let Some(wanted) = self.wanted.get_mut(&who) {
            wanted.stage = Stage::Asked(request);
            self.asked.insert(request, who);
        }
    }

    /// Who a request asked for, if it awaits an answer.
    pub(super) fn who(&self, request: InReplyTo) -> Option<UserRef> {
        self.asked.get(&request).copied()
    }

    /// The answer came: forgets the look-up, and returns who asked.
    pub(super) fn answered(&mut self, request: InReplyTo) -> Option<(UserRef, Asker)> {
        let who = self.asked.remove(&request)?;
        let wanted = self.wanted.remove(&who)?;
        Some((who, wanted.asker))
    }

    /// The server can't answer now: ask again at `at`.
    pub(super) fn retry(&mut self, request: InReplyTo, at: Mono) {
        let who = self.asked.remove(&request);
        if let Some(wanted) = who.and_then(|who| self.wanted.get_mut(&who)) {
            wanted.stage = Stage::Waiting(at);
        }
    }

    /// The connection is gone: what was asked on it is to be asked again. Returns what that is.
    pub(super) fn reset(&mut self) -> Vec<UserRef> {
        self.asked.clear();
        let lost = self.wanted.iter_mut().filter(|(_, w)| !matches!(w.stage, Stage::Waiting(_)));
        lost.map(|(who, wanted)| {
            wanted.stage = Stage::Waiting(Mono(0));
            *who
        })
        .collect()
    }
}
