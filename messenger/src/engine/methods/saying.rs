//! What the user says in a group, and how far its copies have come.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Instant;

use sealpost_core::client::Notice;
use sealpost_core::event::{self, EncodedEvent, GroupId};
use sealpost_core::groups::{Command, GroupCommand, Input, ItemId, Mine, Standing};
use sealpost_core::keys::Fingerprint;
use sealpost_storage::client::conversations::{
    Body, EntryId, GroupStep, NewCopy, NewEntry, Peer, Progress as Kept, Saying,
};

use super::groups::{refused, unknown};
use super::sending::{event_id, idempotency, no_entry, reused, text_of};
use crate::api::{ApiError, ErrorKind, Progress, SendParams, SendResult, WaitFor};
use crate::engine::core::{Core, stopping};
use crate::engine::groups::{Cause, Own, Turned};
use crate::engine::hub::{Vain, Watch, deadline_in};
use crate::engine::{changes, entries};

impl Core {
    /// Sends a text to everybody else who has joined a group.
    pub(in crate::engine) fn send_to_group(
        self: &Arc<Self>,
        group: GroupId,
        params: &SendParams,
    ) -> Result<impl FnOnce() -> Result<SendResult, ApiError> + use<>, ApiError> {
        let deadline = deadline_in(params.timeout_seconds);
        let idempotency = idempotency(params)?;
        let text = text_of(params)?;
        let peer = Peer::Group(group);
        let reply_to = params.reply_to.map(|entry| self.name_in(&peer, entry)).transpose()?;
        let own = self.public_key.fingerprint();
        let body = event::Body::Text {
            text: self.annotated(&text, &params.mentions)?,
            reply_to: reply_to.map(|name| changes::reference(&name, own)),
        };
        let expiry_secs = self.expiry_of(group)?;
        let step = move |encoded: EncodedEvent, copies: Vec<NewCopy>| {
            let new = NewEntry {
                body: Body::Text(text),
                event_id: event_id(&encoded),
                event: Some(encoded),
                reply_to,
                expiry_secs,
            };
            let transfers = Vec::new();
            GroupStep::Say(Box::new(Saying { group, new, copies, transfers, idempotency }))
        };
        // Before the machine can answer.
        let watch = self.hub.watch();
        let turned = self.say_in_group(group, body, expiry_secs, step)?;
        if turned.done.is_other_request {
            return Err(reused());
        }
        let entry = turned.entry().ok_or_else(|| ApiError::internal("no entry was made"))?;
        let (core, wait) = (Arc::clone(self), params.wait_for);
        Ok(move || core.follow_copies(&watch, entry, wait, deadline))
    }

    /// Sends an event to everybody else who has joined a group.
    pub(in crate::engine) fn say_in_group(
        &self,
        group: GroupId,
        body: event::Body,
        expiry_secs: Option<u32>,
        step: impl FnOnce(EncodedEvent, Vec<NewCopy>) -> GroupStep + 'static,
    ) -> Result<Turned, ApiError> {
        let has_others = self.with_groups(|groups| {
            let record = groups.group(group).ok_or_else(|| unknown(group))?;
            let others =
                record.state().joined().filter(|key| **key != *self.public_key.fingerprint());
            Ok(record.mine() != Mine::Joined || others.count() > 0)
        })??;
        if !has_others {
            return Err(ErrorKind::NotAllowed
                .error("nobody else has joined the group yet, so nobody would get the message"));
        }
        let expiry = expiry_secs
            .map(|secs| event::ExpirySecs::new(u64::from(secs)))
            .transpose()
            .map_err(ApiError::internal)?;
        // The machine decides who gets it; the item is needed by nobody.
        let send = Command::In(group, GroupCommand::Send(ItemId(0)));
        let turned = self.group_turn(Cause {
            inputs: vec![Input::Command(send)],
            own: Some(Own { body, expiry, step: Box::new(step) }),
            ..Cause::default()
        })?;
        turned.refused.map_or(Ok(turned), |why| Err(refused(why)))
    }

    /// Keys of those to whom a file goes that is offered in a group: everybody else who has joined, and is
    /// not blocked. None if the user has left.
    pub(in crate::engine) fn takers_in(
        &self,
        group: GroupId,
    ) -> Result<BTreeSet<Fingerprint>, ApiError> {
        let own = *self.public_key.fingerprint();
        let others: Vec<_> = self.with_groups(|groups| {
            let record = groups.group(group).filter(|record| record.mine() == Mine::Joined);
            let members = record.into_iter().flat_map(|record| {
                let members = &record.state().parts().members;
                members.iter().filter(|(key, member)| {
                    member.standing == Standing::Joined && **key != own && !record.is_excluded(key)
                })
            });
            members.map(|(key, member)| (*key, member.phone)).collect()
        })?;
        let mut takers = BTreeSet::new();
        for (key, phone) in others {
            takers.extend((!self.is_blocked(&Peer::Person(phone))?).then_some(key));
        }
        Ok(takers)
    }

    /// How long texts of a group live, in seconds.
    pub(super) fn expiry_of(&self, group: GroupId) -> Result<Option<u32>, ApiError> {
        self.with_groups(|groups| {
            let record = groups.group(group)?;
            Some(record.state().parts().expiry_secs).filter(|secs| *secs > 0)
        })
    }

    /// Waits until every copy of an entry has got as far as requested, or has failed.
    pub(super) fn follow_copies(
        &self,
        watch: &Watch,
        entry: EntryId,
        wait: WaitFor,
        deadline: Instant,
    ) -> Result<SendResult, ApiError> {
        let enough = match wait {
            WaitFor::Queued => Kept::Queued,
            WaitFor::Stored => Kept::Stored,
            WaitFor::Delivered => Kept::Delivered,
        };
        loop {
            let found = self.read(|store| store.entry(entry))?.ok_or_else(|| no_entry(entry.0))?;
            let is_over = |progress: Kept| progress >= enough || progress.has_failed();
            if found.copies.iter().all(|copy| is_over(copy.progress)) {
                let progress = found.progress().map_or(Progress::Queued, entries::progress);
                let copies = found.copies.iter().map(entries::copy).collect();
                return Ok(SendResult { entry: entry.0, message_id: None, progress, copies });
            }
            if self.hub.has_given_up() {
                return Err(self.copies_kept(entry));
            }
            match watch.until(deadline, |notice| is_progress(notice).then_some(())) {
                // The store says how far the copies are, once it has committed.
                Ok(()) => self.settle(),
                Err(Vain::Stopped) => return Err(stopping().with_entry(entry.0)),
                Err(Vain::TimedOut) => return Err(self.copies_kept(entry)),
            }
        }
    }

    fn copies_kept(&self, entry: EntryId) -> ApiError {
        let why = self.hub.trouble();
        ErrorKind::KeptForLater
            .error(format_args!(
                "not every member's copy of the message got far enough in time{why}; those that \
                 did not are kept, and sent later"
            ))
            .with_entry(entry.0)
    }
}

/// Whether a notice says how far a message has come.
const fn is_progress(notice: &Notice) -> bool {
    matches!(
        notice,
        Notice::Queued { .. }
            | Notice::Kept { .. }
            | Notice::SendRefused { .. }
            | Notice::Stored { .. }
            | Notice::Delivered { .. }
            | Notice::Failed { .. }
            | Notice::Offline { retry_in: None, .. }
    )
}
