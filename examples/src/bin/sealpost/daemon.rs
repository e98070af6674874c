//! `sealpost daemon`.

use sealpost_programs::{Failure, Line};

use crate::hands::OwnHome;
use crate::home::Home;

/// Has the home, and serves it, until SIGINT or SIGTERM.
pub(crate) fn daemon(home: &Home) -> Result<(), Failure> {
    let Some((own, notifications)) = OwnHome::take(home, &mut None)? else {
        return Err(home.in_use());
    };
    drop(notifications);
    own.engine.connect();
    Line::text("ready")?;
    let notify = sd_notify::notify(&[sd_notify::NotifyState::Ready]);
    if let Err(error) = notify {
        tracing::warn!(%error, "can't tell the service manager that the daemon is ready");
    }
    own.engine.wait();
    own.finish()
}
