//! Threads that run cryptographic jobs, and the reactor's own share of them.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use sealpost_core::crypto::{Crypto, Job, Outcome};
use sealpost_core::ids::Ticket;
use sealpost_core::time::Mono;

use crate::error::Error;
use crate::worker;

/// Runs jobs on one thread: [`Crypto`], or a stand-in of tests.
pub trait JobRunner: Send + 'static {
    /// Runs one job.
    fn run(&mut self, job: Job) -> Outcome;

    /// Another one like this, for another thread.
    #[must_use]
    fn fork(&mut self) -> Self;
}

impl JobRunner for Crypto {
    fn run(&mut self, job: Job) -> Outcome {
        Self::run(self, job)
    }

    fn fork(&mut self) -> Self {
        Self::fork(self)
    }
}

/// Spreads jobs over threads, in batches. Jobs that need the private key cost twenty times the
/// others and come in storms when clients reconnect; they have a lane of their own, and each
/// thread serves the lanes in turn, so that neither stops the other.
///
/// The reactor's thread takes part. A few verifications it does all alone: to wake a thread takes
/// longer than they do.
pub(crate) struct CryptoPool {
    gathered: Vec<(Ticket, Job)>,
    queue: Arc<Queue>,
    threads: Vec<Option<JoinHandle<()>>>,
    /// Runs a job on the reactor's thread.
    own: Box<dyn FnMut(Job) -> Outcome + Send>,
    /// When there was a public operation last.
    last_public: Mono,
    /// What the reactor has taken.
    taken: Vec<(Ticket, Job)>,
    /// What waited after the last [`CryptoPool::submit`].
    waiting: Waiting,
}

/// How many jobs of each lane wait.
#[derive(Clone, Copy, Debug, Default)]
struct Waiting {
    public: usize,
    private: usize,
}

/// The jobs between the reactor and the threads. The machine bounds them.
#[derive(Debug)]
struct Queue {
    lanes: Mutex<Lanes>,
    changed: Condvar,
    /// Who takes jobs: the threads, and the reactor.
    takers: usize,
}

#[derive(Debug, Default)]
struct Lanes {
    public: VecDeque<(Ticket, Job)>,
    private: VecDeque<(Ticket, Job)>,
    /// So many of the public ones the reactor keeps to itself.
    reserved: usize,
    /// Threads that wait.
    idle: usize,
    closed: bool,
}

/// Which key a job's RSA operation takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lane {
    /// Somebody's public key, or none: tens of microseconds.
    Public,
    /// The private key: hundreds.
    Private,
}

impl CryptoPool {
    /// Starts so many threads. They call `report` with the outcomes of each batch, and drop what
    /// it leaves.
    pub(crate) fn start<R: JobRunner>(
        mut own: R,
        threads: usize,
        report: impl FnMut(&mut Vec<(Ticket, Outcome)>) + Clone + Send + 'static,
    ) -> Result<Self, Error> {
        let runners: Vec<_> = (0..threads).map(|_| own.fork()).collect();
        let lanes = Mutex::default();
        let queue = Arc::new(Queue { lanes, changed: Condvar::new(), takers: threads + 1 });
        let mut pool = Self {
            gathered: Vec::new(),
            queue,
            threads: Vec::new(),
            own: Box::new(move |job| own.run(job)),
            last_public: Mono(0),
            taken: Vec::new(),
            waiting: Waiting::default(),
        };
        for (index, runner) in runners.into_iter().enumerate() {
            let (queue, report) = (Arc::clone(&pool.queue), report.clone());
            let body = move || work(runner, &queue, report);
            pool.threads.push(Some(worker::spawn(&format!("crypto-{index}"), body)?));
        }
        Ok(pool)
    }

    /// Notes a job; [`CryptoPool::submit`] hands it over.
    pub(crate) fn gather(&mut self, ticket: Ticket, job: Job, now: Mono) {
        self.gathered.push((ticket, job));
        // A long turn of the reactor should not leave the threads idle.
        if self.gathered.len() >= HAND_OVER {
            self.submit(now);
        }
    }

    /// Hands over what was gathered, and wakes as many threads as are worth it. Call it once a turn
    /// at least.
    pub(crate) fn submit(&mut self, now: Mono) {
        let mut lanes = self.queue.lock();
        let left = lanes.public.len();
        for (ticket, job) in self.gathered.drain(..) {
            lanes.of(lane(&job)).push_back((ticket, job));
        }
        // What the reactor has left of its share since the last time, it is too busy for.
        lanes.reserved = if left == 0 { OWN_SHARE } else { 0 };
        let batches = lanes.public.len().saturating_sub(lanes.reserved).div_ceil(WORTH_WAKING);
        let wake = (batches + lanes.private.len()).min(lanes.idle);
        self.waiting = Waiting { public: lanes.public.len(), private: lanes.private.len() };
        if self.waiting.public > 0 {
            self.last_public = now;
        }
        drop(lanes);
        for _ in 0..wake {
            self.queue.changed.notify_one();
        }
    }

    /// Whether so many verifications wait that nothing more should be read. Private operations
    /// don't count: strangers would hold up messages with them.
    pub(crate) const fn is_behind(&self) -> bool {
        self.waiting.public > READ_BELOW
    }

    /// When [`CryptoPool::help`] wants to be called.
    pub(crate) fn deadline(&self) -> Option<Mono> {
        match self.waiting {
            Waiting { public: 0, private: 0 } => None,
            Waiting { public: 0, .. } => Some(self.rest_at()),
            Waiting { .. } => Some(Mono(0)),
        }
    }

    /// Runs a few jobs on this thread: the share of verifications that it keeps to itself. Private
    /// operations it takes only while no messages come, as they would wait for it. The outcomes
    /// are appended.
    pub(crate) fn help(&mut self, now: Mono, outcomes: &mut Vec<(Ticket, Outcome)>) {
        if self.deadline().is_none_or(|at| now < at) {
            return;
        }
        let mut lanes = self.queue.lock();
        let batch = share(lanes.public.len(), self.queue.takers, OWN_SHARE).min(lanes.public.len());
        self.taken.extend(lanes.public.drain(..batch));
        if batch == 0 && self.rest_at() <= now {
            self.taken.extend(lanes.private.pop_front());
        }
        drop(lanes);
        outcomes.extend(self.taken.drain(..).map(|(ticket, job)| (ticket, (self.own)(job))));
    }

    /// When no message will have come for a while.
    fn rest_at(&self) -> Mono {
        self.last_public + MESSAGES_REST
    }

    /// Ends the threads after the jobs that they have begun; the others are dropped.
    pub(crate) fn finish(&mut self) {
        self.queue.lock().closed = true;
        self.queue.changed.notify_all();
        for thread in &mut self.threads {
            worker::join(thread);
        }
    }
}

impl Drop for CryptoPool {
    fn drop(&mut self) {
        self.finish();
    }
}

impl fmt::Debug for CryptoPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CryptoPool").field("threads", &self.threads.len()).finish_non_exhaustive()
    }
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, Lanes> {
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for jobs and moves a batch into `batch`. Returns its lane; `None`: there won't be any.
    fn next(&self, last: Lane, batch: &mut Vec<(Ticket, Job)>) -> Option<Lane> {
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
}

impl Lanes {
    /// Moves a thread's next jobs into `batch`, out of the lane whose turn it is after `last`.
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

const fn lane(job: &Job) -> Lane {
    match job {
        Job::OpenRequest { .. } | Job::OpenGrant { .. } | Job::OpenMessage { .. } => Lane::Private,
        Job::Emit(draft) if draft.signed => Lane::Private,
        Job::Verify { .. } | Job::OpenSealed { .. } | Job::Emit(_) => Lane::Public,
    }
}

/// How many of so many verifications one taker takes at once, `least` at least.
///
/// They are few: should the system take its core away, all of them wait. Where many wait anyhow,
/// they are more: longer turns of the reactor write more at once, and fewer readers are woken.
fn share(waiting: usize, takers: usize, least: usize) -> usize {
    (waiting / (4 * takers)).clamp(least, MOST)
}

fn work<R: JobRunner>(
    mut runner: R,
    queue: &Queue,
    mut report: impl FnMut(&mut Vec<(Ticket, Outcome)>),
) {
    let (mut batch, mut outcomes) = (Vec::new(), Vec::new());
    let mut last = Lane::Private;
    while let Some(lane) = queue.next(last, &mut batch) {
        last = lane;
        outcomes.extend(batch.drain(..).map(|(ticket, job)| (ticket, runner.run(job))));
        report(&mut outcomes);
        outcomes.clear();
        if lane == Lane::Private {
            // In a storm of them this thread would keep its core for milliseconds, and who brings
            // or fetches a message waits for it.
            thread::yield_now();
        }
    }
}

/// Jobs of which some are handed over before the reactor's turn is at its end.
const HAND_OVER: usize = 32;
/// Verifications that the reactor keeps to itself, or takes at once at least: some hundred
/// microseconds of work, during which it reads nothing.
const OWN_SHARE: usize = 8;
/// Verifications that a thread takes at once at least.
const LEAST: usize = 4;
/// Verifications that are taken at once at most: a millisecond of work.
const MOST: usize = 64;
/// How long no message has come when they are taken to have stopped.
const MESSAGES_REST: Duration = Duration::from_millis(2);
/// Verifications that wait while others are read: some milliseconds of work.
const READ_BELOW: usize = 256;
/// Verifications for which a thread is woken.
const WORTH_WAKING: usize = 8;

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{self, Receiver, Sender};

    use sealpost_core::crypto::{Draft, EmitError};
    use sealpost_core::time::Timestamp;
    use sealpost_core::wire::{Header, Op, Profile};

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(20);

    /// Fails each job: on a thread of the pool once it is let on, on the reactor's at once.
    struct Gated {
        begun: Sender<Lane>,
        go_on: Arc<Mutex<Receiver<()>>>,
        place: Place,
    }

    #[derive(PartialEq, Eq)]
    enum Place {
        Reactor,
        Thread,
    }

    impl JobRunner for Gated {
        fn run(&mut self, job: Job) -> Outcome {
            if self.place == Place::Thread {
                let _ = self.begun.send(lane(&job));
                let _ = self.go_on.lock().unwrap().recv();
            }
            Outcome::Emitted(Err(EmitError))
        }

        fn fork(&mut self) -> Self {
            Self { begun: self.begun.clone(), go_on: Arc::clone(&self.go_on), place: Place::Thread }
        }
    }

    struct Rig {
        // Dropped before the pool, so that a test that fails ends.
        go_on: Sender<()>,
        pool: CryptoPool,
        begun: Receiver<Lane>,
        reported: Receiver<Vec<(Ticket, Outcome)>>,
    }

    fn rig(threads: usize) -> Rig {
        let (begun_in, begun) = mpsc::channel();
        let (go_on, go_on_out) = mpsc::channel();
        let (reported_in, reported) = mpsc::channel();
        let go_on_out = Arc::new(Mutex::new(go_on_out));
        let own = Gated { begun: begun_in, go_on: go_on_out, place: Place::Reactor };
        let report = move |outcomes: &mut Vec<_>| {
            let _ = reported_in.send(std::mem::take(outcomes));
        };
        let pool = CryptoPool::start(own, threads, report).unwrap();
        while pool.queue.lock().idle < threads {
            thread::yield_now();
        }
        Rig { go_on, pool, begun, reported }
    }

    impl Rig {
        fn gather(&mut self, tickets: std::ops::Range<u64>, lane: Lane) {
            for ticket in tickets {
                self.pool.gather(Ticket(ticket), job(lane), Mono(0));
            }
        }
    }

    fn job(lane: Lane) -> Job {
        let header =
            Header { sender: None, recipient: None, timestamp: Timestamp::MIN, op: Op::Disconnect };
        Job::Emit(Box::new(Draft {
            profile: Profile::Compact,
            header,
            parts: Vec::new(),
            signed: lane == Lane::Private,
        }))
    }

    #[test]
    fn every_job_has_one_outcome() {
        let mut rig = rig(3);
        (0..1_000).for_each(|_| rig.go_on.send(()).unwrap());
        rig.gather(0..400, Lane::Public);
        rig.gather(400..600, Lane::Private);
        rig.gather(600..1_000, Lane::Public);
        let mut outcomes = Vec::new();
        while outcomes.len() < 1_000 {
            rig.pool.submit(Mono(0));
            rig.pool.help(Mono(0), &mut outcomes);
            outcomes.extend(rig.reported.try_iter().flatten());
        }
        let mut tickets: Vec<_> = outcomes.into_iter().map(|(ticket, _)| ticket.0).collect();
        tickets.sort_unstable();
        assert!(tickets.into_iter().eq(0..1_000));
        rig.pool.finish();
        assert_eq!(rig.reported.try_iter().count(), 0);
    }

    #[test]
    fn storm_of_private_jobs_lets_public_ones_through() {
        let mut rig = rig(1);
        rig.gather(0..100, Lane::Private);
        rig.gather(100..120, Lane::Public);
        rig.pool.submit(Mono(0));
        let mut private_before = 0;
        while rig.begun.recv_timeout(PATIENCE).unwrap() == Lane::Private {
            rig.go_on.send(()).unwrap();
            private_before += 1;
        }
        assert!(private_before <= 1, "{private_before}");
        drop(rig.go_on);
    }

    #[test]
    fn jobs_are_shared_among_the_threads() {
        let mut rig = rig(2);
        rig.gather(0..20, Lane::Public);
        rig.pool.submit(Mono(0));
        // Both have begun, and none was let on.
        for _ in 0..2 {
            assert_eq!(rig.begun.recv_timeout(PATIENCE).unwrap(), Lane::Public);
        }
        drop(rig.go_on);
    }

    #[test]
    fn few_verifications_are_left_to_the_reactor() {
        let mut rig = rig(2);
        rig.gather(0..8, Lane::Public);
        rig.pool.submit(Mono(0));
        let mut outcomes = Vec::new();
        rig.pool.help(Mono(0), &mut outcomes);
        let tickets: Vec<_> = outcomes.iter().map(|(ticket, _)| ticket.0).collect();
        assert_eq!(tickets, [0, 1, 2, 3, 4, 5, 6, 7]);
        rig.pool.submit(Mono(0));
        assert_eq!(rig.pool.deadline(), None);
    }

    #[test]
    fn what_the_reactor_does_not_come_to_the_threads_do() {
        let mut rig = rig(1);
        rig.gather(0..1, Lane::Public);
        rig.pool.submit(Mono(0));
        assert_eq!(rig.pool.queue.lock().public.len(), 1);
        rig.pool.submit(Mono(0));
        assert_eq!(rig.begun.recv_timeout(PATIENCE).unwrap(), Lane::Public);
        drop(rig.go_on);
    }

    #[test]
    fn of_much_work_the_reactor_takes_its_share() {
        for (jobs, taken) in [(20, 8), (4_000, 64)] {
            let mut rig = rig(1);
            rig.gather(0..jobs, Lane::Public);
            rig.pool.submit(Mono(0));
            rig.begun.recv_timeout(PATIENCE).unwrap();
            let mut outcomes = Vec::new();
            rig.pool.help(Mono(0), &mut outcomes);
            assert_eq!(outcomes.len(), taken);
            drop(rig.go_on);
        }
    }

    #[test]
    fn the_more_verifications_wait_the_more_are_taken_at_once() {
        let takers = 2;
        assert_eq!(
            [1, 40, 400, 4_000].map(|waiting| share(waiting, takers, LEAST)),
            [4, 5, 50, 64]
        );
    }

    #[test]
    fn only_verifications_hold_up_reading() {
        let mut rig = rig(1);
        rig.gather(0..1_000, Lane::Private);
        rig.pool.submit(Mono(0));
        assert!(!rig.pool.is_behind());
        rig.gather(1_000..1_300, Lane::Public);
        rig.pool.submit(Mono(0));
        assert!(rig.pool.is_behind());
        drop(rig.go_on);
    }

    #[test]
    fn verification_that_waits_leaves_the_reactor_no_rest() {
        let mut rig = rig(1);
        assert_eq!(rig.pool.deadline(), None);
        rig.gather(0..1, Lane::Public);
        rig.pool.submit(Mono(5_000));
        assert_eq!(rig.pool.deadline(), Some(Mono(0)));
        drop(rig.go_on);
    }

    #[test]
    fn while_messages_come_the_reactor_leaves_private_operations_alone() {
        let mut rig = rig(1);
        rig.gather(0..1, Lane::Public);
        rig.pool.submit(Mono(0));
        let mut outcomes = Vec::new();
        rig.pool.help(Mono(0), &mut outcomes);
        assert_eq!(outcomes.len(), 1);
        // The thread has taken one of these, and is not let on.
        rig.gather(1..5, Lane::Private);
        rig.pool.submit(Mono(0));
        assert_eq!(rig.begun.recv_timeout(PATIENCE).unwrap(), Lane::Private);
        assert_eq!(rig.pool.deadline(), Some(Mono(2_000)));
        rig.pool.help(Mono(1_999), &mut outcomes);
        assert_eq!(outcomes.len(), 1);
        rig.pool.help(Mono(2_000), &mut outcomes);
        assert_eq!(outcomes.len(), 2);
        drop(rig.go_on);
    }
}
