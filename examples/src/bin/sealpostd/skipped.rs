//! The user ids that a database skips which takes the place of a later one.

use sealpost_core::wire::Profile;
use sealpost_programs::{Failure, Line};
use sealpost_storage::{DatabaseMark, Remembered, SqliteStorage};

/// What a database has skipped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Skipped {
    /// The last id that it knows to be handed out.
    last: u64,
    /// The last id that it will not hand out.
    to: u64,
    /// Whether the folder remembered how many were handed out.
    guess: Guess,
    /// The largest id of the profile.
    max: u64,
}

/// How the number of skipped ids was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Guess {
    Remembered,
    Given,
    Default,
}

/// Skips every user id that a later copy of this database may have handed out: those that the folder
/// remembers, `skip` after the last one that the database knows, or else a number that depends on the
/// profile. Then the mark names this database.
pub(crate) fn skip_ids(
    store: &mut SqliteStorage,
    mark: &DatabaseMark,
    known: Option<Remembered>,
    skip: Option<u64>,
) -> Result<Skipped, Failure> {
    let (id, last, profile) = (store.id()?, store.last_user_id()?, store.profile());
    let of_this = known.filter(|known| known.id == id && known.reserved > 0);
    let (guess, margin) = match (skip, of_this) {
        (Some(skip), _) => (Guess::Given, skip),
        (None, Some(_)) => (Guess::Remembered, 0),
        (None, None) => (Guess::Default, default_margin(profile)),
    };
    // Another database of the folder had the same key, under which users know each other's ids.
    let remembered = known.map_or(0, |known| known.reserved);
    let max = profile.max_user_id();
    let to = last.saturating_add(margin).max(remembered).min(max);
    store.skip_ids(to)?;
    let to = store.last_user_id()?;
    mark.write(Remembered { id, handed_out: to, reserved: to })?;
    Ok(Skipped { last, to, guess, max })
}

const fn default_margin(profile: Profile) -> u64 {
    match profile {
        Profile::Compact => 1_000,
        Profile::Wide => 1_000_000,
    }
}

impl Skipped {
    /// The id of the next user; `None` if none is left.
    pub(crate) fn next(self) -> Option<u64> {
        (self.to < self.max).then(|| self.to + 1)
    }

    /// Prints what was skipped, and what to do if that is too little.
    pub(crate) fn report(self) -> Result<(), Failure> {
        let Self { last, to, guess, .. } = self;
        let Some(next) = self.next() else {
            return Line::text("no user ids are left: nobody can register");
        };
        match guess {
            Guess::Remembered => Line::text(format_args!(
                "the next user gets id {next}: the ids up to {to} may have been handed out"
            )),
            Guess::Given => Line::text(format_args!("the next user gets id {next}")),
            Guess::Default => Line::text(format_args!(
                "the next user gets id {next}: this folder does not remember the ids handed out \
                 after {last}; if more than {} users can have registered since, stop here and run \
                 sealpostd accept-database --skip-ids N with a larger N",
                to - last
            )),
        }
    }
}
