//! `sealpostd key`: the server's key, and how it is changed.
//!
//! The successor is made in a file of its own. From its next start on the server has both keys, and
//! names the successor to its clients. The old key is retired by renaming the successor's file to
//! that of the old key, so that there is a key at every moment, and whatever is interrupted has
//! either happened or not.

use std::fs;
use std::io::ErrorKind;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use clap::Subcommand;
use sealpost_core::crypto::{PrivateKey, Provider};
use sealpost_core::keys::Fingerprint;
use sealpost_core::time::Timestamp;
use sealpost_programs::{
    CryptoName, Failure, Format, FormatArg, Line, Verify, now, random_rng, utc,
};
use sealpost_storage::key_file::KeyFile;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::admin;
use crate::backup::sync;
use crate::data::{DataFolder, KEY};
use crate::site::Site;

/// Commands on the server's key.
#[derive(Clone, Copy, Debug, Subcommand)]
pub(crate) enum KeyTask {
    /// Show the server's key, and its successor while it is being changed
    Status {
        #[command(flatten)]
        format: FormatArg,
    },
    /// Make a successor of the server's key. It takes effect when the server is restarted: from then
    /// on clients learn it, and both keys hold until the old one is retired
    Rotate {
        #[command(flatten)]
        format: FormatArg,
    },
    /// Delete the old key: clients that have not connected since the rotation are locked out until
    /// their users are given the new address. Takes effect when the server is restarted, which
    /// retires the old key by itself once `key.retire_after` is over
    Retire {
        #[command(flatten)]
        format: FormatArg,
    },
}

/// What is done to the server's key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum KeyChange {
    /// A successor is made.
    Rotate,
    /// The successor takes the old key's place.
    Retire,
}

/// The key that takes the place of the server's.
pub(crate) struct Successor {
    pub(crate) key: Arc<dyn PrivateKey>,
    /// When it was made.
    pub(crate) since: Timestamp,
}

/// The server's keys, as an operator sees them.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub(crate) struct KeyReport {
    fingerprint: String,
    successor: Option<SuccessorReport>,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
struct SuccessorReport {
    fingerprint: String,
    since: String,
    /// Whether the server has named it to its clients.
    announced: bool,
}

/// Carries out a command on the server's key. `retire_after` is the time that both keys hold.
pub(crate) fn run(site: &Site, task: KeyTask, retire_after: Duration) -> Result<(), Failure> {
    match task {
        KeyTask::Status { format } => status(site.data(), retire_after, format.format()),
        KeyTask::Rotate { format } => change(site, KeyChange::Rotate, format.format()),
        KeyTask::Retire { format } => change(site, KeyChange::Retire, format.format()),
    }
}

fn change(site: &Site, change: KeyChange, format: Format) -> Result<(), Failure> {
    let report = admin::change_key(site, change)?;
    if format == Format::Json {
        return Line::json(&report);
    }
    match report.successor {
        Some(successor) => Line::text(format_args!(
            "made the successor sha256:{}: restart the server, so that clients learn it",
            successor.fingerprint
        )),
        None => Line::text(format_args!(
            "the server's key is sha256:{}: restart the server, so that it forgets the old one",
            report.fingerprint
        )),
    }
}

fn status(data: &DataFolder, retire_after: Duration, format: Format) -> Result<(), Failure> {
    let report = data.key_report()?;
    let secs = i64::try_from(retire_after.as_secs()).unwrap_or(i64::MAX);
    let retires = data.successor_since()?.map(|since| utc(since.plus_secs(secs)));
    if format == Format::Json {
        let KeyReport { fingerprint, successor } = report;
        return Line::json(&json!({
            "fingerprint": fingerprint,
            "successor": successor,
            "retires": retires,
        }));
    }
    Line::text(format_args!("key        sha256:{}", report.fingerprint))?;
    let Some(successor) = &report.successor else { return Line::text("successor  -") };
    let SuccessorReport { fingerprint, since, announced } = successor;
    Line::text(format_args!("successor  sha256:{fingerprint}, since {since}"))?;
    if !announced {
        Line::text("not in use yet: restart the server, so that clients learn the successor")?;
    }
    let retires = retires.unwrap_or_default();
    Line::text(format_args!("retires    {retires}: the first start after that deletes the old key"))
}

/// The times that the clock can show, as the database judges them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PlausibleClock {
    /// Newest time in the database; `None` before the first.
    pub(crate) newest: Option<Timestamp>,
    /// Longest time that may have passed since.
    pub(crate) step: Duration,
}

impl PlausibleClock {
    fn admits(&self, clock: Timestamp) -> bool {
        let passed = self.newest.map(|newest| u64::try_from(clock.secs_since(newest)));
        passed.is_some_and(|secs| secs.is_ok_and(|secs| secs <= self.step.as_secs()))
    }
}

impl DataFolder {
    /// Makes a successor of the server's key. The caller must hold the lock.
    pub(crate) fn make_successor(&self) -> Result<(), Failure> {
        if !self.file(KEY).exists() {
            return Err(self.unused());
        }
        if self.successor_path().exists() {
            return Err(Failure::new(
                "the server's key is being changed already: retire the old key first, with \
                 sealpostd key retire",
            ));
        }
        let provider = provider();
        let der = provider.generate_key(&mut *random_rng()?)?;
        Ok(KeyFile::new(self.successor_path()).create(&der, None, &mut *random_rng()?)?)
    }

    /// Lets the successor take the place of the server's key, which is deleted. The caller must hold
    /// the lock.
    ///
    /// Fails if the successor was never announced: no client would accept it.
    pub(crate) fn retire_key(&self) -> Result<(), Failure> {
        let Some(successor) = self.successor(&*provider())? else {
            return Err(Failure::new(
                "the server's key has no successor: make one with sealpostd key rotate",
            ));
        };
        if !self.is_announced(successor.key.public_key().fingerprint()) {
            return Err(Failure::new(
                "no server has run with the successor yet, so no client knows it: restart the \
                 server, and retire the old key when the clients have connected",
            ));
        }
        let path = self.successor_path();
        fs::rename(&path, self.file(KEY)).map_err(Failure::context(path.display()))?;
        sync(self.path())
    }

    /// Retires the old key if it has held for `retire_after` beside the new one. Does nothing on a
    /// clock that is implausible: one that is years ahead would lock clients out.
    pub(crate) fn retire_key_when_due(
        &self,
        retire_after: Duration,
        plausible: &PlausibleClock,
    ) -> Result<(), Failure> {
        let Some(since) = self.successor_since()? else { return Ok(()) };
        let clock = now()?;
        let held = u64::try_from(clock.secs_since(since)).unwrap_or(0);
        if held < retire_after.as_secs() {
            return Ok(());
        }
        if !plausible.admits(clock) {
            tracing::warn!(
                "the old key is kept although its time is over, because the clock is implausible: \
                 if it is right, run sealpostd key retire"
            );
            return Ok(());
        }
        match self.retire_key() {
            Ok(()) => {
                tracing::info!("the old key is retired: it has had a successor since {since}");
            }
            Err(failure) => {
                tracing::warn!("the old key is kept although its time is over: {failure}");
            }
        }
        Ok(())
    }

    /// The successor of the server's key, if there is one.
    pub(crate) fn successor(&self, provider: &dyn Provider) -> Result<Option<Successor>, Failure> {
        let Some(since) = self.successor_since()? else { return Ok(None) };
        let path = self.successor_path();
        let der = KeyFile::new(&path).load(None)?;
        let key = provider.load_key(der.expose()).map_err(Failure::context(path.display()))?;
        Ok(Some(Successor { key, since }))
    }

    /// When the successor was made: the date of its file.
    pub(crate) fn successor_since(&self) -> Result<Option<Timestamp>, Failure> {
        let path = self.successor_path();
        let modified = match fs::symlink_metadata(&path).and_then(|found| found.modified()) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            modified => modified.map_err(Failure::context(path.display()))?,
        };
        let secs = modified.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        Ok(Some(Timestamp::from_unix_secs(i64::try_from(secs).unwrap_or(i64::MAX))))
    }

    /// What the operator is told.
    pub(crate) fn key_report(&self) -> Result<KeyReport, Failure> {
        let provider = provider();
        if !self.file(KEY).exists() {
            return Err(self.unused());
        }
        let der = KeyFile::new(self.file(KEY)).load(None)?;
        let key = provider.load_key(der.expose())?;
        let successor = self.successor(&*provider)?.map(|successor| {
            let fingerprint = successor.key.public_key().fingerprint();
            SuccessorReport {
                fingerprint: fingerprint.to_string(),
                since: utc(successor.since),
                announced: self.is_announced(fingerprint),
            }
        });
        Ok(KeyReport { fingerprint: key.public_key().fingerprint().to_string(), successor })
    }

    /// Whether a server has run with this key as the one in its address.
    fn is_announced(&self, fingerprint: &Fingerprint) -> bool {
        self.address().is_ok_and(|address| address.fingerprint() == fingerprint)
    }

    fn successor_path(&self) -> PathBuf {
        self.file(SUCCESSOR)
    }
}

fn provider() -> Arc<dyn Provider> {
    CryptoName::AwsLc.provider(Verify::AwsLc)
}

/// The key that takes the place of the server's key.
pub(crate) const SUCCESSOR: &str = "successor-key.pem";

#[cfg(test)]
mod tests {
    use sealpost_core::address::ServerAddress;

    use super::*;

    /// A folder whose server has run with a successor.
    fn changing() -> (tempfile::TempDir, DataFolder) {
        let folder = tempfile::tempdir().unwrap();
        let data = DataFolder::make(&folder.path().join("data")).unwrap();
        let der = provider().generate_key(&mut *random_rng().unwrap()).unwrap();
        KeyFile::new(data.file(KEY)).create(&der, None, &mut *random_rng().unwrap()).unwrap();
        data.make_successor().unwrap();
        let key = data.successor(&*provider()).unwrap().unwrap().key;
        let fingerprint = key.public_key().fingerprint();
        let address: ServerAddress = format!("sealpost://host:1/{fingerprint}").parse().unwrap();
        data.write_address(&address).unwrap();
        (folder, data)
    }

    #[test]
    fn old_key_stays_until_its_time_is_over_by_a_plausible_clock() {
        let (_folder, data) = changing();
        let hour = Duration::from_hours(1);
        let clock = now().unwrap();
        let plausible = PlausibleClock { newest: Some(clock), step: hour };
        data.retire_key_when_due(hour, &plausible).unwrap();
        assert!(data.successor_since().unwrap().is_some(), "its time is not over");
        for newest in [None, Some(clock.plus_secs(-7_200)), Some(clock.plus_secs(7_200))] {
            let implausible = PlausibleClock { newest, step: hour };
            data.retire_key_when_due(Duration::ZERO, &implausible).unwrap();
            assert!(data.successor_since().unwrap().is_some(), "{newest:?}");
        }
        let successor = data.successor(&*provider()).unwrap().unwrap().key;
        data.retire_key_when_due(Duration::ZERO, &plausible).unwrap();
        assert!(data.successor_since().unwrap().is_none());
        let report = data.key_report().unwrap();
        assert_eq!(report.fingerprint, successor.public_key().fingerprint().to_string());
    }
}
