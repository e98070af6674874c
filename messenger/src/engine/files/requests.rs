//! What users want.

use std::path::PathBuf;

use sealpost_core::event::FileOffer;
use sealpost_core::files::{
    Command, CommandRefusal, Direction, Input, Record, State, Told, TransferId,
};
use sealpost_core::keys::Fingerprint;
use sealpost_core::time::Timestamp;
use sealpost_storage::client::conversations::{Idempotency, Made, NewCopy, NewEntry, Peer};
use sealpost_storage::client::transfers::{NewTransfer, Origin};

use super::clerk::Clerk;
use crate::api::{ApiError, ErrorKind};
use crate::files::{Effect, Source};

/// A file that a user offers.
#[derive(Debug)]
pub(in crate::engine) struct Offered {
    pub(in crate::engine) conversation: Peer,
    /// Key of the recipient.
    pub(in crate::engine) to: Fingerprint,
    pub(in crate::engine) offer: FileOffer,
    pub(in crate::engine) entry: NewEntry,
    pub(in crate::engine) copy: NewCopy,
    pub(in crate::engine) at: Timestamp,
    pub(in crate::engine) path: PathBuf,
    pub(in crate::engine) source: Source,
    pub(in crate::engine) idempotency: Option<Idempotency>,
}

impl Clerk {
    pub(super) fn command(&mut self, command: Command) -> Result<(), ApiError> {
        if self.folder.is_none() && matches!(command, Command::Accept(_)) {
            return Err(ErrorKind::NotAllowed.error(
                "no files are kept here: sealpost chat --incognito takes them with --files DIR",
            ));
        }
        let Some(desk) = &mut self.desk else { return Err(resting()) };
        let effects = desk.handle(Input::Command(command));
        if let Some(refusal) = refusal(&effects) {
            return Err(ErrorKind::NotAllowed.error(refusal));
        }
        self.carry_out(effects, None)
    }

    pub(super) fn offer(&mut self, offered: Offered) -> Result<Made, ApiError> {
        let Offered { conversation, to, offer, entry, copy, at, path, source, idempotency } =
            offered;
        let key = idempotency.clone();
        if let Some(before) = self.core.write(move |store| store.made_before(key.as_ref(), at))? {
            return Ok(before);
        }
        let Some(desk) = &mut self.desk else { return Err(resting()) };
        let id = TransferId { direction: Direction::Outgoing, peer: to, file: offer.file };
        let origin = Origin { path: path.clone(), stamp: source.stamp().to_bytes() };
        let record = Record { offer: offer.clone(), state: State::Offered };
        desk.add_source(id, &path, source);
        let effects = desk.handle(Input::Command(Command::Send { to, offer }));
        if let Some(refusal) = refusal(&effects) {
            desk.remove_source(id);
            return Err(not_offered(refusal));
        }
        let transfer = NewTransfer { id, record, origin };
        let made = self.core.write(move |store| {
            let new = (&entry, at);
            store.begin_transfer(&conversation, new, &copy, &transfer, idempotency.as_ref())
        })?;
        match made {
            Made::New(entry) => {
                self.carry_out(effects, None)?;
                self.core.show_entry(entry);
            }
            // Somebody else has made the same request meanwhile: the machine knows a transfer that
            // did not begin.
            Made::Before(_) | Made::OtherRequest => self.open(),
        }
        Ok(made)
    }
}

pub(super) fn refusal(effects: &[Effect]) -> Option<CommandRefusal> {
    effects.iter().find_map(|effect| match effect {
        Effect::Tell(_, Told::CommandRefused(refusal)) => Some(*refusal),
        Effect::Tell(..)
        | Effect::Store(..)
        | Effect::Send(..)
        | Effect::Discard(_)
        | Effect::Saved(..)
        | Effect::DiskFailed(..) => None,
    })
}

/// The error for a file that is not offered.
pub(super) fn not_offered(refusal: CommandRefusal) -> ApiError {
    match refusal {
        CommandRefusal::TooLarge => ErrorKind::TooLong.error(refusal),
        CommandRefusal::TooMany => ErrorKind::Busy.error(refusal).with_retry_after(60),
        CommandRefusal::Exists | CommandRefusal::NotOpen | CommandRefusal::NotOffered => {
            ErrorKind::NotAllowed.error(refusal)
        }
    }
}

/// The store has failed, and is tried again.
pub(super) fn resting() -> ApiError {
    ErrorKind::Storage
        .error("file transfers rest because the disk failed; see the log, and try again")
        .with_retry_after(5)
}
