//! The client machine: one user on one server, over one connection at a time.
//!
//! A [`Client`] is given the content of its store ([`store::Snapshot`]), and then events: bytes,
//! outcomes of jobs and store operations, and the application's [`Command`]s. [`Notice`]s say what
//! came of a command. Messages from others are delivered as [`store::InboxItem`]s, each at least
//! once, and only once if the application says with [`Command::MarkShown`] what it has taken over.
//!
//! 1. Make a key, and make it durable. Make a store ([`store::Snapshot::new`] is its content).
//! 2. [`Command::Register`]; unless the server's answer contains the one-time password,
//!    [`Command::Confirm`].
//! 3. From then on, and at every later start, [`Command::Connect`].
//! 4. [`Command::Send`] at any time: what can't be sealed or sent now waits, durably.
//!
//! Nothing in a packet takes effect before its signature has been verified with the server's key,
//! whose fingerprint is in the address, or with the pinned key of a contact. A message is
//! acknowledged only once it is durable here, and sent only once it is durable here. The types of
//! [`frame`](crate::frame) hold both: a [`Verified`](crate::frame::Verified) packet and a
//! [`Durable`](crate::frame::Durable) message are demanded where they are acted on.
//!
//! # How an input is handled
//!
//! This file finds the step that an input belongs to. A step (folder `steps`, one verb per file)
//! changes state (folder `state`, one noun per file) and begins work: packets to send, jobs to
//! compute, operations to store. After every input, `settle` begins whatever has become possible,
//! in one fixed order, so that no step has to consider what follows from it elsewhere.
//!
//! | file | what |
//! |---|---|
//! | `config`, `limits`, `command` | settings of a client, and requests of the application |
//! | `notice`, `store` | what it tells, and what it asks of its store |
//! | `awaits`, `alarm` | what it waits for: outcomes of the host, and points in time |
//! | `state` | nouns: what it knows |
//! | `steps` | verbs: what it does |

mod alarm;
mod awaits;
mod command;
mod config;
mod limits;
mod notice;
mod state;
mod steps;
pub mod store;

use core::fmt;

pub use self::command::Command;
pub use self::config::Config;
pub use self::limits::Limits;
pub use self::notice::{
    LookupFailure, Notice, OfflineReason, OtpSource, RegistrationFailure, SendRefusal,
    ServerKeyChange, Suspicion,
};
pub use self::store::{Arrival, Continuity, Token};
pub use crate::address::{InvalidAddress, ServerAddress};

use self::alarm::Alarm;
use self::awaits::{AwaitJob, AwaitStore};
use self::state::account::OwnAccount;
use self::state::contacts::Contacts;
use self::state::drafts::Drafts;
use self::state::goal::Goal;
use self::state::inbox::Inbox;
use self::state::link::{Link, Sending};
use self::state::lookups::Lookups;
use self::state::outbox::Outbox;
use self::state::readdressing::Readdressing;
use self::state::receipt_numbers::ReceiptNumbers;
use self::state::rechecks::Rechecks;
use self::state::redial::Redial;
use self::state::sealing_queue::{SealedMessage, SealingQueue};
use self::state::suspects::Suspects;
use self::state::token_checks::TokenChecks;
use self::state::unrecorded::Unrecorded;
use self::store::{ClientOp, ClientOutcome, InboxItem, Snapshot};
use crate::crypto::Outcome;
use crate::entropy::Entropy;
use crate::frame::{
    Actions, Alarms, Completed, Deadline, Event, Input, InvalidLimits, Machine, Misuse, Out,
    WrongOutcome,
};
use crate::ids::{Ticket, UserRef};
use crate::time::{Mono, Now, Timestamp};

/// One user on one server. See the [module](self) and [`Machine`].
pub struct Client {
    config: Config,
    entropy: Entropy,
    /// Time of the host's clocks at the input that is being handled.
    now: Now,
    account: OwnAccount,
    contacts: Contacts,
    goal: Goal,
    link: Link,
    redial: Redial,
    token_checks: TokenChecks,
    drafts: Drafts,
    sealing: SealingQueue,
    outbox: Outbox,
    readdressing: Readdressing,
    inbox: Inbox,
    lookups: Lookups,
    rechecks: Rechecks,
    receipt_numbers: ReceiptNumbers,
    suspects: Suspects,
    unrecorded: Unrecorded,
    alarms: Alarms<Alarm>,
    lifecycle: Lifecycle,
    out: Out<Self, AwaitJob, AwaitStore>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lifecycle {
    Running,
    Stopping,
    Stopped,
}

impl Client {
    /// A client that is offline, with the content of its store.
    ///
    /// # Errors
    /// [`InvalidLimits`] if the limits in `config` allow no progress.
    pub fn new(
        config: Config,
        snapshot: Snapshot,
        entropy: Entropy,
    ) -> Result<Self, InvalidLimits> {
        config.limits.validate()?;
        let Snapshot { account, contacts, former, drafts, outbox, last_message, next_receipt } =
            snapshot;
        let limits = &config.limits;
        let mut this = Self {
            now: Now { mono: Mono(0), wall: Timestamp::MIN },
            account: OwnAccount::new(account),
            contacts: Contacts::new(contacts, former, limits.contacts),
            goal: Goal::Offline,
            link: Link::new(),
            redial: Redial::new(config.endpoints, limits, config.public_key.fingerprint()),
            token_checks: TokenChecks::new(),
            drafts: Drafts::new(drafts),
            sealing: SealingQueue::new(last_message),
            outbox: Outbox::new(outbox),
            readdressing: Readdressing::new(),
            inbox: Inbox::new(),
            lookups: Lookups::default(),
            rechecks: Rechecks::default(),
            receipt_numbers: ReceiptNumbers::new(next_receipt),
            suspects: Suspects::new(limits.suspects),
            unrecorded: Unrecorded::new(),
            alarms: Alarms::new(),
            lifecycle: Lifecycle::Running,
            out: Out::new(),
            config,
            entropy,
        };
        this.repeat_offers();
        Ok(this)
    }

    fn on_event(&mut self, event: Event<Self>) {
        match event {
            Event::Opened { conn, .. } => self.on_opened(conn),
            Event::Closed { conn } => self.on_closed(conn),
            Event::Congested { conn } => self.on_congestion(conn, Sending::Congested),
            Event::Writable { conn } => self.on_congestion(conn, Sending::Flows),
            Event::Stored(ticket, answer) => self.on_answer(ticket, answer),
            Event::Computed(ticket, outcome) => self.on_outcome(ticket, outcome),
            Event::Command(command) => self.on_command(command),
            Event::Tick => self.on_tick(),
            Event::Shutdown => self.on_shutdown(),
        }
    }

    fn on_command(&mut self, command: Command) {
        match command {
            Command::Connect => self.connect(),
            Command::Disconnect => self.disconnect(),
            Command::Register { invitation } => self.register(invitation),
            Command::Confirm { otp } => self.confirm(otp),
            Command::Send { token, to, content } => self.send_message(token, to, None, content),
            Command::SendToKey { token, phone, key, content } => {
                self.send_message(token, UserRef::Phone(phone), Some(key), content);
            }
            Command::Cancel { token } => self.cancel_draft(token),
            Command::Lookup { phone } => self.look_up(phone),
            Command::AcceptKey { phone, fingerprint } => self.accept_key(phone, fingerprint),
            Command::MarkVerified { phone, fingerprint } => self.mark_verified(phone, fingerprint),
            Command::Forget { phone } => self.forget_contact(phone),
            Command::MarkShown { up_to } => {
                self.out.store(ClientOp::MarkShown { up_to }, AwaitStore::Kept);
            }
        }
    }

    fn on_outcome(&mut self, ticket: Ticket, outcome: Outcome) {
        match self.out.computed(ticket, outcome) {
            Ok(Some((awaited, outcome))) => {
                let handled = self.on_computed(awaited, outcome);
                self.report(handled.map_err(Into::into));
            }
            // The job was abandoned with its connection, or with its message.
            Ok(None) => {}
            Err(misuse) => self.report(Err(misuse)),
        }
    }

    fn on_computed(
        &mut self,
        awaited: AwaitJob,
        outcome: Completed<Outcome>,
    ) -> Result<(), WrongOutcome> {
        match awaited {
            AwaitJob::ServerKeyRequest(question) => {
                self.on_server_key_request_made(question, outcome.emitted()?);
            }
            AwaitJob::ServerKey(offer) => self.on_server_key_verified(outcome.verified(offer)?),
            AwaitJob::Request => self.on_request_made(outcome.emitted()?),
            AwaitJob::Answer(packet, kind) => {
                self.on_answer_opened(kind, outcome.opened(packet)?);
            }
            AwaitJob::ClearError(packet) => {
                self.on_clear_error_verified(outcome.verified(packet)?);
            }
            AwaitJob::Grant(packet) => self.on_grant_opened(outcome.grant_opened(packet)?),
            AwaitJob::Lookup(who) => self.on_lookup_made(who, outcome.emitted()?),
            AwaitJob::ServerPacket(slot, packet) => {
                self.on_server_packet_opened(slot, outcome.opened(packet)?);
            }
            AwaitJob::ServerGoodbye(slot, packet) => {
                self.on_server_goodbye_verified(slot, outcome.verified(packet)?);
            }
            AwaitJob::PeerMessage { message, phone, key, trust } => {
                let signer = (phone, key, trust);
                self.on_message_opened(outcome.message_opened(message)?, signer);
            }
            AwaitJob::PeerReceipt(receipt) => {
                self.on_receipt_verified(outcome.verified(receipt)?);
            }
            AwaitJob::Receipt(sender) => self.on_receipt_signed(sender, outcome.emitted()?),
            AwaitJob::ReceiptsTaken => self.on_receipts_taken_sealed(outcome.emitted()?),
            AwaitJob::Goodbye => self.on_goodbye_signed(outcome.emitted()?),
            AwaitJob::Message(id) => {
                self.on_message_sealed(id, outcome.emitted()?.map(SealedMessage::new));
            }
            AwaitJob::Readdressed(id) => self.on_message_readdressed(id, outcome.emitted()?),
        }
        Ok(())
    }

    fn on_answer(&mut self, ticket: Ticket, answer: ClientOutcome) {
        let error = answer.as_ref().err().copied();
        match self.out.stored(ticket, answer) {
            Ok((awaited, answer)) => {
                // Whatever the operation was, somebody may have to look after the store.
                if let Some(error) = error {
                    self.out.notify(Notice::StoreFailed { error });
                }
                let handled = self.on_stored(awaited, answer);
                self.report(handled.map_err(Into::into));
            }
            Err(misuse) => self.report(Err(misuse)),
        }
    }

    fn on_stored(
        &mut self,
        awaited: AwaitStore,
        answer: Completed<ClientOutcome>,
    ) -> Result<(), WrongOutcome> {
        match awaited {
            // What is lost with a failure is learnt again, or delivered again.
            AwaitStore::Kept => drop(answer.done()?),
            AwaitStore::Pinned(op) => self.on_pinned(op, answer.done()?),
            AwaitStore::ReconnectDate(conn, date) => {
                self.on_reconnect_date(conn, answer.kept(date)?);
            }
            AwaitStore::ServerKeyChanged(keys) => {
                self.on_server_key_changed(answer.kept(keys)?);
            }
            AwaitStore::ReceiptNumbers(below) => self.on_receipt_numbers(answer.kept(below)?),
            AwaitStore::KeyAccepted(key) => self.on_key_accepted(answer.kept(key)?),
            AwaitStore::ContactForgotten(phone) => self.on_contact_forgotten(answer.kept(phone)?),
            AwaitStore::ContactVerified(comparison) => {
                self.on_contact_verified(answer.kept(comparison)?);
            }
            AwaitStore::TokensFound { tokens } => self.on_tokens_found(answer.named(tokens)?),
            AwaitStore::DraftsKept(ids) => self.on_drafts_kept(answer.all_kept(ids)?),
            AwaitStore::DraftsDropped(ids) => self.on_drafts_dropped(answer.all_kept(ids)?),
            AwaitStore::Enqueued(messages) => self.on_enqueued(answer.all_kept(messages)?),
            AwaitStore::Readdressed(messages) => {
                self.on_readdressed_stored(answer.all_kept(messages)?);
            }
            AwaitStore::MarkedStored(items) => self.on_marked_stored(items, answer.marked()?),
            AwaitStore::MarkedDelivered { receipt, withdrawn } => {
                self.on_marked_delivered(withdrawn, answer.marked_for(receipt)?);
            }
            AwaitStore::MarkedFailed { messages, failure } => {
                self.on_marked_failed(messages, failure, answer.given_up()?);
            }
            AwaitStore::MarkedUndeliverable(packets) => {
                self.on_marked_undeliverable(packets, answer.given_up()?);
            }
            AwaitStore::Received(batch, messages) => {
                self.on_received(batch, answer.received(messages)?);
            }
            AwaitStore::Page(after) => self.on_page(after, answer.unshown()?),
        }
        Ok(())
    }

    /// Reports an outcome that nothing waits for, or that is of the wrong kind. It has no other
    /// effect, because its content can't be trusted.
    fn report(&mut self, handled: Result<(), Misuse>) {
        if let Err(misuse) = handled {
            self.out.notify(Notice::Misuse { misuse });
        }
    }

    fn on_tick(&mut self) {
        while let Some(alarm) = self.alarms.pop_due(self.now.mono) {
            match alarm {
                Alarm::Redial => self.dial(),
                Alarm::Stable => self.redial.reset(),
                Alarm::Acknowledgement => self.on_acknowledgement_overdue(),
                Alarm::ReceiptsTaken => self.on_receipts_taken_due(),
                Alarm::Goodbye => self.lose(OfflineReason::Requested),
                Alarm::Progress => self.lose(OfflineReason::TimedOut),
                Alarm::LookupAnswer(who) => self.on_lookup_overdue(who),
                Alarm::Hold(recipient) => self.outbox.probe(recipient),
                Alarm::StoreRest => self.number_drafts(),
                // It only wakes the client up: `settle` finds what waited for it.
                Alarm::LookupRetry(_) => {}
            }
        }
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
        self.settle();
        debug_assert_eq!(self.is_consistent(), Ok(()));
        self.out.actions()
    }

    fn deadline(&self) -> Option<Deadline> {
        self.alarms.deadline()
    }

    fn is_consistent(&self) -> Result<(), &'static str> {
        self.check_consistency()
    }
}

impl fmt::Debug for Client {
    /// Shows the state of the connection and a few counts, but no names and no contents.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (queued, _) = self.outbox.size();
        f.debug_struct("Client")
            .field("link", &self.link.name())
            .field("queued", &queued)
            .field("awaited", &self.out.awaited())
            .finish_non_exhaustive()
    }
}
