//! Tells the programs which commit they were built from, for `--version`.

use std::path::Path;
use std::process::Command;

fn main() {
    // A build for development would otherwise be repeated after each commit.
    let is_release = std::env::var("PROFILE").is_ok_and(|profile| profile == "release");
    let commit = if is_release { commit() } else { Some("development build".into()) };
    let version = env!("CARGO_PKG_VERSION");
    let shown = commit.as_ref().map(|commit| format!("{version} ({commit})"));
    println!("cargo::rustc-env=SEALPOST_VERSION={}", shown.as_deref().unwrap_or(version));
    println!("cargo::rustc-env=SEALPOST_COMMIT={}", commit.as_deref().unwrap_or("unknown"));
    println!("cargo::rerun-if-changed=build.rs");
    if let Some(log) = git(&["rev-parse", "--git-path", "logs/HEAD"]).filter(|_| is_release) {
        println!("cargo::rerun-if-changed={log}");
    }
}

/// The commit, and whether files differ from it. `None` outside our own repository, as in an archive.
fn commit() -> Option<String> {
    let top = git(&["rev-parse", "--show-toplevel"])?;
    if Some(Path::new(&top)) != Path::new(env!("CARGO_MANIFEST_DIR")).parent() {
        return None;
    }
    git(&["describe", "--always", "--abbrev=12", "--exclude=*", "--dirty"])
}

fn git(args: &[&str]) -> Option<String> {
    let output = Command::new("git").args(args).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim().to_owned())
}
