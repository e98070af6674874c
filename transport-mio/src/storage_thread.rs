//! The thread that owns the store, and what it commits together.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use sealpost_core::ids::Ticket;

use crate::config::TransactionLimit;
use crate::error::Error;
use crate::worker;

/// A store as a host drives it: from one thread, many requests at a time.
pub trait Store: Send + 'static {
    /// A request.
    type Op: Send + 'static;
    /// What came of it.
    type Outcome: Send + 'static;

    /// Carries out `ops` in order, durably when it returns, and pushes one outcome for each.
    fn commit(&mut self, ops: &[Self::Op], outcomes: &mut Vec<Self::Outcome>);

    /// About how many bytes a request writes: what bounds a transaction.
    fn weight(op: &Self::Op) -> usize;

    /// Whether nothing has happened because another process held the store, so that another try
    /// may succeed.
    fn is_busy(outcome: &Self::Outcome) -> bool;
}

/// Feeds a store on a thread of its own. While one transaction is being committed, the requests of
/// the next one gather: the busier the store, the larger its transactions, and no request waits
/// for company.
#[derive(Debug)]
pub(crate) struct StorageThread<Op> {
    gathered: Vec<(Ticket, Op)>,
    queue: Arc<Queue<Op>>,
    thread: Option<JoinHandle<()>>,
}

/// The requests between the reactor and the thread. The machine bounds them.
#[derive(Debug)]
struct Queue<Op> {
    waiting: Mutex<Waiting<Op>>,
    changed: Condvar,
}

#[derive(Debug)]
struct Waiting<Op> {
    requests: VecDeque<(Ticket, Op)>,
    /// Nothing more comes: end when all is committed.
    closed: bool,
}

impl<Op: Send + 'static> StorageThread<Op> {
    /// Starts the thread. It calls `report` with the outcomes of each transaction, and drains
    /// what it is given if `report` does not.
    pub(crate) fn start<S: Store<Op = Op>>(
        store: S,
        limit: TransactionLimit,
        report: impl FnMut(&mut Vec<(Ticket, S::Outcome)>) + Send + 'static,
    ) -> Result<Self, Error> {
        let waiting = Waiting { requests: VecDeque::new(), closed: false };
        let queue = Arc::new(Queue { waiting: Mutex::new(waiting), changed: Condvar::new() });
        let theirs = Arc::clone(&queue);
        let thread = worker::spawn("storage", move || run(store, limit, &theirs, report))?;
        Ok(Self { gathered: Vec::new(), queue, thread: Some(thread) })
    }

    /// Notes a request; [`StorageThread::submit`] hands it over.
    pub(crate) fn gather(&mut self, ticket: Ticket, op: Op) {
        self.gathered.push((ticket, op));
    }

    /// Hands over what was gathered.
    pub(crate) fn submit(&mut self) {
        if !self.gathered.is_empty() {
            self.queue.lock().requests.extend(self.gathered.drain(..));
            self.queue.changed.notify_one();
        }
    }

    /// Waits until everything is committed and the thread has ended.
    pub(crate) fn finish(&mut self) {
        self.submit();
        self.join();
    }
}

impl<Op> StorageThread<Op> {
    fn join(&mut self) {
        self.queue.lock().closed = true;
        self.queue.changed.notify_one();
        worker::join(&mut self.thread);
    }
}

impl<Op> Drop for StorageThread<Op> {
    fn drop(&mut self) {
        self.join();
    }
}

impl<Op> Queue<Op> {
    fn lock(&self) -> MutexGuard<'_, Waiting<Op>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for requests and takes the next transaction's. False: there won't be any.
    fn next(
        &self,
        limit: TransactionLimit,
        weight: impl Fn(&Op) -> usize,
        tickets: &mut Vec<Ticket>,
        ops: &mut Vec<Op>,
    ) -> bool {
        let mut waiting = self.lock();
        while waiting.requests.is_empty() {
            if waiting.closed {
                return false;
            }
            waiting = self.changed.wait(waiting).unwrap_or_else(PoisonError::into_inner);
        }
        let mut bytes = 0_usize;
        while let Some((ticket, op)) = waiting.requests.pop_front_if(|(_, op)| {
            bytes = bytes.saturating_add(weight(op));
            ops.is_empty() || (ops.len() < limit.requests.get() && bytes <= limit.bytes)
        }) {
            tickets.push(ticket);
            ops.push(op);
        }
        true
    }
}

fn run<S: Store>(
    mut store: S,
    limit: TransactionLimit,
    queue: &Queue<S::Op>,
    mut report: impl FnMut(&mut Vec<(Ticket, S::Outcome)>),
) {
    let (mut tickets, mut ops) = (Vec::new(), Vec::new());
    let (mut outcomes, mut results) = (Vec::new(), Vec::new());
    while queue.next(limit, S::weight, &mut tickets, &mut ops) {
        commit(&mut store, &ops, &mut outcomes);
        if outcomes.len() != tickets.len() {
            worker::fail_stop("the store did not answer each request once");
        }
        results.extend(tickets.drain(..).zip(outcomes.drain(..)));
        report(&mut results);
        results.clear();
        ops.clear();
    }
}

/// Commits, and tries again for a while as long as another process holds the store.
fn commit<S: Store>(store: &mut S, ops: &[S::Op], outcomes: &mut Vec<S::Outcome>) {
    let begin = Instant::now();
    loop {
        store.commit(ops, outcomes);
        let busy = !outcomes.is_empty() && outcomes.iter().all(S::is_busy);
        if !busy || begin.elapsed() >= BUSY_PATIENCE {
            return;
        }
        outcomes.clear();
        thread::sleep(BUSY_PAUSE);
    }
}

/// How long a busy store is tried before it is reported.
const BUSY_PATIENCE: Duration = Duration::from_secs(2);
/// How long between two tries.
const BUSY_PAUSE: Duration = Duration::from_millis(10);

#[cfg(test)]
mod tests {
    use std::num::NonZeroUsize;
    use std::sync::mpsc::{self, Receiver, Sender};

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(20);

    /// Says what each transaction holds, and waits to be let on.
    struct GatedStore {
        begun: Sender<Vec<u32>>,
        go_on: Receiver<()>,
    }

    impl Store for GatedStore {
        type Op = u32;
        type Outcome = u32;

        fn commit(&mut self, ops: &[u32], outcomes: &mut Vec<u32>) {
            self.begun.send(ops.to_vec()).unwrap();
            let _ = self.go_on.recv();
            outcomes.extend(ops.iter().map(|op| op * 10));
        }

        fn weight(op: &u32) -> usize {
            *op as usize
        }

        fn is_busy(_: &u32) -> bool {
            false
        }
    }

    struct Rig {
        thread: StorageThread<u32>,
        begun: Receiver<Vec<u32>>,
        go_on: Sender<()>,
        reported: Receiver<Vec<(Ticket, u32)>>,
    }

    fn rig(limit: TransactionLimit) -> Rig {
        let (begun_in, begun) = mpsc::channel();
        let (go_on, go_on_out) = mpsc::channel();
        let (reported_in, reported) = mpsc::channel();
        let store = GatedStore { begun: begun_in, go_on: go_on_out };
        let report = move |results: &mut Vec<_>| reported_in.send(std::mem::take(results)).unwrap();
        let thread = StorageThread::start(store, limit, report).unwrap();
        Rig { thread, begun, go_on, reported }
    }

    impl Rig {
        fn submit(&mut self, ops: impl IntoIterator<Item = u32>) {
            for op in ops {
                self.thread.gather(Ticket(op.into()), op);
            }
            self.thread.submit();
        }

        fn transaction(&self) -> Vec<u32> {
            let ops = self.begun.recv_timeout(PATIENCE).unwrap();
            self.go_on.send(()).unwrap();
            ops
        }
    }

    fn limit(requests: usize, bytes: usize) -> TransactionLimit {
        TransactionLimit { requests: NonZeroUsize::new(requests).unwrap(), bytes }
    }

    #[test]
    fn what_gathers_during_a_commit_is_the_next_transaction() {
        let mut rig = rig(limit(100, 1_000));
        rig.submit([1]);
        let first = rig.begun.recv_timeout(PATIENCE).unwrap();
        rig.submit([2, 3]);
        rig.submit([4]);
        rig.go_on.send(()).unwrap();
        assert_eq!((first, rig.transaction()), (vec![1], vec![2, 3, 4]));
        assert_eq!(rig.reported.recv_timeout(PATIENCE).unwrap(), [(Ticket(1), 10)]);
        let second = [(Ticket(2), 20), (Ticket(3), 30), (Ticket(4), 40)];
        assert_eq!(rig.reported.recv_timeout(PATIENCE).unwrap(), second);
        rig.thread.finish();
    }

    #[test]
    fn transaction_is_bounded_by_count_and_by_bytes() {
        let mut rig = rig(limit(3, 50));
        rig.submit([1, 2, 3, 4, 5, 40, 60, 7]);
        let transactions: Vec<_> = (0..4).map(|_| rig.transaction()).collect();
        assert_eq!(transactions, [vec![1, 2, 3], vec![4, 5, 40], vec![60], vec![7]]);
        rig.thread.finish();
    }

    #[test]
    fn finish_commits_what_was_gathered() {
        let mut rig = rig(limit(1, 50));
        for _ in 0..3 {
            rig.go_on.send(()).unwrap();
        }
        for op in [1, 2, 3] {
            rig.thread.gather(Ticket(op.into()), op);
        }
        rig.thread.finish();
        assert_eq!(rig.reported.try_iter().flatten().count(), 3);
    }

    /// Busy so many times, then not.
    struct BusyStore(u32);

    impl Store for BusyStore {
        type Op = ();
        type Outcome = Result<u32, ()>;

        fn commit(&mut self, ops: &[()], outcomes: &mut Vec<Result<u32, ()>>) {
            let outcome = if self.0 == 0 { Ok(0) } else { Err(()) };
            self.0 = self.0.saturating_sub(1);
            outcomes.extend(ops.iter().map(|()| outcome));
        }

        fn weight((): &()) -> usize {
            0
        }

        fn is_busy(outcome: &Result<u32, ()>) -> bool {
            outcome.is_err()
        }
    }

    #[test]
    fn busy_store_is_tried_again_and_in_the_end_reported() {
        let mut outcomes = Vec::new();
        commit(&mut BusyStore(3), &[(), ()], &mut outcomes);
        assert_eq!(outcomes, [Ok(0), Ok(0)]);
        outcomes.clear();
        commit(&mut BusyStore(u32::MAX), &[()], &mut outcomes);
        assert_eq!(outcomes, [Err(())]);
    }
}
