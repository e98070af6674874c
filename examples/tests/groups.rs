#![cfg(test)]
#![expect(clippy::print_stdout, reason = "prints the seed")]
//! Groups of real clients: people join, talk, are removed, and are killed in between.
//!
//! `SEALPOST_SEED` sets the seed of the moments of kills, `SEALPOST_KILLS` how many there are.

mod support;

use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use sealpost_core::client::store::Content;
use sealpost_core::entropy::Entropy;
use sealpost_core::event::{self, Body, EncodedEvent, Event};
use sealpost_core::groups::{
    GroupName, GroupRequest, GroupTag, Member, Parts, Role, Standing, State, StateHash,
};
use sealpost_core::keys::PublicKey;
use sealpost_messenger::api::GroupId;
use serde_json::{Value, json};
use support::group_bed::{CAROL, DAVE, GroupBed, NAME, PEOPLE, daemon, keys, members};
use support::sender::{send_contents, sign_state};
use support::{BOB, ProgramBed, objects, until};

#[test]
fn group_of_three_talks_and_whoever_is_removed_gets_nothing_more() {
    let mut group = GroupBed::new();
    let carol = group.daemons.pop().unwrap();
    assert_eq!(carol.stop().status.code(), Some(0));
    let listener = group.bed.start("carol", &["listen", "--json"]);
    listener.event("caught-up");
    group.send("bob", "hello");
    let heard = listener.event("message");
    assert_eq!((&heard["text"], &heard["from"]), (&json!("hello"), &json!(BOB)));
    assert_eq!(heard["group_name"], NAME);
    assert!(heard["group"].as_str().unwrap().starts_with("group:"), "{heard}");

    let sent = group.bed.sealpost("alice", &["send", NAME, "hi", "--wait", "delivered", "--json"]);
    let sent = objects(&sent.succeeded()).remove(0);
    assert_eq!(sent["progress"]["state"], "delivered");
    let entry = sent["entry"].as_u64().unwrap();
    let edit = json!({ "entry": entry, "message": "hi, all" }).to_string();
    group.bed.sealpost("alice", &["call", "editMessage", &edit]).succeeded();
    assert_eq!(listener.event("edited")["text"], "hi, all");
    assert_eq!(listener.stop().status.code(), Some(0));

    group.group("alice", &["remove", NAME, CAROL]);
    until("Bob knows", || members(&group.shown("bob").unwrap()).len() == 2);
    for home in ["alice", "bob"] {
        group.send(home, &format!("without carol, {home}"));
    }
    until("the others hear it", || {
        group.texts("alice").len() == 4 && group.texts("bob").len() == 4
    });
    group.bed.sealpost("carol", &["listen", "--seconds", "2"]).succeeded();
    assert_eq!(group.standing("carol"), "out");
    let heard: Vec<_> = group.texts("carol").into_iter().map(|(_, text)| text).collect();
    assert_eq!(heard, ["hello", "hi, all"]);
    let refused = group.bed.sealpost("carol", &["send", NAME, "still here"]).failed(4);
    assert!(refused.contains("you are not in the group"), "{refused}");

    // Somebody outside knows neither the group nor a word of it.
    group.bed.sealpost("dave", &["listen", "--seconds", "1"]).succeeded();
    assert_eq!(group.shown("dave"), None);
    let all = group.bed.sealpost("dave", &["call", "history", "{}"]).succeeded();
    assert_eq!(serde_json::from_str::<Value>(&all).unwrap()["entries"], json!([]));
    let unknown = group.bed.sealpost("dave", &["send", NAME, "hello?"]).failed(4);
    assert!(unknown.contains("there is no group Climbers"), "{unknown}");
    assert_eq!(group.server.take().unwrap().stop().status.code(), Some(0));
}

#[test]
fn owner_hands_over_leaves_and_is_replaced() {
    let group = GroupBed::new();
    let refused = group.bed.sealpost("bob", &["group", "rename", NAME, "Bob's"]).failed(4);
    assert!(refused.contains("only the owner"), "{refused}");
    let refused = group.bed.sealpost("alice", &["group", "leave", NAME]).failed(4);
    assert!(refused.contains("name a successor"), "{refused}");
    group.group("alice", &["successors", NAME, CAROL]);
    group.agree(|group| members(group).iter().any(|member| member["role"].is_object()));
    group.group("carol", &["take-over", NAME]);
    let owner = |phone: &'static str| {
        move |group: &Value| {
            members(group)
                .iter()
                .any(|member| member["role"] == "owner" && member["phone"] == phone)
        }
    };
    group.agree(owner(CAROL));
    group.group("carol", &["hand-over", NAME, BOB]);
    group.agree(owner(BOB));
    group.group("alice", &["leave", NAME]);
    until("Bob's device removes her", || group.standing("alice") == "out");
    until("Carol knows", || members(&group.shown("carol").unwrap()).len() == 2);
    group.group("alice", &["forget", NAME]);
    let history = group.bed.sealpost("alice", &["history", NAME]).succeeded();
    assert!(history.contains("You have left this group"), "{history}");
    assert_eq!(group.shown("alice"), None);
}

#[test]
fn killed_members_agree_and_show_each_text_once_in_order() {
    let mut group = GroupBed::new();
    let mut moments = seeded();
    let stops = AtomicBool::new(false);
    let bed = &group.bed;
    let written = thread::scope(|scope| {
        let writers = PEOPLE.map(|(home, _)| {
            let stops = &stops;
            scope.spawn(move || {
                let mut count = 0_u32;
                while !stops.load(Ordering::Relaxed) || count < 5 {
                    let text = format!("{count}");
                    let sent = bed.sealpost(home, &["send", NAME, &text, "--wait", "none"]);
                    // A daemon that is being replaced refuses for a moment, and has kept nothing.
                    if sent.status.success() {
                        count += 1;
                    }
                    thread::sleep(Duration::from_millis(100));
                }
                count
            })
        });
        for kill in 0..kills() {
            thread::sleep(Duration::from_millis(moments.below(700)));
            let victim = usize::try_from(moments.below(3)).unwrap();
            let home = PEOPLE[victim].0;
            group.daemons.remove(victim).kill();
            group.daemons.insert(victim, daemon(bed, home));
            if kill % 3 == 0 {
                let expiry = format!("{}", 100_000 + kill);
                // The owner's daemon may be the one that was killed.
                let _ = bed.sealpost("alice", &["group", "expiry", NAME, &expiry]);
            }
        }
        stops.store(true, Ordering::Relaxed);
        writers.map(|writer| writer.join().unwrap())
    });
    println!("written: {written:?}");
    group.agree(|group| members(group).len() == 3);
    let total: u32 = written.iter().sum();
    until("every text is everywhere", || {
        PEOPLE.iter().all(|(home, _)| group.texts(home).len() >= usize::try_from(total).unwrap())
    });
    for (reader, (home, _)) in PEOPLE.iter().enumerate() {
        let texts = group.texts(home);
        for (author, (_, phone)) in PEOPLE.iter().enumerate() {
            let from = (author != reader).then(|| (*phone).to_owned());
            let shown: Vec<_> =
                texts.iter().filter(|(by, _)| *by == from).map(|(_, text)| text.clone()).collect();
            let expected: Vec<_> = (0..written[author]).map(|n| n.to_string()).collect();
            assert_eq!(shown, expected, "what {home} is shown of {phone}");
        }
    }
}

/// Somebody who knows the id of the group writes whatever they can think of.
#[test]
fn hostile_messages_change_nothing_and_the_client_lives() {
    let group = GroupBed::new();
    let shown = group.shown("bob").unwrap();
    let id: GroupId = shown["groupId"].as_str().unwrap().parse().unwrap();
    let id = event::GroupId(id.0);
    let (dave, home) = (key_of(&group.bed, "dave"), group.bed.path("dave"));
    let (alice, bob) = (key_of(&group.bed, "alice"), key_of(&group.bed, "bob"));
    let tag = |epoch| Some(GroupTag { group: id, epoch, state_hash: StateHash([9; 32]) });
    let state = |writer: &PublicKey| {
        let owner =
            Member { phone: DAVE.parse().unwrap(), role: Role::Owner, standing: Standing::Joined };
        let members = [
            (*writer.fingerprint(), owner),
            (*bob.fingerprint(), Member::invited(BOB.parse().unwrap())),
        ];
        State::new(Parts {
            group: id,
            epoch: 0,
            previous: None,
            name: GroupName::new("mine now").unwrap(),
            expiry_secs: 0,
            writer: *writer.fingerprint(),
            members: members.into(),
        })
        .unwrap()
    };
    // A group of his own under the same id, and one that Alice seems to have signed.
    let signed = |writer: &PublicKey| {
        let state = state(writer);
        state.encode_signed(writer, &sign_state(&home, &state.signed_text()))
    };
    let bomb = [&[0x9b, 0, 0, 0, 0x10, 0, 0, 0, 0][..], &[0x81; 5_000]].concat();
    let states = [signed(&dave), signed(&alice), bomb, vec![0xff; 60_000]]
        .map(|bytes| Body::GroupState(event::GroupState::new(bytes).unwrap()));
    let text =
        || Body::Text { text: event::MessageText::new("hi").unwrap().into(), reply_to: None };
    let request = |request| Body::GroupRequest { group: id, request };
    let mut events: Vec<_> =
        states.into_iter().flat_map(|body| [(tag(0), body.clone()), (None, body)]).collect();
    events.extend([0, 2, u64::MAX].map(|epoch| (tag(epoch), text())));
    events.extend([
        (tag(0).map(|tag| GroupTag { group: event::GroupId([1; 16]), ..tag }), text()),
        (tag(0), request(GroupRequest::Accept)),
        (tag(0), request(GroupRequest::Leave)),
        (tag(u64::MAX), request(GroupRequest::NewerState)),
        (None, request(GroupRequest::Accept)),
    ]);
    let event = |(n, (group, body)): (u8, _)| {
        let id = event::EventId([n; 16]);
        Content::Event(EncodedEvent::new(Event { id, group, expiry: None, body }))
    };
    let contents: Vec<_> = (0..).zip(events).map(event).collect();
    send_contents(&home, BOB.parse().unwrap(), contents);

    group.send("alice", "still here");
    until("Bob hears Alice", || group.texts("bob").iter().any(|(_, text)| text == "still here"));
    let now = group.shown("bob").unwrap();
    assert_eq!(
        (&now["epoch"], keys(&now), &now["name"]),
        (&shown["epoch"], keys(&shown), &json!(NAME))
    );
    assert_eq!(group.texts("bob").len(), 1, "nothing of Dave's is shown in the group");
    let listed = group.bed.sealpost("bob", &["call", "listConversations", "{}"]).succeeded();
    let listed: Value = serde_json::from_str(&listed).unwrap();
    let is_group = |known: &&Value| known["with"].as_str().unwrap().starts_with("group:");
    let groups = listed["conversations"].as_array().unwrap().iter().filter(is_group);
    assert_eq!(groups.count(), 1, "no stranger opens a conversation: {listed}");
    let all = group.bed.sealpost("bob", &["call", "history", "{}"]).succeeded();
    for told in [
        "is not shown: its author is not in the group",
        "a group that you don't know",
        "are not valid",
    ] {
        assert!(all.contains(told), "{told}: {all}");
    }
}

fn key_of(bed: &ProgramBed, home: &str) -> PublicKey {
    PublicKey::from_pem(&fs::read_to_string(bed.path(home).join("key.pub.pem")).unwrap()).unwrap()
}

/// A random generator for the moments of kills, whose seed is printed.
fn seeded() -> Entropy {
    let seed = setting("SEALPOST_SEED").unwrap_or(u64::from(std::process::id()));
    println!("SEALPOST_SEED={seed}");
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    Entropy::from_seed(bytes)
}

fn kills() -> u64 {
    setting("SEALPOST_KILLS").unwrap_or(10)
}

fn setting(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|value| value.parse().unwrap())
}
