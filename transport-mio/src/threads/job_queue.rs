//! Jobs on their way from the reactor to the crypto threads, in two lanes.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use sealpost_core::crypto::Job;
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
    pub(super) private: VecDeque<(Ticket, Job)>,
    /// The number of public jobs that the reactor keeps for itself.
    pub(super) reserved: usize,
    /// The number of threads that wait for jobs.
    pub(super) idle: usize,
    closed: bool,
}

/// The kind of key that a job's RSA operation uses, and so its cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lane {
    /// A public key, or no RSA at all: tens of microseconds.
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

    /// Waits for jobs and moves a thread's next ones into `batch`. `last` is the lane that the
    /// thread served before. Returns the lane of the batch, or `None` once the queue is closed.
    pub(super) fn next(&self, last: Lane, batch: &mut Vec<(Ticket, Job)>) -> Option<Lane> {
        let mut lanes = self.lock();
        loop {
            if lanes.closed {
                return None;
            }
            if let Some(lane) = lanes.take(last, self.takers, batch) {
                return Some(lane);
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
        self.of(lane(&job)).push_back((ticket, job));
    }

    /// Moves a thread's next jobs into `batch`. Lanes take turns, so that a storm in one does not
    /// stop the other: the lane that was not served last comes first.
    fn take(&mut self, last: Lane, takers: usize, batch: &mut Vec<(Ticket, Job)>) -> Option<Lane> {
        for lane in [last.other(), last] {
            let count = match lane {
                Lane::Public => {
                    let free = self.public.len().saturating_sub(self.reserved);
                    share(free, takers, LEAST).min(free)
                }
                Lane::Private => self.private.len().min(1),
            };
            if count > 0 {
                batch.extend(self.of(lane).drain(..count));
                return Some(lane);
            }
        }
        None
    }

    const fn of(&mut self, lane: Lane) -> &mut VecDeque<(Ticket, Job)> {
        match lane {
            Lane::Public => &mut self.public,
            Lane::Private => &mut self.private,
        }
    }
}

impl Lane {
    const fn other(self) -> Self {
        match self {
            Self::Public => Self::Private,
            Self::Private => Self::Public,
        }
    }
}

/// The lane to which a job belongs.
pub(super) const fn lane(job: &Job) -> Lane {
    match job {
        Job::OpenRequest { .. } | Job::OpenGrant { .. } | Job::OpenMessage { .. } => Lane::Private,
        Job::Emit(draft) if draft.signed => Lane::Private,
        Job::Verify { .. } | Job::OpenSealed { .. } | Job::Emit(_) => Lane::Public,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_grow_with_the_number_of_waiting_jobs() {
        let takers = 2;
        assert_eq!(
            [1, 40, 400, 4_000].map(|waiting| share(waiting, takers, LEAST)),
            [4, 5, 50, 64]
        );
    }
}
