#![cfg(test)]
//! Messages in a group, one copy for each member: how far each is, and what can be done about it.

mod support;

use serde_json::{Value, json};
use support::group_bed::{CAROL, GroupBed, NAME, daemon};
use support::{BOB, objects, until};

/// The copies of an entry: each recipient, and how far it is.
fn copies(entry: &Value) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let copy = |copy: &Value| (text(&copy["to"]), text(&copy["progress"]["state"]));
    let mut copies: Vec<_> = entry["copies"].as_array().unwrap().iter().map(copy).collect();
    copies.sort();
    copies
}

fn outbox(group: &GroupBed) -> Vec<Value> {
    objects(&group.bed.sealpost("alice", &["outbox", "--json"]).succeeded())
}

#[test]
fn copy_that_fails_does_not_make_the_message_fail() {
    let mut group = GroupBed::new();
    group.lose(2);
    let sent = group.bed.sealpost("alice", &["send", NAME, "hi", "--wait", "delivered"]);
    assert!(sent.stdout.starts_with("message "), "{sent:?}");
    assert!(sent.stdout.ends_with(" delivered to 1 of 2, failed for 1\n"), "{sent:?}");
    let refused = sent.failed(4);
    assert!(refused.contains(&format!("not sent to {CAROL}: ")), "{refused}");
    let entry = group.entries("alice").pop().unwrap();
    assert_eq!(entry["progress"]["state"], "delivered");
    let [bob, carol] = [(BOB, "delivered"), (CAROL, "failed")]
        .map(|(phone, state)| (phone.to_owned(), state.to_owned()));
    assert_eq!(copies(&entry), [bob, carol]);
    let history = group.bed.sealpost("alice", &["history", NAME, "--limit", "1"]).succeeded();
    assert!(history.contains("[delivered to 1 of 2, failed for 1]: hi"), "{history}");
    assert!(history.contains(&format!("    delivered to {BOB}\n")), "{history}");
    assert!(history.trim_end().ends_with(&format!("for {CAROL}")), "{history}");

    // The one copy is sent again, and nothing else.
    let retried = group.bed.sealpost("alice", &["outbox", "retry"]).failed(4);
    assert!(retried.contains("not registered"), "{retried}");
    assert_eq!(copies(&group.entries("alice").pop().unwrap())[0].1, "delivered");
    assert_eq!(group.texts("bob").len(), 1);

    // Whoever is removed gets nothing more, not even what failed before.
    group.group("alice", &["remove", NAME, CAROL]);
    let number = entry["entry"].to_string();
    let gone = group.bed.sealpost("alice", &["outbox", "retry", &number]).failed(4);
    assert!(gone.contains("not members of the group any more"), "{gone}");
}

#[test]
fn mention_of_a_member_who_is_no_contact_has_a_number() {
    let group = GroupBed::new();
    let carol = format!("@Carol={CAROL}");
    let said = ["send", NAME, "ask @Carol", "--mention", &carol, "--wait", "delivered"];
    group.bed.sealpost("alice", &said).succeeded();
    let is_there = || group.texts("bob").iter().any(|(_, text)| text == "ask @Carol");
    until("Bob has it", is_there);
    let contacts = group.bed.sealpost("bob", &["contacts"]).succeeded();
    assert!(!contacts.contains(CAROL), "{contacts}");
    let entry = group.entries("bob").pop().unwrap();
    assert_eq!(entry["mentions"], json!([{ "start": 4, "length": 6, "number": CAROL }]));
}

#[test]
fn outbox_lists_messages_and_changes_once_and_cancels_what_waits() {
    let mut group = GroupBed::new();
    let sent = group.bed.sealpost("alice", &["send", NAME, "one", "--wait", "delivered", "--json"]);
    let first = objects(&sent.succeeded())[0]["entry"].clone();
    let words = json!({ "entry": first, "emoji": "well said" }).to_string();
    let refused = group.bed.sealpost("alice", &["call", "sendReaction", &words]).failed(2);
    assert!(refused.contains("made of emoji"), "{refused}");
    group.stop(0);
    group.stop_server();
    for (method, params) in [
        ("sendReaction", json!({ "entry": first, "emoji": "👍" })),
        ("editMessage", json!({ "entry": first, "message": "uno" })),
    ] {
        group.bed.sealpost("alice", &["call", method, &params.to_string()]).succeeded();
    }
    let listed = outbox(&group);
    let kinds: Vec<_> = listed.iter().filter_map(|it| it["change"].as_str()).collect();
    assert_eq!(kinds.len(), 2, "{listed:?}");
    for change in &listed {
        assert_eq!((&change["entry"], copies(change).len()), (&first, 2), "{change}");
    }
    let number = first.to_string();
    let refused = group.bed.sealpost("alice", &["outbox", "cancel", &number]).failed(4);
    assert!(refused.contains("is made here already"), "{refused}");
    let shown = group.bed.sealpost("alice", &["outbox"]).succeeded();
    assert!(shown.contains(&format!("edit of a message in “{NAME}” [queued]: for ")), "{shown}");
    let status = group.bed.sealpost("alice", &["status"]).succeeded();
    assert!(status.contains("messages  0 queued, 0 stored, 1 delivered, 0 failed"), "{status}");

    group.start_server();
    group.daemons.push(daemon(&group.bed, "alice"));
    until("the changes arrive", || group.texts("bob").iter().any(|(_, text)| text == "uno"));
    until("nothing waits", || outbox(&group).is_empty());
}
