//! The world: one or several servers, their clients and their environment, driven by one event queue.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use sealpost_core::address::Transport;
use sealpost_core::client::store::{ClientOp, ClientReply};
use sealpost_core::client::{self, Client, Command};
use sealpost_core::crypto::Crypto;
use sealpost_core::frame::{Event, Input};
use sealpost_core::ids::Ticket;
use sealpost_core::server::limits::Limits;
use sealpost_core::server::store::{CreateOutcome, StoreOp, StoreOutcome, StoreReply};
use sealpost_core::server::{self, Server};
use sealpost_core::time::Mono;
use sealpost_storage::MemoryStorage;
use sealpost_storage::client::{Identity, MemoryClientStorage};

use super::allowances::Allowances;
use super::application::App;
use super::attackers::Attackers;
use super::batches::Batches;
use super::dice::Dice;
use super::engine::Engine;
use super::environment::Environment;
use super::event::SimEvent;
use super::event_queue::EventQueue;
use super::fairness::Fairness;
use super::greedy::GreedyUser;
use super::invitations::{self, Invitations};
use super::model::{self, Model};
use super::network::Network;
use super::node::Node;
use super::plan::Plan;
use super::process::ProcessId;
use super::recordings::Recordings;
use super::script::Script;
use super::server_keys::ServerKeys;
use super::server_store::ServerStore;
use super::settings::{Otps, Registering, Settings};
use super::state_names::{store_state, store_words};
use super::step::{End, Step};
use super::tally::Tally;
use super::timeliness::Timeliness;
use super::trace::Trace;
use super::trust::Verdict;

/// A simulated world while it runs a plan.
pub struct World {
    pub(super) env: Environment,
    /// One, or several that share the store.
    pub(super) servers: Vec<Node<Server, ServerStore>>,
    pub(super) store: ServerStore,
    /// What there is beside the store if several servers share it.
    pub(super) engine: Engine,
    pub(super) batches: Batches,
    pub(super) clients: Vec<Node<Client, MemoryClientStorage>>,
    pub(super) apps: Vec<App>,
    pub(super) attackers: Attackers,
    pub(super) greedy: Vec<GreedyUser>,
    pub(super) allowances: Allowances,
    /// The invitations of a server that asks for them.
    pub(super) invitations: Option<Invitations>,
    pub(super) model: Model,
    steps: Vec<Step>,
    pub(super) server_config: server::Config,
    pub(super) client_limits: client::Limits,
    /// Bound on the actions that follow from one input.
    pub(super) max_actions: usize,
    /// For each server, whether its shutdown is complete.
    pub(super) stopped: Vec<bool>,
    pub(super) server_restart_delay: u64,
    /// Whether the wire or the server ever tampered with packets.
    pub(super) tampered: bool,
    pub(super) script: Option<Script>,
    /// Bound on the indices of unused keys: lost keys are replaced from the end of the pool.
    pub(super) unused_keys: usize,
    /// Clients whose accounts the operator deletes when the server is next stopped.
    pub(super) accounts_to_delete: BTreeSet<usize>,
    /// Clients whose accounts are lost when the server is next stopped.
    pub(super) accounts_to_lose: BTreeSet<usize>,
    /// Copy of the server's store.
    pub(super) server_backup: Option<MemoryStorage>,
    pub(super) server_keys: ServerKeys,
    /// Copies of clients' directories.
    pub(super) backups: BTreeMap<usize, MemoryClientStorage>,
    pub(super) recordings: Recordings,
}

impl World {
    /// A world at the start of a plan, with its processes started.
    pub fn new(plan: &Plan, trace: Trace) -> Self {
        Self::with(plan, trace, Recordings::default())
    }

    /// The same world, whose server is recorded.
    pub(super) fn recorded(plan: &Plan, trace: Trace) -> Self {
        Self::with(plan, trace, Recordings::on())
    }

    fn with(plan: &Plan, trace: Trace, recordings: Recordings) -> Self {
        let settings = plan.settings.clone();
        let mut dice = Dice::from_seed(plan.noise);
        let server_crypto = settings.crypto.runner(0, dice.number());
        let server_config = server::Config {
            profile: settings.profile(),
            server_key: server_crypto.public_key().clone(),
            successor: None,
            servers: settings.sharing(),
            otp_channel: match settings.otps {
                Otps::InBand => server::OtpChannel::InBand,
                Otps::OutOfBand => server::OtpChannel::OutOfBand,
            },
            registered_phones: server::RegisteredPhones::Told,
            registration: invitations::registration(&settings),
            exempt_networks: Vec::new(),
            limits: settings.server_limits(),
        };
        let store = ServerStore::new(MemoryStorage::new(settings.profile(), settings.quota()));
        let client = |index: usize| {
            let crypto = settings.crypto.runner(index + 1, dice.number());
            let identity = Identity {
                phone: model::phone(index),
                server: *server_config.server_key.fingerprint(),
                profile: settings.profile(),
                transport: Transport::Tcp,
                endpoints: "localhost:7465".parse().unwrap(),
            };
            Node::new(ProcessId::Client(index), crypto, MemoryClientStorage::new(identity))
        };
        let clients: Vec<_> = (0..settings.clients).map(client).collect();
        let keys =
            clients.iter().map(|node| *node.host.crypto.public_key().fingerprint()).collect();
        let mut attackers = Attackers::new(&server_config, settings.crypto, settings.clients);
        let mut greedy = GreedyUser::all(&attackers, &settings);
        let servers = server_nodes(server_crypto, &store, &settings, &mut dice);
        let invitations = (settings.registering == Registering::Invited).then(|| {
            let others = greedy.iter_mut().map(|user| &mut user.client);
            for client in others.chain([&mut attackers.mallory.client]) {
                client.invitation = Some(Invitations::of_others());
            }
            let now = servers[0].host.now(Mono(0)).wall;
            Invitations::issue(plan, &mut store.change(), now)
        });
        let env = Environment {
            queue: EventQueue::new(),
            network: Network::default(),
            unreachable: vec![Mono(0); settings.clients],
            registering_at: vec![None; settings.clients],
            captured: VecDeque::new(),
            capture: plan.has_active_attackers(),
            dice,
            trace,
            tally: Tally::default(),
            timeliness: Timeliness::new(plan),
            fairness: Fairness::default(),
            servers_up: vec![false; servers.len()],
            violation: None,
            settings,
        };
        let mut world = Self {
            model: Model::new(keys, plan),
            apps: (1..=clients.len()).map(App::new).collect(),
            unused_keys: env.settings.crypto.keys(),
            accounts_to_delete: BTreeSet::new(),
            accounts_to_lose: BTreeSet::new(),
            server_backup: None,
            server_keys: ServerKeys::default(),
            backups: BTreeMap::new(),
            recordings,
            stopped: vec![false; servers.len()],
            servers,
            store,
            engine: Engine::default(),
            batches: Batches::new(env.settings.servers),
            invitations,
            max_actions: max_actions(&env.settings.server_limits()),
            client_limits: env.settings.client_limits(),
            server_restart_delay: 0,
            tampered: false,
            script: None,
            steps: plan.steps.clone(),
            server_config,
            attackers,
            greedy,
            allowances: Allowances::default(),
            clients,
            env,
        };
        for index in 0..world.servers.len() {
            world.start(ProcessId::Server(index));
        }
        for index in 0..world.clients.len() {
            world.start(ProcessId::Client(index));
        }
        // Steps after the end would be faults in the time in which everything must drain.
        let end_ms = plan.settings.end_ms;
        for (index, step) in plan.steps.iter().enumerate().filter(|(_, s)| s.at_ms < end_ms) {
            world.env.queue.schedule_at(Mono(step.at_ms * 1_000), SimEvent::Step(index));
        }
        world
    }

    /// First violation.
    pub fn violation(&self) -> Option<&str> {
        self.env.violation.as_deref()
    }

    /// Counts so far.
    pub fn tally(&self) -> Tally {
        let mut tally = self.env.tally.clone();
        tally.delivered = self.model.delivered();
        tally.micros = self.env.queue.now().0;
        tally
    }

    /// Digest of the trace so far.
    pub const fn digest(&self) -> u64 {
        self.env.trace.digest()
    }

    /// Lines of the trace since the last call, if it keeps any.
    pub fn take_lines(&mut self) -> Vec<String> {
        self.env.trace.take_lines()
    }

    /// Handles all events due by `end`. Stops at a violation.
    pub fn run_until(&mut self, end: Mono) {
        while self.env.violation.is_none()
            && let Some(due) = self.env.queue.pop_until(end)
        {
            self.check_promises();
            self.check_answers();
            self.handle(due);
        }
        self.check_promises();
    }

    fn handle(&mut self, due: SimEvent) {
        match due {
            SimEvent::Step(index) => {
                let step = self.steps[index].kind.clone();
                self.apply_step(&step);
            }
            SimEvent::Tick(who, incarnation) => self.tick(who, incarnation),
            SimEvent::Computed(who, incarnation, ticket) => self.computed(who, incarnation, ticket),
            SimEvent::Committed(who, incarnation) => self.committed(who, incarnation),
            SimEvent::Stored(who, incarnation, ticket) => self.stored(who, incarnation, ticket),
            SimEvent::Opened(id, end) => self.opened(id, end),
            SimEvent::Arrive(id, from) => self.arrive(id, from),
            SimEvent::Lost(id, end) => self.lost(id, end),
            SimEvent::Pressure(id, end) => self.pressure(id, end),
            SimEvent::Operation(name, index, step) => self.step_operation(name, index, step),
            SimEvent::LateOperation(late) => self.run_late(*late),
            SimEvent::Hint(name, what) => self.hear(name, what),
            SimEvent::ReachAgain(name) => self.reach_again(name),
            SimEvent::Start(who) => self.start(who),
            SimEvent::AnswerDelivery(server, incarnation, id, outcome) => {
                if self.servers[server].host.incarnation == incarnation {
                    let command = server::Command::OtpDelivery { id, outcome };
                    self.input_server(server, Input::Event(Event::Command(command)));
                }
            }
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
            SimEvent::RequestDeletion(client) => self.request_deletion(client),
            SimEvent::Late(id, bytes) => {
                if let Some(link) = self.env.network.links.get_mut(&id) {
                    link.down.send(bytes);
                    self.env.transmit(id, End::Server);
                }
            }
            SimEvent::Forge(id, message) => self.forge_receipt(id, &message),
            SimEvent::Greed(index) => self.go_on_greedily(index),
        }
    }

    pub(super) fn input_server(&mut self, server: usize, input: Input<'_, Server>) {
        let actions = self.servers[server].input(&mut self.env, input);
        self.handle_server_outputs(server, actions);
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
            ProcessId::Server(index) => {
                let actions = self.servers[index].tick(&mut self.env, incarnation);
                self.handle_server_outputs(index, actions);
            }
            ProcessId::Client(index) => {
                let actions = self.clients[index].tick(&mut self.env, incarnation);
                self.handle_client_outputs(index, actions);
            }
            ProcessId::Scripted(_) | ProcessId::Greedy(_) => {}
        }
    }

    fn computed(&mut self, who: ProcessId, incarnation: u32, ticket: Ticket) {
        match who {
            ProcessId::Server(index) => {
                let actions = self.servers[index].computed(&mut self.env, incarnation, ticket);
                self.handle_server_outputs(index, actions);
            }
            ProcessId::Client(index) => {
                let actions = self.clients[index].computed(&mut self.env, incarnation, ticket);
                self.handle_client_outputs(index, actions);
            }
            ProcessId::Scripted(_) | ProcessId::Greedy(_) => {}
        }
    }

    fn stored(&mut self, who: ProcessId, incarnation: u32, ticket: Ticket) {
        match who {
            ProcessId::Server(index) => {
                let actions = self.servers[index].stored(&mut self.env, incarnation, ticket);
                self.handle_server_outputs(index, actions);
            }
            ProcessId::Client(index) => {
                let actions = self.clients[index].stored(&mut self.env, incarnation, ticket);
                self.handle_client_outputs(index, actions);
            }
            ProcessId::Scripted(_) | ProcessId::Greedy(_) => {}
        }
    }

    fn committed(&mut self, who: ProcessId, incarnation: u32) {
        let now = self.env.queue.now();
        match who {
            ProcessId::Server(index) if self.is_shared() => self.begin_batch(index, incarnation),
            ProcessId::Server(index) => {
                let done = self.servers[index].committed(now, incarnation);
                self.watch_server_store(index, &done);
                let outcomes = done.into_iter().map(|(ticket, _, outcome)| (ticket, outcome));
                self.servers[index].report(&mut self.env, outcomes);
            }
            ProcessId::Client(index) => {
                let done = self.clients[index].committed(now, incarnation);
                self.watch_client_store(index, &done);
                let outcomes = done.into_iter().map(|(ticket, _, outcome)| (ticket, outcome));
                self.clients[index].report(&mut self.env, outcomes);
            }
            ProcessId::Scripted(_) | ProcessId::Greedy(_) => {}
        }
    }

    pub(super) fn watch_server_store(
        &mut self,
        server: usize,
        done: &[super::disk::Done<ServerStore>],
    ) {
        let now = self.env.queue.now();
        for (_, op, outcome) in done {
            let state = store_state(op, outcome);
            self.env.trace.note(now, &[14], || {
                format!("server {server} {state} {}", store_words(op, outcome))
            });
            self.env.tally.state(state);
            self.note_account(op, outcome);
            self.disturb_by_full_mailbox(op, outcome);
            self.model.server_stored(op, outcome);
        }
        self.check_disk(server, done);
    }

    fn note_account(&mut self, op: &StoreOp, outcome: &StoreOutcome) {
        if let (
            StoreOp::CreateUser { phone, invitation, .. },
            Ok(StoreReply::Created(CreateOutcome::Created(user))),
        ) = (op, outcome)
        {
            if let Some(invitations) = &mut self.invitations {
                let verdict = invitations.account_made(*phone, invitation.as_ref());
                self.check(verdict);
            }
            if let Some(index) = (0..self.apps.len()).find(|index| model::phone(*index) == *phone) {
                self.apps[index].user = Some(*user);
                self.model.account_made(index, *user);
            } else if let Some(index) = self.greedy_user_of(*phone) {
                self.env.fairness.watch(*user);
                self.model.account_made(self.env.settings.clients + index, *user);
            }
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
            if let (ClientOp::MarkStored(_), Ok(ClientReply::Marked(ids))) = (op, outcome) {
                self.note_acknowledged(account, ids);
            }
            if let (ClientOp::Enqueue(messages), Ok(_)) = (op, outcome) {
                for message in messages {
                    if let Some(number) = self.model.number_of(&message.content) {
                        self.expect_delivery(client, number as u64);
                    }
                }
            }
        }
    }

    pub(super) fn check(&mut self, verdict: Verdict) {
        if let Err(what) = verdict {
            self.env.violate(|| what);
        }
    }
}

/// The servers of a world, which have the same key and the same store.
fn server_nodes(
    first: Crypto,
    store: &ServerStore,
    settings: &Settings,
    dice: &mut Dice<'_>,
) -> Vec<Node<Server, ServerStore>> {
    let node = |(index, crypto)| Node::new(ProcessId::Server(index), crypto, store.clone());
    let others = (1..settings.servers).map(|_| settings.crypto.runner(0, dice.number()));
    [first].into_iter().chain(others).enumerate().map(node).collect()
}

/// Bound on the actions that follow from one input. Each kind of work has a limit, and one input may
/// complete the work that several inputs began.
fn max_actions(limits: &Limits) -> usize {
    let drained = usize::try_from(limits.drain_items).unwrap_or(usize::MAX);
    let per_session = limits.in_flight_items
        + drained
        + limits.append_batch
        + limits.checks_per_conn
        + limits.unstored_per_user
        + limits.replies_per_conn;
    4 * per_session + 256
}
