//! The host in a test bed: records a machine's actions, and checks the host contract.

use std::collections::{BTreeSet, VecDeque};

use bytes::Bytes;
use sealpost_core::crypto::Job;
use sealpost_core::frame::{Event, Flow, Host, Seen};
use sealpost_core::ids::{ConnId, EndpointIndex, Ticket};
use sealpost_core::wire::{Packet, Profile};

use super::machine::TestedMachine;
use crate::recorded::Watcher;

/// Actions of a machine that no test has looked at yet.
pub(super) struct Recorder<M: TestedMachine> {
    profile: Profile,
    pub(super) dials: VecDeque<(ConnId, EndpointIndex)>,
    pub(super) sent: VecDeque<(ConnId, Packet)>,
    /// Connections that were established, open or not.
    opened: BTreeSet<ConnId>,
    /// Connections that ended without the machine's doing.
    lost: BTreeSet<ConnId>,
    /// Connections that the machine closed.
    pub(super) closed: BTreeSet<ConnId>,
    pub(super) paused: BTreeSet<ConnId>,
    pub(super) ops: VecDeque<(Ticket, M::StoreOp)>,
    pub(super) jobs: VecDeque<(Ticket, Job)>,
    pub(super) deliveries: Vec<M::Delivery>,
    /// Answers to deliveries that the machine has not got.
    pub(super) answers: VecDeque<M::Command>,
    pub(super) notices: Vec<M::Notice>,
    pub(super) watcher: Option<Watcher<M>>,
}

impl<M: TestedMachine> Recorder<M> {
    pub(super) const fn new(profile: Profile) -> Self {
        Self {
            profile,
            dials: VecDeque::new(),
            sent: VecDeque::new(),
            opened: BTreeSet::new(),
            lost: BTreeSet::new(),
            closed: BTreeSet::new(),
            paused: BTreeSet::new(),
            ops: VecDeque::new(),
            jobs: VecDeque::new(),
            deliveries: Vec::new(),
            answers: VecDeque::new(),
            notices: Vec::new(),
            watcher: None,
        }
    }

    /// Notes what an event about a connection says, before the machine sees it.
    pub(super) fn observe(&mut self, event: &Event<M>) {
        match event {
            Event::Opened { conn, .. } => {
                self.opened.insert(*conn);
            }
            Event::Closed { conn } => {
                self.lost.insert(*conn);
            }
            Event::Congested { .. }
            | Event::Writable { .. }
            | Event::Stored(..)
            | Event::Computed(..)
            | Event::Command(_)
            | Event::Tick
            | Event::Shutdown => {}
        }
    }

    fn has_ended(&self, conn: ConnId) -> bool {
        self.closed.contains(&conn) || self.lost.contains(&conn)
    }
}

impl<M: TestedMachine> Host<M> for Recorder<M> {
    fn send(&mut self, conn: ConnId, bytes: Bytes) {
        assert!(self.opened.contains(&conn), "sent before the connection was established");
        assert!(!self.has_ended(conn), "sent on a connection that has ended");
        let packet = Packet::parse(self.profile, bytes).expect("one whole packet");
        M::check_sent(&packet);
        self.sent.push_back((conn, packet));
    }

    fn store(&mut self, ticket: Ticket, op: M::StoreOp) {
        self.ops.push_back((ticket, op));
    }

    fn compute(&mut self, ticket: Ticket, job: Job) {
        self.jobs.push_back((ticket, job));
    }

    fn deliver(&mut self, delivery: M::Delivery) {
        self.answers.extend(M::accept(&delivery));
        self.deliveries.push(delivery);
    }

    fn notify(&mut self, notice: M::Notice) {
        M::check_notice(&notice);
        self.notices.push(notice);
    }

    fn flow(&mut self, conn: ConnId, flow: Flow) {
        let changed = match flow {
            Flow::Pause => self.paused.insert(conn),
            Flow::Resume => self.paused.remove(&conn),
        };
        assert!(changed, "told twice to {flow:?}");
    }

    fn close(&mut self, conn: ConnId) {
        assert!(!self.lost.contains(&conn), "closed a connection that has ended");
        assert!(self.closed.insert(conn), "closed twice");
    }

    fn dial(&mut self, conn: ConnId, endpoint: EndpointIndex) {
        assert!(M::DIALS, "a server does not dial");
        self.dials.push_back((conn, endpoint));
    }
    fn watch(&mut self, seen: &Seen<'_, '_, M>) {
        if let Some(watcher) = &mut self.watcher {
            watcher(seen);
        }
    }
}
