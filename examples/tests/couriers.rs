#![cfg(test)]
//! How one-time passwords are delivered, and what is said of those that are not.

mod support;

use std::fs;
use std::net::TcpListener;

use support::{ALICE, ProgramBed, until, write_private, write_script};

#[test]
fn log_of_a_failed_delivery_names_no_phone_password_or_url() {
    let bed = ProgramBed::new();
    let script = bed.path("deliver");
    let delivered = bed.path("delivered");
    write_script(&script, &format!("cat > {0}.new && mv {0}.new {0}; exit 3", delivered.display()));
    // Nobody listens there any more.
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let url = bed.path("url");
    write_private(&url, &format!("http://{nobody}/path-of-the-hook?token=secret-token\n"));
    for route in [format!("exec:{}", script.display()), format!("webhook:{}", url.display())] {
        let server = bed.serve_logging("trace", &["--otp", &route]);
        let alice = bed.start("alice", &["register", &server.address, ALICE]);
        until("the failure is logged", || server.log().contains("was not delivered"));
        alice.kill();
        let password = fs::read_to_string(&delivered).unwrap().lines().nth(1).unwrap().to_owned();
        let log = server.log();
        let digits = ALICE.trim_start_matches('+');
        for secret in [digits, &password, "path-of-the-hook", "secret-token"] {
            assert!(!log.contains(secret), "{secret} is in the log of {route}:\n{log}");
        }
        fs::remove_file(bed.path("sealpostd.log")).unwrap();
    }
}

#[test]
fn passwords_in_band_are_for_this_machine_only() {
    let bed = ProgramBed::new();
    for anywhere in ["0.0.0.0:0", "[::]:0"] {
        let refused = bed.sealpostd(&["--listen", anywhere, "--otp", "in-band"]).failed(2);
        assert!(refused.contains("--otp in-band is not allowed"), "{refused}");
    }
    let url = bed.sealpostd(&["--otp", "webhook:https://example.org/"]);
    assert!(url.stderr.contains("to a file that others can't read"), "{url:?}");
}

#[test]
fn server_warns_if_nobody_proves_to_own_a_number() {
    for route in ["console", "in-band"] {
        let bed = ProgramBed::new();
        let server = bed.serve(&["--otp", route]);
        assert!(server.log().contains("can register any phone number"), "{}", server.log());
    }
}
