//! The server machine: registers, authenticates, routes, stores and acknowledges. It never opens a
//! message.
//!
//! An input reaches one of the methods in the files below, by noun; each method changes the state
//! and queues actions. What must go on once the store or a job has answered is an
//! `Await` (file `awaits`) under the action's ticket.
//!
//! | file | what |
//! |---|---|
//! | `conn` | bytes → packets, phases, the flow of reading |
//! | `registration`, `reconnect`, `directory` | requests, and how a session begins |
//! | `inbound` | packets in a session: checks, then effects in order of arrival |
//! | `delivery`, `mailbox`, `in_flight`, `drain`, `backlog`, `receipts` | the life of a message |
//! | `reply` | answers, and every 244 |
//! | `admission` | rate limits |
//! | `shutdown` | orderly ends |

mod admission;
mod awaits;
mod backlog;
mod config;
mod conn;
mod delivery;
mod directory;
mod drain;
mod in_flight;
mod inbound;
pub mod limits;
mod mailbox;
#[cfg(test)]
mod mailbox_model;
mod out;
mod proof;
mod receipts;
mod reconnect;
mod registration;
mod reply;
mod session;
mod shutdown;
mod stats;
pub mod store;

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::fmt;

use self::admission::Admission;
use self::awaits::{Await, AwaitReconnectorFound};
use self::backlog::Backlog;
pub use self::config::{Command, Config, Misuse, Notice, OtpChannel, OtpDelivery};
use self::conn::Conn;
use self::directory::KeyAnswer;
use self::mailbox::Mailbox;
use self::out::Out;
use self::receipts::Unfinished;
use self::registration::Otps;
pub use self::stats::{Held, Stats};
use crate::crypto::Outcome;
use crate::entropy::Entropy;
use crate::frame::{Actions, Alarms, Deadline, Event, Input, Machine, StoreError};
use crate::ids::{ConnId, Ticket, UserId};
use crate::keys::Plaintext;
use crate::server::store::{StoreOp, StoreOutcome, StoreReply, User};
use crate::time::Now;
use crate::wire::ErrorCode;

/// The server. See the [module](self) and [`Machine`].
pub struct Server {
    config: Config,
    entropy: Entropy,
    // Boxed, here and below, because the nodes of these maps stand half empty.
    conns: BTreeMap<ConnId, Box<Conn>>,
    /// Who has a session, and where.
    sessions: BTreeMap<UserId, ConnId>,
    /// Whose session is about to begin, and where: the last accepted counts.
    granting: BTreeMap<UserId, ConnId>,
    /// Those in which there is something to remember.
    mailboxes: BTreeMap<UserId, Box<Mailbox>>,
    backlog: Backlog,
    otps: Otps,
    admission: Admission,
    key_answer: KeyAnswer,
    /// Store operations that failed and must come to pass.
    retries: Vec<Unfinished>,
    timers: Alarms<Timer>,
    out: Out,
    stats: Stats,
    started: bool,
    stopping: bool,
    stopped: bool,
}

/// The server's alarms.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Timer {
    /// A connection has no session yet.
    Handshake(ConnId),
    /// A connection that was slowed down may be read again.
    Flow(ConnId),
    /// A reader is slow, or a mailbox tries the store again.
    Mailbox(UserId),
    /// Store operations are tried again.
    Retry,
    /// What is past retention goes.
    Expire,
    /// The orderly stop has taken too long.
    Shutdown,
}

impl crate::frame::Alarm for Timer {
    fn why(self) -> &'static str {
        match self {
            Self::Handshake(_) => "close a connection without a session",
            Self::Flow(_) => "read again from a connection that was slowed down",
            Self::Mailbox(_) => "store what a slow recipient has not acknowledged",
            Self::Retry => "repeat store operations that failed",
            Self::Expire => "delete what is past retention",
            Self::Shutdown => "end an orderly stop that takes too long",
        }
    }
}

impl Server {
    /// A server with nobody connected.
    pub fn new(config: Config, entropy: Entropy) -> Self {
        let admission = Admission::new(&config.limits);
        Self {
            config,
            entropy,
            conns: BTreeMap::new(),
            sessions: BTreeMap::new(),
            granting: BTreeMap::new(),
            mailboxes: BTreeMap::new(),
            backlog: Backlog::default(),
            otps: Otps::default(),
            admission,
            key_answer: KeyAnswer::default(),
            retries: Vec::new(),
            timers: Alarms::new(),
            out: Out::new(),
            stats: Stats::default(),
            started: false,
            stopping: false,
            stopped: false,
        }
    }

    fn tick(&mut self, now: Now) {
        while let Some(timer) = self.timers.pop_due(now.mono) {
            match timer {
                Timer::Handshake(conn) => self.close(now, conn),
                Timer::Flow(conn) => self.update_flow(now, conn),
                Timer::Mailbox(user) => self.mailbox_alarm(now, user),
                Timer::Retry => self.retry(),
                Timer::Expire => self.expire(now),
                Timer::Shutdown => self.give_up_waiting(now),
            }
        }
    }

    fn mailbox_alarm(&mut self, now: Now, user: UserId) {
        if self.mailboxes.contains_key(&user) {
            let (mailbox, mut cx) = self.mailbox(now, user);
            mailbox.alarm(&mut cx);
            self.advance(now, Some(user));
        }
    }

    fn expire(&mut self, now: Now) {
        let limits = &self.config.limits;
        let secs = i64::try_from(limits.retention.as_secs()).unwrap_or(i64::MAX);
        let op = StoreOp::Expire { before: now.wall.plus_secs(-secs), limit: limits.expire_batch };
        self.out.store(op, Await::Expired);
    }

    fn expired(&mut self, now: Now, outcome: &StoreOutcome) {
        let limits = &self.config.limits;
        let full_batch =
            matches!(outcome, Ok(StoreReply::Expired(count)) if *count >= limits.expire_batch);
        let pause = if full_batch { limits.store_retry } else { limits.expire_every };
        self.timers.arm(Timer::Expire, now.mono + pause);
    }

    fn stored_outcome(&mut self, now: Now, ticket: Ticket, outcome: StoreOutcome) {
        match self.out.resume(ticket) {
            Some(Await::RegistrantFound(awaited)) => {
                let found = self.found(outcome);
                self.registrant_found(now, &awaited, &found);
            }
            Some(Await::UserCreated(awaited)) => self.user_created(now, *awaited, outcome),
            Some(Await::ReconnectorFound(AwaitReconnectorFound { request })) => {
                let found = self.found(outcome);
                self.reconnector_found(now, request, found);
            }
            Some(Await::ReconnectorFoundByPhone(awaited)) => {
                let found = self.found(outcome);
                self.reconnector_found_by_phone(now, *awaited, found);
            }
            Some(Await::Resumed(pending)) => self.resumed(now, *pending, outcome),
            Some(Await::Counted(awaited)) => self.counted(now, *awaited, outcome),
            Some(Await::LookedUp(awaited)) => {
                let found = self.found(outcome);
                self.looked_up(now, &awaited, found);
            }
            Some(Await::Append(awaited)) => self.appended(now, awaited, &outcome),
            Some(Await::Page(awaited)) => {
                let page = match outcome {
                    Ok(StoreReply::Page(page)) => Ok(page),
                    Ok(_) => Err(StoreError::Corrupt),
                    Err(error) => Err(error),
                };
                self.page_read(now, &awaited, page);
            }
            Some(Await::Settled(awaited)) => self.settled(now, awaited, &outcome),
            Some(Await::ReceiptsDropped(awaited)) => self.receipts_dropped(now, awaited, &outcome),
            Some(Await::Expired) => self.expired(now, &outcome),
            _ => self.out.notify(Notice::Misuse(Misuse::UnexpectedOutcome)),
        }
    }

    fn computed_outcome(&mut self, now: Now, ticket: Ticket, outcome: Outcome) {
        match (self.out.resume(ticket), outcome) {
            (Some(Await::Checked(awaited)), Outcome::Verified(checked)) => {
                self.checked(now, awaited, checked.map(|()| Plaintext::default()));
            }
            (Some(Await::Checked(awaited)), Outcome::Opened(opened)) => {
                self.checked(now, awaited, opened);
            }
            (Some(Await::RegisterOpened(awaited)), Outcome::RequestOpened(opened)) => {
                self.register_opened(now, awaited, opened);
            }
            (Some(Await::ConfirmOpened(awaited)), Outcome::RequestOpened(opened)) => {
                self.confirm_opened(now, awaited, opened);
            }
            (Some(Await::ReconnectOpened(awaited)), Outcome::RequestOpened(opened)) => {
                self.reconnect_opened(now, awaited, opened);
            }
            (Some(Await::ReconnectVerified(awaited)), Outcome::Verified(verified)) => {
                self.reconnect_verified(now, *awaited, verified);
            }
            (Some(Await::Granted(awaited)), Outcome::Emitted(emitted)) => {
                self.granted(now, *awaited, emitted);
            }
            (Some(Await::ServerKey), Outcome::Emitted(emitted)) => {
                self.server_key_signed(now, emitted);
            }
            (Some(Await::Reply(awaited)), Outcome::Emitted(emitted)) => {
                self.replied(now, &awaited, emitted);
            }
            (Some(Await::AckSealed { conn }), Outcome::Emitted(emitted)) => {
                self.acks_sealed(now, conn, emitted);
            }
            (Some(Await::NoMoreMessages { conn, user }), Outcome::Emitted(emitted)) => {
                self.announced(now, conn, user, emitted);
            }
            _ => self.out.notify(Notice::Misuse(Misuse::UnexpectedOutcome)),
        }
    }

    /// The answer to a look-up, or the code that says why there is none.
    fn found(&mut self, outcome: StoreOutcome) -> Result<Option<Box<User>>, ErrorCode> {
        match outcome {
            Ok(StoreReply::Found(user)) => Ok(user),
            other => Err(self.store_failed(&other)),
        }
    }

    /// What a client is told when the store has failed.
    fn store_failed(&mut self, outcome: &StoreOutcome) -> ErrorCode {
        let notice = match outcome {
            Err(error) => Notice::StoreFailed(*error),
            Ok(_) => Notice::Misuse(Misuse::UnexpectedOutcome),
        };
        self.out.notify(notice);
        ErrorCode::Unavailable
    }
}

impl Machine for Server {
    type StoreOp = StoreOp;
    type StoreOutcome = StoreOutcome;
    type Command = Command;
    type Delivery = OtpDelivery;
    type Notice = Notice;

    fn handle(&mut self, now: Now, input: Input<'_, Self>) -> Actions<'_, Self> {
        if !self.started {
            self.started = true;
            self.timers.arm(Timer::Expire, now.mono);
        }
        match input {
            Input::Bytes { conn, data } => self.bytes(now, conn, data),
            Input::Event(Event::Opened { conn, peer }) => self.opened(now, conn, peer),
            Input::Event(Event::Closed { conn }) => self.closed(now, conn),
            Input::Event(Event::Congested { conn }) => self.congested(now, conn),
            Input::Event(Event::Writable { conn }) => self.writable(now, conn),
            Input::Event(Event::Stored(ticket, outcome)) => {
                self.stored_outcome(now, ticket, outcome);
            }
            Input::Event(Event::Computed(ticket, outcome)) => {
                self.computed_outcome(now, ticket, outcome);
            }
            Input::Event(Event::Command(command)) => match command {},
            Input::Event(Event::Tick) => self.tick(now),
            Input::Event(Event::Shutdown) => self.shutdown(now),
        }
        Actions::new(&mut self.out.actions)
    }

    fn deadline(&self) -> Option<Deadline> {
        self.timers.deadline()
    }

    fn is_consistent(&self) -> Result<(), &'static str> {
        Ok(())
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").field("stats", &self.stats()).finish_non_exhaustive()
    }
}
