//! File transfers in SQLite.
//!
//! | file | content |
//! |---|---|
//! | `schema` | the tables |
//! | `row` | rows as values |
//! | `begin`, `step` | what changes: a transfer of ours begins, the machine makes a step |
//! | `arrivals` | events that wait for their step |
//! | `reading` | transfers, and how far their messages have come |

mod arrivals;
mod begin;
mod reading;
mod row;
pub(super) mod schema;
mod step;
#[cfg(test)]
mod tests;
