//! Processor time and memory of a process, from `/proc`.

use std::fs;
use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use sealpost_programs::Failure;

/// A process on this machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pid(pub(crate) u32);

impl Pid {
    /// This process.
    pub(crate) fn own() -> Self {
        Self(std::process::id())
    }

    /// User and system time of all threads, including those that have ended. Counted in ticks,
    /// which are a hundredth of a second on Linux.
    pub(crate) fn cpu_time(self) -> Result<Duration, Failure> {
        let stat = self.read("stat")?;
        let ticks = ticks(&stat)
            .ok_or_else(|| Failure::new("/proc/PID/stat is not in the format of Linux"))?;
        let a_second = rustix::param::clock_ticks_per_second().max(1);
        Ok(Duration::from_micros(ticks.saturating_mul(1_000_000) / a_second))
    }

    /// The processor time used since an earlier reading.
    pub(crate) fn cpu_time_since(self, before: Duration) -> Result<Duration, Failure> {
        Ok(self.cpu_time()?.saturating_sub(before))
    }

    /// Resident memory, in bytes.
    pub(crate) fn resident_bytes(self) -> Result<u64, Failure> {
        let status = self.read("status")?;
        kibibytes(&status, "VmRSS:").ok_or_else(|| Failure::new("/proc/PID/status has no VmRSS"))
    }

    /// The most resident memory that the process has had, in bytes.
    pub(crate) fn peak_bytes(self) -> Result<u64, Failure> {
        let status = self.read("status")?;
        kibibytes(&status, "VmHWM:").ok_or_else(|| Failure::new("/proc/PID/status has no VmHWM"))
    }

    fn read(self, file: &str) -> Result<String, Failure> {
        let path = format!("/proc/{}/{file}", self.0);
        fs::read_to_string(&path).map_err(Failure::context(path))
    }
}

/// Raises our limit on open files as far as allowed. A server that is started later inherits it.
pub(crate) fn allow_files() -> Result<(), Failure> {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    Ok(setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum })?)
}

/// Sum of fields 14 and 15 of `/proc/PID/stat`. Field 2, the program's name, may contain anything,
/// so fields are counted from its closing bracket.
fn ticks(stat: &str) -> Option<u64> {
    let (_, behind_name) = stat.rsplit_once(')')?;
    let mut fields = behind_name.split_whitespace().skip(11);
    let mut field = || fields.next()?.parse::<u64>().ok();
    Some(field()? + field()?)
}

/// A size in `/proc/PID/status`, in bytes.
fn kibibytes(status: &str, field: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(field))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processor_time_is_found_after_a_name_with_spaces_and_brackets() {
        let stat = "7 (a) b (c)) S 1 7 7 0 -1 4194304 900 0 0 0 123 45 6 7 20 0 4 0 1 2 3";
        assert_eq!(ticks(stat), Some(168));
    }

    #[test]
    fn memory_is_in_bytes() {
        let status = "Name:\tx\nVmHWM:\t  9000 kB\nVmRSS:\t    6100 kB\nThreads:\t1\n";
        assert_eq!(kibibytes(status, "VmRSS:"), Some(6100 * 1024));
        assert_eq!(kibibytes(status, "VmHWM:"), Some(9000 * 1024));
    }

    #[test]
    fn other_formats_are_refused() {
        assert_eq!(ticks("7 (a) S 1"), None);
        assert_eq!(kibibytes("VmRSS: many", "VmRSS:"), None);
    }

    #[test]
    fn own_process_has_all() {
        let resident = Pid::own().resident_bytes().unwrap();
        assert!(resident > 0 && Pid::own().peak_bytes().unwrap() >= resident / 2);
        assert!(Pid::own().cpu_time().is_ok());
    }
}
