//! The plan of a simulation. The same plan gives the same run.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::settings::Settings;
use super::step::{Step, StepKind, Tampering};

/// Settings of a simulation, and its steps.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// Seed of the small choices during the run: latencies, cuts, the order of outcomes.
    pub noise: u64,
    /// Settings of the world.
    pub settings: Settings,
    /// Steps, ordered by time.
    pub steps: Vec<Step>,
}

impl Plan {
    /// Whether the server is honest. If not, less can be checked.
    pub fn server_is_honest(&self) -> bool {
        !self.steps.iter().any(|step| matches!(step.kind, StepKind::Dishonest { .. }))
    }

    /// Whether authentic packets are replayed out of place.
    pub fn replays(&self) -> bool {
        let replays = |kind: &StepKind| {
            matches!(kind, StepKind::Tamper { how: Tampering::Replay | Tampering::Repeat, .. })
        };
        self.steps.iter().any(|step| replays(&step.kind))
    }

    /// Whether packets are forged or changed, so that clients may report suspicions.
    pub fn has_active_attackers(&self) -> bool {
        let meddles = |kind: &StepKind| match kind {
            StepKind::Tamper { .. }
            // Receipts for messages that it has forgotten look forged to a restored client.
            | StepKind::Restore { .. }
            | StepKind::SecondConnection { .. }
            | StepKind::Attack { .. }
            | StepKind::Dishonest { .. } => true,
            StepKind::Register { .. }
            | StepKind::Connect { .. }
            | StepKind::Disconnect { .. }
            | StepKind::Send { .. }
            | StepKind::SendToKey { .. }
            | StepKind::Cancel { .. }
            | StepKind::Forget { .. }
            | StepKind::Cut { .. }
            | StepKind::HalfOpen { .. }
            | StepKind::Stall { .. }
            | StepKind::Unreachable { .. }
            | StepKind::CrashClient { .. }
            | StepKind::LoseDirectory { .. }
            | StepKind::BackUp { .. }
            | StepKind::LoseAccount { .. }
            | StepKind::BackUpServer
            | StepKind::RestoreServer { .. }
            | StepKind::ChangeServerKey { .. }
            | StepKind::SkipIds { .. }
            | StepKind::CrashServer { .. }
            | StepKind::StopServer { .. }
            | StepKind::ClientDisk { .. }
            | StepKind::ServerDisk { .. }
            | StepKind::Engine { .. }
            | StepKind::ClientClock { .. }
            | StepKind::ServerClock { .. }
            // Greedy users sign what they send, and send nothing that a client would suspect.
            | StepKind::Greed { .. } => false,
        };
        self.steps.iter().any(|step| meddles(&step.kind))
    }

    /// Whether the server loses accounts whose clients keep their directories.
    pub fn loses_accounts(&self) -> bool {
        let loses = |kind: &StepKind| {
            matches!(kind, StepKind::LoseAccount { .. } | StepKind::RestoreServer { .. })
        };
        self.steps.iter().any(|step| loses(&step.kind))
    }

    /// Parses a plan as [`fmt::Display`] writes it.
    ///
    /// # Errors
    /// Returns the error of the JSON parser.
    pub fn parse(text: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(text)
    }
}

impl fmt::Display for Plan {
    /// Writes JSON: noise, settings, and a line for each step.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let json = |value: serde_json::Result<String>| value.map_err(|_| fmt::Error);
        let settings = json(serde_json::to_string(&self.settings))?;
        writeln!(f, "{{\"noise\": {}, \"settings\": {settings}, \"steps\": [", self.noise)?;
        for (index, step) in self.steps.iter().enumerate() {
            let comma = if index + 1 < self.steps.len() { "," } else { "" };
            writeln!(f, "  {}{comma}", json(serde_json::to_string(step))?)?;
        }
        writeln!(f, "]}}")
    }
}
