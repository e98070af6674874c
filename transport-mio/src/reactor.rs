//! The loop: wait, take what happened, tell the machine, carry out, flush.

use std::fmt;
use std::io::ErrorKind;
use std::sync::Arc;

use mio::{Events, Poll, Token, Waker};
use sealpost_core::crypto::Outcome;
use sealpost_core::frame::{Deadline, Event, Input, Machine, pump};
use sealpost_core::ids::{ConnId, Ticket};
use sealpost_core::time::Mono;
use sealpost_storage::Storage;

use crate::application::{Application, Control};
use crate::clock::Clock;
use crate::config::{Config, Signals};
use crate::crypto_pool::{CryptoPool, JobRunner};
use crate::dialler::Dialler;
use crate::error::Error;
use crate::host::MioHost;
use crate::inbox::{Hosted, Inbox, Mail};
use crate::listener::Listener;
use crate::signals::SignalPipe;
use crate::sockets::{FIRST_CONN, Sockets};
use crate::storage_thread::StorageThread;

/// A machine with everything that drives it, on one thread.
pub(crate) struct Reactor<M: Machine, A> {
    machine: M,
    /// When the machine wants a tick.
    deadline: Option<Deadline>,
    host: MioHost<M, A>,
    listener: Option<Listener>,
    signals: Option<SignalPipe>,
    poll: Poll,
    clock: Clock,
    inbox: Arc<Inbox<M>>,
    phase: Phase,
    /// Every connection is read into this one buffer, and the machine copies what it keeps.
    buffer: Box<[u8]>,
    mail: Vec<Mail<M>>,
    ready: Vec<ConnId>,
    outcomes: Vec<(Ticket, Outcome)>,
}

/// How far the host is from its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// In service.
    Serving,
    /// The machine was told to end. It says when it has.
    Stopping,
    /// The machine has ended. What is queued goes out.
    Closing,
}

/// Tells a host something from another thread. Cheap to clone.
pub struct Handle<M: Machine>(Arc<Inbox<M>>);

impl<M: Machine> Handle<M> {
    /// Has the host stop in order, as a signal does. Again has no effect.
    pub fn stop(&self) {
        self.0.post(Mail::Stop);
    }

    /// Gives the machine a command.
    pub fn command(&self, command: M::Command) {
        self.0.post(Mail::Event(Event::Command(command)));
    }
}

impl<M: Hosted, A: Application<M>> Reactor<M, A> {
    /// Starts the threads, and prepares the rest.
    pub(crate) fn new<S, R>(
        config: &Config,
        machine: M,
        store: S,
        crypto: R,
        application: A,
    ) -> Result<Self, Error>
    where
        S: Storage<Op = M::StoreOp, Outcome = M::StoreOutcome> + Send + 'static,
        R: JobRunner,
    {
        let poll = Poll::new().map_err(Error::system("watch sockets"))?;
        let waker = Waker::new(poll.registry(), WAKER).map_err(Error::system("be woken"))?;
        let inbox = Arc::new(Inbox::new(waker));
        let registry = poll.registry().try_clone().map_err(Error::system("watch sockets"))?;
        let signals = match config.signals {
            Signals::Stop => Some(SignalPipe::start(poll.registry(), SIGNALS)?),
            Signals::Ignore => None,
        };

        let stored = Arc::clone(&inbox);
        let storage = StorageThread::start(store, config.transaction, move |results| {
            let mail = |(ticket, outcome)| Mail::Event(Event::Stored(ticket, outcome));
            stored.post_all(results.drain(..).map(mail));
        })?;
        let computed = Arc::clone(&inbox);
        let crypto = CryptoPool::start(crypto, config.worker_count().get(), move |results| {
            let mail = |(ticket, outcome)| Mail::Event(Event::Computed(ticket, outcome));
            computed.post_all(results.drain(..).map(mail));
        })?;

        let host = MioHost {
            sockets: Sockets::new(registry, config.high_water, config.linger),
            storage,
            crypto,
            application,
            dialler: None,
            now: Mono::default(),
            control: Control::Continue,
        };
        Ok(Self {
            deadline: machine.deadline(),
            machine,
            host,
            listener: None,
            signals,
            poll,
            clock: Clock::start(),
            inbox,
            phase: Phase::Serving,
            buffer: vec![0; config.read_budget.get()].into_boxed_slice(),
            mail: Vec::new(),
            ready: Vec::new(),
            outcomes: Vec::new(),
        })
    }

    /// Accepts connections from `listener`.
    pub(crate) fn accept_from(&mut self, mut listener: Listener) -> Result<(), Error> {
        listener.register(self.poll.registry(), LISTENER)?;
        self.listener = Some(listener);
        Ok(())
    }

    /// Dials `server` when the machine wishes.
    pub(crate) fn dial_to(&mut self, server: String, config: &Config) {
        let inbox = Arc::clone(&self.inbox);
        self.host.dialler = Some(Dialler::new(server, config.dial_timeout, inbox));
    }

    pub(crate) fn handle(&self) -> Handle<M> {
        Handle(Arc::clone(&self.inbox))
    }

    /// Runs until the machine has ended, then flushes, commits and ends the threads.
    pub(crate) fn run(mut self) -> Result<(), Error> {
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
        self.host.finish();
        Ok(())
    }

    /// Whether everything is said, and heard or given up.
    fn is_done(&mut self) -> bool {
        if self.phase != Phase::Closing && self.host.control == Control::Stop {
            self.phase = Phase::Closing;
            self.listener = None;
            self.host.sockets.close_all(self.clock.mono());
        }
        self.phase == Phase::Closing && self.host.sockets.len() == 0
    }

    /// Takes part in the cryptography.
    fn help(&mut self) {
        let mut outcomes = std::mem::take(&mut self.outcomes);
        self.host.crypto.help(self.clock.mono(), &mut outcomes);
        for (ticket, outcome) in outcomes.drain(..) {
            self.input(Input::Event(Event::Computed(ticket, outcome)));
        }
        self.outcomes = outcomes;
    }

    /// Hands over what was gathered, until nothing more follows from it.
    fn hand_over(&mut self) {
        loop {
            self.host.flush(self.clock.mono());
            if !self.host.sockets.has_facts() {
                return;
            }
            self.tell_facts();
        }
    }

    /// Waits until something happens, and notes on which sockets.
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
                LISTENER => self.listener.iter_mut().for_each(Listener::note),
                SIGNALS => {
                    if self.signals.as_mut().is_some_and(SignalPipe::take) {
                        tracing::info!("signal received: stopping; a second one stops at once");
                        self.stop();
                    }
                }
                _ => self.host.sockets.note(event),
            }
        }
        Ok(())
    }

    /// When the loop must go on, whatever the poll says.
    fn deadline(&self) -> Option<Mono> {
        let at_once = (self.host.sockets.is_busy() || self.is_ending()).then_some(Mono(0));
        let helping = self.host.crypto.deadline();
        let accepting = self.listener.as_ref().and_then(Listener::deadline);
        let tick =
            self.deadline.filter(|_| self.phase != Phase::Closing).map(|deadline| deadline.at);
        [at_once, helping, accepting, tick, self.host.deadline()].into_iter().flatten().min()
    }

    /// Whether the loop is over, or begins to end, since it last looked: a flush may have closed the
    /// last connection.
    fn is_ending(&self) -> bool {
        match self.phase {
            Phase::Serving | Phase::Stopping => self.host.control == Control::Stop,
            Phase::Closing => self.host.sockets.len() == 0,
        }
    }

    fn take_mail(&mut self) {
        let mut mail = std::mem::take(&mut self.mail);
        self.inbox.take(&mut mail);
        for mail in mail.drain(..) {
            match mail {
                Mail::Event(event) => self.input(Input::Event(event)),
                Mail::Dialled(..) if self.phase == Phase::Closing => {}
                Mail::Dialled(conn, stream) => self.host.dialled(conn, stream),
                Mail::Stop => self.stop(),
            }
        }
        self.mail = mail;
    }

    fn accept(&mut self) {
        if let Some(listener) = &mut self.listener {
            listener.accept(&mut self.host.sockets, self.clock.mono());
        }
        self.tell_facts();
    }

    /// Reads from everyone who has something, once each; from nobody while verifications are
    /// behind, so that what was read first is also done first, and little memory is held.
    fn read(&mut self) {
        if self.host.crypto.is_behind() {
            return;
        }
        let mut ready = std::mem::take(&mut self.ready);
        let mut buffer = std::mem::take(&mut self.buffer);
        self.host.sockets.take_ready(&mut ready);
        for conn in ready.drain(..) {
            let len = self.host.sockets.read(conn, &mut buffer, self.clock.mono());
            if let Some(data) = len.and_then(|len| buffer.get(..len)) {
                self.input(Input::Bytes { conn, data });
            }
            self.tell_facts();
        }
        self.buffer = buffer;
        self.ready = ready;
    }

    /// Time has passed.
    fn expire(&mut self) {
        let now = self.clock.mono();
        self.host.expire(now);
        self.tell_facts();
        if self.deadline.is_some_and(|due| due.at <= now) {
            self.input(Input::Event(Event::Tick));
        }
    }

    fn stop(&mut self) {
        if self.phase == Phase::Serving {
            self.phase = Phase::Stopping;
            self.listener = None;
            self.input(Input::Event(Event::Shutdown));
        }
    }

    /// Tells the machine what carrying out its actions has led to.
    fn tell_facts(&mut self) {
        while let Some(event) = self.host.next_event() {
            self.input(Input::Event(event));
        }
    }

    /// Gives the machine one input, and carries out what follows. A machine that has ended hears
    /// nothing more.
    fn input(&mut self, input: Input<'_, M>) {
        if self.phase == Phase::Closing {
            return;
        }
        let now = self.clock.now();
        self.host.now = now.mono;
        self.deadline = pump(&mut self.machine, &mut self.host, now, input);
    }
}

impl<M: Machine> Clone for Handle<M> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<M: Machine> fmt::Debug for Handle<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Handle")
    }
}

impl<M: Machine, A> fmt::Debug for Reactor<M, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reactor").field("phase", &self.phase).finish_non_exhaustive()
    }
}

const WAKER: Token = Token(0);
const LISTENER: Token = Token(1);
const SIGNALS: Token = Token(2);
const _: () = assert!(SIGNALS.0 < FIRST_CONN);
/// Events taken from the poll at once.
const EVENTS: usize = 1_024;
