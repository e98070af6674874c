//! Settings that are drawn for a plan.

use super::crypto::CryptoKind;
use super::dice::Dice;
use super::settings::{Otps, Rates, Settings, Width};

pub(super) fn settings(dice: &mut Dice<'_>, crypto: CryptoKind) -> Settings {
    let most = match crypto {
        CryptoKind::Insecure => 40,
        CryptoKind::Real => 6,
    };
    let clients = if dice.chance(900) { dice.between(2, 5) } else { dice.between(2, most) };
    let base = Settings {
        clients: usize::try_from(clients.min(most)).unwrap_or(2),
        width: if dice.chance(300) { Width::Wide } else { Width::Compact },
        otps: if dice.chance(300) { Otps::OutOfBand } else { Otps::InBand },
        rates: if dice.chance(300) { Rates::Limited } else { Rates::Unlimited },
        end_ms: if dice.chance(850) {
            dice.between(2_000, 20_000)
        } else {
            dice.between(20_000, 200_000)
        },
        crypto,
        ..Settings::default()
    };
    let base = if dice.chance(600) { tight(dice, &base) } else { base };
    environment(dice, &base)
}

/// Limits so low that they are reached all the time.
fn tight(dice: &mut Dice<'_>, base: &Settings) -> Settings {
    let few = |dice: &mut Dice<'_>, most: u64| usize::try_from(dice.between(1, most)).unwrap_or(1);
    Settings {
        quota_messages: if dice.chance(300) { dice.between(1, 30) } else { base.quota_messages },
        in_flight_items: few(dice, 12),
        in_flight_bytes: few(dice, 20_000),
        drain_items: u32::try_from(dice.between(1, 10)).unwrap_or(1),
        drain_bytes: u32::try_from(dice.between(1, 20_000)).unwrap_or(1),
        append_batch: few(dice, 8),
        checks_per_conn: few(dice, 8),
        unstored_per_user: few(dice, 8),
        replies_per_conn: few(dice, 8),
        acks_per_packet: few(dice, 4),
        client_in_flight: few(dice, 8),
        client_sealing: few(dice, 4),
        client_enqueue: few(dice, 4),
        client_arriving: few(dice, 16),
        client_receipts_signing: few(dice, 3),
        client_receipt_items: few(dice, 4),
        client_receipt_numbers: dice.between(1, 5),
        client_taken: few(dice, 4),
        client_page: u32::try_from(dice.between(1, 6)).unwrap_or(1),
        ..base.clone()
    }
}

fn environment(dice: &mut Dice<'_>, base: &Settings) -> Settings {
    let least = dice.pick(&[50, 1_000, 20_000]);
    let slow = dice.pick(&[0, 2_000, 20_000]);
    Settings {
        latency: (least, least + dice.pick(&[0, 1_000, 100_000])),
        piece: if dice.chance(600) { 0 } else { dice.pick(&[40, 700, 700, 5_000, 5_000]) },
        window: if dice.chance(700) { base.window } else { dice.pick(&[600, 4_000, 20_000]) },
        congested_at: if dice.chance(700) {
            base.congested_at
        } else {
            dice.pick(&[1, 3_000, 20_000])
        },
        commit: 100 + slow * dice.below(3),
        outcome: if dice.chance(500) { 0 } else { dice.pick(&[100, 5_000, 50_000]) },
        client_commit: 100 + slow * dice.below(3),
        job: dice.pick(&[1, 500, 500, 30_000]),
        unmarked_per_mille: dice.pick(&[0, 100, 900]),
        ..base.clone()
    }
}
