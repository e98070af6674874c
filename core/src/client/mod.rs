//! The client machine: one user on one server, over one connection at a time.
//!
//! A [`Client`] is given what its store holds ([`store::Snapshot`]) and then events: bytes, outcomes
//! of jobs and of store operations, and the application's [`Command`]s. What comes of a command is
//! told in [`Notice`]s; messages from others are delivered as [`store::InboxItem`]s, each at least
//! once, and once only if the application says with [`Command::MarkShown`] what it has taken over.
//!
//! 1. Make a key, and make it durable. Make a store ([`store::Snapshot::new`] is what it holds).
//! 2. [`Command::Register`]; if the one-time password does not come in band, [`Command::Confirm`].
//! 3. From then on, and at every start after, [`Command::Connect`].
//! 4. [`Command::Send`] at any time: what can't be sent now waits, durably.
//!
//! Nothing in a packet has an effect before its signature has been verified with the server's key,
//! whose fingerprint is in the address, or with the pinned key of a contact. A message is
//! acknowledged only when it is durable here, and sent only when it is.

mod account;
mod awaits;
mod backoff;
mod command;
mod config;
mod contacts;
mod directory;
mod handshake;
mod inbox;
mod limits;
mod link;
mod lookups;
mod notice;
mod outbox;
mod peers;
mod receipts;
mod registration;
pub mod replay;
mod sealing;
mod sending;
mod session;
pub mod store;

use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::vec::Vec;
use core::fmt;

pub use crate::address::{InvalidAddress, ServerAddress};
pub use command::{Command, Token};
pub use config::Config;
pub use limits::Limits;
pub use notice::{
    LookupFailure, Notice, OfflineReason, OtpChannel, Refusal, RegistrationFailure, Suspicion,
};
pub use replay::{Admission, Continuity, ReplayWindow};

use awaits::{AwaitJob, AwaitStore, emitted, marked, received, unshown};
use backoff::Backoff;
use contacts::Contacts;
use handshake::Signing;
use inbox::Inbox;
use link::{Link, Outgoing};
use lookups::Lookups;
use outbox::Outbox;
use peers::Timing;
use receipts::ReceiptNumbers;
use registration::Goal;
use sealing::Sealing;
use store::{Account, ClientOp, ClientOutcome, Failure, InboxItem, Snapshot};

use crate::crypto::{Job, Outcome};
use crate::entropy::Entropy;
use crate::frame::{Action, Actions, Alarms, Deadline, Event, Input, Machine, StoreError};
use crate::ids::{MessageId, Ticket, Tickets, UserId, UserRef};
use crate::time::{Mono, Now};
use crate::wire::ItemId;

/// One user on one server.
pub struct Client {
    config: Config,
    account: Account,
    contacts: Contacts,
    goal: Goal,
    link: Link,
    /// The number of the last connection.
    next_conn: u64,
    redial: Backoff,
    /// Who we and others are, as far as the store has not taken it yet: being asked for, and to be
    /// asked for again.
    pinning: usize,
    unpinned: Vec<ClientOp>,
    sealing: Sealing,
    outbox: Outbox,
    /// What the server holds, and the store was not told yet.
    unmarked: Vec<(UserId, MessageId)>,
    /// What was given up, and the store could not record.
    unfailed: Vec<(Vec<MessageId>, Failure)>,
    inbox: Inbox,
    lookups: Lookups,
    receipt_numbers: ReceiptNumbers,
    /// Items that were not authentic when they came first.
    suspects: BTreeSet<ItemId>,
    jobs: BTreeMap<Ticket, AwaitJob>,
    stores: BTreeMap<Ticket, AwaitStore>,
    tickets: Tickets,
    timers: Alarms<Alarm>,
    /// The store has refused something: operations that can wait do so until then.
    store_rests_until: Mono,
    stopping: Stopping,
    entropy: Entropy,
    now: Now,
    actions: VecDeque<Action<Self>>,
}

/// What the client has set its alarm for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Alarm {
    /// To dial again.
    Redial,
    /// A connection or an answer before the session is overdue.
    Progress,
    /// The session has lasted.
    Stable,
    /// No acknowledgement of what is in flight has come.
    Acknowledgement,
    /// Receipts have been gathered.
    Taken,
    /// Taking leave takes too long.
    Goodbye,
    /// The answer to a look-up is overdue.
    LookupAnswer(UserRef),
    /// A look-up may be asked again.
    LookupRetry(UserRef),
    /// A recipient's messages have been held back for long enough.
    Hold(UserId),
    /// The store may be asked again.
    StoreRest,
}

impl crate::frame::Alarm for Alarm {
    fn why(self) -> &'static str {
        match self {
            Self::Redial => "dial again",
            Self::Progress => "give up a connection that makes no progress",
            Self::Stable => "shorten the next pause before dialling",
            Self::Acknowledgement => "give up a connection that acknowledges nothing",
            Self::Taken => "acknowledge the receipts that were gathered",
            Self::Goodbye => "close without waiting for the answer to a 222",
            Self::LookupAnswer(_) => "give up a look-up that was not answered",
            Self::LookupRetry(_) => "repeat a look-up",
            Self::Hold(_) => "try a recipient again whose messages were held back",
            Self::StoreRest => "repeat store operations that failed",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stopping {
    No,
    Begun,
    Done,
}

impl Client {
    /// A client that is offline, with what its store holds.
    pub fn new(config: Config, snapshot: Snapshot, entropy: Entropy) -> Self {
        let Snapshot { account, contacts, former, outbox, last_message, next_receipt } = snapshot;
        let limits = &config.limits;
        Self {
            contacts: Contacts::new(contacts, former, limits.contacts),
            goal: Goal::Offline,
            link: Link::Down,
            next_conn: 0,
            redial: Backoff::new(limits.redial_first, limits.redial_max),
            pinning: 0,
            unpinned: Vec::new(),
            sealing: Sealing::new(last_message),
            outbox: Outbox::new(outbox),
            unmarked: Vec::new(),
            unfailed: Vec::new(),
            inbox: Inbox::new(),
            lookups: Lookups::default(),
            receipt_numbers: ReceiptNumbers::new(next_receipt),
            suspects: BTreeSet::new(),
            jobs: BTreeMap::new(),
            stores: BTreeMap::new(),
            tickets: Tickets::default(),
            timers: Alarms::new(),
            store_rests_until: Mono(0),
            stopping: Stopping::No,
            entropy,
            now: Now { mono: Mono(0), wall: crate::time::Timestamp::MIN },
            actions: VecDeque::new(),
            account,
            config,
        }
    }

    fn on_event(&mut self, event: Event<Self>) {
        match event {
            Event::Opened { conn, .. } => self.on_opened(conn),
            Event::Closed { conn } => self.on_closed(conn),
            Event::Congested { conn } => self.on_congested(conn, Outgoing::Congested),
            Event::Writable { conn } => self.on_congested(conn, Outgoing::Flows),
            Event::Stored(ticket, outcome) => {
                if let Some(awaits) = self.stores.remove(&ticket) {
                    self.on_store_answer(awaits, outcome);
                }
            }
            Event::Computed(ticket, outcome) => {
                if let Some(awaits) = self.jobs.remove(&ticket) {
                    self.on_computed(awaits, outcome);
                }
            }
            Event::Command(command) => self.on_command(command),
            Event::Tick => self.on_tick(),
            Event::Shutdown => {
                self.stopping = Stopping::Begun;
                self.disconnect();
            }
        }
    }

    fn on_command(&mut self, command: Command) {
        match command {
            Command::Connect => self.connect(),
            Command::Disconnect => self.disconnect(),
            Command::Register => self.register(),
            Command::Confirm { otp } => self.confirm(otp),
            Command::Send { token, to, content } => self.on_send(token, to, content),
            Command::Lookup { phone } => self.lookup(phone),
            Command::AcceptKey { phone, fingerprint } => self.accept_key(phone, fingerprint),
            Command::MarkVerified { phone, fingerprint } => self.mark_verified(phone, fingerprint),
            Command::MarkShown { up_to } => {
                self.store(ClientOp::MarkShown { up_to }, AwaitStore::Kept);
            }
        }
    }

    fn on_computed(&mut self, awaits: AwaitJob, outcome: Outcome) {
        match awaits {
            AwaitJob::ServerKeyRequest => self.on_server_key_request_made(emitted(outcome)),
            AwaitJob::ServerKey(key) => self.on_server_key_checked(key, &outcome),
            AwaitJob::Request => self.on_request_made(emitted(outcome)),
            AwaitJob::Answer(answer) => self.on_answer_opened(answer, outcome),
            AwaitJob::Lookup(who) => self.on_lookup_made(who, emitted(outcome)),
            AwaitJob::FromServer(slot, kind) => self.on_said(slot, kind, outcome),
            AwaitJob::PeerMessage { message, phone, trust } => {
                self.on_message_opened(message, phone, trust, outcome);
            }
            AwaitJob::PeerReceipt { slot, reader, receipt } => {
                self.on_receipt_verified(slot, reader, receipt, &outcome);
            }
            AwaitJob::Receipt(sender) => self.on_receipt_signed(sender, emitted(outcome)),
            AwaitJob::ReceiptsTaken => self.on_taken_sealed(emitted(outcome)),
            AwaitJob::Goodbye => match emitted(outcome) {
                Ok(packet) => self.send(&packet),
                Err(_) => self.lose(OfflineReason::Local),
            },
            AwaitJob::Message(id) => self.on_sealed(id, emitted(outcome)),
        }
    }

    fn on_store_answer(&mut self, awaits: AwaitStore, outcome: ClientOutcome) {
        if let Err(error) = outcome {
            self.notify(Notice::StoreFailed(error));
        }
        let done = outcome.as_ref().map(|_| ()).map_err(|error| *error);
        match (awaits, outcome) {
            (AwaitStore::Kept, _) => {}
            (AwaitStore::Pinned(op), _) => self.on_pinned(op, done),
            (AwaitStore::ReconnectTime(conn, at), _) => self.on_reconnect_time(conn, at, done),
            (AwaitStore::ReceiptNumbers, _) => self.on_receipt_numbers(done),
            (AwaitStore::KeyAccepted { phone, accepted }, _) => {
                self.on_key_accepted(phone, accepted, done);
            }
            (AwaitStore::Verified { phone, fingerprint }, _) => {
                self.on_verified(phone, fingerprint, done);
            }
            (AwaitStore::Enqueued, _) => self.on_enqueued(done),
            (AwaitStore::Stored(items), outcome) => {
                self.on_marked_stored(items, marked(outcome));
            }
            (AwaitStore::Delivered { reader, receipt, done }, outcome) => {
                self.on_delivered_kept(reader, receipt, done, marked(outcome));
            }
            (AwaitStore::Failed { messages, failure }, outcome) => {
                self.on_marked_failed(messages, failure, marked(outcome));
            }
            (AwaitStore::Received(batch), outcome) => {
                let count = batch.messages.len();
                self.on_received(batch, received(outcome, count));
            }
            (AwaitStore::Page(after), outcome) => {
                self.on_page(after, unshown(outcome));
            }
        }
    }

    fn on_tick(&mut self) {
        while let Some(alarm) = self.timers.pop_due(self.now.mono) {
            match alarm {
                Alarm::Redial => self.dial(),
                Alarm::Stable => self.redial.reset(),
                Alarm::Acknowledgement => self.on_acknowledgement_overdue(),
                Alarm::Taken => self.on_taken_due(),
                Alarm::Goodbye => self.lose(OfflineReason::Wished),
                Alarm::Progress => self.lose(OfflineReason::TimedOut),
                Alarm::LookupAnswer(who) => self.on_lookup_overdue(who),
                Alarm::Hold(recipient) => self.outbox.probe(recipient),
                // What waits for these is looked for after every input.
                Alarm::LookupRetry(_) | Alarm::StoreRest => {}
            }
        }
    }

    /// Does whatever has become possible. Each step begins only what fits its limits, and does
    /// nothing if there is nothing to do.
    fn advance(&mut self) {
        self.work_off();
        self.store_arrived();
        self.read_inbox();
        self.seal_next();
        self.pin_again();
        self.enqueue_next();
        self.mark_stored();
        self.mark_failed_again();
        self.ask_lookups();
        self.send_ready();
        self.sign_receipts();
        self.tell_taken(Timing::Gathering);
        self.say_goodbye();
        if self.stopping == Stopping::Begun
            && matches!(self.link, Link::Down)
            && self.stores.is_empty()
            && self.sealing.is_idle()
        {
            self.stopping = Stopping::Done;
            self.notify(Notice::Stopped);
        }
    }

    fn act(&mut self, action: Action<Self>) {
        self.actions.push_back(action);
    }

    fn notify(&mut self, notice: Notice) {
        self.act(Action::Notify(notice));
    }

    fn deliver(&mut self, item: InboxItem) {
        self.act(Action::Deliver(item));
    }

    fn compute(&mut self, job: Job, awaits: AwaitJob) {
        let ticket = self.tickets.issue();
        self.jobs.insert(ticket, awaits);
        self.act(Action::Compute { ticket, job });
    }

    fn store(&mut self, op: ClientOp, awaits: AwaitStore) {
        let ticket = self.tickets.issue();
        self.stores.insert(ticket, awaits);
        self.act(Action::Store { ticket, op });
    }

    /// Has it recorded who we or others are. No message is queued before that is durable: its
    /// receipt could not be told from a forged one after a restart.
    fn pin(&mut self, op: ClientOp) {
        self.pinning += 1;
        self.store(op.clone(), AwaitStore::Pinned(op));
    }

    fn on_pinned(&mut self, op: ClientOp, pinned: Result<(), StoreError>) {
        self.pinning = self.pinning.saturating_sub(1);
        if pinned.is_err() {
            self.unpinned.push(op);
            self.rest_store();
        }
    }

    fn pin_again(&mut self) {
        if !self.store_rests() {
            for op in core::mem::take(&mut self.unpinned) {
                self.pin(op);
            }
        }
    }

    /// Who we and others are is durable.
    const fn is_pinned(&self) -> bool {
        self.pinning == 0 && self.unpinned.is_empty()
    }

    /// The store has failed: what can be repeated is, after a pause.
    fn rest_store(&mut self) {
        self.store_rests_until = self.now.mono + self.config.limits.store_retry;
        self.timers.arm(Alarm::StoreRest, self.store_rests_until);
    }

    fn store_rests(&self) -> bool {
        self.now.mono < self.store_rests_until
    }
}

impl Machine for Client {
    type StoreOp = ClientOp;
    type StoreOutcome = ClientOutcome;
    type Command = Command;
    type Delivery = InboxItem;
    type Notice = Notice;

    fn handle(&mut self, now: Now, input: Input<'_, Self>) -> Actions<'_, Self> {
        self.now = now;
        match input {
            Input::Bytes { conn, data } => self.on_bytes(conn, data),
            Input::Event(event) => self.on_event(event),
        }
        self.advance();
        Actions::new(&mut self.actions)
    }

    fn deadline(&self) -> Option<Deadline> {
        self.timers.deadline()
    }

    fn is_consistent(&self) -> Result<(), &'static str> {
        Ok(())
    }
}

impl fmt::Debug for Client {
    /// Where it stands; no names and no contents.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let link = match &self.link {
            Link::Down => "down",
            Link::Dialling(_) => "dialling",
            Link::Up(_) => "up",
        };
        let (queued, _) = self.outbox.size();
        f.debug_struct("Client")
            .field("link", &link)
            .field("queued", &queued)
            .field("jobs", &self.jobs.len())
            .field("stores", &self.stores.len())
            .finish_non_exhaustive()
    }
}
