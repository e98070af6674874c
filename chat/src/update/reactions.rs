//! Choosing a reaction.

use sealpost_messenger::api::ReactionParams;

use super::{Effect, selection};
use crate::Request;
use crate::model::{Composer, Model, Overlay};

/// Emoji that a key offers.
const EMOJI: [&str; 8] = ["👍", "❤️", "😂", "😮", "😢", "🙏", "🎉", "👀"];

/// The emoji that are offered for an entry, by their digits, from 1 on. If the user has reacted, the
/// last one is empty and takes that back.
pub(crate) fn offered(model: &Model, entry: u64) -> Vec<&'static str> {
    let none = own(model, entry).map(|_| "");
    EMOJI.into_iter().chain(none).collect()
}

/// What the user has reacted with.
pub(crate) fn own(model: &Model, entry: u64) -> Option<&str> {
    let entry = model.thread.as_ref()?.entry(entry)?;
    let own = entry.reactions.iter().find(|reaction| reaction.from.is_none())?;
    Some(&own.emoji)
}

/// Asks for a reaction. The one that there is, is chosen.
pub(super) fn begin(model: &mut Model, entry: u64) {
    let own = own(model, entry);
    let chosen = EMOJI.iter().position(|emoji| Some(*emoji) == own).unwrap_or(0);
    model.overlay = Some(Overlay::React { entry, emoji: Composer::default(), chosen });
}

/// The place of the emoji that a digit stands for.
pub(super) fn digit(model: &Model, entry: u64, typed: &str) -> Option<usize> {
    let at = typed.parse::<usize>().ok()?.checked_sub(1)?;
    offered(model, entry).get(at).map(|_| at)
}

/// Reacts with what is typed, or else with what is chosen.
pub(super) fn react(
    model: &mut Model,
    entry: u64,
    (typed, chosen): (&str, usize),
    effects: &mut Vec<Effect>,
) {
    let typed = typed.trim();
    let offered = offered(model, entry);
    let emoji = if typed.is_empty() { offered.get(chosen).copied() } else { Some(typed) };
    if let Some(emoji) = emoji {
        let params = ReactionParams { entry, emoji: emoji.to_owned() };
        effects.push(Effect::Request(Request::React(params)));
    }
    // What is typed next is a message.
    selection::deselect(model);
}
