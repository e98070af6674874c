//! The host of the benchmarks: it makes up the outcomes of jobs, and counts packets.

use std::collections::VecDeque;

use bytes::Bytes;
use sealpost_core::crypto::{FreshSession, Job, OpenedRequest, Outcome, Part};
use sealpost_core::frame::{Event, Flow, Host};
use sealpost_core::ids::{ConnId, EndpointIndex, Ticket};
use sealpost_core::keys::{Plaintext, SymmetricKey};
use sealpost_core::server::store::{StoreOp, StoreOutcome};
use sealpost_core::server::{Notice, OtpDelivery, Server};
use sealpost_core::wire::{Packet, Profile, ReconnectRequest};
use sealpost_storage::conformance::{phone, wrapped_key};
use sealpost_storage::{MemoryStorage, Quota, Storage};

use crate::packets;

/// A host with made-up outcomes for jobs, and a memory store.
///
/// No signature is verified and nothing is sealed or opened, so that a benchmark measures the
/// machine, the host's loop and the store.
pub struct BenchHost {
    jobs: VecDeque<(Ticket, FakeOutcome)>,
    tickets: Vec<Ticket>,
    ops: Vec<StoreOp>,
    outcomes: Vec<StoreOutcome>,
    /// Store of the server, for benchmarks to add users.
    pub store: MemoryStorage,
    /// Plaintext of the sealed part of the next packet to the server.
    pub opened: Plaintext,
    /// Stand-in for every packet that the server has signed.
    emitted: Packet,
    /// Number of packets sent on each connection, by connection number.
    pub sent: [u64; 3],
}

/// Kind of a job's made-up outcome.
enum FakeOutcome {
    Verified,
    Opened,
    /// An opened 106 of this user.
    Request(u64),
    Emitted,
}

impl BenchHost {
    /// A host with an empty store.
    pub fn new(profile: Profile) -> Self {
        Self {
            jobs: VecDeque::new(),
            tickets: Vec::new(),
            ops: Vec::new(),
            outcomes: Vec::new(),
            store: MemoryStorage::new(profile, Quota::default()),
            opened: Plaintext::default(),
            emitted: packets::from_server(profile),
            sent: [0; 3],
        }
    }

    /// Outcome of the oldest job that waits.
    pub fn computed(&mut self) -> Option<Event<Server>> {
        let (ticket, fake) = self.jobs.pop_front()?;
        let outcome = match fake {
            FakeOutcome::Verified => Outcome::Verified(Ok(())),
            FakeOutcome::Opened => Outcome::Opened(Ok(std::mem::take(&mut self.opened))),
            FakeOutcome::Request(user) => Outcome::RequestOpened(Ok(opened_request(user))),
            FakeOutcome::Emitted => Outcome::Emitted(Ok(self.emitted.clone())),
        };
        Some(Event::Computed(ticket, outcome))
    }

    /// Whether store operations wait.
    pub const fn wants_commit(&self) -> bool {
        !self.ops.is_empty()
    }

    /// Commits the waiting store operations. Returns their outcomes as events.
    pub fn commit(&mut self) -> impl Iterator<Item = Event<Server>> + use<> {
        self.commit_to_store();
        let (tickets, outcomes) =
            (std::mem::take(&mut self.tickets), std::mem::take(&mut self.outcomes));
        tickets.into_iter().zip(outcomes).map(|(ticket, outcome)| Event::Stored(ticket, outcome))
    }

    /// A function of its own, so that `benches/instructions` can subtract the store's share from the
    /// machine's.
    #[inline(never)]
    fn commit_to_store(&mut self) {
        self.store.commit(&self.ops, &mut self.outcomes);
        self.ops.clear();
    }
}

fn opened_request(user: u64) -> OpenedRequest {
    let number = u16::try_from(user).expect("a small number");
    let reply_key = SymmetricKey::from_bytes([1; 32]);
    let plaintext = ReconnectRequest { reply_key, phone: phone(number) }.emit();
    let key = SymmetricKey::from_bytes([2; 32]);
    OpenedRequest { plaintext, session: Some(FreshSession { key, wrapped: wrapped_key(3) }) }
}

impl Host<Server> for BenchHost {
    fn send(&mut self, conn: ConnId, _: Bytes) {
        let index = usize::try_from(conn.0).expect("a small number");
        *self.sent.get_mut(index).expect("one of two connections") += 1;
    }

    fn store(&mut self, ticket: Ticket, op: StoreOp) {
        self.tickets.push(ticket);
        self.ops.push(op);
    }

    fn compute(&mut self, ticket: Ticket, job: Job) {
        let fake = match &job {
            Job::Verify { .. } => FakeOutcome::Verified,
            Job::OpenSealed { .. } => FakeOutcome::Opened,
            Job::OpenRequest { packet, .. } => {
                FakeOutcome::Request(packet.header().sender.expect("a user").value())
            }
            Job::Emit(draft) => {
                let whole = draft.parts.iter().all(|part| !matches!(part, Part::Envelope { .. }));
                assert!(whole, "a server seals no messages");
                FakeOutcome::Emitted
            }
            Job::OpenGrant { .. } | Job::OpenMessage { .. } => panic!("a client's job"),
        };
        self.jobs.push_back((ticket, fake));
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

    fn dial(&mut self, _: ConnId, _: EndpointIndex) {
        panic!("a server does not dial");
    }
}
