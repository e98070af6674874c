//! The thread that takes what the client machine puts out.

use std::collections::VecDeque;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, TryRecvError};
use std::time::{Duration, Instant};

use sealpost_core::client::store::InboxItem;
use sealpost_core::client::{Client, Command, Notice, OfflineReason, ServerKeyChange};
use sealpost_core::keys::Fingerprint;
use sealpost_mio::{Application, Control, DialError};

use super::clock;
use super::core::Core;
use super::timeline::APPLIED_AT_ONCE;
use crate::api::{ApiError, Changed, Connection, ErrorKind};

/// An output of the machine.
#[derive(Debug)]
pub(super) enum Output {
    /// A message that was not applied yet.
    Message(Box<InboxItem>),
    Notice(Notice),
    /// Why the server can't be reached.
    Unreachable(String),
    /// Go online after this pause.
    Connect(Duration),
    /// The host has ended.
    Ended,
}

/// Passes the machine's outputs to the thread.
pub(super) struct Forwarder(pub(super) Sender<Output>);

impl Application<Client> for Forwarder {
    fn deliver(&mut self, item: InboxItem) {
        // The receiver is gone when the engine is about to stop.
        let _ = self.0.send(Output::Message(Box::new(item)));
    }

    fn dialling_failed(&mut self, error: &DialError) {
        let _ = self.0.send(Output::Unreachable(error.to_string()));
    }

    fn notify(&mut self, notice: Notice) -> Control {
        let control = if notice == Notice::Stopped { Control::Stop } else { Control::Continue };
        if let Notice::StoreFailed { error } = &notice {
            tracing::error!(%error, "an operation of the client's database failed");
        }
        let _ = self.0.send(Output::Notice(notice));
        control
    }
}

/// Takes outputs until the machine has stopped.
pub(super) fn take(core: &Core, outputs: &Receiver<Output>) {
    let mut connect_at = None;
    let mut expire_at = Instant::now();
    // Messages are applied in order: one that the store can't take waits, and those after it.
    let mut backlog = VecDeque::new();
    // What came behind messages that arrived together.
    let mut behind = None;
    loop {
        let retry_at = (!backlog.is_empty()).then(|| Instant::now() + RETRY);
        let next = [connect_at, retry_at].into_iter().flatten().fold(expire_at, Instant::min);
        let output = match behind.take() {
            Some(output) => Ok(output),
            None => outputs.recv_timeout(next.saturating_duration_since(Instant::now())),
        };
        match output {
            Ok(Output::Message(item)) => {
                backlog.push_back(item);
                behind = gather(outputs, &mut backlog);
            }
            Ok(Output::Unreachable(reason)) => core.hub.note_unreachable(reason),
            Ok(Output::Connect(pause)) => connect_at = Some(Instant::now() + pause),
            Ok(Output::Notice(Notice::Stopped) | Output::Ended)
            | Err(RecvTimeoutError::Disconnected) => return,
            Ok(Output::Notice(notice)) => {
                heed(core, &notice);
                core.files.heed(&notice);
                core.hub.tell(notice);
            }
            Err(RecvTimeoutError::Timeout) => {}
        }
        apply(core, &mut backlog);
        if connect_at.is_some_and(|at| at <= Instant::now()) {
            connect_at = None;
            core.hub.set_connection(&Connection::Connecting { since: clock::now() });
            core.handle.command(Command::Connect);
        }
        if expire_at <= Instant::now() {
            expire_at = Instant::now() + EXPIRY_PAUSE;
            log_failure(core.expire(), "can't overwrite messages that have expired");
            log_failure(core.send_posts(), "can't send again what a group could not send");
        }
    }
}

/// Takes the messages that have arrived by now, so that one transaction applies them. Returns the
/// output after them, if there is one.
fn gather(outputs: &Receiver<Output>, backlog: &mut VecDeque<Box<InboxItem>>) -> Option<Output> {
    while backlog.len() < APPLIED_AT_ONCE {
        match outputs.try_recv() {
            Ok(Output::Message(item)) => backlog.push_back(item),
            Ok(other) => return Some(other),
            Err(TryRecvError::Empty | TryRecvError::Disconnected) => return None,
        }
    }
    None
}

fn apply(core: &Core, backlog: &mut VecDeque<Box<InboxItem>>) {
    while !backlog.is_empty() {
        let received = core.receive(backlog.make_contiguous());
        let Ok(taken) = received else {
            return log_failure(received, "can't take over messages that arrived; trying again");
        };
        backlog.drain(..taken);
    }
}

/// Logs a failure, unless the engine is about to stop. Whatever failed then is repeated by the next one.
fn log_failure<T>(done: Result<T, ApiError>, what: &'static str) {
    match done {
        Err(error) if error.kind() != Some(ErrorKind::Unavailable) => {
            tracing::error!(%error, "{what}");
        }
        Ok(_) | Err(_) => {}
    }
}

/// Shows what a notice says.
fn heed(core: &Core, notice: &Notice) {
    let since = clock::now();
    match notice {
        Notice::Online { pending, endpoint } => {
            core.hub.note_endpoint(*endpoint);
            core.hub.take_unreachable();
            let waiting = Some(pending.unwrap_or(0));
            core.hub.set_connection(&Connection::Online { since, waiting });
        }
        Notice::CaughtUp { .. } => {
            core.hub.set_connection(&Connection::Online { since, waiting: None });
        }
        // Otherwise the process is about to end.
        Notice::Offline { reason, retry_in } if *reason != OfflineReason::Requested => {
            let reason = match core.hub.take_unreachable() {
                Some(unreachable) => format!("{reason}: {unreachable}"),
                None => reason.to_string(),
            };
            let next_attempt = retry_in.map(|pause| clock::after(since, pause));
            core.hub.set_connection(&Connection::Offline { since, reason, next_attempt });
        }
        Notice::Stored { ids } | Notice::Delivered { ids, .. } => {
            core.progressed(ids);
            core.reached(ids);
        }
        Notice::HeldBack { id, code } => core.held_back(*id, *code),
        Notice::Failed { ids, failure } => {
            core.progressed(ids);
            core.given_up(ids, *failure);
        }
        Notice::Queued { token, .. } => core.token_progressed(*token),
        Notice::SendRefused { token, refusal, content, .. } => {
            core.refused(*token, *refusal, content.clone());
        }
        Notice::Found { phone, .. }
        | Notice::KeyChanged { phone, .. }
        | Notice::Verified { phone } => core.contact_changed(*phone),
        Notice::KeyAccepted { phone, .. } | Notice::OfferWithdrawn { phone } => {
            core.contact_changed(*phone);
            core.key_settled(*phone);
        }
        Notice::Moved { phone, .. } => {
            core.contact_changed(*phone);
            warn(core, format!("{phone} has registered again, with the same key"));
        }
        Notice::ClockOffset { secs } if *secs < 0 => warn(
            core,
            format!("the clock of this device is {} s ahead of the server's", secs.unsigned_abs()),
        ),
        Notice::ClockOffset { secs } => {
            warn(core, format!("the clock of this device is {secs} s behind the server's"));
        }
        Notice::UnknownError { code, text } => {
            warn(core, format!("the server refused with the error {}: {text}", code.code()));
        }
        Notice::ServerKey { change, fingerprint } => {
            warn(core, server_key_changed(*change, fingerprint));
        }
        Notice::Suspicious { suspicion } => warn(core, format!("suspicious: {suspicion:?}")),
        Notice::StoreFailed { .. } => {
            warn(core, "the database failed; see the log of the program".into());
        }
        Notice::Offline { .. }
        | Notice::OtpRequested { .. }
        | Notice::OtpRejected { .. }
        | Notice::Registered { .. }
        | Notice::RegistrationFailed { .. }
        | Notice::Kept { .. }
        | Notice::NotCancelled { .. }
        | Notice::Forgotten { .. }
        | Notice::LookupFailed { .. }
        | Notice::KeyMismatch { .. }
        | Notice::Misuse { .. }
        | Notice::Stopped => {}
    }
}

/// What a change of the server's key means, in words.
pub fn server_key_changed(change: ServerKeyChange, key: &Fingerprint) -> String {
    match change {
        ServerKeyChange::Announced => {
            format!("the server changes its key: the next one is sha256:{key}")
        }
        ServerKeyChange::Missing => format!(
            "the server uses its former key again, and does not have sha256:{key}: ask its \
             operator whether it was restored from a backup"
        ),
        ServerKeyChange::Replaced => {
            format!("the server has another key now, and another address: sha256:{key}")
        }
    }
}

fn warn(core: &Core, text: String) {
    core.hub.show(&Changed::Warning { text });
}

/// Pause before the store is asked again to take a message.
const RETRY: Duration = Duration::from_secs(1);
/// Pause between two looks whether messages have expired.
const EXPIRY_PAUSE: Duration = Duration::from_secs(20);
