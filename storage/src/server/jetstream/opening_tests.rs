//! Which engines and deployments are refused.

use std::io::{BufRead, BufReader, Write as _};
use std::net::TcpListener;
use std::{fs, thread};

use sealpost_core::wire::Profile;

use super::bed::JetStreamBed;
use super::slot::Value;
use super::test_engine::TestEngine;
use super::{
    Config, Credentials, JetStreamInspector, JetStreamStorage, Missing, OpenJetStreamError,
    Syncing, Tls,
};
use crate::engine::test_folder::folder;
use crate::server::quota::Quota;

#[test]
fn deployment_that_this_program_does_not_understand_is_refused() {
    let Some(engine) = TestEngine::start() else { return };
    let refused = |config: &Config, profile| {
        JetStreamStorage::open(config, profile, Quota::default()).unwrap_err()
    };
    let mut bed = JetStreamBed::new(&engine, Profile::Wide, Quota::default());
    let config = bed.config().clone();
    assert!(matches!(
        refused(&config, Profile::Compact),
        OpenJetStreamError::OtherProfile(Profile::Wide)
    ));

    let storage = bed.storage();
    let other = Value::Record(br#"{"version":2,"what":"nobody knows"}"#.to_vec());
    let (connection, key) = (&storage.desk.connection, storage.desk.layout.layout());
    let written = storage.driver.block_on(async {
        let slot = connection.read(&key).await?;
        connection.commit(&[key.write(slot.revision, other)]).await
    });
    written.unwrap();
    let other = refused(&config, Profile::Wide);
    assert!(matches!(other, OpenJetStreamError::OtherLayout { found: 2, known: 1 }), "{other}");
}

#[test]
fn stream_that_was_lost_or_changed_is_not_replaced() {
    let Some(engine) = TestEngine::start() else { return };
    let mut bed = JetStreamBed::new(&engine, Profile::Wide, Quota::default());
    let config = bed.config().clone();
    let refused = || JetStreamStorage::open(&config, Profile::Wide, Quota::default()).unwrap_err();
    let storage = bed.storage();
    let (stream, context) = (storage.desk.layout.mailboxes(1), storage.desk.connection.context());
    storage.driver.block_on(context.delete_stream(&stream)).unwrap();
    assert!(matches!(refused(), OpenJetStreamError::LostStream(lost) if lost == stream));
    let other = async_nats::jetstream::stream::Config {
        name: stream.clone(),
        subjects: vec![storage.desk.layout.mailbox_subjects(1)],
        ..Default::default()
    };
    storage.driver.block_on(context.create_stream(other)).unwrap();
    assert!(matches!(refused(), OpenJetStreamError::ForeignStream(found) if found == stream));
}

#[test]
fn deployment_that_is_lost_is_not_created_again() {
    let Some(engine) = TestEngine::start() else { return };
    let config = Config { missing: Missing::Refuse, ..engine.deployment() };
    let open = |config: &Config| JetStreamStorage::open(config, None, Quota::default());
    let refused = open(&config).unwrap_err();
    assert!(matches!(refused, OpenJetStreamError::NoDeployment(_)), "{refused}");
    let inspected = JetStreamInspector::open(&config).unwrap_err();
    assert!(matches!(inspected, OpenJetStreamError::NoDeployment(_)), "{inspected}");
    assert!(!refused.may_pass());
    open(&Config { missing: Missing::Create, ..config.clone() }).unwrap();
    assert_eq!(open(&config).unwrap().profile(), Profile::Compact);
}

#[test]
fn engine_without_streams_is_refused_at_once() {
    let Some(engine) =
        TestEngine::start_with(1, "accounts { A { users: [ { user: a, password: a } ] } }")
    else {
        return;
    };
    let credentials = Credentials::Password { user: "a".into(), password: "a".to_owned().into() };
    let config = Config { credentials, ..engine.deployment() };
    let refused = JetStreamStorage::open(&config, None, Quota::default()).unwrap_err();
    assert!(matches!(refused, OpenJetStreamError::NoJetStream), "{refused}");
}

#[test]
fn engine_that_is_not_there_may_come_yet() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let config = Config::new(vec![format!("nats://{free}")], Syncing::Trusted);
    let refused = JetStreamStorage::open(&config, None, Quota::default()).unwrap_err();
    assert!(
        matches!(refused, OpenJetStreamError::Unreachable(_)) && refused.may_pass(),
        "{refused}"
    );
}

#[test]
fn engine_asks_for_a_password() {
    let lines = "authorization { user: sealpost, password: swordfish }";
    let Some(engine) = TestEngine::start_with(1, lines) else { return };
    let with = |credentials| {
        let config = Config { credentials, ..engine.deployment() };
        JetStreamStorage::open(&config, Profile::Wide, Quota::default())
    };
    let password = |password: &str| Credentials::Password {
        user: "sealpost".into(),
        password: password.to_owned().into(),
    };
    for wrong in [Credentials::None, password("haddock")] {
        assert!(matches!(with(wrong).unwrap_err(), OpenJetStreamError::Unauthorized(_)));
    }
    assert!(with(password("swordfish")).is_ok());
}

#[test]
fn connection_uses_tls_and_trusts_the_named_authority_only() {
    let folder = folder();
    let certificate = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let [authority, key] = ["cert.pem", "key.pem"].map(|name| folder.path().join(name));
    fs::write(&authority, certificate.cert.pem()).unwrap();
    fs::write(&key, certificate.signing_key.serialize_pem()).unwrap();
    let lines = format!("tls {{ cert_file: {authority:?}, key_file: {key:?} }}");
    let Some(engine) = TestEngine::start_with(1, &lines) else { return };
    let with = |authorities| {
        let config =
            Config { tls: Some(Tls { authorities, identity: None }), ..engine.deployment() };
        JetStreamStorage::open(&config, Profile::Wide, Quota::default())
    };
    assert!(with(Some(authority)).is_ok());
    let stranger = with(None).unwrap_err();
    assert!(matches!(stranger, OpenJetStreamError::Connect(_)), "{stranger}");

    let plain = TestEngine::start().unwrap();
    let config = Config { tls: Some(Tls::default()), ..plain.deployment() };
    let refused = JetStreamStorage::open(&config, Profile::Wide, Quota::default()).unwrap_err();
    assert!(matches!(refused, OpenJetStreamError::Connect(_)), "it has no TLS: {refused}");
}

#[test]
fn engine_that_does_not_sync_is_refused() {
    let lines = "system_account: SYS\n\
                 accounts { SYS { users: [ { user: system, password: s } ] },\
                 APP { jetstream: enabled, users: [ { user: sealpost, password: a } ] } }";
    let user = |user: &str, password: &str| Credentials::Password {
        user: user.into(),
        password: password.to_owned().into(),
    };
    let (sealpost, system) = (user("sealpost", "a"), user("system", "s"));
    let open = |engine: &TestEngine, syncing, replicas| {
        let credentials = sealpost.clone();
        let config = Config { credentials, syncing, replicas, ..engine.deployment() };
        JetStreamStorage::open(&config, Profile::Wide, Quota::default())
    };
    let asked_by = |user: &Credentials| Syncing::AskedBy(user.clone());
    let Some(engine) = TestEngine::start_with(3, lines) else { return };
    assert!(open(&engine, asked_by(&system), 3).is_ok());
    let refused = open(&engine, asked_by(&sealpost), 3).unwrap_err();
    assert!(matches!(refused, OpenJetStreamError::NotSystemUser), "{refused}");
    let refused = open(&engine, asked_by(&system), 5).unwrap_err();
    let expected = "3 of 5 NATS servers with JetStream answered: start the others";
    assert_eq!(refused.to_string(), expected);

    let lax = TestEngine::start_syncing("2m", 1, lines).unwrap();
    let refused = open(&lax, asked_by(&system), 1).unwrap_err();
    assert!(
        matches!(&refused, OpenJetStreamError::NotSynced(node) if node == "node0"),
        "{refused}"
    );
    assert!(open(&lax, Syncing::Trusted, 1).is_ok());
}

#[test]
fn engine_that_is_too_old_is_refused() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("nats://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        let (mut socket, _) = listener.accept().unwrap();
        let info = r#"{"server_id":"S","version":"2.13.9","max_payload":1048576,"headers":true}"#;
        write!(socket, "INFO {info}\r\n").unwrap();
        for line in BufReader::new(socket.try_clone().unwrap()).lines().map_while(Result::ok) {
            if line == "PING" {
                socket.write_all(b"PONG\r\n").unwrap();
            }
        }
    });
    let config = Config::new(vec![address], Syncing::Trusted);
    let refused = JetStreamStorage::open(&config, Profile::Wide, Quota::default()).unwrap_err();
    let expected = "NATS server 2.13.9 is too old: 2.14 or newer is needed";
    assert_eq!(refused.to_string(), expected);
}
