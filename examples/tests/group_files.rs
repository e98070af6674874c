#![cfg(test)]
//! Files in a group, sent to each member apart.

mod support;

use std::fs;
use std::path::PathBuf;

use serde_json::{Value, json};
use support::group_bed::{CAROL, GroupBed, NAME, daemon};
use support::{ALICE, BOB, objects, until};

fn files(group: &GroupBed, home: &str) -> Vec<Value> {
    objects(&group.bed.sealpost(home, &["files", "--json"]).succeeded())
}

/// The last file of a home.
fn file(group: &GroupBed, home: &str) -> Value {
    files(group, home).pop().unwrap_or_default()
}

fn state(group: &GroupBed, home: &str) -> String {
    file(group, home)["body"]["state"].as_str().unwrap_or_default().to_owned()
}

/// How far the file is that Alice sends, for a member.
fn state_for(group: &GroupBed, phone: &str) -> String {
    let file = file(group, "alice");
    let recipients = file["body"]["recipients"].as_array().unwrap();
    let found = recipients.iter().find(|recipient| recipient["to"] == phone).unwrap();
    found["state"].as_str().unwrap().to_owned()
}

/// Alice offers a file to the group. Returns its number in the homes of Bob and Carol.
fn offer(group: &GroupBed, content: &[u8]) -> [String; 2] {
    let before = files(group, "carol").len();
    let path = group.bed.path("notes.txt");
    fs::write(&path, content).unwrap();
    let path = path.to_str().unwrap();
    let send = ["send", "--file", path, NAME, "see", "--wait", "stored"];
    group.bed.sealpost("alice", &send).succeeded();
    ["bob", "carol"].map(|home| {
        until("the offer arrives", || files(group, home).len() > before);
        file(group, home)["entry"].to_string()
    })
}

fn decide(group: &GroupBed, home: &str, args: &[&str]) -> String {
    group.bed.sealpost(home, &[&["files"], args].concat()).succeeded()
}

fn saved(group: &GroupBed, home: &str) -> Vec<u8> {
    let path = file(group, home)["body"]["path"].as_str().unwrap().to_owned();
    fs::read(PathBuf::from(path)).unwrap()
}

#[test]
fn each_member_decides_about_a_file_and_the_sender_sees_one_entry() {
    let mut group = GroupBed::new();
    let content = vec![7; 300_000];
    let [bob, carol] = offer(&group, &content);
    let shown = file(&group, "bob");
    assert_eq!((&shown["from"], &shown["groupName"]), (&json!(ALICE), &json!(NAME)));
    assert_eq!(shown["body"]["text"], "see");
    assert_eq!(state(&group, "alice"), "offered");

    // The offers outlive everybody's restart.
    group.stop(0);
    group.daemons.insert(0, daemon(&group.bed, "alice"));
    let accepted = decide(&group, "bob", &["accept", &bob]);
    assert!(accepted.contains(&format!("from {ALICE} in “{NAME}”")), "{accepted}");
    assert_eq!(saved(&group, "bob"), content);
    until("Alice knows that Bob has it", || state_for(&group, BOB) == "complete");
    assert_eq!(state(&group, "alice"), "offered", "Carol has not answered");
    decide(&group, "carol", &["refuse", &carol]);
    until("Alice knows that Carol does not want it", || state_for(&group, CAROL) == "refused");
    let sent = file(&group, "alice");
    assert_eq!(
        (&sent["body"]["state"], &sent["body"]["done"]),
        (&json!("complete"), &300_000.into())
    );
    assert_eq!(sent["body"]["reason"], "of 2: 1 has it, 1 did not want it");
    assert_eq!(files(&group, "alice").len(), 1, "one file, whatever the count of members");
    let listed = decide(&group, "alice", &[]);
    assert!(listed.contains(&format!("300000 B to “{NAME}”  notes.txt")), "{listed}");
    assert!(listed.contains(&format!("B to {CAROL}")), "{listed}");
    assert_eq!(group.entries("alice").iter().filter(|it| it["body"]["type"] == "file").count(), 1);

    // Without asking, if that is the setting of the group.
    decide(&group, "carol", &["accept-up-to", "1000000", NAME]);
    offer(&group, b"hello");
    until("Carol has it", || state(&group, "carol") == "complete");
    assert_eq!(saved(&group, "carol"), b"hello");
    let sent = file(&group, "alice")["entry"].to_string();
    decide(&group, "alice", &["cancel", &sent]);
    until("Bob knows that it was given up", || state(&group, "bob") == "cancelled");
    assert_eq!(state_for(&group, CAROL), "complete");
}

#[test]
fn file_does_not_go_to_whoever_is_removed_or_blocked() {
    let group = GroupBed::new();
    offer(&group, b"hello");
    group.group("alice", &["remove", NAME, CAROL]);
    until("her transfer is given up", || state_for(&group, CAROL) == "cancelled");
    until("she knows", || state(&group, "carol") == "cancelled");
    assert_eq!(state_for(&group, BOB), "offered");
    let said = group.bed.sealpost("alice", &["contacts", "block", BOB]).succeeded();
    assert!(said.contains("is blocked"), "{said}");
    until("his transfer is given up", || state_for(&group, BOB) == "cancelled");
    until("he knows", || state(&group, "bob") == "cancelled");
    let path = group.bed.path("notes.txt");
    let send = ["send", "--file", path.to_str().unwrap(), BOB];
    let refused = group.bed.sealpost("alice", &send).failed(4);
    assert!(refused.contains("unblock them first"), "{refused}");

    // Life is as it was once he is unblocked.
    group.bed.sealpost("alice", &["contacts", "unblock", BOB]).succeeded();
    let before = files(&group, "bob").len();
    let send = ["send", "--file", path.to_str().unwrap(), BOB, "--wait", "stored"];
    group.bed.sealpost("alice", &send).succeeded();
    until("the offer arrives", || files(&group, "bob").len() > before);
    let number = file(&group, "bob")["entry"].to_string();
    decide(&group, "bob", &["accept", &number]);
    until("it is complete", || state(&group, "alice") == "complete");
}
