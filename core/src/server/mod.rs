//! The server machine: registers, authenticates, routes, stores and acknowledges. It never opens a
//! message.
//!
//! Each input is handled by one step (folder `steps`, one verb per file). The step changes the
//! state (folder `state`, one noun per file), begins jobs and store operations, and marks the
//! mailboxes and connections that it touched. Then `settle` does what follows from the changes. A
//! continuation (`awaits`), kept under the action's ticket, has what the server needs once a job or
//! a store operation has its outcome.
//!
//! What must not happen does not compile. A mailbox takes only verified packets, an acknowledgement
//! is made only from a durable one, and a session begins only from a request that is verified and
//! recorded ([`frame`](crate::frame)).

mod alarm;
mod answers;
mod awaits;
mod config;
mod counters;
mod elsewhere;
pub mod limits;
mod notice;
mod registration;
mod state;
mod stats;
mod steps;
pub mod store;

use alloc::vec::Vec;
use core::fmt;

use self::alarm::Alarm;
use self::awaits::{AwaitDelivery, AwaitJob, AwaitReconnectVerified, AwaitStore};
pub use ipnet::IpNet;

pub use self::config::{
    Command, Config, DeliveryId, DeliveryOutcome, OtpChannel, OtpDelivery, Reconfiguration,
    RegisteredPhones, Servers,
};
pub use self::counters::{Counters, ItemCounts, Tally};
pub use self::elsewhere::{AccountChange, Elsewhere};
pub use self::limits::{Limits, Rate};
pub use self::notice::Notice;
pub use self::registration::{InvalidPhonePrefix, PhonePrefix, Registrants, Registration};
use self::state::admission::Admission;
use self::state::checking::Checking;
use self::state::connections::Connections;
use self::state::daily_bytes::DailyBytes;
use self::state::mailboxes::Mailboxes;
use self::state::otps::Otps;
use self::state::server_key::ServerKeyAnswers;
use self::state::settling::Unfinished;
use self::state::sharing::Sharing;
use self::state::shedding::Shedding;
use self::state::touched::Touched;
use self::state::user_meters::UserMeters;
pub use self::stats::{Held, Stats, Totals};
use self::store::{StoreOp, StoreOutcome};
use crate::crypto::Outcome;
use crate::entropy::Entropy;
use crate::frame::{
    Actions, Alarms, Completed, Deadline, Event, Input, InvalidLimits, Machine, Misuse, Out, Slab,
    WrongOutcome,
};
use crate::ids::Ticket;
use crate::time::{Mono, Now, SteadyClock, Timestamp};

/// The server. See the [module](self) and [`Machine`].
pub struct Server {
    config: Config,
    entropy: Entropy,
    /// Time of the host's clocks at the input that is being handled; of the first one, as `clock`
    /// shows it.
    now: Now,
    clock: SteadyClock,
    connections: Connections,
    mailboxes: Mailboxes,
    checking: Checking,
    daily_bytes: DailyBytes,
    otps: Otps,
    /// Deliveries of passwords that the host has not answered, by their ids.
    deliveries: Slab<AwaitDelivery>,
    admission: Admission,
    user_meters: UserMeters,
    sharing: Sharing,
    /// Strangers who were disconnected.
    shedding: Shedding,
    /// Connections that were closed because they held the most memory.
    relieved: Shedding,
    key_answers: ServerKeyAnswers,
    /// Store operations that failed and are repeated until they succeed.
    unfinished: Vec<Unfinished>,
    alarms: Alarms<Alarm>,
    touched: Touched,
    out: Out<Self, AwaitJob, AwaitStore>,
    counters: Counters,
    clock_is_implausible: bool,
    lifecycle: Lifecycle,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Lifecycle {
    Serving,
    Stopping,
    Stopped,
}

impl Server {
    /// Makes a server without connections.
    ///
    /// # Errors
    /// [`InvalidLimits`] if the server could not work within the limits in `config`, or one of its lists
    /// is too long.
    pub fn new(config: Config, entropy: Entropy) -> Result<Self, InvalidLimits> {
        config.validate()?;
        let mut alarms = Alarms::new();
        // Due at once: the clock is recorded even while nobody connects.
        alarms.arm(Alarm::Expire, Mono(0));
        Ok(Self {
            admission: Admission::new(&config.limits, config.exempt_networks.clone()),
            user_meters: UserMeters::new(&config.limits),
            sharing: Sharing::new(config.servers),
            shedding: Shedding::default(),
            relieved: Shedding::default(),
            config,
            entropy,
            now: Now { mono: Mono(0), wall: Timestamp::MIN },
            clock: SteadyClock::default(),
            connections: Connections::default(),
            mailboxes: Mailboxes::default(),
            checking: Checking::default(),
            daily_bytes: DailyBytes::default(),
            otps: Otps::default(),
            deliveries: Slab::new(),
            key_answers: ServerKeyAnswers::default(),
            unfinished: Vec::new(),
            alarms,
            touched: Touched::default(),
            out: Out::new(),
            counters: Counters::default(),
            clock_is_implausible: false,
            lifecycle: Lifecycle::Serving,
        })
    }

    fn on_event(&mut self, event: Event<Self>) {
        match event {
            Event::Opened { conn, peer } => self.on_opened(conn, peer),
            Event::Closed { conn } => self.on_closed(conn),
            Event::Congested { conn } => self.on_congested(conn),
            Event::Writable { conn } => self.on_writable(conn),
            Event::Stored(ticket, answer) => self.on_answer(ticket, answer),
            Event::Computed(ticket, outcome) => self.on_outcome(ticket, outcome),
            Event::Command(Command::OtpDelivery { id, outcome }) => {
                self.on_delivery_answered(id, outcome);
            }
            Event::Command(Command::Elsewhere(what)) => self.on_elsewhere(what),
            Event::Command(Command::EndSession { user, why }) => self.on_account_changed(user, why),
            Event::Command(Command::Reconfigure(new)) => self.on_reconfigure(*new),
            Event::Tick => self.on_tick(),
            Event::Shutdown => self.on_shutdown(),
        }
    }

    fn on_outcome(&mut self, ticket: Ticket, outcome: Outcome) {
        match self.out.computed(ticket, outcome) {
            Ok(Some((awaited, outcome))) => {
                let handled = self.on_computed(awaited, outcome);
                self.report(handled.map_err(Into::into));
            }
            Ok(None) => {}
            Err(misuse) => self.report(Err(misuse)),
        }
    }

    fn on_answer(&mut self, ticket: Ticket, answer: StoreOutcome) {
        match self.out.stored(ticket, answer) {
            Ok((awaited, answer)) => {
                let handled = self.on_stored(awaited, answer);
                self.report(handled.map_err(Into::into));
            }
            Err(misuse) => self.report(Err(misuse)),
        }
    }

    /// Reports an outcome that nothing waits for, or that is of the wrong kind. It has no other
    /// effect, because its content can't be trusted.
    fn report(&mut self, handled: Result<(), Misuse>) {
        if let Err(misuse) = handled {
            self.out.notify(Notice::Misuse { misuse });
        }
    }

    fn on_computed(
        &mut self,
        awaited: AwaitJob,
        outcome: Completed<Outcome>,
    ) -> Result<(), WrongOutcome> {
        match awaited {
            AwaitJob::RegisterOpened(request) => {
                self.on_register_opened(request, outcome.unsigned_request_opened()?);
            }
            AwaitJob::ConfirmOpened(confirming) => {
                let judged = outcome.request_opened(*confirming)?;
                self.counters.judged(&judged);
                self.on_confirm_opened(judged);
            }
            AwaitJob::ReconnectOpened { request, user } => {
                let judged = outcome.request_opened(*request)?;
                self.counters.judged(&judged);
                self.on_reconnect_opened(user, judged);
            }
            AwaitJob::ReconnectOpenedUnverified(request) => {
                let opened = outcome.unsigned_request_opened()?;
                self.on_reconnect_opened_unverified(request, opened);
            }
            AwaitJob::ReconnectVerified(awaited) => {
                let AwaitReconnectVerified { request, reply_key, user, session } = *awaited;
                let judged = outcome.verified(request)?;
                self.counters.judged(&judged);
                self.on_reconnect_verified(judged, reply_key, user, session);
            }
            AwaitJob::Signed { arrival, packet } => {
                let judged = outcome.verified(packet)?;
                self.counters.judged(&judged);
                self.on_signed_packet(arrival, judged);
            }
            AwaitJob::Sealed { arrival, packet } => {
                let judged = outcome.opened(packet)?;
                self.counters.judged(&judged);
                self.on_sealed_packet(arrival, judged);
            }
            AwaitJob::ServerKey(key) => self.on_server_key_signed(key, outcome.emitted()?),
            AwaitJob::Granted(entry) => self.on_granted(&entry, outcome.emitted()?),
            AwaitJob::Reply { conn, then } => self.on_reply_made(conn, then, outcome.emitted()?),
            AwaitJob::AckSealed { conn, bytes } => {
                self.on_acks_sealed(conn, bytes, outcome.emitted()?);
            }
            AwaitJob::NoMoreMessages { conn, user } => {
                self.on_no_more_messages_sealed(conn, user, outcome.emitted()?);
            }
        }
        Ok(())
    }

    fn on_stored(
        &mut self,
        awaited: AwaitStore,
        answer: Completed<StoreOutcome>,
    ) -> Result<(), WrongOutcome> {
        match awaited {
            AwaitStore::InvitationChecked(registrant) => {
                self.on_invitation_checked(*registrant, answer.invitation_checked()?);
            }
            AwaitStore::RegistrantFound(registrant) => {
                self.on_registrant_found(&registrant, &answer.found()?);
            }
            AwaitStore::UserCreated(pending) => self.on_user_created(answer.created(*pending)?),
            AwaitStore::ReconnectorFound(request) => {
                self.on_reconnector_found(request, answer.found()?);
            }
            AwaitStore::ReconnectorFoundByPhone(awaited) => {
                self.on_reconnector_found_by_phone(*awaited, answer.found()?);
            }
            AwaitStore::ReconnectRecorded(pending) => {
                self.on_reconnect_recorded(answer.reconnect_recorded(*pending)?);
            }
            AwaitStore::SessionBegun { reconnecting, session } => {
                self.on_session_begun(*reconnecting, session, answer.session_begun()?);
            }
            AwaitStore::LookedUp { conn, in_reply_to } => {
                self.on_looked_up(conn, in_reply_to, answer.looked_up()?);
            }
            AwaitStore::Appended { recipient, packets } => {
                let (fates, error) = answer.appended(packets)?;
                self.on_appended(recipient, fates, error);
            }
            AwaitStore::PageRead { owner, conn, memory } => {
                self.on_page(owner, conn, memory, answer.page()?);
            }
            AwaitStore::Settled(pending) => self.on_settled(answer.settled(pending)?),
            AwaitStore::ReceiptsDropped(dropping) => {
                self.on_receipts_dropped(dropping, answer.receipts_dropped()?);
            }
            AwaitStore::AnswersRecorded => self.on_answers_recorded(answer.answers_recorded()?),
            AwaitStore::UndeliverableRead { conn } => {
                self.on_undeliverable(conn, answer.undeliverable()?);
            }
            AwaitStore::UndeliverableForgotten { conn, user } => {
                self.on_undeliverable_forgotten(conn, user, answer.undeliverable_forgotten()?);
            }
            AwaitStore::ClockRecorded { clock } => {
                self.on_clock_recorded(clock, answer.clock_recorded()?);
            }
            AwaitStore::Expired => self.on_expired(answer.expired()?),
        }
        Ok(())
    }

    fn on_tick(&mut self) {
        while let Some(alarm) = self.alarms.pop_due(self.now.mono) {
            match alarm {
                Alarm::Handshake(conn) => self.on_handshake_alarm(conn),
                // `settle` decides whether the connection may be read again.
                Alarm::Flow(conn) => self.touched.conn(conn),
                Alarm::Mailbox(user) => self.on_mailbox_alarm(user),
                Alarm::Unresponsive(conn) => self.on_unresponsive_alarm(conn),
                Alarm::LookAgain(user) => self.on_look_again_alarm(user),
                Alarm::Retry => self.on_retry_alarm(),
                Alarm::Expire => self.on_expire_alarm(),
                Alarm::Shutdown => self.on_shutdown_alarm(),
            }
        }
    }
}

impl Machine for Server {
    type StoreOp = StoreOp;
    type StoreOutcome = StoreOutcome;
    type Command = Command;
    type Delivery = OtpDelivery;
    type Notice = Notice;

    fn handle(&mut self, now: Now, input: Input<'_, Self>) -> Actions<'_, Self> {
        self.now = Now { mono: self.clock.advance(now.mono), wall: now.wall };
        match input {
            Input::Bytes { conn, data } => {
                self.counters.received_bytes += data.len() as u64;
                self.on_bytes(conn, data);
            }
            Input::Event(event) => self.on_event(event),
        }
        self.settle();
        debug_assert_eq!(self.is_consistent(), Ok(()));
        self.out.actions()
    }

    fn deadline(&self) -> Option<Deadline> {
        let deadline = self.alarms.deadline()?;
        Some(Deadline { at: self.clock.on_host(deadline.at), ..deadline })
    }

    fn is_consistent(&self) -> Result<(), &'static str> {
        self.check_consistency()
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").field("stats", &self.stats()).finish_non_exhaustive()
    }
}
