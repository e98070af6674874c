#![cfg(test)]
//! Who may register at a server, as operators decide it and people notice it.

mod support;

use std::fs;
use std::os::unix::fs::PermissionsExt;

use support::{ALICE, BOB, ProgramBed, objects, write_private};

/// Makes an invitation while no server runs. Returns its link.
fn invite(bed: &ProgramBed, args: &[&str]) -> String {
    let made = bed.sealpostd(&[&["invite", "create"], args].concat()).succeeded();
    made.lines().next().unwrap().to_owned()
}

/// Makes the data folder of a server that listens on `place`.
fn make_folder(bed: &ProgramBed, place: &str) {
    assert_eq!(bed.serve_at(place, &[]).stop().status.code(), Some(0));
}

const INVITE: &[&str] = &["--registration", "invite", "--otp", "console"];

#[test]
fn link_registers_as_many_as_it_is_good_for() {
    let bed = ProgramBed::new();
    let place = ProgramBed::reusable_address();
    make_folder(&bed, &place);
    let link = invite(&bed, &["--note", "for Alice\n"]);
    let server = bed.serve_at(&place, INVITE);
    assert_eq!(link.split('#').next(), Some(server.address.as_str()));

    let wanted = "invitation that is good for this phone number";
    for address in [&server.address, &format!("{}#guess", server.address)] {
        let said = bed.sealpost("alice", &["register", address, ALICE]).failed(1);
        assert!(said.contains(wanted), "{said}");
    }
    let said = bed.sealpost("alice", &["register", &link, ALICE]).succeeded();
    assert_eq!(said, format!("registered {ALICE} as user 1\n"));
    // Used up; its user gets in all the same, with or without it.
    let said = bed.sealpost("bob", &["register", &link, BOB]).failed(1);
    assert!(said.contains(wanted), "{said}");
    for address in [&server.address, &link] {
        let said = bed.sealpost("alice", &["register", address, ALICE]).succeeded();
        assert_eq!(said, format!("already registered {ALICE} as user 1\n"));
    }
    assert_eq!(server.stop().stdout, "", "no password was printed");

    let listed = bed.sealpostd(&["invite", "list"]).succeeded();
    assert!(listed.contains("used up") && listed.contains("0 of 1"), "{listed}");
    assert!(listed.lines().count() == 2, "the note is on one line: {listed}");
    let listed = objects(&bed.sealpostd(&["invite", "list", "--json"]).succeeded());
    assert_eq!((&listed[0]["state"], &listed[0]["uses_left"]), (&"used up".into(), &0.into()));
}

#[test]
fn link_that_other_users_must_not_see_comes_from_a_file_or_standard_input() {
    let bed = ProgramBed::new();
    let place = ProgramBed::reusable_address();
    make_folder(&bed, &place);
    let link = invite(&bed, &["--uses", "2"]);
    let server = bed.serve_at(&place, INVITE);
    let file = bed.path("link.txt");
    write_private(&file, &format!("{link}\n"));
    let from_file = ["register", "--link-file", file.to_str().unwrap(), ALICE];
    bed.sealpost("alice", &from_file).succeeded();

    let mut typed = bed.start("bob", &["register", "--link-file", "-", BOB]);
    let code = link.split('#').nth(1).unwrap();
    assert!(bed.processes().iter().all(|command| !command.contains(code)));
    typed.type_line(&link);
    assert_eq!(typed.line(), format!("registered {BOB} as user 2"));
    server.stop();

    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    let refused = bed.sealpost("eve", &from_file).failed(1);
    assert!(refused.contains("must be 600"), "{refused}");
    write_private(&bed.path("empty.txt"), "nothing of the kind");
    let empty = bed.path("empty.txt");
    let refused = ["register", "--link-file", empty.to_str().unwrap(), ALICE];
    let refused = bed.sealpost("eve", &refused).failed(1);
    assert!(refused.contains("no address and no link"), "{refused}");
    for args in [&["register", ALICE][..], &["register", &link, "--link-file", "-", ALICE]] {
        let ended = bed.sealpost("eve", args);
        assert_eq!(ended.status.code(), Some(2), "{args:?}: {}", ended.stderr);
    }
}

#[test]
fn invitations_are_bound_to_a_phone_and_can_be_revoked() {
    let bed = ProgramBed::new();
    let place = ProgramBed::reusable_address();
    make_folder(&bed, &place);
    let hers = invite(&bed, &["--phone", ALICE, "--uses", "2", "--qr"]);
    let revoked = invite(&bed, &["--json"]);
    let revoked = &objects(&revoked)[0];
    let id = revoked["id"].to_string();
    let said = bed.sealpostd(&["invite", "revoke", &id, "--json"]).succeeded();
    assert_eq!(objects(&said)[0]["revoked"], revoked["id"]);
    let said = bed.sealpostd(&["invite", "revoke", &id]).failed(1);
    assert!(said.contains("there is no invitation 2"), "{said}");

    let server = bed.serve_at(&place, INVITE);
    let while_it_runs = invite(&bed, &["--phone", ALICE]);
    bed.sealpostd(&["invite", "revoke", "3"]).succeeded();
    for link in [hers.as_str(), while_it_runs.as_str(), revoked["link"].as_str().unwrap()] {
        let said = bed.sealpost("bob", &["register", link, BOB]).failed(1);
        assert!(said.contains("good for this phone number"), "{said}");
    }
    bed.sealpost("alice", &["register", &hers, ALICE]).succeeded();
    drop(server);
}

#[test]
fn closed_server_registers_nobody_and_serves_its_users() {
    let bed = ProgramBed::new();
    let place = ProgramBed::reusable_address();
    let server = bed.serve_at(&place, &[]);
    bed.register_both(&server);
    server.stop();
    let link = invite(&bed, &[]);
    let server = bed.serve_at(&place, &["--registration", "closed"]);
    for address in [&server.address, &link] {
        bed.sealpost("eve", &["register", address, "+4915100000003"]).failed(1);
    }
    assert_eq!(bed.sealpost("alice", &["send", BOB, "hi"]).sent(), "stored");
}

#[test]
fn numbers_without_an_allowed_prefix_need_a_link() {
    let bed = ProgramBed::new();
    let place = ProgramBed::reusable_address();
    make_folder(&bed, &place);
    let link = invite(&bed, &[]);
    let french = "+33612345678";
    let server = bed.serve_at(&place, &["--phone-prefixes", "+4915,+43"]);
    bed.register(&server, "alice", ALICE);
    bed.sealpost("eve", &["register", &server.address, french]).failed(1);
    bed.sealpost("eve", &["register", &link, french]).succeeded();
}

#[test]
fn database_has_no_code_and_no_use_is_lost() {
    let bed = ProgramBed::new();
    let place = ProgramBed::reusable_address();
    make_folder(&bed, &place);
    let link = invite(&bed, &["--uses", "2"]);
    let (_, code) = link.split_once('#').unwrap();
    let server = bed.serve_at(&place, INVITE);
    bed.sealpost("alice", &["register", &link, ALICE]).succeeded();
    // As after a power loss.
    assert!(server.kill());
    let server = bed.serve_at(&place, INVITE);
    bed.sealpost("bob", &["register", &link, BOB]).succeeded();
    bed.sealpost("eve", &["register", &link, "+4915100000003"]).failed(1);
    server.stop();
    assert!(bed.sealpostd(&["check"]).succeeded().contains("read 2 users"));
    for file in fs::read_dir(bed.path("data")).unwrap() {
        let bytes = fs::read(file.unwrap().path()).unwrap();
        let has = |part: &str| bytes.windows(part.len()).any(|window| window == part.as_bytes());
        assert!(!has(code) && !has(&code[..12]));
    }
}

#[test]
fn mistakes_on_the_command_line_are_explained() {
    let bed = ProgramBed::new();
    make_folder(&bed, "127.0.0.1:0");
    for (args, reason) in [
        (&["invite", "create", "--uses", "0"][..], "0 is not in"),
        (&["invite", "create", "--expires", "7"], "time unit needed"),
        (&["invite", "create", "--phone", "0151"], "not a phone number"),
        (
            &["--registration", "open", "--phone-prefixes", "49"],
            "not the beginning of phone numbers",
        ),
    ] {
        let ended = bed.sealpostd(args);
        assert_eq!(ended.status.code(), Some(2), "{args:?}");
        assert!(ended.stderr.contains(reason), "{args:?}: {}", ended.stderr);
    }
}
