//! What the last rows of the screen say.

use sealpost_messenger::api::Connection;
use sealpost_messenger::foreign_text::OneLine;

use crate::model::Model;
use crate::theme::Tone;

/// What the program has to say, or else how the connection is, and what waits to be sent.
pub(crate) fn status_text(model: &Model) -> (Tone, String) {
    match &model.remark {
        Some(remark) => (Tone::Notice, remark.clone()),
        None => connection(model),
    }
}

fn connection(model: &Model) -> (Tone, String) {
    let clock = |time| model.zone.clock(time);
    let (tone, mut text) = match &model.connection {
        None => (Tone::Faint, "starting".to_owned()),
        Some(Connection::Online { .. }) => (Tone::Faint, "connected".to_owned()),
        Some(Connection::Connecting { since }) => {
            (Tone::Warning, format!("connecting since {}", clock(*since)))
        }
        Some(Connection::Offline { since, reason, next_attempt: Some(next) }) => {
            let secs = next.0.secs_since(model.now.0).max(0);
            let since = clock(*since);
            let reason = OneLine(reason);
            let text = format!("reconnecting since {since} because {reason}; again in {secs} s");
            (Tone::Warning, text)
        }
        Some(Connection::Offline { since, reason, next_attempt: None }) => {
            let (since, reason) = (clock(*since), OneLine(reason));
            (Tone::Warning, format!("offline since {since}: {reason}; M-r connects"))
        }
    };
    if model.keeping.is_incognito() {
        text = format!("incognito · {text}");
    }
    if model.queued > 0 {
        text = format!("{} waiting to be sent · {text}", model.queued);
    }
    (tone, text)
}
