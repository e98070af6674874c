//! Reads the memory of a running program, as a core dump would contain it.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::process::Command;

use rustix::process::{Pid, geteuid};

/// A command that runs a program in such a way that the test can read its memory, although the
/// program hides it: root may read all memory, and other users that of programs in a namespace of
/// their own. `None` if the system does not allow namespaces.
pub(crate) fn readable() -> Option<&'static [&'static str]> {
    if geteuid().is_root() {
        return Some(&[]);
    }
    let namespace = &["unshare", "--user", "--map-current-user"];
    let tried = Command::new(namespace[0]).args(&namespace[1..]).arg("true").output();
    tried.is_ok_and(|tried| tried.status.success()).then_some(namespace)
}

/// All memory that a program can write to.
pub(crate) struct Memory(Vec<Region>);

struct Region {
    /// The line of `maps` that describes the region.
    line: String,
    bytes: Vec<u8>,
}

impl Memory {
    pub(crate) fn of(process: Pid) -> Self {
        let folder = format!("/proc/{}", process.as_raw_nonzero());
        let memory = File::open(format!("{folder}/mem")).unwrap();
        let maps = fs::read_to_string(format!("{folder}/maps")).unwrap();
        let regions = maps.lines().filter(|line| line.split(' ').nth(1).unwrap().starts_with("rw"));
        Self(regions.filter_map(|line| read(&memory, line)).collect())
    }

    /// Describes the places that hold these bytes.
    pub(crate) fn places(&self, bytes: &[u8]) -> Vec<String> {
        let finder = memchr::memmem::Finder::new(bytes);
        let places = self.0.iter().flat_map(|region| {
            finder.find_iter(&region.bytes).map(|at| format!("{at:#x} in {}", region.line))
        });
        places.collect()
    }
}

/// Reads the region that a line of `maps` describes. `None` if it is gone.
fn read(memory: &File, line: &str) -> Option<Region> {
    let (start, rest) = line.split_once('-').unwrap();
    let (end, _) = rest.split_once(' ').unwrap();
    let [start, end] = [start, end].map(|address| u64::from_str_radix(address, 16).unwrap());
    let mut bytes = vec![0; usize::try_from(end - start).unwrap()];
    memory.read_exact_at(&mut bytes, start).ok()?;
    Some(Region { line: line.to_owned(), bytes })
}
