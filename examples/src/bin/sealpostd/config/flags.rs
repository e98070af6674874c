//! The options that are on the command line, too.

use std::collections::BTreeMap;

use clap::builder::PossibleValuesParser;
use clap::{Arg, ArgAction, ArgMatches, Command, FromArgMatches};
use toml::Value;

use super::layers::unquoted;
use super::options::{Kind, Opt, Preset};
use super::settings::Origin;
use super::table::OPTIONS;

/// What the command line has set, by key.
#[derive(Clone, Debug, Default)]
pub(crate) struct Flags(BTreeMap<&'static str, String>);

impl Flags {
    /// The options that were given.
    pub(super) fn settings(&self) -> impl Iterator<Item = (&'static Opt, Value, Origin)> {
        OPTIONS.iter().filter_map(|option| {
            let (text, flag) = (self.0.get(option.key)?, option.flag?);
            Some((option, unquoted(option, text), Origin::Flag(flag)))
        })
    }

    /// Flags with these values, by key.
    #[cfg(test)]
    pub(super) fn of(values: &[(&'static str, &str)]) -> Self {
        Self(values.iter().map(|(key, text)| (*key, (*text).to_owned())).collect())
    }
}

impl clap::Args for Flags {
    fn augment_args(command: Command) -> Command {
        command.args(OPTIONS.iter().filter_map(|option| Some(arg(option, option.flag?))))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for Flags {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let mut flags = Self::default();
        flags.update_from_arg_matches(matches)?;
        Ok(flags)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        let on_command_line = OPTIONS.iter().filter(|option| option.flag.is_some());
        self.0 = on_command_line
            .filter_map(|option| {
                let text = match option.kind {
                    Kind::List => {
                        let each = matches.get_many::<String>(option.key);
                        each.map(|each| each.cloned().collect::<Vec<_>>().join(","))
                    }
                    Kind::Switch => matches.get_flag(option.key).then(|| "true".to_owned()),
                    Kind::Text
                    | Kind::Path
                    | Kind::Address
                    | Kind::Choice(_)
                    | Kind::Count
                    | Kind::Size
                    | Kind::Time
                    | Kind::Rate => matches.get_one::<String>(option.key).cloned(),
                };
                Some((option.key, text?))
            })
            .collect();
        Ok(())
    }
}

fn arg(option: &'static Opt, flag: &'static str) -> Arg {
    let arg = Arg::new(option.key).long(flag).help(help(option)).global(option.key == "data");
    let bounds = ["limits.", "storage."].iter().any(|section| option.key.starts_with(section));
    if option.kind == Kind::Switch {
        return arg.action(ArgAction::SetTrue);
    }
    let arg = arg.value_name(option.kind.placeholder());
    let arg = if bounds {
        arg.help_heading("Memory and disk (sizes end in KiB, MiB or GiB)")
    } else {
        arg
    };
    if option.kind == Kind::List {
        return arg.action(ArgAction::Append);
    }
    if let Kind::Choice(words) = option.kind {
        return arg.value_parser(PossibleValuesParser::new(words));
    }
    arg
}

fn help(option: &Opt) -> String {
    match (option.kind, option.preset) {
        (Kind::Switch, _) | (_, Preset::Unset { .. }) => option.doc.to_owned(),
        (_, Preset::Value(text)) => {
            let only = text.strip_prefix("[\"").and_then(|text| text.strip_suffix("\"]"));
            format!("{} [default: {}]", option.doc, only.unwrap_or(text.trim_matches('"')))
        }
    }
}
