//! Servers that are recorded, and replays of their recordings.

use std::cell::RefCell;
use std::rc::Rc;
use std::thread;

use rand_core::CryptoRng;
use sealpost_core::entropy::Entropy;
use sealpost_core::frame::Seen;
use sealpost_core::server::{Config, Server};
use sealpost_recording::{Draws, Recorder, Replay, Verdict};

/// Sees what goes into a machine and comes out of it.
pub(crate) type Watcher<M> = Box<dyn FnMut(&Seen<'_, '_, M>)>;

/// A recorder that others can look at.
pub(crate) type SharedRecorder = Rc<RefCell<Recorder>>;

/// Begins to record a server that is about to be made. Returns its generator, too.
pub(crate) fn record(
    config: &Config,
    generator: Box<dyn CryptoRng + Send>,
) -> (Entropy, SharedRecorder) {
    let (generator, draws) = Draws::tap(generator);
    let recorder = Recorder::new(config, "a test", [5; 32].into(), draws);
    (Entropy::new(generator), Rc::new(RefCell::new(recorder)))
}

/// Shows a recorder what a machine does.
pub(crate) fn watcher(recorder: &SharedRecorder) -> Watcher<Server> {
    let recorder = Rc::clone(recorder);
    Box::new(move |seen| recorder.borrow_mut().watch(seen))
}

/// Replays a recording. Returns the count of inputs.
///
/// # Errors
/// Where and how the replay differs from the recording.
pub fn replay(text: &str) -> Result<u64, String> {
    let mut inputs = 0;
    for played in Replay::read(text).map_err(|error| error.to_string())? {
        let played = played.map_err(|error| error.to_string())?;
        if let Verdict::Differs { recorded, replayed } = &played.verdict {
            let actions = played.actions.join("\n  ");
            return Err(format!(
                "input {}: {}\n  {actions}\n  recorded {recorded}, replayed {replayed}",
                played.number, played.input
            ));
        }
        inputs += 1;
    }
    Ok(inputs)
}

/// Replays what was recorded when a test ends, unless the test has failed.
pub(crate) struct ReplayedAtTheEnd(pub(crate) SharedRecorder);

impl Drop for ReplayedAtTheEnd {
    fn drop(&mut self) {
        let text = self.0.borrow_mut().take_lines();
        if !thread::panicking()
            && let Err(difference) = replay(&text)
        {
            panic!("the replay of this test differs from its recording: {difference}");
        }
    }
}
