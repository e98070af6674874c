//! Conversations that the user removes.

use sealpost_core::client::store::{ClientOp, InboxId};
use sealpost_core::ids::MessageId;

use super::bed::{Bed, in_file, of, person, said};
use crate::client::conformance::harness::user;
use crate::client::conversations::{Change, OwnChange, Peer, Visibility};
use crate::client::storage::ClientStorage;
use crate::conformance::at;

/// A conversation with the second person about apples, and one with the third.
fn talked() -> Bed {
    let mut bed = Bed::new();
    let (conversation, _) = bed.hear(2, 1, "apples");
    bed.apply(2, &Change::Edit { entry: of(2, 1), text: "two apples".into(), event: None });
    bed.apply(2, &Change::React { entry: of(2, 1), emoji: Some("🍎".into()) });
    let own = bed.say(2, 2, "apples, too");
    bed.enqueue(2, 2);
    let edit = OwnChange::Edit { text: "three apples".into(), event: None };
    bed.store().change((own, &edit), at(5), &[]).unwrap();
    bed.store().set_name(conversation, Some("Apple")).unwrap();
    bed.store().set_draft(conversation, "more apples").unwrap();
    bed.hear(3, 1, "pears");
    bed
}

fn all(bed: &mut Bed) -> usize {
    bed.store().all_before(None, u32::MAX).unwrap().len()
}

#[test]
fn settings_are_reset_and_the_history_stays() {
    let mut bed = talked();
    let id = bed.store().conversation(&person(2)).unwrap().unwrap().id;
    bed.store().set_visibility(id, Visibility::Blocked).unwrap();
    for _ in 0..2 {
        bed.store().reset_conversation(&person(2)).unwrap();
        let found = bed.store().conversation(&person(2)).unwrap().unwrap();
        assert_eq!((found.name, found.draft), (None, String::new()));
        assert_eq!(found.visibility, Visibility::Blocked);
        assert_eq!(all(&mut bed), 3);
    }
    bed.store().reset_conversation(&person(9)).unwrap();
    assert_eq!(bed.store().conversation(&person(9)), Ok(None));
}

#[test]
fn deleted_conversation_leaves_nothing() {
    let mut bed = talked();
    assert!(in_file(&mut bed, "apples"));
    let waiting = bed.arrive(2);
    bed.store().delete_conversation(&person(2)).unwrap();
    assert_eq!(bed.store().conversation(&person(2)), Ok(None));
    assert_eq!((all(&mut bed), bed.store().search("apples", None, None, 9)), (1, Ok(vec![])));
    assert!(!in_file(&mut bed, "apple"), "words of the index, too");
    // What was to be sent still goes, and its receipt counts.
    assert_eq!(bed.store().load().unwrap().outbox.len(), 1);
    bed.deliver(2, 2);
    // What was not applied yet begins another conversation.
    let kept = bed.store().inbox_after(InboxId(waiting.place.0 - 1), 9).unwrap();
    assert_eq!(kept, std::slice::from_ref(&waiting));
    let change = Change::Append(said(9, "plums"));
    bed.store().apply(&waiting, &person(2), &change).unwrap();
    assert_eq!(all(&mut bed), 2);
}

#[test]
fn blocked_person_stays_blocked_without_a_history() {
    let mut bed = talked();
    let peer: Peer = person(2);
    let id = bed.store().conversation(&peer).unwrap().unwrap().id;
    bed.store().set_visibility(id, Visibility::Blocked).unwrap();
    bed.store().delete_conversation(&peer).unwrap();
    let found = bed.store().conversation(&peer).unwrap().unwrap();
    assert_eq!((found.visibility, found.last, found.unread), (Visibility::Blocked, None, 0));
    bed.commit(ClientOp::MarkStored(vec![(user(2), MessageId(2))]));
}
