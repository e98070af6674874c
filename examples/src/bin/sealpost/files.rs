//! `sealpost files`.

use std::time::Duration;

use sealpost_messenger::api::{
    AcceptFile, CancelFile, ConversationParams, Empty, EntryParams, ListFiles, ListFilesParams,
    Method, RefuseFile, UpdateConversation,
};
use sealpost_programs::Failure;

use crate::files_args::{FilesArgs, FilesTask};
use crate::hands::{Hands, failure, subscribe_changes};
use crate::home::Home;
use crate::transfer::{self, Goal};

/// Lists files, or does something about one.
pub(crate) fn files(home: &Home, args: &FilesArgs) -> Result<(), Failure> {
    home.look_for_account()?;
    let format = args.format.format();
    match args.task.clone().unwrap_or(FilesTask::List { limit: LISTED }) {
        FilesTask::List { limit } => {
            let listed = call::<ListFiles>(home, &ListFilesParams { limit })?;
            listed.entries.iter().try_for_each(|entry| transfer::print(entry, format))
        }
        FilesTask::Accept { entry, no_wait, timeout } => {
            let goal = if no_wait { Goal::Begun } else { Goal::Complete };
            let accept = |hands: &Hands| {
                let accepted = hands.call::<AcceptFile>(&EntryParams { entry });
                accepted.map(|Empty {}| entry).map_err(|error| failure(&error))
            };
            let entry = transfer::follow(home, accept, goal, Duration::from_secs(timeout))?;
            transfer::print(&entry, format)
        }
        FilesTask::Refuse { entry } => call::<RefuseFile>(home, &EntryParams { entry }).map(drop),
        FilesTask::Cancel { entry } => call::<CancelFile>(home, &EntryParams { entry }).map(drop),
        FilesTask::AcceptUpTo { bytes, from } => call_with::<UpdateConversation>(home, |hands| {
            Ok(ConversationParams {
                accept_files_up_to: Some(bytes),
                ..ConversationParams::of(from.peer(&hands.owner)?)
            })
        })
        .map(drop),
    }
}

/// Calls a method, which may be repeated.
fn call<M: Method>(home: &Home, params: &M::Params) -> Result<M::Result, Failure>
where
    M::Params: Clone,
{
    call_with::<M>(home, |_| Ok(params.clone()))
}

/// As [`call`], with parameters that are looked up first.
fn call_with<M: Method>(
    home: &Home,
    params: impl Fn(&Hands) -> Result<M::Params, Failure>,
) -> Result<M::Result, Failure> {
    loop {
        let hands = Hands::take(home, subscribe_changes)?;
        let done = params(&hands)
            .and_then(|params| hands.call::<M>(&params).map_err(|error| failure(&error)));
        hands.tell_warnings()?;
        let is_lost = hands.is_lost();
        hands.finish()?;
        match done {
            Err(_) if is_lost => {}
            done => return done,
        }
    }
}

/// Files that are listed unless another count is asked for.
const LISTED: u32 = 50;
