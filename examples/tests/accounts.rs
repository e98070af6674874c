#![cfg(test)]
//! Accounts that the server has lost, and people who have registered again.

mod support;

use support::{ALICE, BOB, Daemon, ProgramBed, objects};

/// A bed with a server on an address at which it can be restarted.
struct Server {
    bed: ProgramBed,
    place: String,
    daemon: Option<Daemon>,
}

impl Server {
    /// A server at which Alice and Bob are registered, and know each other.
    fn with_both() -> Self {
        let (bed, place) = (ProgramBed::new(), ProgramBed::reusable_address());
        let daemon = bed.serve_at(&place, &[]);
        bed.register_both(&daemon);
        let this = Self { bed, place, daemon: Some(daemon) };
        this.say("alice", BOB, "hello");
        this.hear("bob", ALICE, &["hello"]);
        this
    }

    fn stop(&mut self) {
        self.daemon.take().unwrap().stop();
    }

    fn start(&mut self) {
        self.daemon = Some(self.bed.serve_at(&self.place, &[]));
    }

    /// The operator deletes an account.
    fn lose(&mut self, phone: &str) {
        self.stop();
        self.bed.sealpostd(&["users", "delete", phone]).succeeded();
        self.start();
    }

    fn register(&self, home: &str, phone: &str) -> String {
        let address = &self.daemon.as_ref().unwrap().address;
        self.bed.sealpost(home, &["register", address, phone]).succeeded()
    }

    fn say(&self, home: &str, to: &str, text: &str) {
        assert_eq!(self.bed.sealpost(home, &["send", to, text]).sent(), "stored");
    }

    /// Listens until as many messages have come. They must be these, in this order, and no others.
    #[track_caller]
    fn hear(&self, home: &str, from: &str, texts: &[&str]) {
        let count = texts.len().to_string();
        let heard = self.bed.sealpost(home, &["listen", "--json", "--count", &count]).succeeded();
        let heard = objects(&heard);
        let messages = heard.iter().filter(|event| event["type"] == "message");
        assert!(messages.clone().all(|event| event["from"] == from), "{heard:?}");
        assert!(messages.map(|event| &event["text"]).eq(texts), "{heard:?}");
        let odd = ["gap", "key-changed", "suspicious", "failed"];
        assert!(
            !heard.iter().any(|event| odd.iter().any(|odd| event["type"] == *odd)),
            "{heard:?}"
        );
    }

    fn fingerprint(&self, home: &str) -> String {
        let status = objects(&self.bed.sealpost(home, &["status", "--json"]).succeeded());
        status[0]["fingerprint"].to_string()
    }
}

#[test]
fn lost_account_is_registered_again_with_the_same_key_and_nothing_is_lost() {
    let mut server = Server::with_both();
    let key = server.fingerprint("alice");
    server.stop();
    let later = server.bed.sealpost("alice", &["send", BOB, "first", "--timeout", "1"]).failed(3);
    assert!(later.contains("sent later"), "{later}");
    server.start();
    server.lose(ALICE);
    let refused = server.bed.sealpost("alice", &["send", BOB, "second"]).failed(3);
    assert!(refused.contains("does not know this account; register again"), "{refused}");
    let said = server.register("alice", ALICE);
    assert!(said.contains("again, with the same key, as user 3"), "{said}");
    assert_eq!(server.register("alice", ALICE), format!("already registered {ALICE} as user 3\n"));
    assert_eq!(server.fingerprint("alice"), key);
    server.say("alice", BOB, "third");
    server.hear("bob", ALICE, &["first", "second", "third"]);
    server.say("bob", ALICE, "answer");
    server.hear("alice", BOB, &["answer"]);
}

#[test]
fn messages_signed_for_a_lost_account_are_signed_for_the_new_one() {
    let mut server = Server::with_both();
    // A packet that is numbered, sealed, signed and durable, and that no server has got.
    server.daemon.as_ref().unwrap().signal(rustix::process::Signal::STOP);
    let sent = server.bed.sealpost("alice", &["send", BOB, "sealed", "--timeout", "1"]);
    server.daemon.as_ref().unwrap().signal(rustix::process::Signal::CONT);
    sent.failed(3);
    server.lose(ALICE);
    server.register("alice", ALICE);
    server.say("alice", BOB, "after");
    server.hear("bob", ALICE, &["sealed", "after"]);
}

#[test]
fn contact_who_registered_again_is_found_and_stays_verified() {
    let mut server = Server::with_both();
    let shown = server.bed.sealpost("alice", &["verify", BOB]).succeeded();
    let mark = format!("--mark={}", shown.lines().nth(1).unwrap());
    server.bed.sealpost("alice", &["verify", BOB, &mark]).succeeded();
    server.lose(BOB);
    let lost = server.bed.sealpost("alice", &["send", BOB, "nobody reads this"]).failed(4);
    assert!(lost.contains("not registered"), "{lost}");
    server.register("bob", BOB);
    server.say("alice", BOB, "found");
    server.hear("bob", ALICE, &["found"]);
    let contacts = objects(&server.bed.sealpost("alice", &["contacts", "--json"]).succeeded());
    assert_eq!((&contacts[0]["id"], &contacts[0]["verified"]), (&3.into(), &true.into()));
}

#[test]
fn lost_account_whose_number_somebody_else_has_registered_is_refused() {
    let mut server = Server::with_both();
    server.lose(ALICE);
    server.register("thief", ALICE);
    let address = server.daemon.as_ref().unwrap().address.clone();
    let refused = server.bed.sealpost("alice", &["register", &address, ALICE]).failed(1);
    assert!(refused.contains("registered by somebody else"), "{refused}");
}

#[test]
fn register_and_verify_say_that_the_server_could_not_be_asked() {
    let mut server = Server::with_both();
    let address = server.daemon.as_ref().unwrap().address.clone();
    server.stop();
    let args = ["register", &address, ALICE, "--timeout", "1"];
    let refused = server.bed.sealpost("alice", &args).failed(1);
    assert!(refused.contains("no server can be reached"), "{refused}");
    assert!(refused.contains("registered as user 1 before"), "{refused}");
    let shown = server.bed.sealpost("alice", &["verify", BOB]).succeeded();
    assert!(shown.starts_with("Not looked up (the server at "), "{shown}");
    assert!(shown.contains("Safety number with"), "{shown}");
}

#[test]
fn verify_looks_up_a_contact_whose_key_has_changed_or_who_is_gone() {
    let mut server = Server::with_both();
    server.lose(BOB);
    let gone = server.bed.sealpost("alice", &["verify", BOB]).succeeded();
    assert!(gone.contains(&format!("nobody is registered as {BOB}")), "{gone}");
    server.register("new-bob", BOB);
    let changed = server.bed.sealpost("alice", &["verify", BOB]).succeeded();
    assert!(changed.contains("The server offers another key"), "{changed}");
}

#[test]
fn verified_contact_with_another_key_gets_nothing_until_the_user_decides() {
    let mut server = Server::with_both();
    let verify = |server: &Server| {
        let shown = server.bed.sealpost("alice", &["verify", BOB, "--json"]).succeeded();
        objects(&shown).remove(0)
    };
    let number = |text: &serde_json::Value| text["safetyNumber"].as_str().unwrap().to_owned();
    let known = number(&verify(&server));
    let mark = format!("--mark={known}");
    server.bed.sealpost("alice", &["verify", BOB, &mark]).succeeded();
    server.lose(BOB);
    server.register("new-bob", BOB);
    server.say("new-bob", ALICE, "it is me");
    let heard = server.bed.sealpost("alice", &["listen", "--count", "1"]).succeeded();
    assert!(heard.contains("[by a changed key!]: it is me"), "{heard}");
    let offered = number(&verify(&server)["offered"]);
    let refused = server.bed.sealpost("alice", &["send", BOB, "is it you?"]).failed(4);
    for said in [&known, &offered, "the key that you have verified", "nothing is sent until"] {
        assert!(refused.contains(said), "{refused}");
    }
    let accept = format!("--accept={offered}");
    server.bed.sealpost("alice", &["verify", BOB, &accept]).succeeded();
    let sent = server.bed.sealpost("alice", &["outbox", "retry"]).succeeded();
    assert!(sent.starts_with("stored "), "{sent}");
    server.hear("new-bob", ALICE, &["is it you?"]);
}

#[test]
fn first_message_to_somebody_new_is_sent_once_there_is_a_server() {
    let bed = ProgramBed::new();
    let place = ProgramBed::reusable_address();
    let daemon = bed.serve_at(&place, &[]);
    bed.register_both(&daemon);
    daemon.stop();
    let later = bed.sealpost("alice", &["send", BOB, "first", "--timeout", "1"]).failed(3);
    assert!(later.contains("sent later"), "{later}");
    let _daemon = bed.serve_at(&place, &[]);
    assert_eq!(bed.sealpost("alice", &["send", BOB, "second"]).sent(), "stored");
    let heard = bed.sealpost("bob", &["listen", "--count", "2"]).succeeded();
    assert!(heard.contains("first") && heard.contains("second"), "{heard}");
}
