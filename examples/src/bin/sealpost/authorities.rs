//! The certificate authorities that a client trusts with the names of its servers.

use std::fs::File;
use std::io::Read;
use std::path::PathBuf;

use sealpost_core::address::{Endpoint, Transport};
use sealpost_mio::{Destination, TlsClient};
use sealpost_programs::{Failure, Folder};
use sealpost_storage::client::Identity;

use crate::home::CERTIFICATES;

/// Where the certificates of trusted authorities are: in a file that was named, or else in the home,
/// or else with the operating system.
#[derive(Clone, Debug)]
pub(crate) struct Authorities {
    named: Option<PathBuf>,
}

impl Authorities {
    pub(crate) const fn new(named: Option<PathBuf>) -> Self {
        Self { named }
    }

    /// How to reach the servers of an account, which may be in a home.
    pub(crate) fn destinations(
        &self,
        home: Option<&Folder>,
        identity: &Identity,
    ) -> Result<Vec<Destination>, Failure> {
        let destination = |endpoint: &Endpoint| {
            let host_port = endpoint.to_string();
            match identity.transport {
                Transport::Tcp => Ok(host_port.into()),
                Transport::Tls => {
                    Ok(Destination::over_tls(host_port, self.tls(home, endpoint.host())?))
                }
            }
        };
        identity.endpoints.iter().map(destination).collect()
    }

    /// Keeps the named file in the home, for later commands.
    pub(crate) fn keep(&self, home: &Folder) -> Result<(), Failure> {
        match &self.named {
            None => Ok(()),
            Some(file) => home.write(CERTIFICATES, &read(file)?),
        }
    }

    fn tls(&self, home: Option<&Folder>, host: &str) -> Result<TlsClient, Failure> {
        let kept = home.map(|home| home.file(CERTIFICATES)).filter(|file| file.exists());
        match self.named.clone().or(kept) {
            None => TlsClient::with_system_authorities(host).map_err(Failure::context(host)),
            Some(file) => TlsClient::with_authorities(host, read(&file)?.as_bytes())
                .map_err(Failure::context(file.display())),
        }
    }
}

fn read(file: &PathBuf) -> Result<String, Failure> {
    let mut text = String::new();
    File::open(file)
        .and_then(|file| file.take(MOST).read_to_string(&mut text))
        .map_err(Failure::context(file.display()))?;
    Ok(text)
}

/// Longest file in bytes. All authorities of an operating system take a quarter of it.
const MOST: u64 = 1 << 20;
