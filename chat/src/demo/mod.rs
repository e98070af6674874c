//! Made-up people, without a network: what `--demo` shows, and what the pictures show. The same calls
//! at the same times give the same screens.

mod methods;
mod story;
mod world;

use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sealpost_messenger::api::{ApiError, Caller, Notification, Time};
use serde_json::Value;

use world::World;

/// Made-up people, of whom somebody answers what is written to them.
#[derive(Clone, Debug)]
pub struct Demo(Arc<Mutex<World>>);

impl Demo {
    /// People who have written until now, and what they tell from now on.
    pub fn new(now: Time) -> (Self, Receiver<Notification>) {
        let (sender, notifications) = mpsc::channel();
        let mut world = World::new(now, sender);
        story::tell(&mut world);
        (Self(Arc::new(Mutex::new(world))), notifications)
    }

    /// Lets happen what happens until then.
    pub fn advance(&self, now: Time) {
        self.world().advance(now);
    }

    fn world(&self) -> MutexGuard<'_, World> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Caller for Demo {
    fn request(&self, method: &str, params: Value) -> Result<Value, ApiError> {
        methods::request(&mut self.world(), method, params)
    }
}
