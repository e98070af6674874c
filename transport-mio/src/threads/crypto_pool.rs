//! Threads that run cryptographic jobs, and the reactor's share of that work.

use std::fmt;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use sealpost_core::crypto::{Job, Outcome};
use sealpost_core::ids::Ticket;
use sealpost_core::time::Mono;

use super::job_queue::{JobQueue, Kind, OWN_SHARE};
use super::job_runner::JobRunner;
use super::spawn::{join, spawn};
use crate::error::Error;

/// Distributes jobs among threads, in batches. Jobs with the private key cost twenty times as much
/// as the others, and many come at once when clients reconnect. They have lanes of their own, and
/// each thread serves the two kinds in turn, so that neither blocks the other.
///
/// The reactor's thread takes part. It runs a few verifications without any help, because waking a
/// thread takes longer than they do.
pub(crate) struct CryptoPool {
    gathered: Vec<(Ticket, Job)>,
    queue: Arc<JobQueue>,
    threads: Vec<Option<JoinHandle<()>>>,
    /// Runs jobs on the reactor's thread.
    own: Box<Run>,
    /// When public jobs were last waiting.
    last_public: Mono,
    /// Jobs that the reactor is about to run. Kept to reuse its memory.
    taken: Vec<(Ticket, Job)>,
    /// Jobs that waited after the last [`CryptoPool::submit`].
    waiting: Waiting,
}

/// The number of waiting jobs that the reactor may take.
#[derive(Clone, Copy, Debug, Default)]
struct Waiting {
    public: usize,
    private: usize,
}

/// Runs jobs and appends their outcomes.
type Run = dyn FnMut(&mut Vec<(Ticket, Job)>, &mut Vec<(Ticket, Outcome)>) + Send;

impl CryptoPool {
    /// Starts `threads` threads. They call `report` with the outcomes of each batch, and clear the
    /// vector afterwards.
    pub(crate) fn start<R: JobRunner>(
        mut own: R,
        threads: usize,
        report: impl FnMut(&mut Vec<(Ticket, Outcome)>) + Clone + Send + 'static,
    ) -> Result<Self, Error> {
        let runners: Vec<_> = (0..threads).map(|_| own.fork()).collect();
        let mut pool = Self {
            gathered: Vec::new(),
            queue: Arc::new(JobQueue::new(threads)),
            threads: Vec::new(),
            own: Box::new(move |jobs, outcomes| own.run_all(jobs, outcomes)),
            last_public: Mono(0),
            taken: Vec::new(),
            waiting: Waiting::default(),
        };
        for (index, runner) in runners.into_iter().enumerate() {
            let (queue, report) = (Arc::clone(&pool.queue), report.clone());
            let body = move || work(runner, &queue, report);
            pool.threads.push(Some(spawn(&format!("crypto-{index}"), body)?));
        }
        Ok(pool)
    }

    /// Adds a job to those that [`CryptoPool::submit`] hands over.
    pub(crate) fn gather(&mut self, ticket: Ticket, job: Job, now: Mono) {
        self.gathered.push((ticket, job));
        // A long turn of the reactor should not leave the threads idle.
        if self.gathered.len() >= HAND_OVER {
            self.submit(now);
        }
    }

    /// Hands over the gathered jobs, and wakes as many threads as there is enough work for. Must be
    /// called at least once a turn.
    pub(crate) fn submit(&mut self, now: Mono) {
        let mut lanes = self.queue.lock();
        let left = lanes.public.len();
        for (ticket, job) in self.gathered.drain(..) {
            lanes.push(ticket, job);
        }
        // Jobs left from the last turn mean that the reactor is too busy for its share: reserve
        // nothing, so that the threads take them.
        lanes.reserved = if left == 0 { OWN_SHARE } else { 0 };
        let batches = lanes.public.len().saturating_sub(lanes.reserved).div_ceil(WORTH_WAKING);
        let wake = (batches + lanes.private.len()).min(lanes.idle);
        self.waiting = Waiting { public: lanes.public.len(), private: lanes.private.known_len() };
        if self.waiting.public > 0 {
            self.last_public = now;
        }
        drop(lanes);
        self.queue.wake(wake);
    }

    /// Whether enough verifications are waiting for reading to pause. Private jobs don't count:
    /// with them, clients that only connect could hold up everybody's messages.
    pub(crate) const fn is_behind(&self) -> bool {
        self.waiting.public > READ_BELOW
    }

    /// When [`CryptoPool::help`] must be called.
    pub(crate) fn deadline(&self) -> Option<Mono> {
        match self.waiting {
            Waiting { public: 0, private: 0 } => None,
            Waiting { public: 0, .. } => Some(self.quiet_at()),
            Waiting { .. } => Some(Mono(0)),
        }
    }

    /// Runs the reactor's share of the jobs on this thread, and appends the outcomes. It takes
    /// private jobs only while no messages arrive, because messages would have to wait for them, and
    /// none for strangers, who could otherwise delay each message that follows a pause.
    pub(crate) fn help(&mut self, now: Mono, outcomes: &mut Vec<(Ticket, Outcome)>) {
        if self.deadline().is_none_or(|at| now < at) {
            return;
        }
        let mut lanes = self.queue.lock();
        let batch = self.queue.reactor_share(&lanes);
        self.taken.extend(lanes.public.drain(..batch));
        if batch == 0 && self.quiet_at() <= now {
            self.taken.extend(lanes.private.next_known());
        }
        drop(lanes);
        (self.own)(&mut self.taken, outcomes);
    }

    /// The time from which messages count as having stopped, unless another one arrives.
    fn quiet_at(&self) -> Mono {
        self.last_public + QUIET_AFTER
    }

    /// Ends the threads after the jobs that they have started. Waiting jobs are dropped.
    pub(crate) fn finish(&mut self) {
        self.queue.close();
        for thread in &mut self.threads {
            join(thread);
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

fn work<R: JobRunner>(
    mut runner: R,
    queue: &JobQueue,
    mut report: impl FnMut(&mut Vec<(Ticket, Outcome)>),
) {
    let (mut batch, mut outcomes) = (Vec::new(), Vec::new());
    let mut last = Kind::Private;
    while let Some(kind) = queue.next(last, &mut batch) {
        last = kind;
        runner.run_all(&mut batch, &mut outcomes);
        report(&mut outcomes);
        outcomes.clear();
        if kind == Kind::Private {
            // In a storm of private jobs this thread would keep its core for milliseconds, and the
            // processes that send or fetch messages on this machine would wait for it.
            thread::yield_now();
        }
    }
}

/// Gathered jobs at which they are handed over before the reactor's turn ends.
const HAND_OVER: usize = 32;
/// Time without public jobs after which messages count as having stopped.
const QUIET_AFTER: Duration = Duration::from_millis(2);
/// Most waiting verifications at which the reactor still reads: a few milliseconds of work.
const READ_BELOW: usize = 256;
/// Verifications that are worth waking a thread for.
const WORTH_WAKING: usize = 8;

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::sync::mpsc::{self, Receiver, Sender};

    use sealpost_core::crypto::{EmitError, Lane};

    use super::super::job_queue::tests::job;
    use super::*;

    const PATIENCE: Duration = Duration::from_secs(20);

    /// Fails each job: on the reactor's thread at once, on a thread of the pool after it gets a
    /// permission.
    struct GatedRunner {
        begun: Sender<Lane>,
        permissions: Arc<Mutex<Receiver<()>>>,
        place: Place,
    }

    #[derive(PartialEq, Eq)]
    enum Place {
        Reactor,
        Thread,
    }

    impl JobRunner for GatedRunner {
        fn run_all(
            &mut self,
            jobs: &mut Vec<(Ticket, Job)>,
            outcomes: &mut Vec<(Ticket, Outcome)>,
        ) {
            for (ticket, job) in jobs.drain(..) {
                if self.place == Place::Thread {
                    let _ = self.begun.send(job.lane());
                    let _ = self.permissions.lock().unwrap().recv();
                }
                outcomes.push((ticket, Outcome::Emitted(Err(EmitError))));
            }
        }

        fn fork(&mut self) -> Self {
            let permissions = Arc::clone(&self.permissions);
            Self { begun: self.begun.clone(), permissions, place: Place::Thread }
        }
    }

    /// A pool with gated runners.
    struct TestPool {
        // Dropped before the pool, so that its threads can end when a test fails.
        permit: Sender<()>,
        pool: CryptoPool,
        begun: Receiver<Lane>,
        reported: Receiver<Vec<(Ticket, Outcome)>>,
    }

    /// Starts a pool, and waits until all its threads are idle.
    fn start(threads: usize) -> TestPool {
        let (begun_in, begun) = mpsc::channel();
        let (permit, permissions) = mpsc::channel();
        let (reported_in, reported) = mpsc::channel();
        let permissions = Arc::new(Mutex::new(permissions));
        let own = GatedRunner { begun: begun_in, permissions, place: Place::Reactor };
        let report = move |outcomes: &mut Vec<_>| {
            let _ = reported_in.send(std::mem::take(outcomes));
        };
        let pool = CryptoPool::start(own, threads, report).unwrap();
        while pool.queue.lock().idle < threads {
            thread::yield_now();
        }
        TestPool { permit, pool, begun, reported }
    }

    impl TestPool {
        fn gather(&mut self, tickets: std::ops::Range<u64>, lane: Lane) {
            for ticket in tickets {
                self.pool.gather(Ticket(ticket), job(lane), Mono(0));
            }
        }
    }

    #[test]
    fn every_job_has_one_outcome() {
        let mut test = start(3);
        (0..1_000).for_each(|_| test.permit.send(()).unwrap());
        test.gather(0..400, Lane::Public);
        test.gather(400..600, Lane::User);
        test.gather(600..1_000, Lane::Public);
        let mut outcomes = Vec::new();
        while outcomes.len() < 1_000 {
            test.pool.submit(Mono(0));
            test.pool.help(Mono(0), &mut outcomes);
            outcomes.extend(test.reported.try_iter().flatten());
        }
        let mut tickets: Vec<_> = outcomes.into_iter().map(|(ticket, _)| ticket.0).collect();
        tickets.sort_unstable();
        assert!(tickets.into_iter().eq(0..1_000));
        test.pool.finish();
        assert_eq!(test.reported.try_iter().count(), 0);
    }

    #[test]
    fn storm_of_private_jobs_lets_public_ones_through() {
        let mut test = start(1);
        test.gather(0..100, Lane::User);
        test.gather(100..120, Lane::Public);
        test.pool.submit(Mono(0));
        let mut private_before = 0;
        while test.begun.recv_timeout(PATIENCE).unwrap() == Lane::User {
            test.permit.send(()).unwrap();
            private_before += 1;
        }
        assert!(private_before <= 1, "{private_before}");
        drop(test.permit);
    }

    #[test]
    fn jobs_are_shared_among_the_threads() {
        let mut test = start(2);
        test.gather(0..20, Lane::Public);
        test.pool.submit(Mono(0));
        // Both have started a job, and neither has permission to finish it.
        for _ in 0..2 {
            assert_eq!(test.begun.recv_timeout(PATIENCE).unwrap(), Lane::Public);
        }
        drop(test.permit);
    }

    #[test]
    fn few_verifications_are_left_to_the_reactor() {
        let mut test = start(2);
        test.gather(0..8, Lane::Public);
        test.pool.submit(Mono(0));
        let mut outcomes = Vec::new();
        test.pool.help(Mono(0), &mut outcomes);
        let tickets: Vec<_> = outcomes.iter().map(|(ticket, _)| ticket.0).collect();
        assert_eq!(tickets, [0, 1, 2, 3, 4, 5, 6, 7]);
        test.pool.submit(Mono(0));
        assert_eq!(test.pool.deadline(), None);
    }

    #[test]
    fn jobs_that_the_reactor_is_too_busy_for_go_to_the_threads() {
        let mut test = start(1);
        test.gather(0..1, Lane::Public);
        test.pool.submit(Mono(0));
        assert_eq!(test.pool.queue.lock().public.len(), 1);
        test.pool.submit(Mono(0));
        assert_eq!(test.begun.recv_timeout(PATIENCE).unwrap(), Lane::Public);
        drop(test.permit);
    }

    #[test]
    fn reactor_takes_its_share_of_much_work() {
        for (jobs, taken) in [(20, 8), (4_000, 64)] {
            let mut test = start(1);
            test.gather(0..jobs, Lane::Public);
            test.pool.submit(Mono(0));
            test.begun.recv_timeout(PATIENCE).unwrap();
            let mut outcomes = Vec::new();
            test.pool.help(Mono(0), &mut outcomes);
            assert_eq!(outcomes.len(), taken);
            drop(test.permit);
        }
    }

    #[test]
    fn only_verifications_hold_up_reading() {
        let mut test = start(1);
        test.gather(0..1_000, Lane::User);
        test.pool.submit(Mono(0));
        assert!(!test.pool.is_behind());
        test.gather(1_000..1_300, Lane::Public);
        test.pool.submit(Mono(0));
        assert!(test.pool.is_behind());
        drop(test.permit);
    }

    #[test]
    fn waiting_verification_keeps_the_reactor_awake() {
        let mut test = start(1);
        assert_eq!(test.pool.deadline(), None);
        test.gather(0..1, Lane::Public);
        test.pool.submit(Mono(5_000));
        assert_eq!(test.pool.deadline(), Some(Mono(0)));
        drop(test.permit);
    }

    #[test]
    fn while_messages_come_the_reactor_leaves_private_operations_alone() {
        let mut test = start(1);
        test.gather(0..1, Lane::Public);
        test.pool.submit(Mono(0));
        let mut outcomes = Vec::new();
        test.pool.help(Mono(0), &mut outcomes);
        assert_eq!(outcomes.len(), 1);
        // The thread has taken one of these and has no permission to finish it.
        test.gather(1..5, Lane::User);
        test.pool.submit(Mono(0));
        assert_eq!(test.begun.recv_timeout(PATIENCE).unwrap(), Lane::User);
        assert_eq!(test.pool.deadline(), Some(Mono(2_000)));
        test.pool.help(Mono(1_999), &mut outcomes);
        assert_eq!(outcomes.len(), 1);
        test.pool.help(Mono(2_000), &mut outcomes);
        assert_eq!(outcomes.len(), 2);
        drop(test.permit);
    }
    /// Runs all waiting jobs on the pool's one thread. Returns the order of their lanes.
    fn order(test: &TestPool, jobs: usize) -> Vec<Lane> {
        let next = |_| {
            test.permit.send(()).unwrap();
            test.begun.recv_timeout(PATIENCE).unwrap()
        };
        (0..jobs).map(next).collect()
    }

    #[test]
    fn flood_delays_an_acknowledgement_by_two_operations() {
        for flood in [Lane::Stranger, Lane::Answer] {
            let mut test = start(1);
            test.gather(0..500, flood);
            test.pool.submit(Mono(0));
            assert_eq!(test.begun.recv_timeout(PATIENCE).unwrap(), flood);
            // The acknowledgement comes while the first job is running.
            test.gather(500..501, Lane::User);
            test.pool.submit(Mono(0));
            let order = order(&test, 2);
            assert!(order.contains(&Lane::User), "{order:?}");
            drop(test.permit);
        }
    }

    #[test]
    fn strangers_get_what_the_others_leave() {
        let mut test = start(1);
        test.gather(0..20, Lane::Stranger);
        test.gather(20..21, Lane::Known);
        test.pool.submit(Mono(0));
        let order = order(&test, 21);
        assert_eq!(order.iter().filter(|lane| **lane == Lane::Stranger).count(), 20);
        drop(test.permit);
    }

    #[test]
    fn reactor_does_nothing_for_strangers() {
        let mut test = start(1);
        test.gather(0..10, Lane::Stranger);
        test.pool.submit(Mono(0));
        assert_eq!(test.begun.recv_timeout(PATIENCE).unwrap(), Lane::Stranger);
        test.pool.submit(Mono(1_000_000));
        assert_eq!(test.pool.deadline(), None, "and does not stay awake for them");
        let mut outcomes = Vec::new();
        test.pool.help(Mono(1_000_000), &mut outcomes);
        assert_eq!(outcomes.len(), 0);
        drop(test.permit);
    }
}
