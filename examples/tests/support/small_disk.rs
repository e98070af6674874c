//! A data folder whose disk can be full.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use rustix::process::{Resource, Rlimit, prlimit};

use super::{Bed, Daemon, end_child};

/// Where the server of a bed keeps its data.
pub(crate) enum SmallDisk {
    /// A file system in memory, which only processes in the holder's namespace
    /// see. Needs no privileges, but a system that gives namespaces to users.
    OwnFileSystem { holder: Child, ballast: PathBuf },
    /// A limit on the size of the server's files, with the signal that tells of it ignored.
    FileSizes { limit: PathBuf },
}

impl SmallDisk {
    /// Puts `data` of a bed on a file system of its own. `None` if the system does not allow it.
    pub(crate) fn own_file_system(bed: &mut Bed) -> Option<Self> {
        let data = bed.path("data");
        fs::create_dir(&data).unwrap();
        let mount =
            format!("mount -t tmpfs -o size={SIZE},mode=700 tmpfs \"$0\" && echo && exec cat");
        let mut holder = Command::new("unshare")
            .args(["--user", "--map-root-user", "--mount", "sh", "-c", &mount])
            .arg(&data)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .ok()?;
        let mut mounted = String::new();
        BufReader::new(holder.stdout.as_mut().unwrap()).read_line(&mut mounted).unwrap();
        if mounted.is_empty() {
            end_child(&mut holder);
            return None;
        }
        let pid = holder.id();
        let enter = ["nsenter", "--user", "--mount", "--preserve-credentials", "--target"];
        bed.wrapper = enter.map(String::from).into_iter().chain([pid.to_string()]).collect();
        let ballast = PathBuf::from(format!("/proc/{pid}/root{}/ballast", data.display()));
        Some(Self::OwnFileSystem { holder, ballast })
    }

    /// Has the sizes of the server's files limited.
    pub(crate) fn file_sizes(bed: &mut Bed) -> Self {
        let limit = bed.path("limit");
        fs::write(&limit, "unlimited").unwrap();
        let script =
            format!("trap '' XFSZ; ulimit -S -f \"$(cat {})\"; exec \"$@\"", limit.display());
        bed.wrapper = ["sh", "-c", &script, "sh"].map(String::from).into();
        Self::FileSizes { limit }
    }

    /// Takes all room away, from a server that runs and from those that are started.
    pub(crate) fn fill(&self, bed: &Bed, server: &Daemon) {
        match self {
            Self::OwnFileSystem { ballast, .. } => {
                let mut ballast = File::create(ballast).unwrap();
                for len in [SIZE, 1] {
                    // In the end there is no room for a byte.
                    while ballast.write(&vec![1; len]).is_ok() {}
                }
            }
            Self::FileSizes { limit } => {
                fs::write(limit, "0").unwrap();
                let log = bed.path("data/sealpost.db-wal").metadata().unwrap().len();
                limit_files(server, Some(log));
            }
        }
    }

    /// Gives it back. `server` is one that was running when it was taken.
    pub(crate) fn make_room(&self, server: Option<&Daemon>) {
        match self {
            Self::OwnFileSystem { ballast, .. } => fs::remove_file(ballast).unwrap(),
            Self::FileSizes { limit } => {
                fs::write(limit, "unlimited").unwrap();
                if let Some(server) = server {
                    limit_files(server, None);
                }
            }
        }
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        match self {
            Self::OwnFileSystem { holder, .. } => end_child(holder),
            Self::FileSizes { .. } => {}
        }
    }
}

fn limit_files(server: &Daemon, current: Option<u64>) {
    let limit = Rlimit { current, maximum: None };
    prlimit(Some(server.pid()), Resource::Fsize, limit).unwrap();
}

/// Room for a log at its longest, 16 MiB, and a database beside it.
const SIZE: usize = 64 << 20;
