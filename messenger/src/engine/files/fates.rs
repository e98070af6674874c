//! What became of messages of transfers.

use std::collections::BTreeMap;

use sealpost_core::client::SendRefusal;
use sealpost_core::client::store::{Status, Token};
use sealpost_core::files::{EventName, Fate, Input, TransferId};
use sealpost_core::ids::MessageId;
use sealpost_storage::client::transfers::{KeptSend, SendPlace};

use super::MessageFate;
use super::clerk::Clerk;
use crate::api::ApiError;

/// Messages whose fate the machine of transfers awaits.
#[derive(Debug, Default)]
pub(super) struct Sends {
    by_token: BTreeMap<Token, Send>,
    by_message: BTreeMap<MessageId, Token>,
}

/// A message of a transfer.
#[derive(Clone, Copy, Debug)]
struct Send {
    id: TransferId,
    /// `None` for an answer, of which nobody awaits anything.
    name: Option<EventName>,
    message: Option<MessageId>,
}

impl Sends {
    pub(super) fn of(kept: &[KeptSend]) -> Self {
        let mut sends = Self::default();
        for KeptSend { token, id, name, place } in kept {
            sends.add(*token, *id, *name);
            if let SendPlace::Outbox(message, _) = place {
                sends.queued(*token, *message);
            }
        }
        sends
    }

    pub(super) fn add(&mut self, token: Token, id: TransferId, name: Option<EventName>) {
        self.by_token.entry(token).or_insert(Send { id, name, message: None });
    }

    fn queued(&mut self, token: Token, message: MessageId) {
        if let Some(send) = self.by_token.get_mut(&token) {
            send.message = Some(message);
            self.by_message.insert(message, token);
        }
    }

    fn remove(&mut self, token: Token) {
        if let Some(Send { message: Some(message), .. }) = self.by_token.remove(&token) {
            self.by_message.remove(&message);
        }
    }
}

impl Clerk {
    pub(super) fn on_fate(&mut self, fate: MessageFate) -> Result<(), ApiError> {
        match fate {
            MessageFate::Queued(token, message) => {
                self.sends.queued(token, message);
                Ok(())
            }
            MessageFate::Stored(ids) => self.reached(&ids, Fate::Stored),
            MessageFate::Delivered(ids) => self.reached(&ids, Fate::Delivered),
            MessageFate::Failed(ids) => self.reached(&ids, Fate::Failed),
            MessageFate::Refused(token, refusal) => self.refused(token, refusal),
        }
    }

    fn reached(&mut self, ids: &[MessageId], fate: Fate) -> Result<(), ApiError> {
        for message in ids {
            let Some(token) = self.sends.by_message.get(message).copied() else { continue };
            let Some(Send { id, name, .. }) = self.sends.by_token.get(&token).copied() else {
                continue;
            };
            if matches!(fate, Fate::Stored | Fate::Delivered) {
                self.settled.push(token);
            }
            if fate != Fate::Stored {
                self.sends.remove(token);
            }
            if let Some(name) = name {
                self.sent(id, name, fate)?;
            }
        }
        Ok(())
    }

    fn refused(&mut self, token: Token, refusal: SendRefusal) -> Result<(), ApiError> {
        let Some(Send { id, name, .. }) = self.sends.by_token.get(&token).copied() else {
            return Ok(());
        };
        self.sends.remove(token);
        let fate = if refusal.may_pass() { Fate::NoRoom } else { Fate::Failed };
        match name {
            Some(name) => self.sent(id, name, fate),
            // An answer must not be lost.
            None if fate == Fate::NoRoom => {
                self.retry_soon();
                Ok(())
            }
            None => self.drop_send(token),
        }
    }

    fn sent(&mut self, id: TransferId, name: EventName, fate: Fate) -> Result<(), ApiError> {
        let Some(desk) = &mut self.desk else { return Ok(()) };
        let effects = desk.handle(Input::Sent { id, name, fate });
        if effects.is_empty() { Ok(()) } else { self.carry_out(effects, None) }
    }
}

/// What became of a message that was sent before.
pub(super) const fn fate_of(place: SendPlace) -> Option<Fate> {
    match place {
        SendPlace::Unsent | SendPlace::Draft | SendPlace::Outbox(_, Status::Queued) => None,
        SendPlace::Outbox(_, Status::Stored) => Some(Fate::Stored),
        SendPlace::Outbox(_, Status::Delivered) => Some(Fate::Delivered),
        SendPlace::Outbox(_, Status::Failed(_)) => Some(Fate::Failed),
    }
}
