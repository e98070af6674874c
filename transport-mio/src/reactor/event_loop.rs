//! The loop: hand over work, wait, give the machine what happened, carry out its actions.

use std::fmt;
use std::io::ErrorKind;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, Sender};

use mio::{Events, Poll, Token, Waker};
use sealpost_core::crypto::Outcome;
use sealpost_core::frame::{Deadline, Event, Input, Machine, pump};
use sealpost_core::ids::{ConnId, Ticket};
use sealpost_core::time::Mono;
use sealpost_storage::Storage;

use super::executor::Executor;
use super::handle::{Handle, Visit};
use super::signals::{Asked, SignalPipe};
use crate::application::{Application, Control};
use crate::clock::Clock;
use crate::config::{HostConfig, SignalHandling};
use crate::destination::Destination;
use crate::error::Error;
use crate::sockets::{Connections, Dialler, FIRST_CONNECTION, Listener, ListeningSocket};
use crate::threads::{
    CryptoPool, HostedMachine, Inbox, JobRunner, Mail, StorageThread, StoreHandle,
};

/// A machine and everything that drives it, on one thread.
pub(crate) struct Reactor<M: Machine, A> {
    machine: M,
    /// When and why the machine needs its next tick.
    deadline: Option<Deadline>,
    executor: Executor<M, A>,
    listener: Option<Listener>,
    signals: Option<SignalPipe>,
    poll: Poll,
    clock: Clock,
    inbox: Arc<Inbox<M>>,
    /// Visits of the machine, each announced in the inbox. Both ends: handles have copies of the
    /// sender, and dropping the receiver tells those who wait that the machine is gone.
    visits: (Sender<Visit<M>>, Receiver<Visit<M>>),
    phase: Phase,
    /// Every connection is read into this one buffer; the machine copies what it keeps.
    buffer: Box<[u8]>,
    // Scratch space, kept between turns so that a turn does not allocate.
    mail: Vec<Mail<M>>,
    ready: Vec<ConnId>,
    outcomes: Vec<(Ticket, Outcome)>,
}

/// How far the host has come on its way to the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// In service.
    Serving,
    /// The machine was told to shut down and has not finished.
    Stopping,
    /// The machine has finished. Queued bytes still go out.
    Closing,
}

impl<M: HostedMachine, A: Application<M>> Reactor<M, A> {
    /// Starts the threads and prepares everything else. The store can be reached by the handle.
    pub(crate) fn new<S, R>(
        config: &HostConfig,
        machine: M,
        store: S,
        crypto: R,
        application: A,
    ) -> Result<(Self, StoreHandle<S>), Error>
    where
        S: Storage<Op = M::StoreOp, Outcome = M::StoreOutcome> + Send + 'static,
        R: JobRunner,
    {
        let poll = Poll::new().map_err(Error::system("create a poll"))?;
        let waker = Waker::new(poll.registry(), WAKER).map_err(Error::system("create a waker"))?;
        let inbox = Arc::new(Inbox::new(waker));
        let registry = poll.registry().try_clone().map_err(Error::system("share the poll"))?;
        let signals = match config.signals {
            SignalHandling::Ignore => None,
            handled @ (SignalHandling::Stop | SignalHandling::Daemon) => {
                Some(SignalPipe::start(poll.registry(), SIGNALS, handled)?)
            }
        };

        let stored = Arc::clone(&inbox);
        let (storage, store) = StorageThread::start(store, config.transaction, move |results| {
            let mail = |(ticket, outcome)| Mail::Event(Event::Stored(ticket, outcome));
            stored.post_all(results.drain(..).map(mail));
        })?;
        let computed = Arc::clone(&inbox);
        let crypto = CryptoPool::start(crypto, config.worker_count().get(), move |results| {
            let mail = |(ticket, outcome)| Mail::Event(Event::Computed(ticket, outcome));
            computed.post_all(results.drain(..).map(mail));
        })?;

        let executor = Executor {
            connections: Connections::new(registry, config.queue_limits(), config.linger),
            storage,
            crypto,
            application,
            dialler: None,
            queued_bytes: Arc::default(),
            now: Mono::default(),
            control: Control::Continue,
        };
        let reactor = Self {
            deadline: machine.deadline(),
            machine,
            executor,
            listener: None,
            signals,
            poll,
            clock: Clock::start(),
            inbox,
            visits: mpsc::channel(),
            phase: Phase::Serving,
            buffer: vec![0; config.read_budget.get()].into_boxed_slice(),
            mail: Vec::new(),
            ready: Vec::new(),
            outcomes: Vec::new(),
        };
        Ok((reactor, store))
    }

    /// Accepts connections from `sockets`.
    pub(crate) fn accept_from(
        &mut self,
        sockets: Vec<ListeningSocket>,
        config: &HostConfig,
    ) -> Result<(), Error> {
        let inbox = Arc::clone(&self.inbox);
        let knock = move || inbox.post(Mail::Arrivals);
        let (cap, pause) = (config.connection_cap(), config.accept_pause);
        let proxies = config.trusted_proxies.clone();
        self.listener = Some(Listener::start(sockets, proxies, cap, pause, knock)?);
        if let Some(tls) = &config.tls {
            self.executor.connections.accept_tls(tls.clone());
        }
        Ok(())
    }

    /// Dials one of `servers` whenever the machine asks for a connection.
    pub(crate) fn dial_to(&mut self, servers: Vec<Destination>, config: &HostConfig) {
        let inbox = Arc::clone(&self.inbox);
        self.executor.dialler = Some(Dialler::new(servers, config.dial_timeout, inbox));
    }

    pub(crate) fn handle(&self) -> Handle<M> {
        let queued_bytes = Arc::clone(&self.executor.queued_bytes);
        Handle::new(Arc::clone(&self.inbox), self.visits.0.clone(), queued_bytes)
    }

    /// Runs until the machine has finished, then flushes, commits and ends the threads.
    pub(crate) fn run(mut self) -> Result<(), Error> {
        let handle = self.handle();
        self.executor.application.attach(handle);
        let mut events = Events::with_capacity(EVENTS);
        while !self.is_done() {
            self.help();
            self.hand_over();
            self.wait(&mut events)?;
            self.take_mail();
            self.accept();
            self.read();
            self.expire();
        }
        self.executor.finish();
        Ok(())
    }

    /// Whether the machine has finished and every connection is flushed or given up. Begins closing
    /// once the application has asked for it.
    fn is_done(&mut self) -> bool {
        if self.phase != Phase::Closing && self.executor.control == Control::Stop {
            self.phase = Phase::Closing;
            self.listener = None;
            self.executor.connections.close_all(self.clock.mono());
        }
        self.phase == Phase::Closing && self.executor.connections.len() == 0
    }

    /// Runs this thread's share of the cryptographic jobs.
    fn help(&mut self) {
        let mut outcomes = std::mem::take(&mut self.outcomes);
        self.executor.crypto.help(self.clock.mono(), &mut outcomes);
        for (ticket, outcome) in outcomes.drain(..) {
            self.input(Input::Event(Event::Computed(ticket, outcome)));
        }
        self.outcomes = outcomes;
    }

    /// Hands over gathered work until nothing more follows from it: flushing sockets may cause
    /// events whose actions gather more.
    fn hand_over(&mut self) {
        loop {
            self.executor.flush(self.clock.mono());
            if !self.executor.connections.has_events() {
                return;
            }
            self.pass_on_events();
        }
    }

    /// Waits until something happens, and notes which sockets are ready.
    fn wait(&mut self, events: &mut Events) -> Result<(), Error> {
        let now = self.clock.mono();
        let timeout = self.deadline().map(|at| at.since(now));
        if let Err(source) = self.poll.poll(events, timeout) {
            if source.kind() == ErrorKind::Interrupted {
                return Ok(());
            }
            return Err(Error::System { task: "wait for sockets", source });
        }
        for event in &*events {
            match event.token() {
                WAKER => {}
                SIGNALS => self.obey_signals(),
                _ => self.executor.connections.note_readiness(event),
            }
        }
        Ok(())
    }

    fn obey_signals(&mut self) {
        let Some(Asked { reload, stop }) = self.signals.as_mut().map(SignalPipe::take) else {
            return;
        };
        if reload {
            self.executor.application.reload();
        }
        if stop {
            tracing::info!("signal received: stopping; a second signal ends the process at once");
            self.stop();
        }
    }

    /// When the loop must go on even if the poll reports nothing.
    fn deadline(&self) -> Option<Mono> {
        let is_accepting = self.listener.as_ref().is_some_and(Listener::is_ready);
        let is_busy = is_accepting || self.executor.connections.is_busy() || self.is_ending();
        let at_once = is_busy.then_some(Mono(0));
        let helping = self.executor.crypto.deadline();
        let tick =
            self.deadline.filter(|_| self.phase != Phase::Closing).map(|deadline| deadline.at);
        [at_once, helping, tick, self.executor.deadline()].into_iter().flatten().min()
    }

    /// Whether [`Reactor::is_done`] has something to do now. The poll would not wake for it: the
    /// application may have stopped the host, or a flush may have closed the last connection, since
    /// `is_done` was last called.
    fn is_ending(&self) -> bool {
        match self.phase {
            Phase::Serving | Phase::Stopping => self.executor.control == Control::Stop,
            Phase::Closing => self.executor.connections.len() == 0,
        }
    }

    fn take_mail(&mut self) {
        let mut mail = std::mem::take(&mut self.mail);
        self.inbox.take(&mut mail);
        for mail in mail.drain(..) {
            match mail {
                Mail::Event(event) => self.input(Input::Event(event)),
                // Closing has closed every connection; a new one would keep the host from ending.
                Mail::Dialled(..) if self.phase == Phase::Closing => {}
                Mail::Dialled(conn, result) => self.executor.dialled(conn, result),
                Mail::Arrivals => self.listener.iter_mut().for_each(Listener::set_ready),
                Mail::Visit => {
                    if let Ok(visit) = self.visits.1.try_recv() {
                        visit(&self.machine);
                    }
                }
                Mail::Stop => self.stop(),
            }
        }
        self.mail = mail;
    }

    fn accept(&mut self) {
        if let Some(listener) = &mut self.listener {
            listener.take(&mut self.executor.connections);
        }
        self.pass_on_events();
    }

    /// Reads once from each readable connection. Reads from none while verifications pile up:
    /// packets that were read first are then finished first, and unread ones wait in the system's
    /// buffers instead of in our memory.
    fn read(&mut self) {
        if self.executor.crypto.is_behind() {
            return;
        }
        let mut ready = std::mem::take(&mut self.ready);
        let mut buffer = std::mem::take(&mut self.buffer);
        self.executor.connections.take_ready(&mut ready);
        for conn in ready.drain(..) {
            let len = self.executor.connections.read(conn, &mut buffer, self.clock.mono());
            if let Some(data) = len.and_then(|len| buffer.get(..len)) {
                self.executor.note_arrival(data);
                self.input(Input::Bytes { conn, data });
            }
            self.pass_on_events();
        }
        self.buffer = buffer;
        self.ready = ready;
    }

    /// Expires connections and dialling attempts, and gives the machine a tick if one is due.
    fn expire(&mut self) {
        let now = self.clock.mono();
        self.executor.expire(now);
        self.pass_on_events();
        if let Some(Deadline { why, .. }) = self.deadline.filter(|deadline| deadline.at <= now) {
            tracing::trace!(why, "tick");
            self.input(Input::Event(Event::Tick));
        }
    }

    fn stop(&mut self) {
        if self.phase == Phase::Serving {
            self.phase = Phase::Stopping;
            self.executor.application.stopping();
            self.listener = None;
            self.input(Input::Event(Event::Shutdown));
        }
    }

    /// Gives the machine the events that serving sockets has caused.
    fn pass_on_events(&mut self) {
        while let Some(event) = self.executor.next_event() {
            self.input(Input::Event(event));
        }
    }

    /// Gives the machine one input and carries out what follows. A machine that has finished gets
    /// no more inputs.
    fn input(&mut self, input: Input<'_, M>) {
        if self.phase == Phase::Closing {
            return;
        }
        let now = self.clock.now();
        self.executor.now = now.mono;
        self.deadline = pump(&mut self.machine, &mut self.executor, now, input);
    }
}

impl<M: Machine, A> fmt::Debug for Reactor<M, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reactor").field("phase", &self.phase).finish_non_exhaustive()
    }
}

const WAKER: Token = Token(0);
const SIGNALS: Token = Token(1);
// Tokens of connections must not meet those above.
const _: () = assert!(SIGNALS.0 < FIRST_CONNECTION);
/// Most events taken from the poll at once.
const EVENTS: usize = 1_024;
