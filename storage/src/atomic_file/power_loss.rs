//! Files are written on a disk that loses power, at every step and with every sync left out.

use std::io::{self, ErrorKind};
use std::path::Path;

use disk::{Disk, Fault, Inode, Survival};
use random::Random;

use super::{Calls, Existing, Readers, create_if_missing_by, write_by};

#[expect(dead_code, reason = "the suite of the databases uses the rest")]
#[path = "../../tests/power_loss/disk.rs"]
mod disk;
#[expect(dead_code, reason = "the suite of the databases uses the rest")]
#[path = "../../tests/power_loss/random.rs"]
mod random;
#[path = "../../tests/power_loss/volatile.rs"]
mod volatile;

impl Calls for Disk {
    type File = Inode;

    fn exists(&mut self, path: &Path) -> io::Result<bool> {
        self.ensure_power().map_err(error)?;
        Ok(self.find(name(path)).is_some())
    }

    fn create(&mut self, path: &Path, _: Readers) -> io::Result<Inode> {
        if self.exists(path)? {
            return Err(ErrorKind::AlreadyExists.into());
        }
        self.create(name(path)).map_err(error)
    }

    fn write(&mut self, file: &mut Inode, bytes: &[u8]) -> io::Result<()> {
        self.write(*file, 0, bytes).map_err(error)
    }

    fn sync(&mut self, file: &mut Inode) -> io::Result<()> {
        self.sync(*file).map_err(error)
    }

    fn rename(&mut self, from: &Path, to: &Path) -> io::Result<()> {
        self.rename(name(from), name(to)).map_err(error)
    }

    fn remove(&mut self, path: &Path) -> io::Result<()> {
        self.delete(name(path)).map_err(error)
    }

    fn sync_folder_of(&mut self, _: &Path) -> io::Result<()> {
        self.sync_folder().map_err(error)
    }
}

fn name(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn error(fault: Fault) -> io::Error {
    match fault {
        Fault::Missing => ErrorKind::NotFound.into(),
        Fault::PowerOff | Fault::Io | Fault::Full => io::Error::other(format!("{fault:?}")),
    }
}

/// A way to write a file, and whether there is an older one.
#[derive(Clone, Copy, Debug)]
enum Task {
    /// A new key file.
    New,
    /// A published key, or a mark, is replaced.
    Replacement,
    /// A database file, before SQLite opens it.
    Empty,
}

const TASKS: [Task; 3] = [Task::New, Task::Replacement, Task::Empty];

impl Task {
    fn disk(self, seed: u64) -> Disk {
        let mut disk = Disk::new(Random::new(seed));
        match self {
            Self::New | Self::Empty => {}
            Self::Replacement => {
                let inode = disk.adopt(PATH);
                disk.write(inode, 0, OLD).unwrap();
                disk.sync(inode).unwrap();
            }
        }
        disk
    }

    fn run(self, disk: &mut Disk) -> io::Result<()> {
        let path = Path::new(PATH);
        match self {
            Self::New => write_by(disk, path, NEW, Readers::Owner, Existing::Refuse),
            Self::Replacement => write_by(disk, path, NEW, Readers::Owner, Existing::Replace),
            Self::Empty => create_if_missing_by(disk, path),
        }
    }

    const fn before(self) -> Option<&'static [u8]> {
        match self {
            Self::New | Self::Empty => None,
            Self::Replacement => Some(OLD),
        }
    }

    const fn after(self) -> &'static [u8] {
        match self {
            Self::New | Self::Replacement => NEW,
            Self::Empty => b"",
        }
    }
}

const PATH: &str = "key.pem";
const OLD: &[u8] = &[b'o'; 1_300];
/// Longer than a sector, so that a part of it can be lost.
const NEW: &[u8] = &[b'n'; 1_800];

#[test]
fn file_exists_completely_or_not_at_all_whenever_the_power_is_cut() {
    for task in TASKS {
        assert_eq!(interrupt_everywhere(task, None), Ok(()), "{task:?}");
    }
}

#[test]
fn every_sync_that_is_left_out_is_detected() {
    for task in TASKS {
        let mut disk = task.disk(1);
        let before = disk.syncs();
        task.run(&mut disk).unwrap();
        let syncs = disk.syncs() - before;
        assert_ne!(syncs, 0);
        for sync in 1..=syncs {
            let detected = interrupt_everywhere(task, Some(sync)).is_err();
            assert!(detected, "{task:?}, sync {sync} of {syncs}");
        }
    }
}

/// Cuts the power at each change and after the last one. Returns the first violation.
fn interrupt_everywhere(task: Task, ignored_sync: Option<u64>) -> Result<(), String> {
    for changes in 1.. {
        let mut complete = false;
        for seed in 0..30 {
            let survival = match seed {
                0 => Survival::All,
                1 => Survival::Nothing,
                _ => Survival::Percent(50),
            };
            let mut disk = task.disk(seed);
            if let Some(sync) = ignored_sync {
                disk.ignore_sync_after(sync);
            }
            disk.cut_power_after(changes);
            let done = task.run(&mut disk);
            complete |= !disk.is_off();
            disk.cut_power_after(0);
            disk.restore_power(survival);
            let found = disk.contents(PATH);
            let is_new = found.as_deref() == Some(task.after());
            if !is_new && (done.is_ok() || found.as_deref() != task.before()) {
                return Err(format!("change {changes}, {survival:?}: {done:?}, {found:?}"));
            }
            // What a crash has left is no obstacle to another attempt.
            if !is_new {
                task.run(&mut disk).map_err(|error| format!("again: {error}"))?;
            }
        }
        if complete {
            break;
        }
    }
    Ok(())
}
