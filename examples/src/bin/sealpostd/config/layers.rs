//! Where settings come from: the file, then the environment, then the command line. Each one
//! replaces what those before it have set.

use std::path::{Path, PathBuf};

use sealpost_programs::Failure;
use toml::Value;

use super::file;
use super::flags::Flags;
use super::options::{Kind, Opt, PREFIX, suggest};
use super::settings::{Origin, Settings, literal};
use super::table::OPTIONS;

/// Everything that settings come from. It is kept, so that they can be read again.
#[derive(Clone, Debug)]
pub(crate) struct Layers {
    file: Option<PathBuf>,
    environment: Vec<(String, String)>,
    flags: Flags,
}

impl Layers {
    /// The command line, and the environment of this process.
    pub(crate) fn new(file: Option<PathBuf>, flags: Flags) -> Result<Self, Failure> {
        Ok(Self::with(file, own_environment()?, flags))
    }

    /// A file alone.
    #[cfg(test)]
    pub(crate) fn of_file(file: &Path) -> Self {
        Self::with(Some(file.into()), Vec::new(), Flags::default())
    }

    fn with(file: Option<PathBuf>, mut environment: Vec<(String, String)>, flags: Flags) -> Self {
        let named = environment.extract_if(.., |(name, _)| name == FILE).next();
        environment.retain(|(name, _)| !OF_OTHERS.contains(&name.as_str()));
        // The short name first, so that the long one, which says what it is, goes before it.
        environment.sort_by_key(|(name, _)| name != LOG);
        let file = file.or_else(|| named.map(|(_, path)| path.into()));
        Self { file, environment, flags }
    }

    /// Reads all settings. Whether their values are right is found out later.
    pub(crate) fn settings(&self) -> Result<Settings, Failure> {
        let mut above = Vec::new();
        for (name, text) in &self.environment {
            above.push(from_variable(name, text)?);
        }
        above.extend(self.flags.settings());
        let mut settings = Settings::defaults()?;
        let apply = |settings: &mut Settings| {
            for (option, value, origin) in above.clone() {
                settings.set(option, value, origin);
            }
        };
        if let Some(path) = &self.file {
            file::read(path, &mut settings)?;
        } else {
            apply(&mut settings);
            self.read_file_of(&data(&settings)?, &mut settings)?;
        }
        apply(&mut settings);
        Ok(settings)
    }

    /// Reads all settings, with another store.
    #[cfg(feature = "jetstream")]
    pub(crate) fn settings_with_store(&self, address: &str) -> Result<Settings, Failure> {
        let mut settings = self.settings()?;
        if let Some(option) = Opt::find("store") {
            settings.set(option, address.into(), Origin::Flag("to"));
        }
        Ok(settings)
    }

    /// The data folder. Other settings may be wrong: a command finds its server in spite of them.
    pub(crate) fn data(&self) -> Result<PathBuf, Failure> {
        let mut settings = Settings::defaults()?;
        if let Some(path) = &self.file {
            file::read_data(path, &mut settings)?;
        }
        if let Some(option) = Opt::find("data") {
            let given = self.environment.iter().find(|(name, _)| *name == option.variable());
            if let Some((name, text)) = given {
                settings.set(option, text.as_str().into(), Origin::Variable(name.clone()));
            }
        }
        for (option, value, origin) in self.flags.settings() {
            if option.key == "data" {
                settings.set(option, value, origin);
            }
        }
        data(&settings)
    }

    /// The file that settings are read from, if there is one, once the data folder is known.
    pub(crate) fn file(&self, data: &Path) -> Option<PathBuf> {
        let own = || Some(data.join(file::NAME)).filter(|path| path.exists());
        self.file.clone().or_else(own)
    }

    /// Reads the file in the data folder, if there is one. It can't say where the folder is.
    fn read_file_of(&self, data: &Path, settings: &mut Settings) -> Result<(), Failure> {
        let Some(path) = self.file(data) else { return Ok(()) };
        let before = settings.of("data").cloned();
        file::read(&path, settings)?;
        match settings.of("data") {
            Some(setting) if before.is_none_or(|before| before.origin != setting.origin) => {
                Err(Failure::usage(format_args!(
                    "{setting} can't be set in the data folder itself: pass --data, or move the \
                     file elsewhere and pass it with --config"
                )))
            }
            Some(_) | None => Ok(()),
        }
    }
}

fn data(settings: &Settings) -> Result<PathBuf, Failure> {
    let setting = settings.of("data");
    let path = setting.and_then(|setting| setting.value.as_str()).map(PathBuf::from);
    path.ok_or_else(|| {
        Failure::usage(format_args!("{}: write the path of a folder", settings.name("data")))
    })
}

/// The value in TOML of what is written without quotes, in a variable or on the command line.
pub(super) fn unquoted(option: &Opt, text: &str) -> Value {
    match option.kind {
        // What is no number is refused later, with all other wrong values.
        Kind::Switch | Kind::Count => literal(text).unwrap_or_else(|_| text.into()),
        Kind::List => {
            let each = text.split(',').map(str::trim).filter(|each| !each.is_empty());
            each.map(Value::from).collect::<Vec<_>>().into()
        }
        Kind::Text
        | Kind::Path
        | Kind::Address
        | Kind::Choice(_)
        | Kind::Size
        | Kind::Time
        | Kind::Rate => text.into(),
    }
}

fn from_variable(name: &str, text: &str) -> Result<(&'static Opt, Value, Origin), Failure> {
    let option = OPTIONS
        .iter()
        .find(|option| option.variable() == name || (name == LOG && option.key == "log.level"));
    let Some(option) = option else { return Err(unknown_variable(name)) };
    Ok((option, unquoted(option, text), Origin::Variable(name.into())))
}

fn unknown_variable(name: &str) -> Failure {
    let names: Vec<_> = OPTIONS.iter().map(Opt::variable).collect();
    let names = names.iter().map(String::as_str).chain([LOG, FILE]);
    let hint = suggest(name, names).map(|name| format!("; did you mean {name}?"));
    Failure::usage(format_args!(
        "the environment variable {name} names no option{}",
        hint.unwrap_or_else(|| ": sealpostd config lists all".into())
    ))
}

/// The environment variables for this program.
fn own_environment() -> Result<Vec<(String, String)>, Failure> {
    let ours = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value)))
        .filter(|(name, _)| name.starts_with(PREFIX));
    ours.map(|(name, value)| match value.into_string() {
        Ok(value) => Ok((name, value)),
        Err(_) => {
            Err(Failure::usage(format_args!("the environment variable {name} is not valid UTF-8")))
        }
    })
    .collect()
}

/// Names the configuration file.
const FILE: &str = "SEALPOST_CONFIG";
/// Another name of `SEALPOST_LOG_LEVEL`, which the client has as well.
const LOG: &str = "SEALPOST_LOG";
/// Variables of the client, which somebody may have set for all programs.
const OF_OTHERS: [&str; 1] = ["SEALPOST_HOME"];

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn layers(file: Option<&Path>, environment: &[(&str, &str)], flags: Flags) -> Layers {
        let environment = environment.iter().map(|(name, text)| ((*name).into(), (*text).into()));
        Layers::with(file.map(Into::into), environment.collect(), flags)
    }

    #[test]
    fn file_gives_way_to_the_environment_and_that_to_the_command_line() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.toml");
        fs::write(&file, "listen = \"a:1\"\n[limits]\nstrangers = 1\nconnections = 1\n").unwrap();
        let environment = [("SEALPOST_LISTEN", "b:1"), ("SEALPOST_LIMITS_STRANGERS", "2")];
        let flags = Flags::of(&[("listen", "c:1")]);
        let settings = layers(Some(&file), &environment, flags).settings().unwrap();
        let shown = |key| settings.of(key).map(|setting| setting.value.to_string()).unwrap();
        let keys = ["listen", "limits.strangers", "limits.connections", "limits.remembered"];
        assert_eq!(keys.map(shown), ["[\"c:1\"]", "2", "1", "65536"]);
        let names = keys.map(|key| settings.name(key).replace(file.to_str().unwrap(), "F"));
        let expected = ["--listen", "SEALPOST_LIMITS_STRANGERS", "F, line 4: limits.connections"];
        assert_eq!(names[..3], expected);
    }

    #[test]
    fn data_folder_is_known_although_other_settings_are_wrong() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.toml");
        fs::write(&file, "data = \"there\"\nno_option = 1\n").unwrap();
        let data = |environment: &[(&str, &str)], flags: Flags| {
            layers(Some(&file), environment, flags).data().unwrap()
        };
        assert_eq!(data(&[], Flags::default()), Path::new("there"));
        let environment = [("SEALPOST_DATA", "elsewhere"), ("SEALPOST_NO_OPTION", "1")];
        assert_eq!(data(&environment, Flags::default()), Path::new("elsewhere"));
        assert_eq!(data(&environment, Flags::of(&[("data", "here")])), Path::new("here"));
        fs::write(&file, "data = 7\n").unwrap();
        let refused = layers(Some(&file), &[], Flags::default()).data().unwrap_err();
        assert!(refused.to_string().contains("a.toml, line 1: data"), "{refused}");
    }

    #[test]
    fn short_name_of_the_log_level_gives_way_to_the_long_one() {
        let level = |environment: &[(&str, &str)]| {
            let settings = layers(None, environment, Flags::default()).settings().unwrap();
            settings.of("log.level").unwrap().value.as_str().unwrap().to_owned()
        };
        assert_eq!(level(&[("SEALPOST_LOG", "debug")]), "debug");
        let both = [("SEALPOST_LOG_LEVEL", "warn"), ("SEALPOST_LOG", "debug")];
        assert_eq!(level(&both), "warn");
    }

    #[test]
    fn unknown_variable_is_refused_unless_it_is_the_client_s() {
        let layers = |name| layers(None, &[(name, "x")], Flags::default()).settings();
        let refused = format!("{:?}", layers("SEALPOST_LISEN").unwrap_err());
        assert!(refused.contains("did you mean SEALPOST_LISTEN?"), "{refused}");
        assert!(layers("SEALPOST_HOME").is_ok());
    }
}
