//! A server's database with rows in every table.

use std::path::Path;

use sealpost_core::ids::UserId;
use sealpost_core::server::store::StoreOp;
use sealpost_core::wire::{InvitationHash, Profile};
use sealpost_storage::conformance::{at, message, phone, public_key, receipt, wrapped_key};
use sealpost_storage::{Inspector, NewInvitation, Quota, SqliteStorage, Storage, Suspension};

/// Opens a database as the server does.
pub(crate) fn open(path: &Path) {
    drop(SqliteStorage::open_existing(path, Profile::Compact, Quota::default()).unwrap());
    let report = Inspector::open(path).unwrap().check().unwrap();
    assert!(report.is_sound() && report.users > 0 && report.items > 0, "{report:?}");
}

/// Creates a database of the present schema.
pub(crate) fn fill(path: &Path) {
    let profile = Profile::Compact;
    let mut store = SqliteStorage::open(path, profile, Quota::default()).unwrap();
    let create = |n| StoreOp::CreateUser {
        phone: phone(n),
        public_key: public_key(n),
        aes_key: wrapped_key(1),
        at: at(0),
        max_id: 100,
        invitation: None,
    };
    let append = |recipient, packet| StoreOp::Append {
        recipient: user(recipient),
        packets: vec![packet],
        at: at(10),
    };
    let between = |from, to, id| message(profile, user(from), user(to), id, 40);
    let requests = [
        create(1),
        create(2),
        create(3),
        append(2, between(1, 2, 1)),
        append(3, between(1, 3, 2)),
        append(1, receipt(profile, user(2), user(1), 1, &[7])),
        StoreOp::RecordReconnect {
            user: user(2),
            at: at(20),
            horizon: at(320),
            aes_key: wrapped_key(2),
        },
        StoreOp::LookUp { asker: user(2), phone: phone(1), day: 5, budget: 9 },
        StoreOp::RecordAnswers { owner: user(1), peers: vec![user(2)] },
        StoreOp::RecordClock { clock: at(30), max_step: std::time::Duration::from_secs(1) },
    ];
    let mut outcomes = Vec::new();
    store.commit(&requests, &mut outcomes);
    assert!(outcomes.iter().all(Result::is_ok), "{outcomes:?}");
    // The message that waited for the third user is undeliverable now.
    assert_eq!(store.delete_user(phone(3)).unwrap(), Some(user(3)));
    store.set_suspension(phone(1), Suspension::Suspended(at(40))).unwrap();
    let invitation = NewInvitation {
        hash: InvitationHash([4; 32]),
        uses: 2,
        created_at: at(40),
        expires_at: at(50),
        phone: Some(phone(4)),
        note: "for a friend".into(),
    };
    store.create_invitation(&invitation).unwrap();
}

pub(crate) fn user(id: u16) -> UserId {
    UserId::new(id.into()).unwrap()
}
