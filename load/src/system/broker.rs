//! mosquitto, an MQTT broker, to compare the server with.

use std::fs;
use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use sealpost_programs::Failure;
use tempfile::TempDir;

use crate::system::own_server::OwnServer;
use crate::system::process::Pid;

/// A broker that accepts connections.
pub(crate) struct Broker {
    address: SocketAddr,
    own: OwnServer,
}

impl Broker {
    /// Starts this program on a free port of the loopback interface.
    pub(crate) fn start(program: &Path) -> Result<Self, Failure> {
        let folder =
            TempDir::new().map_err(Failure::context("can't make a folder for mosquitto"))?;
        let address = free_address()?;
        let own = OwnServer::start(folder, |folder| {
            let config = folder.join("mosquitto.conf");
            fs::write(&config, configuration(address))?;
            let mut command = Command::new(program);
            command.arg("-c").arg(config);
            Ok(command)
        })?;
        let mut broker = Self { address, own };
        broker.wait_until_ready()?;
        Ok(broker)
    }

    pub(crate) const fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn pid(&self) -> Pid {
        self.own.pid()
    }

    pub(crate) fn stop(mut self) -> Result<(), Failure> {
        self.own.end()
    }

    fn wait_until_ready(&mut self) -> Result<(), Failure> {
        let begin = Instant::now();
        loop {
            if let Some(status) = self.own.ended()? {
                let log = self.own.log().unwrap_or_default();
                return Err(Failure::new(format_args!("mosquitto ended with {status}: {log}")));
            }
            match TcpStream::connect(self.address) {
                Ok(_) => return Ok(()),
                Err(error) if error.kind() == ErrorKind::ConnectionRefused => {}
                Err(error) => return Err(Failure::context("can't connect to mosquitto")(error)),
            }
            if begin.elapsed() > PATIENCE {
                return Err(Failure::new(format_args!(
                    "mosquitto does not accept connections on {} after {PATIENCE:?}",
                    self.address
                )));
            }
            thread::sleep(Duration::from_millis(5));
        }
    }
}

/// The mosquitto of this system: the first one in the folders of `PATH` and in those where
/// packages put daemons, which `PATH` often lacks.
pub(crate) fn installed() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    find_in(std::env::split_paths(&path).chain(DAEMONS.map(PathBuf::from)))
}

fn find_in(mut folders: impl Iterator<Item = PathBuf>) -> Option<PathBuf> {
    folders.find_map(|folder| Some(folder.join("mosquitto")).filter(|program| program.is_file()))
}

/// An address whose port was free a moment ago. mosquitto cannot choose one itself.
fn free_address() -> Result<SocketAddr, Failure> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?)
}

/// The configuration with which mosquitto is fastest under this load: nothing is written to disk or
/// to the log, and no limit makes it drop or hold back a message. It writes each packet by itself;
/// without `TCP_NODELAY` the kernel joins them, which costs less and delays none, because the
/// subscribers answer at once.
fn configuration(address: SocketAddr) -> String {
    format!("listener {} {}\n{SETTINGS}", address.port(), address.ip())
}

const SETTINGS: &str = "\
allow_anonymous true
persistence false
log_dest stderr
log_type error
connection_messages false
sys_interval 0
max_inflight_messages 0
max_queued_messages 0
set_tcp_nodelay false
";
const DAEMONS: [&str; 2] = ["/usr/sbin", "/usr/local/sbin"];
/// Far longer than mosquitto takes to start.
const PATIENCE: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_folder_with_the_program_counts_and_folders_of_its_name_do_not() {
        let folders = [(); 4].map(|()| TempDir::new().unwrap());
        let [empty, decoy, first, second] = folders.each_ref().map(TempDir::path);
        fs::create_dir(decoy.join("mosquitto")).unwrap();
        let search = || find_in([empty, decoy, first, second].map(Path::to_owned).into_iter());
        assert_eq!(search(), None);
        for folder in [second, first] {
            fs::write(folder.join("mosquitto"), "").unwrap();
            assert_eq!(search(), Some(folder.join("mosquitto")));
        }
    }

    #[test]
    fn program_that_ends_at_once_is_reported() {
        let failure = Broker::start(Path::new("/bin/false")).err().unwrap();
        assert!(
            format!("{failure:?}").contains("mosquitto ended with exit status: 1"),
            "{failure:?}"
        );
    }
}
