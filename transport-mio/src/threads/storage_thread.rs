//! The thread that owns the store and groups requests into transactions.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use sealpost_core::ids::Ticket;
use sealpost_storage::{Report, Storage};

use super::commit_times::CommitTimes;
use super::spawn::{fail_stop, join, spawn};
use super::store_handle::{StoreHandle, Visits};
use super::store_request::{StoreAnswer, StoreRequest};
use super::under_way::UnderWay;
use crate::config::TransactionLimit;
use crate::error::Error;

/// Runs a store on a thread of its own. While one transaction is being committed, requests gather
/// for the next one. So transactions grow with the load, and a request never waits just to share a
/// transaction with others. A store that carries out requests each for itself gets them as they come.
#[derive(Debug)]
pub(crate) struct StorageThread<Op> {
    gathered: Vec<(Ticket, Op)>,
    queue: Arc<Queue<Op>>,
    thread: Option<JoinHandle<()>>,
}

/// The requests on their way from the reactor to the thread. The machine bounds their number.
#[derive(Debug)]
pub(super) struct Queue<Op> {
    waiting: Mutex<Waiting<Op>>,
    changed: Condvar,
    commit_times: Mutex<CommitTimes>,
}

#[derive(Debug)]
struct Waiting<Op> {
    requests: VecDeque<(Ticket, Op)>,
    /// Number of visits on their way to the thread.
    visits: usize,
    /// No more requests will come: the thread ends once everything is committed.
    closed: bool,
}

impl<Op: StoreRequest> StorageThread<Op> {
    /// Starts the thread, and returns a handle with which others can visit the store. The thread
    /// calls `report` with the outcomes of each transaction, and clears the vector afterwards.
    pub(crate) fn start<S>(
        store: S,
        limit: TransactionLimit,
        report: impl FnMut(&mut Vec<(Ticket, S::Outcome)>) + Send + 'static,
    ) -> Result<(Self, StoreHandle<S>), Error>
    where
        S: Storage<Op = Op, Outcome: StoreAnswer> + Send + 'static,
    {
        let queue = Arc::new(Queue::new());
        let (handle, visits) = StoreHandle::new(Arc::clone(&queue));
        let theirs = Arc::clone(&queue);
        let under_way = UnderWay::new(report);
        let thread = spawn("storage", move || run(store, limit, &theirs, &visits, &under_way))?;
        Ok((Self { gathered: Vec::new(), queue, thread: Some(thread) }, handle))
    }

    /// Adds a request to those that [`StorageThread::submit`] hands over.
    pub(crate) fn gather(&mut self, ticket: Ticket, op: Op) {
        self.gathered.push((ticket, op));
    }

    /// Hands the gathered requests to the thread.
    pub(crate) fn submit(&mut self) {
        if !self.gathered.is_empty() {
            self.queue.lock().requests.extend(self.gathered.drain(..));
            self.queue.changed.notify_one();
        }
    }

    /// Hands over the gathered requests, and waits until everything is committed and the thread
    /// has ended.
    pub(crate) fn finish(&mut self) {
        self.submit();
        self.join();
    }
}

impl<Op> StorageThread<Op> {
    fn join(&mut self) {
        self.queue.lock().closed = true;
        self.queue.changed.notify_one();
        join(&mut self.thread);
    }
}

impl<Op> Drop for StorageThread<Op> {
    fn drop(&mut self) {
        self.join();
    }
}

impl<Op> Queue<Op> {
    fn new() -> Self {
        let waiting = Waiting { requests: VecDeque::new(), visits: 0, closed: false };
        Self {
            waiting: Mutex::new(waiting),
            changed: Condvar::new(),
            commit_times: Mutex::new(CommitTimes::default()),
        }
    }

    /// Tells the thread that a visit is on its way.
    pub(super) fn announce_visit(&self) {
        self.lock().visits += 1;
        self.changed.notify_one();
    }

    /// Number of requests that wait for the next commit.
    pub(super) fn waiting_requests(&self) -> usize {
        self.lock().requests.len()
    }

    /// How long the commits so far took.
    pub(super) fn commit_times(&self) -> CommitTimes {
        *self.commit_times.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn count_commit(&self, requests: usize, took: Duration) {
        let mut times = self.commit_times.lock().unwrap_or_else(PoisonError::into_inner);
        times.add(requests, took);
    }

    fn lock(&self) -> MutexGuard<'_, Waiting<Op>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for requests or a visit. Takes the requests of the next transaction, and says whether a
    /// visit comes before it. Returns `None` if there will be no more. A closed queue is emptied
    /// first, because what was gathered must be committed.
    fn next(&self, limit: TransactionLimit, requests: &mut Vec<(Ticket, Op)>) -> Option<Visiting>
    where
        Op: StoreRequest,
    {
        let mut waiting = self.lock();
        while waiting.requests.is_empty() && waiting.visits == 0 {
            if waiting.closed {
                return None;
            }
            waiting = self.changed.wait(waiting).unwrap_or_else(PoisonError::into_inner);
        }
        // One visit at a time, so that many of them don't hold up the commits.
        let visiting = if waiting.visits > 0 { Visiting::One } else { Visiting::None };
        waiting.visits = waiting.visits.saturating_sub(1);
        let mut bytes = 0_usize;
        while let Some(request) = waiting.requests.pop_front_if(|(_, op)| {
            bytes = bytes.saturating_add(op.weight());
            requests.is_empty() || (requests.len() < limit.requests.get() && bytes <= limit.bytes)
        }) {
            requests.push(request);
        }
        Some(visiting)
    }
}

/// Whether a visit comes before the next transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Visiting {
    One,
    None,
}

fn run<S: Storage<Op: StoreRequest, Outcome: StoreAnswer>>(
    mut store: S,
    limit: TransactionLimit,
    queue: &Arc<Queue<S::Op>>,
    visits: &Visits<S>,
    under_way: &Arc<UnderWay<S::Outcome>>,
) {
    let (mut requests, mut tickets, mut ops) = (Vec::new(), Vec::new(), Vec::new());
    let (mut outcomes, mut results) = (Vec::new(), Vec::new());
    let report: Report<S::Outcome> = Arc::new({
        let (under_way, queue) = (Arc::clone(under_way), Arc::clone(queue));
        move |ticket, outcome| queue.count_commit(1, under_way.end(ticket, outcome))
    });
    while let Some(visiting) = queue.next(limit, &mut requests) {
        if visiting == Visiting::One
            && let Ok(visit) = visits.try_recv()
        {
            visit(&mut store);
        }
        let begin = Instant::now();
        under_way.begin_all(begin, |begun| {
            for (ticket, op) in requests.drain(..) {
                match store.begin(ticket, op, &report) {
                    Some(op) => {
                        tickets.push(ticket);
                        ops.push(op);
                    }
                    None => begun(ticket),
                }
            }
        });
        if ops.is_empty() {
            log_failure(store.failure());
            continue;
        }
        commit(&mut store, &ops, &mut outcomes, BUSY_PATIENCE);
        queue.count_commit(ops.len(), begin.elapsed());
        if outcomes.len() != tickets.len() {
            // Outcomes could no longer be matched to requests: some would be acknowledged wrongly.
            fail_stop("the store did not return exactly one outcome for each request");
        }
        results.extend(tickets.drain(..).zip(outcomes.drain(..)));
        under_way.report(&mut results);
        results.clear();
        ops.clear();
    }
    under_way.wait();
    log_failure(store.failure());
}

/// Commits one transaction. Retries for as long as another process holds the store, until
/// `patience` has passed.
fn commit<S: Storage<Outcome: StoreAnswer>>(
    store: &mut S,
    ops: &[S::Op],
    outcomes: &mut Vec<S::Outcome>,
    patience: Duration,
) {
    let begin = Instant::now();
    loop {
        store.commit(ops, outcomes);
        let failure = store.failure();
        let busy = !outcomes.is_empty() && outcomes.iter().all(StoreAnswer::is_busy);
        if busy && begin.elapsed() < patience {
            thread::sleep(BUSY_PAUSE);
            continue;
        }
        log_failure(failure);
        return;
    }
}

fn log_failure(failure: Option<String>) {
    if let Some(failure) = failure {
        tracing::error!(failure, "the store failed: nothing of this transaction is acknowledged");
    }
}

/// How long commits to a busy store are retried before the failure is reported.
const BUSY_PATIENCE: Duration = Duration::from_secs(2);
/// Pause between two attempts.
const BUSY_PAUSE: Duration = Duration::from_millis(10);

#[cfg(test)]
mod tests {
    use std::num::NonZeroUsize;
    use std::sync::mpsc::{self, Receiver, Sender};

    use sealpost_core::frame::StoreError;

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(20);

    type Answer = Result<u32, StoreError>;

    #[derive(Debug)]
    struct Request(u32);

    impl StoreRequest for Request {
        fn weight(&self) -> usize {
            self.0 as usize
        }
    }

    /// Reports the contents of each transaction, and waits for permission to commit it.
    struct GatedStore {
        begun: Sender<Vec<u32>>,
        permissions: Receiver<()>,
    }

    impl Storage for GatedStore {
        type Op = Request;
        type Outcome = Answer;

        fn commit(&mut self, ops: &[Request], outcomes: &mut Vec<Answer>) {
            self.begun.send(ops.iter().map(|op| op.0).collect()).unwrap();
            let _ = self.permissions.recv();
            outcomes.clear();
            outcomes.extend(ops.iter().map(|op| Ok(op.0 * 10)));
        }
    }

    /// A storage thread with a gated store. `permit` is dropped first, which opens the gate, so that a
    /// test that fails ends.
    struct TestThread {
        permit: Sender<()>,
        thread: StorageThread<Request>,
        handle: StoreHandle<GatedStore>,
        begun: Receiver<Vec<u32>>,
        reported: Receiver<Vec<(Ticket, Answer)>>,
    }

    fn start(limit: TransactionLimit) -> TestThread {
        let (begun_in, begun) = mpsc::channel();
        let (permit, permissions) = mpsc::channel();
        let (reported_in, reported) = mpsc::channel();
        let store = GatedStore { begun: begun_in, permissions };
        let report = move |results: &mut Vec<_>| reported_in.send(std::mem::take(results)).unwrap();
        let (thread, handle) = StorageThread::start(store, limit, report).unwrap();
        TestThread { permit, thread, handle, begun, reported }
    }

    impl TestThread {
        fn submit(&mut self, ops: impl IntoIterator<Item = u32>) {
            for op in ops {
                self.thread.gather(Ticket(op.into()), Request(op));
            }
            self.thread.submit();
        }

        fn transaction(&self) -> Vec<u32> {
            let ops = self.begun.recv_timeout(PATIENCE).unwrap();
            self.permit.send(()).unwrap();
            ops
        }
    }

    fn limit(requests: usize, bytes: usize) -> TransactionLimit {
        TransactionLimit { requests: NonZeroUsize::new(requests).unwrap(), bytes }
    }

    #[test]
    fn requests_gathered_during_a_commit_are_the_next_transaction() {
        let mut test = start(limit(100, 1_000));
        test.submit([1]);
        let first = test.begun.recv_timeout(PATIENCE).unwrap();
        test.submit([2, 3]);
        test.submit([4]);
        test.permit.send(()).unwrap();
        assert_eq!((first, test.transaction()), (vec![1], vec![2, 3, 4]));
        assert_eq!(test.reported.recv_timeout(PATIENCE).unwrap(), [(Ticket(1), Ok(10))]);
        let second = [(Ticket(2), Ok(20)), (Ticket(3), Ok(30)), (Ticket(4), Ok(40))];
        assert_eq!(test.reported.recv_timeout(PATIENCE).unwrap(), second);
        test.thread.finish();
    }

    #[test]
    fn transaction_is_bounded_by_count_and_by_bytes() {
        let mut test = start(limit(3, 50));
        test.submit([1, 2, 3, 4, 5, 40, 60, 7]);
        let transactions: Vec<_> = (0..4).map(|_| test.transaction()).collect();
        assert_eq!(transactions, [vec![1, 2, 3], vec![4, 5, 40], vec![60], vec![7]]);
        test.thread.finish();
    }

    #[test]
    fn finish_commits_what_was_gathered() {
        let mut test = start(limit(1, 50));
        for _ in 0..3 {
            test.permit.send(()).unwrap();
        }
        for op in [1, 2, 3] {
            test.thread.gather(Ticket(op.into()), Request(op));
        }
        test.thread.finish();
        assert_eq!(test.reported.try_iter().flatten().count(), 3);
    }

    #[test]
    fn one_visit_comes_between_two_commits() {
        let mut test = start(limit(1, 50));
        test.submit([1]);
        assert_eq!(test.begun.recv_timeout(PATIENCE), Ok(vec![1]));
        test.submit([2, 3]);
        let (order_in, order) = mpsc::channel();
        for visit in ["first", "second"] {
            let order_in = order_in.clone();
            let _ = test.handle.with_store(move |store| {
                let _ = order_in.send(visit);
                let _ = store.begun.send(Vec::new());
            });
        }
        test.permit.send(()).unwrap();
        for begun in [vec![], vec![2], vec![], vec![3]] {
            assert_eq!(test.begun.recv_timeout(PATIENCE), Ok(begun.clone()));
            if !begun.is_empty() {
                test.permit.send(()).unwrap();
            }
        }
        test.thread.finish();
        assert_eq!(order.try_iter().collect::<Vec<_>>(), ["first", "second"]);
    }

    #[test]
    fn visit_is_answered_without_requests_and_dropped_after_the_end() {
        let mut test = start(limit(1, 50));
        assert_eq!(test.handle.with_store(|_| 7).recv_timeout(PATIENCE), Ok(7));
        test.thread.finish();
        assert!(test.handle.with_store(|_| 7).recv_timeout(PATIENCE).is_err());
    }

    #[test]
    fn commits_are_counted() {
        let mut test = start(limit(2, 50));
        for _ in 0..2 {
            test.permit.send(()).unwrap();
        }
        test.submit([1, 2, 3]);
        test.thread.finish();
        let times = test.handle.commit_times();
        assert_eq!((times.commits, times.requests), (2, 3));
    }

    /// Carries out requests in the order that the test wants.
    struct ConcurrentStore(Sender<(Ticket, u32, Report<Answer>)>);

    impl Storage for ConcurrentStore {
        type Op = Request;
        type Outcome = Answer;

        fn commit(&mut self, _requests: &[Request], _outcomes: &mut Vec<Answer>) {
            unreachable!("every request is begun");
        }

        fn begin(
            &mut self,
            ticket: Ticket,
            request: Request,
            report: &Report<Answer>,
        ) -> Option<Request> {
            self.0.send((ticket, request.0, Arc::clone(report))).unwrap();
            None
        }
    }

    #[test]
    fn requests_of_a_concurrent_store_end_in_any_order_and_are_waited_for() {
        let (begun_in, begun) = mpsc::channel();
        let (reported_in, reported) = mpsc::channel();
        let report = move |results: &mut Vec<_>| {
            results.drain(..).for_each(|result| reported_in.send(result).unwrap());
        };
        let store = ConcurrentStore(begun_in);
        let (mut thread, handle) = StorageThread::start(store, limit(1, 50), report).unwrap();
        for op in [1, 2, 3] {
            thread.gather(Ticket(op.into()), Request(op));
        }
        thread.submit();
        let mut all: Vec<_> = (0..3).map(|_| begun.recv_timeout(PATIENCE).unwrap()).collect();
        let mut end = |nth: usize| {
            let (ticket, op, report) = all.remove(nth);
            report(ticket, Ok(op * 10));
        };
        end(1);
        assert_eq!(reported.recv_timeout(PATIENCE), Ok((Ticket(2), Ok(20))));
        let finishing = thread::spawn(move || thread.finish());
        end(1);
        assert!(!finishing.is_finished(), "one is under way");
        end(0);
        finishing.join().unwrap();
        assert_eq!(reported.iter().count(), 2);
        assert_eq!(handle.commit_times().requests, 3);
    }

    /// A store that is busy for this many commits.
    struct BusyStore(u32);

    impl Storage for BusyStore {
        type Op = Request;
        type Outcome = Answer;

        fn commit(&mut self, ops: &[Request], outcomes: &mut Vec<Answer>) {
            let outcome = if self.0 == 0 { Ok(0) } else { Err(StoreError::Busy) };
            self.0 = self.0.saturating_sub(1);
            outcomes.clear();
            outcomes.extend(ops.iter().map(|_| outcome));
        }
    }

    #[test]
    fn commit_to_a_busy_store_is_retried_and_finally_reported() {
        let mut outcomes = Vec::new();
        commit(&mut BusyStore(3), &[Request(1), Request(2)], &mut outcomes, PATIENCE);
        assert_eq!(outcomes, [Ok(0), Ok(0)]);
        commit(&mut BusyStore(u32::MAX), &[Request(1)], &mut outcomes, Duration::ZERO);
        assert_eq!(outcomes, [Err(StoreError::Busy)]);
    }
}
