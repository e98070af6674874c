//! Files that are sent and received.

use sealpost_messenger::api::{
    ApiError, Body, Empty, Entry, EntryParams, ErrorKind, FileState, Peer, Progress,
    SendFileParams, SendResult,
};

use super::methods::{not_found, sent};
use super::story;
use super::world::{Plan, World};

pub(super) fn send_file(
    world: &mut World,
    params: &SendFileParams,
) -> Result<SendResult, ApiError> {
    let with = params.recipient;
    if matches!(with, Peer::Group(_)) {
        return Err(ErrorKind::NotFound.error("there is no such group"));
    }
    if params.path.ends_with('/') {
        return Err(ErrorKind::NotFound.error(format!("{} is a folder", params.path)));
    }
    let name = params.path.rsplit('/').next().unwrap_or_default();
    let mut entry = world.sent(with, story::file(name, "image/png", 2_345_678, &params.caption));
    entry.progress = Some(Progress::Delivered);
    entry.copies = world.copies(with);
    let entry = world.add(entry);
    plan_transfer(world, entry);
    Ok(sent(entry))
}

pub(super) fn accept_file(world: &mut World, params: EntryParams) -> Result<Empty, ApiError> {
    let entry = world.entries.iter().find(|entry| entry.entry == params.entry);
    let body = &entry.ok_or_else(not_found)?.body;
    if !matches!(body, Body::File { state: FileState::Offered, .. }) {
        return Err(ErrorKind::NotAllowed.error("not an offer that awaits an answer"));
    }
    plan_transfer(world, params.entry);
    Ok(Empty {})
}

fn plan_transfer(world: &mut World, entry: u64) {
    for (secs, percent) in [(1, 12), (2, 47), (3, 81), (4, 100)] {
        world.plan(secs, Plan::Transfer { entry, percent });
    }
}

pub(super) fn end_file(
    world: &mut World,
    params: EntryParams,
    end: FileState,
) -> Result<Empty, ApiError> {
    let change = |entry: &mut Entry| {
        if let Body::File { state, .. } = &mut entry.body {
            *state = end;
        }
    };
    world.change(params.entry, change).ok_or_else(not_found)?;
    Ok(Empty {})
}
