#![cfg(test)]
//! What a group tells: invitations, notices, and what blocking does to both.

mod support;

use serde_json::{Value, json};
use support::group_bed::{CAROL, DAVE, GroupBed, NAME, members};
use support::{ALICE, BOB, ProgramBed, objects, until};

fn conversations(bed: &ProgramBed, home: &str) -> Vec<Value> {
    let listed = bed.sealpost(home, &["call", "listConversations"]).succeeded();
    let listed: Value = serde_json::from_str(&listed).unwrap();
    listed["conversations"].as_array().unwrap().clone()
}

/// The conversation of a home with its group.
fn conversation(bed: &ProgramBed, home: &str) -> Option<Value> {
    let is_group = |known: &Value| known["with"].as_str().unwrap().starts_with("group:");
    conversations(bed, home).into_iter().find(is_group)
}

#[test]
fn invitation_reaches_consumers_until_they_acknowledge_it_and_is_unread_until_it_was_seen() {
    let group = GroupBed::new();
    let bed = &group.bed;
    let mut dave = bed.start("dave", &["rpc"]);
    dave.line();
    let subscribe =
        r#"{"jsonrpc":"2.0","id":1,"method":"subscribeReceive","params":{"consumer":"bot"}}"#;
    dave.type_line(subscribe);
    assert!(dave.line().contains("acknowledged"));
    group.group("alice", &["invite", NAME, DAVE]);
    let received: Value = serde_json::from_str(&dave.line()).unwrap();
    let event = &received["params"]["event"];
    assert_eq!(event["type"], "invitation");
    assert_eq!((&event["from"], &event["name"]), (&json!(ALICE), &json!(NAME)));
    let invited = conversation(bed, "dave").unwrap();
    assert_eq!(invited["unread"], 1);
    assert_eq!(invited["last"]["body"]["type"], "invitation");
    assert_eq!((&invited["last"]["entry"], &invited["with"]), (&event["entry"], &event["group"]));

    // It comes again until it is acknowledged.
    dave.kill();
    let mut dave = bed.start("dave", &["rpc"]);
    dave.line();
    dave.type_line(subscribe);
    assert!(dave.line().contains("acknowledged"));
    let again: Value = serde_json::from_str(&dave.line()).unwrap();
    assert_eq!(again, received);
    let up_to = &received["params"]["place"];
    let acknowledge = json!({ "jsonrpc": "2.0", "id": 2, "method": "acknowledge",
                              "params": { "consumer": "bot", "upTo": up_to } });
    dave.type_line(&acknowledge.to_string());
    assert!(dave.line().contains(r#""id":2"#));
    let consumers = bed.sealpost("dave", &["call", "listConsumers"]).succeeded();
    assert!(consumers.contains(&format!(r#""acknowledged":{up_to}"#)), "{consumers}");

    let seen = json!({ "with": invited["with"], "upTo": invited["last"]["entry"] }).to_string();
    bed.sealpost("dave", &["call", "markRead", &seen]).succeeded();
    assert_eq!(conversation(bed, "dave").unwrap()["unread"], 0);
    group.group("dave", &["join", NAME]);
    until("Dave is in", || group.standing("dave") == "joined");
}

/// Each command has the home for a moment only, and has told the others when it ends.
#[test]
fn group_is_made_and_changed_by_short_commands() {
    let bed = ProgramBed::new();
    let server = bed.serve(&[]);
    bed.register_both(&server);
    let group = |home: &str, args: &[&str]| {
        bed.sealpost(home, &[&["group"][..], args].concat()).succeeded()
    };
    let hear = |home: &str| bed.sealpost(home, &["listen", "--count", "1"]).succeeded();
    group("alice", &["create", NAME, BOB]);
    assert!(bed.sealpost("bob", &["listen", "--seconds", "2"]).stdout.contains("invites you"));
    group("bob", &["join", NAME]);
    bed.sealpost("alice", &["listen", "--seconds", "2"]).succeeded();
    bed.sealpost("alice", &["send", NAME, "welcome"]).succeeded();
    assert!(hear("bob").contains("welcome"));
    group("bob", &["leave", NAME]);
    bed.sealpost("alice", &["listen", "--seconds", "2"]).succeeded();
    let shown = group("alice", &["list"]);
    assert!(shown.contains("1 of 1 joined"), "{shown}");
}

#[test]
fn notices_of_one_cause_are_counted_and_go_with_it() {
    let mut group = GroupBed::new();
    group.lose(2);
    let unreached = || -> Vec<String> {
        let entries = group.entries("alice");
        let texts = entries.iter().filter_map(|entry| entry["body"]["text"].as_str());
        texts.filter(|text| text.contains("gets no changes")).map(str::to_owned).collect()
    };
    group.group("alice", &["rename", NAME, "One"]);
    until("Carol is not reached", || unreached().len() == 1);
    group.group("alice", &["rename", "One", "Two"]);
    until("it is counted", || unreached().iter().any(|text| text.ends_with("(2 times)")));
    assert_eq!(unreached().len(), 1);
    group.group("alice", &["remove", "Two", CAROL]);
    until("it does not matter any more", || unreached().is_empty());
}

#[test]
fn group_is_muted_by_name_and_blocked_for_good() {
    let group = GroupBed::new();
    let bed = &group.bed;
    let said = bed.sealpost("bob", &["contacts", "mute", NAME]).succeeded();
    assert_eq!(said, format!("“{NAME}” is muted\n"));
    assert_eq!(conversation(bed, "bob").unwrap()["mute"], "always");
    let refused = bed.sealpost("alice", &["contacts", "block", NAME]).failed(4);
    assert!(refused.contains("name a successor"), "{refused}");

    bed.sealpost("bob", &["contacts", "block", NAME]).succeeded();
    until("Bob is out", || group.standing("bob") == "out");
    until("Alice knows", || members(&group.shown("alice").unwrap()).len() == 2);
    let before = group.entries("bob").len();
    group.group("alice", &["invite", NAME, BOB]);
    let sent = bed.sealpost("alice", &["send", BOB, "are you there?", "--wait", "delivered"]);
    assert_eq!(sent.sent(), "delivered");
    assert_eq!((group.standing("bob").as_str(), group.entries("bob").len()), ("out", before));
    assert_eq!(conversation(bed, "bob").unwrap()["blocked"], true);

    let listed = bed.sealpost("bob", &["contacts"]).succeeded();
    assert!(
        listed.lines().any(|line| line.contains("blocked") && line.ends_with(NAME)),
        "{listed}"
    );
    let listed = bed.sealpost("bob", &["group", "list"]).succeeded();
    assert!(listed.contains("  blocked   "), "{listed}");
    let refused = bed.sealpost("bob", &["group", "join", NAME]).failed(4);
    assert!(refused.contains("unblock it"), "{refused}");

    // What came meanwhile is gone; an invitation that nobody has answered is sent again.
    bed.sealpost("bob", &["contacts", "unblock", NAME]).succeeded();
    group.group("alice", &["invite", NAME, BOB]);
    until("the invitation comes", || group.standing("bob") == "invited");
    assert_eq!(conversation(bed, "bob").unwrap()["unread"], 1);
    group.group("bob", &["join", NAME]);
    until("Bob is in again", || group.standing("bob") == "joined");
    let member = bed.sealpost("alice", &["group", "invite", NAME, BOB]).failed(4);
    assert!(member.contains("is a member already"), "{member}");
    let nobody = bed.sealpost("bob", &["contacts", "mute", "Divers"]).failed(4);
    assert!(nobody.contains("there is no group Divers"), "{nobody}");
    assert!(!objects(&bed.sealpost("bob", &["contacts", "--json"]).succeeded()).is_empty());
}
