//! The store learns whom a user has answered.

use alloc::vec::Vec;

use crate::frame::StoreError;
use crate::ids::UserId;
use crate::server::Server;
use crate::server::awaits::AwaitStore;
use crate::server::limits::ANSWER;
use crate::server::store::StoreOp;

impl Server {
    /// Has the store keep room in a user's mailbox for people to whom the user has written.
    pub(in crate::server) fn record_answers(&mut self, owner: UserId, peers: Vec<UserId>) {
        if !peers.is_empty() {
            self.checking.enter(ANSWER);
            self.out.store(StoreOp::RecordAnswers { owner, peers }, AwaitStore::AnswersRecorded);
        }
    }

    /// If it failed, they keep a stranger's share until the user writes to them again.
    pub(in crate::server) fn on_answers_recorded(&mut self, recorded: Result<(), StoreError>) {
        self.checking.leave(ANSWER);
        if let Err(error) = recorded {
            self.store_failed(error);
        }
    }
}
