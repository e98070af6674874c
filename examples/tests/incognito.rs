#![cfg(test)]
//! `sealpost chat --incognito`, which leaves nothing behind.

mod support;

use std::fs;
use std::path::{Path, PathBuf};

use support::tmux::Tmux;
use support::{ALICE, BOB, Daemon, ProgramBed, until};

const SEALPOST: &str = env!("CARGO_BIN_EXE_sealpost");

/// A terminal whose program finds only this folder: as its home, for temporary files, and as the one
/// that it works in.
struct Incognito {
    terminal: Tmux,
    folder: PathBuf,
    process: PathBuf,
}

impl Incognito {
    fn start(bed: &ProgramBed, server: &Daemon, name: &str, options: &str) -> Option<Self> {
        let (folder, process) = (bed.path(name), bed.path(&format!("{name}.pid")));
        fs::create_dir(&folder).unwrap();
        let (place, id) = (folder.display(), process.display());
        let command = format!(
            "cd {place}; export HOME={place} TMPDIR={place} XDG_RUNTIME_DIR={place}; \
             unset SEALPOST_HOME; sh -c 'echo $$ > {id}; exec {SEALPOST} chat --utc --incognito \
             {options}'; echo status $?; exec cat"
        );
        let terminal = Tmux::run(name, &command)?;
        terminal.shows("in memory only, gone when you quit");
        terminal.shows("Address or link:");
        terminal.text(&server.address);
        terminal.keys(&["Enter"]);
        terminal.shows("Your phone number");
        terminal.text(ALICE);
        terminal.keys(&["Enter"]);
        terminal.shows("incognito · connected");
        let process = Path::new("/proc").join(fs::read_to_string(process).unwrap().trim());
        Some(Self { terminal, folder, process })
    }

    /// Paths of the files that the process has open for writing.
    fn open_files(&self) -> Vec<PathBuf> {
        let open = fs::read_dir(self.process.join("fd")).unwrap();
        open.filter_map(|fd| fs::read_link(fd.unwrap().path()).ok())
            .filter(|path| path.is_absolute() && !path.starts_with("/dev"))
            .collect()
    }

    fn quit(&self) {
        self.terminal.keys(&["C-q"]);
        self.terminal.shows("Quit?");
        self.terminal.text("y");
        self.terminal.shows("status 0");
    }
}

fn is_empty(folder: &Path) -> bool {
    fs::read_dir(folder).unwrap().next().is_none()
}

#[test]
fn conversation_leaves_no_file() {
    let bed = ProgramBed::new();
    let server = bed.serve(&[]);
    bed.register(&server, "bob", BOB);
    let Some(alice) = Incognito::start(&bed, &server, "talks", "") else { return };
    let terminal = &alice.terminal;

    // They talk.
    let sent = bed.sealpost("bob", &["send", ALICE, "Is anybody there?", "--wait", "delivered"]);
    assert_eq!(sent.sent(), "delivered");
    terminal.shows("│ Is anybody there?");
    terminal.text("Nobody");
    terminal.keys(&["Enter"]);
    assert!(bed.sealpost("bob", &["listen", "--count", "1"]).succeeded().contains("Nobody"));
    terminal.shows("✓✓");

    // A file is not kept, and an editor would write one.
    fs::write(bed.path("map.txt"), "here").unwrap();
    let map = bed.path("map.txt");
    bed.sealpost("bob", &["send", ALICE, "--file", map.to_str().unwrap(), "--wait", "stored"])
        .succeeded();
    terminal.shows("map.txt");
    terminal.keys(&["M-Up"]);
    terminal.text("y");
    terminal.shows("No folder for files: start with");
    terminal.keys(&["Escape"]);
    until("nothing is selected", || !terminal.screen().contains("No folder for files: start with"));
    terminal.text("half a thou");
    terminal.keys(&["M-e"]);
    terminal.shows("an editor would write");

    assert_eq!(alice.open_files(), Vec::<PathBuf>::new());
    assert!(is_empty(&alice.folder));
    terminal.keys(&["C-q"]);
    terminal.shows("Quit?");
    terminal.text("n");
    until("it goes on", || !terminal.screen().contains("Quit?"));
    alice.quit();
    assert!(is_empty(&alice.folder));
}

#[test]
fn files_are_kept_in_a_folder_that_was_named() {
    let bed = ProgramBed::new();
    let server = bed.serve(&[]);
    bed.register(&server, "bob", BOB);
    let kept = bed.path("kept");
    let options = format!("--files {}", kept.display());
    let Some(alice) = Incognito::start(&bed, &server, "receives", &options) else { return };
    fs::write(bed.path("map.txt"), "here").unwrap();
    let map = bed.path("map.txt");
    let send = bed.start("bob", &["send", ALICE, "--file", map.to_str().unwrap()]);
    alice.terminal.shows("map.txt");
    alice.terminal.keys(&["M-Up"]);
    alice.terminal.text("y");
    until("the file is there", || fs::read(kept.join("map.txt")).is_ok_and(|file| file == b"here"));
    drop(send);
    alice.quit();
    assert!(is_empty(&alice.folder));
}
