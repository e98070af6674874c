//! The host of a benchmark: it computes nothing, and counts what it is given.

use std::collections::VecDeque;

use bytes::Bytes;
use sealpost_core::crypto::{FreshSession, Job, OpenedRequest, Outcome, Part};
use sealpost_core::frame::{Event, Flow, Host};
use sealpost_core::ids::{ConnId, Ticket};
use sealpost_core::keys::{Plaintext, SymmetricKey};
use sealpost_core::server::store::{StoreOp, StoreOutcome};
use sealpost_core::server::{Notice, OtpDelivery, Server};
use sealpost_core::wire::{AccountRequest, Packet, Profile};
use sealpost_storage::conformance::{phone, wrapped_key};
use sealpost_storage::{MemoryStorage, Quota, Storage};

use crate::mail;

/// Jobs wait here for outcomes that are made up, and store requests for a store in memory.
///
/// No signature is checked and nothing is sealed or opened, so that what is measured is the
/// machine, its host's loop and that store.
pub struct Desk {
    jobs: VecDeque<(Ticket, Made)>,
    tickets: Vec<Ticket>,
    ops: Vec<StoreOp>,
    outcomes: Vec<StoreOutcome>,
    /// The store, to put users into.
    pub store: MemoryStorage,
    /// What the sealed part of the next packet to the server holds.
    pub opened: Plaintext,
    /// What every packet that the server has made is.
    emitted: Packet,
    /// Packets sent to each connection, by its number.
    pub sent: [u64; 3],
}

/// What will be made up as a job's outcome.
enum Made {
    Verified,
    Opened,
    /// A 106, of the user with this number.
    Request(u64),
    Emitted,
}

impl Desk {
    /// With an empty store.
    pub fn new(profile: Profile) -> Self {
        Self {
            jobs: VecDeque::new(),
            tickets: Vec::new(),
            ops: Vec::new(),
            outcomes: Vec::new(),
            store: MemoryStorage::new(profile, Quota::default()),
            opened: Plaintext::default(),
            emitted: mail::from_server(profile),
            sent: [0; 3],
        }
    }

    /// The outcome of the job that has waited longest.
    pub fn computed(&mut self) -> Option<Event<Server>> {
        let (ticket, made) = self.jobs.pop_front()?;
        let outcome = match made {
            Made::Verified => Outcome::Verified(Ok(())),
            Made::Opened => Outcome::Opened(Ok(std::mem::take(&mut self.opened))),
            Made::Request(user) => Outcome::RequestOpened(Ok(opened_request(user))),
            Made::Emitted => Outcome::Emitted(Ok(self.emitted.clone())),
        };
        Some(Event::Computed(ticket, outcome))
    }

    /// Whether the store was asked for anything.
    pub const fn wants_commit(&self) -> bool {
        !self.ops.is_empty()
    }

    /// Commits what the store was asked for; the outcomes are to be told by their tickets.
    pub fn commit(&mut self) -> impl Iterator<Item = Event<Server>> + use<> {
        self.carry_out();
        let (tickets, outcomes) =
            (std::mem::take(&mut self.tickets), std::mem::take(&mut self.outcomes));
        tickets.into_iter().zip(outcomes).map(|(ticket, outcome)| Event::Stored(ticket, outcome))
    }

    /// By itself, so that `benches/instructions` can tell the store's part from the machine's.
    #[inline(never)]
    fn carry_out(&mut self) {
        self.store.commit(&self.ops, &mut self.outcomes);
        self.ops.clear();
    }
}

fn opened_request(user: u64) -> OpenedRequest {
    let number = u16::try_from(user).expect("a small number");
    let reply_key = SymmetricKey::from_bytes([1; 32]);
    let plaintext = AccountRequest { reply_key, phone: phone(number) }.emit();
    let key = SymmetricKey::from_bytes([2; 32]);
    OpenedRequest { plaintext, session: Some(FreshSession { key, wrapped: wrapped_key(3) }) }
}

impl Host<Server> for Desk {
    fn send(&mut self, conn: ConnId, _: Bytes) {
        let index = usize::try_from(conn.0).expect("a small number");
        *self.sent.get_mut(index).expect("one of two connections") += 1;
    }

    fn store(&mut self, ticket: Ticket, op: StoreOp) {
        self.tickets.push(ticket);
        self.ops.push(op);
    }

    fn compute(&mut self, ticket: Ticket, job: Job) {
        let made = match &job {
            Job::Verify { .. } => Made::Verified,
            Job::OpenSealed { .. } => Made::Opened,
            Job::OpenRequest { packet, .. } => {
                Made::Request(packet.header().sender.expect("a user").value())
            }
            Job::Emit(draft) => {
                let whole = draft.parts.iter().all(|part| !matches!(part, Part::Envelope { .. }));
                assert!(whole, "a server seals no messages");
                Made::Emitted
            }
            Job::OpenGrant { .. } | Job::OpenMessage { .. } => panic!("a client's job"),
        };
        self.jobs.push_back((ticket, made));
    }

    fn deliver(&mut self, _: OtpDelivery) {
        panic!("nobody registers");
    }

    fn notify(&mut self, notice: Notice) {
        assert!(matches!(notice, Notice::SessionOpened { .. }), "{notice:?}");
    }

    fn flow(&mut self, _: ConnId, _: Flow) {}

    fn close(&mut self, _: ConnId) {
        panic!("a connection was closed");
    }

    fn dial(&mut self, _: ConnId) {
        panic!("a server does not dial");
    }
}
