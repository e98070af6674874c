//! A client within the test that keeps many messages under way.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use sealpost_core::client::store::{Content, InboxItem};
use sealpost_core::client::{self, Client, Command, Limits, Notice, Token};
use sealpost_core::crypto::SymmetricKey;
use sealpost_core::entropy::Entropy;
use sealpost_core::ids::{MessageId, Phone};
use sealpost_core::store::UserRef;
use sealpost_mio::{Application, ClientHost, Config, Control, Handle};
use sealpost_programs::{CryptoName, random_seed, runner};
use sealpost_storage::client::{ClientStorage, SqliteClientStorage};
use sealpost_storage::key_file::KeyFile;

/// Sends the numbers 1, 2, … to somebody until it is stopped.
pub(crate) struct Sender {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Vec<u64>>,
}

impl Sender {
    /// Starts from a home that is registered and that nobody uses.
    pub(crate) fn start(home: &Path, to: Phone) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let (host, notices) = host(home);
        let theirs = Arc::clone(&stop);
        let thread = thread::spawn(move || {
            let handle = host.handle();
            let running = thread::spawn(|| host.run().unwrap());
            let told = send_all(&handle, &notices, to, &theirs);
            handle.stop();
            running.join().unwrap();
            told
        });
        Self { stop, thread }
    }

    /// Stops, and returns the numbers of the messages that were said to be stored or delivered.
    pub(crate) fn stop(self) -> Vec<u64> {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().unwrap()
    }
}

struct Forward(mpsc::Sender<Notice>);

impl Application<Client> for Forward {
    fn deliver(&mut self, _: InboxItem) {}

    fn notify(&mut self, notice: Notice) -> Control {
        let control = if notice == Notice::Stopped { Control::Stop } else { Control::Continue };
        // Nobody listens any more at the end.
        let _ = self.0.send(notice);
        control
    }
}

fn host(home: &Path) -> (ClientHost<Client, Forward>, Receiver<Notice>) {
    let store = SqliteClientStorage::open(&home.join("client.db")).unwrap();
    let identity = store.identity().unwrap();
    let provider = CryptoName::AwsLc.provider();
    let key = KeyFile::new(home.join("key.pem")).load(None).unwrap();
    let key = provider.load_key(key.expose()).unwrap();
    let config = client::Config {
        profile: identity.profile,
        public_key: key.public_key().clone(),
        limits: Limits::default(),
    };
    let entropy = Entropy::from_seed(random_seed().unwrap());
    let machine = Client::new(config, store.load().unwrap(), entropy);
    let crypto = runner(provider, key, SymmetricKey::from_bytes([0; 32])).unwrap();
    let (sender, notices) = mpsc::channel();
    let application = Forward(sender);
    let host = ClientHost::new(
        &Config::default(),
        identity.host_port,
        store,
        crypto,
        machine,
        application,
    );
    (host.unwrap(), notices)
}

fn send_all(
    handle: &Handle<Client>,
    notices: &Receiver<Notice>,
    to: Phone,
    stop: &AtomicBool,
) -> Vec<u64> {
    handle.command(Command::Connect);
    let (mut next, mut told) = (1, Vec::new());
    let mut under_way: BTreeMap<MessageId, u64> = BTreeMap::new();
    while !stop.load(Ordering::Relaxed) {
        while next <= told.len() as u64 + UNDER_WAY {
            let content = Content::Text(next.to_string());
            let to = UserRef::Phone(to);
            handle.command(Command::Send { token: Token(next), to, content });
            next += 1;
        }
        let safe = match notices.recv_timeout(Duration::from_millis(20)) {
            Ok(Notice::Queued { token, id }) => {
                under_way.insert(id, token.0);
                continue;
            }
            Ok(Notice::Stored(ids) | Notice::Delivered { ids, .. }) => ids,
            Ok(Notice::SendRefused { refusal, .. }) => panic!("{refusal}"),
            Ok(_) | Err(_) => continue,
        };
        // What was stored first and delivered later counts once.
        told.extend(safe.iter().filter_map(|id| under_way.remove(id)));
    }
    told
}

const UNDER_WAY: u64 = 50;
