//! The loop around the screen: events of the terminal, and whoever carries out requests.

mod editor;
mod graphics;
mod kitty;
mod output;
mod session;
mod workers;

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender, TryRecvError};
use std::thread;
use std::time::Duration;

use ratatui::crossterm::event::{self, Event};
use ratatui::layout::Size;
use sealpost_messenger::api::{Caller, Changed, Connection, Notification, Time};

use crate::thumbnail;
use crate::{Effect, Focus, Message, Model, Pictures, Theme, Zone, start, update, view};
use session::{Awaited, Session};
use workers::Workers;

/// Whoever carries out requests, and what it tells.
pub struct Backend {
    /// Carries out requests. It is called from other threads than the terminal's.
    pub caller: Arc<dyn Caller + Send + Sync>,
    /// Notifications. The client has ended when its other end is dropped.
    pub notifications: Receiver<Notification>,
    /// Reads the files of pictures.
    pub(crate) open: OpenFile,
}

/// Returns the bytes of a file.
pub(crate) type OpenFile = fn(&Path) -> io::Result<Vec<u8>>;

impl Backend {
    /// Whoever carries out requests, with files on the disk.
    pub fn new(
        caller: Arc<dyn Caller + Send + Sync>,
        notifications: Receiver<Notification>,
    ) -> Self {
        Self { caller, notifications, open: thumbnail::read }
    }
}

/// How the screen is shown.
#[derive(Clone, Debug)]
pub struct Options {
    /// Time zone.
    pub zone: Zone,
    /// Colours.
    pub theme: Theme,
    /// Colours of pictures that are made of half blocks.
    pub pictures: Pictures,
    /// Whether the terminal shows images of its own instead.
    pub graphics: Graphics,
    /// What is kept when the program ends.
    pub keeping: Keeping,
    /// Whether the mouse is used.
    pub mouse: Mouse,
    /// Whether the user may be asked something when the client has to be connected again.
    pub reconnecting: Reconnecting,
}

/// Whether the terminal shows images of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Graphics {
    /// If it can: one that may be able to is asked.
    Auto,
    /// No: pictures are made of half blocks.
    Blocks,
    /// Yes, by the protocol of kitty.
    Kitty,
}

/// What is kept when the program ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keeping {
    /// The client keeps what it has.
    Everything,
    /// The account is gone with the program. Files that the user accepts stay in a folder.
    FilesOnly,
    /// The account is gone with the program, and nothing is written to the disk.
    Nothing,
}

impl Keeping {
    /// Whether the account is gone with the program.
    pub(crate) const fn is_incognito(self) -> bool {
        matches!(self, Self::FilesOnly | Self::Nothing)
    }
}

/// Whether the user may be asked something when the client has to be connected again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reconnecting {
    /// Nothing is asked: the screen stays.
    Quiet,
    /// The terminal is given back for a question.
    Asks,
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
}

/// Fails where there is no terminal to show the screen on.
///
/// # Errors
/// [`RunError::NoTerminal`].
pub fn require_terminal() -> Result<(), RunError> {
    Session::check()
}

/// Shows the screen until the user quits, or until `connect` returns `None`. It is called at the
/// start, and again when the client has ended. `clock` returns the time now. The terminal is as it was when the call returns, and after a panic.
///
/// # Errors
/// Fails if the terminal does, and with the error of `connect`.
pub fn run<E: From<RunError>>(
    mut connect: impl FnMut() -> Result<Option<Backend>, E>,
    options: &Options,
    clock: impl Fn() -> Time,
) -> Result<(), E> {
    Session::check()?;
    let Some(mut backend) = connect()? else { return Ok(()) };
    let mut session = Session::begin(options.mouse)?;
    let size = session.size().map_err(RunError::from)?;
    let model = Model::new(size, clock(), options.zone.clone(), options.theme);
    let pictures =
        graphics::pictures(options.graphics, options.pictures).map_err(RunError::from)?;
    let mut model = model.with_pictures(pictures).with_keeping(options.keeping);
    loop {
        let screen =
            Loop::new(&mut model, &mut session, &clock, backend).map_err(RunError::from)?;
        if screen.run().map_err(RunError::from)? == Ended::Quit {
            return Ok(());
        }
        update(&mut model, Message::Notified(connecting(clock())));
        session.draw(&view(&model)).map_err(RunError::from)?;
        let next = match options.reconnecting {
            Reconnecting::Quiet => connect(),
            Reconnecting::Asks => session.suspend(&mut connect).map_err(RunError::from)?,
        };
        let Some(next) = next? else { return Ok(()) };
        backend = next;
    }
}

const fn connecting(since: Time) -> Notification {
    Notification::Changed(Changed::Connection { connection: Connection::Connecting { since } })
}

/// Why the loop has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ended {
    /// The user wants to go.
    Quit,
    /// The client has ended.
    Lost,
}

struct Loop<'a, C> {
    model: &'a mut Model,
    session: &'a mut Session,
    clock: &'a C,
    workers: Workers,
    notifications: Receiver<Notification>,
    answers: Receiver<Message>,
    /// What is on the screen is not what the model says.
    is_dirty: bool,
    ended: Option<Ended>,
}

impl<'a, C: Fn() -> Time> Loop<'a, C> {
    fn new(
        model: &'a mut Model,
        session: &'a mut Session,
        clock: &'a C,
        backend: Backend,
    ) -> io::Result<Self> {
        let (sender, answers): (Sender<Message>, _) = mpsc::channel();
        let workers = Workers::start(&backend.caller, backend.open, &sender)?;
        let notifications = backend.notifications;
        Ok(Self {
            model,
            session,
            clock,
            workers,
            notifications,
            answers,
            is_dirty: true,
            ended: None,
        })
    }

    fn run(mut self) -> io::Result<Ended> {
        let effects = start(self.model);
        self.carry_out(effects)?;
        loop {
            self.take_all()?;
            if let Some(ended) = self.ended {
                // Drafts are kept before the program ends.
                self.workers.finish();
                return Ok(ended);
            }
            if std::mem::take(&mut self.is_dirty) {
                self.session.draw(&view(self.model))?;
            }
            match session::wait(TICK)? {
                Awaited::Gone => self.take(Message::Stopped)?,
                Awaited::There => {
                    while event::poll(Duration::ZERO)? {
                        self.take_event(event::read()?)?;
                    }
                }
            }
        }
    }

    /// Takes what came from other threads, and the time.
    fn take_all(&mut self) -> io::Result<()> {
        let now = (self.clock)();
        if now != self.model.now() {
            self.take(Message::Tick(now))?;
        }
        if self.session.resume()? {
            self.go_on()?;
        }
        if self.session.is_to_end() {
            self.take(Message::Stopped)?;
        }
        while let Ok(answer) = self.answers.try_recv() {
            self.take(answer)?;
        }
        loop {
            match self.notifications.try_recv() {
                Ok(notification) => self.take(Message::Notified(notification))?,
                Err(TryRecvError::Empty) => return Ok(()),
                Err(TryRecvError::Disconnected) => {
                    self.ended.get_or_insert(Ended::Lost);
                    return Ok(());
                }
            }
        }
    }

    /// Lets the user edit a text elsewhere. Notifications are dropped meanwhile, so that the client
    /// need not keep them, and everything is asked for again.
    fn edit(&mut self, text: &str) -> io::Result<()> {
        let notifications = &mut self.notifications;
        let is_done = &AtomicBool::new(false);
        let edited = self.session.suspend(|| {
            thread::scope(|scope| {
                scope.spawn(move || {
                    while !is_done.load(Ordering::Relaxed) {
                        if let Err(RecvTimeoutError::Disconnected) =
                            notifications.recv_timeout(TICK)
                        {
                            return;
                        }
                    }
                });
                let edited = editor::edit(text);
                is_done.store(true, Ordering::Relaxed);
                edited
            })
        })?;
        self.take(Message::Edited(edited))?;
        let effects = start(self.model);
        self.carry_out(effects)
    }

    /// The program was stopped, and goes on: the terminal may have another size.
    fn go_on(&mut self) -> io::Result<()> {
        let size = self.session.size()?;
        self.take(Message::Resized(size))
    }

    fn take_event(&mut self, event: Event) -> io::Result<()> {
        self.take(match event {
            Event::Key(key) => Message::Key(key),
            Event::Mouse(mouse) => Message::Mouse(mouse),
            Event::Paste(text) => Message::Pasted(text),
            Event::Resize(width, height) => Message::Resized(Size::new(width, height)),
            Event::FocusGained => Message::Focused(Focus::Gained),
            Event::FocusLost => Message::Focused(Focus::Lost),
        })
    }

    fn take(&mut self, message: Message) -> io::Result<()> {
        let effects = update(self.model, message);
        self.is_dirty = true;
        self.carry_out(effects)
    }

    fn carry_out(&mut self, effects: Vec<Effect>) -> io::Result<()> {
        for effect in effects {
            match effect {
                Effect::Request(request) => self.workers.ask(request),
                Effect::Ring => output::ring()?,
                Effect::Notify(text) => output::notify(&text)?,
                Effect::Copy(text) => output::copy(&text)?,
                Effect::OpenLink(link) => editor::open_link(&link)?,
                Effect::OpenEditor(text) => self.edit(&text)?,
                Effect::Picture(order) => self.workers.picture(order),
                Effect::Redraw => self.session.clear()?,
                Effect::Suspend => {
                    self.session.stop()?;
                    self.go_on()?;
                }
                Effect::Quit => self.ended = Some(Ended::Quit),
            }
        }
        Ok(())
    }
}

/// How often the time and other threads are looked at.
const TICK: Duration = Duration::from_millis(50);
