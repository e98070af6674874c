#![cfg(test)]
//! `sealpostd` with its store in NATS JetStream. Where there is no `nats-server`, the tests say what
//! they skip.
#![cfg(feature = "jetstream")]

#[path = "../../transport-mio/tests/certificates/mod.rs"]
mod certificates;
mod support;
#[path = "../../storage/src/server/jetstream/test_engine.rs"]
#[allow(dead_code, reason = "the store's own tests use the rest")]
mod test_engine;

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;

use certificates::TestAuthority;
use sealpost_storage::server::jetstream::{Config, Syncing};
use serde_json::{Value, json};
use support::{ALICE, BOB, Daemon, ProgramBed, numbers_from_alice, objects, until, write_private};
use test_engine::TestEngine;

/// A deployment that no other test uses, as arguments of `sealpostd`.
struct Deployment {
    store: String,
    name: String,
}

impl Deployment {
    fn in_engine(engine: &TestEngine) -> Self {
        let Config { servers, deployment, .. } = engine.deployment();
        Self { store: servers[0].clone(), name: deployment }
    }

    /// The same deployment, over TLS.
    fn over_tls(mut self) -> Self {
        self.store = self.store.replace("nats://", "tls://");
        self
    }

    /// Arguments before a command, or of a server.
    fn args(&self) -> [&str; 4] {
        ["--store", &self.store, "--deployment", &self.name]
    }

    /// Writes a configuration into the data folder of a bed, which a server then uses.
    fn configure(&self, bed: &ProgramBed, more: &str) {
        let Self { store, name } = self;
        let text = format!(
            "store = \"{store}\"\n[nats]\ndeployment = \"{name}\"\nreplicas = 1\nshards = 2\n{more}"
        );
        fs::create_dir_all(bed.path("data")).unwrap();
        fs::set_permissions(bed.path("data"), fs::Permissions::from_mode(0o700)).unwrap();
        fs::write(bed.path("data/sealpostd.toml"), text).unwrap();
    }
}

/// A configured bed for a first server.
fn configured(engine: &TestEngine) -> (ProgramBed, Deployment) {
    let (bed, deployment) = (ProgramBed::new(), Deployment::in_engine(engine));
    deployment.configure(&bed, TRUST);
    (bed, deployment)
}

/// What a path of a server's metrics address answers.
fn get(address: &str, path: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\n\r\n").unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    text
}

/// The metrics address in a server's log.
fn metrics_address(server: &Daemon) -> String {
    let log = server.log();
    let (_, rest) = log.split_once("metrics and health on http://").unwrap();
    rest.split_whitespace().next().unwrap().to_owned()
}

fn object(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

#[test]
fn messages_wait_in_the_deployment_while_server_and_recipient_are_away() {
    let Some(engine) = TestEngine::start() else { return };
    let (bed, _) = configured(&engine);
    let server = bed.serve(&[]);
    bed.register_both(&server);
    assert_eq!(bed.sealpost("alice", &["send", BOB, "1"]).sent(), "stored");
    assert!(server.stop().status.success());
    assert!(!bed.path("data/sealpost.db").exists());

    let server = bed.serve_at(&address(&bed), &[]);
    assert_eq!(bed.sealpost("alice", &["send", BOB, "2"]).sent(), "stored");
    let stats = object(&bed.sealpostd(&["stats", "--json"]).succeeded());
    assert_eq!((&stats["users"], &stats["pending_messages"]), (&json!(2), &json!(2)), "{stats}");
    bed.sealpost("bob", &["listen", "--seconds", "2"]).succeeded();
    assert_eq!(numbers_from_alice(&bed), [1, 2]);
    drop(server);
}

/// The address that the server listened on before.
fn address(bed: &ProgramBed) -> String {
    let address = fs::read_to_string(bed.path("data/address")).unwrap();
    let (_, rest) = address.split_once("://").unwrap();
    rest.split('/').next().unwrap().to_owned()
}

#[test]
fn commands_work_beside_the_server_and_without_it() {
    let Some(engine) = TestEngine::start() else { return };
    let (bed, _) = configured(&engine);
    let server = bed.serve(&[]);
    bed.register_both(&server);
    let state = |command: &str| {
        let user = object(&bed.sealpostd(&["users", command, BOB, "--json"]).succeeded());
        user["state"].as_str().unwrap().to_owned()
    };
    let everything = |when: &str| {
        let users = objects(&bed.sealpostd(&["users", "list", "--json"]).succeeded());
        let phones: Vec<_> = users.iter().map(|user| user["phone"].as_str().unwrap()).collect();
        assert_eq!(phones, [ALICE, BOB], "{when}");
        let invited = object(&bed.sealpostd(&["invite", "create", "--json"]).succeeded());
        let id = invited["id"].to_string();
        let listed = objects(&bed.sealpostd(&["invite", "list", "--json"]).succeeded());
        assert_eq!((listed.len(), &listed[0]["id"]), (1, &invited["id"]), "{when}");
        bed.sealpostd(&["invite", "revoke", &id]).succeeded();
        assert_eq!(bed.sealpostd(&["invite", "list", "--json"]).succeeded(), "");
        assert_eq!(state("suspend"), "suspended", "{when}");
        let bob = object(&bed.sealpostd(&["users", "show", BOB, "--json"]).succeeded());
        assert!(bob["suspended"].is_string(), "{bob}");
        assert_eq!(state("resume"), "active", "{when}");
    };
    everything("beside the server");
    let top = object(&bed.sealpostd(&["top", "--once", "--json"]).succeeded());
    assert_eq!((&top["users"], &top["largest"]), (&json!(2), &json!([])));
    bed.sealpostd(&["stop"]).succeeded();

    everything("without it");
    assert_eq!(object(&bed.sealpostd(&["stats", "--json"]).succeeded())["running"], Value::Null);
    bed.sealpostd(&["trust-clock"]).succeeded();
    assert_eq!(state("delete"), "deleted");
    let said = bed.sealpostd(&["users", "show", BOB]).failed(1);
    assert!(said.contains("nobody is registered as"), "{said}");
    drop(server);
}

#[test]
fn user_is_deleted_beside_the_server() {
    let Some(engine) = TestEngine::start() else { return };
    let (bed, _) = configured(&engine);
    let server = bed.serve(&[]);
    bed.register_both(&server);
    assert_eq!(bed.sealpost("alice", &["send", BOB, "1"]).sent(), "stored");
    bed.sealpostd(&["users", "delete", BOB]).succeeded();
    let stats = object(&bed.sealpostd(&["stats", "--json"]).succeeded());
    assert_eq!((&stats["users"], &stats["pending_messages"]), (&json!(1), &json!(0)), "{stats}");
    bed.register(&server, "bob2", BOB);
}

#[test]
fn commands_on_databases_say_what_to_do_instead() {
    let Some(engine) = TestEngine::start() else { return };
    let (bed, _) = configured(&engine);
    bed.sealpostd(&["init"]).succeeded();
    let backup = bed.path("backup").to_str().unwrap().to_owned();
    for (command, instead) in [
        (&["backup", &backup][..], "nats account backup"),
        (&["restore", &backup, "--replace"], "nats account restore"),
        (&["check"], "nats stream report"),
        (&["accept-database"], "use a new data folder"),
        (&["new-database"], "use a new data folder"),
    ] {
        let said = bed.sealpostd(command).failed(1);
        assert!(said.contains("keeps its accounts in NATS"), "{said}");
        assert!(said.contains(instead), "{said}");
    }
}

#[test]
fn folder_belongs_to_one_store() {
    let Some(engine) = TestEngine::start() else { return };
    let (bed, deployment) = configured(&engine);
    bed.sealpostd(&["init"]).succeeded();
    // Without a store.
    fs::write(bed.path("data/sealpostd.toml"), "").unwrap();
    let said = bed.sealpostd(&[]).failed(1);
    assert!(said.contains("keeps its accounts in NATS") && said.contains("--store"), "{said}");
    assert!(!bed.path("data/sealpost.db").exists(), "nothing begins empty");
    let said = bed.sealpostd(&["users", "list"]).failed(1);
    assert!(said.contains("run this command with the server's configuration"), "{said}");
    // With another deployment.
    let other = Deployment { name: "other".into(), store: deployment.store.clone() };
    other.configure(&bed, TRUST);
    let said = bed.sealpostd(&[]).failed(1);
    assert!(said.contains("and not to \"other\""), "{said}");
    // With a NATS that has nothing.
    let empty = TestEngine::start().unwrap();
    let Config { servers, .. } = empty.deployment();
    let lost = Deployment { name: deployment.name.clone(), store: servers[0].clone() };
    lost.configure(&bed, TRUST);
    let said = bed.sealpostd(&[]).failed(1);
    assert!(
        said.contains("there is no deployment") && said.contains("nothing was created"),
        "{said}"
    );

    // A folder with a database.
    let bed = ProgramBed::new();
    bed.sealpostd(&["init"]).succeeded();
    fs::remove_file(bed.path("data/sealpostd.toml")).unwrap();
    deployment.configure(&bed, TRUST);
    let said = bed.sealpostd(&[]).failed(1);
    assert!(said.contains("move them with sealpostd migrate --to nats"), "{said}");
}

/// Needs no engine: the folder alone says that it has none of its own.
#[test]
fn folder_of_a_deployment_gets_no_database() {
    let bed = ProgramBed::new();
    bed.sealpostd(&["init"]).succeeded();
    for name in ["sealpost.db", "database-id", "sealpostd.toml"] {
        fs::remove_file(bed.path("data").join(name)).unwrap();
    }
    fs::write(bed.path("data/store"), "nats sealpost\n").unwrap();
    let said = bed.sealpostd(&[]).failed(1);
    assert!(said.contains("in the deployment \"sealpost\", and no store is configured"), "{said}");
    assert!(!bed.path("data/sealpost.db").exists());
    fs::write(bed.path("data/store"), "carrier pigeons\n").unwrap();
    let said = bed.sealpostd(&[]).failed(1);
    assert!(said.contains("data/store is damaged, or of a later version"), "{said}");
}

#[test]
fn second_server_needs_the_key_of_the_first_and_serves_the_same_accounts() {
    let Some(engine) = TestEngine::start() else { return };
    let (first, deployment) = configured(&engine);
    let server = first.serve(&["--profile", "wide"]);
    first.register_both(&server);

    let second = ProgramBed::new();
    deployment.configure(&second, TRUST);
    let said = second.sealpostd(&["init"]).failed(1);
    assert!(
        said.contains("copy server-key.pem into it, from the data folder of another server"),
        "{said}"
    );
    assert!(!second.path("data/store").exists() && !second.path("data/server-key.pem").exists());
    let other = ProgramBed::new();
    other.sealpostd(&["init"]).succeeded();
    fs::copy(other.path("data/server-key.pem"), second.path("data/server-key.pem")).unwrap();
    let said = second.sealpostd(&["init"]).failed(1);
    assert!(said.contains("and the other servers of the deployment have sha256:"), "{said}");
    fs::copy(first.path("data/server-key.pem"), second.path("data/server-key.pem")).unwrap();
    second.sealpostd(&["init"]).succeeded();

    let users = objects(&second.sealpostd(&["users", "list", "--json"]).succeeded());
    assert_eq!(users.len(), 2);
    drop(server);
    // The profile is that of the deployment, and clients of the first server find the second one.
    let other = second.serve_at(&address(&first), &["--otp", "in-band"]);
    assert_eq!(first.sealpost("alice", &["send", BOB, "1"]).sent(), "stored");
    assert!(other.log().contains("sealpost+wide://"), "{}", other.log());
}

#[test]
fn key_is_changed_on_two_servers() {
    let Some(engine) = TestEngine::start() else { return };
    let (first, deployment) = configured(&engine);
    first.sealpostd(&["init"]).succeeded();
    let second = ProgramBed::new();
    deployment.configure(&second, TRUST);
    let copy = |name: &str| fs::copy(first.path("data").join(name), second.path("data").join(name));
    copy("server-key.pem").unwrap();
    drop(second.serve(&[]));

    first.sealpostd(&["key", "rotate"]).succeeded();
    drop(first.serve(&[]));
    let said = second.sealpostd(&[]).failed(1);
    assert!(
        said.contains("copy successor-key.pem from the data folder of another server"),
        "{said}"
    );
    copy("successor-key.pem").unwrap();
    drop(second.serve(&[]));

    first.sealpostd(&["key", "retire"]).succeeded();
    let server = first.serve(&[]);
    let kept = second.serve(&[]);
    assert!(kept.log().contains("keeps an old key that the other servers have retired"));
    drop(kept);
    second.sealpostd(&["key", "retire"]).succeeded();
    assert_eq!(fs::read(first.path("data/server-key.pem")).unwrap(), {
        fs::read(second.path("data/server-key.pem")).unwrap()
    });
    let second = second.serve(&[]);
    assert_eq!(fingerprint(&second), fingerprint(&server));
}

fn fingerprint(server: &Daemon) -> &str {
    server.address.rsplit('/').next().unwrap()
}

#[test]
fn refused_engine_is_named_with_the_reason() {
    let lines = "system_account: SYS\n\
                 accounts { SYS { users: [ { user: system, password: s } ] },\
                 NONE { users: [ { user: none, password: a } ] },\
                 APP { jetstream: enabled, users: [ { user: sealpost, password: a } ] } }";
    let Some(engine) = TestEngine::start_syncing("2m", 1, lines) else { return };
    let (bed, deployment) = (ProgramBed::new(), Deployment::in_engine(&engine));
    for (name, password) in [("a", "a\n"), ("s", "s\n"), ("wrong", "haddock\n")] {
        write_private(&bed.path(name), password);
    }
    let said = |user: &str, password: &str, more: &str| {
        let password = bed.path(password);
        deployment
            .configure(&bed, &format!("user = \"{user}\"\npassword_file = {password:?}\n{more}\n"));
        bed.sealpostd(&["init"])
    };
    let refused = |user, password, more: &str, why: &str| {
        let line = said(user, password, more).failed(1);
        assert!(line.contains(why), "{line}");
        assert!(!line.contains("haddock"), "{line}");
    };
    refused("sealpost", "wrong", TRUST, "NATS refused the user \"sealpost\"");
    refused("none", "a", TRUST, "NATS has no JetStream for this user");
    let system = |user: &str, password: &str| {
        format!("system_user = \"{user}\"\nsystem_password_file = {:?}\n", bed.path(password))
    };
    refused("sealpost", "a", &system("sealpost", "a"), "is not one of the system account");
    refused("sealpost", "a", &system("system", "s"), "sync_interval: always");
    let line = said("sealpost", "a", "").failed(2);
    assert!(line.contains("sync_interval: always") && line.contains("nats.trust_sync"), "{line}");
    said("sealpost", "a", TRUST).succeeded();
    let other = bed.sealpostd(&["--profile", "wide"]).failed(1);
    assert!(other.contains("the streams were created for the other profile, Compact"), "{other}");
}

#[test]
fn engine_and_server_show_each_other_certificates() {
    let (bed, authority) = (ProgramBed::new(), TestAuthority::new());
    let issued = authority.issue(&["127.0.0.1"]);
    let [ca, chain, key] = [("ca", authority.pem()), ("chain", issued.chain), ("key", issued.key)]
        .map(|(name, pem)| {
            write_private(&bed.path(name), &pem);
            bed.path(name)
        });
    let lines =
        format!("tls {{ cert_file: {chain:?}, key_file: {key:?}, ca_file: {ca:?}, verify: true }}");
    let Some(engine) = TestEngine::start_with(1, &lines) else { return };
    let deployment = Deployment::in_engine(&engine).over_tls();
    let init = |more: &str| {
        deployment.configure(&bed, &format!("{TRUST}{more}"));
        bed.sealpostd(&["init"])
    };
    let said = init("").failed(1);
    assert!(said.contains("invalid peer certificate"), "{said}");
    let said = init(&format!("authorities = {ca:?}\n")).failed(1);
    assert!(said.contains("cannot connect to NATS"), "{said}");
    let identity = format!("authorities = {ca:?}\ncertificate = {chain:?}\nkey = {key:?}\n");
    init(&identity).succeeded();

    deployment.configure(&bed, &format!("{TRUST}certificate = {chain:?}\n"));
    let said = bed.sealpostd(&["config", "check"]).failed(2);
    assert!(said.contains("nats.certificate needs nats.key as well"), "{said}");
    Deployment::in_engine(&engine).configure(&bed, &format!("{TRUST}{identity}"));
    let said = bed.sealpostd(&["config", "check"]).failed(2);
    assert!(
        said.contains("nats.authorities is for TLS") && said.contains("write tls://"),
        "{said}"
    );
}

#[test]
fn configuration_is_checked_without_an_engine() {
    let bed = ProgramBed::new();
    let refused = |text: &str| {
        let path = bed.path("a.toml");
        fs::write(&path, text).unwrap();
        bed.sealpostd(&["config", "check", "--config", path.to_str().unwrap()]).failed(2)
    };
    for (text, why) in [
        ("store = \"nats\"\n", "line 1: store: write nats://HOST:PORT"),
        ("store = \"nats://a:b@c\"\n", "set nats.user and nats.password_file"),
        ("[nats]\nuser = \"a\"\n", "line 2: nats.user is for a store in NATS"),
        ("store = \"nats://a\"\n", "line 1: store needs to know that NATS writes to its disks"),
        (
            "store = \"nats://a\"\n[nats]\ntrust_sync = true\ndeployment = \"a.b\"\n",
            "can't be the name of a deployment",
        ),
        ("store = \"nats://a\"\n[nats]\ntrust_sync = true\nreplicas = 2\n", "1, 3 or 5 replicas"),
        (
            "store = \"nats://a\"\n[nats]\ntrust_sync = true\nuser = \"a\"\n",
            "nats.user needs nats.password_file as well",
        ),
        (
            "store = \"nats://a\"\n[nats]\ntrust_sync = true\nsystem_user = \"a\"\n\
             system_password_file = \"b\"\n",
            "exclude each other",
        ),
    ] {
        let said = refused(text);
        assert!(said.contains(why), "{text}: {said}");
    }
    let text = "store = \"nats://a\"\n[nats]\ntrust_sync = true\nuser = \"a\"\npassword_file = \"/no/file\"\n";
    fs::write(bed.path("a.toml"), text).unwrap();
    let path = bed.path("a.toml");
    let said = bed.sealpostd(&["config", "check", "--config", path.to_str().unwrap()]).failed(1);
    assert!(said.contains("/no/file"), "{said}");
}

#[test]
fn start_waits_for_an_engine_and_a_server_outlives_its_restart() {
    let Some(mut engine) = TestEngine::start() else { return };
    let (bed, _) = configured(&engine);
    engine.kill(0);
    let starting = bed.launch("127.0.0.1:0", &["--metrics", "127.0.0.1:0"]);
    until("the server waits", || {
        fs::read_to_string(bed.path("sealpostd.log"))
            .is_ok_and(|log| log.contains("waiting for NATS at nats://127.0.0.1:"))
    });
    engine.restart(0);
    let server = starting.ready();
    bed.register_both(&server);
    let metrics = metrics_address(&server);
    assert!(get(&metrics, "/ready").starts_with("HTTP/1.1 200"));
    let text = get(&metrics, "/metrics");
    for line in
        ["sealpost_nats_connected 1", "sealpost_nats_reconnects_total 0", "sealpost_users 2"]
    {
        assert!(text.contains(line), "{line}: {text}");
    }
    for absent in ["sealpost_disk_free_bytes", "sealpost_disk_reserve_bytes", "sealpost_waiting"] {
        assert!(!text.contains(absent), "{absent}: {text}");
    }

    engine.kill(0);
    until("the loss is logged", || server.log().contains("the connection to NATS is lost"));
    let answer = get(&metrics, "/ready");
    assert!(
        answer.starts_with("HTTP/1.1 503") && answer.contains("NATS did not answer"),
        "{answer}"
    );
    assert!(get(&metrics, "/metrics").contains("sealpost_nats_connected 0"));
    engine.restart(0);
    until("the server is ready", || get(&metrics, "/ready").starts_with("HTTP/1.1 200"));
    until("the return is logged", || server.log().contains("connected to NATS again"));
    assert!(get(&metrics, "/metrics").contains("sealpost_nats_reconnects_total 1"));
    assert_eq!(bed.sealpost("alice", &["send", BOB, "1"]).sent(), "stored");
    assert!(!server.log().contains("async_nats") && !server.log().contains("ERROR"));
}

#[test]
#[cfg(target_os = "linux")]
fn one_more_thread_is_not_confined_with_a_store_in_nats() {
    let Some(engine) = TestEngine::start() else { return };
    let (bed, _) = configured(&engine);
    let server = bed.serve(&[]);
    let folder = format!("/proc/{}/task", server.pid().as_raw_nonzero());
    let free = || -> Vec<String> {
        let threads = fs::read_dir(&folder).unwrap();
        let statuses = threads
            .filter_map(|thread| fs::read_to_string(thread.unwrap().path().join("status")).ok());
        let field = |status: &str, name| {
            status.lines().find_map(|line| line.strip_prefix(name)).unwrap().to_owned()
        };
        let free = statuses.filter(|status| field(status, "NoNewPrivs:\t") == "0");
        let mut names: Vec<_> = free.map(|status| field(&status, "Name:\t")).collect();
        names.sort();
        names
    };
    // A thread has the name of the program until it has given itself its own.
    until("threads have their names", || free() == ["nats", "supervisor"]);
}

#[test]
fn loss_of_a_node_is_not_noticed_by_users() {
    let Some(mut engine) = TestEngine::start_cluster() else { return };
    let Config { servers, deployment, .. } = engine.deployment();
    let hosts: Vec<_> = servers.iter().map(|server| server.replace("nats://", "")).collect();
    let store = format!("nats://{}", hosts.join(","));
    let (bed, deployment) = (ProgramBed::new(), Deployment { store, name: deployment });
    deployment.configure(&bed, TRUST);
    let path = bed.path("data/sealpostd.toml");
    let text = fs::read_to_string(&path).unwrap().replace("replicas = 1", "replicas = 3");
    fs::write(&path, text).unwrap();
    let server = bed.serve(&[]);
    bed.register_both(&server);
    for (node, number) in ["1", "2", "3"].into_iter().enumerate() {
        engine.kill(node);
        let sent = bed.sealpost("alice", &["send", "--timeout", "50", BOB, number]);
        assert_eq!(sent.sent(), "stored", "{}", server.log());
        engine.restart(node);
        let health = || bed.sealpostd(&["health"]);
        until("the server is ready", || health().status.success());
    }
    bed.sealpost("bob", &["listen", "--seconds", "3"]).succeeded();
    assert_eq!(numbers_from_alice(&bed), [1, 2, 3]);
}

#[test]
fn reload_names_what_needs_a_restart() {
    let Some(engine) = TestEngine::start() else { return };
    let (bed, deployment) = configured(&engine);
    let server = bed.serve(&[]);
    deployment.configure(
        &bed,
        &format!("{TRUST}[storage]\nmailbox_messages = 0\n[log]\nformat = \"json\"\n"),
    );
    let said = bed.sealpostd(&["reload"]).succeeded();
    assert!(said.contains("storage.mailbox_messages changed; log.format will change"), "{said}");
    bed.register_both(&server);
    let sent = bed.sealpost("alice", &["send", "--timeout", "2", BOB, "1"]);
    assert!(!sent.stdout.contains("stored"), "the quota is in force: {sent:?}");
}

#[test]
fn flags_select_the_store_too() {
    let Some(engine) = TestEngine::start() else { return };
    let (bed, deployment) = (ProgramBed::new(), Deployment::in_engine(&engine));
    let [store, address, option, name] = deployment.args();
    let environment = [("SEALPOST_NATS_TRUST_SYNC", "true"), ("SEALPOST_NATS_REPLICAS", "1")];
    let args = [store, address, option, name, "init"];
    bed.sealpostd_with(&environment, &args).succeeded();
    let kept = fs::read_to_string(bed.path("data/sealpostd.toml")).unwrap();
    assert!(kept.contains("\ntrust_sync = true\n") && kept.contains(address), "{kept}");
    drop(bed.serve(&[]));
}

/// The operator's word, in the section `[nats]`.
const TRUST: &str = "trust_sync = true\n";
