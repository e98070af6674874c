//! Inspecting the client: whether everything that it holds fits together.

use crate::client::Client;
use crate::client::awaits::{AwaitJob, AwaitStore};
use crate::client::state::session::Session;

impl Client {
    /// Names the invariant that does not hold, if there is one.
    pub(in crate::client) fn check_consistency(&self) -> Result<(), &'static str> {
        self.check_state()?;
        self.check_jobs()?;
        self.check_store_operations()
    }

    fn check_state(&self) -> Result<(), &'static str> {
        self.contacts.is_consistent()?;
        self.token_checks.is_consistent()?;
        self.drafts.is_consistent()?;
        self.sealing.is_consistent()?;
        self.outbox.is_consistent()?;
        self.lookups.is_consistent()?;
        self.receipt_numbers.is_consistent()?;
        self.link.session().map_or(Ok(()), Session::is_consistent)
    }

    /// Checks that the state counts all jobs under way. It may count more: a job whose outcome was
    /// wrong stays counted.
    fn check_jobs(&self) -> Result<(), &'static str> {
        let verifying = self.link.session().map_or(0, Session::verifying);
        let (mut jobs, mut sealing, mut readdressing) = (0, 0, 0);
        for job in self.out.jobs() {
            jobs += usize::from(job.verifies_in_session());
            sealing += usize::from(matches!(job, AwaitJob::Message(_)));
            readdressing += usize::from(matches!(job, AwaitJob::Readdressed(_)));
        }
        let counted = jobs <= verifying
            && sealing <= self.sealing.running()
            && readdressing <= self.readdressing.signing();
        if !counted {
            return Err("a job is under way that nothing counts");
        }
        Ok(())
    }

    fn check_store_operations(&self) -> Result<(), &'static str> {
        let (mut pins, mut enqueuing, mut receiving, mut reserving) = (0, 0, 0, 0);
        let (mut keeping, mut refusals, mut readdressing, mut failing) = (0, 0, 0, 0);
        let (mut checking, mut dropping) = (0, 0);
        for operation in self.out.stores() {
            match operation {
                AwaitStore::Pinned(_) => pins += 1,
                AwaitStore::TokensFound { .. } => checking += 1,
                AwaitStore::DraftsKept(_) => keeping += 1,
                AwaitStore::DraftsDropped(_) => dropping += 1,
                AwaitStore::MarkedFailed { .. } => failing += 1,
                AwaitStore::MarkedUndeliverable(packets) => refusals += packets.len(),
                AwaitStore::Enqueued(_) => enqueuing += 1,
                AwaitStore::Readdressed(_) => readdressing += 1,
                AwaitStore::Received(..) => receiving += 1,
                AwaitStore::ReceiptNumbers(_) => reserving += 1,
                AwaitStore::Kept
                | AwaitStore::ReconnectDate(..)
                | AwaitStore::ServerKeyChanged(_)
                | AwaitStore::KeyAccepted(_)
                | AwaitStore::ContactForgotten(_)
                | AwaitStore::ContactVerified(_)
                | AwaitStore::MarkedStored(_)
                | AwaitStore::MarkedDelivered { .. }
                | AwaitStore::Page(_) => {}
            }
        }
        let counted = pins <= self.unrecorded.pinning()
            && enqueuing <= usize::from(self.sealing.is_enqueuing())
            && readdressing <= usize::from(self.readdressing.is_storing())
            && receiving <= usize::from(self.inbox.is_storing())
            && checking <= usize::from(self.token_checks.is_asking())
            && keeping <= usize::from(self.drafts.are_being_kept())
            && dropping <= usize::from(self.drafts.are_being_dropped())
            && failing <= self.unrecorded.failing()
            && refusals <= self.unrecorded.refusals()
            && reserving <= usize::from(self.receipt_numbers.is_reserving());
        if counted { Ok(()) } else { Err("a store operation is under way that nothing counts") }
    }
}
