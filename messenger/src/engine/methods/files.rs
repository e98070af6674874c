//! Files.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use sealpost_core::client::store::Content;
use sealpost_core::event::{
    self, Caption, FileId, FileName, FileOffer, FileSize, GroupId, MediaType, PieceLen,
};
use sealpost_core::files::{Command, CommandRefusal, TransferId, limits};
use sealpost_core::ids::Phone;
use sealpost_storage::client::conversations::{
    Body, EntryId, Idempotency, Made, NewCopy, NewEntry, Peer,
};
use sealpost_storage::client::transfers::Origin;
use sha2::{Digest, Sha256};

use super::journey::Journey;
use super::sending::{event_id, idempotency_key, new_event, reused, token};
use crate::api::{
    ApiError, Empty, EntryParams, ErrorKind, FilesResult, ListFilesParams, SendFileParams,
    SendResult, WaitFor,
};
use crate::engine::clock;
use crate::engine::core::Core;
use crate::engine::entries;
use crate::engine::files::{Offered, OfferedToGroup};
use crate::engine::hub::deadline_in;
use crate::engine::methods::history::limited;
use crate::files::{Source, media_type};

impl Core {
    /// Offers a file. All of it is done in the answer: a large file takes a while to be read.
    pub(in crate::engine) fn send_file(
        self: &Arc<Self>,
        params: SendFileParams,
    ) -> Result<impl FnOnce() -> Result<SendResult, ApiError> + use<>, ApiError> {
        let deadline = deadline_in(params.timeout_seconds);
        let idempotency = idempotency(&params)?;
        let path = absolute(&params.path)?;
        let core = Arc::clone(self);
        Ok(move || {
            let SendFileParams { recipient, caption, wait_for, .. } = params;
            let file = FileToSend { path, caption, idempotency, wait_for, deadline };
            match entries::kept_peer(&recipient) {
                Peer::Person(phone) => core.send_file_to_person(phone, file),
                Peer::Group(group) => core.send_file_to_group(group, file),
            }
        })
    }

    fn send_file_to_person(
        self: &Arc<Self>,
        phone: Phone,
        file: FileToSend,
    ) -> Result<SendResult, ApiError> {
        let FileToSend { path, caption, idempotency, wait_for, deadline } = file;
        let conversation = Peer::Person(phone);
        if self.is_blocked(&conversation)? {
            return Err(ErrorKind::NotAllowed.error(format_args!(
                "{phone} is blocked, and could not answer: unblock them first"
            )));
        }
        let contact = self.known_or_looked_up(phone, deadline)?;
        let to = *contact.pinned.public_key.fingerprint();
        let source = open(&path)?;
        let offer = offer(&path, &source, &caption)?;
        let found = self.read(|store| store.conversation(&conversation))?;
        let expiry_secs = found.and_then(|found| found.expiry_secs);
        let encoded = new_event(event::Body::FileOffer(offer.clone()), expiry_secs)?;
        let entry = NewEntry {
            body: Body::File(caption),
            event_id: event_id(&encoded),
            event: Some(encoded.clone()),
            reply_to: None,
            expiry_secs,
        };
        let (token, content) = (token()?, Content::Event(encoded));
        let copy = NewCopy { token, phone, key: Some(to), content };
        let at = clock::now().0;
        let watch = self.hub.watch();
        let made = self.files.offer(Offered {
            conversation,
            to,
            offer,
            entry,
            copy,
            at,
            path,
            source,
            idempotency,
        })?;
        let journey = match made {
            Made::New(entry) => Journey::begins(entry, token, phone, wait_for),
            Made::Before(entry) => self.journey_of(entry, phone, wait_for)?,
            Made::OtherRequest => return Err(reused()),
        };
        self.follow(&watch, journey, deadline)
    }

    fn send_file_to_group(&self, group: GroupId, file: FileToSend) -> Result<SendResult, ApiError> {
        let FileToSend { path, caption, idempotency, wait_for, deadline } = file;
        let source = open(&path)?;
        let offer = offer(&path, &source, &caption)?;
        let origin = Origin { path, stamp: source.stamp().to_bytes() };
        let expiry_secs = self.expiry_of(group)?;
        let at = clock::now().0;
        let watch = self.hub.watch();
        let offered = OfferedToGroup { group, offer, expiry_secs, at, origin, idempotency };
        match self.files.offer_to_group(offered)? {
            Made::New(entry) | Made::Before(entry) => {
                self.follow_copies(&watch, entry, wait_for, deadline)
            }
            Made::OtherRequest => Err(reused()),
        }
    }

    pub(in crate::engine) fn list_files(
        &self,
        params: ListFilesParams,
    ) -> Result<FilesResult, ApiError> {
        let limit = limited(params.limit)?;
        self.read(|store| {
            let transfers = store.transfers(limit)?;
            let mut entries = self.entries(store);
            // A file for a group has several transfers.
            let ids: BTreeSet<_> = transfers.iter().filter_map(|transfer| transfer.entry).collect();
            let found: Result<Vec<_>, _> = ids.into_iter().map(|id| entries.find(id)).collect();
            Ok(FilesResult { entries: found?.into_iter().flatten().collect() })
        })
    }

    pub(in crate::engine) fn accept_file(&self, params: EntryParams) -> Result<Empty, ApiError> {
        self.command_file(params.entry, Command::Accept)
    }

    pub(in crate::engine) fn refuse_file(&self, params: EntryParams) -> Result<Empty, ApiError> {
        self.command_file(params.entry, Command::Refuse)
    }

    pub(in crate::engine) fn cancel_file(&self, params: EntryParams) -> Result<Empty, ApiError> {
        self.command_file(params.entry, Command::Cancel)
    }

    fn command_file(
        &self,
        entry: u64,
        command: fn(TransferId) -> Command,
    ) -> Result<Empty, ApiError> {
        let find = || self.read(|store| store.transfers_of_entry(EntryId(entry)));
        let mut found = find()?;
        if found.is_empty() {
            self.kept_entry(entry)?;
            // Its offer may have just arrived.
            self.files.take_over()?;
            found = find()?;
        }
        let Some(first) = found.first() else {
            return Err(ErrorKind::NotFound
                .error(format_args!("entry {entry} offers no file that can be transferred")));
        };
        let open: Vec<_> = found.iter().filter(|found| found.record.is_open()).collect();
        if open.is_empty() {
            // The machine says why not.
            return self.files.command(command(first.id)).map(|()| Empty {});
        }
        for transfer in open {
            self.files.command(command(transfer.id))?;
        }
        Ok(Empty {})
    }

    /// Gives up the transfer of an entry that is taken back, if it is not over.
    pub(in crate::engine) fn give_up_file(&self, entry: EntryId) -> Result<(), ApiError> {
        let found = self.read(|store| store.transfers_of_entry(entry))?;
        for transfer in found.iter().filter(|found| found.record.is_open()) {
            match self.files.command(Command::Cancel(transfer.id)) {
                // It is over by now.
                Err(error) if error.kind() == Some(ErrorKind::NotAllowed) => {}
                done => done?,
            }
        }
        Ok(())
    }
}

/// A file that is offered, and how long its sender waits for what.
struct FileToSend {
    path: PathBuf,
    caption: String,
    idempotency: Option<Idempotency>,
    wait_for: WaitFor,
    deadline: Instant,
}

/// The path, if it does not depend on the folder that a process is in.
fn absolute(path: &str) -> Result<PathBuf, ApiError> {
    let path = PathBuf::from(path);
    if path.is_absolute() {
        return Ok(path);
    }
    Err(ErrorKind::InvalidParams.error(format_args!(
        "path must be absolute, because the client works in another folder than its caller; {} \
         is not",
        path.display()
    )))
}

fn open(path: &Path) -> Result<Source, ApiError> {
    let source = Source::open(path).map_err(|error| {
        ErrorKind::NotFound.error(format_args!("can't send {}: {error}", path.display()))
    })?;
    if source.stamp().size > limits::FILE_BYTES {
        return Err(ErrorKind::TooLong.error(format_args!(
            "can't send {}, which has {} bytes: {}",
            path.display(),
            source.stamp().size,
            CommandRefusal::TooLarge
        )));
    }
    Ok(source)
}

fn offer(path: &Path, source: &Source, caption: &str) -> Result<FileOffer, ApiError> {
    let caption = Caption::new(caption).map_err(|error| {
        ErrorKind::TooLong.error(format_args!("the caption is too long: {error}"))
    })?;
    let sha256 = source.sha256().map_err(|error| {
        ErrorKind::NotFound.error(format_args!("can't read {}: {error}", path.display()))
    })?;
    let mut file = [0; 16];
    getrandom::fill(&mut file).map_err(ApiError::internal)?;
    let name = path.file_name().map(|name| name.to_string_lossy()).unwrap_or_default();
    Ok(FileOffer {
        file: FileId(file),
        // A name that is not UTF-8 may be longer in it.
        name: FileName::new(&*name)
            .or_else(|_| FileName::new("file"))
            .map_err(ApiError::internal)?,
        media_type: MediaType::new(media_type(path)).map_err(ApiError::internal)?,
        size: FileSize::new(source.stamp().size).map_err(ApiError::internal)?,
        sha256,
        piece_len: PieceLen::new(limits::PIECE_BYTES).map_err(ApiError::internal)?,
        caption,
    })
}

fn idempotency(params: &SendFileParams) -> Result<Option<Idempotency>, ApiError> {
    let Some(key) = idempotency_key(params.idempotency_key.as_deref())? else { return Ok(None) };
    // What is sent to whom. How long the caller waits makes no other request of it.
    let SendFileParams { recipient, path, caption, .. } = params;
    let request = serde_json::to_vec(&("sendFile", recipient, path, caption));
    let request_hash = Sha256::digest(request.map_err(ApiError::internal)?).into();
    Ok(Some(Idempotency { key, request_hash }))
}
