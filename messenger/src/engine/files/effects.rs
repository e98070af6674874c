//! Carries out what the machine of transfers asks for.

use std::collections::VecDeque;
use std::time::Instant;

use sealpost_core::client::store::{Content, Token};
use sealpost_core::event::{self, FilePiece};
use sealpost_core::files::{EventName, Fate, Input, Outgoing, Pause, PieceName, Told, TransferId};
use sealpost_storage::client::conversations::NewCopy;
use sealpost_storage::client::transfers::{KeptSend, NewSend, SendPlace, TakenOver, TransferStep};

use super::clerk::{Clerk, RETRY};
use super::fates::fate_of;
use crate::api::{ApiError, Changed};
use crate::engine::methods::sending::{new_event, token};
use crate::files::{Effect, SafeName};

/// What is done once a step is durable.
enum After {
    Send(NewCopy),
    Discard(TransferId),
    Wait(TransferId, String),
    Tell(TransferId, Told),
}

impl Clerk {
    /// Makes a step durable, and then does what others see of it.
    pub(super) fn carry_out(
        &mut self,
        effects: Vec<Effect>,
        arrival: Option<TakenOver>,
    ) -> Result<(), ApiError> {
        let mut inputs = self.step(effects, arrival)?;
        while let Some(input) = inputs.pop_front() {
            let Some(desk) = &mut self.desk else { return Ok(()) };
            let effects = desk.handle(input);
            inputs.extend(self.step(effects, None)?);
        }
        Ok(())
    }

    /// One step. Returns the inputs that follow from it.
    fn step(
        &mut self,
        effects: Vec<Effect>,
        arrival: Option<TakenOver>,
    ) -> Result<VecDeque<Input>, ApiError> {
        let settled = std::mem::take(&mut self.settled);
        let mut step = TransferStep { arrival, settled, ..TransferStep::default() };
        let (mut after, mut inputs) = (Vec::new(), VecDeque::new());
        for effect in effects {
            match effect {
                Effect::Store(id, record) => step.records.push((id, record.map(|record| *record))),
                Effect::Saved(id, path) => step.saved.push((id, path)),
                Effect::Send(id, outgoing) => {
                    let message = Self::message(id, outgoing)?;
                    self.prepare(id, message, &mut step, (&mut after, &mut inputs))?;
                }
                Effect::Discard(id) => after.push(After::Discard(id)),
                Effect::DiskFailed(id, error) => after.push(After::Wait(id, error)),
                Effect::Tell(id, told) => after.push(After::Tell(id, told)),
            }
        }
        if step != TransferStep::default() {
            self.core.write(move |store| store.step_transfers(&step))?;
        }
        for after in after {
            self.follow_up(after);
        }
        Ok(inputs)
    }

    /// The message for an event, which gets an id of its own.
    fn message(id: TransferId, outgoing: Outgoing) -> Result<Message, ApiError> {
        let (name, body) = match outgoing {
            // The copy of its entry has the content.
            Outgoing::Offer(offer) => (Some(EventName::Offer), event::Body::FileOffer(*offer)),
            Outgoing::Piece(name, data) => {
                let PieceName { index, .. } = name;
                let piece = FilePiece { file: id.file, index: index.into(), data };
                (Some(EventName::Piece(name)), event::Body::FilePiece(piece))
            }
            Outgoing::Answer(answer) => (None, event::Body::FileAnswer { file: id.file, answer }),
        };
        Ok(Message { name, content: Content::Event(new_event(body, None)?) })
    }

    /// Prepares a message. One that was sent before under its name keeps its token, by which the
    /// client's machine knows it.
    fn prepare(
        &mut self,
        id: TransferId,
        message: Message,
        step: &mut TransferStep,
        (after, inputs): (&mut Vec<After>, &mut VecDeque<Input>),
    ) -> Result<(), ApiError> {
        let Message { name, content } = message;
        let before = match name {
            Some(name) => self.core.read(|store| store.file_send(&id, name))?,
            None => None,
        };
        if let Some(before) = before
            .filter(|before| name == Some(EventName::Offer) || before.place != SendPlace::Unsent)
        {
            return self.take_up(before, after, inputs);
        }
        let Some(phone) = self.phone_of(&id.peer)? else {
            // Whoever had this key has another one, and must not get what was meant for it.
            inputs.extend(name.map(|name| Input::Sent { id, name, fate: Fate::Failed }));
            return Ok(());
        };
        let token = if let Some(before) = before {
            before.token
        } else {
            let token = token()?;
            let kept = name.is_none().then(|| content.clone());
            step.sends.push(NewSend { token, id, name, content: kept });
            token
        };
        self.sends.add(token, id, name);
        after.push(After::Send(NewCopy { token, phone, key: Some(id.peer), content }));
        Ok(())
    }

    /// Takes up a message that was sent before, or an offer that is sent as a copy of its entry: in a
    /// group to somebody who may not be a contact yet.
    fn take_up(
        &mut self,
        before: KeptSend,
        after: &mut Vec<After>,
        inputs: &mut VecDeque<Input>,
    ) -> Result<(), ApiError> {
        let KeptSend { token, id, name, place } = before;
        self.sends.add(token, id, name);
        if place == SendPlace::Unsent {
            let unsent = self.core.read(|store| store.unsent_copy(token))?;
            after.extend(unsent.map(|unsent| After::Send(unsent.copy)));
        }
        if let (Some(fate), Some(name)) = (fate_of(place), name) {
            inputs.push_back(Input::Sent { id, name, fate });
        }
        Ok(())
    }

    fn follow_up(&mut self, after: After) {
        match after {
            After::Send(copy) => self.core.command_send(copy),
            After::Discard(id) => {
                let discarded = self.desk.as_mut().map(|desk| desk.discard(id));
                if let Some(Err(error)) = discarded {
                    tracing::warn!(%error, "can't delete a partial file; the next start does it");
                }
            }
            After::Wait(id, reason) => self.wait(id, &reason),
            After::Tell(id, told) => self.tell(id, told),
        }
    }

    fn tell(&self, id: TransferId, told: Told) {
        let notes = &self.core.files.notes;
        let is_shown = match told {
            Told::Progress { .. } => notes.go_on(id),
            Told::Offered | Told::Accepted => {
                notes.go_on(id);
                true
            }
            Told::Ended(_) => {
                notes.forget(id);
                true
            }
            Told::Paused(Pause::Outbox) => {
                notes.wait(id, "too many messages wait to be sent".into())
            }
            // The disk has said why.
            Told::Paused(Pause::Disk) | Told::CommandRefused(_) => false,
        };
        if is_shown {
            self.show(id);
        }
    }

    fn wait(&self, id: TransferId, reason: &str) {
        if !self.core.files.notes.wait(id, reason.to_owned()) {
            return;
        }
        let record = self.desk.as_ref().and_then(|desk| desk.files().record(id));
        let name = record.map(|record| SafeName::of(record.offer.name.as_str()).to_string());
        let name = name.unwrap_or_default();
        tracing::warn!(reason, "a received file can't be written; trying again");
        let text = format!("the file {name} can't be written, and is tried again: {reason}");
        self.core.hub.show(&Changed::Warning { text });
        self.show(id);
    }

    /// Shows the entry of a transfer as it is now.
    fn show(&self, id: TransferId) {
        if !self.core.hub.has_displays() {
            return;
        }
        match self.core.read(|store| store.transfer(&id)) {
            Ok(Some(transfer)) => {
                if let Some(entry) = transfer.entry {
                    self.core.show_entry(entry);
                }
            }
            Ok(None) => {}
            Err(error) => tracing::error!(%error, "can't read a transfer"),
        }
    }

    /// Gives the client's machine the answers that it does not have.
    pub(super) fn send_unsent(&mut self) -> Result<(), ApiError> {
        for (token, id, content) in self.core.read(|store| store.unsent_file_sends(UNSENT_MAX))? {
            match self.phone_of(&id.peer)? {
                Some(phone) => {
                    self.sends.add(token, id, None);
                    let key = Some(id.peer);
                    self.core.command_send(NewCopy { token, phone, key, content });
                }
                None => self.drop_send(token)?,
            }
        }
        Ok(())
    }

    pub(super) fn drop_send(&self, token: Token) -> Result<(), ApiError> {
        let step = TransferStep { dropped: vec![token], ..TransferStep::default() };
        self.core.write(move |store| store.step_transfers(&step))
    }

    pub(super) fn retry_soon(&mut self) {
        self.retry_at.get_or_insert(Instant::now() + RETRY);
    }
}

/// An event that is to be sent.
struct Message {
    name: Option<EventName>,
    content: Content,
}

/// Most answers that are given to the machine again at once.
const UNSENT_MAX: u32 = 1_000;
