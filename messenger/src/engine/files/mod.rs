//! File transfers: a thread that works on them, so that no text waits for the disk.
//!
//! The thread that takes the machine's outputs only queues the events of transfers, in the store. This
//! one takes them over in the order of their arrival: the [`Desk`](crate::files::Desk) writes a piece
//! into its file, then one transaction keeps whatever follows from it, and only then are its messages
//! given to the client's machine. A crash at any point repeats the step from the queue.
//!
//! | file | content |
//! |---|---|
//! | `clerk` | the thread: what it waits for, and when it begins again |
//! | `arrivals` | events of peers, as inputs of the machine of transfers |
//! | `effects` | carries out what the machine asks for |
//! | `fates` | what became of messages |
//! | `requests` | what users want |
//! | `group` | files that are offered to a group |
//! | `notes` | what is shown of transfers beyond their records |

mod arrivals;
mod clerk;
mod effects;
mod fates;
mod group;
mod notes;
mod requests;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, Sender, SyncSender};

use sealpost_core::client::store::Token;
use sealpost_core::client::{Notice, SendRefusal};
use sealpost_core::files::Command;
use sealpost_core::ids::MessageId;
use sealpost_storage::client::conversations::Made;

use super::core::{Core, stopping};
use crate::api::ApiError;
pub(super) use group::OfferedToGroup;
pub(super) use notes::Notes;
pub(super) use requests::Offered;

/// Gives work to the thread.
#[derive(Debug)]
pub(super) struct Files {
    works: Sender<Work>,
    pub(super) notes: Notes,
}

/// Work of the thread.
#[derive(Debug)]
enum Work {
    /// An event of a transfer has been queued.
    Arrived,
    /// Everything that the server held has arrived.
    CaughtUp,
    /// Somebody has another key now.
    ContactsChanged,
    /// Something became of messages.
    Fate(MessageFate),
    /// Offers that have arrived are to be known when this is answered.
    TakeOver(SyncSender<Result<(), ApiError>>),
    /// A user wants something.
    Command(Command, SyncSender<Result<(), ApiError>>),
    /// A user offers a file.
    Offer(Box<Offered>, SyncSender<Result<Made, ApiError>>),
    /// A user offers a file to a group.
    OfferToGroup(Box<OfferedToGroup>, SyncSender<Result<Made, ApiError>>),
    /// Somebody was blocked, or a group has changed.
    GiveUp,
    Stop,
}

/// What became of messages, of transfers or not.
#[derive(Debug)]
enum MessageFate {
    Queued(Token, MessageId),
    Stored(Vec<MessageId>),
    Delivered(Vec<MessageId>),
    Failed(Vec<MessageId>),
    Refused(Token, SendRefusal),
}

impl Files {
    /// A way to give work, and where it arrives.
    pub(super) fn new() -> (Self, Inbound) {
        let (works, inbound) = mpsc::channel();
        (Self { works, notes: Notes::default() }, Inbound(inbound))
    }

    /// An event of a transfer has been queued in the store.
    pub(super) fn arrived(&self) {
        self.give(Work::Arrived);
    }

    /// Passes on what matters to transfers.
    pub(super) fn heed(&self, notice: &Notice) {
        #[expect(clippy::wildcard_enum_match_arm, reason = "few of the notices matter here")]
        let fate = match notice {
            Notice::Queued { token, id } => MessageFate::Queued(*token, *id),
            Notice::Stored { ids } => MessageFate::Stored(ids.clone()),
            Notice::Delivered { ids, .. } => MessageFate::Delivered(ids.clone()),
            Notice::Failed { ids, .. } => MessageFate::Failed(ids.clone()),
            Notice::SendRefused { token, refusal, .. } => MessageFate::Refused(*token, *refusal),
            Notice::CaughtUp { .. } => return self.give(Work::CaughtUp),
            Notice::KeyAccepted { .. } | Notice::Moved { .. } => {
                return self.give(Work::ContactsChanged);
            }
            _ => return,
        };
        self.give(Work::Fate(fate));
    }

    /// Gives a command, and waits until what follows from it is durable.
    pub(super) fn command(&self, command: Command) -> Result<(), ApiError> {
        let (answer, answered) = mpsc::sync_channel(1);
        self.give(Work::Command(command, answer));
        answered.recv().map_err(|_| stopping())?
    }

    /// Waits until transfers are known whose offers have arrived.
    pub(super) fn take_over(&self) -> Result<(), ApiError> {
        let (answer, answered) = mpsc::sync_channel(1);
        self.give(Work::TakeOver(answer));
        answered.recv().map_err(|_| stopping())?
    }

    /// Offers a file, and waits until the offer is durable.
    pub(super) fn offer(&self, offered: Offered) -> Result<Made, ApiError> {
        let (answer, answered) = mpsc::sync_channel(1);
        self.give(Work::Offer(Box::new(offered), answer));
        answered.recv().map_err(|_| stopping())?
    }

    /// Offers a file to a group, and waits until the offer is durable.
    pub(super) fn offer_to_group(&self, offered: OfferedToGroup) -> Result<Made, ApiError> {
        let (answer, answered) = mpsc::sync_channel(1);
        self.give(Work::OfferToGroup(Box::new(offered), answer));
        answered.recv().map_err(|_| stopping())?
    }

    /// Gives up transfers with people who were blocked or have left a group, without waiting for that.
    pub(super) fn give_up(&self) {
        self.give(Work::GiveUp);
    }

    pub(super) fn stop(&self) {
        self.give(Work::Stop);
    }

    fn give(&self, work: Work) {
        // The thread ends only when the engine does.
        let _ = self.works.send(work);
    }
}

/// Where work arrives.
#[derive(Debug)]
pub(super) struct Inbound(Receiver<Work>);

/// Works on transfers until the engine stops.
pub(super) fn work(core: Arc<Core>, folder: Option<PathBuf>, inbound: &Inbound) {
    clerk::Clerk::new(core, folder).work(&inbound.0);
}
