#![cfg(test)]
//! The programs as people use them.

mod support;

use std::fs;
use std::os::unix::fs::PermissionsExt;

use rustix::process::Signal;
use sealpost_core::address::{ServerAddress, Transport};
use sealpost_core::crypto::AwsLc;
use sealpost_core::ids::MessageId;
use sealpost_programs::Verify;
use sealpost_storage::client::{ClientStorage, Identity, SqliteClientStorage};
use serde_json::json;
use support::{ALICE, BOB, ProgramBed, objects, until, write_private, write_script};

#[test]
fn server_creates_its_folder_prints_ready_and_stops_gracefully() {
    let bed = ProgramBed::new();
    let server = bed.serve(&[]);
    let mode = |name: &str| bed.path(name).metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!(mode("data"), 0o700);
    assert_eq!(mode("data/server-key.pem"), 0o600);
    assert_eq!(mode("data/wrapping-key"), 0o600);
    assert_eq!(mode("data/sealpost.db"), 0o600);
    let public = fs::read_to_string(bed.path("data/server-key.pub.pem")).unwrap();
    assert!(public.starts_with("-----BEGIN PUBLIC KEY-----"));
    assert!(server.log().contains(&server.address), "{}", server.log());
    assert_eq!(bed.sealpostd(&["address"]).succeeded().trim_end(), server.address);
    let other = bed.sealpostd(&["address", "--host", "::1"]).succeeded();
    assert!(other.starts_with("sealpost://[::1]:"), "{other}");
    let ended = server.stop();
    assert_eq!((ended.status.code(), ended.stdout.as_str()), (Some(0), ""));
}

#[test]
fn server_survives_signals_and_still_stops_gracefully() {
    let bed = ProgramBed::new();
    let mut server = bed.serve(&[]);
    for (signal, line) in [
        (Signal::HUP, "configuration reloaded"),
        (Signal::USR1, "SIGUSR1 ignored"),
        (Signal::USR2, "SIGUSR2 ignored"),
    ] {
        server.signal(signal);
        until("the signal is logged", || {
            assert!(server.is_running(), "{signal:?} ended the server");
            server.log().contains(line)
        });
    }
    bed.register_both(&server);
    let ended = server.stop();
    assert_eq!(ended.status.code(), Some(0));
    assert!(ended.stderr.contains("signal received: stopping"), "{ended:?}");
}

#[test]
fn two_people_online_talk_both_ways() {
    let bed = ProgramBed::new();
    let server = bed.serve(&[]);
    bed.register_both(&server);
    let bob = bed.start("bob", &["listen", "--json"]);
    bob.event("caught-up");
    let sent = bed.sealpost("alice", &["send", BOB, "Hello Bob", "--wait", "delivered"]).sent();
    assert_eq!(sent, "delivered");
    let message = bob.event("message");
    assert_eq!(message["from"], ALICE);
    assert_eq!(message["text"], "Hello Bob");
    assert_eq!(message["time"].as_str().unwrap().len(), "2026-01-01T00:00:00Z".len());
    assert_eq!(bob.stop().status.code(), Some(0));

    let alice = bed.start("alice", &["listen", "--json"]);
    alice.event("caught-up");
    let sent = bed.sealpost("bob", &["send", ALICE, "Hello Alice", "--wait", "delivered"]).sent();
    assert_eq!(sent, "delivered");
    assert_eq!(alice.event("message")["text"], "Hello Alice");
}

#[test]
fn stored_messages_survive_a_restart_are_drained_in_order_and_acknowledged() {
    let bed = ProgramBed::new();
    let place = ProgramBed::reusable_address();
    let server = bed.serve_at(&place, &[]);
    bed.register_both(&server);
    for text in ["one", "two"] {
        assert_eq!(bed.sealpost("alice", &["send", BOB, text]).sent(), "stored");
    }
    assert_eq!(server.stop().status.code(), Some(0));
    let server = bed.serve_at(&place, &[]);
    let stats = objects(&bed.sealpostd(&["stats", "--json"]).succeeded());
    assert_eq!(stats[0]["pending_messages"], 2);

    let heard = bed.sealpost("bob", &["listen", "--json", "--count", "2"]).succeeded();
    let texts: Vec<_> =
        objects(&heard).into_iter().filter(|event| event["type"] == "message").collect();
    assert_eq!([&texts[0]["text"], &texts[1]["text"]], ["one", "two"]);
    let again = bed.sealpost("bob", &["listen", "--json", "--seconds", "1"]).succeeded();
    assert!(objects(&again).iter().all(|event| event["type"] != "message"), "{again}");

    let alice = bed.start("alice", &["listen", "--json"]);
    let delivered = alice.event("delivered");
    assert_eq!(delivered["by"], BOB);
    alice.event("caught-up");
    assert!(alice.stop().status.success());
    let status = objects(&bed.sealpost("alice", &["status", "--json"]).succeeded());
    assert_eq!(status[0]["delivered"], 2);
    drop(server);
}

#[test]
fn wide_profile_works_and_is_remembered() {
    let bed = ProgramBed::new();
    let place = ProgramBed::reusable_address();
    let server = bed.serve_at(&place, &["--profile", "wide"]);
    assert!(bed.sealpostd(&["address"]).succeeded().starts_with("sealpost+wide://"));
    bed.register_both(&server);
    assert_eq!(bed.sealpost("alice", &["send", BOB, "hi"]).sent(), "stored");
    server.stop();
    let _server = bed.serve_at(&place, &[]);
    bed.sealpost("bob", &["listen", "--count", "1"]).succeeded();
}

#[test]
fn pure_rust_cryptography_works_on_both_sides() {
    let bed = ProgramBed::new();
    let server = bed.serve(&["--crypto", "rust", "--workers", "1"]);
    bed.sealpost("alice", &["--crypto", "rust", "register", &server.address, ALICE]).succeeded();
    bed.sealpost("bob", &["register", &server.address, BOB]).succeeded();
    assert_eq!(bed.sealpost("alice", &["--crypto", "rust", "send", BOB, "hi"]).sent(), "stored");
    let heard = bed.sealpost("bob", &["--crypto", "rust", "listen", "--count", "1"]).succeeded();
    assert!(heard.contains(&format!("{ALICE} [not verified]: hi\n")), "{heard}");
}

#[test]
fn programs_verify_as_the_test_run_demands() {
    let has_kernel = AwsLc::detect(|| {}).verifies_together();
    let demanded = support::verify::verify().unwrap_or_default();
    let bed = ProgramBed::new();
    let log = bed.serve(&[]).stop().stderr;
    assert_eq!(log.contains("up to eight"), has_kernel && demanded == Verify::Auto, "{log}");
}

#[test]
fn standard_input_is_sent_unchanged() {
    let bed = ProgramBed::new();
    let server = bed.serve(&[]);
    bed.register_both(&server);
    for (text, args) in [("line\n", &["send", BOB][..]), ("\u{1b}[31m", &["send", BOB, "-"])] {
        let mut alice = bed.start("alice", args);
        std::io::Write::write_all(alice.stdin.as_mut().unwrap(), text.as_bytes()).unwrap();
        assert_eq!(alice.end().sent(), "stored");
    }
    let mut alice = bed.start("alice", &["send", BOB]);
    std::io::Write::write_all(alice.stdin.as_mut().unwrap(), &[0xff, 0x00]).unwrap();
    alice.end().succeeded();
    let heard = bed.sealpost("bob", &["listen", "--json", "--count", "3"]).succeeded();
    let heard: Vec<_> =
        objects(&heard).into_iter().filter(|event| event["type"] == "message").collect();
    assert_eq!([&heard[0]["text"], &heard[1]["text"]], ["line\n", "\u{1b}[31m"]);
    assert_eq!(heard[2]["hex"], "ff00");
}

#[test]
fn queued_message_goes_out_with_the_next_send() {
    let bed = ProgramBed::new();
    let place = ProgramBed::reusable_address();
    let server = bed.serve_at(&place, &[]);
    bed.register_both(&server);
    bed.sealpost("alice", &["send", BOB, "one"]).succeeded();
    server.stop();
    assert_eq!(bed.sealpost("alice", &["send", BOB, "two", "--wait", "none"]).sent(), "queued");
    let _server = bed.serve_at(&place, &[]);
    assert_eq!(bed.sealpost("alice", &["send", BOB, "three"]).sent(), "stored");
    let heard = bed.sealpost("bob", &["listen", "--count", "3"]).succeeded();
    let order: Vec<_> = ["one", "two", "three"].map(|text| heard.find(text).unwrap()).into();
    assert!(order.is_sorted(), "{heard}");
}

#[test]
fn one_time_password_from_a_program_is_requested_until_it_is_right() {
    let bed = ProgramBed::new();
    let script = bed.path("deliver");
    let delivered = bed.path("delivered");
    write_script(&script, &format!("cat > {0}.new && mv {0}.new {0}", delivered.display()));
    let server = bed.serve(&["--otp", &format!("exec:{}", script.display())]);
    let mut alice = bed.start("alice", &["register", &server.address, ALICE]);
    until("password", || delivered.exists());
    let otp = fs::read_to_string(&delivered).unwrap().lines().nth(1).unwrap().to_owned();
    alice.type_line("nonsense");
    alice.type_line(wrong(&otp));
    alice.type_line(&otp);
    let ended = alice.end();
    assert!(ended.stderr.contains("Wrong one-time password"), "{ended:?}");
    assert_eq!(ended.succeeded(), format!("registered {ALICE} as user 1\n"));
}

#[test]
fn one_time_password_can_be_given_in_a_second_call() {
    let bed = ProgramBed::new();
    let server = bed.serve(&["--otp", "console"]);
    let register = ["register", &server.address, ALICE];
    let asked = bed.sealpost("alice", &register).failed(1);
    assert!(asked.contains("--have-otp"), "{asked}");
    let line = server.line().unwrap();
    assert!(line.contains(ALICE), "{line}");
    let otp = line.rsplit(' ').next().unwrap();
    let with = |otp: &str| {
        let mut alice = bed.start("alice", &[&register[..], &["--have-otp"]].concat());
        alice.type_line(otp);
        alice.end()
    };
    let refused = with(wrong(otp));
    assert!(refused.stderr.contains("wrong one-time password"), "{refused:?}");
    assert!(refused.stderr.contains('4'), "how many attempts are left: {refused:?}");
    with(otp).succeeded();
    let again = bed.sealpost("alice", &register).succeeded();
    assert_eq!(again, format!("already registered {ALICE} as user 1\n"));
}

#[test]
fn encrypted_key_needs_the_right_passphrase() {
    let bed = ProgramBed::new();
    let server = bed.serve(&[]);
    let (right, wrong) = (bed.path("right"), bed.path("wrong"));
    write_private(&right, "correct horse\n");
    write_private(&wrong, "battery staple\n");
    let (right, wrong) = (right.to_str().unwrap(), wrong.to_str().unwrap());
    let with = |file, args: &[&'static str]| {
        let args = [&["--passphrase-file", file][..], args].concat();
        bed.sealpost("alice", &args)
    };
    let register = ["--passphrase-file", right, "register", &server.address, ALICE];
    bed.sealpost("alice", &register).succeeded();
    let pem = fs::read_to_string(bed.path("alice/key.pem")).unwrap();
    assert!(pem.starts_with("-----BEGIN ENCRYPTED PRIVATE KEY-----"));
    with(right, &["listen", "--seconds", "0"]).succeeded();
    assert!(with(wrong, &["listen"]).failed(1).contains("wrong passphrase"));
    assert!(bed.sealpost("alice", &["status"]).succeeded().contains("user 1"), "needs no key");
}

#[test]
fn ids_of_a_half_created_account_continue_from_the_clock() {
    let bed = ProgramBed::new();
    let server = bed.serve(&[]);
    let address: ServerAddress = server.address.parse().unwrap();
    let identity = Identity {
        phone: ALICE.parse().unwrap(),
        server: *address.fingerprint(),
        profile: address.profile(),
        transport: Transport::Tcp,
        endpoints: address.endpoints().clone(),
    };
    fs::create_dir(bed.path("alice")).unwrap();
    let database = bed.path("alice/client.db");
    drop(SqliteClientStorage::create(&database, &identity).unwrap());
    bed.sealpost("alice", &["register", &server.address, ALICE]).succeeded();
    let store = SqliteClientStorage::open_read_only(&database).unwrap();
    assert!(store.load().unwrap().last_message > Some(MessageId(1 << 50)));
}

#[test]
fn safety_number_is_the_same_on_both_sides_and_can_be_marked() {
    let bed = ProgramBed::new();
    let server = bed.serve(&[]);
    bed.register_both(&server);
    let number = |said: &str| {
        let line = said.lines().nth(1).unwrap();
        let groups: Vec<_> = line.split(' ').collect();
        assert!(groups.len() == 12 && groups.iter().all(|group| group.len() == 5), "{line}");
        line.to_owned()
    };
    let alices = bed.sealpost("alice", &["verify", BOB]).succeeded();
    let mark = format!("--mark={}", number(&alices));
    let bobs = bed.sealpost("bob", &["verify", ALICE, &mark]).succeeded();
    assert_eq!(number(&alices), number(&bobs));
    assert!(alices.contains("Not verified") && bobs.contains("Verified:"));
    let contacts = objects(&bed.sealpost("bob", &["contacts", "--json"]).succeeded());
    assert_eq!((&contacts[0]["phone"], &contacts[0]["verified"]), (&json!(ALICE), &json!(true)));
    let unchanged = bed.sealpost("bob", &["verify", ALICE, "--accept"]).failed(1);
    assert!(unchanged.contains("has not changed"), "{unchanged}");
    bed.sealpost("alice", &["send", BOB, "hi"]).succeeded();
    let heard = bed.sealpost("bob", &["listen", "--count", "1"]).succeeded();
    assert!(heard.contains(&format!("{ALICE} [verified]: hi\n")), "{heard}");
}

#[test]
fn key_is_marked_only_with_the_safety_number_that_was_compared() {
    let bed = ProgramBed::new();
    let server = bed.serve(&[]);
    bed.register_both(&server);
    let is_verified = || {
        let contacts = objects(&bed.sealpost("bob", &["contacts", "--json"]).succeeded());
        contacts[0]["verified"].as_bool().unwrap()
    };
    let other = format!("--mark={}", "0".repeat(60));
    let refused = bed.sealpost("bob", &["verify", ALICE, &other]).failed(1);
    assert!(refused.contains("another safety number"), "{refused}");
    let unanswered = bed.sealpost("bob", &["verify", ALICE, "--mark"]);
    assert!(unanswered.stderr.contains("not confirmed"), "{unanswered:?}");
    let mut bob = bed.start("bob", &["verify", ALICE, "--mark"]);
    bob.type_line("no");
    assert_eq!(bob.end().status.code(), Some(1));
    assert!(!is_verified());
    let mut bob = bed.start("bob", &["verify", ALICE, "--mark"]);
    bob.type_line("yes");
    let ended = bob.end();
    let shown = ended.stdout.lines().nth(1).unwrap();
    assert!(ended.stderr.contains(shown), "what was confirmed: {ended:?}");
    ended.succeeded();
    assert!(is_verified());
}

#[test]
fn changed_key_stops_sending_until_it_is_accepted() {
    let bed = ProgramBed::new();
    let place = ProgramBed::reusable_address();
    let server = bed.serve_at(&place, &[]);
    bed.register_both(&server);
    bed.sealpost("alice", &["send", BOB, "to the old key"]).succeeded();
    server.stop();
    bed.sealpostd(&["users", "delete", BOB]).succeeded();
    let server = bed.serve_at(&place, &[]);
    bed.sealpost("new-bob", &["register", &server.address, BOB]).succeeded();
    // Alice still sends to the old user id, which nobody has any more, and looks the number up.
    let lost = bed.sealpost("alice", &["send", BOB, "to nobody"]).failed(4);
    assert!(lost.contains("has changed"), "{lost}");
    bed.sealpost("new-bob", &["send", ALICE, "my new phone"]).succeeded();
    let heard = bed.sealpost("alice", &["listen", "--json", "--count", "1"]).succeeded();
    let heard = objects(&heard);
    assert!(heard.iter().any(|event| event["trust"] == "changed"), "{heard:?}");
    let refused = bed.sealpost("alice", &["send", BOB, "not yet"]).failed(4);
    assert!(refused.contains("has changed"), "{refused}");
    let mut alice = bed.start("alice", &["verify", BOB, "--accept", "--mark"]);
    alice.type_line("yes"); // Once: it is the same key.
    assert!(alice.end().succeeded().contains("Verified:"));
    assert_eq!(bed.sealpost("alice", &["send", BOB, "to the new key"]).sent(), "stored");
    let heard = bed.sealpost("new-bob", &["listen", "--count", "1"]).succeeded();
    assert!(heard.contains("to the new key"), "{heard}");
}

#[test]
fn operator_can_look_and_delete_while_the_server_runs() {
    let bed = ProgramBed::new();
    let server = bed.serve(&[]);
    bed.register_both(&server);
    bed.sealpost("alice", &["send", BOB, "hi"]).succeeded();
    let users = objects(&bed.sealpostd(&["users", "list", "--json"]).succeeded());
    assert_eq!([&users[0]["phone"], &users[1]["phone"]], [ALICE, BOB]);
    assert_eq!(users[1]["pending_messages"], 1);
    let status = objects(&bed.sealpost("bob", &["status", "--json"]).succeeded());
    assert_eq!(users[1]["fingerprint"], status[0]["fingerprint"]);
    let shown = objects(&bed.sealpostd(&["users", "show", BOB, "--json"]).succeeded());
    assert_eq!(shown[0], users[1]);
    assert!(bed.sealpostd(&["users", "show", BOB]).succeeded().contains(BOB));
    assert!(bed.sealpostd(&["users", "list"]).succeeded().lines().count() == 3);
    assert!(bed.sealpostd(&["stats"]).succeeded().contains("1 messages"));
    let check = objects(&bed.sealpostd(&["check", "--json"]).succeeded());
    assert_eq!((&check[0]["sound"], &check[0]["items"]), (&json!(true), &json!(1)));
    bed.sealpostd(&["users", "delete", BOB]).succeeded();
    assert!(bed.sealpostd(&["users", "delete", BOB]).failed(1).contains("nobody is registered"));
    assert!(bed.sealpostd(&["users", "show", BOB]).failed(1).contains("nobody is registered"));
    bed.sealpostd(&["check"]).succeeded();
    server.stop();
}

#[test]
fn server_on_all_interfaces_asks_for_its_name() {
    let bed = ProgramBed::new();
    let mut server =
        bed.start_sealpostd(&["--init", "--listen", "0.0.0.0:0", "--otp", "in-band-to-anyone"]);
    assert!(server.line().starts_with("ready 0.0.0.0:"));
    let address = bed.sealpostd(&["address"]);
    assert!(address.stderr.contains("in place of HOST"), "{address:?}");
    assert!(address.succeeded().starts_with("sealpost://HOST:"));
    let address = bed.sealpostd(&["address", "--host", "127.0.0.1"]).succeeded();
    bed.sealpost("alice", &["register", address.trim_end(), ALICE]).succeeded();
    assert!(server.is_running());
    let ended = server.stop();
    assert!(ended.stderr.contains("in place of HOST"), "{ended:?}");
    assert_eq!(ended.status.code(), Some(0));
}

#[test]
fn help_and_version_are_printed() {
    let bed = ProgramBed::new();
    for (name, help, version) in [
        ("sealpostd", bed.sealpostd(&["--help"]), bed.sealpostd(&["--version"])),
        ("sealpost", bed.sealpost("x", &["--help"]), bed.sealpost("x", &["--version"])),
    ] {
        let (help, version) = (help.succeeded(), version.succeeded());
        assert!(help.contains("Examples:") && help.contains("[default"), "{help}");
        let expected = format!("{name} {} (", env!("CARGO_PKG_VERSION"));
        assert!(version.starts_with(&expected), "{version}");
    }
}

/// A password that differs from this one.
fn wrong(otp: &str) -> &'static str {
    if otp == "000000" { "000001" } else { "000000" }
}
