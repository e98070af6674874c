//! `sealpost daemon`.

use std::os::unix::net::UnixListener;

use listenfd::ListenFd;
use sd_notify::NotifyState;
use sealpost_programs::{Failure, Line};

use crate::hands::{OwnHome, Service};
use crate::home::Home;

/// Has the home, and serves it, until SIGINT or SIGTERM.
pub(crate) fn daemon(home: &Home) -> Result<(), Failure> {
    let service = passed_on()?.map_or(Service::Bound, Service::Adopted);
    let Some((own, notifications)) = OwnHome::take(home, &mut None, service)? else {
        return Err(home.in_use());
    };
    // Nobody reads them here.
    drop(notifications);
    own.engine.connect();
    Line::text("ready")?;
    tell_service_manager(NotifyState::Ready);
    own.engine.wait();
    tell_service_manager(NotifyState::Stopping);
    own.finish()
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
