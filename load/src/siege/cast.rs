//! Everybody in a siege: registered before it, and armed for it.

use std::sync::Arc;

use sealpost_core::crypto::PrivateKey;
use sealpost_core::ids::Phone;
use sealpost_programs::Failure;

use crate::clients::registration::Registry;
use crate::clients::user::User;
use crate::siege::greedy::{self, Known};
use crate::siege::horde::Band;
use crate::siege::stranger::{self, Arms};
use crate::siege::town::Town;

/// Which attackers there are.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Enemies<'a> {
    pub(crate) greedy: &'a [greedy::Kind],
    pub(crate) greedy_users: usize,
    pub(crate) strangers: &'a [stranger::Kind],
    pub(crate) addresses: usize,
}

/// All registered users.
pub(crate) struct Cast {
    ordinary: Vec<User>,
    attackers: Attackers,
}

/// Users with whom attackers work.
pub(crate) struct Attackers {
    greedy: Vec<User>,
    /// Users who never connect.
    sleepers: Vec<User>,
    /// Phone numbers of all users.
    phones: Vec<Phone>,
    /// Key with which strangers would register.
    key: Arc<dyn PrivateKey>,
}

impl Cast {
    /// Registers this many ordinary users, and the accounts that the attackers need.
    pub(crate) fn register(
        registry: &Registry,
        ordinary: usize,
        enemies: Enemies<'_>,
    ) -> Result<Self, Failure> {
        let kinds = enemies.greedy.iter().cycle().take(enemies.greedy_users);
        let greedy = kinds.map(|kind| kind.accounts()).sum::<usize>();
        let mut keys = registry.keys(ordinary + greedy + 1)?;
        let mut users = disconnected(registry, &keys, ordinary + greedy)?;
        let key = keys.pop().ok_or_else(|| Failure::new("a key is missing"))?;
        let sleepers = disconnected(registry, std::slice::from_ref(&key), SLEEPERS)?;
        let phones = users.iter().chain(&sleepers).map(|user| user.phone).collect();
        let greedy = users.split_off(ordinary);
        Ok(Self { ordinary: users, attackers: Attackers { greedy, sleepers, phones, key } })
    }

    /// Divides the users into ordinary ones and those who serve attackers.
    pub(crate) fn part(self) -> (Vec<User>, Attackers) {
        (self.ordinary, self.attackers)
    }
}

impl Attackers {
    /// Arms the attackers against these ordinary users. Returns the greedy users, then the
    /// strangers.
    pub(crate) fn bands(
        mut self,
        registry: &Registry,
        enemies: Enemies<'_>,
        town: &Town<'_>,
    ) -> Result<[Vec<Band>; 2], Failure> {
        let arms = Arc::new(Arms::forge(registry, &self.key, &mut self.sleepers)?);
        let (absent, live) = town.recipients();
        let sleepers = self.sleepers.iter().map(|user| user.id).collect();
        let known = Known { absent, live, sleepers, phones: self.phones };
        let Enemies { greedy, greedy_users, strangers, addresses } = enemies;
        Ok([
            greedy::bands(greedy, greedy_users, self.greedy, &known)?,
            stranger::bands(strangers, addresses, &arms),
        ])
    }
}

/// Registers users, and drops their connections.
fn disconnected(
    registry: &Registry,
    keys: &[Arc<dyn PrivateKey>],
    count: usize,
) -> Result<Vec<User>, Failure> {
    Ok(registry.users(keys, count)?.into_iter().map(|(user, _)| user).collect())
}

/// Users who never connect. Their mailboxes can be filled.
const SLEEPERS: usize = 64;
