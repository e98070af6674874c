#![cfg(test)]
//! Two people with `sealpost chat`, each in a terminal of tmux: one of 80 by 24, one of 40 by 10.

mod support;

use std::fs;

use support::tmux::Tmux;
use support::{ALICE, BOB, ProgramBed, until};

const SEALPOST: &str = env!("CARGO_BIN_EXE_sealpost");

/// Runs `sealpost chat` on a home.
fn chat(bed: &ProgramBed, home: &str) -> Option<Tmux> {
    let path = bed.path(home);
    let command =
        format!("{SEALPOST} --home {} chat --utc; echo status $?; exec cat", path.display());
    Tmux::run(home, &command)
}

/// Answers what the first run of `sealpost chat` asks.
fn register(terminal: &Tmux, link: &str, phone: &str) {
    terminal.shows("Address or link:");
    terminal.text(link);
    terminal.keys(&["Enter"]);
    terminal.shows("Your phone number");
    terminal.text(phone);
    terminal.keys(&["Enter"]);
    terminal.shows("(y/n)");
    terminal.keys(&["n", "Enter"]);
    terminal.shows("connected");
}

fn write(terminal: &Tmux, text: &str) {
    terminal.text(text);
    terminal.keys(&["Enter"]);
    terminal.shows(text);
}

/// The twelve groups of digits of the safety number on the screen.
fn safety_number(terminal: &Tmux) -> Vec<String> {
    terminal.keys(&["M-v"]);
    let screen = terminal.shows("mark as verified");
    let is_group = |word: &&str| word.len() == 5 && word.bytes().all(|byte| byte.is_ascii_digit());
    screen.split_whitespace().filter(is_group).map(str::to_owned).collect()
}

#[test]
fn two_people_live_in_their_terminals() {
    let bed = ProgramBed::new();
    let place = ProgramBed::reusable_address();
    let by_invitation = ["--registration", "invite", "--otp", "console"];
    let mut server = bed.serve_at(&place, &by_invitation);
    let invite = bed.sealpostd(&["invite", "create", "--uses", "2"]).succeeded();
    let link = invite.lines().next().unwrap();

    // They register, and find each other.
    let Some(alice) = chat(&bed, "alice") else { return };
    let bob = chat(&bed, "bob").unwrap();
    bob.resize("40", "10");
    register(&alice, link, ALICE);
    register(&bob, link, BOB);
    alice.keys(&["C-t"]);
    alice.text(BOB);
    alice.shows("Ask the server for");
    alice.keys(&["Enter"]);
    alice.shows("No messages yet.");

    // They talk, edit and react.
    write(&alice, "See you at nine");
    bob.shows("See you at nine");
    alice.keys(&["Up"]);
    alice.shows("> See you at nine");
    write(&alice, " sharp");
    bob.shows("See you at nine sharp");
    bob.keys(&["M-Up"]);
    bob.text("+");
    bob.shows("Your reaction");
    bob.text("1");
    alice.shows("👍");
    write(&bob, "I will be there");
    alice.shows("│ I will be there");

    // She sends a picture, which he wants.
    let picture = [&b"\x89PNG\r\n\x1a\n"[..], &[7].repeat(200_000)].concat();
    fs::write(bed.path("map.png"), &picture).unwrap();
    alice.keys(&["M-o"]);
    alice.shows("Send a file");
    alice.text(bed.path("map.png").to_str().unwrap());
    alice.keys(&["Enter"]);
    bob.shows("map.png");
    bob.keys(&["M-Up"]);
    bob.text("y");
    let received = bed.path("bob").join("files").join("map.png");
    until("the picture is there", || fs::read(&received).is_ok_and(|bytes| bytes == picture));

    // The server is away, and comes back.
    server.kill();
    alice.shows("reconnecting");
    write(&alice, "Are we offline?");
    server = bed.serve_at(&place, &by_invitation);
    bob.shows("Are we offline?");

    // Bob is away, and comes back.
    bob.keys(&["C-q"]);
    bob.shows("status 0");
    drop(bob);
    write(&alice, "Bring the map");
    let bob = chat(&bed, "bob").unwrap();
    bob.shows("Bring the map");
    bob.resize("80", "24");
    bob.shows("See you at nine sharp");

    // He searches.
    bob.keys(&["C-f"]);
    bob.text("sharp");
    until("the message is found", || {
        let screen = bob.screen();
        screen.lines().any(|line| line.contains(ALICE) && line.contains("nine sharp"))
    });
    bob.keys(&["Escape"]);
    until("the search has gone", || !bob.screen().contains("Search"));

    // They compare their safety number.
    let (hers, his) = (safety_number(&alice), safety_number(&bob));
    assert_eq!(hers.len(), 12, "{hers:?}");
    assert_eq!(hers, his);
    for terminal in [&alice, &bob] {
        terminal.text("v");
        until("the number is marked as verified", || {
            let screen = terminal.screen();
            screen.contains("verified") && !screen.contains("mark as verified")
        });
    }

    // She makes a group, and he joins it.
    alice.keys(&["M-g"]);
    alice.shows("New group");
    alice.text("Climbers");
    alice.keys(&["Enter"]);
    alice.shows("Invite to Climbers");
    alice.text(BOB);
    alice.shows(&format!("> {BOB}"));
    alice.keys(&["Tab"]);
    alice.shows(&format!("✔ {BOB}"));
    alice.keys(&["Enter"]);
    alice.shows("# Climbers  1 member");
    bob.shows("# Climbers       1");
    bob.keys(&["M-a"]);
    bob.shows("Join Climbers? M-v");
    bob.keys(&["M-v"]);
    bob.shows(&format!("{ALICE} invites you"));
    bob.text("j");
    bob.shows("# Climbers  2 members");
    alice.shows("# Climbers  2 members");
    bob.keys(&["Escape"]);
    until("the group has gone", || !bob.screen().contains("Group Climbers"));
    write(&bob, "Hello, both of us");
    alice.shows("│ Hello, both of us");
    for terminal in [&alice, &bob] {
        terminal.keys(&["C-q"]);
        terminal.shows("status 0");
    }
    server.stop();
}
