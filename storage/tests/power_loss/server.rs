//! The server's store, with random requests.

use std::collections::BTreeMap;
use std::path::Path;

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

use crate::dice::Dice;
use crate::world::Subject;

/// The server's store.
#[derive(Default)]
pub(crate) struct Server {
    /// Every place ever seen, and what stood there.
    places: BTreeMap<Seq, Packet>,
}

/// What the store holds of one user.
#[derive(Debug, PartialEq)]
pub(crate) struct UserContents {
    answers: Vec<StoreOutcome>,
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

    fn request(dice: &mut Dice) -> StoreOp {
        request(dice)
    }

    /// The operator deletes a user.
    fn meddle(store: &mut SqliteStorage, dice: &mut Dice) -> Result<(), StoreError> {
        store.delete_user(phone(number(dice))).map(drop).map_err(|error| error.kind())
    }

    fn meddle_with_model(model: &mut MemoryStorage, dice: &mut Dice) {
        model.delete_user(phone(number(dice)));
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
            Self::without_places(&mut user.answers);
        }
        contents
    }

    fn without_places(outcomes: &mut [StoreOutcome]) {
        for page in outcomes.iter_mut().filter_map(page) {
            page.items.iter_mut().for_each(|item| item.seq = Seq::START);
        }
    }

    fn remember(&mut self, contents: &mut Vec<UserContents>) -> Result<(), String> {
        let latest = self.places.last_key_value().map_or(Seq::START, |(place, _)| *place);
        for user in contents {
            for item in user.answers.iter_mut().filter_map(page).flat_map(|page| &page.items) {
                match self.places.get(&item.seq) {
                    Some(packet) if *packet == item.packet => {}
                    None if item.seq > latest => {
                        self.places.insert(item.seq, item.packet.clone());
                    }
                    Some(_) | None => return Err(format!("{:?} is used twice", item.seq)),
                }
            }
            Self::without_places(&mut user.answers);
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
        let mut answers = Vec::new();
        let questions = [
            StoreOp::FindUser(UserRef::Id(recipient)),
            StoreOp::Count(recipient),
            StoreOp::Page { recipient, after: Seq::START, limit },
        ];
        store.commit(&questions, &mut answers);
        match answers.iter().find_map(|answer| answer.as_ref().err()) {
            Some(error) => Err(*error),
            None => Ok(UserContents { answers, aes_key: aes_key(recipient)? }),
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

/// Few users, few numbers, few moments: so that requests meet.
fn request(dice: &mut Dice) -> StoreOp {
    match dice.below(24) {
        0..4 => {
            let n = number(dice);
            let (public_key, aes_key) = (public_key(n), wrapped_key(1));
            StoreOp::CreateUser { phone: phone(n), public_key, aes_key, at: at(0), max_id: MAX_ID }
        }
        4 => StoreOp::FindUser(UserRef::Phone(phone(number(dice)))),
        5..7 => StoreOp::RecordReconnect {
            user: user(dice),
            at: at(secs(dice)),
            aes_key: wrapped_key(dice.pick(&[2, 3, 4])),
        },
        7..16 => {
            let recipient = user(dice);
            let packets = (0..dice.below(5)).map(|_| item(dice, recipient)).collect();
            StoreOp::Append { recipient, packets, at: at(secs(dice)) }
        }
        16 => {
            let limit = PageLimit { items: dice.pick(&[0, 1, 5]), bytes: dice.pick(&[0, 1_000]) };
            StoreOp::Page { recipient: user(dice), after: Seq::START, limit }
        }
        17..21 => settle(dice),
        21..23 => {
            let (recipient, origin) = (user(dice), user(dice));
            let name = |id| ItemId { kind: ItemKind::Receipt, origin, id };
            let keys = numbers(dice).into_iter().map(name).collect();
            StoreOp::DropReceipts { recipient, receipts: keys }
        }
        _ => StoreOp::Expire { before: at(secs(dice)), limit: dice.pick(&[0, 2, 100]) },
    }
}

fn settle(dice: &mut Dice) -> StoreOp {
    let (reader, sender) = (user(dice), user(dice));
    let name = |id: &u64| ItemId { kind: ItemKind::Message, origin: sender, id: *id };
    let messages = numbers(dice);
    StoreOp::Settle(Settlement {
        recipient: reader,
        delivered: messages.iter().map(name).collect(),
        receipt: receipt(PROFILE, reader, sender, dice.between(0, 9), &messages),
        at: at(secs(dice)),
    })
}

fn item(dice: &mut Dice, recipient: UserId) -> Packet {
    let (origin, id) = (user(dice), dice.between(0, 9));
    if dice.chance(25) {
        return receipt(PROFILE, origin, recipient, id, &[id]);
    }
    // The longest ones take several pages.
    let longest = dice.pick(&[40, 40, 2_000, 12_000]);
    let len = 8 + dice.below(longest);
    message(PROFILE, origin, recipient, id, len)
}

fn user(dice: &mut Dice) -> UserId {
    UserId::new(dice.between(1, 6)).unwrap()
}

fn number(dice: &mut Dice) -> u16 {
    dice.pick(&[1, 2, 3, 4, 5])
}

fn numbers(dice: &mut Dice) -> Vec<u64> {
    (0..dice.below(5)).map(|_| dice.between(0, 9)).collect()
}

fn secs(dice: &mut Dice) -> i64 {
    dice.between(0, 19).cast_signed()
}

const PROFILE: Profile = Profile::Compact;
/// More users than this are refused.
const MAX_ID: u64 = 9;
