//! Families of faults, and the faults in them.

use super::dice::Dice;
use super::disk::{DiskFault, LastWrite};
use super::engine::EngineFault;
use super::step::{Attack, End, Greed, KeyStep, Misbehaviour, StepKind, Tampering};

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
    /// Messages for the owner of a key, messages that are given up, and contacts that are forgotten.
    Applications,
    /// Several servers that share a store, between which people move.
    Servers,
}

impl FaultFamily {
    /// Every family, with its name on the command line.
    pub const ALL: [(Self, &'static str); 16] = [
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
        (Self::Applications, "applications"),
        (Self::Servers, "servers"),
    ];
}

pub(super) fn subset(dice: &mut Dice<'_>, families: &[FaultFamily]) -> Vec<FaultFamily> {
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
        | FaultFamily::ServerKeys
        | FaultFamily::Applications
        | FaultFamily::Servers => false,
    };
    families.iter().copied().filter(|family| keep(dice, family)).collect()
}

pub(super) fn fault(dice: &mut Dice<'_>, family: FaultFamily, clients: usize) -> StepKind {
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
        FaultFamily::Applications => StepKind::Cancel { client, back: 0 },
        FaultFamily::Servers => StepKind::Engine { fault: EngineFault::LostHints, ms },
        FaultFamily::Greedy => StepKind::Greed { user: 0, how: Greed::Flood, ms },
    }
}

pub(super) fn lost_directory(dice: &mut Dice<'_>, client: usize) -> StepKind {
    StepKind::LoseDirectory { client, down_ms: dice.pick(&[1, 200, 5_000]) }
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
