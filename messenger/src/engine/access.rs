//! Calling methods of an engine in the same process.

use std::sync::Arc;
use std::sync::mpsc::SyncSender;

use serde_json::Value;

use super::answer::Answer;
use super::core::Core;
use super::dispatch;
use crate::api::{self, ApiError, Caller, Hello, Notification, PhoneNumber};

/// A way to call methods of an engine, with subscriptions of its own. They end when it is dropped.
pub struct Access {
    pub(super) core: Arc<Core>,
    pub(super) seat: u64,
}

impl Access {
    pub(super) fn new(core: Arc<Core>, notifications: SyncSender<Notification>) -> Self {
        let seat = core.hub.enter(notifications);
        Self { core, seat }
    }

    /// The first notification of a connection.
    pub fn hello(&self) -> Hello {
        Hello {
            api_version: api::API_VERSION,
            version: self.core.version.into(),
            account: PhoneNumber(self.core.identity.phone),
        }
    }

    /// Begins to carry out a method. What it does to the store or commands to the machine is done when
    /// this returns; only waiting is left for later.
    pub fn begin(&self, method: &str, params: Value) -> Answer {
        dispatch::begin(self, method, params)
    }
}

impl Caller for Access {
    fn request(&self, method: &str, params: Value) -> Result<Value, ApiError> {
        self.begin(method, params).wait()
    }
}

impl Drop for Access {
    fn drop(&mut self) {
        self.core.hub.leave(self.seat);
    }
}
