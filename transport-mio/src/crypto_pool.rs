//! Threads that run cryptographic jobs.

use std::collections::VecDeque;
use std::num::NonZeroUsize;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use sealpost_core::crypto::{Crypto, Job, Outcome};
use sealpost_core::ids::Ticket;

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
#[derive(Debug)]
pub(crate) struct CryptoPool {
    gathered: Vec<(Ticket, Job)>,
    queue: Arc<Queue>,
    threads: Vec<Option<JoinHandle<()>>>,
}

/// The jobs between the reactor and the threads. The machine bounds them.
#[derive(Debug)]
struct Queue {
    lanes: Mutex<Lanes>,
    changed: Condvar,
    workers: NonZeroUsize,
}

#[derive(Debug, Default)]
struct Lanes {
    public: VecDeque<(Ticket, Job)>,
    private: VecDeque<(Ticket, Job)>,
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
    /// Starts the threads. They call `report` with the outcomes of each batch, and drop what it
    /// leaves.
    pub(crate) fn start<R: JobRunner>(
        mut first: R,
        workers: NonZeroUsize,
        report: impl FnMut(&mut Vec<(Ticket, Outcome)>) + Clone + Send + 'static,
    ) -> Result<Self, Error> {
        let queue = Arc::new(Queue { lanes: Mutex::default(), changed: Condvar::new(), workers });
        let mut pool = Self { gathered: Vec::new(), queue, threads: Vec::new() };
        let mut runners: Vec<_> = (1..workers.get()).map(|_| first.fork()).collect();
        runners.push(first);
        for (index, runner) in runners.into_iter().enumerate() {
            let (queue, report) = (Arc::clone(&pool.queue), report.clone());
            let body = move || work(runner, &queue, report);
            pool.threads.push(Some(worker::spawn(&format!("crypto-{index}"), body)?));
        }
        Ok(pool)
    }

    /// Notes a job; [`CryptoPool::submit`] hands it over.
    pub(crate) fn gather(&mut self, ticket: Ticket, job: Job) {
        self.gathered.push((ticket, job));
        // A long turn of the reactor should not leave the threads idle.
        if self.gathered.len() >= PUBLIC_BATCH {
            self.submit();
        }
    }

    /// Hands over what was gathered.
    pub(crate) fn submit(&mut self) {
        let jobs = self.gathered.len();
        if jobs == 0 {
            return;
        }
        let mut lanes = self.queue.lock();
        for (ticket, job) in self.gathered.drain(..) {
            lanes.of(lane(&job)).push_back((ticket, job));
        }
        drop(lanes);
        for _ in 0..jobs.min(self.queue.workers.get()) {
            self.queue.changed.notify_one();
        }
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
            for lane in [last.other(), last] {
                let waiting = lanes.of(lane);
                if !waiting.is_empty() {
                    let share = waiting.len().div_ceil(self.workers.get());
                    batch.extend(waiting.drain(..share.min(lane.batch())));
                    return Some(lane);
                }
            }
            lanes = self.changed.wait(lanes).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl Lanes {
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

    /// Jobs that a thread takes at once: about as much time in either lane.
    const fn batch(self) -> usize {
        match self {
            Self::Public => PUBLIC_BATCH,
            Self::Private => PRIVATE_BATCH,
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
    }
}

const PUBLIC_BATCH: usize = 32;
const PRIVATE_BATCH: usize = 2;

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{self, Receiver, Sender};
    use std::time::Duration;

    use sealpost_core::crypto::{Draft, EmitError};
    use sealpost_core::time::Timestamp;
    use sealpost_core::wire::{Header, Op, Profile};

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(20);

    /// Fails each job, once it is let on.
    struct Gated {
        begun: Sender<Lane>,
        go_on: Arc<Mutex<Receiver<()>>>,
    }

    impl JobRunner for Gated {
        fn run(&mut self, job: Job) -> Outcome {
            let _ = self.begun.send(lane(&job));
            let _ = self.go_on.lock().unwrap().recv();
            Outcome::Emitted(Err(EmitError))
        }

        fn fork(&mut self) -> Self {
            Self { begun: self.begun.clone(), go_on: Arc::clone(&self.go_on) }
        }
    }

    struct Rig {
        pool: CryptoPool,
        begun: Receiver<Lane>,
        go_on: Sender<()>,
        reported: Receiver<Vec<(Ticket, Outcome)>>,
    }

    fn rig(workers: usize) -> Rig {
        let (begun_in, begun) = mpsc::channel();
        let (go_on, go_on_out) = mpsc::channel();
        let (reported_in, reported) = mpsc::channel();
        let first = Gated { begun: begun_in, go_on: Arc::new(Mutex::new(go_on_out)) };
        let report = move |outcomes: &mut Vec<_>| {
            let _ = reported_in.send(std::mem::take(outcomes));
        };
        let pool = CryptoPool::start(first, NonZeroUsize::new(workers).unwrap(), report).unwrap();
        Rig { pool, begun, go_on, reported }
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
        for ticket in 0..1_000 {
            rig.go_on.send(()).unwrap();
            let lane = if ticket % 3 == 0 { Lane::Private } else { Lane::Public };
            rig.pool.gather(Ticket(ticket), job(lane));
        }
        rig.pool.submit();
        let mut tickets = Vec::new();
        while tickets.len() < 1_000 {
            let batch = rig.reported.recv_timeout(PATIENCE).unwrap();
            tickets.extend(batch.into_iter().map(|(ticket, _)| ticket.0));
        }
        tickets.sort_unstable();
        assert!(tickets.into_iter().eq(0..1_000));
        rig.pool.finish();
        assert_eq!(rig.reported.try_iter().count(), 0);
    }

    #[test]
    fn storm_of_private_jobs_lets_public_ones_through() {
        let mut rig = rig(1);
        for ticket in 0..100 {
            rig.pool.gather(Ticket(ticket), job(Lane::Private));
        }
        rig.pool.gather(Ticket(100), job(Lane::Public));
        rig.pool.submit();
        let mut private_before = 0;
        while rig.begun.recv_timeout(PATIENCE).unwrap() == Lane::Private {
            rig.go_on.send(()).unwrap();
            private_before += 1;
        }
        assert!(private_before <= PRIVATE_BATCH, "{private_before}");
        drop(rig.go_on);
    }

    #[test]
    fn jobs_are_shared_among_the_threads() {
        let mut rig = rig(2);
        rig.pool.gather(Ticket(1), job(Lane::Public));
        rig.pool.gather(Ticket(2), job(Lane::Public));
        rig.pool.submit();
        // Both have begun, and none was let on.
        for _ in 0..2 {
            assert_eq!(rig.begun.recv_timeout(PATIENCE).unwrap(), Lane::Public);
        }
        drop(rig.go_on);
    }
}
