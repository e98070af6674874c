//! Other programs: the editor, and what opens web addresses.

use std::io;
use std::process::{Command, Stdio};

/// Opens an editor with a text, in a file that only the user can read, and returns the text that is
/// then in it.
pub(super) fn edit(text: &str) -> Result<String, String> {
    let file = tempfile::Builder::new()
        .prefix("sealpost-")
        .suffix(".txt")
        .tempfile()
        .map_err(|error| format!("no file for the editor: {error}"))?;
    std::fs::write(file.path(), text)
        .map_err(|error| format!("no file for the editor: {error}"))?;
    let editor = chosen_editor();
    // The variable may contain arguments, as for other programs.
    let mut words = editor.split_whitespace();
    let program = words.next().unwrap_or(DEFAULT_EDITOR);
    let status = Command::new(program).args(words).arg(file.path()).status();
    match status {
        Ok(status) if status.success() => std::fs::read_to_string(file.path())
            .map_err(|error| format!("the text can't be read back: {error}")),
        Ok(status) => Err(format!("{program} failed ({status}); the text is as it was")),
        Err(error) => Err(format!("{program} can't be run: {error}; set $EDITOR")),
    }
}

/// Opens a web address in the browser of the desktop. Nothing is passed through a shell.
pub(super) fn open_link(link: &str) -> io::Result<()> {
    let program = if cfg!(target_os = "macos") { "open" } else { "xdg-open" };
    let mut command = Command::new(program);
    command.arg(link).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    match command.spawn() {
        Ok(mut child) => {
            std::thread::Builder::new().name("browser".to_owned()).spawn(move || child.wait())?;
            Ok(())
        }
        // A machine without a desktop.
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

fn chosen_editor() -> String {
    let set = |name| std::env::var(name).ok().filter(|value| !value.trim().is_empty());
    set("VISUAL").or_else(|| set("EDITOR")).unwrap_or_else(|| DEFAULT_EDITOR.to_owned())
}

const DEFAULT_EDITOR: &str = "vi";
