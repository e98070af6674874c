//! A store on a machine that fails, and what the store must hold by its specification.

use std::collections::VecDeque;
use std::fmt::{Debug, Display};
use std::path::{Path, PathBuf};

use sealpost_core::frame::StoreError;
use sealpost_storage::{OpenError, Storage};
use tempfile::TempDir;

use crate::dice::Dice;
use crate::disk::{Disk, Part, Survival};
use crate::machine::Machine;
use crate::vfs;

/// A store under test, and its specification.
pub(crate) trait Subject: Default {
    type Op;
    type Reply: PartialEq + Debug;
    type Store: Storage<Op = Self::Op, Outcome = Result<Self::Reply, StoreError>>;
    type Model: Storage<Op = Self::Op, Outcome = Result<Self::Reply, StoreError>> + Clone;
    /// Everything that a store holds.
    type Contents: PartialEq + Debug;

    /// The database's name.
    const FILE: &'static str;

    fn model() -> Self::Model;

    /// Opens the store, made if it is missing.
    fn open(path: &Path) -> Result<Self::Store, OpenError>;

    /// Something to ask.
    fn request(dice: &mut Dice) -> Self::Op;

    /// Something done to a store beside its commits.
    fn meddle(store: &mut Self::Store, dice: &mut Dice) -> Result<(), StoreError>;

    /// The same by the specification, with the same dice.
    fn meddle_with_model(model: &mut Self::Model, dice: &mut Dice);

    fn stored(store: &mut Self::Store, path: &Path) -> Result<Self::Contents, StoreError>;

    fn expected(model: &mut Self::Model) -> Self::Contents;

    /// Takes out what each engine numbers on its own.
    fn without_places(outcomes: &mut [Result<Self::Reply, StoreError>]);

    /// Notes the places in what a store holds. Says if one was used twice.
    fn remember(&mut self, contents: &mut Self::Contents) -> Result<(), String>;

    /// What a check of the whole file finds.
    fn findings(path: &Path) -> Result<Vec<String>, StoreError>;
}

/// What goes wrong beside the power.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Troubles {
    None,
    /// Writes and reads that fail, and disks that are full, now and then.
    Faults,
}

/// What happened, and held.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Tally {
    /// Losses of power.
    pub(crate) pulls: u64,
    /// Commits that were acknowledged.
    pub(crate) commits: u64,
    /// Commits that failed, the power being there.
    pub(crate) failures: u64,
    /// Commits that were under way at a loss of power or failed before one, and were found whole.
    pub(crate) completed: u64,
}

/// What did not hold.
pub(crate) type Broken = String;

/// One store through many losses of power.
pub(crate) struct World<S: Subject> {
    folder: TempDir,
    machine: Machine,
    dice: Dice,
    troubles: Troubles,
    subject: S,
    /// What must be there.
    certain: S::Model,
    /// What may be there instead, after the next opening: `certain` and a commit that failed.
    doubtful: Vec<S::Model>,
    tally: Tally,
    trace: VecDeque<String>,
}

impl<S: Subject> World<S> {
    pub(crate) fn new(seed: u64, troubles: Troubles) -> Self {
        let mut dice = Dice::new(seed);
        let folder = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
        let machine = Machine::new(Disk::new(dice.fork()));
        vfs::attach(folder.path(), machine.clone());
        Self {
            folder,
            machine,
            dice,
            troubles,
            subject: S::default(),
            certain: S::model(),
            doubtful: Vec::new(),
            tally: Tally::default(),
            trace: VecDeque::new(),
        }
    }

    /// Syncs of these parts of the disk do nothing.
    pub(crate) fn lying_about(self, parts: &[Part]) -> Self {
        self.machine.disk(|disk| disk.lie_about(parts));
        self
    }

    /// Goes through so many losses of power, and then through none.
    pub(crate) fn run(mut self, pulls: u64) -> Result<Tally, Broken> {
        match self.go_through(pulls) {
            Ok(()) => Ok(self.tally),
            Err(broken) => {
                let trace = self.trace.make_contiguous().join("\n");
                Err(format!("{broken}\nWhat led there:\n{trace}"))
            }
        }
    }

    /// Lets `times` changes fail after so many, while the store commits and is closed; then opens it
    /// again, commits, and loses power and everything that was not synced.
    pub(crate) fn run_into_faults(mut self, changes: u64, times: u64) -> Result<Tally, Broken> {
        let mut store = self.open()?.ok_or("the power is gone")?;
        self.machine.disk(|disk| disk.fail_after(changes, times));
        self.commit(&mut store)?;
        drop(store);
        self.machine.disk(Disk::end_faults);
        let mut store = self.open()?.ok_or("the power is gone")?;
        self.commit(&mut store)?;
        self.machine.disk(|disk| disk.pull_after(0));
        drop(store);
        self.machine.disk(|disk| disk.power_up(Survival::Nothing));
        self.go_through(0)?;
        Ok(self.tally)
    }

    fn go_through(&mut self, pulls: u64) -> Result<(), Broken> {
        while self.tally.pulls < pulls {
            self.live()?;
            assert!(!self.machine.is_in_use(), "nobody survives");
            let survival = match self.dice.below(4) {
                0 => Survival::All,
                1 => Survival::Nothing,
                _ => Survival::Percent(self.dice.pick(&[10, 50, 90])),
            };
            self.note(format_args!("power is back, {survival:?}"));
            self.machine.disk(|disk| disk.power_up(survival));
            self.tally.pulls += 1;
        }
        for _ in 0..2 {
            let mut store = self.open()?.ok_or("the power is gone")?;
            self.commit(&mut store)?;
            self.look(&mut store)?;
        }
        Ok(())
    }

    /// Uses the store until the power is gone.
    fn live(&mut self) -> Result<(), Broken> {
        let early = self.dice.chance(50);
        if early {
            self.arm();
        }
        let Some(mut store) = self.open()? else { return Ok(()) };
        if !early {
            self.arm();
        }
        while !self.is_off() {
            if self.troubles == Troubles::Faults {
                self.cause_trouble();
            }
            match self.dice.below(100) {
                0..70 => self.commit(&mut store)?,
                70..76 => self.meddle(&mut store)?,
                76..84 => self.checkpoint(),
                84..92 => self.look(&mut store)?,
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

    /// Has the plug pulled, soon or late.
    fn arm(&mut self) {
        let longest = self.dice.pick(&[8, 40, 200]);
        let changes = self.dice.between(1, longest);
        self.note(format_args!("the plug will be pulled after {changes} changes"));
        self.machine.disk(|disk| disk.pull_after(changes));
    }

    fn cause_trouble(&mut self) {
        match self.dice.below(20) {
            0 => {
                let (changes, times) = (self.dice.between(0, 30), self.dice.between(1, 4));
                self.note(format_args!("{times} changes will fail after {changes}"));
                self.machine.disk(|disk| disk.fail_after(changes, times));
            }
            1 => {
                let room = self.dice.below(30_000);
                self.note(format_args!("{room} bytes are left"));
                self.machine.disk(|disk| disk.leave_room(room));
            }
            2 => {
                let (reads, times) = (self.dice.between(0, 30), self.dice.between(1, 4));
                self.note(format_args!("{times} reads will fail after {reads}"));
                self.machine.disk(|disk| disk.fail_reads_after(reads, times));
            }
            3 => self.machine.disk(Disk::end_faults),
            _ => {}
        }
    }

    /// Opens the store and finds out what is there. `None` if the power goes meanwhile.
    fn open(&mut self) -> Result<Option<S::Store>, Broken> {
        loop {
            self.show_database();
            let before = self.faults();
            let opened = S::open(&self.path());
            self.note(format_args!("opening: {:?}", opened.as_ref().err()));
            match opened {
                Ok(mut store) => {
                    return self.find_out(&mut store).map(|found| found.map(|()| store));
                }
                Err(_) if self.is_off() => return Ok(None),
                Err(_) if self.faults() > before => self.machine.disk(Disk::end_faults),
                Err(error) => return Err(format!("the store does not open: {error}")),
            }
        }
    }

    /// Decides what is certain. `None` if the power goes meanwhile.
    fn find_out(&mut self, store: &mut S::Store) -> Result<Option<()>, Broken> {
        let contents = loop {
            match self.contents(store)? {
                Some(contents) => break contents,
                None if self.is_off() => return Ok(None),
                None => self.machine.disk(Disk::end_faults),
            }
        };
        let mut candidates = vec![self.certain.clone()];
        candidates.append(&mut self.doubtful);
        let found = candidates.into_iter().enumerate().find_map(|(index, mut model)| {
            (S::expected(&mut model) == contents).then_some((index, model))
        });
        let Some((index, model)) = found else {
            let expected = S::expected(&mut self.certain);
            return Err(format!("there must be {expected:?}, there is {contents:?}"));
        };
        self.note(format_args!("found state {index}"));
        self.certain = model;
        self.tally.completed += u64::from(index > 0);
        self.check()
    }

    /// Checks the whole file. `None` if the power goes meanwhile.
    fn check(&mut self) -> Result<Option<()>, Broken> {
        loop {
            let before = self.faults();
            match S::findings(&self.path()) {
                Ok(findings) if findings.is_empty() => return Ok(Some(())),
                _ if self.is_off() => return Ok(None),
                _ if self.faults() > before => self.machine.disk(Disk::end_faults),
                found => return Err(format!("the check finds {found:?}")),
            }
        }
    }

    fn commit(&mut self, store: &mut S::Store) -> Result<(), Broken> {
        let count = self.dice.between(1, 6);
        let requests: Vec<_> = (0..count).map(|_| S::request(&mut self.dice)).collect();
        let (mut outcomes, mut expected) = (Vec::new(), Vec::new());
        let mut after = self.certain.clone();
        after.commit(&requests, &mut expected);

        let (faults, changes) = (self.faults(), self.changes());
        store.commit(&requests, &mut outcomes);
        self.note(format_args!("commit: {:?} {:?}", outcomes[0].as_ref().err(), store.failure()));
        S::without_places(&mut outcomes);
        S::without_places(&mut expected);
        if outcomes == expected {
            self.tally.commits += 1;
            self.certain = after;
            if self.changes() > changes {
                self.doubtful.clear();
            }
            return Ok(());
        }
        let failed = |error| outcomes.iter().all(|outcome| *outcome == Err(error));
        if self.faults() == faults || !(failed(StoreError::Io) || failed(StoreError::DiskFull)) {
            return Err(format!("expected {expected:?}, got {outcomes:?}"));
        }
        let doubt = failed(StoreError::Io).then_some(after);
        self.note_failure(store, doubt)
    }

    fn meddle(&mut self, store: &mut S::Store) -> Result<(), Broken> {
        let seed = self.dice.between(0, u64::MAX - 1);
        let mut after = self.certain.clone();
        S::meddle_with_model(&mut after, &mut Dice::new(seed));
        let (faults, changes) = (self.faults(), self.changes());
        let meddled = S::meddle(store, &mut Dice::new(seed));
        self.note(format_args!("meddling: {:?}", meddled.err()));
        match meddled {
            Ok(()) => {
                self.certain = after;
                if self.changes() > changes {
                    self.doubtful.clear();
                }
                Ok(())
            }
            Err(StoreError::Io) if self.faults() > faults => self.note_failure(store, Some(after)),
            Err(StoreError::DiskFull) if self.faults() > faults => self.note_failure(store, None),
            Err(error) => Err(format!("a change beside the commits fails: {error}")),
        }
    }

    /// Nothing of what failed has happened.
    fn note_failure(
        &mut self,
        store: &mut S::Store,
        doubt: Option<S::Model>,
    ) -> Result<(), Broken> {
        self.doubtful.extend(doubt);
        if self.is_off() {
            return Ok(());
        }
        self.tally.failures += 1;
        self.look(store)
    }

    /// Compares everything.
    fn look(&mut self, store: &mut S::Store) -> Result<(), Broken> {
        let Some(contents) = self.contents(store)? else { return Ok(()) };
        let expected = S::expected(&mut self.certain);
        if contents == expected {
            return Ok(());
        }
        Err(format!("there must be {expected:?}, there is {contents:?}"))
    }

    /// All that the store holds; `None` if the disk keeps it from telling.
    fn contents(&mut self, store: &mut S::Store) -> Result<Option<S::Contents>, Broken> {
        let before = self.faults();
        match S::stored(store, &self.path()) {
            Ok(mut contents) => {
                self.subject.remember(&mut contents)?;
                Ok(Some(contents))
            }
            Err(_) if self.faults() > before => Ok(None),
            Err(error) => Err(format!("the store does not tell: {error}")),
        }
    }

    /// Has the log written into the database, as a commit does once the log is long. A failure is
    /// nobody's loss.
    fn checkpoint(&mut self) {
        let mode = self.dice.pick(&["PASSIVE", "FULL", "RESTART", "TRUNCATE"]);
        let sql = format!("PRAGMA wal_checkpoint({mode})");
        let done = rusqlite::Connection::open(self.path())
            .and_then(|connection| connection.query_row(&sql, (), |_| Ok(())));
        self.note(format_args!("checkpoint {mode}: {done:?}"));
    }

    /// Puts the database where the program looks for it before it asks SQLite.
    fn show_database(&self) {
        let bytes = self.machine.disk(|disk| disk.contents(S::FILE));
        if let Some(bytes) = bytes {
            std::fs::write(self.path(), bytes).unwrap();
        }
    }

    fn note(&mut self, what: impl Display) {
        self.trace.truncate(TRACE - 1);
        self.trace.push_front(format!("{:>5} {what}", self.changes()));
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join(S::FILE)
    }

    fn is_off(&self) -> bool {
        self.machine.disk(|disk| disk.is_off())
    }

    fn faults(&self) -> u64 {
        self.machine.disk(|disk| disk.faults())
    }

    fn changes(&self) -> u64 {
        self.machine.disk(|disk| disk.changes())
    }
}

impl<S: Subject> Drop for World<S> {
    fn drop(&mut self) {
        vfs::detach(self.folder.path());
    }
}

impl Tally {
    pub(crate) const fn add(&mut self, other: Self) {
        self.pulls += other.pulls;
        self.commits += other.commits;
        self.failures += other.failures;
        self.completed += other.completed;
    }
}

/// How much of what led to a failure is told, the latest first.
const TRACE: usize = 40;
