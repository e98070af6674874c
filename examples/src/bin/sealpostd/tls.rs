//! The server's certificate: loads it, and replaces it when its files change.

use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use sealpost_core::time::Timestamp;
use sealpost_mio::{CertificateChain, TlsServer};
use sealpost_programs::Failure;
use zeroize::Zeroizing;

use crate::config::Tls;

/// A certificate in use, and the files that it comes from.
#[derive(Clone, Debug)]
pub(crate) struct Certificate {
    chain_file: PathBuf,
    key_file: PathBuf,
    /// Names and addresses that the certificate had at the start.
    hosts: Vec<String>,
    expiry: Expiry,
    server: TlsServer,
}

/// When the certificate in use expires. Clones follow it when it is replaced.
#[derive(Clone, Debug)]
pub(crate) struct Expiry(Arc<AtomicI64>);

impl Certificate {
    /// Loads the certificate, if the operator has named one.
    pub(crate) fn load(files: &Tls) -> Result<Option<Self>, Failure> {
        let (Some(chain_file), Some(key_file)) = (&files.certificate, &files.key) else {
            return Ok(None);
        };
        let (chain, key) = read(chain_file, key_file)?;
        warn_of_expiry(chain_file, &chain);
        let (hosts, expiry) = (chain.hosts(), Expiry::of(&chain));
        let server = TlsServer::new(chain, &key).map_err(unusable(chain_file, key_file))?;
        let (chain_file, key_file) = (chain_file.clone(), key_file.clone());
        Ok(Some(Self { chain_file, key_file, hosts, expiry, server }))
    }

    /// What the host needs.
    pub(crate) fn server(&self) -> TlsServer {
        self.server.clone()
    }

    /// When it expires, also after it is replaced.
    pub(crate) fn expiry(&self) -> Expiry {
        self.expiry.clone()
    }

    /// A host by which clients can reach the server: one that they find in the certificate.
    /// `local` is preferred, if it is one.
    pub(crate) fn host(&self, local: &str) -> Option<&str> {
        let is_specific = |host: &&String| !host.contains('*');
        let is_local = |host: &&String| *host == local;
        let host = self.hosts.iter().find(is_local);
        host.or_else(|| self.hosts.iter().find(is_specific)).map(String::as_str)
    }

    /// The folders from which the files are read when they have changed: those that the operator
    /// named, and those to which links lead from there.
    pub(crate) fn folders(&self) -> Vec<PathBuf> {
        let folders = [&self.chain_file, &self.key_file].into_iter().flat_map(|file| {
            let linked = file.canonicalize().ok();
            [Some(folder(file)), linked.as_deref().map(folder)]
        });
        folders.flatten().collect()
    }

    /// Loads the files again, and uses them for new connections. If they can't be used, the present
    /// certificate stays.
    pub(crate) fn reload(&self) -> Result<(), Failure> {
        let (chain, key) = read(&self.chain_file, &self.key_file)?;
        warn_of_expiry(&self.chain_file, &chain);
        let expiry = Expiry::of(&chain);
        self.server.replace(chain, &key).map_err(unusable(&self.chain_file, &self.key_file))?;
        self.expiry.become_that_of(&expiry);
        Ok(())
    }

    /// Starts a thread that loads the files again when they have changed.
    pub(crate) fn watch(self) -> Result<(), Failure> {
        thread::Builder::new().name("certificate".into()).spawn(move || self.follow())?;
        Ok(())
    }

    fn follow(&self) {
        let mut loaded = self.stamp();
        let mut before = loaded;
        let mut reminded = Instant::now();
        loop {
            thread::sleep(PERIOD);
            let now = self.stamp();
            // Both files change one after the other: waits until they have stayed for a while.
            if now != loaded && now == before {
                loaded = now;
                match self.reload() {
                    Ok(()) => tracing::info!(
                        "loaded the certificate in {} for new connections",
                        self.chain_file.display()
                    ),
                    Err(failure) => tracing::warn!(
                        "can't load the certificate again, so the present one stays: {failure}"
                    ),
                }
            } else if reminded.elapsed() > DAY {
                reminded = Instant::now();
                if let Ok((chain, _)) = read(&self.chain_file, &self.key_file) {
                    warn_of_expiry(&self.chain_file, &chain);
                }
            }
            before = now;
        }
    }

    /// What changes when one of the files does.
    fn stamp(&self) -> [Option<(u64, i64, i64, u64)>; 2] {
        [&self.chain_file, &self.key_file].map(|file| {
            let found = fs::metadata(file).ok()?;
            Some((found.ino(), found.mtime(), found.mtime_nsec(), found.size()))
        })
    }
}

impl Expiry {
    fn of(chain: &CertificateChain) -> Self {
        let at = chain.expiry_within(CENTURY).map_or(NEVER, Timestamp::unix_secs);
        Self(Arc::new(AtomicI64::new(at)))
    }

    fn become_that_of(&self, newer: &Self) {
        self.0.store(newer.0.load(Ordering::Relaxed), Ordering::Relaxed);
    }

    /// Seconds since 1970; `None` if that is not within a century.
    pub(crate) fn unix_secs(&self) -> Option<i64> {
        Some(self.0.load(Ordering::Relaxed)).filter(|at| *at != NEVER)
    }
}

fn read(
    chain_file: &Path,
    key_file: &Path,
) -> Result<(CertificateChain, Zeroizing<Vec<u8>>), Failure> {
    let chain = read_file(chain_file, &open(chain_file)?)?;
    let chain =
        CertificateChain::from_pem(&chain).map_err(Failure::context(chain_file.display()))?;
    let file = open(key_file)?;
    // Of the opened file: the name could be given to another one meanwhile.
    let mode = file.metadata().map_err(Failure::context(key_file.display()))?.mode() & 0o777;
    if mode & 0o027 != 0 {
        return Err(Failure::new(format_args!(
            "others may read or change {}: its mode is {mode:03o}, and must be 600, or 640 for a \
             group that may read it",
            key_file.display()
        )));
    }
    Ok((chain, read_file(key_file, &file)?))
}

fn open(path: &Path) -> Result<File, Failure> {
    File::open(path).map_err(Failure::context(path.display()))
}

fn read_file(path: &Path, file: &File) -> Result<Zeroizing<Vec<u8>>, Failure> {
    // A buffer that never grows: no copy of a key is left behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(FILE_MAX));
    let most = FILE_MAX as u64 - 1;
    file.take(most).read_to_end(&mut bytes).map_err(Failure::context(path.display()))?;
    Ok(bytes)
}

fn unusable<E: std::fmt::Display>(chain: &Path, key: &Path) -> impl FnOnce(E) -> Failure {
    Failure::context(format!("{} with {}", chain.display(), key.display()))
}

fn warn_of_expiry(file: &Path, chain: &CertificateChain) {
    if let Some(at) = chain.expiry_within(NOTICE) {
        tracing::warn!("the certificate in {} expires on {at} UTC: renew it", file.display());
    }
}

fn folder(file: &Path) -> PathBuf {
    match file.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder.into(),
        Some(_) | None => ".".into(),
    }
}

/// Longer than any certificate is valid.
const CENTURY: Duration = Duration::from_hours(100 * 365 * 24);
/// An expiry after that.
const NEVER: i64 = i64::MAX;
/// Time between two looks at the files.
const PERIOD: Duration = Duration::from_secs(5);
/// Time before the expiry of a certificate at which it is announced, once a day.
const NOTICE: Duration = Duration::from_hours(14 * 24);
const DAY: Duration = Duration::from_hours(24);
/// Longest file in bytes.
const FILE_MAX: usize = 64 << 10;
