//! A server with two users in session, and rounds of messages from one to the other.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use sealpost_core::entropy::Entropy;
use sealpost_core::frame::{Event, Input, Machine, pump};
use sealpost_core::ids::{ConnId, UserId};
use sealpost_core::server::limits::Limits;
use sealpost_core::server::store::StoreOp;
use sealpost_core::server::{Config, OtpChannel, Server, Stats};
use sealpost_core::time::{Mono, Now};
use sealpost_core::wire::Profile;
use sealpost_storage::conformance::{at, phone, public_key, wrapped_key};
use sealpost_storage::{Storage, Usage};

use crate::desk::Desk;
use crate::mail::{Mail, PER_RECEIPT, PER_TAKEN, READ, ROUND, reconnect};

/// Two users who are there, and the server between them.
pub struct Pair {
    server: Server,
    desk: Desk,
    mail: Mail,
    now: Now,
}

impl Pair {
    /// Both in session, and live: nothing is stored for either.
    pub fn new() -> Self {
        let profile = Profile::Compact;
        let config = Config {
            profile,
            server_key: public_key(0),
            otp_channel: OtpChannel::OutOfBand,
            limits: Limits::without_rates(),
        };
        let [sender, reader] = [1, 2].map(user);
        let mut pair = Self {
            server: Server::new(config, Entropy::from_seed([7; 32])).expect("the limits are valid"),
            desk: Desk::new(profile),
            mail: Mail::new(profile, sender, reader),
            now: Now { mono: Mono(0), wall: at(0) },
        };
        for (number, user, conn) in [(1, sender, SENDER), (2, reader, READER)] {
            pair.begin(profile, number, user, conn);
        }
        pair
    }

    fn begin(&mut self, profile: Profile, number: u16, user: UserId, conn: ConnId) {
        let create = StoreOp::CreateUser {
            phone: phone(number),
            public_key: public_key(number),
            aes_key: wrapped_key(0),
            at: at(-100),
            max_id: profile.max_user_id(),
        };
        self.desk.store.commit(&[create], &mut Vec::new());
        self.event(Event::Opened { conn, peer: IpAddr::V4(Ipv4Addr::LOCALHOST) });
        let request = reconnect(profile, user, self.now.wall);
        let input = Input::Bytes { conn, data: request.bytes() };
        pump(&mut self.server, &mut self.desk, self.now, input);
        self.settle();
    }

    /// What the server has done.
    pub fn stats(&self) -> Stats {
        self.server.stats()
    }

    /// Routes [`ROUND`] messages, and everything that follows from them, while the reader takes
    /// each at once: they are forwarded, and the receipts too. Nothing is stored or made.
    pub fn live_round(&mut self) {
        let (done, sent) = (self.stats(), self.desk.sent);
        for _ in 0..PER_TAKEN {
            for _ in 0..PER_RECEIPT / READ {
                self.write();
            }
            self.acknowledge();
        }
        self.take_receipts();
        assert_eq!(self.since(sent), (RECEIPTS, MESSAGES));
        assert_eq!(self.stats().forwarded - done.forwarded, MESSAGES + RECEIPTS);
    }

    /// Routes [`ROUND`] messages to a reader who takes nothing for a while, and then everything:
    /// what [`fall_behind`](Self::fall_behind), [`catch_up`](Self::catch_up) and
    /// [`settle_all`](Self::settle_all) do, one after the other.
    pub fn stored_round(&mut self) {
        self.fall_behind();
        self.catch_up();
        self.settle_all();
    }

    /// The reader takes nothing: [`ROUND`] messages are appended, and acknowledged as stored.
    pub fn fall_behind(&mut self) {
        let (done, sent) = (self.stats(), self.desk.sent);
        self.event(Event::Congested { conn: READER });
        for _ in 0..ROUND / READ {
            self.write();
        }
        let (acks, none) = self.since(sent);
        assert!(acks > 0 && none == 0);
        assert_eq!(self.stats().stored - done.stored, MESSAGES);
    }

    /// The reader takes again, and is sent all that is stored, in one page.
    pub fn catch_up(&mut self) {
        let sent = self.desk.sent;
        self.event(Event::Writable { conn: READER });
        assert_eq!(self.since(sent), (0, MESSAGES));
    }

    /// Each receipt of the reader settles its messages, and its sender's word drops the receipt:
    /// nothing is left in the store, and the reader is live again.
    pub fn settle_all(&mut self) {
        let sent = self.desk.sent;
        for _ in 0..PER_TAKEN {
            self.acknowledge();
        }
        self.take_receipts();
        assert_eq!(self.since(sent), (RECEIPTS, 0));
        let left = [1, 2].map(|id| self.desk.store.usage(user(id)));
        assert!(left.iter().all(|usage| *usage == Usage::default()), "{left:?}");
    }

    /// How many packets the sender and the reader have been sent since they had `before`.
    fn since(&self, before: [u64; 3]) -> (u64, u64) {
        let ([_, sender, reader], [_, sender_before, reader_before]) = (self.desk.sent, before);
        (sender - sender_before, reader - reader_before)
    }

    fn write(&mut self) {
        let input = Input::Bytes { conn: SENDER, data: self.mail.messages() };
        pump(&mut self.server, &mut self.desk, self.now, input);
        self.settle();
    }

    fn acknowledge(&mut self) {
        let input = Input::Bytes { conn: READER, data: self.mail.receipt() };
        pump(&mut self.server, &mut self.desk, self.now, input);
        self.settle();
    }

    fn take_receipts(&mut self) {
        let (data, taken) = self.mail.taken();
        self.desk.opened = taken.emit();
        pump(&mut self.server, &mut self.desk, self.now, Input::Bytes { conn: SENDER, data });
        self.settle();
    }

    fn event(&mut self, event: Event<Server>) {
        pump(&mut self.server, &mut self.desk, self.now, Input::Event(event));
        self.settle();
    }

    /// Answers jobs and the store until nothing is asked, then lets a little time pass.
    fn settle(&mut self) {
        loop {
            while let Some(event) = self.desk.computed() {
                pump(&mut self.server, &mut self.desk, self.now, Input::Event(event));
            }
            if !self.desk.wants_commit() {
                break;
            }
            for event in self.desk.commit() {
                pump(&mut self.server, &mut self.desk, self.now, Input::Event(event));
            }
        }
        self.now.mono = self.now.mono + READ_TIME;
        if self.server.deadline().is_some_and(|due| due.at <= self.now.mono) {
            self.event(Event::Tick);
        }
    }
}

impl Default for Pair {
    fn default() -> Self {
        Self::new()
    }
}

fn user(id: u64) -> UserId {
    UserId::new(id).expect("not 0")
}

const SENDER: ConnId = ConnId(1);
const READER: ConnId = ConnId(2);

/// Of one round.
const MESSAGES: u64 = ROUND as u64;
const RECEIPTS: u64 = PER_TAKEN as u64;

/// Between one read and the next.
const READ_TIME: Duration = Duration::from_micros(100);
