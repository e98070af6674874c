//! Made-up people, without a network: what `--demo` shows, and what the pictures show. The same calls
//! at the same times give the same screens.

mod files;
mod groups;
mod methods;
mod story;
mod world;

use std::io;
use std::path::Path;
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use sealpost_messenger::api::{ApiError, Caller, Notification, Time};
use serde_json::Value;

use crate::Backend;
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

    /// People for whom time passes by a clock.
    ///
    /// # Errors
    /// Fails if no thread can be started.
    pub fn live(clock: impl Fn() -> Time + Send + 'static) -> io::Result<Backend> {
        let (demo, notifications) = Self::new(clock());
        let world = Arc::downgrade(&demo.0);
        let tick = move || {
            while let Some(world) = world.upgrade() {
                Self(world).advance(clock());
                thread::sleep(TICK);
            }
        };
        thread::Builder::new().name("demo".to_owned()).spawn(tick)?;
        Ok(Backend { caller: Arc::new(demo), notifications, open: Self::open })
    }

    /// The bytes of a file that somebody sends.
    pub(crate) fn open(path: &Path) -> io::Result<Vec<u8>> {
        if path == Path::new(story::PHOTO) {
            return Ok(include_bytes!("route.png").to_vec());
        }
        Err(io::ErrorKind::NotFound.into())
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

/// Times are told to the second.
const TICK: Duration = Duration::from_millis(200);
