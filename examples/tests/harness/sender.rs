//! A client within the test that keeps many messages under way.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use sealpost_core::client::store::{Content, InboxItem, ReceivedContent};
use sealpost_core::client::{self, Client, Command, Limits, Notice, Token};
use sealpost_core::entropy::Entropy;
use sealpost_core::ids::{MessageId, Phone, UserRef};
use sealpost_core::keys::SymmetricKey;
use sealpost_mio::{Application, ClientHost, Control, Handle, HostConfig};
use sealpost_programs::{CryptoName, random_seed, runner};
use sealpost_storage::client::{ClientStorage, SqliteClientStorage};
use sealpost_storage::key_file::KeyFile;

/// Sends the numbers 1, 2, … to somebody until it is told to rest, and hears the numbers that
/// somebody else sends to it.
pub(crate) struct Sender {
    handle: Handle<Client>,
    ledger: Arc<Mutex<Ledger>>,
    thread: JoinHandle<()>,
}

/// How far a sender has come.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    /// The last number that the client was given.
    pub(crate) sent: u64,
    /// The numbers that were said to be stored or delivered, as it was said.
    pub(crate) told: Vec<u64>,
    /// How many were said to be delivered.
    pub(crate) delivered: u64,
    /// The numbers from 1 to this one were heard, each once and in its turn.
    pub(crate) heard: u64,
    /// The first number that was heard out of turn.
    pub(crate) out_of_turn: Option<u64>,
    /// Numbers that the client had taken on and gave up.
    pub(crate) failed: usize,
    resting: bool,
    under_way: BTreeMap<MessageId, u64>,
}

impl Sender {
    /// Starts from a home that is registered and that nobody uses.
    pub(crate) fn start(home: &Path, to: Phone) -> Self {
        let (host, news) = host(home);
        let (handle, ledger) = (host.handle(), Arc::new(Mutex::new(Ledger::default())));
        let (theirs, told) = (handle.clone(), Arc::clone(&ledger));
        let thread = thread::spawn(move || {
            let running = thread::spawn(|| host.run().unwrap());
            theirs.command(Command::Connect);
            talk(&theirs, &news, to, &told);
            running.join().unwrap();
        });
        Self { handle, ledger, thread }
    }

    pub(crate) fn ledger(&self) -> MutexGuard<'_, Ledger> {
        lock(&self.ledger)
    }

    /// Sends nothing new. What is under way goes on.
    pub(crate) fn rest(&self) {
        self.ledger().resting = true;
    }

    /// Ends, and returns what it came to.
    pub(crate) fn stop(self) -> Ledger {
        self.rest();
        self.handle.stop();
        self.thread.join().unwrap();
        std::mem::take(&mut lock(&self.ledger))
    }
}

impl Ledger {
    /// What the client has let be known. False: it has ended.
    fn note(&mut self, news: News) -> bool {
        match news {
            News::Arrived(number) => {
                if number == self.heard + 1 {
                    self.heard = number;
                } else {
                    self.out_of_turn.get_or_insert(number);
                }
            }
            News::Notice(Notice::Queued { token, id }) => {
                self.under_way.insert(id, token.0);
            }
            News::Notice(Notice::Stored(ids)) => self.note_safe(&ids),
            News::Notice(Notice::Delivered { ids, .. }) => {
                self.note_safe(&ids);
                self.delivered += ids.len() as u64;
            }
            News::Notice(Notice::Failed { ids, .. }) => self.failed += ids.len(),
            News::Notice(Notice::SendRefused { refusal, .. }) => panic!("{refusal}"),
            News::Notice(Notice::Stopped) => return false,
            News::Notice(_) => {}
        }
        true
    }

    /// What was stored first and delivered later counts once.
    fn note_safe(&mut self, ids: &[MessageId]) {
        self.told.extend(ids.iter().filter_map(|id| self.under_way.remove(id)));
    }
}

/// What comes from the client.
enum News {
    Notice(Notice),
    Arrived(u64),
}

struct Forward(mpsc::Sender<News>);

impl Application<Client> for Forward {
    fn deliver(&mut self, item: InboxItem) {
        let ReceivedContent::Opened(Content::Text(text)) = item.message.content else {
            panic!("only numbers were sent")
        };
        let _ = self.0.send(News::Arrived(text.parse().unwrap()));
    }

    fn notify(&mut self, notice: Notice) -> Control {
        let control = if notice == Notice::Stopped { Control::Stop } else { Control::Continue };
        // Nobody listens any more at the end.
        let _ = self.0.send(News::Notice(notice));
        control
    }
}

fn host(home: &Path) -> (ClientHost<Client, Forward>, Receiver<News>) {
    let store = SqliteClientStorage::open(&home.join("client.db")).unwrap();
    let identity = store.identity().unwrap();
    let provider = CryptoName::AwsLc.provider();
    let key = KeyFile::new(home.join("key.pem")).load(None).unwrap();
    let key = provider.load_key(key.expose()).unwrap();
    let config = client::Config {
        profile: identity.profile,
        public_key: key.public_key().clone(),
        limits: impatient(),
    };
    let entropy = Entropy::from_seed(random_seed().unwrap());
    let machine = Client::new(config, store.load().unwrap(), entropy);
    let crypto = runner(provider, key, SymmetricKey::from_bytes([0; 32])).unwrap();
    let (sender, news) = mpsc::channel();
    let application = Forward(sender);
    let host = ClientHost::new(
        &HostConfig::default(),
        identity.host_port,
        store,
        crypto,
        machine,
        application,
    );
    (host.unwrap(), news)
}

/// A server that was killed is under load again as soon as it is back.
fn impatient() -> Limits {
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

fn talk(handle: &Handle<Client>, news: &Receiver<News>, to: Phone, ledger: &Mutex<Ledger>) {
    loop {
        let mut now = lock(ledger);
        while !now.resting && now.sent < now.told.len() as u64 + UNDER_WAY {
            now.sent += 1;
            let content = Content::Text(now.sent.to_string());
            let to = UserRef::Phone(to);
            handle.command(Command::Send { token: Token(now.sent), to, content });
        }
        drop(now);
        match news.recv_timeout(Duration::from_millis(20)) {
            Ok(news) => {
                if !lock(ledger).note(news) {
                    return;
                }
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}

/// A test that panicked says so by itself.
fn lock(ledger: &Mutex<Ledger>) -> MutexGuard<'_, Ledger> {
    ledger.lock().unwrap_or_else(PoisonError::into_inner)
}

const UNDER_WAY: u64 = 50;
