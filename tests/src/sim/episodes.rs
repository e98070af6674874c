//! Episodes: steps that belong together, with the messages around them.

use super::dice::Dice;
use super::engine::EngineFault;
use super::fault_family::{FaultFamily, fault, lost_directory};
use super::settings::Settings;
use super::step::{End, KeyStep, Misbehaviour, Step, StepKind};

/// Adds lost directories. The plan is extended so that their clients return, and other clients learn
/// of the new keys while faults go on.
pub(super) fn lost_directories(
    dice: &mut Dice<'_>,
    families: &[FaultFamily],
    settings: &mut Settings,
    steps: &mut Vec<Step>,
) {
    for _ in 0..dice.between(1, 3) {
        let client = dice.index(settings.clients);
        let at_ms = dice.below(settings.end_ms);
        steps.push(Step { at_ms, kind: lost_directory(dice, client) });
        let until = at_ms + dice.between(5_000, 40_000);
        settings.end_ms = settings.end_ms.max(until);
        for _ in 0..dice.between(2, 8) {
            let at_ms = dice.between(at_ms, until);
            let kind = send_with(dice, client, settings.clients);
            steps.push(Step { at_ms, kind });
        }
        let faults = if families.is_empty() { 0 } else { dice.below(4) };
        for _ in 0..faults {
            let at_ms = dice.between(at_ms, until);
            let family = dice.pick(families);
            steps.push(Step { at_ms, kind: fault(dice, family, settings.clients) });
        }
    }
}

/// Adds a backup and its restoration, with messages before, between and after them.
pub(super) fn restored_directory(dice: &mut Dice<'_>, settings: &Settings, steps: &mut Vec<Step>) {
    let client = dice.index(settings.clients);
    let backed_up = dice.below(settings.end_ms);
    let restored = dice.between(backed_up, settings.end_ms);
    steps.push(Step { at_ms: backed_up, kind: StepKind::BackUp { client } });
    let down_ms = dice.pick(&[1, 200, 5_000]);
    steps.push(Step { at_ms: restored, kind: StepKind::Restore { client, down_ms } });
    for _ in 0..dice.between(2, 8) {
        let at_ms = dice.between(backed_up / 2, settings.end_ms);
        let kind = send_with(dice, client, settings.clients);
        steps.push(Step { at_ms, kind });
    }
}

/// Adds accounts that the server loses, with messages around it. The plan is extended so that their
/// clients return while faults go on.
pub(super) fn lost_accounts(dice: &mut Dice<'_>, settings: &mut Settings, steps: &mut Vec<Step>) {
    let mut add = |at_ms, kind| steps.push(Step { at_ms, kind });
    let backed_up = dice.below(settings.end_ms);
    add(backed_up, StepKind::BackUpServer);
    let mut last = backed_up;
    for _ in 0..dice.between(1, 3) {
        let client = dice.index(settings.clients);
        last += dice.between(100, 20_000);
        let down_ms = dice.pick(&[1, 200, 5_000]);
        let restores = dice.chance(500);
        add(
            last,
            if restores {
                StepKind::RestoreServer { down_ms }
            } else {
                StepKind::LoseAccount { client }
            },
        );
        for _ in 0..dice.between(2, 8) {
            let at_ms = dice.between(backed_up, last + 30_000);
            add(at_ms, send_with(dice, client, settings.clients));
        }
    }
    settings.end_ms = settings.end_ms.max(last + dice.between(5_000, 60_000));
}

/// Adds changes of the server's key, with messages around them. The plan is extended so that the
/// clients come back while faults go on.
pub(super) fn server_keys(dice: &mut Dice<'_>, settings: &mut Settings, steps: &mut Vec<Step>) {
    let mut last = dice.below(settings.end_ms);
    let mut how = KeyStep::Rotate;
    for _ in 0..dice.between(1, 6) {
        let down_ms = dice.pick(&[1, 200, 5_000]);
        steps.push(Step { at_ms: last, kind: StepKind::ChangeServerKey { how, down_ms } });
        let client = dice.index(settings.clients);
        for _ in 0..dice.between(1, 4) {
            let at_ms = last + dice.below(10_000);
            steps.push(Step { at_ms, kind: send_with(dice, client, settings.clients) });
        }
        last += dice.between(500, 20_000);
        how = dice.pick(&[KeyStep::Rotate, KeyStep::Retire, KeyStep::Retire, KeyStep::Restore]);
    }
    settings.end_ms = settings.end_ms.max(last + dice.between(1_000, 20_000));
}

/// Adds messages of which the first is held back until thousands of ids have passed.
pub(super) fn held_back(dice: &mut Dice<'_>, settings: &Settings, steps: &mut Vec<Step>) {
    let from = dice.index(settings.clients);
    let to = (from + 1 + dice.index(settings.clients - 1)) % settings.clients;
    let at_ms = dice.below(settings.end_ms);
    let send = StepKind::Send { from, to, count: 1, size: 30 };
    let how = Misbehaviour::HoldBack;
    for (after_ms, kind) in [
        (0, StepKind::Dishonest { client: to, how }),
        (1, send.clone()),
        (dice.between(100, 1_500), StepKind::SkipIds { client: from, ids: 5_000 }),
        (dice.between(1_500, 3_000), send),
    ] {
        steps.push(Step { at_ms: at_ms + after_ms, kind });
    }
}

/// Messages between a client and another one, in either direction.
fn send_with(dice: &mut Dice<'_>, client: usize, clients: usize) -> StepKind {
    let other = (client + 1 + dice.index(clients - 1)) % clients;
    let (from, to) = dice.pick(&[(client, other), (other, client)]);
    let count = u32::try_from(dice.between(1, 4)).unwrap_or(1);
    StepKind::Send { from, to, count, size: 30 }
}

/// Extends the plan by a recipient that acknowledges one message, and takes nothing from then on, for
/// longer than the server waits. The next messages are in flight when that acknowledgement arrives.
pub(super) fn slow_recipient(dice: &mut Dice<'_>, settings: &mut Settings, steps: &mut Vec<Step>) {
    let to = dice.index(settings.clients);
    let from = (to + 1 + dice.index(settings.clients - 1)) % settings.clients;
    let (least, most) = settings.latency;
    let hop = u64::midpoint(least, most);
    let written = settings.client_commit + settings.job;
    let begin = settings.end_ms + 5_000;
    let mut add = |after: u64, kind| steps.push(Step { at_ms: begin + after / 1_000, kind });
    let send = |count| StepKind::Send { from, to, count, size: 30 };
    // By then the sender knows the recipient's key, and the recipient the sender's.
    let first = 3_000_000;
    add(0, send(1));
    add(first, send(1));
    add(first + hop, send(3));
    let stall = first + written + 2 * hop + dice.below(1 + hop);
    add(stall, StepKind::Stall { client: to, from: End::Server, ms: 12_000 });
    settings.end_ms = begin + 20_000;
}

/// Adds what applications do rarely: messages for the owner of a key, who may have another phone
/// number; messages that are given up, most of them while they wait for a session; and contacts that
/// are forgotten, if the model follows that beside the other steps.
pub(super) fn rare_commands(
    dice: &mut Dice<'_>,
    may_forget: bool,
    settings: &Settings,
    steps: &mut Vec<Step>,
) {
    for _ in 0..dice.between(1, 12) {
        let at_ms = dice.below(settings.end_ms);
        let client = dice.index(settings.clients);
        let other = (client + 1 + dice.index(settings.clients - 1)) % settings.clients;
        let mut add = |after_ms, kind| steps.push(Step { at_ms: at_ms + after_ms, kind });
        match dice.below(4) {
            0 | 1 => {
                let is_right = dice.chance(700);
                let owner = if is_right { other } else { dice.index(settings.clients) };
                add(0, StepKind::SendToKey { from: client, to: other, owner, size: 30 });
            }
            2 => {
                if dice.chance(700) {
                    add(0, StepKind::Disconnect { client });
                }
                let count = u32::try_from(dice.between(1, 4)).unwrap_or(1);
                let sent = dice.between(1, 100);
                add(sent, StepKind::Send { from: client, to: other, count, size: 30 });
                let cancelled = sent + dice.pick(&[1, 10, 100, 1_000]);
                add(cancelled, StepKind::Cancel { client, back: dice.index(4) });
                add(cancelled + dice.below(2_000), StepKind::Connect { client });
            }
            _ if may_forget => add(0, StepKind::Forget { client, contact: other }),
            _ => {}
        }
    }
}

/// Makes it a world of several servers: their engine fails, and people move from one to another while
/// they write. Extends the plan, so that much of this is over before its end.
pub(super) fn several_servers(
    dice: &mut Dice<'_>,
    servers: usize,
    settings: &mut Settings,
    steps: &mut Vec<Step>,
) {
    settings.servers = servers;
    settings.look_again_ms = dice.pick(&[1_000, 10_000, 60_000]);
    for _ in 0..dice.below(5) {
        let fault = dice.pick(&[
            EngineFault::LeaderChange,
            EngineFault::LeaderChange,
            EngineFault::Down,
            EngineFault::Partition,
            EngineFault::LostAnswers,
            EngineFault::LostHints,
            EngineFault::LateHints,
            EngineFault::StalePages,
        ]);
        let ms = match fault {
            EngineFault::LeaderChange => dice.between(4_000, 7_400),
            _ => dice.pick(&[300, 3_000, 12_000, 40_000]),
        };
        let at_ms = dice.below(settings.end_ms);
        steps.push(Step { at_ms, kind: StepKind::Engine { fault, ms } });
    }
    let pair = |dice: &mut Dice<'_>| {
        let client = dice.index(settings.clients);
        (client, (client + 1 + dice.index(settings.clients - 1)) % settings.clients)
    };
    let mostly = pair(dice);
    for _ in 0..dice.below(10) {
        let (client, other) = if dice.chance(600) { mostly } else { pair(dice) };
        let at_ms = dice.below(settings.end_ms);
        let mut add = |after_ms, kind| steps.push(Step { at_ms: at_ms + after_ms, kind });
        let send = |from, to, count| StepKind::Send { from, to, count, size: 30 };
        if dice.chance(500) {
            let fault = dice.pick(&[
                EngineFault::LostHints,
                EngineFault::LateHints,
                EngineFault::StalePages,
            ]);
            add(0, StepKind::Engine { fault, ms: dice.pick(&[2_000, 12_000]) });
        }
        add(0, send(client, other, u32::try_from(dice.between(1, 4)).unwrap_or(1)));
        let moves = match dice.below(3) {
            0 => StepKind::Cut { client },
            _ => StepKind::HalfOpen { client, unaware: End::Server },
        };
        add(dice.pick(&[1, 20, 200, 1_000]), moves);
        add(dice.pick(&[10, 500, 1_500]), send(client, other, 2));
        if dice.chance(500) {
            add(dice.pick(&[10, 500, 1_500]), send(other, client, 2));
        }
    }
    settings.end_ms += dice.pick(&[1_000, 10_000, 30_000]);
}
