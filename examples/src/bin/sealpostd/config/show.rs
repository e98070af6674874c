//! The commented file: every option, with what it does, its default, and how to change it.

use std::fmt::{self, Write};

use super::options::{Change, Opt, Preset};
use super::settings::{Origin, Settings};
use super::table::OPTIONS;

/// Writes a configuration file. What somebody has set is set in it; the other lines are comments.
pub(crate) fn show(settings: &Settings) -> String {
    let mut file = String::new();
    // Writing to a string can't fail.
    let _ = write(&mut file, settings);
    file
}

fn write(file: &mut String, settings: &Settings) -> fmt::Result {
    file.push_str(HEAD);
    let mut section = "";
    for option in OPTIONS {
        let (its_section, name) = option.section_and_name();
        if its_section != section {
            section = its_section;
            write!(file, "\n[{section}]\n")?;
        }
        writeln!(file)?;
        comment(file, &format!("{}.", option.doc))?;
        comment(file, &properties(option))?;
        let set = settings.of(option.key).filter(|setting| setting.origin != Origin::Default);
        match (set, option.preset) {
            (Some(setting), _) => writeln!(file, "{name} = {}", setting.value)?,
            (None, Preset::Value(text)) => writeln!(file, "#{name} = {text}")?,
            (None, Preset::Unset { example }) => {
                writeln!(file, "# Not set. For example:\n# {name} = {example}")?;
            }
        }
    }
    Ok(())
}

/// What to write, the default if it is not shown, the other names, and how a change is applied.
fn properties(option: &Opt) -> String {
    let flag = option.flag.map(|flag| format!(" --{flag},")).unwrap_or_default();
    let change = match option.change {
        Change::Reload => "a reload applies it",
        Change::Restart => "a change needs a restart",
    };
    let default = match option.preset {
        Preset::Value(text) => format!(" Default: {text}."),
        Preset::Unset { .. } => String::new(),
    };
    let explanation = option.kind.explanation();
    format!("{explanation}.{default} Also{flag} {}; {change}.", option.variable())
}

/// Writes a text as comment lines.
fn comment(file: &mut String, text: &str) -> fmt::Result {
    let mut line = String::from("#");
    for word in text.split(' ') {
        if line.len() + word.len() >= WIDTH && line.len() > 1 {
            writeln!(file, "{line}")?;
            line.truncate(1);
        }
        line.push(' ');
        line.push_str(word);
    }
    writeln!(file, "{line}")
}

const HEAD: &str = "\
# Configuration of sealpostd.
#
# A line `#key = value` shows a default: to change it, remove the `#`. The environment goes before
# this file, and the command line before both. `sealpostd config check` checks all of them.
# SIGHUP reloads this file.
";

/// Longest line in bytes.
const WIDTH: usize = 100;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::settings::literal;
    use toml::Table;

    #[test]
    fn file_without_its_comments_is_the_defaults() {
        let defaults = Settings::defaults().unwrap();
        let shown = show(&defaults);
        assert!(shown.lines().all(|line| line.len() <= WIDTH));
        let is_commented = |line: &&str| {
            line.starts_with('[')
                || (line.starts_with('#') && !line.starts_with("# ") && *line != "#")
        };
        let lines = shown.lines().filter(is_commented);
        let uncommented: Vec<_> = lines.map(|line| line.trim_start_matches('#')).collect();
        assert_eq!(uncommented.join("\n").parse::<Table>().unwrap(), defaults.document());
        assert_eq!(shown.parse::<Table>().unwrap().values().find(|v| !v.is_table()), None);
    }

    #[test]
    fn what_is_set_is_not_a_comment() {
        let mut settings = Settings::defaults().unwrap();
        let option = Opt::find("limits.strangers").unwrap();
        settings.set(option, literal("7").unwrap(), Origin::Variable("X".into()));
        let table: Table = show(&settings).parse().unwrap();
        assert_eq!(table["limits"]["strangers"].as_integer(), Some(7));
    }
}
