//! The safety number of a contact, and the question about a changed key.

use sealpost_messenger::api::{Contact, KeyTrust, Peer, PhoneNumber};

use super::panel::{Panel, Paragraphs};
use crate::model::Model;
use crate::text::clip;
use crate::theme::Tone;

/// The panel of a contact's key.
pub(super) fn panel(model: &Model, phone: PhoneNumber, columns: usize) -> Panel<'static> {
    let name = model.name(Peer::Person(phone));
    let name = clip(&name, 30);
    let mut text = Paragraphs::new(columns);
    let hint = match model.contacts.get(&phone) {
        None => {
            text.say(Tone::Text, "Nothing is known of this key yet.");
            "Esc"
        }
        Some(Contact { offered: Some(offered), safety_number, .. }) => {
            text.say(
                Tone::Text,
                &format!(
                    "{name} has another key. Either they have a new device, or somebody sits between \
                     you. Compare the new number by voice, or face to face."
                ),
            );
            text.say(Tone::Faint, "The number that you know:");
            text.say_number(Tone::Text, safety_number);
            text.say(Tone::Faint, "The number with the new key:");
            text.say_number(Tone::Strong, &offered.safety_number);
            text.say(Tone::Text, "v  It is the same on their screen: trust the key, as verified.");
            text.say(Tone::Text, "a  Accept it without comparing.");
            text.say(Tone::Text, "Esc  Not now: nothing is sent.");
            "v · a · Esc"
        }
        Some(contact) => {
            text.say(
                Tone::Text,
                &format!("If nobody sits between you and {name}, both screens show this number:"),
            );
            text.say_number(Tone::Strong, &contact.safety_number);
            match contact.trust {
                KeyTrust::Verified => {
                    text.say(Tone::Seen, "You have compared it.");
                    "Esc"
                }
                KeyTrust::FirstUse => {
                    text.say(Tone::Text, "v  It is the same: mark as verified.");
                    "v · Esc"
                }
            }
        }
    };
    let title = format!("Safety number with {name}");
    Panel::new(title, hint).with_lines(text.into_lines())
}
