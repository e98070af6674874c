//! What an option of the server is: its key, its default, and how people name it.

use super::table::OPTIONS;

/// An option of the server. [`OPTIONS`] lists them all.
#[derive(Debug)]
pub(crate) struct Opt {
    /// Name in the configuration file, with its section: `limits.connections`.
    pub(crate) key: &'static str,
    /// Name on the command line, without its dashes, if it has one.
    pub(crate) flag: Option<&'static str>,
    /// What is written as its value.
    pub(crate) kind: Kind,
    /// Value of an option that nobody sets.
    pub(crate) preset: Preset,
    /// What it takes to change it in a running server.
    pub(crate) change: Change,
    /// What it does, without a full stop at the end.
    pub(crate) doc: &'static str,
}

/// What is written as a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Free text.
    Text,
    /// A path.
    Path,
    /// A host, and perhaps a port.
    Address,
    /// Any number of texts. On the command line and in the environment, commas separate them.
    List,
    /// One of these words.
    Choice(&'static [&'static str]),
    /// `true` or `false`.
    Switch,
    /// A number of things.
    Count,
    /// Bytes.
    Size,
    /// A duration.
    Time,
    /// A burst, and a rate after it.
    Rate,
}

/// Value of an option that nobody sets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Preset {
    /// A value, in TOML.
    Value(&'static str),
    /// None. This is what a value may look like, in TOML.
    Unset {
        /// A possible value.
        example: &'static str,
    },
}

/// What it takes to change an option in a running server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// SIGHUP.
    Reload,
    /// A restart.
    Restart,
}

impl Opt {
    /// An option without a name on the command line.
    pub(super) const fn new(
        key: &'static str,
        kind: Kind,
        default: &'static str,
        change: Change,
        doc: &'static str,
    ) -> Self {
        Self { key, flag: None, kind, preset: Preset::Value(default), change, doc }
    }

    /// The same option, also on the command line.
    pub(super) const fn flag(self, flag: &'static str) -> Self {
        Self { flag: Some(flag), ..self }
    }

    /// The same option, without a default. Its `default` becomes an example.
    pub(super) const fn unset(self) -> Self {
        let preset = match self.preset {
            Preset::Value(example) | Preset::Unset { example } => Preset::Unset { example },
        };
        Self { preset, ..self }
    }

    /// The option with this key.
    pub(crate) fn find(key: &str) -> Option<&'static Self> {
        OPTIONS.iter().find(|option| option.key == key)
    }

    /// Section of the file, empty for the keys before the first section, and the name in it.
    pub(crate) fn section_and_name(&self) -> (&'static str, &'static str) {
        self.key.split_once('.').unwrap_or(("", self.key))
    }

    /// Name of its environment variable: `SEALPOST_LIMITS_CONNECTIONS`.
    pub(crate) fn variable(&self) -> String {
        format!("{PREFIX}{}", self.key.replace('.', "_").to_uppercase())
    }
}

impl Kind {
    /// What to write, for people.
    pub(crate) fn explanation(self) -> String {
        match self {
            Self::Text => "Text".into(),
            Self::Path => "Path of a file or folder".into(),
            Self::Address => "Host name or IP address, perhaps with a port".into(),
            Self::List => "List of texts".into(),
            Self::Choice(words) => format!("One of {}", words.join(", ")),
            Self::Switch => "true or false".into(),
            Self::Count => "Number".into(),
            Self::Size => "Bytes, or a size in KiB, MiB or GiB".into(),
            Self::Time => "Time in s, m, h or d".into(),
            Self::Rate => {
                "Rate: as many at once, then so many each s, min, h or day; so many /day; or \
                 unlimited"
                    .into()
            }
        }
    }

    /// Name of the value in the help of the command line.
    pub(crate) const fn placeholder(self) -> &'static str {
        match self {
            Self::Text => "TEXT",
            Self::Path => "PATH",
            Self::Address => "HOST[:PORT]",
            Self::List => "TEXT,…",
            Self::Choice(_) => "NAME",
            Self::Switch => "BOOL",
            Self::Count => "N",
            Self::Size => "SIZE",
            Self::Time => "TIME",
            Self::Rate => "RATE",
        }
    }
}

/// The name that is most like a wrong one, if any is.
pub(crate) fn suggest<'a>(
    wrong: &str,
    names: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    let rated = names.into_iter().map(|name| (strsim::jaro_winkler(wrong, name), name));
    let best = rated.max_by(|one, other| one.0.total_cmp(&other.0));
    best.filter(|(likeness, _)| *likeness > ALIKE).map(|(_, name)| name)
}

/// What the names of environment variables begin with.
pub(crate) const PREFIX: &str = "SEALPOST_";

/// Likeness of two names, from 0 to 1, above which one may be meant by the other.
const ALIKE: f64 = 0.8;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn likely_name_is_suggested_and_others_are_not() {
        let names = ["limits.connections", "limits.strangers", "otp.route"];
        assert_eq!(suggest("limits.conections", names), Some("limits.connections"));
        assert_eq!(suggest("connections", names), None);
        assert_eq!(suggest("opt.route", names), Some("otp.route"));
        assert_eq!(suggest("", names), None);
    }

    #[test]
    fn keys_flags_and_variables_are_unique_and_sections_stay_together() {
        let mut keys: Vec<_> = OPTIONS.iter().map(|option| option.key).collect();
        let mut variables: Vec<_> = OPTIONS.iter().map(Opt::variable).collect();
        let mut flags: Vec<_> = OPTIONS.iter().filter_map(|option| option.flag).collect();
        let mut sections: Vec<_> =
            OPTIONS.iter().map(|option| option.section_and_name().0).collect();
        sections.dedup();
        let counts = [keys.len(), variables.len(), flags.len(), sections.len()];
        keys.sort_unstable();
        keys.dedup();
        variables.sort_unstable();
        variables.dedup();
        flags.sort_unstable();
        flags.dedup();
        assert_eq!(sections.first(), Some(&""));
        sections.sort_unstable();
        sections.dedup();
        assert_eq!([keys.len(), variables.len(), flags.len(), sections.len()], counts);
    }
}
