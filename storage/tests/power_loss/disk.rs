//! A disk that may lose unsynced writes when the power is cut.
//!
//! A write is visible to reads at once, and becomes durable at a sync, sector by sector. Without a
//! sync, each sector, file length and folder entry has, after a power cut, the value of the last
//! sync or any later one, independently of its neighbours: writes are torn and reordered. Allocated
//! sectors that no write has reached hold garbage.

use std::collections::{BTreeMap, BTreeSet};

use super::random::Random;
use super::volatile::Volatile;

/// One folder of files, and the faults to come.
pub(crate) struct Disk {
    entries: BTreeMap<String, Volatile<Option<Inode>>>,
    files: BTreeMap<Inode, File>,
    next_inode: Inode,
    random: Random,
    power: Power,
    failing: Failing,
    failing_reads: Failing,
    capacity: usize,
    lies: BTreeSet<Part>,
    /// Number of the one sync that does nothing.
    ignored_sync: Option<u64>,
    syncs: u64,
    changes: u64,
    faults: u64,
}

/// Identifies a file, independently of its name.
pub(crate) type Inode = u64;

/// Why an operation failed. It may have happened in part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The power is off.
    PowerOff,
    /// The disk failed to read or write.
    Io,
    /// No space is left.
    Full,
    /// The file does not exist.
    Missing,
}

/// Part of a disk about whose syncs it may lie: it reports success and does nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Part {
    Database,
    Journal,
    Log,
    Folder,
}

/// What a power cut does to unsynced writes.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Survival {
    /// All survive, as if only the process had ended.
    All,
    /// None survive.
    Nothing,
    /// The latest value survives with this probability, and otherwise any earlier one.
    Percent(usize),
}

#[derive(Clone, Copy, Debug)]
enum Power {
    On,
    /// Is cut at this change.
    CutAt(u64),
    Off,
}

/// `times` operations fail, after `after` that succeed.
#[derive(Clone, Copy, Debug, Default)]
struct Failing {
    after: u64,
    times: u64,
}

impl Disk {
    /// Creates an empty disk of unlimited capacity.
    pub(crate) fn new(random: Random) -> Self {
        Self {
            entries: BTreeMap::new(),
            files: BTreeMap::new(),
            next_inode: 0,
            random,
            power: Power::On,
            failing: Failing::default(),
            failing_reads: Failing::default(),
            capacity: usize::MAX,
            lies: BTreeSet::new(),
            ignored_sync: None,
            syncs: 0,
            changes: 0,
            faults: 0,
        }
    }

    /// Makes syncs of these parts do nothing from now on.
    pub(crate) fn lie_about(&mut self, parts: &[Part]) {
        self.lies = parts.iter().copied().collect();
    }

    /// Makes the `nth` sync from now do nothing, as if it were missing from the program.
    pub(crate) const fn ignore_sync_after(&mut self, nth: u64) {
        self.ignored_sync = Some(self.syncs + nth);
    }

    /// Number of syncs that have begun.
    pub(crate) const fn syncs(&self) -> u64 {
        self.syncs
    }

    /// Counts a sync of a part. Returns whether it does anything.
    fn is_honest_sync(&mut self, part: Part) -> bool {
        self.syncs += 1;
        self.ignored_sync != Some(self.syncs) && !self.lies.contains(&part)
    }

    /// Cuts the power during the `changes`-th change from now. 0 cuts it at once.
    pub(crate) fn cut_power_after(&mut self, changes: u64) {
        let at = self.changes + changes;
        self.power = if changes == 0 { Power::Off } else { Power::CutAt(at) };
    }

    /// Makes `times` changes fail, after `changes` that succeed.
    pub(crate) const fn fail_after(&mut self, changes: u64, times: u64) {
        self.failing = Failing { after: changes, times };
    }

    /// Makes `times` reads fail, after `reads` that succeed.
    pub(crate) const fn fail_reads_after(&mut self, reads: u64, times: u64) {
        self.failing_reads = Failing { after: reads, times };
    }

    /// Leaves space for `bytes` more than the files take now.
    pub(crate) fn leave_space(&mut self, bytes: usize) {
        self.capacity = self.used().saturating_add(bytes);
    }

    /// Ends all faults but a power cut.
    pub(crate) const fn end_faults(&mut self) {
        self.failing.times = 0;
        self.failing_reads.times = 0;
        self.capacity = usize::MAX;
    }

    pub(crate) const fn is_off(&self) -> bool {
        matches!(self.power, Power::Off)
    }

    /// Number of changes that have begun.
    pub(crate) const fn changes(&self) -> u64 {
        self.changes
    }

    /// Number of operations that have failed.
    pub(crate) const fn faults(&self) -> u64 {
        self.faults
    }

    /// Restores the power, with the writes that have survived.
    pub(crate) fn restore_power(&mut self, survival: Survival) {
        for entry in self.entries.values_mut() {
            entry.survive(survival, &mut self.random);
        }
        self.entries.retain(|_, entry| entry.now().is_some());
        let linked: BTreeSet<_> = self.entries.values().filter_map(|entry| *entry.now()).collect();
        self.files.retain(|inode, _| linked.contains(inode));
        for file in self.files.values_mut() {
            file.survive(survival, &mut self.random);
        }
        self.power = Power::On;
        self.end_faults();
    }

    /// Returns the contents of a file, even while the power is off.
    pub(crate) fn contents(&self, name: &str) -> Option<Vec<u8>> {
        let file = self.files.get(&self.find(name)?)?;
        let mut bytes = vec![0; file.len()];
        file.read(0, &mut bytes);
        Some(bytes)
    }

    /// Returns the file with this name.
    pub(crate) fn find(&self, name: &str) -> Option<Inode> {
        *self.entries.get(name)?.now()
    }

    /// Creates an empty file.
    pub(crate) fn create(&mut self, name: &str) -> Result<Inode, Fault> {
        let (done, happens) = self.change()?;
        let inode = self.link(name);
        if happens {
            self.entries.entry(name.into()).or_insert_with(|| Volatile::new(None)).set(Some(inode));
        }
        done.map(|()| inode)
    }

    /// Adds an empty file that the program has created and synced.
    pub(crate) fn adopt(&mut self, name: &str) -> Inode {
        let inode = self.link(name);
        self.entries.insert(name.into(), Volatile::new(Some(inode)));
        inode
    }

    /// Removes a name.
    pub(crate) fn delete(&mut self, name: &str) -> Result<(), Fault> {
        let (done, happens) = self.change()?;
        let entry = self.entries.get_mut(name).filter(|entry| entry.now().is_some());
        let entry = entry.ok_or(Fault::Missing)?;
        if happens {
            entry.set(None);
        }
        done
    }

    /// Gives a file another name, and removes any other file of that name.
    pub(crate) fn rename(&mut self, from: &str, to: &str) -> Result<(), Fault> {
        let (done, happens) = self.change()?;
        let inode = self.find(from).ok_or(Fault::Missing)?;
        if happens {
            self.entries.entry(to.into()).or_insert_with(|| Volatile::new(None)).set(Some(inode));
            self.entries.entry(from.into()).or_insert_with(|| Volatile::new(None)).set(None);
        }
        done
    }

    /// Makes the current entries of the folder durable.
    pub(crate) fn sync_folder(&mut self) -> Result<(), Fault> {
        let (done, _) = self.change()?;
        if self.is_honest_sync(Part::Folder) && done.is_ok() {
            self.entries.values_mut().for_each(Volatile::sync);
        }
        done
    }

    /// Makes the current bytes and length of a file durable. As on Linux, bytes of a sync that
    /// failed do not become durable at a later sync either.
    pub(crate) fn sync(&mut self, inode: Inode) -> Result<(), Fault> {
        let (done, _) = self.change()?;
        let part = self.files.get(&inode).ok_or(Fault::Missing)?.part;
        let is_honest = self.is_honest_sync(part);
        let file = self.files.get_mut(&inode).ok_or(Fault::Missing)?;
        match done {
            Ok(()) if !is_honest => {}
            Ok(()) => file.sync(),
            Err(_) => file.forget(),
        }
        done
    }

    /// Writes bytes. If it fails, a part of them may be written.
    pub(crate) fn write(&mut self, inode: Inode, at: usize, bytes: &[u8]) -> Result<(), Fault> {
        let (mut done, _) = self.change()?;
        let mut written = match done {
            Ok(()) => bytes.len(),
            Err(_) => self.random.below(bytes.len() + 1),
        };
        let (capacity, used) = (self.capacity, self.used());
        let file = self.files.get_mut(&inode).ok_or(Fault::Missing)?;
        let grows = (at + written).saturating_sub(file.len());
        let lacking = used.saturating_add(grows).saturating_sub(capacity).min(grows);
        if lacking > 0 && done.is_ok() {
            done = Err(Fault::Full);
            self.faults += 1;
        }
        written = written.saturating_sub(lacking);
        if written > 0 {
            file.write(at, &bytes[..written], &mut self.random);
        }
        done
    }

    /// Reads a file from position `at` into `bytes`, with zeros after its end. Returns the number
    /// of bytes that the file had.
    pub(crate) fn read(
        &mut self,
        inode: Inode,
        at: usize,
        bytes: &mut [u8],
    ) -> Result<usize, Fault> {
        self.ensure_power()?;
        if self.failing_reads.fails_next() {
            self.faults += 1;
            return Err(Fault::Io);
        }
        Ok(self.files.get(&inode).ok_or(Fault::Missing)?.read(at, bytes))
    }

    pub(crate) fn truncate(&mut self, inode: Inode, len: usize) -> Result<(), Fault> {
        let (done, happens) = self.change()?;
        let file = self.files.get_mut(&inode).ok_or(Fault::Missing)?;
        if happens {
            file.truncate(len);
        }
        done
    }

    pub(crate) fn len(&mut self, inode: Inode) -> Result<usize, Fault> {
        self.ensure_power()?;
        self.files.get(&inode).map(File::len).ok_or(Fault::Missing)
    }

    fn link(&mut self, name: &str) -> Inode {
        self.next_inode += 1;
        self.files.insert(self.next_inode, File::new(Part::of(name)));
        self.next_inode
    }

    /// Begins a change. Returns what to report, and whether the change takes effect: one that fails
    /// may take effect all the same. Returns `Err` if the power is off already.
    fn change(&mut self) -> Result<(Result<(), Fault>, bool), Fault> {
        self.ensure_power()?;
        self.changes += 1;
        let done = if matches!(self.power, Power::CutAt(at) if self.changes >= at) {
            self.power = Power::Off;
            Err(Fault::PowerOff)
        } else if self.failing.fails_next() {
            Err(Fault::Io)
        } else {
            Ok(())
        };
        self.faults += u64::from(done.is_err());
        Ok((done, done.is_ok() || self.random.chance(50)))
    }

    /// Fails while the power is off.
    pub(crate) fn ensure_power(&mut self) -> Result<(), Fault> {
        if self.is_off() {
            self.faults += 1;
            return Err(Fault::PowerOff);
        }
        Ok(())
    }

    fn used(&self) -> usize {
        let linked = self.entries.values().filter_map(|entry| *entry.now());
        linked.filter_map(|inode| self.files.get(&inode)).map(File::len).sum()
    }
}

impl Failing {
    /// Counts an operation that is about to begin. Returns whether it fails.
    const fn fails_next(&mut self) -> bool {
        if self.after > 0 {
            self.after -= 1;
            return false;
        }
        let fails = self.times > 0;
        self.times = self.times.saturating_sub(1);
        fails
    }
}

impl Part {
    fn of(name: &str) -> Self {
        if name.ends_with("-wal") {
            Self::Log
        } else if name.ends_with("-journal") {
            Self::Journal
        } else {
            Self::Database
        }
    }
}

/// A file as a sequence of sectors.
struct File {
    part: Part,
    len: Volatile<usize>,
    sectors: Vec<Volatile<Box<Sector>>>,
}

type Sector = [u8; SECTOR];

impl File {
    const fn new(part: Part) -> Self {
        Self { part, len: Volatile::new(0), sectors: Vec::new() }
    }

    const fn len(&self) -> usize {
        *self.len.now()
    }

    fn write(&mut self, at: usize, bytes: &[u8], random: &mut Random) {
        let end = at + bytes.len();
        while self.sectors.len() * SECTOR < end {
            let garbage = [u8::try_from(random.below(256)).unwrap(); SECTOR];
            let mut sector = Volatile::new(Box::new(garbage));
            sector.set(Box::new([0; SECTOR]));
            self.sectors.push(sector);
        }
        let touched = self.sectors.iter_mut().enumerate().skip(at / SECTOR);
        for (index, sector) in touched.take_while(|(index, _)| index * SECTOR < end) {
            let begin = index * SECTOR;
            let (from, to) = (at.max(begin), end.min(begin + SECTOR));
            let mut next = sector.now().clone();
            next[from - begin..to - begin].copy_from_slice(&bytes[from - at..to - at]);
            sector.set(next);
        }
        if end > self.len() {
            self.len.set(end);
        }
    }

    fn read(&self, at: usize, bytes: &mut [u8]) -> usize {
        let there = self.len().saturating_sub(at).min(bytes.len());
        let mut done = 0;
        while done < there {
            let (index, within) = ((at + done) / SECTOR, (at + done) % SECTOR);
            let len = (SECTOR - within).min(there - done);
            let sector = self.sectors[index].now();
            bytes[done..done + len].copy_from_slice(&sector[within..within + len]);
            done += len;
        }
        bytes[there..].fill(0);
        there
    }

    fn truncate(&mut self, len: usize) {
        for (index, sector) in self.sectors.iter_mut().enumerate().skip(len / SECTOR) {
            let mut next = sector.now().clone();
            next[len.saturating_sub(index * SECTOR)..].fill(0);
            sector.set(next);
        }
        self.len.set(len);
    }

    fn sync(&mut self) {
        self.len.sync();
        self.sectors.iter_mut().for_each(Volatile::sync);
    }

    fn forget(&mut self) {
        self.sectors.iter_mut().for_each(Volatile::forget);
    }

    fn survive(&mut self, survival: Survival, random: &mut Random) {
        self.len.survive(survival, random);
        self.sectors.iter_mut().for_each(|sector| sector.survive(survival, random));
    }
}

/// Number of bytes that the disk writes atomically.
const SECTOR: usize = 512;
