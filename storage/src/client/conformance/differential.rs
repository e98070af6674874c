//! Random requests to the memory store and to SQLite, which must agree on every outcome, including
//! places.

use proptest::collection::vec;
use proptest::prelude::*;
use sealpost_core::client::store::{
    ClientOp, Draft, DraftId, Failure, InboxId, OutgoingMessage, QueuedMessage, Snapshot, Token,
};
use sealpost_core::ids::{MessageId, ReceiptId, UserRef};
use sealpost_core::keys::SymmetricKey;

use super::harness;
use super::harness::{identity, incoming, outgoing, user};
use super::subject::Subject;
use crate::client::history::Place;
use crate::client::memory::MemoryClientStorage;
use crate::client::signed_again::UNHASHED;
use crate::client::sqlite::bed::SqliteBed;
use crate::client::storage::ClientStorage;
use crate::conformance::{at, phone, public_key};
use crate::storage::Storage;

#[derive(Clone, Debug)]
enum Step {
    Commit(Vec<ClientOp>),
    Reopen,
    History { peer: u16, before: Option<u64>, limit: u32 },
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    #[test]
    fn memory_and_sqlite_agree(steps in vec(step(), 1..40)) {
        let mut memory = MemoryClientStorage::new(identity());
        let mut sqlite = SqliteBed::new(&identity());
        for step in steps {
            match step {
                Step::Reopen => sqlite = sqlite.reopen(),
                Step::History { peer, before, limit } => {
                    let before = before.map(Place);
                    let expected = memory.history(phone(peer), before, limit);
                    prop_assert_eq!(sqlite.history(phone(peer), before, limit), expected);
                }
                Step::Commit(requests) => {
                    let (mut expected, mut outcomes) = (Vec::new(), Vec::new());
                    memory.commit(&requests, &mut expected);
                    sqlite.commit(&requests, &mut outcomes);
                    prop_assert_eq!(outcomes, expected);
                }
            }
            prop_assert_eq!(sqlite.outbox(), memory.outbox());
            let (loaded, expected) = (sqlite.load().unwrap(), memory.load().unwrap());
            prop_assert_eq!(parts(&loaded), parts(&expected));
        }
    }
}

fn parts(snapshot: &Snapshot) -> impl PartialEq + std::fmt::Debug {
    let Snapshot { account, contacts, former, drafts, outbox, last_message, next_receipt } =
        snapshot.clone();
    (account, contacts, former, drafts, outbox, last_message, next_receipt)
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        12 => vec(request(), 0..8).prop_map(Step::Commit),
        2 => Just(Step::Reopen),
        3 => (peer(), proptest::option::of(0..30_u64), 0..9_u32)
            .prop_map(|(peer, before, limit)| Step::History { peer, before, limit }),
    ]
}

/// Draws from few peers, so that requests collide.
fn peer() -> impl Strategy<Value = u16> {
    2..5_u16
}

fn id() -> impl Strategy<Value = u64> {
    prop_oneof![8 => 0..12_u64, 1 => u64::MAX - 3..=u64::MAX]
}

fn request() -> impl Strategy<Value = ClientOp> {
    let key = || (2..4_u16).prop_map(|n| *public_key(n).fingerprint());
    let binding = || (peer(), 2..4_u16).prop_map(|(id, n)| harness::binding(id.into(), n));
    let ids = || vec(id().prop_map(MessageId), 0..5);
    let named = (peer(), id()).prop_map(|(to, id)| (user(to.into()), MessageId(id)));
    let failure = prop_oneof![Just(Failure::Expired), Just(Failure::KeyReplaced)];
    let account = prop_oneof![
        (1..3_u16).prop_map(|n| ClientOp::PinServerKey(public_key(n))),
        (1..3_u16, proptest::option::of(key())).prop_map(|(n, successor)| {
            ClientOp::ChangeServerKey { key: public_key(n), successor }
        }),
        (1..3_u8).prop_map(|n| ClientOp::KeepReplyKey(SymmetricKey::from_bytes([n; 32]))),
        (1..3_u64).prop_map(|id| ClientOp::SetUser(user(id))),
        (0..9_i64).prop_map(|secs| ClientOp::UseReconnectTime(at(secs))),
        (-9..9_i64).prop_map(|secs| ClientOp::SetClockOffset { secs }),
        id().prop_map(|id| ClientOp::ReserveReceipts { below: ReceiptId(id) }),
    ];
    let contacts = prop_oneof![
        (peer(), binding())
            .prop_map(|(n, binding)| ClientOp::PinContact { phone: phone(n), binding }),
        (peer(), binding())
            .prop_map(|(n, offered)| ClientOp::OfferKey { phone: phone(n), offered }),
        peer().prop_map(|n| ClientOp::WithdrawOffer { phone: phone(n) }),
        (peer(), binding())
            .prop_map(|(n, accepted)| ClientOp::AcceptKey { phone: phone(n), accepted }),
        peer().prop_map(|n| ClientOp::ForgetContact { phone: phone(n) }),
        (peer(), key())
            .prop_map(|(n, fingerprint)| ClientOp::MarkVerified { phone: phone(n), fingerprint }),
    ];
    // Few tokens, so that drafts and messages have the same ones.
    let token = || id().prop_map(Token);
    let sent =
        (id(), token(), peer(), proptest::option::of(id())).prop_map(|(id, token, to, draft)| {
            let draft = draft.map(DraftId);
            OutgoingMessage { token, draft, ..outgoing(id, to) }
        });
    let draft = (id(), token(), peer(), any::<bool>()).prop_map(|(id, token, to, by_id)| {
        let user = if by_id { UserRef::Id(user(to.into())) } else { UserRef::Phone(phone(to)) };
        Draft { token, key: by_id.then(|| harness::author(to)), ..harness::draft(id, user) }
    });
    let outbox = prop_oneof![
        2 => vec(sent, 0..4).prop_map(ClientOp::Enqueue),
        1 => vec(draft, 0..3).prop_map(ClientOp::KeepDrafts),
        1 => vec(id().prop_map(DraftId), 0..2).prop_map(ClientOp::DropDrafts),
        1 => vec(token(), 0..4).prop_map(ClientOp::FindTokens),
        1 => vec((id(), peer()), 0..4).prop_map(|sent| {
            let named = |(id, to)| outgoing(id, to).packet.request_hash().in_reply_to();
            ClientOp::MarkUndeliverable(sent.into_iter().map(named).collect())
        }),
        1 => vec((id(), peer()), 0..4).prop_map(|sent| {
            let queued = |(id, to)| {
                let OutgoingMessage { id, recipient, packet, .. } = outgoing(id, to);
                QueuedMessage { id, recipient, packet }
            };
            ClientOp::Readdress(sent.into_iter().map(queued).collect())
        }),
        1 => vec(named, 0..5).prop_map(ClientOp::MarkStored),
        1 => (peer(), ids()).prop_map(|(recipient, messages)| {
            ClientOp::MarkDelivered { recipient: user(recipient.into()), messages }
        }),
        1 => (ids(), failure)
            .prop_map(|(messages, failure)| ClientOp::MarkFailed { messages, failure }),
    ];
    let arriving = (id(), peer(), proptest::option::of(id()), 0..5_u8).prop_map(
        |(id, from, previous, packet)| {
            let mut message = incoming(id, from, previous);
            match packet {
                0 => message.packet_hash = UNHASHED,
                1 => message = harness::other_packet(message),
                2 => message.sender = user(u64::from(from) + 1),
                _ => {}
            }
            message
        },
    );
    let inbox = prop_oneof![
        3 => vec(arriving, 0..4).prop_map(ClientOp::Receive),
        1 => (0..20_u64, 0..6_u32)
            .prop_map(|(after, limit)| ClientOp::Unshown { after: InboxId(after), limit }),
        1 => (0..20_u64).prop_map(|up_to| ClientOp::MarkShown { up_to: InboxId(up_to) }),
    ];
    prop_oneof![1 => account, 2 => contacts, 3 => outbox, 3 => inbox]
}
