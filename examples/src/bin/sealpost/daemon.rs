//! `sealpost daemon`.

use std::os::unix::net::UnixListener;
use std::sync::mpsc::Receiver;
use std::thread;
use std::time::Instant;

use listenfd::ListenFd;
use sd_notify::NotifyState;
use sealpost_messenger::api::Notification;
use sealpost_programs::{Failure, Line};

use crate::hands::{HANDOVER_MAX, HANDOVER_PAUSE, OwnHome, Service};
use crate::home::Home;

/// Has the home, and serves it, until SIGINT or SIGTERM.
pub(crate) fn daemon(home: &Home) -> Result<(), Failure> {
    let (own, notifications) = take(home)?;
    // Nobody reads them here.
    drop(notifications);
    own.engine.connect();
    Line::text("ready")?;
    tell_service_manager(NotifyState::Ready);
    own.engine.wait();
    tell_service_manager(NotifyState::Stopping);
    own.finish()
}

/// Takes the home. A command that has it for a moment, while the daemon starts, is waited for.
fn take(home: &Home) -> Result<(OwnHome, Receiver<Notification>), Failure> {
    let (socket, mut key) = (passed_on()?, None);
    let deadline = Instant::now() + HANDOVER_MAX;
    loop {
        let socket = socket.as_ref().map(UnixListener::try_clone).transpose()?;
        let service = socket.map_or(Service::Bound, Service::Adopted);
        if let Some(taken) = OwnHome::take(home, &mut key, service)? {
            return Ok(taken);
        }
        if Instant::now() >= deadline {
            return Err(home.in_use());
        }
        thread::sleep(HANDOVER_PAUSE);
    }
}

/// The socket that the service manager passed on.
fn passed_on() -> Result<Option<UnixListener>, Failure> {
    ListenFd::from_env().take_unix_listener(0).map_err(Failure::context(
        "can't use the socket that the service manager passed on; it must be a Unix stream socket",
    ))
}

fn tell_service_manager(state: NotifyState<'_>) {
    if let Err(error) = sd_notify::notify(&[state]) {
        tracing::warn!(%error, "can't tell the service manager how the daemon is");
    }
}
