//! The server's store, with random requests.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, OptionalExtension};
use sealpost_core::frame::StoreError;
use sealpost_core::ids::{UserId, UserRef};
use sealpost_core::keys::WrappedKey;
use sealpost_core::server::store::{
    Page, PageLimit, Seq, Settlement, StoreOp, StoreOutcome, StoreReply,
};
use sealpost_core::wire::{ItemId, ItemKind, Packet, Profile};
use sealpost_storage::conformance::{at, message, phone, public_key, receipt, wrapped_key};
use sealpost_storage::{Inspector, MemoryStorage, OpenError, Quota, SqliteStorage, Storage};

use crate::bed::Subject;
use crate::random::Random;

/// The server's store as a subject.
#[derive(Default)]
pub(crate) struct Server {
    /// Every place ever seen, and the packet there.
    places: BTreeMap<Seq, Packet>,
}

/// What the store holds for one user.
#[derive(Debug, PartialEq)]
pub(crate) struct UserContents {
    outcomes: Vec<StoreOutcome>,
    aes_key: Option<WrappedKey>,
}

impl Subject for Server {
    type Op = StoreOp;
    type Reply = StoreReply;
    type Store = SqliteStorage;
    type Model = MemoryStorage;
    type Contents = Vec<UserContents>;

    const FILE: &'static str = "sealpost.db";

    fn model() -> MemoryStorage {
        MemoryStorage::new(PROFILE, Quota::default())
    }

    fn open(path: &Path) -> Result<SqliteStorage, OpenError> {
        SqliteStorage::open(path, PROFILE, Quota::default())
    }

    fn request(random: &mut Random) -> StoreOp {
        request(random)
    }

    /// Deletes a user, as the operator does.
    fn change_directly(store: &mut SqliteStorage, random: &mut Random) -> Result<(), StoreError> {
        store.delete_user(phone(phone_index(random))).map(drop).map_err(|error| error.kind())
    }

    fn change_model(model: &mut MemoryStorage, random: &mut Random) {
        model.delete_user(phone(phone_index(random)));
    }

    fn stored(store: &mut SqliteStorage, path: &Path) -> Result<Vec<UserContents>, StoreError> {
        let keys = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY)
            .map_err(|_| StoreError::Io)?;
        let aes_key = |user: UserId| {
            let sql = "SELECT aes_key FROM users WHERE user_id = ?1";
            let key = keys.query_row(sql, [user.value().cast_signed()], |row| row.get(0));
            key.optional().map(|key| key.map(WrappedKey)).map_err(|_| StoreError::Io)
        };
        contents(store, aes_key)
    }

    fn expected(model: &mut MemoryStorage) -> Vec<UserContents> {
        let keys = model.clone();
        let mut contents = contents(model, |user| Ok(keys.aes_key(user))).unwrap();
        for user in &mut contents {
            Self::erase_places(&mut user.outcomes);
        }
        contents
    }

    fn erase_places(outcomes: &mut [StoreOutcome]) {
        for page in outcomes.iter_mut().filter_map(page) {
            page.items.iter_mut().for_each(|item| item.seq = Seq::START);
        }
    }

    fn record_places(&mut self, contents: &mut Vec<UserContents>) -> Result<(), String> {
        let latest = self.places.last_key_value().map_or(Seq::START, |(place, _)| *place);
        for user in contents {
            for item in user.outcomes.iter_mut().filter_map(page).flat_map(|page| &page.items) {
                match self.places.get(&item.seq) {
                    Some(packet) if *packet == item.packet => {}
                    None if item.seq > latest => {
                        self.places.insert(item.seq, item.packet.clone());
                    }
                    Some(_) | None => return Err(format!("{:?} is used twice", item.seq)),
                }
            }
            Self::erase_places(&mut user.outcomes);
        }
        Ok(())
    }

    fn findings(path: &Path) -> Result<Vec<String>, StoreError> {
        let inspector = Inspector::open(path).map_err(|_| StoreError::Io)?;
        let report = inspector.check().map_err(|error| error.kind())?;
        Ok(report.findings.iter().map(ToString::to_string).collect())
    }
}

fn contents(
    store: &mut impl Storage<Op = StoreOp, Outcome = StoreOutcome>,
    aes_key: impl Fn(UserId) -> Result<Option<WrappedKey>, StoreError>,
) -> Result<Vec<UserContents>, StoreError> {
    let limit = PageLimit { items: u32::MAX, bytes: u32::MAX };
    let of_user = |id| {
        let recipient = UserId::new(id).unwrap();
        let mut outcomes = Vec::new();
        let requests = [
            StoreOp::FindUser(UserRef::Id(recipient)),
            StoreOp::BeginSession { user: recipient, place: Seq::START },
            StoreOp::Page { recipient, after: Seq::START, limit },
        ];
        store.commit(&requests, &mut outcomes);
        match outcomes.iter().find_map(|outcome| outcome.as_ref().err()) {
            Some(error) => Err(*error),
            None => Ok(UserContents { outcomes, aes_key: aes_key(recipient)? }),
        }
    };
    (1..=MAX_ID).map(of_user).collect()
}

fn page(outcome: &mut StoreOutcome) -> Option<&mut Page> {
    match outcome {
        Ok(StoreReply::Page(page)) => Some(page),
        Ok(_) | Err(_) => None,
    }
}

/// Draws from few users, ids and times, so that requests collide.
fn request(random: &mut Random) -> StoreOp {
    match random.below(25) {
        0..4 => {
            let n = phone_index(random);
            let (public_key, aes_key) = (public_key(n), wrapped_key(1));
            StoreOp::CreateUser {
                phone: phone(n),
                public_key,
                aes_key,
                at: at(0),
                max_id: MAX_ID,
                invitation: None,
            }
        }
        4 => StoreOp::FindUser(UserRef::Phone(phone(phone_index(random)))),
        5..7 => StoreOp::RecordReconnect {
            user: user(random),
            at: at(secs(random)),
            horizon: at(secs(random)),
            aes_key: wrapped_key(random.pick(&[2, 3, 4])),
        },
        7..16 => {
            let recipient = user(random);
            let packets = (0..random.below(5)).map(|_| item(random, recipient)).collect();
            StoreOp::Append { recipient, packets, at: at(secs(random)) }
        }
        16 => {
            let limit =
                PageLimit { items: random.pick(&[0, 1, 5]), bytes: random.pick(&[0, 1_000]) };
            StoreOp::Page { recipient: user(random), after: Seq::START, limit }
        }
        17..21 => settle(random),
        21..23 => {
            let (recipient, origin) = (user(random), user(random));
            let item_id = |id| ItemId { kind: ItemKind::Receipt, origin, id };
            let receipts = ids(random).into_iter().map(item_id).collect();
            StoreOp::DropReceipts { recipient, receipts }
        }
        23 => StoreOp::RecordClock { clock: at(secs(random)), max_step: Duration::from_secs(5) },
        _ => StoreOp::Expire { before: at(secs(random)), limit: random.pick(&[0, 2, 100]) },
    }
}

fn settle(random: &mut Random) -> StoreOp {
    let (recipient, sender) = (user(random), user(random));
    let item_id = |id: &u64| ItemId { kind: ItemKind::Message, origin: sender, id: *id };
    let messages = ids(random);
    StoreOp::Settle(Settlement {
        recipient,
        delivered: messages.iter().map(item_id).collect(),
        receipt: receipt(PROFILE, recipient, sender, random.between(0, 9), &messages),
        at: at(secs(random)),
    })
}

fn item(random: &mut Random, recipient: UserId) -> Packet {
    let (origin, id) = (user(random), random.between(0, 9));
    if random.chance(25) {
        return receipt(PROFILE, origin, recipient, id, &[id]);
    }
    // The longest ones take several pages.
    let longest = random.pick(&[40, 40, 2_000, 12_000]);
    let len = 8 + random.below(longest);
    message(PROFILE, origin, recipient, id, len)
}

fn user(random: &mut Random) -> UserId {
    UserId::new(random.between(1, 6)).unwrap()
}

fn phone_index(random: &mut Random) -> u16 {
    random.pick(&[1, 2, 3, 4, 5])
}

fn ids(random: &mut Random) -> Vec<u64> {
    (0..random.below(5)).map(|_| random.between(0, 9)).collect()
}

fn secs(random: &mut Random) -> i64 {
    random.between(0, 19).cast_signed()
}

const PROFILE: Profile = Profile::Compact;
/// Largest user id: further registrations are refused.
const MAX_ID: u64 = 9;
