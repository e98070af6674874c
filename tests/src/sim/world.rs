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

use super::agenda::Agenda;
use super::around::Around;
use super::attackers::Attackers;
use super::dice::Dice;
use super::happenings;
use super::model::{self, Model};
use super::net::{LineId, Net};
use super::node::Node;
use super::plan::{End, Otps, Plan, Step};
use super::script::Script;
use super::states::{store_state, store_words};
use super::tally::Tally;
use super::trace::Trace;

/// A process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Who {
    Server,
    Client(usize),
    /// Somebody whose packets are made by hand.
    Puppet(usize),
}

impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Server => f.write_str("server"),
            Self::Client(index) => write!(f, "client {index}"),
            Self::Puppet(index) => write!(f, "puppet {index}"),
        }
    }
}

/// What there is an appointment for.
pub(super) enum Due {
    /// The plan's next step.
    Step(usize),
    Tick(Who, u32),
    Computed(Who, u32, Ticket),
    Committed(Who, u32),
    Stored(Who, u32, Ticket),
    /// An end of a connection is told that it stands.
    Opened(LineId, End),
    /// Something comes that left from this end.
    Arrive(LineId, End),
    /// An end is told that its connection is gone.
    Lost(LineId, End),
    /// An end is told that its queue is too long, or empty again.
    Pressure(LineId, End),
    /// The process starts.
    Boot(Who),
    /// The application wishes something, in this life of its process.
    Wish(usize, u32, Command),
    /// The application makes sure that its client is online.
    GoOnline(usize, u32),
    /// Somebody writes to a contact whose new key was accepted.
    Greet(usize, Phone),
    /// The operator hears of somebody who has lost their key.
    Operator(usize),
    /// A dishonest server sends something again.
    Late(LineId, Bytes),
    /// A dishonest server makes a receipt up for this message.
    Forge(LineId, Bytes),
}

/// What an application wants of its client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Aim {
    /// Nothing yet.
    Idle,
    Online,
    Offline,
}

/// A client's application.
pub(super) struct App {
    pub(super) aim: Aim,
    /// The client has said that it is in a session.
    pub(super) online: bool,
    /// Everything that waited has come.
    pub(super) caught_up: bool,
    /// It is going to try again.
    pub(super) will_try: bool,
    /// The user's id, since the server has made the account.
    pub(super) user: Option<UserId>,
    /// The index of the home's key.
    pub(super) key: usize,
    /// Keys that the server offers for contacts, as far as they were told in this life.
    pub(super) offers: BTreeMap<Phone, Fingerprint>,
}

impl App {
    pub(super) const fn new(key: usize) -> Self {
        Self {
            aim: Aim::Idle,
            online: false,
            caught_up: false,
            will_try: false,
            user: None,
            key,
            offers: BTreeMap::new(),
        }
    }
}

/// A world in the course of a plan.
pub struct World {
    pub(super) around: Around,
    pub(super) server: Node<Server, MemoryStorage>,
    pub(super) clients: Vec<Node<Client, MemoryClientStorage>>,
    pub(super) apps: Vec<App>,
    pub(super) attackers: Attackers,
    pub(super) model: Model,
    steps: Vec<Step>,
    pub(super) server_config: server::Config,
    pub(super) client_limits: client::Limits,
    /// The most actions that may follow from one input.
    pub(super) most_actions: usize,
    /// The server's stop is complete.
    pub(super) stopped: bool,
    pub(super) boot_server_after: u64,
    /// Somebody on the wire, or the server, changed what passed.
    pub(super) tampered: bool,
    pub(super) script: Option<Script>,
    /// Keys that nobody has had yet are those before this one.
    pub(super) keys_left: usize,
    /// Whose accounts the operator is going to delete if they have another key by then.
    pub(super) condemned: BTreeSet<usize>,
}

impl World {
    /// A world before anything has happened in it. With a trace that has lines, it can be read.
    pub fn new(plan: &Plan, trace: Trace) -> Self {
        let settings = plan.settings.clone();
        let mut dice = Dice::from_seed(plan.noise);
        let server_crypto = settings.crypto.runner(0, dice.number());
        let server_config = server::Config {
            profile: settings.profile(),
            server_key: server_crypto.public_key().clone(),
            otp_channel: match settings.otps {
                Otps::InBand => server::OtpChannel::InBand,
                Otps::Messenger => server::OtpChannel::OutOfBand,
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
            Node::new(Who::Client(index), crypto, MemoryClientStorage::new(identity))
        };
        let clients: Vec<_> = (0..settings.clients).map(client).collect();
        let attackers = Attackers::new(&server_config, settings.crypto, settings.clients);
        let around = Around {
            agenda: Agenda::new(),
            net: Net::default(),
            unreachable: vec![Mono(0); settings.clients],
            seen: VecDeque::new(),
            watched: plan.is_watched(),
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
            keys_left: around.settings.crypto.keys(),
            condemned: BTreeSet::new(),
            server: Node::new(Who::Server, server_crypto, store),
            most_actions: happenings::most_actions(&around.settings.server_limits()),
            client_limits: around.settings.client_limits(),
            stopped: false,
            boot_server_after: 0,
            tampered: false,
            script: None,
            steps: plan.steps.clone(),
            server_config,
            attackers,
            clients,
            around,
        };
        world.boot(Who::Server);
        for index in 0..world.clients.len() {
            world.boot(Who::Client(index));
        }
        let end_ms = plan.settings.end_ms;
        for (index, step) in plan.steps.iter().enumerate().filter(|(_, s)| s.at_ms < end_ms) {
            world.around.agenda.at(Mono(step.at_ms * 1_000), Due::Step(index));
        }
        world
    }

    /// The first thing that was not as it must be.
    pub fn violation(&self) -> Option<&str> {
        self.around.violation.as_deref()
    }

    /// What was met so far.
    pub fn tally(&self) -> Tally {
        let mut tally = self.around.tally.clone();
        tally.delivered = self.model.delivered();
        tally.micros = self.around.agenda.now().0;
        tally
    }

    /// Everything that happened, as one number.
    pub const fn digest(&self) -> u64 {
        self.around.trace.digest()
    }

    /// What happened since the last call, if the trace keeps lines.
    pub fn take_lines(&mut self) -> Vec<String> {
        self.around.trace.take_lines()
    }

    /// Lets everything happen that is due until then. Stops at a violation.
    pub fn run_until(&mut self, end: Mono) {
        while self.around.violation.is_none()
            && let Some(due) = self.around.agenda.next_until(end)
        {
            self.happen(due);
        }
    }

    fn happen(&mut self, due: Due) {
        match due {
            Due::Step(index) => {
                let what = self.steps[index].what.clone();
                self.begin(&what);
            }
            Due::Tick(who, life) => self.tick(who, life),
            Due::Computed(who, life, ticket) => self.computed(who, life, ticket),
            Due::Committed(who, life) => self.committed(who, life),
            Due::Stored(who, life, ticket) => self.stored(who, life, ticket),
            Due::Opened(id, end) => self.opened(id, end),
            Due::Arrive(id, from) => self.arrive(id, from),
            Due::Lost(id, end) => self.lost(id, end),
            Due::Pressure(id, end) => self.pressure(id, end),
            Due::Boot(who) => self.boot(who),
            Due::Wish(client, life, command) => {
                if self.clients[client].desk.life == life {
                    self.command(client, command);
                }
            }
            Due::GoOnline(client, life) => {
                if self.clients[client].desk.life == life {
                    self.apps[client].will_try = false;
                    self.go_online(client);
                }
            }
            Due::Greet(client, phone) => self.greet(client, phone),
            Due::Operator(client) => self.call_operator(client),
            Due::Late(id, bytes) => {
                if let Some(line) = self.around.net.lines.get_mut(&id) {
                    line.down.send(bytes);
                    self.around.pour(id, End::Server);
                }
            }
            Due::Forge(id, message) => self.forge_receipt(id, &message),
        }
    }

    /// Gives somebody's machine an input, and listens to what is said.
    pub(super) fn input_server(&mut self, input: Input<'_, Server>) {
        let actions = self.server.input(&mut self.around, input);
        self.heed_server(actions);
    }

    pub(super) fn input_client(&mut self, client: usize, input: Input<'_, Client>) {
        let actions = self.clients[client].input(&mut self.around, input);
        self.heed_client(client, actions);
    }

    pub(super) fn command(&mut self, client: usize, command: Command) {
        self.input_client(client, Input::Event(Event::Command(command)));
    }

    fn tick(&mut self, who: Who, life: u32) {
        match who {
            Who::Server => {
                let actions = self.server.tick(&mut self.around, life);
                self.heed_server(actions);
            }
            Who::Client(index) => {
                let actions = self.clients[index].tick(&mut self.around, life);
                self.heed_client(index, actions);
            }
            Who::Puppet(_) => {}
        }
    }

    fn computed(&mut self, who: Who, life: u32, ticket: Ticket) {
        match who {
            Who::Server => {
                let actions = self.server.computed(&mut self.around, life, ticket);
                self.heed_server(actions);
            }
            Who::Client(index) => {
                let actions = self.clients[index].computed(&mut self.around, life, ticket);
                self.heed_client(index, actions);
            }
            Who::Puppet(_) => {}
        }
    }

    fn stored(&mut self, who: Who, life: u32, ticket: Ticket) {
        match who {
            Who::Server => {
                let actions = self.server.stored(&mut self.around, life, ticket);
                self.heed_server(actions);
            }
            Who::Client(index) => {
                let actions = self.clients[index].stored(&mut self.around, life, ticket);
                self.heed_client(index, actions);
            }
            Who::Puppet(_) => {}
        }
    }

    fn committed(&mut self, who: Who, life: u32) {
        let now = self.around.agenda.now();
        match who {
            Who::Server => {
                let done = self.server.committed(now, life);
                self.watch_server_store(&done);
                let outcomes = done.into_iter().map(|(ticket, _, outcome)| (ticket, outcome));
                self.server.report(&mut self.around, outcomes);
            }
            Who::Client(index) => {
                let done = self.clients[index].committed(now, life);
                self.watch_client_store(index, &done);
                let outcomes = done.into_iter().map(|(ticket, _, outcome)| (ticket, outcome));
                self.clients[index].report(&mut self.around, outcomes);
            }
            Who::Puppet(_) => {}
        }
    }

    pub(super) fn watch_server_store(&mut self, done: &[super::disk::Done<MemoryStorage>]) {
        let now = self.around.agenda.now();
        for (_, op, outcome) in done {
            let state = store_state(op, outcome);
            self.around
                .trace
                .note(now, &[14], || format!("server's {state} {}", store_words(op, outcome)));
            self.around.tally.state(state);
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
            self.judge(verdict);
        }
    }

    pub(super) fn judge(&mut self, verdict: model::Verdict) {
        if let Err(what) = verdict {
            self.around.violate(|| what);
        }
    }
}
