//! The applications of simulated clients.

use std::collections::{BTreeMap, VecDeque};

use sealpost_core::client::Command;
use sealpost_core::client::store::{Content, Token};
use sealpost_core::ids::{Phone, UserId, UserRef};
use sealpost_core::keys::Fingerprint;

use super::applications::Asked;

/// What an application wants its client to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Goal {
    /// Not started by the plan yet.
    Idle,
    Online,
    Offline,
}

/// Application of a client.
#[expect(clippy::struct_excessive_bools, reason = "independent facts, not states")]
pub(super) struct App {
    pub(super) goal: Goal,
    /// Whether the client reported a session.
    pub(super) online: bool,
    /// Whether the client received everything that was pending.
    pub(super) caught_up: bool,
    /// Whether an attempt to go online is scheduled.
    pub(super) retry_scheduled: bool,
    /// Whether the server does not know the account any more.
    pub(super) denied: bool,
    /// User id, once the server has created the account.
    pub(super) user: Option<UserId>,
    /// Index of the key in the client's directory.
    pub(super) key: usize,
    /// Changed keys of contacts that the client reported in this incarnation.
    pub(super) offers: BTreeMap<Phone, Fingerprint>,
    /// The last messages that it has sent, and was not given back. After a crash it does not know
    /// which of them its client has, and sends all of them again.
    pub(super) sent: VecDeque<SentMessage>,
    pub(super) asked: Asked,
}

/// A message that an application has sent.
#[derive(Clone)]
pub(super) struct SentMessage {
    pub(super) token: Token,
    pub(super) to: Phone,
    /// The key that the recipient must have, if the message is for the owner of one.
    pub(super) key: Option<Fingerprint>,
    pub(super) content: Content,
}

impl SentMessage {
    /// The command that sends it.
    pub(super) fn command(self) -> Command {
        let Self { token, to: phone, key, content } = self;
        match key {
            Some(key) => Command::SendToKey { token, phone, key, content },
            None => Command::Send { token, to: UserRef::Phone(phone), content },
        }
    }
}

impl App {
    pub(super) fn new(key: usize) -> Self {
        Self {
            goal: Goal::Idle,
            online: false,
            caught_up: false,
            retry_scheduled: false,
            denied: false,
            user: None,
            key,
            offers: BTreeMap::new(),
            sent: VecDeque::new(),
            asked: Asked::default(),
        }
    }

    /// Remembers a message that is being sent.
    pub(super) fn sends(&mut self, message: SentMessage) {
        self.sent.push_back(message);
        if self.sent.len() > REMEMBERED {
            self.sent.pop_front();
        }
    }

    /// The client gave a message back, which is not to be sent again.
    pub(super) fn refused(&mut self, token: Token) {
        self.sent.retain(|sent| sent.token != token);
    }

    /// The directory is not the one that the messages were sent from.
    pub(super) fn forget_sent(&mut self) {
        self.sent.clear();
    }

    /// The message that was sent this many messages before the last one.
    pub(super) fn sent_before(&self, back: usize) -> Option<Token> {
        self.sent.iter().rev().nth(back).map(|sent| sent.token)
    }

    /// Messages to be sent again, in the order of sending.
    pub(super) fn sent(&self) -> Vec<SentMessage> {
        self.sent.iter().cloned().collect()
    }
}

/// Messages that an application remembers: more than are sent at once.
const REMEMBERED: usize = 32;
