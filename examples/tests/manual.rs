#![cfg(test)]
//! Completions and manual pages of both programs.

use std::fs;
use std::path::Path;
use std::process::Command;

const PROGRAMS: [(&str, &str); 2] =
    [("sealpostd", env!("CARGO_BIN_EXE_sealpostd")), ("sealpost", env!("CARGO_BIN_EXE_sealpost"))];

#[test]
fn every_command_has_a_manual_page() {
    for (name, path) in PROGRAMS {
        let folder = tempfile::tempdir().unwrap();
        let pages = folder.path().join("man1");
        stdout(path, &["man-pages", pages.to_str().unwrap()]);
        let mut commands = vec![Vec::new()];
        let mut seen = 0;
        while let Some(words) = commands.pop() {
            seen += 1;
            let page = [&[name.to_owned()], &words[..]].concat().join("-");
            let text = fs::read_to_string(pages.join(format!("{page}.1"))).unwrap_or_default();
            let title = format!(".TH {page} 1");
            assert!(text.contains(&title), "{page}.1 has no line {title}");
            commands.extend(commands_below(path, &words));
        }
        assert!(seen > 5, "{name} has {seen} commands");
        assert_eq!(fs::read_dir(&pages).unwrap().count(), seen);
    }
}

#[test]
fn bash_completes_commands() {
    for (name, path) in PROGRAMS {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join(name);
        fs::write(&file, stdout(path, &["completions", "bash"])).unwrap();
        for (word, command) in [
            ("comp", "completions"),
            if name == "sealpostd" { ("us", "users") } else { ("sen", "send") },
        ] {
            let script = format!(
                "source {}; COMP_WORDS=({name} {word}) COMP_CWORD=1; _{name} {name} {word} {name}; \
                 echo \"${{COMPREPLY[@]}}\"",
                file.display()
            );
            assert_eq!(stdout("bash", &["-euc", &script]).trim(), command);
        }
        let checked = Command::new("bash").arg("-n").arg(&file).status().unwrap();
        assert!(checked.success(), "bash refuses the completions of {name}");
    }
}

#[test]
fn completions_exist_for_other_shells() {
    for (name, path) in PROGRAMS {
        for (shell, start) in [("zsh", "#compdef "), ("fish", "")] {
            let script = stdout(path, &["completions", shell]);
            assert!(script.starts_with(start) && script.contains(name), "{shell}: {script}");
        }
    }
}

/// The commands that the help of a command lists.
fn commands_below(program: &str, words: &[String]) -> Vec<Vec<String>> {
    let mut args: Vec<_> = words.iter().map(String::as_str).collect();
    args.push("-h");
    let help = stdout(program, &args);
    let lines = help.lines().skip_while(|line| !line.starts_with("Commands")).skip(1);
    lines
        .take_while(|line| !line.is_empty())
        .filter_map(|line| line.strip_prefix("  ").filter(|rest| !rest.starts_with(' ')))
        .filter_map(|line| line.split_whitespace().next())
        .map(|command| [words, &[command.to_owned()]].concat())
        .collect()
}

/// What a program prints. A build has no home folder.
fn stdout(program: impl AsRef<Path>, args: &[&str]) -> String {
    let program = program.as_ref();
    let output = Command::new(program)
        .args(args)
        .env_remove("HOME")
        .env_remove("SEALPOST_HOME")
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{} {args:?}: {errors}", program.display());
    String::from_utf8(output.stdout).unwrap()
}
