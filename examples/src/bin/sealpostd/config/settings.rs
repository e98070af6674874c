//! The value of every option, and who has set it.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use sealpost_programs::Failure;
use toml::{Table, Value};

use super::options::{Change, Opt, Preset};
use super::table::OPTIONS;

/// The value of every option that has one.
#[derive(Clone, Debug)]
pub(crate) struct Settings(BTreeMap<&'static str, Setting>);

/// The value of one option.
#[derive(Clone, Debug)]
pub(crate) struct Setting {
    option: &'static Opt,
    /// The value, not yet known to be a right one.
    pub(crate) value: Value,
    /// Who has set it.
    pub(crate) origin: Origin,
}

/// Who has set an option.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// Nobody.
    Default,
    /// A line of a file.
    File(PathBuf, usize),
    /// An environment variable.
    Variable(String),
    /// The command line.
    Flag(&'static str),
}

impl Settings {
    /// The defaults.
    pub(crate) fn defaults() -> Result<Self, Failure> {
        let mut settings = Self(BTreeMap::new());
        for option in OPTIONS {
            match option.preset {
                Preset::Value(text) => settings.set(option, literal(text)?, Origin::Default),
                Preset::Unset { .. } => {}
            }
        }
        Ok(settings)
    }

    /// Sets an option, in place of what was set before.
    pub(crate) fn set(&mut self, option: &'static Opt, value: Value, origin: Origin) {
        self.0.insert(option.key, Setting { option, value, origin });
    }

    /// The setting of the option with this key.
    pub(crate) fn of(&self, key: &str) -> Option<&Setting> {
        self.0.get(key)
    }

    /// The first setting that somebody has made of the options whose keys begin so.
    pub(super) fn first_set_in(&self, section: &str) -> Option<&Setting> {
        let mut in_section =
            self.0.values().filter(|setting| setting.option.key.starts_with(section));
        in_section.find(|setting| setting.origin != Origin::Default)
    }

    /// How the operator has named the option with this key: `--otp`, or a line of a file.
    pub(crate) fn name(&self, key: &'static str) -> String {
        self.of(key).map_or_else(|| key.to_owned(), ToString::to_string)
    }

    /// The same settings, without what somebody has set for one option.
    pub(crate) fn without(&self, key: &str) -> Self {
        let mut settings = self.clone();
        if let Some(setting) = settings.0.get_mut(key) {
            setting.origin = Origin::Default;
        }
        settings
    }

    /// All values as one document, with every section.
    pub(super) fn document(&self) -> Table {
        let mut document = Table::new();
        for option in OPTIONS {
            let (section, name) = option.section_and_name();
            let table = if section.is_empty() {
                Some(&mut document)
            } else {
                let empty = || Value::Table(Table::new());
                document.entry(section).or_insert_with(empty).as_table_mut()
            };
            if let (Some(table), Some(setting)) = (table, self.of(option.key)) {
                table.insert(name.into(), setting.value.clone());
            }
        }
        document
    }

    /// What a running server can take over of `new`, and the keys that differ: first those that are
    /// taken over, then those that need a restart.
    pub(crate) fn reloaded(&self, new: &Self) -> (Self, [Vec<&'static str>; 2]) {
        let mut merged = new.clone();
        let (mut applied, mut waiting) = (Vec::new(), Vec::new());
        for option in OPTIONS {
            let value = |settings: &Self| settings.of(option.key).map(|old| old.value.clone());
            if value(self) == value(new) {
                continue;
            }
            match option.change {
                Change::Reload => applied.push(option.key),
                Change::Restart => {
                    waiting.push(option.key);
                    match self.0.get(option.key) {
                        Some(old) => merged.0.insert(option.key, old.clone()),
                        None => merged.0.remove(option.key),
                    };
                }
            }
        }
        (merged, [applied, waiting])
    }
}

impl fmt::Display for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.origin {
            Origin::Default => f.write_str(self.option.key),
            Origin::File(path, line) => {
                write!(f, "{}, line {line}: {}", path.display(), self.option.key)
            }
            Origin::Variable(name) => f.write_str(name),
            Origin::Flag(name) => write!(f, "--{name}"),
        }
    }
}

/// Reads one value in TOML.
pub(super) fn literal(text: &str) -> Result<Value, Failure> {
    let document: Table =
        toml::from_str(&format!("value = {text}")).map_err(Failure::context(text))?;
    document.get("value").cloned().ok_or_else(|| Failure::new(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(changes: &[(&str, &str)]) -> Settings {
        let mut settings = Settings::defaults().unwrap();
        for (key, value) in changes {
            settings.set(Opt::find(key).unwrap(), literal(value).unwrap(), Origin::Default);
        }
        settings
    }

    #[test]
    fn reload_takes_over_what_it_can_and_names_the_rest() {
        let old = with(&[("crypto.workers", "2")]);
        let new = with(&[("listen", "\"127.0.0.1:1\""), ("limits.strangers", "7")]);
        let (merged, [applied, waiting]) = old.reloaded(&new);
        assert_eq!(
            (applied, waiting),
            (vec!["limits.strangers"], vec!["listen", "crypto.workers"])
        );
        let value = |key| merged.of(key).map(|setting| setting.value.to_string());
        assert_eq!(value("limits.strangers").as_deref(), Some("7"));
        assert_eq!(value("listen").as_deref(), Some("[\"127.0.0.1:7465\"]"));
        assert_eq!(value("crypto.workers").as_deref(), Some("2"));
        assert_eq!(old.reloaded(&old).1, [vec![], Vec::<&str>::new()]);
    }
}
