//! Records the inputs of the server machine in a file, with everything secret taken out.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread::{self, JoinHandle};

use chacha20::rand_core::Rng;
use sealpost_core::entropy::Entropy;
use sealpost_core::frame::Seen;
use sealpost_core::server::{Config, Server};
use sealpost_programs::{Failure, SystemGenerator, VERSION};
use sealpost_recording::{Draws, Recorder};
use zeroize::Zeroizing;

use crate::size::Size;

/// A recording under way. A thread writes it, so that the server never waits for the disk.
#[derive(Debug)]
pub(crate) struct Recording {
    recorder: Recorder,
    file: Option<RecordingFile>,
    /// Bytes handed to the file.
    len: u64,
    limit: Size,
}

/// The file of a recording, and the thread that writes it.
#[derive(Debug)]
struct RecordingFile {
    lines: Sender<String>,
    state: Arc<FileState>,
    writer: JoinHandle<()>,
}

/// What the thread that writes tells the others.
#[derive(Debug, Default)]
struct FileState {
    /// Bytes that wait to be written.
    waiting: AtomicUsize,
    has_failed: AtomicBool,
}

/// Creates the file of a recording, which only its owner can read.
pub(crate) fn create(path: &Path, limit: Size) -> Result<File, Failure> {
    let file = OpenOptions::new().write(true).create_new(true).mode(OWNER_ONLY).open(path);
    let path = path.display();
    let file = file.map_err(|error| {
        if error.kind() == ErrorKind::AlreadyExists {
            return Failure::new(format_args!(
                "can't record to {path}: it exists already, and nothing is overwritten; move it \
                 away, or name another file"
            ));
        }
        Failure::new(format_args!("can't record to {path}: {error}"))
    })?;
    tracing::info!(
        "recording to {path}, at most {limit}: when and how much is sent, but no contents, keys, \
         phone numbers, addresses or user ids"
    );
    Ok(file)
}

impl Recording {
    /// Begins a recording in a file that [`create`] has made. Returns the generator that the machine
    /// must be made with, too.
    pub(crate) fn begin(
        file: File,
        limit: Size,
        config: &Config,
    ) -> Result<(Self, Entropy), Failure> {
        let mut generator = SystemGenerator::new()?;
        let mut key = Zeroizing::new([0; 32]);
        generator.fill_bytes(&mut *key);
        let (generator, draws) = Draws::tap(Box::new(generator));
        let recorder = Recorder::new(config, VERSION, key, draws);
        let file = Some(RecordingFile::start(file)?);
        Ok((Self { recorder, file, len: 0, limit }, Entropy::new(generator)))
    }

    /// Records one moment of the machine. An input is handed over before the machine gets it, so that
    /// one on which the server crashes is in the file.
    pub(crate) fn watch(&mut self, seen: &Seen<'_, '_, Server>) {
        let Some(file) = &self.file else { return };
        self.recorder.watch(seen);
        let lines = self.recorder.take_lines();
        if lines.is_empty() {
            return;
        }
        self.len += lines.len() as u64;
        if file.state.has_failed.load(Ordering::Relaxed) {
            return self.end("it can't be written");
        }
        let why = if file.waiting_with(&lines) > MOST_WAITING {
            Some("the disk was too slow")
        } else if self.len > self.limit.0 {
            Some("its size reached record.size")
        } else {
            file.write(lines);
            self.recorder.why_over()
        };
        if let Some(why) = why.map(str::to_owned) {
            tracing::warn!("the recording ends, and the server goes on: {why}");
            self.end(&why);
        }
    }

    /// Writes why the recording ends, and goes on without it.
    fn end(&mut self, why: &str) {
        self.recorder.end(why);
        if let Some(file) = self.file.take() {
            file.write(self.recorder.take_lines());
        }
    }
}

impl Drop for Recording {
    fn drop(&mut self) {
        self.recorder.end("the server stopped");
        if let Some(file) = self.file.take() {
            file.write(self.recorder.take_lines());
            file.finish();
        }
    }
}

impl RecordingFile {
    fn start(file: File) -> Result<Self, Failure> {
        let (lines, to_write) = mpsc::channel();
        let state = Arc::new(FileState::default());
        let shared = Arc::clone(&state);
        let writer = thread::Builder::new()
            .name("recording".into())
            .spawn(move || write_all(file, &to_write, &shared))
            .map_err(Failure::context("can't start the thread that writes the recording"))?;
        Ok(Self { lines, state, writer })
    }

    /// Bytes that would wait if these lines did, too.
    fn waiting_with(&self, lines: &str) -> usize {
        self.state.waiting.load(Ordering::Relaxed).saturating_add(lines.len())
    }

    /// Waits until everything is written.
    fn finish(self) {
        drop(self.lines);
        // A thread that panicked has written what it could.
        let _ = self.writer.join();
    }

    fn write(&self, lines: String) {
        self.state.waiting.fetch_add(lines.len(), Ordering::Relaxed);
        // The thread is gone if writing has failed, which it has logged.
        let _ = self.lines.send(lines);
    }
}

/// Writes lines as they come, all that wait at once.
fn write_all(mut file: File, lines: &Receiver<String>, state: &FileState) {
    while let Ok(mut text) = lines.recv() {
        text.extend(lines.try_iter());
        if let Err(error) = file.write_all(text.as_bytes()) {
            tracing::error!(%error, "can't write the recording, which ends here");
            state.has_failed.store(true, Ordering::Relaxed);
            return;
        }
        state.waiting.fetch_sub(text.len(), Ordering::Relaxed);
    }
}

/// Bytes of memory that a recording takes at most: labels, incomplete packets, and what waits.
pub(crate) const MEMORY: u64 = 144 << 20;
/// Bytes that wait to be written at most. Over it the recording ends.
const MOST_WAITING: usize = 16 << 20;
const OWNER_ONLY: u32 = 0o600;

#[cfg(test)]
mod tests {
    use std::io::{Read, pipe};
    use std::os::fd::OwnedFd;

    use sealpost_core::frame::{Event, Input};
    use sealpost_core::server::limits::Limits;
    use sealpost_core::server::{
        Command, OtpChannel, Reconfiguration, RegisteredPhones, Registration, Servers,
    };
    use sealpost_core::time::{Mono, Now, Timestamp};
    use sealpost_core::wire::Profile;
    use sealpost_programs::{CryptoName, Verify};

    use super::*;

    /// A file of a recording whose disk writes nothing until the reader reads.
    fn stalled() -> (RecordingFile, std::io::PipeReader) {
        let (reader, writer) = pipe().unwrap();
        (RecordingFile::start(File::from(OwnedFd::from(writer))).unwrap(), reader)
    }

    fn machine_config() -> Config {
        let provider = CryptoName::AwsLc.provider(Verify::AwsLc);
        let der = provider.generate_key(&mut SystemGenerator::new().unwrap()).unwrap();
        Config {
            profile: Profile::Compact,
            server_key: provider.load_key(der.expose()).unwrap().public_key().clone(),
            successor: None,
            servers: Servers::One,
            otp_channel: OtpChannel::InBand,
            registered_phones: RegisteredPhones::Told,
            registration: Registration::default(),
            exempt_networks: Vec::new(),
            limits: Limits::default(),
        }
    }

    #[test]
    fn recording_ends_when_the_disk_is_too_slow_and_nobody_waits() {
        let config = machine_config();
        let (file, reader) = stalled();
        let key = Zeroizing::new([1; 32]);
        let recorder = Recorder::new(&config, "a test", key, Draws::default());
        let limit = Size(u64::MAX);
        let mut recording = Recording { recorder, file: Some(file), len: 0, limit };
        // Dropped before the recording, which would wait for it if this test failed.
        let mut reader = reader;
        let now = Now { mono: Mono(0), wall: Timestamp::MIN };
        let change = Reconfiguration {
            otp_channel: config.otp_channel,
            registered_phones: config.registered_phones,
            registration: config.registration,
            exempt_networks: config.exempt_networks,
            limits: config.limits,
        };
        let input = Input::Event(Event::Command(Command::Reconfigure(Box::new(change))));
        // Ten times as much as may wait.
        for _ in 0..10 * MOST_WAITING / 1_500 {
            recording.watch(&Seen::Input(now, &input));
            recording.watch(&Seen::Handled(None));
        }
        assert!(recording.file.is_none());
        // A pipe takes some lines without a reader.
        assert!(recording.len < MOST_WAITING as u64 + (1 << 20), "{}", recording.len);
        drop(recording);
        let mut written = String::new();
        reader.read_to_string(&mut written).unwrap();
        assert_eq!(written.lines().last(), Some(r#"{"end":"the disk was too slow"}"#));
    }

    #[test]
    fn file_that_exists_is_not_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("incident.jsonl");
        std::fs::write(&path, "an earlier one").unwrap();
        let failure = create(&path, Size(1)).unwrap_err();
        assert!(failure.message().contains("exists already"), "{failure}");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "an earlier one");
    }

    #[test]
    fn file_that_cannot_be_written_is_noticed() {
        let (file, reader) = stalled();
        drop(reader);
        file.write("x".to_owned());
        while !file.state.has_failed.load(Ordering::Relaxed) {
            thread::yield_now();
        }
        file.finish();
    }
}
