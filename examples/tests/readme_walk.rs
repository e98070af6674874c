#![cfg(test)]
//! The commands of the README's walk run in an empty folder, and print what the README shows.

#[path = "support/walk.rs"]
mod walk;

use walk::{Step, is_like, walk};

#[test]
fn walk_of_the_readme_prints_what_it_shows() {
    let steps = Step::all(include_str!("../../README.md"), "<!-- walk -->");
    assert!(steps.len() > 5, "the walk has {} commands", steps.len());
    walk(&steps, "", tempfile::tempdir().unwrap().path());
}

#[test]
fn ellipsis_matches_anything() {
    assert!(is_like("ready on 127.0.0.1:80 now", "ready on …:80 …"));
    assert!(is_like("", "…"));
    assert!(!is_like("ready now", "ready"));
    assert!(!is_like("aXb", "a…ab"));
}
