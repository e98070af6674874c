//! A store on a disk that fails, and the model that says what the store must hold.

use std::collections::VecDeque;
use std::fmt::{Debug, Display};
use std::path::{Path, PathBuf};

use sealpost_core::frame::StoreError;
use sealpost_storage::{OpenError, Storage};
use tempfile::TempDir;

use crate::disk::{Disk, Part, Survival};
use crate::file_system::FileSystem;
use crate::random::Random;
use crate::vfs;

/// A store under test, and the memory store that is its model.
pub(crate) trait Subject: Default {
    type Op;
    type Reply: PartialEq + Debug;
    type Store: Storage<Op = Self::Op, Outcome = Result<Self::Reply, StoreError>>;
    type Model: Storage<Op = Self::Op, Outcome = Result<Self::Reply, StoreError>> + Clone;
    /// Everything that a store holds.
    type Contents: PartialEq + Debug;

    /// File name of the database.
    const FILE: &'static str;

    fn model() -> Self::Model;

    /// Opens the store. Creates it if it is missing.
    fn open(path: &Path) -> Result<Self::Store, OpenError>;

    /// Draws a request.
    fn request(random: &mut Random) -> Self::Op;

    /// Changes the store by a call other than `commit`.
    fn change_directly(store: &mut Self::Store, random: &mut Random) -> Result<(), StoreError>;

    /// Changes the model in the same way, given the same random choices.
    fn change_model(model: &mut Self::Model, random: &mut Random);

    /// Reads everything that the store holds.
    fn stored(store: &mut Self::Store, path: &Path) -> Result<Self::Contents, StoreError>;

    /// Reads everything that the model holds.
    fn expected(model: &mut Self::Model) -> Self::Contents;

    /// Erases places, which the store and the model number independently.
    fn erase_places(outcomes: &mut [Result<Self::Reply, StoreError>]);

    /// Records and erases the places in the contents of a store. Fails if one was used twice.
    fn record_places(&mut self, contents: &mut Self::Contents) -> Result<(), String>;

    /// Returns the faults that a check of the whole file finds.
    fn findings(path: &Path) -> Result<Vec<String>, StoreError>;
}

/// Faults that are injected in addition to power cuts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FaultPlan {
    None,
    /// Occasionally, writes and reads fail and the disk is full.
    Occasional,
}

/// Counts of what happened.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counts {
    /// Power cuts.
    pub(crate) power_cuts: u64,
    /// Acknowledged commits.
    pub(crate) commits: u64,
    /// Commits that failed while the power was on.
    pub(crate) failures: u64,
    /// Commits that a power cut interrupted, or that failed before one, and were found complete.
    pub(crate) completed: u64,
}

/// Description of a violated expectation.
pub(crate) type Violation = String;

/// A store that goes through many power cuts.
pub(crate) struct StoreBed<S: Subject> {
    folder: TempDir,
    file_system: FileSystem,
    random: Random,
    fault_plan: FaultPlan,
    subject: S,
    /// State that the store must have.
    known: S::Model,
    /// States that the store may have instead when it is next opened: `known` plus a failed commit.
    possible: Vec<S::Model>,
    counts: Counts,
    trace: VecDeque<String>,
}

impl<S: Subject> StoreBed<S> {
    pub(crate) fn new(seed: u64, fault_plan: FaultPlan) -> Self {
        let mut random = Random::new(seed);
        let folder = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
        let file_system = FileSystem::new(Disk::new(random.fork()));
        vfs::attach(folder.path(), file_system.clone());
        Self {
            folder,
            file_system,
            random,
            fault_plan,
            subject: S::default(),
            known: S::model(),
            possible: Vec::new(),
            counts: Counts::default(),
            trace: VecDeque::new(),
        }
    }

    /// Makes the disk lie about syncs of these parts.
    pub(crate) fn lying_about(self, parts: &[Part]) -> Self {
        self.file_system.disk(|disk| disk.lie_about(parts));
        self
    }

    /// Runs through `power_cuts` power cuts, and once more without any.
    pub(crate) fn run(mut self, power_cuts: u64) -> Result<Counts, Violation> {
        match self.run_through(power_cuts) {
            Ok(()) => Ok(self.counts),
            Err(violation) => {
                let trace = self.trace.make_contiguous().join("\n");
                Err(format!("{violation}\nTrace, latest first:\n{trace}"))
            }
        }
    }

    /// Makes `times` changes fail, after `changes` that succeed, while the store commits and is
    /// closed. Then reopens it, commits, and cuts the power with the loss of all unsynced writes.
    pub(crate) fn run_into_faults(mut self, changes: u64, times: u64) -> Result<Counts, Violation> {
        let mut store = self.open()?.ok_or("the power is off")?;
        self.file_system.disk(|disk| disk.fail_after(changes, times));
        self.commit(&mut store)?;
        drop(store);
        self.file_system.disk(Disk::end_faults);
        let mut store = self.open()?.ok_or("the power is off")?;
        self.commit(&mut store)?;
        self.file_system.disk(|disk| disk.cut_power_after(0));
        drop(store);
        self.file_system.disk(|disk| disk.restore_power(Survival::Nothing));
        self.run_through(0)?;
        Ok(self.counts)
    }

    fn run_through(&mut self, power_cuts: u64) -> Result<(), Violation> {
        while self.counts.power_cuts < power_cuts {
            self.use_until_power_cut()?;
            assert!(!self.file_system.is_in_use(), "every file is closed");
            let survival = match self.random.below(4) {
                0 => Survival::All,
                1 => Survival::Nothing,
                _ => Survival::Percent(self.random.pick(&[10, 50, 90])),
            };
            self.note(format_args!("power restored, {survival:?}"));
            self.file_system.disk(|disk| disk.restore_power(survival));
            self.counts.power_cuts += 1;
        }
        for _ in 0..2 {
            let mut store = self.open()?.ok_or("the power is off")?;
            self.commit(&mut store)?;
            self.compare(&mut store)?;
        }
        Ok(())
    }

    /// Uses the store until the power is cut.
    fn use_until_power_cut(&mut self) -> Result<(), Violation> {
        let before_opening = self.random.chance(50);
        if before_opening {
            self.schedule_power_cut();
        }
        let Some(mut store) = self.open()? else { return Ok(()) };
        if !before_opening {
            self.schedule_power_cut();
        }
        while !self.is_off() {
            if self.fault_plan == FaultPlan::Occasional {
                self.inject_faults();
            }
            match self.random.below(100) {
                0..70 => self.commit(&mut store)?,
                70..76 => self.change_directly(&mut store)?,
                76..84 => self.checkpoint(),
                84..92 => self.compare(&mut store)?,
                _ => {
                    drop(store);
                    self.note("closed");
                    let Some(again) = self.open()? else { return Ok(()) };
                    store = again;
                }
            }
        }
        Ok(())
    }

    /// Schedules a power cut, soon or late.
    fn schedule_power_cut(&mut self) {
        let longest = self.random.pick(&[8, 40, 200]);
        let changes = self.random.between(1, longest);
        self.note(format_args!("power cut after {changes} changes"));
        self.file_system.disk(|disk| disk.cut_power_after(changes));
    }

    fn inject_faults(&mut self) {
        match self.random.below(20) {
            0 => {
                let (changes, times) = (self.random.between(0, 30), self.random.between(1, 4));
                self.note(format_args!("{times} changes will fail after {changes}"));
                self.file_system.disk(|disk| disk.fail_after(changes, times));
            }
            1 => {
                let bytes = self.random.below(30_000);
                self.note(format_args!("{bytes} bytes are left"));
                self.file_system.disk(|disk| disk.leave_space(bytes));
            }
            2 => {
                let (reads, times) = (self.random.between(0, 30), self.random.between(1, 4));
                self.note(format_args!("{times} reads will fail after {reads}"));
                self.file_system.disk(|disk| disk.fail_reads_after(reads, times));
            }
            3 => self.file_system.disk(Disk::end_faults),
            _ => {}
        }
    }

    /// Opens the store and determines its state. Returns `None` if the power is cut meanwhile.
    fn open(&mut self) -> Result<Option<S::Store>, Violation> {
        loop {
            self.publish_database();
            let before = self.faults();
            let opened = S::open(&self.path());
            self.note(format_args!("opening: {:?}", opened.as_ref().err()));
            match opened {
                Ok(mut store) => {
                    return self.determine_state(&mut store).map(|found| found.map(|()| store));
                }
                Err(_) if self.is_off() => return Ok(None),
                Err(_) if self.faults() > before => self.file_system.disk(Disk::end_faults),
                Err(error) => return Err(format!("the store cannot be opened: {error}")),
            }
        }
    }

    /// Determines which of the possible states the store has. Returns `None` if the power is cut
    /// meanwhile.
    fn determine_state(&mut self, store: &mut S::Store) -> Result<Option<()>, Violation> {
        let contents = loop {
            match self.contents(store)? {
                Some(contents) => break contents,
                None if self.is_off() => return Ok(None),
                None => self.file_system.disk(Disk::end_faults),
            }
        };
        let mut candidates = vec![self.known.clone()];
        candidates.append(&mut self.possible);
        let found = candidates.into_iter().enumerate().find_map(|(index, mut model)| {
            (S::expected(&mut model) == contents).then_some((index, model))
        });
        let Some((index, model)) = found else {
            let expected = S::expected(&mut self.known);
            return Err(format!("expected {expected:?}, found {contents:?}"));
        };
        self.note(format_args!("found state {index}"));
        self.known = model;
        self.counts.completed += u64::from(index > 0);
        self.check()
    }

    /// Checks the whole file. Returns `None` if the power is cut meanwhile.
    fn check(&mut self) -> Result<Option<()>, Violation> {
        loop {
            let before = self.faults();
            match S::findings(&self.path()) {
                Ok(findings) if findings.is_empty() => return Ok(Some(())),
                _ if self.is_off() => return Ok(None),
                _ if self.faults() > before => self.file_system.disk(Disk::end_faults),
                found => return Err(format!("the check found {found:?}")),
            }
        }
    }

    fn commit(&mut self, store: &mut S::Store) -> Result<(), Violation> {
        let count = self.random.between(1, 6);
        let requests: Vec<_> = (0..count).map(|_| S::request(&mut self.random)).collect();
        let (mut outcomes, mut expected) = (Vec::new(), Vec::new());
        let mut after = self.known.clone();
        after.commit(&requests, &mut expected);

        let (faults, changes) = (self.faults(), self.changes());
        store.commit(&requests, &mut outcomes);
        self.note(format_args!("commit: {:?} {:?}", outcomes[0].as_ref().err(), store.failure()));
        S::erase_places(&mut outcomes);
        S::erase_places(&mut expected);
        if outcomes == expected {
            self.counts.commits += 1;
            self.known = after;
            // A commit that reached the disk after a failed one has settled that it is lost.
            if self.changes() > changes {
                self.possible.clear();
            }
            return Ok(());
        }
        let failed = |error| outcomes.iter().all(|outcome| *outcome == Err(error));
        if self.faults() == faults || !(failed(StoreError::Io) || failed(StoreError::DiskFull)) {
            return Err(format!("expected {expected:?}, got {outcomes:?}"));
        }
        // After an I/O error, the log may hold the whole transaction: see `Storage::commit`.
        let possible = failed(StoreError::Io).then_some(after);
        self.note_failure(store, possible)
    }

    fn change_directly(&mut self, store: &mut S::Store) -> Result<(), Violation> {
        let seed = self.random.between(0, u64::MAX - 1);
        let mut after = self.known.clone();
        S::change_model(&mut after, &mut Random::new(seed));
        let (faults, changes) = (self.faults(), self.changes());
        let changed = S::change_directly(store, &mut Random::new(seed));
        self.note(format_args!("change outside commits: {:?}", changed.err()));
        match changed {
            Ok(()) => {
                self.known = after;
                if self.changes() > changes {
                    self.possible.clear();
                }
                Ok(())
            }
            Err(StoreError::Io) if self.faults() > faults => self.note_failure(store, Some(after)),
            Err(StoreError::DiskFull) if self.faults() > faults => self.note_failure(store, None),
            Err(error) => Err(format!("a change outside commits failed: {error}")),
        }
    }

    /// Records a failed change, which must have had no effect so far.
    fn note_failure(
        &mut self,
        store: &mut S::Store,
        possible: Option<S::Model>,
    ) -> Result<(), Violation> {
        self.possible.extend(possible);
        if self.is_off() {
            return Ok(());
        }
        self.counts.failures += 1;
        self.compare(store)
    }

    /// Compares the store with the model.
    fn compare(&mut self, store: &mut S::Store) -> Result<(), Violation> {
        let Some(contents) = self.contents(store)? else { return Ok(()) };
        let expected = S::expected(&mut self.known);
        if contents == expected {
            return Ok(());
        }
        Err(format!("expected {expected:?}, found {contents:?}"))
    }

    /// Reads everything that the store holds. Returns `None` if a fault of the disk prevents it.
    fn contents(&mut self, store: &mut S::Store) -> Result<Option<S::Contents>, Violation> {
        let before = self.faults();
        match S::stored(store, &self.path()) {
            Ok(mut contents) => {
                self.subject.record_places(&mut contents)?;
                Ok(Some(contents))
            }
            Err(_) if self.faults() > before => Ok(None),
            Err(error) => Err(format!("the store cannot be read: {error}")),
        }
    }

    /// Writes the log into the database, as a commit does once the log is long. A failure loses
    /// nothing.
    fn checkpoint(&mut self) {
        let mode = self.random.pick(&["PASSIVE", "FULL", "RESTART", "TRUNCATE"]);
        let sql = format!("PRAGMA wal_checkpoint({mode})");
        let done = rusqlite::Connection::open(self.path())
            .and_then(|connection| connection.query_row(&sql, (), |_| Ok(())));
        self.note(format_args!("checkpoint {mode}: {done:?}"));
    }

    /// Writes the database to the real folder, where the program looks before it calls SQLite: it
    /// decides there whether to create a database.
    fn publish_database(&self) {
        let bytes = self.file_system.disk(|disk| disk.contents(S::FILE));
        if let Some(bytes) = bytes {
            std::fs::write(self.path(), bytes).unwrap();
        }
    }

    fn note(&mut self, event: impl Display) {
        self.trace.truncate(TRACE - 1);
        self.trace.push_front(format!("{:>5} {event}", self.changes()));
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join(S::FILE)
    }

    fn is_off(&self) -> bool {
        self.file_system.disk(|disk| disk.is_off())
    }

    fn faults(&self) -> u64 {
        self.file_system.disk(|disk| disk.faults())
    }

    fn changes(&self) -> u64 {
        self.file_system.disk(|disk| disk.changes())
    }
}

impl<S: Subject> Drop for StoreBed<S> {
    fn drop(&mut self) {
        vfs::detach(self.folder.path());
    }
}

impl Counts {
    pub(crate) const fn add(&mut self, other: Self) {
        self.power_cuts += other.power_cuts;
        self.commits += other.commits;
        self.failures += other.failures;
        self.completed += other.completed;
    }
}

/// Number of trace lines that a failure shows.
const TRACE: usize = 40;
