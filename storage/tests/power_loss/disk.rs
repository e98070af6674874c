//! A disk that may forget what was not synced when its plug is pulled.
//!
//! What is written is read back at once and becomes durable at a sync, sector by sector. Without
//! one, each sector, each length and each entry of the folder is, after a loss of power, what it was
//! at the last sync or at any moment since, whatever its neighbours are: writes are torn and
//! reordered. Space that a file was given and that nothing reached holds garbage.

use std::collections::{BTreeMap, BTreeSet};

use crate::dice::Dice;

/// One folder of files.
pub(crate) struct Disk {
    entries: BTreeMap<String, Volatile<Option<Inode>>>,
    files: BTreeMap<Inode, File>,
    next_inode: Inode,
    dice: Dice,
    plug: Plug,
    failing: Failing,
    failing_reads: Failing,
    room: usize,
    lies: BTreeSet<Part>,
    changes: u64,
    faults: u64,
}

/// A file, whatever it is called.
pub(crate) type Inode = u64;

/// Why an operation was not done, or in part only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// There is no power.
    Off,
    /// It did not work this time.
    Io,
    /// No room is left.
    Full,
    /// There is no such file.
    Missing,
}

/// What a disk may lie about: a sync of it says that it was done, and nothing was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Part {
    Database,
    Journal,
    Log,
    Folder,
}

/// How a loss of power treats what was not synced.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Survival {
    /// As if only the process had ended.
    All,
    Nothing,
    /// The latest with this probability, else anything.
    Percent(usize),
}

#[derive(Clone, Copy, Debug)]
enum Plug {
    In,
    /// Pulled at this change.
    PulledAt(u64),
    Out,
}

/// What fails: `times` operations, after `after` that don't.
#[derive(Clone, Copy, Debug, Default)]
struct Failing {
    after: u64,
    times: u64,
}

impl Disk {
    /// Empty, with as much room as anybody wants.
    pub(crate) fn new(dice: Dice) -> Self {
        Self {
            entries: BTreeMap::new(),
            files: BTreeMap::new(),
            next_inode: 0,
            dice,
            plug: Plug::In,
            failing: Failing::default(),
            failing_reads: Failing::default(),
            room: usize::MAX,
            lies: BTreeSet::new(),
            changes: 0,
            faults: 0,
        }
    }

    /// Syncs of these parts do nothing from now on.
    pub(crate) fn lie_about(&mut self, parts: &[Part]) {
        self.lies = parts.iter().copied().collect();
    }

    /// Pulls the plug during the `changes`-th change from now; 0 pulls it now.
    pub(crate) fn pull_after(&mut self, changes: u64) {
        let at = self.changes + changes;
        self.plug = if changes == 0 { Plug::Out } else { Plug::PulledAt(at) };
    }

    /// Lets `times` changes fail, after `changes` that don't.
    pub(crate) const fn fail_after(&mut self, changes: u64, times: u64) {
        self.failing = Failing { after: changes, times };
    }

    /// Lets `times` reads fail, after `reads` that don't.
    pub(crate) const fn fail_reads_after(&mut self, reads: u64, times: u64) {
        self.failing_reads = Failing { after: reads, times };
    }

    /// Leaves room for so many bytes more, beyond what the files take now.
    pub(crate) fn leave_room(&mut self, bytes: usize) {
        self.room = self.used().saturating_add(bytes);
    }

    /// Nothing fails any more, unless the power does.
    pub(crate) const fn end_faults(&mut self) {
        self.failing.times = 0;
        self.failing_reads.times = 0;
        self.room = usize::MAX;
    }

    pub(crate) const fn is_off(&self) -> bool {
        matches!(self.plug, Plug::Out)
    }

    /// How many changes were begun so far.
    pub(crate) const fn changes(&self) -> u64 {
        self.changes
    }

    /// How many operations were refused so far.
    pub(crate) const fn faults(&self) -> u64 {
        self.faults
    }

    /// Comes up again with what has survived.
    pub(crate) fn power_up(&mut self, survival: Survival) {
        for entry in self.entries.values_mut() {
            entry.settle(survival, &mut self.dice);
        }
        self.entries.retain(|_, entry| entry.now().is_some());
        let linked: BTreeSet<_> = self.entries.values().filter_map(|entry| *entry.now()).collect();
        self.files.retain(|inode, _| linked.contains(inode));
        for file in self.files.values_mut() {
            file.settle(survival, &mut self.dice);
        }
        self.plug = Plug::In;
        self.end_faults();
    }

    /// What a file holds, whatever state the disk is in.
    pub(crate) fn contents(&self, name: &str) -> Option<Vec<u8>> {
        let file = self.files.get(&self.find(name)?)?;
        let mut bytes = vec![0; file.len()];
        file.read(0, &mut bytes);
        Some(bytes)
    }

    /// The file of this name.
    pub(crate) fn find(&self, name: &str) -> Option<Inode> {
        *self.entries.get(name)?.now()
    }

    /// Makes an empty file.
    pub(crate) fn create(&mut self, name: &str) -> Result<Inode, Fault> {
        let (done, happens) = self.change()?;
        let inode = self.link(name);
        if happens {
            self.entries.entry(name.into()).or_insert_with(|| Volatile::new(None)).set(Some(inode));
        }
        done.map(|()| inode)
    }

    /// Takes over an empty file that somebody else made and synced.
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

    /// Makes every entry durable as it is.
    pub(crate) fn sync_folder(&mut self) -> Result<(), Fault> {
        let (done, _) = self.change()?;
        if done.is_ok() && !self.lies.contains(&Part::Folder) {
            self.entries.values_mut().for_each(Volatile::sync);
        }
        done
    }

    /// Makes a file's bytes and length durable as they are. After a failure, bytes that were not
    /// durable don't become so by a later sync, as on Linux.
    pub(crate) fn sync(&mut self, inode: Inode) -> Result<(), Fault> {
        let (done, _) = self.change()?;
        let file = self.files.get_mut(&inode).ok_or(Fault::Missing)?;
        match done {
            Ok(()) if self.lies.contains(&file.part) => {}
            Ok(()) => file.sync(),
            Err(_) => file.forget(),
        }
        done
    }

    /// Writes; a part only if it fails.
    pub(crate) fn write(&mut self, inode: Inode, at: usize, bytes: &[u8]) -> Result<(), Fault> {
        let (mut done, _) = self.change()?;
        let mut written = match done {
            Ok(()) => bytes.len(),
            Err(_) => self.dice.below(bytes.len() + 1),
        };
        let (room, used) = (self.room, self.used());
        let file = self.files.get_mut(&inode).ok_or(Fault::Missing)?;
        let grows = (at + written).saturating_sub(file.len());
        let lacking = used.saturating_add(grows).saturating_sub(room).min(grows);
        if lacking > 0 && done.is_ok() {
            done = Err(Fault::Full);
            self.faults += 1;
        }
        written = written.saturating_sub(lacking);
        if written > 0 {
            file.write(at, &bytes[..written], &mut self.dice);
        }
        done
    }

    /// Fills `bytes` from a place of a file; zeros from its end on. How many were there.
    pub(crate) fn read(
        &mut self,
        inode: Inode,
        at: usize,
        bytes: &mut [u8],
    ) -> Result<usize, Fault> {
        self.powered()?;
        if self.failing_reads.strikes() {
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
        self.powered()?;
        self.files.get(&inode).map(File::len).ok_or(Fault::Missing)
    }

    fn link(&mut self, name: &str) -> Inode {
        self.next_inode += 1;
        self.files.insert(self.next_inode, File::new(Part::of(name)));
        self.next_inode
    }

    /// Counts a change that is about to begin. What to answer, and whether it happens: what fails
    /// may have happened all the same. `Err` if there is no power to begin with.
    fn change(&mut self) -> Result<(Result<(), Fault>, bool), Fault> {
        self.powered()?;
        self.changes += 1;
        let done = if matches!(self.plug, Plug::PulledAt(at) if self.changes >= at) {
            self.plug = Plug::Out;
            Err(Fault::Off)
        } else if self.failing.strikes() {
            Err(Fault::Io)
        } else {
            Ok(())
        };
        self.faults += u64::from(done.is_err());
        Ok((done, done.is_ok() || self.dice.chance(50)))
    }

    pub(crate) fn powered(&mut self) -> Result<(), Fault> {
        if self.is_off() {
            self.faults += 1;
            return Err(Fault::Off);
        }
        Ok(())
    }

    fn used(&self) -> usize {
        let linked = self.entries.values().filter_map(|entry| *entry.now());
        linked.filter_map(|inode| self.files.get(&inode)).map(File::len).sum()
    }
}

impl Failing {
    /// Counts an operation that is about to begin; whether it fails.
    const fn strikes(&mut self) -> bool {
        if self.after > 0 {
            self.after -= 1;
            return false;
        }
        let strikes = self.times > 0;
        self.times = self.times.saturating_sub(1);
        strikes
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

/// Bytes in sectors.
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

    fn write(&mut self, at: usize, bytes: &[u8], dice: &mut Dice) {
        let end = at + bytes.len();
        while self.sectors.len() * SECTOR < end {
            let garbage = [u8::try_from(dice.below(256)).unwrap(); SECTOR];
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
        self.sectors.iter_mut().for_each(|sector| sector.dirty = false);
    }

    fn settle(&mut self, survival: Survival, dice: &mut Dice) {
        self.len.settle(survival, dice);
        self.sectors.iter_mut().for_each(|sector| sector.settle(survival, dice));
    }
}

/// Something of which the disk holds one value for certain and the system's cache another.
struct Volatile<T> {
    durable: T,
    /// Every value since, the current one last.
    since: Vec<T>,
    /// Whether a sync has the current value to write.
    dirty: bool,
}

impl<T: Clone> Volatile<T> {
    const fn new(durable: T) -> Self {
        Self { durable, since: Vec::new(), dirty: false }
    }

    const fn now(&self) -> &T {
        match self.since.as_slice().last() {
            Some(now) => now,
            None => &self.durable,
        }
    }

    fn set(&mut self, value: T) {
        self.since.push(value);
        self.dirty = true;
    }

    fn sync(&mut self) {
        if self.dirty {
            self.settle_on(self.since.len());
        }
        self.dirty = false;
    }

    fn settle(&mut self, survival: Survival, dice: &mut Dice) {
        let latest = self.since.len();
        let survivor = match survival {
            Survival::All => latest,
            Survival::Nothing => 0,
            Survival::Percent(percent) if dice.chance(percent) => latest,
            Survival::Percent(_) => dice.below(latest + 1),
        };
        self.settle_on(survivor);
        self.dirty = false;
    }

    /// 0 is the durable value, 1 the first one since.
    fn settle_on(&mut self, survivor: usize) {
        if let Some(value) = survivor.checked_sub(1).and_then(|index| self.since.get(index)) {
            self.durable = value.clone();
        }
        self.since.clear();
    }
}

/// What a disk writes as a whole.
const SECTOR: usize = 512;
