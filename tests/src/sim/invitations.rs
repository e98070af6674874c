//! Invitations of a world whose server asks for them, and what must hold for them.

use sealpost_core::ids::Phone;
use sealpost_core::server::store::PresentedInvitation;
use sealpost_core::server::{Registrants, Registration};
use sealpost_core::time::Timestamp;
use sealpost_core::wire::Invitation;
use sealpost_storage::{InvitationRecord, MemoryStorage, NewInvitation};

use super::dice::Dice;
use super::model;
use super::plan::Plan;
use super::settings::{Registering, Settings};
use super::step::StepKind;
use super::trust::Verdict;
use super::world::World;

/// Every invitation of a world, in the order of their ids.
pub(super) struct Invitations(Vec<Issued>);

struct Issued {
    code: Invitation,
    terms: NewInvitation,
    /// Accounts that were made with it.
    used: u32,
}

/// Whether the server asks for invitations.
pub(super) fn registration(settings: &Settings) -> Registration {
    let open_to = match settings.registering {
        Registering::Open => Registrants::Anyone,
        Registering::Invited => Registrants::Invited,
    };
    Registration { open_to, ..Registration::default() }
}

impl Invitations {
    /// Issues one for each client, as often as it may have to register; one for all others; one for
    /// whichever client comes first; and one that has expired.
    pub(super) fn issue(plan: &Plan, store: &mut MemoryStorage, now: Timestamp) -> Self {
        let terms = |code: &Invitation, uses| NewInvitation {
            hash: code.hash(),
            uses,
            created_at: now,
            expires_at: Timestamp::MAX,
            phone: None,
            note: String::new(),
        };
        let loses = |client| {
            let is_loss = |kind: &StepKind| match kind {
                StepKind::LoseDirectory { client: who, .. }
                | StepKind::LoseAccount { client: who } => *who == client,
                other => matches!(other, StepKind::RestoreServer { .. }),
            };
            plan.steps.iter().filter(|step| is_loss(&step.kind)).count()
        };
        let personal = |client: usize| {
            let code = personal(client);
            let uses = u32::try_from(1 + loses(client)).unwrap_or(u32::MAX);
            let phone = Some(model::phone(client));
            Issued { terms: NewInvitation { phone, ..terms(&code, uses) }, code, used: 0 }
        };
        let shared = |(name, uses, expires_at)| {
            let code = code(name);
            Issued { terms: NewInvitation { expires_at, ..terms(&code, uses) }, code, used: 0 }
        };
        let others = [(OTHERS, 100, Timestamp::MAX), (ONCE, 1, Timestamp::MAX), (EXPIRED, 9, now)];
        let issued: Vec<_> =
            (0..plan.settings.clients).map(personal).chain(others.map(shared)).collect();
        for Issued { terms, .. } in &issued {
            store.create_invitation(terms.clone());
        }
        Self(issued)
    }

    /// The code that a client tries: mostly its own, which is good.
    pub(super) fn choose(client: usize, clients: usize, dice: &mut Dice<'_>) -> Option<Invitation> {
        match dice.below(12) {
            0 => None,
            1 => Some(code("unknown")),
            2 => Some(code(EXPIRED)),
            3 => Some(personal((client + 1) % clients)),
            4 | 5 => Some(code(ONCE)),
            _ => Some(personal(client)),
        }
    }

    /// The code of attackers and greedy users.
    pub(super) fn of_others() -> Invitation {
        code(OTHERS)
    }

    /// Checks the invitation with which an account was made.
    pub(super) fn account_made(
        &mut self,
        phone: Phone,
        invitation: Option<&PresentedInvitation>,
    ) -> Verdict {
        let Some(PresentedInvitation { hash, at }) = invitation else {
            return Err("an account is made without an invitation".to_owned());
        };
        let Some(issued) = self.0.iter_mut().find(|issued| issued.terms.hash == *hash) else {
            return Err("an account is made with an invitation that nobody issued".to_owned());
        };
        issued.used += 1;
        let Issued { code, terms, used } = issued;
        let code = code.code();
        if *used > terms.uses {
            return Err(format!("invitation {code} is used more often than allowed"));
        }
        if *at >= terms.expires_at {
            return Err(format!("invitation {code} is used after it has expired"));
        }
        if terms.phone.is_some_and(|only| only != phone) {
            return Err(format!("invitation {code} is used for another phone number"));
        }
        Ok(())
    }

    /// The server's store is an earlier one: what it does not count was not used.
    pub(super) fn restored(&mut self, records: &[InvitationRecord]) {
        for (issued, record) in self.0.iter_mut().zip(records) {
            issued.used = issued.terms.uses - record.uses_left;
        }
    }

    /// Checks that the store counts every use, and nothing else.
    fn at_rest(&self, records: &[InvitationRecord]) -> Verdict {
        for record in records {
            let index = usize::try_from(record.id - 1).unwrap_or(usize::MAX);
            let Some(Issued { code, terms, used }) = self.0.get(index) else { continue };
            if record.uses_left + used != terms.uses {
                let (code, left) = (code.code(), record.uses_left);
                return Err(format!(
                    "invitation {code} made {used} of {} accounts, and has {left} left",
                    terms.uses
                ));
            }
        }
        Ok(())
    }
}

impl World {
    /// Checks the invitations on record against the accounts that were made with them.
    pub(super) fn check_invitations(&mut self) {
        if let Some(invitations) = &self.invitations {
            let verdict = invitations.at_rest(&self.store.read().invitations());
            self.check(verdict);
        }
    }
}

fn personal(client: usize) -> Invitation {
    code(&format!("client-{client}"))
}

fn code(text: &str) -> Invitation {
    text.parse().expect("a code")
}

const OTHERS: &str = "others";
const ONCE: &str = "once";
const EXPIRED: &str = "expired";
