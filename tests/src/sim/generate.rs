//! Generates plans from choices (swarm testing). Each plan enables its own subset of faults, so that
//! rare combinations come up that would drown in a mixture of all faults.

use super::dice::Dice;
use super::greedy_plan::greedy_users;
use super::plan::{
    Attack, CryptoKind, DiskFault, End, Greed, KeyStep, LastWrite, Misbehaviour, Otps, Plan, Rates,
    Registering, Settings, Step, StepKind, Tampering, Width,
};

/// A family of faults that a plan may contain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum FaultFamily {
    /// Connections that break, stall, or are half open.
    Network,
    /// Clients that crash.
    Crashes,
    /// A server that loses power or is stopped.
    Power,
    /// Disks that are busy, full or failing.
    Disks,
    /// Clocks that jump.
    Clocks,
    /// Tampering on the wire.
    Wire,
    /// Attacks by registered users and strangers, and second connections.
    Attackers,
    /// A dishonest server.
    Dishonest,
    /// Client directories that are lost, and clients that register again with another key.
    LostDirectories,
    /// Client directories that are restored from a backup.
    Backups,
    /// Messages that are held back while thousands of ids pass.
    HeldBack,
    /// Users who take as much as they are given.
    Greedy,
    /// Accounts that the server loses, and clients that register again with the same key.
    LostAccounts,
    /// A server whose key is changed.
    ServerKeys,
}

impl FaultFamily {
    /// Every family, with its name on the command line.
    pub const ALL: [(Self, &'static str); 14] = [
        (Self::Network, "network"),
        (Self::Crashes, "crashes"),
        (Self::Power, "power"),
        (Self::Disks, "disks"),
        (Self::Clocks, "clocks"),
        (Self::Wire, "wire"),
        (Self::Attackers, "attackers"),
        (Self::Dishonest, "dishonest"),
        (Self::LostDirectories, "directories"),
        (Self::Backups, "backups"),
        (Self::HeldBack, "held-back"),
        (Self::Greedy, "greedy"),
        (Self::LostAccounts, "accounts"),
        (Self::ServerKeys, "server-keys"),
    ];
}

impl Plan {
    /// The plan of a seed, with faults of these families.
    pub fn from_seed(seed: u64, crypto: CryptoKind, families: &[FaultFamily]) -> Self {
        Self::generate(&mut Dice::from_seed(seed), crypto, families)
    }

    /// The plan that these choices make.
    pub fn generate(dice: &mut Dice<'_>, crypto: CryptoKind, families: &[FaultFamily]) -> Self {
        let mut settings = settings(dice, crypto);
        let mut steps = Vec::new();
        for client in 0..settings.clients {
            // Most clients register at the start.
            let at_ms =
                if dice.chance(800) { dice.below(300) } else { dice.below(settings.end_ms) };
            steps.push(Step { at_ms, kind: StepKind::Register { client } });
        }
        let has = |family| families.contains(&family);
        let (loses_directories, greedy) =
            (has(FaultFamily::LostDirectories), has(FaultFamily::Greedy));
        let loses_accounts = has(FaultFamily::LostAccounts);
        let changes_keys = has(FaultFamily::ServerKeys);
        let (restores, holds_back) = (has(FaultFamily::Backups), has(FaultFamily::HeldBack));
        let families = subset(dice, families);
        let fault_interval_ms = dice.pick(&[500, 2_000, 8_000]);
        let most = if families.is_empty() { 0 } else { 1 + settings.end_ms / fault_interval_ms };
        let faults = dice.below(most + 1);
        for _ in 0..faults {
            let family = dice.pick(&families);
            let at_ms = dice.below(settings.end_ms);
            let kind = fault(dice, family, settings.clients);
            if !dice.is_exhausted() {
                steps.push(Step { at_ms, kind });
            }
        }
        traffic(dice, &settings, &mut steps);
        let noise = dice.number();
        // Drawn last, so that the other choices of a seed do not depend on this family.
        if loses_directories && dice.chance(150) {
            lost_directories(dice, &families, &mut settings, &mut steps);
        } else if restores && dice.chance(60) {
            // Not together: who was accepted before a backup, and registered again since, is more
            // than the model of trust follows.
            restored_directory(dice, &settings, &mut steps);
        }
        if holds_back && dice.chance(60) {
            held_back(dice, &settings, &mut steps);
        }
        if families.contains(&FaultFamily::Network) && dice.chance(600) {
            slow_recipient(dice, &mut settings, &mut steps);
        }
        // A burst so low that ordinary traffic is slowed down.
        if settings.rates == Rates::Limited && dice.chance(300) {
            settings.packet_burst = dice.pick(&[1, 3, 20]);
        }
        if greedy && dice.chance(150) {
            greedy_users(dice, &mut settings, &mut steps);
        }
        if dice.chance(150) {
            settings.registering = Registering::Invited;
        }
        if loses_accounts && dice.chance(80) && steps.iter().all(Step::leaves_accounts_alone) {
            lost_accounts(dice, &mut settings, &mut steps);
        }
        if changes_keys && dice.chance(100) && steps.iter().all(Step::leaves_accounts_alone) {
            server_keys(dice, &mut settings, &mut steps);
        }
        steps.sort_by_key(|step| step.at_ms);
        Self { noise, settings, steps }
    }
}

fn settings(dice: &mut Dice<'_>, crypto: CryptoKind) -> Settings {
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

fn subset(dice: &mut Dice<'_>, families: &[FaultFamily]) -> Vec<FaultFamily> {
    // With a dishonest server less can be checked, so it is rare.
    let keep = |dice: &mut Dice<'_>, family: &FaultFamily| match family {
        FaultFamily::Dishonest => dice.chance(60),
        FaultFamily::Wire | FaultFamily::Attackers => dice.chance(200),
        FaultFamily::Network
        | FaultFamily::Crashes
        | FaultFamily::Power
        | FaultFamily::Disks
        | FaultFamily::Clocks => dice.chance(400),
        // Drawn separately, after the others.
        FaultFamily::LostDirectories
        | FaultFamily::Backups
        | FaultFamily::HeldBack
        | FaultFamily::Greedy
        | FaultFamily::LostAccounts
        | FaultFamily::ServerKeys => false,
    };
    families.iter().copied().filter(|family| keep(dice, family)).collect()
}

fn fault(dice: &mut Dice<'_>, family: FaultFamily, clients: usize) -> StepKind {
    let client = dice.index(clients);
    let end = dice.pick(&[End::Client, End::Server]);
    let last_write = dice.pick(&[LastWrite::Kept, LastWrite::Lost]);
    let disk = dice.pick(&[DiskFault::Busy, DiskFault::Full, DiskFault::Io]);
    let ms = dice.pick(&[10, 300, 3_000, 12_000]);
    match family {
        FaultFamily::Network => match dice.below(10) {
            0..4 => StepKind::Cut { client },
            4..6 => StepKind::HalfOpen { client, unaware: end },
            6..9 => StepKind::Stall { client, from: end, ms },
            _ => StepKind::Unreachable { client, ms },
        },
        FaultFamily::Crashes => {
            StepKind::CrashClient { client, down_ms: dice.pick(&[1, 200, 5_000]), last_write }
        }
        FaultFamily::Power => match dice.below(4) {
            0 => StepKind::StopServer { down_ms: dice.pick(&[1, 1_000]) },
            _ => StepKind::CrashServer { down_ms: dice.pick(&[1, 200, 5_000]), last_write },
        },
        FaultFamily::Disks => match dice.below(2) {
            0 => StepKind::ServerDisk { fault: disk, ms },
            _ => StepKind::ClientDisk { client, fault: disk, ms },
        },
        FaultFamily::Clocks => {
            let far = dice.pick(&[2, 2, 100, 100, 400, 400, 1_000, 20_000]);
            let secs = dice.below(far).cast_signed() - far.cast_signed() / 3;
            match dice.below(2) {
                0 => StepKind::ServerClock { secs },
                _ => StepKind::ClientClock { client, secs },
            }
        }
        FaultFamily::Wire => {
            let how = dice.pick(&[
                Tampering::Flip,
                Tampering::Truncate,
                Tampering::Garbage,
                Tampering::Repeat,
                Tampering::Replay,
                Tampering::Forge,
            ]);
            StepKind::Tamper { client, from: end, how }
        }
        FaultFamily::Attackers => attack(dice, client),
        FaultFamily::Dishonest => {
            let how = dice.pick(&[
                Misbehaviour::Drop,
                Misbehaviour::Repeat,
                Misbehaviour::Swap,
                Misbehaviour::Late,
                Misbehaviour::HoldBack,
                Misbehaviour::Misdeliver,
                Misbehaviour::ForgeReceipt,
            ]);
            StepKind::Dishonest { client, how }
        }
        FaultFamily::LostDirectories => lost_directory(dice, client),
        FaultFamily::Backups => StepKind::Restore { client, down_ms: 1 },
        FaultFamily::HeldBack => StepKind::SkipIds { client, ids: 2_000 },
        FaultFamily::LostAccounts => StepKind::LoseAccount { client },
        FaultFamily::ServerKeys => StepKind::ChangeServerKey { how: KeyStep::Rotate, down_ms: ms },
        FaultFamily::Greedy => StepKind::Greed { user: 0, how: Greed::Flood, ms },
    }
}

fn lost_directory(dice: &mut Dice<'_>, client: usize) -> StepKind {
    StepKind::LoseDirectory { client, down_ms: dice.pick(&[1, 200, 5_000]) }
}

/// Adds lost directories. The plan is extended so that their clients return, and other clients learn
/// of the new keys while faults go on.
fn lost_directories(
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
fn restored_directory(dice: &mut Dice<'_>, settings: &Settings, steps: &mut Vec<Step>) {
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
fn lost_accounts(dice: &mut Dice<'_>, settings: &mut Settings, steps: &mut Vec<Step>) {
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
fn server_keys(dice: &mut Dice<'_>, settings: &mut Settings, steps: &mut Vec<Step>) {
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

impl Step {
    /// Whether the model follows lost accounts beside this step. What is captured or tampered with,
    /// and who has another key, is more than it follows then.
    const fn leaves_accounts_alone(&self) -> bool {
        match self.kind {
            StepKind::LoseDirectory { .. }
            | StepKind::BackUp { .. }
            | StepKind::Restore { .. }
            | StepKind::SkipIds { .. }
            | StepKind::Tamper { .. }
            | StepKind::SecondConnection { .. }
            | StepKind::Attack { .. }
            | StepKind::Dishonest { .. }
            | StepKind::Greed { .. } => false,
            StepKind::Register { .. }
            | StepKind::Connect { .. }
            | StepKind::Disconnect { .. }
            | StepKind::Send { .. }
            | StepKind::Cut { .. }
            | StepKind::HalfOpen { .. }
            | StepKind::Stall { .. }
            | StepKind::Unreachable { .. }
            | StepKind::CrashClient { .. }
            | StepKind::LoseAccount { .. }
            | StepKind::BackUpServer
            | StepKind::RestoreServer { .. }
            | StepKind::ChangeServerKey { .. }
            | StepKind::CrashServer { .. }
            | StepKind::StopServer { .. }
            | StepKind::ClientDisk { .. }
            | StepKind::ServerDisk { .. }
            | StepKind::ClientClock { .. }
            | StepKind::ServerClock { .. } => true,
        }
    }
}

/// Adds messages of which the first is held back until thousands of ids have passed.
fn held_back(dice: &mut Dice<'_>, settings: &Settings, steps: &mut Vec<Step>) {
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
fn slow_recipient(dice: &mut Dice<'_>, settings: &mut Settings, steps: &mut Vec<Step>) {
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

fn attack(dice: &mut Dice<'_>, victim: usize) -> StepKind {
    if dice.chance(250) {
        return StepKind::SecondConnection { client: victim };
    }
    let how = dice.pick(&[
        Attack::Replay,
        Attack::Impersonate,
        Attack::Adopt,
        Attack::FalseReceipt,
        Attack::FalseTaken,
        Attack::ReplayReconnect,
        Attack::StealSession,
        Attack::ReplayReconnectByPhone,
        Attack::StealSessionByPhone,
        Attack::Unauthenticated,
        Attack::StealPhone,
        Attack::Flood,
        Attack::Loiter,
    ]);
    StepKind::Attack { how, victim }
}

/// Adds messages, and clients that go offline and online.
fn traffic(dice: &mut Dice<'_>, settings: &Settings, steps: &mut Vec<Step>) {
    let actions = dice.between(3, 40);
    let unfinished = dice.pick(&[0, 50, 300]);
    for _ in 0..actions {
        let at_ms = dice.below(settings.end_ms);
        let from = dice.index(settings.clients);
        let to = (from + 1 + dice.index(settings.clients - 1)) % settings.clients;
        let kind = if dice.chance(unfinished) {
            match dice.below(2) {
                0 => StepKind::Disconnect { client: from },
                _ => StepKind::Connect { client: from },
            }
        } else {
            let count = if dice.chance(800) { dice.between(1, 4) } else { dice.between(1, 40) };
            let size = dice.pick(&[0, 30, 200, 200, 1_000, 9_000]);
            let count = u32::try_from(count).unwrap_or(1);
            StepKind::Send { from, to, count, size }
        };
        if dice.is_exhausted() {
            return;
        }
        steps.push(Step { at_ms, kind });
    }
}
