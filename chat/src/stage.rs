//! A screen without a terminal, with the people of the demo, for tests and pictures. Time passes only
//! when it is told to.

use std::sync::mpsc::Receiver;

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui::layout::Size;
use sealpost_messenger::api::{Notification, Time};

use crate::{
    Demo, Effect, Keeping, Message, Model, Picture, Pictures, Request, Theme, Zone, start, update,
    view,
};

/// A screen without a terminal.
#[derive(Debug)]
pub struct Stage {
    model: Model,
    demo: Demo,
    notifications: Receiver<Notification>,
    effects: Vec<Effect>,
    requests: Vec<Request>,
}

impl Stage {
    /// The screen after the start, in UTC.
    pub fn new(size: Size, now: Time, theme: Theme) -> Self {
        let (demo, notifications) = Demo::new(now);
        // What was told before there was a screen is in the lists.
        while notifications.try_recv().is_ok() {}
        let model = Model::new(size, now, Zone::UTC, theme).with_pictures(Pictures::InTrueColour);
        let mut stage =
            Self { model, demo, notifications, effects: Vec::new(), requests: Vec::new() };
        let effects = start(&mut stage.model);
        stage.carry_out(effects);
        stage.listen();
        stage
    }

    /// The screen of an account that is kept, or not.
    #[must_use]
    pub fn keeping(self, keeping: Keeping) -> Self {
        Self { model: self.model.with_keeping(keeping), ..self }
    }

    /// The screen of a terminal that shows pictures in this way.
    #[cfg(test)]
    pub(crate) fn with_pictures(self, pictures: Pictures) -> Self {
        let now = self.model.now();
        let mut stage = Self { model: self.model.with_pictures(pictures), ..self };
        stage.take(Message::Tick(now));
        stage
    }

    /// Presses keys, which are written as the help writes them and separated by spaces: `C-t b e n
    /// Enter`.
    pub fn press(&mut self, keys: &str) {
        for key in keys.split_whitespace().filter_map(key) {
            self.take(Message::Key(key));
        }
    }

    /// Types a text, one key after the other.
    pub fn type_text(&mut self, text: &str) {
        for c in text.chars() {
            self.take(Message::Key(KeyEvent::new(KeyCode::Char(c), KeyModifiers::NONE)));
        }
    }

    /// Lets some seconds pass, one by one.
    pub fn wait(&mut self, secs: i64) {
        for _ in 0..secs {
            let now = Time(self.model.now().0.plus_secs(1));
            self.demo.advance(now);
            self.take(Message::Tick(now));
        }
    }

    /// Tells the screen something, and everything that follows.
    pub fn take(&mut self, message: Message) {
        let effects = update(&mut self.model, message);
        self.carry_out(effects);
        self.listen();
    }

    /// What is on the screen.
    pub fn picture(&self) -> Picture {
        view(&self.model)
    }

    /// What was to be done outside since the last call, except requests.
    pub fn effects(&mut self) -> Vec<Effect> {
        std::mem::take(&mut self.effects)
    }

    /// What was asked for since the last call.
    pub fn requests(&mut self) -> Vec<Request> {
        std::mem::take(&mut self.requests)
    }

    fn listen(&mut self) {
        while let Ok(notification) = self.notifications.try_recv() {
            let effects = update(&mut self.model, Message::Notified(notification));
            self.carry_out(effects);
        }
    }

    fn carry_out(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Request(request) => self.answer(request),
                Effect::Picture(order) => {
                    let made = order.make(Demo::open);
                    let effects = update(&mut self.model, Message::Pictured(order, made));
                    self.carry_out(effects);
                }
                Effect::Ring
                | Effect::Notify(_)
                | Effect::OpenEditor(_)
                | Effect::OpenLink(_)
                | Effect::Copy(_)
                | Effect::Redraw
                | Effect::Suspend
                | Effect::Quit => self.effects.push(effect),
            }
        }
    }

    fn answer(&mut self, request: Request) {
        self.requests.push(request.clone());
        let answer = request.carry_out(&self.demo).map(Box::new);
        let effects = update(&mut self.model, Message::Answered(Box::new(request), answer));
        self.carry_out(effects);
    }
}

/// The key with a name, as the help writes it.
pub(crate) fn key(name: &str) -> Option<KeyEvent> {
    let mut modifiers = KeyModifiers::NONE;
    let mut rest = name;
    for (prefix, modifier) in
        [("C-", KeyModifiers::CONTROL), ("M-", KeyModifiers::ALT), ("S-", KeyModifiers::SHIFT)]
    {
        if let Some(shorter) = rest.strip_prefix(prefix).filter(|shorter| !shorter.is_empty()) {
            modifiers |= modifier;
            rest = shorter;
        }
    }
    let named = NAMED.iter().find(|(name, _)| *name == rest).map(|(_, code)| *code);
    let single = || Some(KeyCode::Char(rest.chars().next()?));
    Some(KeyEvent::new(named.or_else(single)?, modifiers))
}

const NAMED: [(&str, KeyCode); 15] = [
    ("Enter", KeyCode::Enter),
    ("Esc", KeyCode::Esc),
    ("Tab", KeyCode::Tab),
    ("Backspace", KeyCode::Backspace),
    ("Delete", KeyCode::Delete),
    ("Up", KeyCode::Up),
    ("Down", KeyCode::Down),
    ("Left", KeyCode::Left),
    ("Right", KeyCode::Right),
    ("Home", KeyCode::Home),
    ("End", KeyCode::End),
    ("PgUp", KeyCode::PageUp),
    ("PgDn", KeyCode::PageDown),
    ("F1", KeyCode::F(1)),
    ("Space", KeyCode::Char(' ')),
];
