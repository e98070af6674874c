#![cfg(test)]
//! How one-time passwords are delivered, and what is said of those that are not.

mod support;

use std::fs;
use std::net::TcpListener;

use support::{ALICE, BOB, ProgramBed, until, write_private, write_script};

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
fn slow_delivery_does_not_hold_up_another() {
    let bed = ProgramBed::new();
    let script = bed.path("deliver");
    let [slow, fast] = ["slow", "fast"].map(|name| bed.path(name));
    let body = format!(
        "read phone; case $phone in {ALICE}) touch {}; exec sleep 60;; *) touch {};; esac",
        slow.display(),
        fast.display()
    );
    write_script(&script, &body);
    let server = bed.serve(&["--otp", &format!("exec:{}", script.display())]);
    let _alice = bed.start("alice", &["register", &server.address, ALICE]);
    until("the slow delivery", || slow.exists());
    let _bob = bed.start("bob", &["register", &server.address, BOB]);
    until("the fast delivery", || fast.exists());
    // The slow one would be killed before the fast one could begin after it.
    assert!(!server.log().contains("was killed"), "{}", server.log());
}

#[test]
fn registered_number_is_hidden_if_the_operator_says_so() {
    let bed = ProgramBed::new();
    let server = bed.serve(&["--otp", "console", "--hide-registered"]);
    let register = |home| {
        let mut client = bed.start(home, &["register", &server.address, ALICE]);
        let line = server.line().unwrap();
        client.type_line(line.rsplit(' ').next().unwrap());
        client.end()
    };
    register("alice").succeeded();
    let thief = register("thief");
    assert!(thief.stderr.contains("A one-time password was sent"), "{thief:?}");
    assert!(thief.stderr.contains("registered by somebody else"), "{thief:?}");
    let pointless = bed.sealpostd(&["--otp", "in-band", "--hide-registered"]).failed(2);
    assert!(pointless.contains("hides nothing"), "{pointless}");
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
