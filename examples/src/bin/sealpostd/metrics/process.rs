//! Figures of the process, from the kernel.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use rustix::fs::Dir;
use rustix::param::{clock_ticks_per_second, page_size};

/// Files of the kernel about this process. They are opened before the server is confined, after which
/// it can't open them any more. Elsewhere than on Linux there are none.
#[derive(Debug)]
pub(crate) struct Process {
    stat: Option<File>,
    files: Option<Mutex<Dir>>,
}

/// Figures of one moment. `None` where the kernel does not tell.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct ProcessFigures {
    pub(super) cpu_seconds: Option<f64>,
    pub(super) resident_bytes: Option<u64>,
    pub(super) open_files: Option<u64>,
}

impl Process {
    /// Opens the files.
    pub(crate) fn open() -> Self {
        let files = File::open("/proc/self/fd").ok().and_then(|files| Dir::new(files).ok());
        Self { stat: File::open("/proc/self/stat").ok(), files: files.map(Mutex::new) }
    }

    pub(super) fn figures(&self) -> ProcessFigures {
        let stat = self.stat.as_ref().and_then(read);
        let (cpu_seconds, resident_bytes) = stat.as_deref().and_then(parse).unzip();
        ProcessFigures { cpu_seconds, resident_bytes, open_files: self.open_files() }
    }

    fn open_files(&self) -> Option<u64> {
        let mut files = self.files.as_ref()?.lock().unwrap_or_else(PoisonError::into_inner);
        files.rewind();
        let count = files.by_ref().map_while(Result::ok).count() as u64;
        // Among them are the entries `.` and `..`.
        Some(count.saturating_sub(2))
    }
}

fn read(file: &File) -> Option<String> {
    let mut text = [0; 1_024];
    let len = file.read_at(&mut text, 0).ok()?;
    Some(String::from_utf8_lossy(text.get(..len)?).into_owned())
}

/// CPU time in seconds and resident memory in bytes, from a line as proc(5) describes it.
fn parse(stat: &str) -> Option<(f64, u64)> {
    // The name of the program, in brackets, may contain anything.
    let (_, fields) = stat.rsplit_once(')')?;
    let fields: Vec<&str> = fields.split_whitespace().collect();
    let field = |number: usize| fields.get(number - 3)?.parse::<u64>().ok();
    let ticks = field(14)?.saturating_add(field(15)?);
    let resident = field(24)?.saturating_mul(page_size() as u64);
    let millis = ticks.saturating_mul(1_000).checked_div(clock_ticks_per_second())?;
    Some((Duration::from_millis(millis).as_secs_f64(), resident))
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use super::*;

    #[test]
    fn figures_are_of_this_process() {
        let process = Process::open();
        let before = process.figures();
        assert!(before.resident_bytes.is_some_and(|bytes| bytes > 1 << 20), "{before:?}");
        assert!(before.cpu_seconds.is_some() && before.open_files.is_some_and(|count| count > 4));
        let memory = vec![1_u8; 64 << 20];
        let after = process.figures();
        assert!(after.resident_bytes > before.resident_bytes.map(|bytes| bytes + (32 << 20)));
        drop(memory);
    }

    #[test]
    fn name_of_the_program_may_contain_anything() {
        let rest = "S 1 1 1 0 -1 0 0 0 0 0 150 50 0 0 20 0 1 0 0 1000 25 0";
        let (seconds, bytes) = parse(&format!("1 (a) b (c)) {rest}")).unwrap();
        let ticks = Duration::from_secs(200).as_secs_f64() / seconds;
        assert_eq!(ticks.round().to_string(), clock_ticks_per_second().to_string());
        assert_eq!(bytes, 25 * page_size() as u64);
        assert_eq!(parse("nonsense"), None);
    }
}
