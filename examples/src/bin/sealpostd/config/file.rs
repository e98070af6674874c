//! Reads a configuration file.

use std::fs::File;
use std::io::Read;
use std::ops::Range;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use rustix::process::geteuid;
use sealpost_programs::Failure;
use toml::de::{DeTable, DeValue};
use toml::{Table, Value};

use super::options::{Kind, Opt, suggest};
use super::settings::{Origin, Settings};
use super::table::OPTIONS;

/// Name of the configuration file in a data folder.
pub(crate) const NAME: &str = "sealpostd.toml";

/// Reads a file into `settings`.
pub(super) fn read(path: &Path, settings: &mut Settings) -> Result<(), Failure> {
    read_keys(path, settings, |_| true)
}

/// Reads the data folder from a file, and looks at nothing else in it.
pub(super) fn read_data(path: &Path, settings: &mut Settings) -> Result<(), Failure> {
    read_keys(path, settings, |key| key == "data")
}

/// Reads the top-level keys and sections that are wanted.
fn read_keys(
    path: &Path,
    settings: &mut Settings,
    is_wanted: fn(&str) -> bool,
) -> Result<(), Failure> {
    let text = text_of(path)?;
    let at = |span: Range<usize>| Origin::File(path.into(), line(&text, span.start));
    let failure = |origin: &Origin, what: String| match origin {
        Origin::File(path, line) => {
            Failure::usage(format_args!("{}, line {line}: {what}", path.display()))
        }
        Origin::Default | Origin::Variable(_) | Origin::Flag(_) => Failure::usage(what),
    };
    let wrong_syntax = |error: toml::de::Error| {
        failure(&at(error.span().unwrap_or_default()), error.message().replace('\n', ", "))
    };
    // Twice: once for the places, once for the values.
    let places = DeTable::parse(&text).map_err(wrong_syntax)?;
    let values: Table = toml::from_str(&text).map_err(wrong_syntax)?;
    for (key, place) in places.get_ref() {
        let (name, value) = (key.get_ref().as_ref(), values.get(key.get_ref().as_ref()));
        let Some(value) = value.filter(|_| is_wanted(name)) else { continue };
        let (DeValue::Table(places), Value::Table(values)) = (place.get_ref(), value) else {
            set(settings, name, value, at(key.span()), &failure)?;
            continue;
        };
        if !is_section(name) {
            return Err(failure(&at(key.span()), unknown(name, sections())));
        }
        for (key, _) in places {
            let Some(value) = values.get(key.get_ref().as_ref()) else { continue };
            let name = format!("{name}.{}", key.get_ref());
            set(settings, &name, value, at(key.span()), &failure)?;
        }
    }
    Ok(())
}

fn set(
    settings: &mut Settings,
    key: &str,
    value: &Value,
    origin: Origin,
    failure: &impl Fn(&Origin, String) -> Failure,
) -> Result<(), Failure> {
    let Some(option) = Opt::find(key) else {
        return Err(failure(&origin, unknown(key, OPTIONS.iter().map(|option| option.key))));
    };
    // A size may be a number of bytes.
    let value = match (option.kind, value) {
        (Kind::Size, Value::Integer(bytes)) => bytes.to_string().into(),
        _ => value.clone(),
    };
    settings.set(option, value, origin);
    Ok(())
}

fn unknown<'a>(name: &str, names: impl IntoIterator<Item = &'a str>) -> String {
    let hint = suggest(name, names).map(|name| format!("; did you mean {name}?"));
    format!(
        "{name} is not an option{}",
        hint.unwrap_or_else(|| ": sealpostd config lists all".into())
    )
}

fn is_section(name: &str) -> bool {
    sections().any(|section| section == name)
}

fn sections() -> impl Iterator<Item = &'static str> {
    OPTIONS.iter().map(|option| option.section_and_name().0).filter(|section| !section.is_empty())
}

/// Reads the text of a file that only its owner can change: it names a program that the server runs.
fn text_of(path: &Path) -> Result<String, Failure> {
    let failure = || Failure::context(format!("can't read the configuration {}", path.display()));
    let file = File::open(path).map_err(failure())?;
    let found = file.metadata().map_err(failure())?;
    let (owner, mode) = (found.uid(), found.mode() & 0o777);
    if mode & 0o022 != 0 || (owner != geteuid().as_raw() && owner != 0) {
        return Err(Failure::new(format_args!(
            "others may change the configuration {}: it must belong to root or to the user who \
             runs the server, and nobody else may write to it (its owner is {owner}, its mode \
             {mode:03o})",
            path.display()
        )));
    }
    let mut text = String::new();
    file.take(LONGEST).read_to_string(&mut text).map_err(failure())?;
    Ok(text)
}

/// Number of the line with this byte of a text.
fn line(text: &str, at: usize) -> usize {
    text.bytes().take(at).filter(|byte| *byte == b'\n').count() + 1
}

/// Longest configuration in bytes.
const LONGEST: u64 = 1 << 20;
