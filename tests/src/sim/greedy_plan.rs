//! Adds greedy users to a plan, and limits so low that they reach them.

use sealpost_storage::Quota;

use super::dice::Dice;
use super::settings::{Rates, Settings};
use super::step::{Greed, Step, StepKind};

/// Adds greedy users. One client is away meanwhile: it has written to one of the others before, and
/// all of them write to it while the greedy users fill its mailbox.
pub(super) fn greedy_users(dice: &mut Dice<'_>, settings: &mut Settings, steps: &mut Vec<Step>) {
    let clients = settings.clients;
    // The server and Mallory have keys, too.
    let keys = settings.crypto.keys().saturating_sub(clients + 2);
    settings.greedy = (1 + dice.index(3)).min(keys);
    tighten(dice, settings);
    let begin = dice.between(1_500, 5_000);
    settings.end_ms = settings.end_ms.max(begin + DURATION_MS);
    let mut add = |after, kind| steps.push(Step { at_ms: begin + after, kind });
    for user in 0..settings.greedy {
        for _ in 0..=dice.below(3) {
            let how = dice.pick(&[
                Greed::Fill,
                Greed::Fill,
                Greed::Sweep,
                Greed::Flood,
                Greed::Withhold,
                Greed::Deaf,
                Greed::Late,
                Greed::Invent,
            ]);
            add(
                dice.below(DURATION_MS / 2),
                StepKind::Greed { user, how, ms: dice.between(2_000, DURATION_MS / 2) },
            );
        }
        for _ in 0..dice.below(4) {
            let from = dice.index(clients);
            let count = u32::try_from(dice.between(1, 4)).unwrap_or(1);
            let to = clients + user;
            add(dice.below(DURATION_MS), StepKind::Send { from, to, count, size: 200 });
        }
    }
    let absent = dice.index(clients);
    let other = |dice: &mut Dice<'_>| (absent + 1 + dice.index(clients - 1)) % clients;
    let answered = other(dice);
    add(0, StepKind::Send { from: absent, to: answered, count: 1, size: 30 });
    add(dice.between(500, 3_000), StepKind::Disconnect { client: absent });
    for _ in 0..dice.between(2, 8) {
        let size = dice.pick(&[30, 1_000, 9_000]);
        let count = u32::try_from(dice.between(1, 6)).unwrap_or(1);
        let from = if dice.chance(500) { answered } else { other(dice) };
        let kind = StepKind::Send { from, to: absent, count, size };
        add(dice.between(3_000, DURATION_MS), kind);
    }
    add(dice.between(DURATION_MS / 2, DURATION_MS), StepKind::Connect { client: absent });
}

/// Limits that a greedy user reaches with some dozens of packets.
fn tighten(dice: &mut Dice<'_>, settings: &mut Settings) {
    let quota = Quota::default();
    *settings = Settings {
        rates: if dice.chance(800) { Rates::Limited } else { settings.rates },
        packet_burst: dice.pick(&[100, 400, 2_000]),
        quota_bytes: dice.pick(&[150_000, 600_000, quota.bytes]),
        store_bytes: dice.pick(&[300_000, 2_000_000, quota.store_bytes]),
        day_bytes: dice.pick(&[100_000, 400_000, u64::MAX]),
        receipt_bytes: dice.pick(&[2_000, 20_000, settings.receipt_bytes]),
        day_lookups: dice.pick(&[100, 500]),
        // What somebody else sends may fill a narrow line, which is no fault of the server.
        window: Settings::default().window,
        ..settings.clone()
    };
}

/// Time from the first greedy step to the end of the last, at least, in milliseconds.
const DURATION_MS: u64 = 30_000;
