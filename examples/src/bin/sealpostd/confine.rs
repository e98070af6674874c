//! What the server gives up once it has opened everything that it needs.
//!
//! The confinement holds for the calling thread and for the threads that it starts later: those that
//! serve, store and compute. A courier that runs a program or calls a webhook is started before,
//! because a program needs whatever it needs, and a webhook looks up a name and connects. So is the
//! thread that reloads the configuration, which may be anywhere and may start other couriers.

use std::path::{Path, PathBuf};

use sealpost_programs::Failure;

/// What the operating system enforces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Confinement {
    /// No file outside the data folder, no other program, no connection to elsewhere, no new
    /// privileges.
    Whole,
    /// Some of this, because the kernel is older.
    Partial,
    /// Nothing of this.
    Absent,
}

/// Confines the calling thread, and threads that it starts, to the files in `data`, and to reading
/// those in other folders. Files of sockets in a third kind of folders can be removed.
#[cfg(target_os = "linux")]
pub(crate) fn confine(
    data: &Path,
    readable: &[PathBuf],
    sockets: &[PathBuf],
) -> Result<Confinement, Failure> {
    use landlock::{
        ABI, Access, AccessFs, AccessNet, PathBeneath, PathFd, Ruleset, RulesetAttr,
        RulesetCreatedAttr, RulesetStatus,
    };
    // Newer rights are unknown to most kernels, and of no use to a server that has only TCP sockets
    // and the files that it opens itself.
    let all = AccessFs::from_all(ABI::V5);
    let regular_files = AccessFs::ReadFile
        | AccessFs::ReadDir
        | AccessFs::WriteFile
        | AccessFs::MakeReg
        | AccessFs::RemoveFile
        | AccessFs::Truncate;
    let open = |folder: &Path| PathFd::new(folder).map_err(Failure::context(folder.display()));
    let folder = open(data)?;
    let readable: Vec<_> = readable.iter().map(|folder| open(folder)).collect::<Result<_, _>>()?;
    let readable = readable
        .into_iter()
        .map(|folder| Ok(PathBeneath::new(folder, AccessFs::ReadFile | AccessFs::ReadDir)));
    let sockets: Vec<_> = sockets.iter().map(|folder| open(folder)).collect::<Result<_, _>>()?;
    let sockets =
        sockets.into_iter().map(|folder| Ok(PathBeneath::new(folder, AccessFs::RemoveFile)));
    let status = Ruleset::default()
        .handle_access(all)
        .and_then(|ruleset| ruleset.handle_access(AccessNet::ConnectTcp))
        .and_then(Ruleset::create)
        .and_then(|ruleset| ruleset.add_rule(PathBeneath::new(folder, regular_files)))
        .and_then(|ruleset| ruleset.add_rules(readable))
        .and_then(|ruleset| ruleset.add_rules(sockets))
        .and_then(landlock::RulesetCreated::restrict_self)
        .map_err(Failure::context("can't confine the server with Landlock"))?;
    Ok(match status.ruleset {
        RulesetStatus::FullyEnforced if status.no_new_privs => Confinement::Whole,
        RulesetStatus::FullyEnforced | RulesetStatus::PartiallyEnforced => Confinement::Partial,
        RulesetStatus::NotEnforced => Confinement::Absent,
    })
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn confine(_: &Path, _: &[PathBuf], _: &[PathBuf]) -> Result<Confinement, Failure> {
    Ok(Confinement::Absent)
}

impl Confinement {
    /// Logs what is enforced.
    pub(crate) fn log(self) {
        match self {
            Self::Whole => tracing::info!(
                "confined: no files outside the data folder but certificates, no programs, no connections out"
            ),
            Self::Partial => tracing::warn!(
                "confined in part: this kernel does not enforce all rules of Landlock ABI 5"
            ),
            Self::Absent => tracing::warn!(
                "not confined: this system has no Landlock, which would keep a broken server away \
                 from other files"
            ),
        }
    }
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use std::fs;
    use std::io::{self, ErrorKind};
    use std::net::{SocketAddr, TcpListener, TcpStream};
    use std::process::Command;
    use std::thread;

    use super::*;

    /// Tries one thing of each kind. The folder `inside` is the data folder.
    fn try_everything(inside: &Path, outside: &Path, peer: SocketAddr) -> [io::Result<()>; 7] {
        [
            fs::write(inside.join("new"), "x"),
            fs::rename(inside.join("new"), inside.join("renamed")),
            fs::read(inside.join("renamed")).map(|_| ()),
            fs::write(outside.join("new"), "x"),
            fs::read(outside.join("old")).map(|_| ()),
            Command::new("/bin/true").status().map(|_| ()),
            TcpStream::connect(peer).map(|_| ()),
        ]
    }

    #[test]
    fn confined_thread_reaches_its_folder_only() {
        let (inside, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        fs::write(outside.path().join("old"), "x").unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let peer = listener.local_addr().unwrap();
        let allowed = |results: [io::Result<()>; 7]| {
            results.map(|result| match result {
                Ok(()) => true,
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{error}");
                    false
                }
            })
        };
        assert_eq!(allowed(try_everything(inside.path(), outside.path(), peer)), [true; 7]);
        let (confinement, confined) = thread::scope(|scope| {
            let confined = scope.spawn(|| {
                let confinement = confine(inside.path(), &[], &[]).unwrap();
                // Threads that are started later are confined too.
                let later = thread::scope(|scope| {
                    scope
                        .spawn(|| try_everything(inside.path(), outside.path(), peer))
                        .join()
                        .unwrap()
                });
                (confinement, later)
            });
            confined.join().unwrap()
        });
        let confined = allowed(confined);
        match confinement {
            Confinement::Whole => {
                assert_eq!(confined, [true, true, true, false, false, false, false]);
            }
            // An older kernel, on which connections may be free.
            Confinement::Partial => {
                assert_eq!(confined[..6], [true, true, true, false, false, false]);
            }
            Confinement::Absent => assert_eq!(confined, [true; 7]),
        }
    }
}
