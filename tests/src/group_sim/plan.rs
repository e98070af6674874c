//! Plans: what happens in one simulation.

use sealpost_core::groups::limits;

use crate::sim::Dice;

/// A simulation. It determines a run completely.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Plan {
    /// Number of users. User 0 makes the group.
    pub users: usize,
    /// Who is dishonest, if anybody.
    pub dishonest: Option<usize>,
    /// Seed of what the network does between two steps.
    pub noise: u64,
    /// What happens, in order.
    pub steps: Vec<Step>,
}

/// A step, after a number of deliveries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Step {
    /// Messages that the network delivers first, of users and links that it picks.
    pub after: u64,
    /// User whom it happens to.
    pub user: usize,
    /// What happens.
    pub kind: StepKind,
}

/// What happens to a user. `whom` is another user.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "the commands of the machine, by their names")]
pub enum StepKind {
    Invite {
        whom: usize,
    },
    Remove {
        whom: usize,
    },
    Rename,
    HandOver {
        whom: usize,
    },
    Succeed {
        whom: usize,
        rank: u8,
    },
    TakeOver,
    Accept,
    Decline,
    Leave,
    Send,
    /// The user's device does not get anything until it is back.
    Offline,
    Online,
    /// The process dies while it carries out the actions of its next input, after this many.
    Crash {
        actions: usize,
    },
    /// The device's store is copied.
    Backup,
    /// The store is replaced by the copy.
    Restore,
    /// The user's last message to somebody is sent again.
    Repeat {
        whom: usize,
    },
    /// The dishonest user cheats.
    Cheat {
        how: Cheat,
        whom: usize,
    },
}

/// How the dishonest user cheats.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cheat {
    /// Writes two next states, and sends each to half of the others.
    Equivocate,
    /// Writes a state after one that is not the newest.
    RewritePast,
    /// Writes a state in which the cheat is the owner.
    Usurp,
    /// Writes a state in somebody else's name.
    Impersonate,
    /// Writes a state in which somebody joins who was never invited.
    ForceIn,
    /// Sends the oldest states that it has.
    Replay,
    /// Sends a text that names the newest state of somebody else.
    TextOfOther,
    /// Sends a text that names an old state.
    TextOfOld,
    /// Sends a text that names a state which does not exist.
    TextOfNone,
    /// Asks for newer states, naming an old one.
    Pry,
    /// Accepts without having been invited.
    AcceptUninvited,
    /// Sends bytes that are not states.
    Garbage,
}

impl Plan {
    /// The plan of a seed.
    pub fn from_seed(seed: u64) -> Self {
        let mut dice = Dice::from_seed(seed);
        let users = 3 + dice.index(4);
        Self::drawn(dice, users)
    }

    /// The plan of a seed for a group as large as groups may be.
    pub fn large(seed: u64) -> Self {
        Self::drawn(Dice::from_seed(seed), limits::MEMBERS)
    }

    fn drawn(mut dice: Dice<'_>, users: usize) -> Self {
        let dishonest = dice.chance(500).then(|| dice.index(users));
        let with_faults = dice.chance(800);
        let count = 5 + dice.index(60);
        let steps = (0..count).map(|_| step(&mut dice, users, dishonest, with_faults)).collect();
        Self { users, dishonest, noise: dice.number(), steps }
    }
}

fn step(dice: &mut Dice<'_>, users: usize, dishonest: Option<usize>, faults: bool) -> Step {
    let (user, whom) = (dice.index(users), dice.index(users));
    let after = if dice.chance(300) { 0 } else { dice.below(12) };
    if let Some(cheat) = dishonest.filter(|_| dice.chance(250)) {
        let how = dice.pick(CHEATS);
        return Step { after, user: cheat, kind: StepKind::Cheat { how, whom } };
    }
    if faults && dice.chance(250) {
        let kind = match dice.below(12) {
            0 | 1 => StepKind::Offline,
            2 | 3 => StepKind::Online,
            4..=6 => StepKind::Crash { actions: dice.index(5) },
            7 | 8 => StepKind::Backup,
            9 => StepKind::Restore,
            _ => StepKind::Repeat { whom },
        };
        return Step { after, user, kind };
    }
    let kind = match dice.below(24) {
        0..=2 => StepKind::Invite { whom },
        3..=5 => StepKind::Remove { whom },
        6 | 7 => StepKind::Rename,
        8 | 9 => StepKind::HandOver { whom },
        10..=12 => StepKind::Succeed { whom, rank: 1 + u8::from(dice.chance(300)) },
        13 | 14 => StepKind::TakeOver,
        15..=17 => StepKind::Accept,
        18 => StepKind::Decline,
        19 => StepKind::Leave,
        _ => StepKind::Send,
    };
    Step { after, user, kind }
}

const CHEATS: &[Cheat] = &[
    Cheat::Equivocate,
    Cheat::Equivocate,
    Cheat::RewritePast,
    Cheat::RewritePast,
    Cheat::Usurp,
    Cheat::Impersonate,
    Cheat::ForceIn,
    Cheat::Replay,
    Cheat::TextOfOther,
    Cheat::TextOfOld,
    Cheat::TextOfNone,
    Cheat::Pry,
    Cheat::AcceptUninvited,
    Cheat::Garbage,
];
