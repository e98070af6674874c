//! The loop around the screen: events of the terminal, and whoever carries out requests.

mod editor;
mod output;
mod session;
mod workers;

use std::io;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, Sender};
use std::time::Duration;

use ratatui::crossterm::event::{self, Event};
use ratatui::layout::Size;
use sealpost_messenger::api::{Caller, Notification, Time};

use crate::{Effect, Focus, Message, Model, Request, Theme, Zone, start, update, view};
use session::Session;
use workers::Workers;

/// Whoever carries out requests, and what it tells.
pub struct Backend {
    /// Carries out requests. It is called from other threads than the terminal's.
    pub caller: Arc<dyn Caller + Send + Sync>,
    /// Notifications. The program ends when its other end is dropped.
    pub notifications: Receiver<Notification>,
}

/// How the screen is shown.
#[derive(Clone, Debug)]
pub struct Options {
    /// Time zone.
    pub zone: Zone,
    /// Colours.
    pub theme: Theme,
    /// Whether the mouse is used.
    pub mouse: Mouse,
}

/// Whether the mouse is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mouse {
    /// The program gets what the mouse does.
    Captured,
    /// It is left to the terminal, which selects text with it.
    Left,
}

/// Why the screen could not be shown.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The terminal failed.
    #[error("the terminal failed: {0}")]
    Terminal(#[from] io::Error),
    /// Standard input or output is not a terminal.
    #[error("chat needs a terminal; use send and listen in scripts")]
    NoTerminal,
    /// The client has ended.
    #[error("the client that has the account has ended")]
    ClientEnded,
}

/// Shows the screen until the user quits. `clock` returns the time now. The terminal is as it was
/// when the call returns, and after a panic.
///
/// # Errors
/// See [`RunError`].
pub fn run(backend: Backend, options: &Options, clock: impl Fn() -> Time) -> Result<(), RunError> {
    let mut session = Session::begin(options.mouse)?;
    let outcome = Loop::new(backend, options, &clock, &mut session).and_then(Loop::run);
    session.end();
    outcome
}

struct Loop<'a, C> {
    model: Model,
    session: &'a mut Session,
    clock: &'a C,
    workers: Workers,
    notifications: Receiver<Notification>,
    answers: Receiver<Message>,
    /// What is on the screen is not what the model says.
    is_dirty: bool,
    has_quit: bool,
}

impl<'a, C: Fn() -> Time> Loop<'a, C> {
    fn new(
        backend: Backend,
        options: &Options,
        clock: &'a C,
        session: &'a mut Session,
    ) -> Result<Self, RunError> {
        let (sender, answers): (Sender<Message>, _) = mpsc::channel();
        let workers = Workers::start(&backend.caller, &sender)?;
        let size = session.size()?;
        let model = Model::new(size, clock(), options.zone.clone(), options.theme);
        let notifications = backend.notifications;
        Ok(Self {
            model,
            session,
            clock,
            workers,
            notifications,
            answers,
            is_dirty: true,
            has_quit: false,
        })
    }

    fn run(mut self) -> Result<(), RunError> {
        let effects = start(&mut self.model);
        self.carry_out(effects)?;
        while !self.has_quit {
            self.take_all()?;
            if std::mem::take(&mut self.is_dirty) {
                self.session.draw(&view(&self.model))?;
            }
            if event::poll(TICK)? {
                while event::poll(Duration::ZERO)? {
                    self.take_event(event::read()?)?;
                }
            }
        }
        // Drafts are kept before the program ends.
        self.workers.finish();
        Ok(())
    }

    /// Takes what came from other threads, and the time.
    fn take_all(&mut self) -> Result<(), RunError> {
        let now = (self.clock)();
        if now != self.model.now() {
            self.take(Message::Tick(now))?;
        }
        while let Ok(answer) = self.answers.try_recv() {
            self.take(answer)?;
        }
        loop {
            match self.notifications.try_recv() {
                Ok(notification) => self.take(Message::Notified(notification))?,
                Err(mpsc::TryRecvError::Empty) => return Ok(()),
                Err(mpsc::TryRecvError::Disconnected) => return Err(RunError::ClientEnded),
            }
        }
    }

    fn take_event(&mut self, event: Event) -> Result<(), RunError> {
        self.take(match event {
            Event::Key(key) => Message::Key(key),
            Event::Mouse(mouse) => Message::Mouse(mouse),
            Event::Paste(text) => Message::Pasted(text),
            Event::Resize(width, height) => Message::Resized(Size::new(width, height)),
            Event::FocusGained => Message::Focused(Focus::Gained),
            Event::FocusLost => Message::Focused(Focus::Lost),
        })
    }

    fn take(&mut self, message: Message) -> Result<(), RunError> {
        let effects = update(&mut self.model, message);
        self.is_dirty = true;
        self.carry_out(effects)
    }

    fn carry_out(&mut self, effects: Vec<Effect>) -> Result<(), RunError> {
        for effect in effects {
            match effect {
                Effect::Request(request) => self.ask(request),
                Effect::Ring => output::ring()?,
                Effect::Notify(text) => output::notify(&text)?,
                Effect::Copy(text) => output::copy(&text)?,
                Effect::OpenLink(link) => editor::open_link(&link)?,
                Effect::OpenEditor(text) => {
                    let edited = self.session.suspend(|| editor::edit(&text))?;
                    self.take(Message::Edited(edited))?;
                }
                Effect::Redraw => self.session.clear()?,
                Effect::Quit => self.has_quit = true,
            }
        }
        Ok(())
    }

    fn ask(&self, request: Request) {
        self.workers.ask(request);
    }
}

/// How often the time and other threads are looked at.
const TICK: Duration = Duration::from_millis(50);
