//! Generates plans from choices (swarm testing). Each plan enables its own subset of faults, so that
//! rare combinations come up that would drown in a mixture of all faults.

use super::crypto::CryptoKind;
use super::dice::Dice;
use super::drawn_settings::settings;
use super::episodes::{
    held_back, lost_accounts, lost_directories, rare_commands, restored_directory, server_keys,
    several_servers, slow_recipient,
};
use super::fault_family::{FaultFamily, fault, subset};
use super::greedy_plan::greedy_users;
use super::plan::Plan;
use super::settings::{Rates, Registering, Settings};
use super::step::{Step, StepKind};

impl Plan {
    /// The plan of a seed, with faults of these families.
    pub fn from_seed(seed: u64, crypto: CryptoKind, families: &[FaultFamily]) -> Self {
        Self::generate(&mut Dice::from_seed(seed), crypto, families)
    }

    /// The plan of a seed with this number of servers. With several, it has no faults of families that
    /// know but one.
    pub fn with_servers(
        seed: u64,
        crypto: CryptoKind,
        families: &[FaultFamily],
        servers: usize,
    ) -> Self {
        let allowed = |family: &FaultFamily| {
            let needs_one = matches!(
                family,
                FaultFamily::Greedy | FaultFamily::LostAccounts | FaultFamily::ServerKeys
            );
            *family != FaultFamily::Servers && !(servers > 1 && needs_one)
        };
        let families: Vec<_> = families.iter().copied().filter(allowed).collect();
        let dice = &mut Dice::from_seed(seed);
        let mut plan = Self::generate(dice, crypto, &families);
        if servers > 1 {
            several_servers(dice, servers, &mut plan.settings, &mut plan.steps);
        }
        plan.steps.sort_by_key(|step| step.at_ms);
        plan
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
        let applications = has(FaultFamily::Applications);
        let shares = has(FaultFamily::Servers);
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
        if applications && dice.chance(250) && steps.iter().all(Step::restores_nothing) {
            let may_forget = steps.iter().all(Step::leaves_accounts_alone);
            rare_commands(dice, may_forget, &settings, &mut steps);
        }
        if shares
            && dice.chance(250)
            && settings.greedy == 0
            && steps.iter().all(Step::allows_several_servers)
        {
            let servers = 2 + dice.index(3);
            several_servers(dice, servers, &mut settings, &mut steps);
        }
        steps.sort_by_key(|step| step.at_ms);
        Self { noise, settings, steps }
    }
}

impl Step {
    /// Whether nobody gets an older store: what was given up would come back with it.
    const fn restores_nothing(&self) -> bool {
        !matches!(
            self.kind,
            StepKind::Restore { .. }
                | StepKind::RestoreServer { .. }
                | StepKind::LoseAccount { .. }
        )
    }

    /// Whether several servers can do this together.
    const fn allows_several_servers(&self) -> bool {
        !matches!(
            self.kind,
            StepKind::LoseAccount { .. }
                | StepKind::RestoreServer { .. }
                | StepKind::ChangeServerKey { .. }
        )
    }

    /// Whether the model follows lost accounts beside this step. What is captured or tampered with,
    /// and who has another key, is more than it follows then.
    const fn leaves_accounts_alone(&self) -> bool {
        match self.kind {
            StepKind::LoseDirectory { .. }
            | StepKind::BackUp { .. }
            | StepKind::Restore { .. }
            | StepKind::SkipIds { .. }
            | StepKind::Forget { .. }
            | StepKind::Tamper { .. }
            | StepKind::SecondConnection { .. }
            | StepKind::Attack { .. }
            | StepKind::Dishonest { .. }
            | StepKind::Greed { .. } => false,
            StepKind::Register { .. }
            | StepKind::Connect { .. }
            | StepKind::Disconnect { .. }
            | StepKind::Send { .. }
            | StepKind::SendToKey { .. }
            | StepKind::Cancel { .. }
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
            | StepKind::Engine { .. }
            | StepKind::ClientClock { .. }
            | StepKind::ServerClock { .. } => true,
        }
    }
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
