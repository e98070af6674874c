//! The world: a server, its clients, and everything between them, under one queue of events.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;

use bytes::Bytes;
use sealpost_core::client::store::{InboxId, Trust};
use sealpost_core::client::{self, Client, Command, Notice, OfflineReason, OtpChannel};
use sealpost_core::crypto::Fingerprint;
use sealpost_core::entropy::Entropy;
use sealpost_core::ids::{Phone, Ticket, UserId};
use sealpost_core::machine::{Event, Flow, Input};
use sealpost_core::server::{self, OtpDelivery, Server};
use sealpost_core::store::{CreateOutcome, StoreOp, StoreOutcome, StoreReply};
use sealpost_core::time::Mono;
use sealpost_core::wire::Otp;
use sealpost_storage::client::{ClientStorage, Identity, MemoryClientStorage};
use sealpost_storage::{MemoryStorage, Quota};

use super::agenda::Agenda;
use super::around::Around;
use super::attackers::Attackers;
use super::bounds;
use super::dice::Dice;
use super::happenings;
use super::model::{self, Model};
use super::net::{Arrival, LineId, Net};
use super::node::{Node, Said};
use super::plan::{End, LastWrite, Otps, Plan, Step};
use super::script::Script;
use super::states::{error_state, notice_state, store_state, store_words};
use super::tally::Tally;
use super::trace::Trace;
use crate::scenario::{Device, Heard};

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
    server_config: server::Config,
    client_limits: client::Limits,
    /// The most actions that may follow from one input.
    most_actions: usize,
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

    fn watch_server_store(&mut self, done: &[super::disk::Done<MemoryStorage>]) {
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

    fn watch_client_store(
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

    fn opened(&mut self, id: LineId, end: End) {
        let Some(line) = self.around.net.lines.get_mut(&id) else { return };
        if line.up.void {
            return;
        }
        let (who, dialler) = (line.who(end), line.dialler);
        match end {
            End::Server => line.server.open = true,
            End::Client if !line.client.open => return,
            End::Client => {}
        }
        let conn = line.socket(end).conn;
        let peer = Around::address(if end == End::Server { dialler } else { Who::Server });
        match who {
            Who::Server => self.input_server(Input::Event(Event::Opened { conn, peer })),
            Who::Client(index) => {
                self.input_client(index, Input::Event(Event::Opened { conn, peer }));
            }
            Who::Puppet(index) => self.puppet_opened(index, conn),
        }
    }

    fn arrive(&mut self, id: LineId, from: End) {
        let now = self.around.agenda.now();
        let piece = self.piece();
        let Some(line) = self.around.net.lines.get_mut(&id) else { return };
        let to = from.other();
        let who = line.who(to);
        line.way(from).awaited = false;
        let socket = line.socket(to);
        let (open, paused, conn) = (socket.open, socket.flow == Flow::Pause, socket.conn);
        if open && paused {
            return;
        }
        match line.way(from).arrive(now, piece) {
            Arrival::Nothing => {}
            Arrival::Bytes(bytes) => {
                self.around.trace.note(now, &[7, id.0, bytes.len() as u64], || {
                    format!("{who} gets {} bytes", bytes.len())
                });
                if open {
                    self.hand_over(who, conn, &bytes);
                }
                self.around.pour(id, from);
            }
            Arrival::End => return self.lost(id, to),
        }
        self.around.await_arrival(id, from);
    }

    fn piece(&mut self) -> Option<usize> {
        match self.around.settings.piece {
            0 => None,
            most => Some(1 + self.around.dice.index(most)),
        }
    }

    fn hand_over(&mut self, who: Who, conn: sealpost_core::ids::ConnId, data: &[u8]) {
        match who {
            Who::Server => self.input_server(Input::Bytes { conn, data }),
            Who::Client(index) => self.input_client(index, Input::Bytes { conn, data }),
            Who::Puppet(index) => self.puppet_bytes(index, data),
        }
    }

    fn lost(&mut self, id: LineId, end: End) {
        let Some(line) = self.around.net.lines.get_mut(&id) else { return };
        let who = line.who(end);
        let was_open = std::mem::take(&mut line.socket(end).open);
        let conn = line.socket(end).conn;
        line.up.lose();
        line.down.lose();
        self.around.forget_if_closed(id);
        if !was_open {
            return;
        }
        let now = self.around.agenda.now();
        self.around.trace.note(now, &[8, id.0], || format!("{who} loses {}", conn.0));
        match who {
            Who::Server => self.input_server(Input::Event(Event::Closed { conn })),
            Who::Client(index) => self.input_client(index, Input::Event(Event::Closed { conn })),
            Who::Puppet(index) => self.puppet_lost(index, conn),
        }
    }

    fn pressure(&mut self, id: LineId, end: End) {
        let Some(line) = self.around.net.lines.get_mut(&id) else { return };
        let (who, congested) = (line.who(end), line.way(end).congested);
        let socket = line.socket(end);
        let conn = socket.conn;
        if !socket.open {
            return;
        }
        if congested {
            let server = who == Who::Server;
            self.around.tally.state(if server { "reader congested" } else { "client congested" });
        }
        match who {
            Who::Server if congested => {
                self.input_server(Input::Event(Event::Congested { conn }));
            }
            Who::Server => self.input_server(Input::Event(Event::Writable { conn })),
            Who::Client(index) if congested => {
                self.input_client(index, Input::Event(Event::Congested { conn }));
            }
            Who::Client(index) => {
                self.input_client(index, Input::Event(Event::Writable { conn }));
            }
            Who::Puppet(_) => {}
        }
    }

    pub(super) fn boot(&mut self, who: Who) {
        let mut seed = [0; 32];
        seed[..8].copy_from_slice(&self.around.dice.number().to_le_bytes());
        let entropy = Entropy::from_seed(seed);
        match who {
            Who::Server if self.server.machine.is_none() => {
                self.stopped = false;
                self.delete_accounts();
                self.around.server_up = true;
                self.server.boot(Server::new(self.server_config.clone(), entropy));
                self.input_server(Input::Event(Event::Tick));
            }
            Who::Client(index) if self.clients[index].machine.is_none() => {
                let node = &mut self.clients[index];
                let config = client::Config {
                    profile: self.server_config.profile,
                    public_key: node.desk.crypto.public_key().clone(),
                    limits: self.client_limits.clone(),
                };
                let snapshot = node.desk.disk.engine.load().unwrap();
                node.boot(Client::new(config, snapshot, entropy));
                self.model.restarted(self.account(index));
                let app = &mut self.apps[index];
                (app.online, app.caught_up, app.will_try) = (false, false, false);
                app.offers.clear();
                if self.apps[index].aim == Aim::Online {
                    self.go_online(index);
                }
            }
            Who::Server | Who::Client(_) | Who::Puppet(_) => {}
        }
    }

    /// The process is gone, and its connections with it.
    pub(super) fn crash(&mut self, who: Who, last_write: LastWrite) {
        let now = self.around.agenda.now();
        self.around.trace.note(now, &[9], || format!("{who} dies"));
        match who {
            Who::Server => {
                self.around.server_up = false;
                let done = self.server.crash(now, last_write);
                self.watch_server_store(&done);
            }
            Who::Client(index) => {
                let done = self.clients[index].crash(now, last_write);
                self.watch_client_store(index, &done);
                self.apps[index].online = false;
            }
            Who::Puppet(_) => {}
        }
        for id in self.around.net.of(who) {
            let end = if who == Who::Server { End::Server } else { End::Client };
            let at_once = self.around.dice.chance(500);
            let after = if at_once { self.around.moment() } else { self.around.until_noticed() };
            let Some(line) = self.around.net.lines.get_mut(&id) else { continue };
            line.socket(end).open = false;
            if who == Who::Server && self.stopped && line.down.ended {
                // What a host sent before it stopped in order still arrives.
                continue;
            }
            line.up.lose();
            line.down.lose();
            self.around.agenda.after(after, Due::Lost(id, end.other()));
        }
    }

    /// The application makes sure that its client has an account and is online.
    pub(super) fn go_online(&mut self, client: usize) {
        if self.clients[client].machine.is_none() || self.apps[client].online {
            return;
        }
        let registered = self.clients[client].desk.disk.engine.user().is_some();
        self.command(client, if registered { Command::Connect } else { Command::Register });
    }

    fn heed_server(&mut self, actions: usize) {
        self.check_work(Who::Server, actions);
        if self.around.tally.inputs.is_multiple_of(bounds::EVERY) {
            self.check_held();
        }
        for said in self.server.listen() {
            match said {
                Said::Delivery(otp) => self.bring(&otp),
                Said::Notice(notice) => self.heed_server_notice(notice),
            }
        }
    }

    fn heed_server_notice(&mut self, notice: server::Notice) {
        let now = self.around.agenda.now();
        self.around.trace.note(now, &[10], || format!("server: {notice:?}"));
        match notice {
            server::Notice::Misuse(misuse) => {
                self.around.violate(|| format!("the server says that its host {misuse}"));
            }
            server::Notice::Stopped => {
                self.stopped = true;
                let after = self.boot_server_after;
                self.around.agenda.after(after, Due::Boot(Who::Server));
                self.crash(Who::Server, LastWrite::Kept);
            }
            server::Notice::Refused(_, code) => {
                self.tell(|| Heard::Refused(code));
                self.around.tally.state(error_state(code));
            }
            server::Notice::StoreFailed(_) => self.around.tally.state("server's store failed"),
            server::Notice::SessionClosed(..)
            | server::Notice::SessionOpened(..)
            | server::Notice::Registered(_) => {}
        }
    }

    /// The messenger takes a one-time password to its owner, if he does not lose it.
    fn bring(&mut self, delivery: &OtpDelivery) {
        if self.tell(|| Heard::Otp(delivery.clone())) {
            return;
        }
        if self.attackers.has(delivery.phone) {
            return self.bring_to_attacker(&delivery.otp);
        }
        let client = (0..self.clients.len()).find(|index| model::phone(*index) == delivery.phone);
        let lost = self.around.dice.chance(100);
        let after = self.around.dice.between(1_000_000, 60_000_000);
        if let Some(client) = client.filter(|_| !lost) {
            let life = self.clients[client].desk.life;
            let command = Command::Confirm { otp: Otp::clone(&delivery.otp) };
            self.around.agenda.after(after, Due::Wish(client, life, command));
        }
    }

    fn heed_client(&mut self, client: usize, actions: usize) {
        self.check_work(Who::Client(client), actions);
        for said in self.clients[client].listen() {
            match said {
                Said::Delivery(item) => {
                    if item.message.trust == Trust::Changed {
                        self.around.tally.state("client: message under a changed key");
                    }
                    let verdict = self.model.taken_over(self.account(client), &item);
                    self.judge(verdict);
                    self.mark_shown(client, item.place);
                    self.tell(|| Heard::Message(Device(client), Box::new(item)));
                }
                Said::Notice(notice) => {
                    self.heed_client_notice(client, &notice);
                    self.tell(|| Heard::Notice(Device(client), notice));
                }
            }
        }
    }

    fn mark_shown(&mut self, client: usize, up_to: InboxId) {
        if !self.around.dice.chance(self.around.settings.unmarked_per_mille) {
            let life = self.clients[client].desk.life;
            let after = self.around.dice.below(5_000);
            let command = Command::MarkShown { up_to };
            self.around.agenda.after(after, Due::Wish(client, life, command));
        }
    }

    fn heed_client_notice(&mut self, client: usize, notice: &Notice) {
        let now = self.around.agenda.now();
        self.around.trace.note(now, &[11], || format!("client {client}: {notice:?}"));
        self.around.tally.state(notice_state(notice));
        self.heed_keys(client, notice);
        match notice {
            Notice::Online { pending } => {
                self.apps[client].online = true;
                self.apps[client].caught_up = pending.is_none();
            }
            Notice::CaughtUp { .. } => self.apps[client].caught_up = true,
            Notice::Offline { reason, retry_in } => {
                self.apps[client].online = false;
                let aims = self.apps[client].aim == Aim::Online;
                if retry_in.is_none() && aims && *reason != OfflineReason::AwaitingOtp {
                    let after = self.around.dice.between(1_000_000, 40_000_000);
                    self.go_online_after(client, after);
                }
            }
            Notice::OtpRequested { channel: OtpChannel::OutOfBand, ttl_secs, .. } => {
                // If the messenger loses it, somebody asks again.
                self.go_online_after(client, u64::from(*ttl_secs) * 1_000_000);
            }
            Notice::Suspicious(suspicion) if self.is_undisturbed() => {
                self.around.violate(|| format!("client {client} suspects {suspicion:?}"));
            }
            _ => {}
        }
    }

    /// The application tries again after a while, once.
    fn go_online_after(&mut self, client: usize, micros: u64) {
        let life = self.clients[client].desk.life;
        if !std::mem::replace(&mut self.apps[client].will_try, true) {
            self.around.agenda.after(micros, Due::GoOnline(client, life));
        }
    }

    /// Nobody but honest parties and an ordinary network had a hand in this.
    fn is_undisturbed(&self) -> bool {
        !self.around.watched
    }

    fn check_work(&mut self, who: Who, actions: usize) {
        if actions > self.most_actions {
            self.around.violate(|| format!("{who} does {actions} things for one input"));
        }
    }
}
