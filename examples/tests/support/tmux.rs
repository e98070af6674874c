//! Programs in a terminal of tmux.
#![expect(clippy::print_stderr, reason = "says what was not tested")]

use std::process::{self, Command};

use super::until;

/// A terminal of tmux. It ends with the value.
pub(crate) struct Tmux {
    server: String,
}

impl Tmux {
    /// Runs a shell command in a terminal of 80 by 24; `None` where there is no tmux.
    pub(crate) fn run(name: &str, command: &str) -> Option<Self> {
        if Command::new("tmux").arg("-V").output().is_err() {
            eprintln!("SKIPPED: tmux is not installed");
            return None;
        }
        let tmux = Self { server: format!("sealpost-test-{}-{name}", process::id()) };
        tmux.call(&["-f", "/dev/null", "new-session", "-d", "-x", "80", "-y", "24", command]);
        Some(tmux)
    }

    pub(crate) fn keys(&self, keys: &[&str]) {
        self.call(&[&["send-keys"], keys].concat());
    }

    pub(crate) fn text(&self, text: &str) {
        self.call(&["send-keys", "-l", text]);
    }

    pub(crate) fn resize(&self, width: &str, height: &str) {
        self.call(&["resize-window", "-x", width, "-y", height]);
    }

    pub(crate) fn screen(&self) -> String {
        self.call(&["capture-pane", "-p"])
    }

    /// Waits until the screen has a text.
    pub(crate) fn shows(&self, text: &str) -> String {
        let mut screen = String::new();
        until(&format!("the screen shows {text:?}"), || {
            screen = self.screen();
            screen.contains(text)
        });
        screen
    }

    fn call(&self, args: &[&str]) -> String {
        let mut tmux = Command::new("tmux");
        tmux.args(["-L", &self.server]).args(args).env_remove("TMUX").env("LC_ALL", "C.UTF-8");
        let output = tmux.output().unwrap();
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }
}

impl Drop for Tmux {
    fn drop(&mut self) {
        let _ = Command::new("tmux").args(["-L", &self.server, "kill-server"]).output();
    }
}
