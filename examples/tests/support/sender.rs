//! A client in the test's own process that keeps many messages under way.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::Path;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use sealpost_core::client::store::{Content, InboxItem, ReceivedContent};
use sealpost_core::client::{self, Client, Command, Limits, Notice, OfflineReason, Token};
use sealpost_core::ids::{MessageId, Phone, UserRef};
use sealpost_core::keys::SymmetricKey;
use sealpost_core::time::Timestamp;
use sealpost_mio::{Application, ClientHost, Control, Handle, HostConfig};
use sealpost_programs::{CryptoName, entropy, now, runner};
use sealpost_storage::client::{ClientStorage, SqliteClientStorage};
use sealpost_storage::key_file::KeyFile;

use super::verify::verify;

/// Sends the numbers 1, 2, … to one recipient until it is paused, and receives the numbers that
/// another sender sends to it.
pub(crate) struct Sender {
    handle: Handle<Client>,
    ledger: Arc<Mutex<Ledger>>,
    thread: JoinHandle<()>,
}

/// Progress of a sender.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    /// The last number that was sent.
    pub(crate) sent: u64,
    /// The numbers that were acknowledged as stored or delivered, in the order of acknowledgement.
    pub(crate) acknowledged: Vec<u64>,
    /// How many numbers were acknowledged as delivered.
    pub(crate) delivered: u64,
    /// The numbers from 1 to this one were received, each once and in order.
    pub(crate) received: u64,
    /// The first number that was received out of order.
    pub(crate) out_of_order: Option<u64>,
    /// How many numbers the client queued and then gave up.
    pub(crate) failed: usize,
    /// How often the client was told that its account is online elsewhere, which it never was. It
    /// has connected again.
    pub(crate) displaced: usize,
    /// Notices of the connection and of failures, the last ones, with their times.
    pub(crate) troubles: VecDeque<(Timestamp, Notice)>,
    /// The longest time without an acknowledgement while some were due.
    pub(crate) longest_pause: Duration,
    /// When a number was acknowledged last.
    served_at: Option<Instant>,
    paused: bool,
    under_way: BTreeMap<MessageId, u64>,
}

impl Sender {
    /// Starts a client on a registered home that no other process uses.
    pub(crate) fn start(home: &Path, to: Phone) -> Self {
        Self::with_limits(home, to, impatient())
    }

    /// Starts such a client with other limits.
    pub(crate) fn with_limits(home: &Path, to: Phone, limits: Limits) -> Self {
        let (host, outputs) = host(home, limits);
        let (handle, ledger) = (host.handle(), Arc::new(Mutex::new(Ledger::default())));
        Self {
            handle: handle.clone(),
            ledger: Arc::clone(&ledger),
            thread: thread::spawn(move || {
                let running = thread::spawn(|| host.run().unwrap());
                handle.command(Command::Connect);
                run(&handle, &outputs, to, &ledger);
                running.join().unwrap();
            }),
        }
    }

    pub(crate) fn ledger(&self) -> MutexGuard<'_, Ledger> {
        lock(&self.ledger)
    }

    /// Leaves the server, and connects to the next one of the address.
    pub(crate) fn move_on(&self) {
        self.handle.command(Command::Disconnect);
        self.handle.command(Command::Connect);
    }

    /// Stops sending new messages. Those under way are still delivered.
    pub(crate) fn pause(&self) {
        self.ledger().paused = true;
    }

    /// Stops the client, and returns its ledger.
    pub(crate) fn stop(self) -> Ledger {
        self.pause();
        self.handle.stop();
        self.thread.join().unwrap();
        std::mem::take(&mut lock(&self.ledger))
    }
}

impl Ledger {
    /// Records an output of the client. Returns false once the client has stopped.
    fn record(&mut self, output: Output) -> bool {
        if let Output::Notice(notice) = &output {
            self.note(notice);
        }
        match output {
            Output::Received(number) => {
                if number == self.received + 1 {
                    self.received = number;
                } else {
                    self.out_of_order.get_or_insert(number);
                }
            }
            Output::Notice(Notice::Queued { token, id }) => {
                self.under_way.insert(id, token.0);
            }
            Output::Notice(Notice::Stored { ids }) => self.record_acknowledged(&ids),
            Output::Notice(Notice::Delivered { ids, .. }) => {
                self.record_acknowledged(&ids);
                self.delivered += ids.len() as u64;
            }
            Output::Notice(Notice::Failed { ids, .. }) => self.failed += ids.len(),
            Output::Notice(Notice::SendRefused { refusal, .. }) => panic!("{refusal}"),
            Output::Notice(Notice::Offline { reason: OfflineReason::Displaced, .. }) => {
                self.displaced += 1;
            }
            Output::Notice(Notice::Stopped) => return false,
            Output::Notice(_) => {}
        }
        true
    }

    /// Keeps what explains why nothing is acknowledged.
    #[expect(clippy::wildcard_enum_match_arm, reason = "few of the notices matter here")]
    fn note(&mut self, notice: &Notice) {
        match notice {
            Notice::Online { .. }
            | Notice::CaughtUp { .. }
            | Notice::Offline { .. }
            | Notice::HeldBack { .. }
            | Notice::Suspicious { .. }
            | Notice::StoreFailed { .. } => {}
            _ => return,
        }
        if self.troubles.len() == TROUBLES {
            self.troubles.pop_front();
        }
        self.troubles.push_back((now().unwrap(), notice.clone()));
    }

    /// A message that is stored first and delivered later counts once.
    fn record_acknowledged(&mut self, ids: &[MessageId]) {
        let before = self.acknowledged.len();
        self.acknowledged.extend(ids.iter().filter_map(|id| self.under_way.remove(id)));
        if self.acknowledged.len() > before {
            let now = Instant::now();
            let pause = self.served_at.replace(now).map(|before| now - before);
            self.longest_pause = self.longest_pause.max(pause.unwrap_or_default());
        }
    }
}

/// An output of the client.
enum Output {
    Notice(Notice),
    Received(u64),
}

struct Forwarder(mpsc::Sender<Output>);

impl Application<Client> for Forwarder {
    fn deliver(&mut self, item: InboxItem) {
        match item.message.content {
            ReceivedContent::Opened(Content::Text(text)) => {
                let _ = self.0.send(Output::Received(text.parse().unwrap()));
            }
            // A group asks whoever knows more than its members.
            ReceivedContent::Opened(Content::Event(_)) => {}
            ReceivedContent::Opened(Content::Bytes(_)) | ReceivedContent::Undecryptable => {
                panic!("only numbers were sent")
            }
        }
    }

    fn notify(&mut self, notice: Notice) -> Control {
        let control = if notice == Notice::Stopped { Control::Stop } else { Control::Continue };
        // The receiver is gone at the end.
        let _ = self.0.send(Output::Notice(notice));
        control
    }
}

fn host(
    home: &Path,
    limits: Limits,
) -> (ClientHost<Client, Forwarder, SqliteClientStorage>, Receiver<Output>) {
    let store = SqliteClientStorage::open(&home.join("client.db")).unwrap();
    let identity = store.identity().unwrap();
    let provider = CryptoName::AwsLc.provider(verify().unwrap_or_default());
    let key = KeyFile::new(home.join("key.pem")).load(None).unwrap();
    let key = provider.load_key(key.expose()).unwrap();
    let config = client::Config {
        profile: identity.profile,
        public_key: key.public_key().clone(),
        endpoints: identity.endpoints.count(),
        limits,
    };
    let machine = Client::new(config, store.load().unwrap(), entropy().unwrap()).unwrap();
    let crypto = runner(provider, key, SymmetricKey::from_bytes([0; 32])).unwrap();
    let (sender, outputs) = mpsc::channel();
    let application = Forwarder(sender);
    let host = ClientHost::new(
        &HostConfig::default(),
        identity.endpoints.iter().map(|endpoint| endpoint.to_string().into()).collect(),
        store,
        crypto,
        machine,
        application,
    );
    (host.unwrap(), outputs)
}

/// Sends these contents to one recipient, from a registered home that no other process uses, and
/// waits until the server has all of them.
pub(crate) fn send_contents(home: &Path, to: Phone, contents: Vec<Content>) {
    let (host, outputs) = host(home, impatient());
    let handle = host.handle();
    let running = thread::spawn(|| host.run().unwrap());
    handle.command(Command::Connect);
    let (count, mut acknowledged) = (contents.len(), BTreeSet::new());
    for content in contents {
        let token = Token(getrandom::u64().unwrap() >> 1);
        handle.command(Command::Send { token, to: UserRef::Phone(to), content });
    }
    while acknowledged.len() < count {
        match outputs.recv_timeout(super::PATIENCE).unwrap() {
            // What reaches somebody who is online is delivered at once.
            Output::Notice(Notice::Stored { ids } | Notice::Delivered { ids, .. }) => {
                acknowledged.extend(ids);
            }
            Output::Notice(Notice::SendRefused { refusal, .. }) => panic!("{refusal}"),
            Output::Notice(_) | Output::Received(_) => {}
        }
    }
    handle.stop();
    running.join().unwrap();
}

/// Signs a state of a group with the key of a home.
pub(crate) fn sign_state(home: &Path, text: &[u8]) -> Box<[u8; 256]> {
    let provider = CryptoName::AwsLc.provider(verify().unwrap_or_default());
    let key = KeyFile::new(home.join("key.pem")).load(None).unwrap();
    let key = provider.load_key(key.expose()).unwrap();
    runner(provider, key, SymmetricKey::from_bytes([0; 32])).unwrap().sign_state(text).unwrap()
}

/// Limits with short pauses, so that a restarted server is under load again at once.
pub(crate) fn impatient() -> Limits {
    let moment = Duration::from_millis(50);
    Limits {
        redial_first: moment,
        redial_max: moment * 4,
        hold_first: moment,
        hold_max: moment * 4,
        named_pause_max: moment * 4,
        lookup_retry: moment,
        ..Limits::default()
    }
}

fn run(handle: &Handle<Client>, outputs: &Receiver<Output>, to: Phone, ledger: &Mutex<Ledger>) {
    loop {
        let mut progress = lock(ledger);
        while !progress.paused && progress.sent < progress.acknowledged.len() as u64 + UNDER_WAY {
            progress.sent += 1;
            let content = Content::Text(progress.sent.to_string());
            let to = UserRef::Phone(to);
            handle.command(Command::Send { token: Token(progress.sent), to, content });
        }
        drop(progress);
        match outputs.recv_timeout(Duration::from_millis(20)) {
            Ok(output) => {
                let mut progress = lock(ledger);
                let displaced = progress.displaced;
                if !progress.record(output) {
                    return;
                }
                if progress.displaced > displaced {
                    handle.command(Command::Connect);
                }
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}

/// Ignores poisoning: the panic that caused it fails the test anyway.
fn lock(ledger: &Mutex<Ledger>) -> MutexGuard<'_, Ledger> {
    ledger.lock().unwrap_or_else(PoisonError::into_inner)
}

const UNDER_WAY: u64 = 50;
const TROUBLES: usize = 16;
