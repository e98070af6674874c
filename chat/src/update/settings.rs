//! Settings of the open conversation: for how long it is muted, and how long messages stay.

use sealpost_messenger::api::{ConversationParams, Mute, Time};

use super::Effect;
use crate::Request;
use crate::model::{Model, Overlay};

/// How long a conversation can be muted, and how that is called.
pub(crate) const MUTES: [(&str, MuteFor); 5] = [
    ("for 1 hour", MuteFor::Secs(3600)),
    ("for 8 hours", MuteFor::Secs(8 * 3600)),
    ("for 1 day", MuteFor::Secs(24 * 3600)),
    ("always", MuteFor::Ever),
    ("not", MuteFor::Never),
];

/// For how long a conversation is muted.
#[derive(Clone, Copy, Debug)]
pub(crate) enum MuteFor {
    Secs(i64),
    Ever,
    Never,
}

/// Seconds after which messages can disappear, and how that is called.
pub(crate) const EXPIRIES: [(&str, u32); 8] = [
    ("never", 0),
    ("after 30 seconds", 30),
    ("after 5 minutes", 5 * 60),
    ("after 1 hour", 3600),
    ("after 8 hours", 8 * 3600),
    ("after 1 day", 24 * 3600),
    ("after 1 week", 7 * 24 * 3600),
    ("after 4 weeks", 28 * 24 * 3600),
];

/// Mutes the open conversation for the length that was chosen.
pub(super) fn mute(model: &Model, chosen: usize, effects: &mut Vec<Effect>) {
    let Some(thread) = &model.thread else { return };
    let Some((_, length)) = MUTES.get(chosen) else { return };
    let mute = match length {
        MuteFor::Secs(secs) => Mute::Until(Time(model.now.0.plus_secs(*secs))),
        MuteFor::Ever => Mute::Always,
        MuteFor::Never => Mute::Off,
    };
    let params = ConversationParams { mute: Some(mute), ..ConversationParams::of(thread.with) };
    effects.push(Effect::Request(Request::Update(params)));
}

/// Asks after what time messages of the open conversation disappear. What holds now is chosen.
pub(super) fn ask_for_expiry(model: &mut Model) {
    if model.thread.is_none() {
        return;
    }
    let now = model.open_conversation().map_or(0, |open| open.expiry_seconds);
    let chosen = EXPIRIES.iter().position(|(_, secs)| *secs == now).unwrap_or(0);
    model.overlay = Some(Overlay::Expiry { chosen });
}

/// Lets messages of the open conversation disappear after the time that was chosen.
pub(super) fn expire(model: &Model, chosen: usize, effects: &mut Vec<Effect>) {
    let Some(thread) = &model.thread else { return };
    let Some((_, secs)) = EXPIRIES.get(chosen) else { return };
    let params =
        ConversationParams { expiry_seconds: Some(*secs), ..ConversationParams::of(thread.with) };
    effects.push(Effect::Request(Request::Update(params)));
}
