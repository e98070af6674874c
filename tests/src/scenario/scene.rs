//! A script's hands and eyes.

use std::collections::BTreeMap;

use sealpost_core::client::store::{Content, Status};
use sealpost_core::client::{Command, Notice, Token};
use sealpost_core::ids::{Phone, UserRef};
use sealpost_core::wire::{ErrorCode, Otp};
use sealpost_storage::client::{HistoryEntry, SentMessage};

use super::diary::Diary;
use super::ground::{Device, Ground, Heard, Road};
use super::seen::{DeviceSaw, Event, Read, Seen, Words};

/// A scenario while it is played: the people's applications, and what they have seen so far.
///
/// Whatever waits gives up when the ground's patience is over, and fails the test.
pub struct Scene<'a> {
    ground: &'a mut dyn Ground,
    diaries: Vec<Diary>,
    marking: Vec<Marking>,
    passwords: Vec<(Phone, Otp)>,
    refused: Vec<ErrorCode>,
    written: u64,
    /// What applications have sent and are not answered about.
    unanswered: Vec<(Device, Token)>,
}

/// Whether an application says what it has taken over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Marking {
    /// At once.
    Prompt,
    /// It keeps that to itself.
    Withheld,
}

impl<'a> Scene<'a> {
    /// A scenario in which nothing has happened.
    pub fn new(ground: &'a mut dyn Ground) -> Self {
        let devices = ground.devices();
        Self {
            ground,
            diaries: vec![Diary::default(); devices],
            marking: vec![Marking::Prompt; devices],
            passwords: Vec::new(),
            refused: Vec::new(),
            written: 0,
            unanswered: Vec::new(),
        }
    }

    /// These register, one after the other, and are online.
    pub fn register(&mut self, devices: &[Device]) {
        for device in devices {
            self.command(*device, Command::Register);
            self.until("registered", |scene| scene.diary(*device).session().is_some());
        }
    }

    /// A device goes online. Returns how much the server says that it holds for it.
    pub fn go_online(&mut self, device: Device) -> u32 {
        self.command(device, Command::Connect);
        self.until("online", |scene| scene.diary(device).session().is_some());
        self.diary(device).session().unwrap()
    }

    /// A device takes its leave, and is offline.
    pub fn go_offline(&mut self, device: Device) {
        self.command(device, Command::Disconnect);
        self.until("offline", |scene| scene.diary(device).session().is_none());
    }

    /// Somebody sends a text, which must be another than all before.
    pub fn write(&mut self, from: Device, to: Device, text: impl Into<String>) {
        self.written += 1;
        let token = Token(self.written);
        let to = UserRef::Phone(self.phone(to));
        let content = Content::Text(text.into());
        self.unanswered.push((from, token));
        self.command(from, Command::Send { token, to, content });
    }

    /// An application wishes something else.
    pub fn command(&mut self, device: Device, command: Command) {
        self.ground.command(device, command);
    }

    /// From now on, an application marks what it has taken over, or doesn't.
    pub fn set_marking(&mut self, device: Device, marking: Marking) {
        self.marking[device.0] = marking;
    }

    /// From now on, a device can reach the server, or can't.
    pub fn set_road(&mut self, device: Device, road: Road) {
        self.ground.set_road(device, road);
    }

    /// A device's connection breaks.
    pub fn cut(&mut self, device: Device) {
        self.ground.cut(device);
    }

    /// A device can't reach the server until [`Scene::set_road`] lets it.
    pub fn keep_away(&mut self, device: Device) {
        self.set_road(device, Road::Blocked);
        self.cut(device);
        self.until("away", |scene| scene.diary(device).session().is_none());
    }

    /// A device's process dies and starts again, offline.
    pub fn restart(&mut self, device: Device) {
        self.ground.kill(device);
        self.catch_up();
        self.diaries[device.0].end_life();
        self.unanswered.retain(|(from, _)| *from != device);
        self.ground.start(device);
    }

    /// Another device with the same account, offline.
    pub fn twin(&mut self, device: Device) -> Device {
        let twin = self.ground.twin(device);
        self.diaries.push(Diary::default());
        self.marking.push(Marking::Prompt);
        twin
    }

    /// The server is stopped in order.
    pub fn stop_server(&mut self) {
        self.ground.stop_server();
    }

    /// The server's process dies.
    pub fn kill_server(&mut self) {
        self.ground.kill_server();
    }

    /// The server starts again.
    pub fn start_server(&mut self) {
        self.ground.start_server();
    }

    /// Waits for the password that the server has sent to a device's owner.
    pub fn password(&mut self, device: Device) -> Otp {
        let phone = self.phone(device);
        self.until("a password", |scene| scene.passwords.iter().any(|(to, _)| *to == phone));
        let place = self.passwords.iter().position(|(to, _)| *to == phone);
        self.passwords.remove(place.unwrap()).1
    }

    /// Waits until the server has answered somebody with this error.
    pub fn until_refused(&mut self, code: ErrorCode) {
        self.until("an error", |scene| scene.refused.contains(&code));
    }

    /// Waits until an application is told this.
    pub fn until_told(&mut self, device: Device, event: &Event) {
        self.until(&format!("{event:?}"), |scene| scene.diary(device).events().contains(event));
    }

    /// Waits until a text has got so far on its way, or further.
    pub fn until_it_is(&mut self, status: Status, from: Device, to: Device, text: &str) {
        self.until(&format!("{text} {status:?}"), |scene| {
            scene.status(from, to, text).is_some_and(|reached| reached >= status)
        });
    }

    /// Waits until so many texts have come from somebody, and holds that they are these.
    pub fn until_read<T: AsRef<str>>(&mut self, by: Device, from: Device, texts: &[T]) {
        let phone = self.phone(from);
        self.until("texts", |scene| scene.diary(by).read(phone).len() >= texts.len());
        let texts: Vec<_> = texts.iter().map(AsRef::as_ref).collect();
        assert_eq!(self.diary(by).read(phone), texts);
    }

    /// Waits until everything that anybody has written is delivered, and its sender knows.
    pub fn until_all_is_delivered(&mut self) {
        self.until("everything delivered", |scene| {
            let mut all = scene.devices().flat_map(|device| scene.sent(device));
            let is_delivered = |(_, sent): (_, SentMessage)| sent.status == Status::Delivered;
            scene.unanswered.is_empty() && all.all(is_delivered)
        });
    }

    /// How far a text has got, once it is durable with its sender.
    pub fn status(&self, from: Device, to: Device, text: &str) -> Option<Status> {
        let sent = self.sent_to(from, self.phone(to));
        sent.iter().find(|sent| Words::of(&sent.content).0 == text).map(|sent| sent.status)
    }

    /// What a device's application has seen.
    pub fn diary(&self, device: Device) -> &Diary {
        &self.diaries[device.0]
    }

    /// Whose a device is.
    pub fn phone(&self, device: Device) -> Phone {
        self.ground.phone(device)
    }

    /// Where this takes place.
    pub fn ground(&self) -> &dyn Ground {
        self.ground
    }

    /// Waits until something holds.
    pub fn until(&mut self, what: &str, holds: impl Fn(&Self) -> bool) {
        let end = self.ground.now() + self.ground.patience();
        while !holds(self) {
            let Some(heard) = self.ground.hear(end) else {
                panic!("waited in vain: {what}; {:#?}", self.diaries)
            };
            self.note(heard);
        }
    }

    /// The end: everybody who is online takes their leave, and the server, which is up, is stopped.
    pub fn finish(mut self) -> Seen {
        self.ground.while_away();
        self.catch_up();
        for device in self.devices() {
            if self.diary(device).session().is_some() {
                self.go_offline(device);
            }
        }
        self.stop_server();
        self.catch_up();
        let devices = self.devices().map(|device| self.saw(device)).collect();
        Seen { devices, pending: self.ground.pending() }
    }

    fn devices(&self) -> impl Iterator<Item = Device> + use<> {
        (0..self.diaries.len()).map(Device)
    }

    /// Notes what has been heard already.
    fn catch_up(&mut self) {
        while let Some(heard) = self.ground.hear(self.ground.now()) {
            self.note(heard);
        }
    }

    fn note(&mut self, heard: Heard) {
        match heard {
            Heard::Notice(device, notice) => {
                if let Notice::Queued { token, .. } | Notice::SendRefused { token, .. } = &notice {
                    self.unanswered.retain(|unanswered| *unanswered != (device, *token));
                }
                self.diaries[device.0].note(notice);
            }
            Heard::Message(device, item) => {
                if self.marking[device.0] == Marking::Prompt {
                    self.ground.command(device, Command::MarkShown { up_to: item.place });
                }
                self.diaries[device.0].show(*item);
            }
            Heard::Otp(delivery) => self.passwords.push((delivery.phone, delivery.otp)),
            Heard::Refused(code) => self.refused.push(code),
        }
    }

    fn saw(&self, device: Device) -> DeviceSaw {
        let diary = self.diary(device);
        let mut saw = DeviceSaw {
            events: diary.events().to_vec(),
            inbox: BTreeMap::new(),
            outbox: BTreeMap::new(),
        };
        for item in diary.inbox() {
            let (continuity, trust) = (item.continuity, item.message.trust);
            let words = Words(super::diary::text_of(item).to_owned());
            let from = saw.inbox.entry(item.message.phone).or_default();
            from.push(Read { words, continuity, trust });
        }
        for (to, sent) in self.sent(device) {
            saw.outbox.entry(to).or_default().push((Words::of(&sent.content), sent.status));
        }
        saw
    }

    /// What was sent from a device, by reader.
    fn sent(&self, device: Device) -> Vec<(Phone, SentMessage)> {
        let peers = self.devices().map(|peer| self.phone(peer));
        let mut peers: Vec<_> = peers.collect();
        peers.sort_unstable();
        peers.dedup();
        let sent = |peer: Phone| self.sent_to(device, peer).into_iter().map(move |s| (peer, s));
        peers.into_iter().flat_map(sent).collect()
    }

    fn sent_to(&self, device: Device, peer: Phone) -> Vec<SentMessage> {
        let sent = |entry| match entry {
            HistoryEntry::Sent(sent) => Some(sent),
            HistoryEntry::Received(_) => None,
        };
        self.ground.history(device, peer).into_iter().filter_map(sent).collect()
    }
}
