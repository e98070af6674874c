//! What the server takes of disk and memory under siege, and the bounds that it names at its start.

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use sealpost_programs::Failure;
use serde::Serialize;

use crate::figures::float;
use crate::system::daemon::Daemon;

/// Size of the data folder during a siege.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Disk {
    pub(crate) before_bytes: u64,
    pub(crate) peak_bytes: u64,
    pub(crate) growth_bytes_per_minute: f64,
}

/// What the server has taken, and what it was to take at most.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Footprint {
    /// The most memory that the server has had. `None` if its process is not known.
    pub(crate) peak_bytes: Option<u64>,
    /// `None` if the server was started elsewhere.
    pub(crate) disk: Option<Disk>,
    pub(crate) bounds: Bounds,
}

/// Bounds that the server has logged at its start. `None` if it has logged none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Bounds {
    pub(crate) memory_bytes: Option<u64>,
    pub(crate) store_bytes: Option<u64>,
}

impl Disk {
    /// Looks at the folder again and again until `over` is set.
    pub(crate) fn watch(folder: &Path, over: &AtomicBool) -> Result<Self, Failure> {
        let begin = Instant::now();
        let before_bytes = size(folder)?;
        let mut peak_bytes = before_bytes;
        while !over.load(Ordering::Relaxed) {
            thread::sleep(PAUSE);
            peak_bytes = peak_bytes.max(size(folder)?);
        }
        let minutes = begin.elapsed().as_secs_f64() / 60.0;
        let growth_bytes_per_minute = float(peak_bytes - before_bytes) / minutes;
        Ok(Self { before_bytes, peak_bytes, growth_bytes_per_minute })
    }
}

impl Bounds {
    pub(crate) fn of(daemon: &Daemon) -> Self {
        daemon.log().map_or_else(Self::default, |log| Self::parse(&log))
    }

    fn parse(log: &str) -> Self {
        Self {
            memory_bytes: size_after(log, "memory bound"),
            store_bytes: size_after(log, "store bound"),
        }
    }
}

/// The first size after these words on the same line: a number, perhaps with a decimal, and a unit.
fn size_after(log: &str, words: &str) -> Option<u64> {
    let (_, rest) = log.split_once(words)?;
    let line = rest.lines().next()?;
    let line = line.get(line.find(|c: char| c.is_ascii_digit())?..)?;
    let (number, unit) = line.split_once(' ')?;
    let factor: u64 = match unit.split(|c: char| !c.is_ascii_alphabetic()).next()? {
        "bytes" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        _ => return None,
    };
    let (whole, tenths) = number.split_once('.').unwrap_or((number, "0"));
    let whole = whole.parse::<u64>().ok()?.checked_mul(factor)?;
    whole.checked_add(tenths.parse::<u64>().ok()?.checked_mul(factor)? / 10)
}

/// Bytes of all files in a folder and the folders in it. A file that disappears meanwhile counts as
/// empty.
fn size(folder: &Path) -> Result<u64, Failure> {
    let mut sum = 0;
    for entry in fs::read_dir(folder).map_err(Failure::context(folder.display()))? {
        let Ok(entry) = entry else { continue };
        let Ok(metadata) = entry.metadata() else { continue };
        sum += if metadata.is_dir() { size(&entry.path())? } else { metadata.len() };
    }
    Ok(sum)
}

/// Between two looks.
const PAUSE: Duration = Duration::from_millis(100);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_are_found_in_a_log() {
        let log = "INFO listening on 127.0.0.1:1\n\
                   INFO memory bound: 412.5 MiB, if each of 9 is used; store bound: 8 GiB\n";
        let memory_bytes = Some((412 << 20) + (1 << 19));
        assert_eq!(Bounds::parse(log), Bounds { memory_bytes, store_bytes: Some(8 << 30) });
    }

    #[test]
    fn bounds_that_are_not_there_are_not_known() {
        for log in ["", "memory bound\nstore bound", "memory bound: none", "memory bound: 4 cows"] {
            assert_eq!(Bounds::parse(log), Bounds::default(), "{log}");
        }
    }

    #[test]
    fn size_of_a_folder_counts_the_folders_in_it() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("in")).unwrap();
        fs::write(folder.path().join("a"), [0; 10]).unwrap();
        fs::write(folder.path().join("in/b"), [0; 7]).unwrap();
        assert_eq!(size(folder.path()), Ok(17));
    }
}
