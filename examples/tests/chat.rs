#![cfg(test)]
//! `sealpost chat`, in a terminal.

mod support;

use std::fmt::Write;
use std::process::Command;

use support::tmux::Tmux;
use support::{ALICE, BOB, ProgramBed, objects, until};

const SEALPOST: &str = env!("CARGO_BIN_EXE_sealpost");

/// A shell command that shows the demo, then its exit status, and stays.
fn demo(options: &str) -> String {
    format!("echo before; {SEALPOST} chat --demo --utc {options}; echo status $?; exec cat")
}

#[test]
fn people_talk_in_a_terminal() {
    let Some(tmux) = Tmux::run("talk", &demo("")) else { return };
    tmux.shows("Are you coming on Thursday?");
    tmux.text("See you at the gate");
    tmux.keys(&["M-Enter"]);
    tmux.text("with cake 🍰");
    tmux.keys(&["Enter"]);
    let screen = tmux.shows("✓✓");
    assert!(screen.contains("│ │ See you at the gate"), "{screen}");
    assert!(screen.contains("│ │ with cake 🍰"), "{screen}");
    tmux.shows("Good to know, thanks!");
    tmux.keys(&["C-f"]);
    tmux.text("cake");
    tmux.shows("See you at the gate↵ with cake");
    tmux.keys(&["Escape"]);
    // A key that follows at once would be taken for one with Alt.
    until("the search has gone", || !tmux.screen().contains("Search"));
    tmux.keys(&["C-q"]);
    let screen = tmux.shows("status 0");
    assert!(screen.contains("before"), "the terminal is not as it was: {screen}");
    assert!(!screen.contains("Anna"), "the terminal is not as it was: {screen}");
}

#[test]
fn small_terminal_has_no_list_of_conversations() {
    let Some(tmux) = Tmux::run("small", &demo("--no-mouse --theme plain")) else { return };
    tmux.shows("# Family");
    tmux.resize("40", "10");
    let screen = tmux.shows("M-a ");
    assert!(!screen.contains("# Family"), "{screen}");
    assert_eq!(screen.lines().count(), 10, "{screen}");
    tmux.keys(&["M-a"]);
    tmux.shows("# Family");
    tmux.resize("80", "24");
    tmux.shows("Weather bot");
}

#[test]
fn editor_gets_the_terminal_and_gives_it_back() {
    let folder = tempfile::tempdir().unwrap();
    let editor = folder.path().join("editor");
    support::write_script(&editor, "test -t 0 && test -t 1 && echo 'from the editor' >> \"$1\"");
    let command = format!("EDITOR={} {}", editor.display(), demo("").replace("echo before; ", ""));
    let Some(tmux) = Tmux::run("editor", &command) else { return };
    tmux.shows("connected");
    tmux.text("one");
    tmux.keys(&["M-e"]);
    tmux.shows("from the editor");
    tmux.keys(&["C-c"]);
    tmux.shows("C-c again quits.");
    tmux.keys(&["C-c"]);
    tmux.shows("status 0");
}

#[test]
fn first_run_asks_and_then_people_talk_through_a_server() {
    let bed = ProgramBed::new();
    let server = bed.serve(&[]);
    bed.register(&server, "bob", BOB);
    let home = bed.path("alice");
    let chat = format!("{SEALPOST} --home {} chat --utc; echo status $?; exec cat", home.display());
    let Some(tmux) = Tmux::run("server", &chat) else { return };
    tmux.shows("Address or link:");
    tmux.keys(&[&server.address, "Enter"]);
    tmux.shows("Your phone number");
    tmux.text("+49 151 0000-0001");
    tmux.keys(&["Enter"]);
    tmux.shows("(y/n)");
    tmux.keys(&["n", "Enter"]);
    tmux.shows("connected");
    assert_eq!(
        bed.sealpost("bob", &["send", ALICE, "Is anybody there?", "--wait", "delivered"]).sent(),
        "delivered"
    );
    tmux.shows("│ Is anybody there?");
    tmux.text("Yes!");
    tmux.keys(&["Enter"]);
    // The command works through the screen's process.
    assert!(bed.sealpost("alice", &["status"]).succeeded().contains(ALICE));
    let heard = bed.sealpost("bob", &["listen", "--json", "--count", "1"]).succeeded();
    assert_eq!(
        objects(&heard).iter().find(|event| event["type"] == "message").unwrap()["text"],
        "Yes!"
    );
    tmux.shows("✓✓");
    tmux.text("half a thou");
    tmux.keys(&["C-q"]);
    tmux.shows("status 0");
    drop(tmux);
    let Some(tmux) = Tmux::run("again", &chat) else { return };
    let screen = tmux.shows("│ Yes!");
    assert!(screen.contains("> half a thou"), "{screen}");
    assert!(!screen.contains(" new "), "what was seen stays seen: {screen}");
}

#[test]
fn passphrases_that_are_wrong_are_asked_for_again() {
    let bed = ProgramBed::new();
    let server = bed.serve(&[]);
    let home = bed.path("alice");
    let chat = format!("{SEALPOST} --home {} chat --utc; echo status $?; exec cat", home.display());
    let Some(tmux) = Tmux::run("passphrase", &chat) else { return };
    let answer = |question: &str, text: &str| {
        until(question, || tmux.screen().trim_end().ends_with(question));
        tmux.text(text);
        tmux.keys(&["Enter"]);
    };
    answer("Address or link:", &server.address);
    answer("12345678:", ALICE);
    answer("(y/n)", "y");
    answer("new passphrase:", "correct");
    answer("again:", "korrect");
    tmux.shows("the two passphrases differ; try again");
    answer("new passphrase:", "correct");
    answer("again:", "correct");
    answer("\npassphrase:", "korrect");
    tmux.shows("wrong passphrase; try again");
    answer("again\npassphrase:", "correct");
    tmux.shows("connected");
    tmux.keys(&["C-q"]);
    tmux.shows("status 0");
    drop(tmux);
    let Some(tmux) = Tmux::run("passphrase-again", &chat) else { return };
    let answer = |count: usize, text: &str| {
        until("the passphrase is asked for", || {
            tmux.screen().matches("passphrase:").count() == count
        });
        tmux.text(text);
        tmux.keys(&["Enter"]);
    };
    answer(1, "korrect");
    tmux.shows("wrong passphrase; try again");
    answer(2, "correct");
    tmux.shows("connected");
    tmux.keys(&["C-q"]);
    tmux.shows("status 0");
    drop(tmux);
    let Some(tmux) = Tmux::run("passphrase-wrong", &chat) else { return };
    for count in 1..=3 {
        until("the passphrase is asked for", || {
            tmux.screen().matches("passphrase:").count() == count
        });
        tmux.keys(&["Enter"]);
    }
    tmux.shows("status 1");
}

#[test]
fn screen_goes_on_when_the_daemon_dies() {
    let bed = ProgramBed::new();
    let server = bed.serve(&[]);
    bed.register_both(&server);
    let daemon = bed.start("alice", &["daemon"]);
    assert_eq!(daemon.line(), "ready");
    let home = bed.path("alice");
    let chat = format!("{SEALPOST} --home {} chat --utc; echo status $?; exec cat", home.display());
    let Some(tmux) = Tmux::run("daemon", &chat) else { return };
    tmux.shows("connected");
    tmux.keys(&["C-t"]);
    tmux.text(BOB);
    tmux.shows("Ask the server for");
    tmux.keys(&["Enter"]);
    tmux.shows("No messages yet.");
    tmux.text("before");
    tmux.keys(&["Enter"]);
    tmux.shows("│ before");
    daemon.kill();
    until("the screen has the home, and is online", || {
        let status = bed.sealpost("alice", &["call", "status"]).stdout;
        status.contains("online")
    });
    tmux.text("after");
    tmux.keys(&["Enter"]);
    tmux.shows("│ after");
    let heard = bed.sealpost("bob", &["listen", "--json", "--count", "2"]).succeeded();
    let heard = objects(&heard);
    let texts: Vec<_> = heard.iter().filter_map(|event| event["text"].as_str()).collect();
    assert_eq!(texts, ["before", "after"]);
}

#[test]
fn control_z_gives_the_terminal_to_the_shell_and_fg_takes_it_back() {
    let Some(tmux) = Tmux::run("stop", "sh -i") else { return };
    tmux.text(&format!("{SEALPOST} chat --demo --utc"));
    tmux.keys(&["Enter"]);
    tmux.shows("connected");
    tmux.text("half a thou");
    tmux.keys(&["C-z"]);
    let screen = tmux.shows("topped");
    assert!(!screen.contains("Anna"), "the terminal is not the shell's: {screen}");
    tmux.text("stty -a | grep -q ' icanon' && stty -a | grep -q ' echo ' && echo coo''ked");
    tmux.keys(&["Enter"]);
    tmux.shows("cooked");
    tmux.resize("100", "30");
    tmux.text("fg");
    tmux.keys(&["Enter"]);
    tmux.shows("> half a thou");
    tmux.text("ght");
    let screen = tmux.shows("> half a thought");
    assert_eq!(screen.lines().count(), 30, "{screen}");
    assert!(!screen.contains("topped"), "{screen}");
}

/// Drives the program where there is no tmux: Python has pseudoterminals.
const DRIVER: &str = r#"
import os, pty, select, signal, sys, termios, time

ready, go = os.pipe()
pid, terminal = pty.fork()
if pid == 0:
    os.read(ready, 1)
    os.environ["TERM"] = "xterm-256color"
    os.execv(sys.argv[1], [sys.argv[1], "chat", "--demo", "--utc"])
termios.tcsetwinsize(terminal, (24, 80))
before = termios.tcgetattr(terminal)
os.write(go, b"!")
seen = b""

def until(wanted):
    global seen
    deadline = time.monotonic() + 60
    while wanted not in seen:
        assert time.monotonic() < deadline, (wanted, seen)
        if select.select([terminal], [], [], 1)[0]:
            try:
                seen += os.read(terminal, 65536)
            except OSError:  # the other side is closed
                assert wanted in seen, (wanted, seen)

until("Are you coming".encode())
os.write(terminal, "hello 好\r".encode())
until("好".encode())
until("✓✓".encode())
os.write(terminal, b"\x1b[200~pasted\nlines\x1b[201~")
until(b"pasted")
until(b"lines")
if sys.argv[2] == "window":
    os.close(terminal)
    deadline = time.monotonic() + 60
    while os.waitpid(pid, os.WNOHANG) == (0, 0):
        assert time.monotonic() < deadline, "it goes on without a terminal"
        time.sleep(0.05)
    sys.exit()
if sys.argv[2] == "key":
    os.write(terminal, b"\x11")
else:
    os.kill(pid, signal.SIGTERM)
until(b"\x1b[?1049l")
until(b"\x1b[?25h")
after = termios.tcgetattr(terminal)
assert before == after, "the terminal is not as it was"
status = os.waitpid(pid, 0)[1]
assert os.waitstatus_to_exitcode(status) == 0, status
for enabled in (b"\x1b[?1049h", b"\x1b[?2004h", b"\x1b[?1004h", b"\x1b[?1000h"):
    assert enabled in seen and enabled.replace(b"h", b"l") in seen, enabled
"#;

#[test]
fn program_ends_with_its_window_and_else_gives_the_terminal_back_as_it_was() {
    for end in ["key", "signal", "window"] {
        let driver = Command::new("python3").args(["-c", DRIVER, SEALPOST, end]).output().unwrap();
        let error = String::from_utf8_lossy(&driver.stderr);
        assert!(driver.status.success(), "{end}: {error}");
    }
}

#[test]
fn chat_without_a_terminal_says_so() {
    let output = Command::new(SEALPOST).args(["chat", "--demo"]).output().unwrap();
    let mut said = String::from_utf8_lossy(&output.stderr).into_owned();
    write!(said, "{}", String::from_utf8_lossy(&output.stdout)).unwrap();
    assert!(!output.status.success());
    assert!(said.contains("chat needs a terminal"), "{said}");
}
