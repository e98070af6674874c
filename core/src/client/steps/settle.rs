//! What follows from every input, in one order.

use crate::client::notice::Notice;
use crate::client::{Client, Lifecycle};

impl Client {
    /// Begins whatever has become possible. Each line begins only what fits its limits, and does
    /// nothing if there is nothing to do.
    ///
    /// The order is that of causes: what a line changes is looked at by a line below it, so that
    /// one pass is enough and no input leaves work behind that only the next one would begin.
    pub(in crate::client) fn settle(&mut self) {
        // Packets first. They change everything else: keys, acknowledgements, the inbox, the end of
        // the session or the connection.
        self.work_off();
        // What has just arrived is stored before anything else is asked of the store, because a
        // sender waits for the receipt, and reading is paused while much of it is not durable.
        self.store_arrived();
        // After it, so that the page contains what was just appended, rather than being out of date
        // when it comes.
        self.read_inbox();
        // Before drafts, some of which begin here.
        self.check_tokens();
        // Drafts before sealing: nothing else is begun for them before they are durable.
        self.keep_drafts();
        self.drop_cancelled();
        // Sealing takes longest, so it begins before the store work on earlier messages.
        self.seal_next();
        // Before `enqueue_next`, which waits until everybody is pinned: the store works in order,
        // so nothing queued can become durable before the contact that it is for.
        self.pin_again();
        self.enqueue_next();
        // Status marks: nobody waits for them but the application's display.
        self.mark_stored();
        self.mark_failed_again();
        self.mark_undeliverable();
        // Look-ups before messages: an answer may let more messages go, and the question must not
        // wait behind a window full of them on a slow connection.
        self.ask_lookups();
        self.readdress_next();
        self.send_ready();
        // Receipts after messages, because they are signed first and so leave later anyway.
        self.sign_receipts();
        self.tell_receipts_taken();
        // Nothing may leave after our goodbye, so it comes after everything that sends; it looks
        // whether all the lines above are done.
        self.say_goodbye();
        self.stop_when_done();
    }

    /// Reports that no work is left: the connection is gone, the store has answered, and every
    /// message that was numbered is durable or refused.
    fn stop_when_done(&mut self) {
        if self.lifecycle == Lifecycle::Stopping
            && self.link.is_down()
            && self.out.stores().next().is_none()
            && self.sealing.is_idle()
            && self.drafts.are_kept()
            && self.token_checks.size() == (0, 0)
        {
            self.lifecycle = Lifecycle::Stopped;
            self.out.notify(Notice::Stopped);
        }
    }
}
