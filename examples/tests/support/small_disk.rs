//! A data folder on a disk that can be filled.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use rustix::process::{Resource, Rlimit, prlimit};

use super::{Daemon, ProgramBed, end_child};

/// The disk on which the server of a bed keeps its data.
pub(crate) enum SmallDisk {
    /// A file system in memory, visible only to processes in the holder's namespace. It needs no
    /// privileges, but a system that allows users to create namespaces.
    OwnFileSystem { holder: Child, ballast: PathBuf },
    /// A limit on the size of the server's files. SIGXFSZ is ignored, so that writing beyond the
    /// limit fails instead of ending the server.
    FileSizes { limit: PathBuf },
}

impl SmallDisk {
    /// Puts a bed's `data` folder on its own file system. Returns `None` if the system does not
    /// allow that.
    pub(crate) fn own_file_system(bed: &mut ProgramBed) -> Option<Self> {
        let (disk, wrapper) = Self::at(bed, "data")?;
        bed.wrapper = wrapper;
        Some(disk)
    }

    /// Puts a folder on its own file system. Returns the command, too, under which programs see it.
    pub(crate) fn at(bed: &ProgramBed, name: &str) -> Option<(Self, Vec<String>)> {
        let data = bed.path(name);
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
        let wrapper = enter.map(String::from).into_iter().chain([pid.to_string()]).collect();
        let ballast = PathBuf::from(format!("/proc/{pid}/root{}/ballast", data.display()));
        Some((Self::OwnFileSystem { holder, ballast }, wrapper))
    }

    /// Limits the sizes of the server's files.
    pub(crate) fn file_sizes(bed: &mut ProgramBed) -> Self {
        let limit = bed.path("limit");
        fs::write(&limit, "unlimited").unwrap();
        let script =
            format!("trap '' XFSZ; ulimit -S -f \"$(cat {})\"; exec \"$@\"", limit.display());
        bed.wrapper = ["sh", "-c", &script, "sh"].map(String::from).into();
        Self::FileSizes { limit }
    }

    /// Leaves no room to a running server, or to servers that are started later.
    pub(crate) fn fill(&self, bed: &ProgramBed, server: &Daemon) {
        match self {
            Self::OwnFileSystem { .. } => self.fill_up(),
            Self::FileSizes { limit } => {
                fs::write(limit, "0").unwrap();
                let log = bed.path("data/sealpost.db-wal").metadata().unwrap().len();
                limit_files(server, Some(log));
            }
        }
    }

    /// Leaves no room to anything on a file system of its own.
    pub(crate) fn fill_up(&self) {
        let Self::OwnFileSystem { ballast, .. } = self else { panic!("not a file system") };
        let mut ballast = File::create(ballast).unwrap();
        for len in [SIZE, 1] {
            // Single bytes at the end, until there is no room for one more.
            while ballast.write(&vec![1; len]).is_ok() {}
        }
    }

    /// Mounts a file system of its own for reading only. `enter` is the command under which programs see
    /// it.
    pub(crate) fn make_read_only(&self, enter: &[&str]) {
        let Self::OwnFileSystem { ballast, .. } = self else { panic!("not a file system") };
        let inside = ballast.parent().unwrap().components().skip(4).collect::<PathBuf>();
        let [program, args @ ..] = enter else { panic!("no command") };
        let mut command = Command::new(program);
        command.args(args).args(["mount", "-o", "remount,ro"]).arg(PathBuf::from("/").join(inside));
        assert!(command.status().unwrap().success());
    }

    /// Whether a file or folder is on a file system of its own.
    pub(crate) fn holds(&self, name: &str) -> bool {
        self.path(name).exists()
    }

    /// The path of something on a file system of its own, for other processes.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        let Self::OwnFileSystem { ballast, .. } = self else { panic!("not a file system") };
        ballast.with_file_name(name)
    }

    /// Makes room again. `server` is a server that was running when the disk was filled.
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

/// Enough for the write-ahead log at its largest, 16 MiB, a database, and the space that a server
/// keeps, 32 MiB, beside as large a reserve.
const SIZE: usize = 96 << 20;
