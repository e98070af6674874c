#![cfg(test)]
//! What a person sees again: history, search, the outbox, contacts.

mod support;

use serde_json::json;
use support::{ALICE, BOB, Ended, ProgramBed, objects, until};

/// Alice and Bob, after Alice has sent these texts to Bob, and Bob has them.
fn talked(bed: &ProgramBed, texts: &[&str]) -> support::Daemon {
    let server = bed.serve(&[]);
    bed.register_both(&server);
    let daemon = bed.start("alice", &["daemon"]);
    assert_eq!(daemon.line(), "ready");
    for text in texts {
        bed.sealpost("alice", &["send", BOB, text]).succeeded();
    }
    let count = texts.len().to_string();
    bed.sealpost("bob", &["listen", "--count", &count]).succeeded();
    assert_eq!(daemon.stop().status.code(), Some(0));
    server
}

fn lines(ended: Ended) -> Vec<String> {
    ended.succeeded().lines().map(ToOwned::to_owned).collect()
}

#[test]
fn history_is_shown_again_without_a_server() {
    let bed = ProgramBed::new();
    talked(&bed, &["see you at eight", "or at nine\n2026-01-01 00:00:00Z  forged"]).stop();
    let shown = lines(bed.sealpost("bob", &["history", ALICE, "--utc"]));
    assert_eq!(shown.len(), 2, "{shown:?}");
    assert!(shown[0].ends_with(&format!("Z  {ALICE} [not verified]: see you at eight")));
    assert!(shown[1].ends_with(r"[not verified]: or at nine\n2026-01-01 00:00:00Z  forged"));
    let shown = lines(bed.sealpost("alice", &["history", "--limit", "1"]));
    assert_eq!(shown.len(), 1);
    assert!(shown[0].contains(&format!("to {BOB} [")), "{shown:?}");
    let json = objects(&bed.sealpost("alice", &["history", "--json"]).succeeded());
    assert_eq!(json[0]["body"], json!({ "type": "text", "text": "see you at eight" }));
    let document = bed.sealpost("bob", &["history", ALICE, "--markdown"]).succeeded();
    assert!(document.starts_with(&format!("# Conversation with \\{ALICE}\n")), "{document}");
    assert!(document.contains("\n> or at nine\\\n> 2026-01-01 00:00:00Z  forged\n"), "{document}");
    // No history with somebody else, and none before it began.
    for args in [&["history", "+49 151 00000009"][..], &["history", "--since", "2100-01-01"]] {
        let nothing = bed.sealpost("bob", args);
        assert!(nothing.stderr.contains("nothing found"), "{nothing:?}");
        assert_eq!(nothing.succeeded(), "");
    }
    assert_eq!(lines(bed.sealpost("bob", &["history", "--since", "1h"])).len(), 2);
    let wrong = bed.sealpost("bob", &["history", "--since", "yesterday"]);
    assert_eq!(wrong.status.code(), Some(2));
    assert!(wrong.stderr.contains("neither a time nor a duration"), "{wrong:?}");
}

#[test]
fn search_finds_words_in_all_conversations_or_in_one() {
    let bed = ProgramBed::new();
    talked(&bed, &["see you at eight", "eight it is", "nine"]).stop();
    let found = lines(bed.sealpost("bob", &["search", "eig"]));
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(found[0].ends_with("see you at eight") && found[1].ends_with("eight it is"));
    let latest = bed.sealpost("bob", &["search", "eight", "--limit", "1"]);
    assert!(latest.stderr.contains("earlier entries"), "{latest:?}");
    assert!(latest.succeeded().trim_end().ends_with("eight it is"));
    let both = ["search", "you", "eight", "--with", ALICE];
    assert_eq!(lines(bed.sealpost("bob", &both)).len(), 1);
    let elsewhere = ["search", "eight", "--with", "+4915100000009"];
    assert_eq!(bed.sealpost("bob", &elsewhere).succeeded(), "");
}

#[test]
fn outbox_lists_what_waits_and_cancels_it() {
    let bed = ProgramBed::new();
    let place = ProgramBed::reusable_address();
    let server = bed.serve_at(&place, &[]);
    bed.register_both(&server);
    server.stop();
    assert_eq!(bed.sealpost("alice", &["outbox"]).succeeded(), "");
    // Bob is no contact yet: both wait for a look-up.
    for text in ["one", "two"] {
        bed.sealpost("alice", &["send", BOB, text, "--wait", "none"]).succeeded();
    }
    let waiting = objects(&bed.sealpost("alice", &["outbox", "--json"]).succeeded());
    let [one, two] = &waiting[..] else { panic!("{waiting:?}") };
    assert_eq!(one["progress"], json!({ "state": "queued" }));
    let shown = lines(bed.sealpost("alice", &["outbox", "--utc"]));
    assert!(shown[0].ends_with(&format!("Z  to {BOB} [queued]: one")), "{shown:?}");
    let number = one["entry"].to_string();
    let cancelled = bed.sealpost("alice", &["outbox", "cancel", &number]).succeeded();
    assert_eq!(cancelled, format!("cancelled {number}\n"));
    let refused = bed.sealpost("alice", &["outbox", "cancel", &number]).failed(4);
    assert!(refused.contains("can't be given up"), "{refused}");
    // The outbox forgets it, and the history does not.
    let listed = objects(&bed.sealpost("alice", &["outbox", "--json"]).succeeded());
    assert_eq!((listed.len(), &listed[0]), (1, two));
    let history = bed.sealpost("alice", &["history", BOB]).succeeded();
    assert!(history.contains("[failed: cancelled]: one"), "{history}");
    let _server = bed.serve_at(&place, &[]);
    bed.sealpost("alice", &["send", BOB, "three"]).succeeded();
    let heard = objects(&bed.sealpost("bob", &["listen", "--json", "--count", "2"]).succeeded());
    let texts: Vec<_> = heard.iter().filter_map(|event| event["text"].as_str()).collect();
    assert_eq!(texts, ["two", "three"]);
    // It is sent after all only if it is named.
    assert_eq!(bed.sealpost("alice", &["outbox", "retry"]).succeeded(), "");
    let retried = bed.sealpost("alice", &["outbox", "retry", &number]).succeeded();
    assert_eq!(retried, format!("stored {number}\n"));
    bed.sealpost("bob", &["listen", "--count", "1"]).succeeded();
    let nobody = bed.sealpost("alice", &["outbox", "cancel", "999"]).failed(4);
    assert!(nobody.contains("no entry 999"), "{nobody}");
}

#[test]
fn failed_message_is_retried_once_its_reason_is_gone() {
    let bed = ProgramBed::new();
    let server = bed.serve(&[]);
    bed.register(&server, "alice", ALICE);
    bed.sealpost("alice", &["send", BOB, "hi"]).failed(4);
    let refused = bed.sealpost("alice", &["outbox", "retry"]).failed(4);
    assert!(refused.contains("failed again: the recipient is not registered"), "{refused}");
    bed.register(&server, "bob", BOB);
    let retried = bed.sealpost("alice", &["outbox", "retry"]).succeeded();
    assert!(retried.starts_with("stored "), "{retried}");
    assert_eq!(bed.sealpost("alice", &["outbox"]).succeeded(), "");
    server.stop();
    bed.sealpost("alice", &["send", BOB, "later", "--wait", "none"]).succeeded();
    let nothing = bed.sealpost("alice", &["outbox", "retry"]).succeeded();
    assert_eq!(nothing, "", "what waits has not failed");
}

#[test]
fn what_failed_is_taken_off_the_list() {
    let bed = ProgramBed::new();
    let server = bed.serve(&[]);
    bed.register_both(&server);
    let nobody = "+4915100000009";
    let refused = bed.sealpost("alice", &["send", nobody, "hello"]).failed(4);
    assert!(refused.contains("nobody is registered"), "{refused}");
    let failed = objects(&bed.sealpost("alice", &["outbox", "--json"]).succeeded());
    assert_eq!(failed.len(), 1, "{failed:?}");
    let status = || bed.sealpost("alice", &["status"]).succeeded();
    assert!(status().contains("1 failed"), "{}", status());
    let number = failed[0]["entry"].to_string();
    let said = bed.sealpost("alice", &["outbox", "cancel", &number]).succeeded();
    assert_eq!(said, format!("cancelled {number}\n"));
    let empty = bed.sealpost("alice", &["outbox"]);
    assert!(empty.stderr.contains("nothing waits"), "{empty:?}");
    assert_eq!(empty.succeeded(), "");
    assert!(status().contains("0 failed"), "{}", status());
    let again = bed.sealpost("alice", &["outbox", "cancel", &number]).failed(4);
    assert!(again.contains("was given up before"), "{again}");
    // It can be sent after all, once somebody has the number.
    bed.register(&server, "carol", nobody);
    bed.sealpost("alice", &["outbox", "retry", &number]).succeeded();
    let heard = bed.sealpost("carol", &["listen", "--count", "1"]).succeeded();
    assert!(heard.contains("hello"), "{heard}");
}

#[test]
fn full_mailbox_is_named_until_there_is_room() {
    let bed = ProgramBed::new();
    let server = bed.serve(&["--mailbox-messages", "4"]);
    bed.register_both(&server);
    let full = format!("the mailbox of {BOB} is full");
    let mut sent =
        (0..6).map(|_| bed.sealpost("alice", &["send", BOB, "hello", "--timeout", "10"]));
    let kept = sent.find(|ended| ended.status.code() != Some(0)).unwrap().failed(3);
    assert!(kept.contains(&full), "{kept}");
    let daemon = bed.start("alice", &["daemon"]);
    assert_eq!(daemon.line(), "ready");
    let outbox = || bed.sealpost("alice", &["outbox"]).succeeded();
    until("the reason is shown", || outbox().contains(&format!("    waits: {full}")));
    let _bob = bed.start("bob", &["daemon"]);
    until("nothing waits", || outbox().is_empty());
}

#[test]
fn who_is_blocked_before_they_write_is_listed() {
    let bed = ProgramBed::new();
    let server = bed.serve(&[]);
    bed.register(&server, "alice", ALICE);
    let said = bed.sealpost("alice", &["contacts", "block", BOB]).succeeded();
    assert!(said.starts_with(&format!("{BOB} is blocked")), "{said}");
    let listed = bed.sealpost("alice", &["contacts"]).succeeded();
    assert_eq!(listed, format!("{BOB:<16}  key unknown   blocked\n"));
    let listed = objects(&bed.sealpost("alice", &["contacts", "--json"]).succeeded());
    assert_eq!(listed, [json!({ "phone": BOB, "blocked": true })]);
    bed.sealpost("alice", &["contacts", "unblock", BOB]).succeeded();
    let conversations = bed.sealpost("alice", &["call", "listConversations"]).succeeded();
    assert_eq!(objects(&conversations), [json!({ "conversations": [] })]);
    let twice = bed.sealpost("alice", &["contacts", "unblock", BOB]).failed(4);
    assert!(twice.contains("is not blocked"), "{twice}");
    let own = bed.sealpost("alice", &["contacts", "block", ALICE]).failed(2);
    assert!(own.contains("your own phone number"), "{own}");
    bed.sealpost("alice", &["contacts", "name", BOB, "Bob"]).succeeded();
    let listed = bed.sealpost("alice", &["contacts"]).succeeded();
    assert_eq!(listed, format!("{BOB:<16}  key unknown   Bob\n"));
}

#[test]
fn contacts_are_named_muted_and_blocked() {
    let bed = ProgramBed::new();
    let _server = talked(&bed, &["hello"]);
    let said = bed.sealpost("bob", &["contact", "name", "+49 151 0000-0001", "Alice A."]);
    assert_eq!(said.succeeded(), format!("{ALICE} is called Alice A.\n"));
    let listed = lines(bed.sealpost("bob", &["contacts"]));
    assert!(listed[0].ends_with("  Alice A."), "{listed:?}");
    bed.sealpost("bob", &["contacts", "mute", ALICE, "8h"]).succeeded();
    let muted = || objects(&bed.sealpost("bob", &["call", "listConversations"]).succeeded());
    let mute = |objects: &[serde_json::Value]| objects[0]["conversations"][0]["mute"].clone();
    assert!(mute(&muted())["until"].is_string());
    bed.sealpost("bob", &["contacts", "unmute", ALICE]).succeeded();
    assert_eq!(mute(&muted()), json!("off"));
    bed.sealpost("bob", &["contacts", "block", ALICE]).succeeded();
    let listed = objects(&bed.sealpost("bob", &["contacts", "--json"]).succeeded());
    assert_eq!((&listed[0]["blocked"], &listed[0]["name"]), (&json!(true), &json!("Alice A.")));
    // What is dropped is receipted all the same, or the server would keep it.
    bed.sealpost("alice", &["send", BOB, "dropped"]).succeeded();
    bed.sealpost("bob", &["listen", "--seconds", "2"]).succeeded();
    bed.sealpost("alice", &["listen", "--seconds", "2"]).succeeded();
    until("it is delivered", || {
        let shown = bed.sealpost("alice", &["history", "--limit", "1"]).succeeded();
        shown.contains("[delivered]: dropped")
    });
    bed.sealpost("bob", &["contacts", "unblock", ALICE]).succeeded();
    assert_eq!(lines(bed.sealpost("bob", &["history"])).len(), 1);
    for wrong in [&["contacts", "mute", ALICE, "soon"][..], &["contacts", "name", "0151", "x"]] {
        assert_eq!(bed.sealpost("bob", wrong).status.code(), Some(2));
    }
}

#[test]
fn removed_contact_is_a_stranger_again() {
    let bed = ProgramBed::new();
    let _server = talked(&bed, &["hello"]);
    bed.sealpost("bob", &["contacts", "name", ALICE, "Alice"]).succeeded();
    let unconfirmed = bed.sealpost("bob", &["contacts", "remove", ALICE]).failed(2);
    assert!(unconfirmed.contains("pass --yes"), "{unconfirmed}");
    let number = objects(&bed.sealpost("bob", &["verify", ALICE, "--json"]).succeeded());
    let number = number[0]["safetyNumber"].as_str().unwrap().to_owned();
    let mark = format!("--mark={number}");
    bed.sealpost("bob", &["verify", ALICE, &mark]).succeeded();
    bed.sealpost("bob", &["contacts", "remove", ALICE, "--yes"]).succeeded();
    assert_eq!(bed.sealpost("bob", &["contacts"]).succeeded(), "");
    assert_eq!(lines(bed.sealpost("bob", &["history"])).len(), 1);
    // The next message makes her a contact again, whose key nobody has compared.
    bed.sealpost("alice", &["send", BOB, "again"]).succeeded();
    bed.sealpost("bob", &["listen", "--count", "1"]).succeeded();
    let listed = bed.sealpost("bob", &["contacts"]).succeeded();
    assert!(listed.contains("not verified") && !listed.contains("Alice"), "{listed}");
    let remove = ["contacts", "remove", ALICE, "--with-history", "--yes"];
    bed.sealpost("bob", &remove).succeeded();
    assert_eq!(bed.sealpost("bob", &["history"]).succeeded(), "");
    assert_eq!(bed.sealpost("bob", &["search", "again"]).succeeded(), "");
    let nobody = bed.sealpost("bob", &remove).failed(4);
    assert!(nobody.contains("is not a contact"), "{nobody}");
}

#[test]
fn mentions_stand_for_people_until_an_edit_takes_them_back() {
    let bed = ProgramBed::new();
    let server = bed.serve(&[]);
    bed.register_both(&server);
    bed.sealpost("alice", &["send", BOB, "hello"]).succeeded();
    let mentioned = format!("@Bob={BOB}");
    let to_bob = ["send", BOB, "--wait", "stored", "--mention"];
    let send =
        |mention: &str, text| bed.sealpost("alice", &[&to_bob[..], &[mention, text]].concat());
    send(&mentioned, "Grüße, @Bob und @Bob").succeeded();
    let wrong = send(&mentioned, "nobody in particular").failed(2);
    assert!(wrong.contains(r#"the message does not contain "@Bob""#), "{wrong}");
    let unknown = send("@Eve=+4915100000009", "@Eve").failed(4);
    assert!(unknown.contains("+4915100000009 can't be mentioned"), "{unknown}");

    bed.sealpost("bob", &["listen", "--count", "2"]).succeeded();
    let last = |home| {
        let page = bed.sealpost(home, &["call", "history", r#"{"limit":1}"#]).succeeded();
        objects(&page)[0]["entries"][0].clone()
    };
    let is_bob = json!([{ "start": 7, "length": 4, "number": BOB }]);
    assert_eq!((&last("alice")["mentions"], &last("bob")["mentions"]), (&is_bob, &is_bob));

    let entry = last("alice")["entry"].clone();
    let edit = json!({ "entry": entry, "message": "Greetings" }).to_string();
    bed.sealpost("alice", &["call", "editMessage", &edit]).succeeded();
    until("the edit arrives", || {
        for home in ["alice", "bob"] {
            bed.sealpost(home, &["listen", "--seconds", "1"]).succeeded();
        }
        last("bob")["body"]["text"] == "Greetings"
    });
    assert!(last("bob").get("mentions").is_none());
    server.stop();
}
