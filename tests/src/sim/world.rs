//! The world: a server, its clients, and everything between them, under one queue of events.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;

use bytes::Bytes;
use sealpost_core::client::{self, Client, Command};
use sealpost_core::frame::{Event, Input};
use sealpost_core::ids::{Phone, Ticket, UserId};
use sealpost_core::keys::Fingerprint;
use sealpost_core::server::store::{CreateOutcome, StoreOp, StoreOutcome, StoreReply};
use sealpost_core::server::{self, Server};
use sealpost_core::time::Mono;
use sealpost_storage::client::{Identity, MemoryClientStorage};
use sealpost_storage::{MemoryStorage, Quota};

use super::attackers::Attackers;
use super::dice::Dice;
use super::environment::Environment;
use super::event_queue::EventQueue;
use super::model::{self, Model};
use super::network::{LinkId, Network};
use super::node::Node;
use super::plan::{End, Otps, Plan, Step};
use super::scripted_world::Script;
use super::state_names::{store_state, store_words};
use super::steps;
use super::tally::Tally;
use super::trace::Trace;

/// A process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum ProcessId {
    Server,
    Client(usize),
    /// Somebody whose packets are made by hand.
    Scripted(usize),
}

impl fmt::Display for ProcessId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Server => f.write_str("server"),
            Self::Client(index) => write!(f, "client {index}"),
            Self::Scripted(index) => write!(f, "scripted peer {index}"),
        }
    }
}

/// What there is an appointment for.
pub(super) enum SimEvent {
    /// The plan's next step.
    Step(usize),
    Tick(ProcessId, u32),
    Computed(ProcessId, u32, Ticket),
    Committed(ProcessId, u32),
    Stored(ProcessId, u32, Ticket),
    /// An end of a connection is told that it stands.
    Opened(LinkId, End),
    /// Something comes that left from this end.
    Arrive(LinkId, End),
    /// An end is told that its connection is gone.
    Lost(LinkId, End),
    /// An end is told that its queue is too long, or empty again.
    Pressure(LinkId, End),
    /// The process starts.
    Start(ProcessId),
    /// The application wishes something, in this incarnation of its process.
    RunCommand(usize, u32, Command),
    /// The application makes sure that its client is online.
    GoOnline(usize, u32),
    /// Somebody writes to a contact whose new key was accepted.
    WriteToContact(usize, Phone),
    /// The operator hears of somebody who has lost their key.
    Operator(usize),
    /// A dishonest server sends something again.
    Late(LinkId, Bytes),
    /// A dishonest server makes a receipt up for this message.
    Forge(LinkId, Bytes),
}

/// What an application wants of its client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Goal {
    /// Nothing yet.
    Idle,
    Online,
    Offline,
}

/// A client's application.
pub(super) struct App {
    pub(super) goal: Goal,
    /// The client has said that it is in a session.
    pub(super) online: bool,
    /// Everything that waited has come.
    pub(super) caught_up: bool,
    /// It is going to try again.
    pub(super) retry_scheduled: bool,
    /// The user's id, since the server has made the account.
    pub(super) user: Option<UserId>,
    /// The index of the home's key.
    pub(super) key: usize,
    /// Keys that the server offers for contacts, as far as they were told in this incarnation.
    pub(super) offers: BTreeMap<Phone, Fingerprint>,
}

impl App {
    pub(super) const fn new(key: usize) -> Self {
        Self {
            goal: Goal::Idle,
            online: false,
            caught_up: false,
            retry_scheduled: false,
            user: None,
            key,
            offers: BTreeMap::new(),
        }
    }
}

/// A world in the course of a plan.
pub struct World {
    pub(super) env: Environment,
    pub(super) server: Node<Server, MemoryStorage>,
    pub(super) clients: Vec<Node<Client, MemoryClientStorage>>,
    pub(super) apps: Vec<App>,
    pub(super) attackers: Attackers,
    pub(super) model: Model,
    steps: Vec<Step>,
    pub(super) server_config: server::Config,
    pub(super) client_limits: client::Limits,
    /// The most actions that may follow from one input.
    pub(super) max_actions: usize,
    /// The server's stop is complete.
    pub(super) stopped: bool,
    pub(super) server_restart_delay: u64,
    /// Somebody on the wire, or the server, changed what passed.
    pub(super) tampered: bool,
    pub(super) script: Option<Script>,
    /// Keys that nobody has had yet are those before this one.
    pub(super) keys_left: usize,
    /// Whose accounts the operator is going to delete if they have another key by then.
    pub(super) accounts_to_delete: BTreeSet<usize>,
}

impl World {
    /// A world before anything has happened in it. With a trace that has links, it can be read.
    pub fn new(plan: &Plan, trace: Trace) -> Self {
        let settings = plan.settings.clone();
        let mut dice = Dice::from_seed(plan.noise);
        let server_crypto = settings.crypto.runner(0, dice.number());
        let server_config = server::Config {
            profile: settings.profile(),
            server_key: server_crypto.public_key().clone(),
            otp_channel: match settings.otps {
                Otps::InBand => server::OtpChannel::InBand,
                Otps::OutOfBand => server::OtpChannel::OutOfBand,
            },
            limits: settings.server_limits(),
        };
        let quota = Quota { messages: settings.quota_messages, ..Quota::default() };
        let store = MemoryStorage::new(settings.profile(), quota);
        let client = |index: usize| {
            let crypto = settings.crypto.runner(index + 1, dice.number());
            let identity = Identity {
                phone: model::phone(index),
                server: *server_config.server_key.fingerprint(),
                profile: settings.profile(),
                host_port: "localhost:7465".to_owned(),
            };
            Node::new(ProcessId::Client(index), crypto, MemoryClientStorage::new(identity))
        };
        let clients: Vec<_> = (0..settings.clients).map(client).collect();
        let attackers = Attackers::new(&server_config, settings.crypto, settings.clients);
        let env = Environment {
            queue: EventQueue::new(),
            network: Network::default(),
            unreachable: vec![Mono(0); settings.clients],
            captured: VecDeque::new(),
            capture: plan.has_active_attackers(),
            dice,
            trace,
            tally: Tally::default(),
            server_up: false,
            violation: None,
            settings,
        };
        let mut world = Self {
            model: Model::new(clients.len(), plan),
            apps: (1..=clients.len()).map(App::new).collect(),
            keys_left: env.settings.crypto.keys(),
            accounts_to_delete: BTreeSet::new(),
            server: Node::new(ProcessId::Server, server_crypto, store),
            max_actions: steps::max_actions(&env.settings.server_limits()),
            client_limits: env.settings.client_limits(),
            stopped: false,
            server_restart_delay: 0,
            tampered: false,
            script: None,
            steps: plan.steps.clone(),
            server_config,
            attackers,
            clients,
            env,
        };
        world.start(ProcessId::Server);
        for index in 0..world.clients.len() {
            world.start(ProcessId::Client(index));
        }
        let end_ms = plan.settings.end_ms;
        for (index, step) in plan.steps.iter().enumerate().filter(|(_, s)| s.at_ms < end_ms) {
            world.env.queue.schedule_at(Mono(step.at_ms * 1_000), SimEvent::Step(index));
        }
        world
    }

    /// The first thing that was not as it must be.
    pub fn violation(&self) -> Option<&str> {
        self.env.violation.as_deref()
    }

    /// What was met so far.
    pub fn tally(&self) -> Tally {
        let mut tally = self.env.tally.clone();
        tally.delivered = self.model.delivered();
        tally.micros = self.env.queue.now().0;
        tally
    }

    /// Everything that happened, as one number.
    pub const fn digest(&self) -> u64 {
        self.env.trace.digest()
    }

    /// What happened since the last call, if the trace keeps links.
    pub fn take_lines(&mut self) -> Vec<String> {
        self.env.trace.take_lines()
    }

    /// Lets everything happen that is due until then. Stops at a violation.
    pub fn run_until(&mut self, end: Mono) {
        while self.env.violation.is_none()
            && let Some(due) = self.env.queue.pop_until(end)
        {
            self.happen(due);
        }
    }

    fn happen(&mut self, due: SimEvent) {
        match due {
            SimEvent::Step(index) => {
                let what = self.steps[index].what.clone();
                self.begin(&what);
            }
            SimEvent::Tick(who, incarnation) => self.tick(who, incarnation),
            SimEvent::Computed(who, incarnation, ticket) => self.computed(who, incarnation, ticket),
            SimEvent::Committed(who, incarnation) => self.committed(who, incarnation),
            SimEvent::Stored(who, incarnation, ticket) => self.stored(who, incarnation, ticket),
            SimEvent::Opened(id, end) => self.opened(id, end),
            SimEvent::Arrive(id, from) => self.arrive(id, from),
            SimEvent::Lost(id, end) => self.lost(id, end),
            SimEvent::Pressure(id, end) => self.pressure(id, end),
            SimEvent::Start(who) => self.start(who),
            SimEvent::RunCommand(client, incarnation, command) => {
                if self.clients[client].host.incarnation == incarnation {
                    self.command(client, command);
                }
            }
            SimEvent::GoOnline(client, incarnation) => {
                if self.clients[client].host.incarnation == incarnation {
                    self.apps[client].retry_scheduled = false;
                    self.go_online(client);
                }
            }
            SimEvent::WriteToContact(client, phone) => self.write_to_contact(client, phone),
            SimEvent::Operator(client) => self.call_operator(client),
            SimEvent::Late(id, bytes) => {
                if let Some(link) = self.env.network.links.get_mut(&id) {
                    link.down.send(bytes);
                    self.env.transmit(id, End::Server);
                }
            }
            SimEvent::Forge(id, message) => self.forge_receipt(id, &message),
        }
    }

    /// Gives somebody's machine an input, and listens to what is said.
    pub(super) fn input_server(&mut self, input: Input<'_, Server>) {
        let actions = self.server.input(&mut self.env, input);
        self.handle_server_outputs(actions);
    }

    pub(super) fn input_client(&mut self, client: usize, input: Input<'_, Client>) {
        let actions = self.clients[client].input(&mut self.env, input);
        self.handle_client_outputs(client, actions);
    }

    pub(super) fn command(&mut self, client: usize, command: Command) {
        self.input_client(client, Input::Event(Event::Command(command)));
    }

    fn tick(&mut self, who: ProcessId, incarnation: u32) {
        match who {
            ProcessId::Server => {
                let actions = self.server.tick(&mut self.env, incarnation);
                self.handle_server_outputs(actions);
            }
            ProcessId::Client(index) => {
                let actions = self.clients[index].tick(&mut self.env, incarnation);
                self.handle_client_outputs(index, actions);
            }
            ProcessId::Scripted(_) => {}
        }
    }

    fn computed(&mut self, who: ProcessId, incarnation: u32, ticket: Ticket) {
        match who {
            ProcessId::Server => {
                let actions = self.server.computed(&mut self.env, incarnation, ticket);
                self.handle_server_outputs(actions);
            }
            ProcessId::Client(index) => {
                let actions = self.clients[index].computed(&mut self.env, incarnation, ticket);
                self.handle_client_outputs(index, actions);
            }
            ProcessId::Scripted(_) => {}
        }
    }

    fn stored(&mut self, who: ProcessId, incarnation: u32, ticket: Ticket) {
        match who {
            ProcessId::Server => {
                let actions = self.server.stored(&mut self.env, incarnation, ticket);
                self.handle_server_outputs(actions);
            }
            ProcessId::Client(index) => {
                let actions = self.clients[index].stored(&mut self.env, incarnation, ticket);
                self.handle_client_outputs(index, actions);
            }
            ProcessId::Scripted(_) => {}
        }
    }

    fn committed(&mut self, who: ProcessId, incarnation: u32) {
        let now = self.env.queue.now();
        match who {
            ProcessId::Server => {
                let done = self.server.committed(now, incarnation);
                self.watch_server_store(&done);
                let outcomes = done.into_iter().map(|(ticket, _, outcome)| (ticket, outcome));
                self.server.report(&mut self.env, outcomes);
            }
            ProcessId::Client(index) => {
                let done = self.clients[index].committed(now, incarnation);
                self.watch_client_store(index, &done);
                let outcomes = done.into_iter().map(|(ticket, _, outcome)| (ticket, outcome));
                self.clients[index].report(&mut self.env, outcomes);
            }
            ProcessId::Scripted(_) => {}
        }
    }

    pub(super) fn watch_server_store(&mut self, done: &[super::disk::Done<MemoryStorage>]) {
        let now = self.env.queue.now();
        for (_, op, outcome) in done {
            let state = store_state(op, outcome);
            self.env
                .trace
                .note(now, &[14], || format!("server's {state} {}", store_words(op, outcome)));
            self.env.tally.state(state);
            self.note_account(op, outcome);
            self.model.server_stored(op, outcome);
        }
    }

    fn note_account(&mut self, op: &StoreOp, outcome: &StoreOutcome) {
        if let (
            StoreOp::CreateUser { phone, .. },
            Ok(StoreReply::Created(CreateOutcome::Created(user))),
        ) = (op, outcome)
            && let Some(index) = (0..self.apps.len()).find(|index| model::phone(*index) == *phone)
        {
            self.apps[index].user = Some(*user);
            self.model.account_made(index, *user);
        }
    }

    pub(super) fn watch_client_store(
        &mut self,
        client: usize,
        done: &[super::disk::Done<MemoryClientStorage>],
    ) {
        for (_, op, outcome) in done {
            let account = self.account(client);
            let verdict = self.model.client_stored(account, op, outcome);
            self.check(verdict);
        }
    }

    pub(super) fn check(&mut self, verdict: model::Verdict) {
        if let Err(what) = verdict {
            self.env.violate(|| what);
        }
    }
}
