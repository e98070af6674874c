//! Jobs on their way from the reactor to the crypto threads, in lanes.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use sealpost_core::crypto::{Job, Lane};
use sealpost_core::ids::Ticket;

/// The jobs between the reactor and the threads. The machine bounds their number.
#[derive(Debug)]
pub(super) struct JobQueue {
    lanes: Mutex<Lanes>,
    changed: Condvar,
    /// The number of takers: the threads, and the reactor.
    takers: usize,
}

/// The state of a [`JobQueue`], under its lock.
#[derive(Debug, Default)]
pub(super) struct Lanes {
    pub(super) public: VecDeque<(Ticket, Job)>,
    pub(super) private: PrivateLanes,
    /// The number of public jobs that the reactor keeps for itself.
    pub(super) reserved: usize,
    /// The number of threads that wait for jobs.
    pub(super) idle: usize,
    closed: bool,
}

/// The waiting jobs with the private key, by whom they are done for.
#[derive(Debug, Default)]
pub(super) struct PrivateLanes {
    users: VecDeque<(Ticket, Job)>,
    known: VecDeque<(Ticket, Job)>,
    answers: VecDeque<(Ticket, Job)>,
    strangers: VecDeque<(Ticket, Job)>,
    /// Place in [`TURNS`].
    turn: usize,
}

/// The kind of key that a batch of jobs uses, and so its cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Public keys, or no RSA at all: tens of microseconds.
    Public,
    /// The private key: hundreds of microseconds.
    Private,
}

impl JobQueue {
    /// Creates an empty queue for `threads` threads and the reactor.
    pub(super) fn new(threads: usize) -> Self {
        Self { lanes: Mutex::default(), changed: Condvar::new(), takers: threads + 1 }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Lanes> {
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Wakes this many waiting threads.
    pub(super) fn wake(&self, threads: usize) {
        for _ in 0..threads {
            self.changed.notify_one();
        }
    }

    /// Drops the jobs that no thread has taken, and makes the threads end.
    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.changed.notify_all();
    }

    /// Waits for jobs and moves a thread's next ones into `batch`. `last` is the kind that the
    /// thread served before. Returns the kind of the batch, or `None` once the queue is closed.
    pub(super) fn next(&self, last: Kind, batch: &mut Vec<(Ticket, Job)>) -> Option<Kind> {
        let mut lanes = self.lock();
        loop {
            if lanes.closed {
                return None;
            }
            if let Some(kind) = lanes.take(last, self.takers, batch) {
                return Some(kind);
            }
            lanes.idle += 1;
            lanes = self.changed.wait(lanes).unwrap_or_else(PoisonError::into_inner);
            lanes.idle -= 1;
        }
    }

    /// The number of public jobs that the reactor should run now.
    pub(super) fn reactor_share(&self, lanes: &Lanes) -> usize {
        share(lanes.public.len(), self.takers, OWN_SHARE).min(lanes.public.len())
    }
}

impl Lanes {
    /// Adds a job to the end of its lane.
    pub(super) fn push(&mut self, ticket: Ticket, job: Job) {
        let lane = match job.lane() {
            Lane::Public => &mut self.public,
            Lane::User => &mut self.private.users,
            Lane::Known => &mut self.private.known,
            Lane::Answer => &mut self.private.answers,
            Lane::Stranger => &mut self.private.strangers,
        };
        lane.push_back((ticket, job));
    }

    /// Moves a thread's next jobs into `batch`. The two kinds take turns, so that a storm of one
    /// does not stop the other: the kind that was not served last comes first.
    fn take(&mut self, last: Kind, takers: usize, batch: &mut Vec<(Ticket, Job)>) -> Option<Kind> {
        for kind in [last.other(), last] {
            match kind {
                Kind::Public => {
                    let free = self.public.len().saturating_sub(self.reserved);
                    batch.extend(self.public.drain(..share(free, takers, LEAST).min(free)));
                }
                Kind::Private => batch.extend(self.private.next()),
            }
            if !batch.is_empty() {
                return Some(kind);
            }
        }
        None
    }
}

impl PrivateLanes {
    pub(super) fn len(&self) -> usize {
        self.known_len() + self.strangers.len()
    }

    /// Takes the next job. A lane whose turn it is and in which nothing waits leaves its turn to
    /// the others, users first.
    fn next(&mut self) -> Option<(Ticket, Job)> {
        let turn = TURNS.get(self.turn)?;
        self.turn = (self.turn + 1) % TURNS.len();
        let first = match turn {
            Turn::Users => None,
            Turn::Known => self.known.pop_front(),
            Turn::Answers => self.answers.pop_front(),
            Turn::Strangers => self.strangers.pop_front(),
        };
        first.or_else(|| self.next_known()).or_else(|| self.strangers.pop_front())
    }

    /// Takes the next job of a user or of a known signer. Strangers have to leave one thread alone.
    pub(super) fn next_known(&mut self) -> Option<(Ticket, Job)> {
        let Self { users, known, answers, .. } = self;
        users.pop_front().or_else(|| known.pop_front()).or_else(|| answers.pop_front())
    }

    /// The number of jobs that [`PrivateLanes::next_known`] can take.
    pub(super) fn known_len(&self) -> usize {
        self.users.len() + self.known.len() + self.answers.len()
    }
}

/// The private lane that comes first.
#[derive(Clone, Copy, Debug)]
enum Turn {
    Users,
    Known,
    Answers,
    Strangers,
}

impl Kind {
    const fn other(self) -> Self {
        match self {
            Self::Public => Self::Private,
            Self::Private => Self::Public,
        }
    }
}

/// How many of the `waiting` public jobs one taker takes at once, but at least `least`.
///
/// The share is small at low load: if the system takes the taker's core away, the whole batch
/// waits. It grows with the number of waiting jobs, because they wait anyway, and a longer turn of
/// the reactor writes more at once and wakes fewer recipients.
fn share(waiting: usize, takers: usize, least: usize) -> usize {
    (waiting / (4 * takers)).clamp(least, MOST)
}

/// Public jobs that the reactor keeps for itself, and the fewest that it takes at once: a few
/// hundred microseconds of work, during which it reads nothing.
pub(super) const OWN_SHARE: usize = 8;
/// Fewest public jobs that a thread takes at once.
const LEAST: usize = 4;
/// Most public jobs that are taken at once: about a millisecond of work.
const MOST: usize = 64;
/// Turns of the private lanes. While all are full, users get half of the private operations, known
/// signers a quarter, and answers and strangers an eighth each: a flood of registrations, or of
/// errors to a greedy user, delays an acknowledgement by one operation, and a returning user by a
/// few.
const TURNS: [Turn; 8] = [
    Turn::Users,
    Turn::Known,
    Turn::Users,
    Turn::Answers,
    Turn::Users,
    Turn::Known,
    Turn::Users,
    Turn::Strangers,
];

#[cfg(test)]
pub(super) mod tests {
    use sealpost_core::crypto::Draft;
    use sealpost_core::ids::UserId;
    use sealpost_core::time::Timestamp;
    use sealpost_core::wire::{Header, Op, Profile};

    use super::*;

    /// A job of a lane.
    pub(in super::super) fn job(lane: Lane) -> Job {
        let op = match lane {
            Lane::Public | Lane::User => Op::Disconnect,
            Lane::Known => Op::SessionResumed,
            Lane::Answer => Op::Error,
            Lane::Stranger => Op::OtpIssued,
        };
        let recipient = UserId::new(1);
        let header = Header { sender: None, recipient, timestamp: Timestamp::MIN, op };
        Job::Emit(Box::new(Draft {
            profile: Profile::Compact,
            header,
            parts: Vec::new(),
            signer: (lane != Lane::Public).then_some(sealpost_core::crypto::OwnKey::First),
        }))
    }

    #[test]
    fn batches_grow_with_the_number_of_waiting_jobs() {
        let takers = 2;
        assert_eq!(
            [1, 40, 400, 4_000].map(|waiting| share(waiting, takers, LEAST)),
            [4, 5, 50, 64]
        );
    }
    #[test]
    fn private_lanes_take_turns() {
        let mut lanes = Lanes::default();
        for lane in [Lane::Stranger, Lane::Answer, Lane::Known, Lane::User] {
            (0..100).for_each(|ticket| lanes.push(Ticket(ticket), job(lane)));
        }
        let order: Vec<_> = (0..80).filter_map(|_| lanes.private.next()).collect();
        let count = |lane| order.iter().filter(|(_, job)| job.lane() == lane).count();
        let counted = [Lane::User, Lane::Known, Lane::Answer, Lane::Stranger];
        assert_eq!(counted.map(count), [40, 20, 10, 10]);
        // In each lane, the first comes first.
        let users = order.iter().filter(|(_, job)| job.lane() == Lane::User);
        assert!(users.map(|(ticket, _)| ticket.0).eq(0..40));
    }
}
