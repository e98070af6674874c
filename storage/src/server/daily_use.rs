//! What a user has used of a budget that is renewed every day.

/// Uses on one day.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct DailyUse {
    /// Days since 1970.
    pub(super) day: i64,
    pub(super) uses: u32,
}

/// The budget of the day is used up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct OverBudget;

impl DailyUse {
    /// Counts one use. Any other day than the recorded one has a new budget, even an earlier one: a
    /// clock that was ahead for a moment must not lock the user out until that day has come.
    pub(super) fn charge(&mut self, day: i64, budget: u32) -> Result<(), OverBudget> {
        let uses = if self.day == day { self.uses } else { 0 };
        if uses >= budget {
            return Err(OverBudget);
        }
        *self = Self { day, uses: uses.saturating_add(1) };
        Ok(())
    }
}
