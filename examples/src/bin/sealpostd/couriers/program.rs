//! Delivers one-time passwords with a program of the operator.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::fs::{Access, access};
use rustix::io::Errno;
use sealpost_core::server::OtpDelivery;
use sealpost_programs::Failure;
use zeroize::Zeroizing;

use super::secret_text;

/// Runs a program for each password.
#[derive(Debug)]
pub(super) struct Program {
    path: PathBuf,
    timeout: Duration,
}

/// Why a program did not deliver a password.
#[derive(Debug, thiserror::Error)]
pub(super) enum ProgramError {
    #[error("can't run the program: {0}")]
    Run(#[from] io::Error),
    #[error("the program failed: {0}")]
    Failed(ExitStatus),
    #[error("the program ran for longer than {0:?} and was killed")]
    TimedOut(Duration),
}

impl Program {
    /// A program that may take `timeout` for each password. A name without a folder is looked up in
    /// `PATH`.
    ///
    /// # Errors
    /// There is no such program, or this process may not run it.
    pub(super) fn new(path: &Path, timeout: Duration) -> Result<Self, Failure> {
        let found = find(path).ok_or_else(|| {
            Failure::new(format_args!(
                "can't run {}, which is to deliver one-time passwords: there is no such program in \
                 PATH",
                path.display()
            ))
        })?;
        let failure = || {
            Failure::context(format!(
                "can't run {}, which is to deliver one-time passwords",
                found.display()
            ))
        };
        access(&found, Access::EXEC_OK).map_err(failure())?;
        if found.is_dir() {
            return Err(failure()(Errno::ISDIR));
        }
        Ok(Self { path: found, timeout })
    }

    /// Runs the program until it ends, or kills it after the time-out. It inherits the server's
    /// standard error.
    pub(super) fn run(&self, delivery: &OtpDelivery) -> Result<(), ProgramError> {
        let mut child =
            Command::new(&self.path).stdin(Stdio::piped()).stdout(Stdio::null()).spawn()?;
        if let Some(mut stdin) = child.stdin.take() {
            // A program that ends without reading breaks the pipe. That is no failure: its exit
            // status decides.
            let _ = stdin.write_all(lines(delivery).as_bytes());
        }
        match self.wait(&mut child)? {
            Some(status) if status.success() => Ok(()),
            Some(status) => Err(ProgramError::Failed(status)),
            None => {
                child.kill()?;
                child.wait()?;
                Err(ProgramError::TimedOut(self.timeout))
            }
        }
    }

    /// Waits for the exit status. Returns `None` after the time-out.
    fn wait(&self, child: &mut Child) -> io::Result<Option<ExitStatus>> {
        let begin = Instant::now();
        loop {
            match child.try_wait()? {
                None if begin.elapsed() < self.timeout => thread::sleep(POLL),
                ended_or_late => return Ok(ended_or_late),
            }
        }
    }
}

fn find(path: &Path) -> Option<PathBuf> {
    if path.components().count() > 1 || path.is_absolute() {
        return Some(path.to_owned());
    }
    let folders = std::env::var_os("PATH")?;
    std::env::split_paths(&folders).map(|folder| folder.join(path)).find(|path| path.is_file())
}

/// Phone number and password, one line each. Short enough for the buffer of a pipe, so that writing
/// it can't block.
fn lines(delivery: &OtpDelivery) -> Zeroizing<String> {
    secret_text(format_args!("{}\n{}\n", delivery.phone, delivery.otp))
}

/// Pause between two looks at a running program.
const POLL: Duration = Duration::from_millis(10);

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::ErrorKind;
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::couriers::example;

    fn script(dir: &Path, body: &str) -> Program {
        let path = dir.join("deliver");
        fs::write(&path, format!("#!/bin/sh\n{body}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o700)).unwrap();
        Program::new(&path, Duration::from_secs(100)).unwrap()
    }

    /// Retries while the script is busy: another test that forks at the wrong moment has inherited
    /// the open file.
    fn run(program: &Program) -> Result<(), ProgramError> {
        loop {
            match program.run(&example()) {
                Err(ProgramError::Run(error)) if error.kind() == ErrorKind::ExecutableFileBusy => {}
                result => return result,
            }
        }
    }

    #[test]
    fn program_reads_two_lines_and_has_no_arguments() {
        let dir = tempfile::tempdir().unwrap();
        let out = dir.path().join("out");
        let program = script(dir.path(), &format!("{{ echo $#; cat; }} > {}", out.display()));
        run(&program).unwrap();
        assert_eq!(fs::read_to_string(out).unwrap(), "0\n+4915112345678\n042137\n");
    }

    #[test]
    fn program_that_fails_or_is_gone_is_reported() {
        let dir = tempfile::tempdir().unwrap();
        let error = run(&script(dir.path(), "exit 3")).unwrap_err();
        assert!(matches!(error, ProgramError::Failed(status) if status.code() == Some(3)));
        let program = script(dir.path(), "exit 0");
        fs::remove_file(&program.path).unwrap();
        let error = run(&program).unwrap_err();
        assert!(matches!(error, ProgramError::Run(_)));
    }

    #[test]
    fn what_cannot_be_run_is_refused_at_the_start() {
        let dir = tempfile::tempdir().unwrap();
        let plain = dir.path().join("plain");
        fs::write(&plain, "#!/bin/sh\n").unwrap();
        let nowhere = PathBuf::from("no-such-program-anywhere");
        for path in [dir.path().to_owned(), dir.path().join("nothing"), plain, nowhere] {
            let error = Program::new(&path, Duration::ZERO).unwrap_err();
            assert!(format!("{error:?}").contains("can't run"), "{error:?}");
        }
        assert_eq!(
            Program::new(Path::new("sh"), Duration::ZERO).unwrap().path.file_name(),
            Some("sh".as_ref())
        );
    }

    /// That the call returns shows that the program is dead: it is waited for.
    #[test]
    fn program_that_hangs_is_killed() {
        let dir = tempfile::tempdir().unwrap();
        let timeout = Duration::from_millis(100);
        let program = Program { timeout, ..script(dir.path(), "exec sleep 1000") };
        let error = run(&program).unwrap_err();
        assert!(matches!(error, ProgramError::TimedOut(_)), "{error}");
    }
}
