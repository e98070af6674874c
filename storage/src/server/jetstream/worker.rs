//! Carries out requests that are begun, each as soon as those before it that name one of its users are
//! done.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::FutureExt as _;
use futures_util::future::{Shared, join_all};
use sealpost_core::ids::{Ticket, UserId};
use sealpost_core::server::store::{StoreOp, StoreOutcome, StoreReply};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::oneshot;
use tokio::task::spawn_local;

use super::desk::Desk;
use super::driver::Driver;
use super::failure::Failure;
use super::ops;
use crate::storage::Report;

/// Hands requests to the driver's thread. What has begun there is finished even if this is dropped, as
/// long as the driver is not.
#[derive(Debug)]
pub(super) struct Worker(UnboundedSender<Begun>);

/// A request whose outcome is reported.
pub(super) struct Begun {
    pub(super) ticket: Ticket,
    pub(super) request: StoreOp,
    pub(super) report: Report<StoreOutcome>,
}

/// The last failure, for the log.
#[derive(Clone, Debug, Default)]
pub(super) struct LastFailure(Arc<Mutex<Option<String>>>);

/// The last request that names a user, by user. The next one waits for it.
#[derive(Default)]
struct Lanes(BTreeMap<UserId, (Ticket, Done)>);

/// Resolves when a request is done.
type Done = Shared<oneshot::Receiver<()>>;

impl Worker {
    pub(super) fn start(driver: &Driver, desk: Desk, failure: LastFailure) -> Self {
        let (begin, begun) = unbounded_channel();
        driver.spawn(move || work(desk, failure, begun));
        Self(begin)
    }

    /// Begins a request. The machine bounds how many are under way.
    pub(super) fn begin(&self, begun: Begun) {
        // The driver outlives this worker.
        let _ = self.0.send(begun);
    }
}

async fn work(desk: Desk, failure: LastFailure, mut all: UnboundedReceiver<Begun>) {
    let (desk, lanes) = (Rc::new(desk), Rc::new(RefCell::new(Lanes::default())));
    while let Some(Begun { ticket, request, report }) = all.recv().await {
        let users = request.users().unwrap_or_default();
        let (before, done) = lanes.borrow_mut().enter(ticket, &users);
        let (desk, lanes, failure) = (Rc::clone(&desk), Rc::clone(&lanes), failure.clone());
        spawn_local(async move {
            join_all(before).await;
            let answer = ops::run(desk.mailboxes(), &request).await;
            report(ticket, failure.outcome(answer));
            lanes.borrow_mut().leave(ticket, &users);
            // Wakes those that wait, if there are any.
            let _ = done.send(());
        });
    }
}

impl Lanes {
    /// Puts a request behind the last ones of its users. Returns what it has to wait for.
    fn enter(&mut self, ticket: Ticket, users: &[UserId]) -> (Vec<Done>, oneshot::Sender<()>) {
        let (done, is_done) = oneshot::channel();
        let is_done = is_done.shared();
        let behind = |user: &UserId| self.0.insert(*user, (ticket, is_done.clone()));
        let before = users.iter().filter_map(behind).map(|(_, done)| done);
        (before.collect(), done)
    }

    /// Forgets a request, unless others are behind it.
    fn leave(&mut self, ticket: Ticket, users: &[UserId]) {
        for user in users {
            if self.0.get(user).is_some_and(|(last, _)| *last == ticket) {
                self.0.remove(user);
            }
        }
    }
}

impl LastFailure {
    /// The outcome for the machine. What failed is kept for the log.
    pub(super) fn outcome(&self, answer: Result<StoreReply, Failure>) -> StoreOutcome {
        answer.map_err(|failure| {
            // A request that must not be made is no failure of the store.
            if !matches!(failure, Failure::Misuse) {
                let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
                *last = Some(failure.to_string());
            }
            failure.store_error()
        })
    }

    pub(super) fn take(&self) -> Option<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(id: u64) -> UserId {
        UserId::new(id).unwrap()
    }

    #[test]
    fn request_waits_for_those_before_it_that_name_one_of_its_users() {
        let mut lanes = Lanes::default();
        let (none, first) = lanes.enter(Ticket(1), &[user(1), user(2)]);
        assert!(none.is_empty());
        let (none, _other) = lanes.enter(Ticket(2), &[user(3)]);
        assert!(none.is_empty());
        let (before, _second) = lanes.enter(Ticket(3), &[user(2), user(3)]);
        assert_eq!(before.len(), 2);
        assert!(before.iter().all(|done| done.clone().now_or_never().is_none()));
        // Done while others are behind it, and while none are.
        lanes.leave(Ticket(1), &[user(1), user(2)]);
        first.send(()).unwrap();
        assert!(before[0].clone().now_or_never().is_some());
        assert!(before[1].clone().now_or_never().is_none());
        assert!(!lanes.0.contains_key(&user(1)));
        assert_eq!(lanes.enter(Ticket(4), &[user(2)]).0.len(), 1);
    }
}
