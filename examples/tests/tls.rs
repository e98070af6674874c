#![cfg(test)]
//! The programs over TLS.

#[path = "../../transport-mio/tests/certificates/mod.rs"]
mod certificates;
mod support;

use std::fs;
use std::os::unix::fs::PermissionsExt;

use certificates::{TestAuthority, TestCertificate, Validity};
use support::{ALICE, BOB, Daemon, ProgramBed, until, write_private};

/// A folder with a server's certificate and the authority that issued it.
struct TlsBed {
    bed: ProgramBed,
    chain: String,
    key: String,
    ca: String,
}

impl TlsBed {
    fn new(certificate: &TestCertificate, authority: &TestAuthority) -> Self {
        let bed = ProgramBed::new();
        let path = |name| bed.path(name).to_str().unwrap().to_owned();
        let (chain, key, ca) = (path("chain.pem"), path("key.pem"), path("ca.pem"));
        let this = Self { bed, chain, key, ca };
        fs::write(&this.ca, authority.pem()).unwrap();
        this.put(certificate);
        this
    }

    /// With a certificate that clients accept.
    fn good() -> (Self, TestAuthority) {
        let authority = TestAuthority::new();
        (Self::new(&authority.issue(&["127.0.0.1", "localhost"]), &authority), authority)
    }

    fn put(&self, certificate: &TestCertificate) {
        fs::write(&self.chain, &certificate.chain).unwrap();
        write_private(self.key.as_ref(), &certificate.key);
    }

    fn options(&self) -> [&str; 4] {
        ["--tls-cert", &self.chain, "--tls-key", &self.key]
    }

    fn serve(&self) -> Daemon {
        self.bed.serve(&self.options())
    }

    fn register(&self, server: &Daemon, home: &str, phone: &str) {
        let args = ["--ca", &self.ca, "register", &server.address, phone];
        self.bed.sealpost(home, &args).succeeded();
    }

    /// The line with which a server that can't use its certificate ends.
    fn refused(&self) -> String {
        let args = [&["--listen", "127.0.0.1:0"], &self.options()[..]].concat();
        self.bed.sealpostd(&args).failed(1)
    }

    /// The line with which a registration at `address` fails.
    fn not_registered(&self, home: &str, ca: &[&str], address: &str) -> String {
        let args = [ca, &["register", "--timeout", "1", address, ALICE]].concat();
        self.bed.sealpost(home, &args).failed(1)
    }
}

#[test]
fn message_travels_over_tls_and_the_authority_is_remembered() {
    let (tls, _) = TlsBed::good();
    let server = tls.serve();
    assert!(server.address.starts_with("sealposts://127.0.0.1:"), "{}", server.address);
    tls.register(&server, "alice", ALICE);
    tls.register(&server, "bob", BOB);
    assert_eq!(tls.bed.sealpost("alice", &["send", BOB, "hello"]).sent(), "stored");
    let heard = tls.bed.sealpost("bob", &["listen", "--count", "1"]).succeeded();
    assert!(heard.contains("hello"), "{heard}");
    let status = tls.bed.sealpost("bob", &["status"]).succeeded();
    assert!(status.contains(&server.address), "{status}");
    assert_eq!(tls.bed.sealpostd(&["address"]).succeeded().trim_end(), server.address);
    let elsewhere = tls.bed.sealpostd(&["address", "--host", "example.org"]).succeeded();
    assert!(elsewhere.starts_with("sealposts://example.org:"), "{elsewhere}");
}

#[test]
fn unusable_certificate_is_refused_with_one_line() {
    let authority = TestAuthority::new();
    let good = authority.issue(&["127.0.0.1"]);
    let other = authority.issue(&["127.0.0.1"]);
    let no_key = TestCertificate { key: "nothing".into(), ..good.clone() };
    let no_chain = TestCertificate { chain: other.key.clone(), ..good.clone() };
    let other_key = TestCertificate { key: other.key, ..good.clone() };
    let expired = authority.issue_for(&["127.0.0.1"], Validity::Expired);
    for (certificate, reason) in [
        (no_key, "no private key in it"),
        (no_chain, "chain.pem: no certificate in it"),
        (other_key, "the private key does not belong to the certificate"),
        (expired, "the certificate expired on "),
    ] {
        let line = TlsBed::new(&certificate, &authority).refused();
        assert!(line.contains(reason), "{line}");
    }

    let tls = TlsBed::new(&good, &authority);
    fs::set_permissions(&tls.key, fs::Permissions::from_mode(0o644)).unwrap();
    assert!(tls.refused().contains("its mode is 644"));
    fs::remove_file(&tls.chain).unwrap();
    let line = tls.refused();
    assert!(line.contains("chain.pem: No such file"), "{line}");
    assert_eq!(tls.bed.sealpostd(&["--tls-cert", &tls.chain]).status.code(), Some(2));
}

#[test]
fn changed_certificate_is_loaded_and_open_connections_stay() {
    let (tls, authority) = TlsBed::good();
    let server = tls.serve();
    tls.register(&server, "alice", ALICE);
    tls.register(&server, "bob", BOB);
    let bob = tls.bed.start("bob", &["listen", "--json", "--count", "2"]);
    bob.event("online");

    let other_authority = TestAuthority::new();
    tls.put(&other_authority.issue(&["127.0.0.1"]));
    until("a new certificate is loaded", || server.log().contains("loaded the certificate"));
    let send = ["send", "--timeout", "1", BOB, "hello"];
    let line = tls.bed.sealpost("alice", &send).failed(3);
    assert!(line.contains("from an unknown authority"), "{line}");
    fs::write(&tls.ca, other_authority.pem()).unwrap();
    let with_ca = [&["--ca", &tls.ca][..], &["send", "--wait", "delivered", BOB, "again"]].concat();
    assert_eq!(tls.bed.sealpost("alice", &with_ca).sent(), "delivered");

    // One that can't be used changes nothing.
    tls.put(&authority.issue_for(&["127.0.0.1"], Validity::Expired));
    until("a bad certificate is refused", || server.log().contains("so the present one stays"));
    assert!(server.log().contains("the certificate expired on "), "{}", server.log());
    let with_ca = [&["--ca", &tls.ca][..], &["send", BOB, "still"]].concat();
    tls.bed.sealpost("alice", &with_ca).succeeded();
    let ended = bob.end();
    assert!(ended.status.success() && !ended.stdout.contains("offline"), "{ended:?}");
}

#[test]
fn client_says_why_it_does_not_trust_a_server() {
    let (tls, authority) = TlsBed::good();
    let server = tls.serve();
    let ca = ["--ca", &tls.ca];
    let line = tls.not_registered("a", &[], &server.address);
    assert!(line.contains("from an unknown authority"), "{line}");
    let plain = server.address.replace("sealposts", "sealpost");
    let line = tls.not_registered("b", &ca, &plain);
    assert!(line.contains("a sealposts:// address is needed"), "{line}");
    let line = tls.not_registered("c", &["--ca", "/nonexistent"], &server.address);
    assert!(line.contains("/nonexistent: No such file"), "{line}");
    let line = tls.not_registered("d", &["--ca", &tls.key], &server.address);
    assert!(line.contains("no certificate in it"), "{line}");

    let elsewhere = TlsBed::new(&authority.issue(&["example.org"]), &authority);
    let line = elsewhere.not_registered("a", &ca, &elsewhere.serve().address);
    assert!(line.contains("is for example.org, not for this host"), "{line}");

    let bed = ProgramBed::new();
    let stopped = bed.serve(&[]).address.replace("sealpost:", "sealposts:");
    let line = tls.not_registered("e", &ca, &stopped);
    assert!(line.contains("refused the connection"), "{line}");
    let server = bed.serve(&[]);
    let line = tls.not_registered("f", &ca, &server.address.replace("sealpost:", "sealposts:"));
    assert!(line.contains("the server does not speak TLS"), "{line}");
}

#[test]
fn doctor_says_what_is_wrong_with_the_certificate_and_what_to_do() {
    let (authority, place) = (TestAuthority::new(), ProgramBed::reusable_address());
    let host = [place.split(':').next().unwrap()];
    let tls = TlsBed::new(&authority.issue(&host), &authority);
    let server = tls.bed.serve_at(&place, &tls.options());
    tls.register(&server, "alice", ALICE);
    let doctor = || tls.bed.sealpost("alice", &["doctor"]);
    let healthy = doctor().succeeded();
    assert!(healthy.contains("ok       certificate  valid for the server's name"), "{healthy}");
    server.stop();
    let faults = [
        (
            TestAuthority::new().issue(&host),
            "from an unknown authority",
            "with --ca; else somebody may sit between you and the server",
        ),
        (
            authority.issue(&["example.org", "example.net"]),
            "is for example.org and example.net, not for this host",
            "give sealpost address its new name",
        ),
        (
            authority.issue_for(&host, Validity::Briefly),
            "has expired",
            "ask the server's operator to renew the certificate",
        ),
    ];
    for (certificate, found, advice) in faults {
        tls.put(&certificate);
        let server = tls.bed.serve_at(&place, &tls.options());
        until("the fault is found", || doctor().stdout.contains(found));
        let ended = doctor();
        let is_it = |line: &&str| line.starts_with("error    certificate  ");
        let line = ended.stdout.lines().find(is_it).unwrap_or_default();
        assert!(line.contains(found) && line.contains(advice), "{ended:?}");
        assert!(ended.failed(1).contains("one check has found an error"));
        server.stop();
    }
}

#[test]
fn plain_tcp_on_a_public_address_is_warned_of() {
    let bed = ProgramBed::new();
    let server = bed.start_sealpostd(&["--init", "--listen", "0.0.0.0:0"]);
    server.line();
    assert!(
        server.said().contains("are not encrypted by TLS: the network sees who writes to whom")
    );
    server.stop();
    let (tls, _) = TlsBed::good();
    let args = [&["--init", "--listen", "0.0.0.0:0"], &tls.options()[..]].concat();
    let server = tls.bed.start_sealpostd(&args);
    server.line();
    let said = server.said();
    assert!(!said.contains("not encrypted"), "{said}");
    assert!(said.contains("sealposts://127.0.0.1:"), "the certificate's host: {said}");
    server.stop();
}
