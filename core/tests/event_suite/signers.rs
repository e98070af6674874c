//! Who may say what.

use sealpost_core::event::{Body, Event, EventId, MessageText, Reference, Target};
use sealpost_core::ids::MessageId;
use sealpost_core::keys::Fingerprint;

const ALICE: Fingerprint = Fingerprint([1; 32]);
const BOB: Fingerprint = Fingerprint([2; 32]);

fn event(body: Body) -> Event {
    Event { id: EventId([7; 16]), group: None, expiry: None, body }
}

#[test]
fn only_the_author_edits_and_deletes_an_entry() {
    let target = Reference { author: ALICE, target: Target::Message(MessageId(1)) };
    let text = || MessageText::new("hi").unwrap().into();
    for body in [Body::Edit { target, text: text() }, Body::Delete { target }] {
        assert!(event(body.clone()).may_be_signed_by(&ALICE));
        assert!(!event(body).may_be_signed_by(&BOB));
    }
    for body in [
        Body::Text { text: text(), reply_to: Some(target) },
        Body::Reaction { target, emoji: None },
    ] {
        assert!(event(body).may_be_signed_by(&BOB));
    }
}

#[test]
fn an_event_is_referred_to_by_its_author_and_id() {
    let reference = event(Body::Expiry { expiry: None }).reference(ALICE);
    assert_eq!(reference, Reference { author: ALICE, target: Target::Event(EventId([7; 16])) });
}
