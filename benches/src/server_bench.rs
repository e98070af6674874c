//! A server with two users in session, and rounds of messages from one to the other.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use sealpost_core::entropy::Entropy;
use sealpost_core::frame::{Event, Input, Machine, pump};
use sealpost_core::ids::{ConnId, UserId};
use sealpost_core::server::limits::Limits;
use sealpost_core::server::store::StoreOp;
use sealpost_core::server::{
    Config, OtpChannel, RegisteredPhones, Registration, Server, Servers, Stats,
};
use sealpost_core::time::{Mono, Now};
use sealpost_core::wire::Profile;
use sealpost_storage::conformance::{at, phone, public_key, wrapped_key};
use sealpost_storage::{Storage, Usage};

use crate::host::BenchHost;
use crate::packets::{PER_RECEIPT, PER_TAKEN, Packets, READ, ROUND, reconnect};

/// A server with a sender and a recipient in session.
pub struct ServerBench {
    server: Server,
    host: BenchHost,
    packets: Packets,
    now: Now,
}

impl ServerBench {
    /// Both users in session and live: nothing is stored for either.
    pub fn new() -> Self {
        let profile = Profile::Compact;
        let config = Config {
            profile,
            server_key: public_key(0),
            successor: None,
            servers: Servers::One,
            otp_channel: OtpChannel::OutOfBand,
            registered_phones: RegisteredPhones::Told,
            registration: Registration::default(),
            exempt_networks: Vec::new(),
            limits: Limits::without_rates(),
        };
        let [sender, recipient] = [1, 2].map(user);
        let mut bench = Self {
            server: Server::new(config, Entropy::from_seed([7; 32])).expect("the limits are valid"),
            host: BenchHost::new(profile),
            packets: Packets::new(profile, sender, recipient),
            now: Now { mono: Mono(0), wall: at(0) },
        };
        for (number, user, conn) in [(1, sender, SENDER), (2, recipient, RECIPIENT)] {
            bench.start_session(profile, number, user, conn);
        }
        bench
    }

    fn start_session(&mut self, profile: Profile, number: u16, user: UserId, conn: ConnId) {
        let create = StoreOp::CreateUser {
            phone: phone(number),
            public_key: public_key(number),
            aes_key: wrapped_key(0),
            at: at(-100),
            max_id: profile.max_user_id(),
            invitation: None,
        };
        self.host.store.commit(&[create], &mut Vec::new());
        self.event(Event::Opened { conn, peer: IpAddr::V4(Ipv4Addr::LOCALHOST) });
        let request = reconnect(profile, user, self.now.wall);
        let input = Input::Bytes { conn, data: request.bytes() };
        pump(&mut self.server, &mut self.host, self.now, input);
        self.settle();
    }

    /// Counters of the server.
    pub fn stats(&self) -> Stats {
        self.server.stats()
    }

    /// Routes [`ROUND`] messages to a recipient that acknowledges them at once. Messages and receipts
    /// are forwarded; nothing is stored or signed.
    pub fn live_round(&mut self) {
        let (done, sent) = (self.stats(), self.host.sent);
        for _ in 0..PER_TAKEN {
            for _ in 0..PER_RECEIPT / READ {
                self.send_messages();
            }
            self.acknowledge();
        }
        self.take_receipts();
        assert_eq!(self.since(sent), (RECEIPTS, MESSAGES));
        assert_eq!(self.stats().forwarded - done.forwarded, MESSAGES + RECEIPTS);
    }

    /// Routes [`ROUND`] messages to a recipient that is congested first:
    /// [`fall_behind`](Self::fall_behind), [`catch_up`](Self::catch_up) and
    /// [`settle_all`](Self::settle_all), one after the other.
    pub fn stored_round(&mut self) {
        self.fall_behind();
        self.catch_up();
        self.settle_all();
    }

    /// Congests the recipient: [`ROUND`] messages are appended, and acknowledged as stored.
    pub fn fall_behind(&mut self) {
        let (done, sent) = (self.stats(), self.host.sent);
        self.event(Event::Congested { conn: RECIPIENT });
        for _ in 0..ROUND / READ {
            self.send_messages();
        }
        let (acks, none) = self.since(sent);
        assert!(acks > 0 && none == 0);
        assert_eq!(self.stats().stored - done.stored, MESSAGES);
    }

    /// Ends the congestion: all stored messages are sent to the recipient, in one page.
    pub fn catch_up(&mut self) {
        let sent = self.host.sent;
        self.event(Event::Writable { conn: RECIPIENT });
        assert_eq!(self.since(sent), (0, MESSAGES));
    }

    /// Settles the messages with the recipient's receipts, and drops the receipts with the sender's
    /// 203. Nothing is left in the store, and the recipient is live again.
    pub fn settle_all(&mut self) {
        let sent = self.host.sent;
        for _ in 0..PER_TAKEN {
            self.acknowledge();
        }
        self.take_receipts();
        assert_eq!(self.since(sent), (RECEIPTS, 0));
        let left = [1, 2].map(|id| self.host.store.usage(user(id)));
        assert!(left.iter().all(|usage| *usage == Usage::default()), "{left:?}");
    }

    /// Number of packets sent to the sender and to the recipient since the counts were `before`.
    fn since(&self, before: [u64; 3]) -> (u64, u64) {
        let ([_, sender, recipient], [_, sender_before, recipient_before]) =
            (self.host.sent, before);
        (sender - sender_before, recipient - recipient_before)
    }

    fn send_messages(&mut self) {
        let input = Input::Bytes { conn: SENDER, data: self.packets.messages() };
        pump(&mut self.server, &mut self.host, self.now, input);
        self.settle();
    }

    fn acknowledge(&mut self) {
        let input = Input::Bytes { conn: RECIPIENT, data: self.packets.receipt() };
        pump(&mut self.server, &mut self.host, self.now, input);
        self.settle();
    }

    fn take_receipts(&mut self) {
        let (data, taken) = self.packets.taken();
        self.host.opened = taken.emit();
        pump(&mut self.server, &mut self.host, self.now, Input::Bytes { conn: SENDER, data });
        self.settle();
    }

    fn event(&mut self, event: Event<Server>) {
        pump(&mut self.server, &mut self.host, self.now, Input::Event(event));
        self.settle();
    }

    /// Answers jobs and store operations until none waits, then advances the clock a little.
    fn settle(&mut self) {
        loop {
            while let Some(event) = self.host.computed() {
                pump(&mut self.server, &mut self.host, self.now, Input::Event(event));
            }
            if !self.host.wants_commit() {
                break;
            }
            for event in self.host.commit() {
                pump(&mut self.server, &mut self.host, self.now, Input::Event(event));
            }
        }
        self.now.mono = self.now.mono + READ_TIME;
        if self.server.deadline().is_some_and(|due| due.at <= self.now.mono) {
            self.event(Event::Tick);
        }
    }
}

impl Default for ServerBench {
    fn default() -> Self {
        Self::new()
    }
}

fn user(id: u64) -> UserId {
    UserId::new(id).expect("not 0")
}

const SENDER: ConnId = ConnId(1);
const RECIPIENT: ConnId = ConnId(2);

/// Number of messages and receipts in one round.
const MESSAGES: u64 = ROUND as u64;
const RECEIPTS: u64 = PER_TAKEN as u64;

/// Time between two reads.
const READ_TIME: Duration = Duration::from_micros(100);
