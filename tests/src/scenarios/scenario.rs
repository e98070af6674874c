//! The interface through which a test drives a deployment and waits for observations.

use std::collections::BTreeMap;

use sealpost_core::client::store::{Content, Status};
use sealpost_core::client::{Command, Notice, Token};
use sealpost_core::ids::{Phone, UserRef};
use sealpost_core::wire::{ErrorCode, Otp};
use sealpost_storage::client::{HistoryEntry, SentMessage};

use super::app_log::AppLog;
use super::deployment::{Deployment, Device, Observation, Reachability};
use super::outcome::{DeviceOutcome, Event, Outcome, ReceivedText, Text};
use crate::content::text_event;

/// A running scenario: a deployment, and the log of each device's application.
///
/// A wait that exceeds the deployment's timeout fails the test.
pub struct Scenario<'a> {
    deployment: &'a mut dyn Deployment,
    logs: Vec<AppLog>,
    marking: Vec<Marking>,
    passwords: Vec<(Phone, Otp)>,
    refused: Vec<ErrorCode>,
    written: u64,
    /// Messages that applications sent and no notice has answered yet.
    unanswered: Vec<(Device, Token)>,
    /// Every text that is durable with its sender, or will be.
    texts: Vec<WrittenText>,
}

/// A text that an application sent.
struct WrittenText {
    from: Device,
    token: Token,
    to: Phone,
    text: String,
}

/// Whether an application marks delivered messages as shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Marking {
    /// Marks each message at once.
    Prompt,
    /// Marks none.
    Withheld,
}

impl<'a> Scenario<'a> {
    /// A scenario on a fresh deployment.
    pub fn new(deployment: &'a mut dyn Deployment) -> Self {
        let devices = deployment.devices();
        Self {
            deployment,
            logs: vec![AppLog::default(); devices],
            marking: vec![Marking::Prompt; devices],
            passwords: Vec::new(),
            refused: Vec::new(),
            written: 0,
            unanswered: Vec::new(),
            texts: Vec::new(),
        }
    }

    /// Registers devices one after the other, and waits until each is online.
    pub fn register(&mut self, devices: &[Device]) {
        for device in devices {
            self.command(*device, Command::Register { invitation: None });
            self.until("registered", |scenario| scenario.log(*device).session().is_some());
        }
    }

    /// Connects a device. Returns the number of items that the server announces as pending.
    pub fn go_online(&mut self, device: Device) -> u32 {
        self.command(device, Command::Connect);
        self.until("online", |scenario| scenario.log(device).session().is_some());
        self.log(device).session().unwrap()
    }

    /// Disconnects a device, and waits until it is offline.
    pub fn go_offline(&mut self, device: Device) {
        self.command(device, Command::Disconnect);
        self.until("offline", |scenario| scenario.log(device).session().is_none());
    }

    /// Sends a text. All texts of a scenario must differ.
    pub fn send(&mut self, from: Device, to: Device, text: impl Into<String>) {
        let text = text.into();
        let content = Content::Text(text.clone());
        self.send_content(from, to, text, content);
    }

    /// Sends a text in an event. All texts of a scenario must differ.
    pub fn send_event(&mut self, from: Device, to: Device, text: &str) {
        let content = text_event(self.written, text).expect("a short text");
        self.send_content(from, to, text.to_owned(), content);
    }

    fn send_content(&mut self, from: Device, to: Device, text: String, content: Content) {
        self.written += 1;
        let (token, to) = (Token(self.written), self.phone(to));
        self.unanswered.push((from, token));
        self.texts.push(WrittenText { from, token, to, text });
        self.command(from, Command::Send { token, to: UserRef::Phone(to), content });
    }

    /// Gives a device's client any command.
    pub fn command(&mut self, device: Device, command: Command) {
        self.deployment.command(device, command);
    }

    /// Changes whether an application marks delivered messages as shown.
    pub fn set_marking(&mut self, device: Device, marking: Marking) {
        self.marking[device.0] = marking;
    }

    /// Changes whether a device can reach the server.
    pub fn set_reachability(&mut self, device: Device, reachability: Reachability) {
        self.deployment.set_reachability(device, reachability);
    }

    /// Breaks a device's connection.
    pub fn cut(&mut self, device: Device) {
        self.deployment.cut(device);
    }

    /// Takes a device offline until [`Scenario::set_reachability`] lets it reach the server again.
    pub fn isolate(&mut self, device: Device) {
        self.set_reachability(device, Reachability::Unreachable);
        self.cut(device);
        self.until("offline", |scenario| scenario.log(device).session().is_none());
    }

    /// Kills and restarts a device's process; it comes back offline.
    pub fn restart(&mut self, device: Device) {
        self.deployment.kill(device);
        self.catch_up();
        self.logs[device.0].record_process_end();
        // What had not been answered may be lost.
        let (lost, unanswered): (Vec<_>, _) =
            self.unanswered.drain(..).partition(|(from, _)| *from == device);
        self.unanswered = unanswered;
        self.forget(&lost);
        self.deployment.start(device);
    }

    /// Adds a device with the same account, offline.
    pub fn second_device(&mut self, device: Device) -> Device {
        let second = self.deployment.second_device(device);
        self.logs.push(AppLog::default());
        self.marking.push(Marking::Prompt);
        second
    }

    /// Shuts the server down in order.
    pub fn stop_server(&mut self) {
        self.deployment.stop_server();
    }

    /// Kills the server's process.
    pub fn kill_server(&mut self) {
        self.deployment.kill_server();
    }

    /// Restarts the server.
    pub fn start_server(&mut self) {
        self.deployment.start_server();
    }

    /// Waits for the one-time password that the server issues to a device's phone number.
    pub fn password(&mut self, device: Device) -> Otp {
        let phone = self.phone(device);
        self.until("a one-time password", |scenario| {
            scenario.passwords.iter().any(|(to, _)| *to == phone)
        });
        let place = self.passwords.iter().position(|(to, _)| *to == phone);
        self.passwords.remove(place.unwrap()).1
    }

    /// Waits until the server has sent this error to some client.
    pub fn until_refused(&mut self, code: ErrorCode) {
        self.until("an error", |scenario| scenario.refused.contains(&code));
    }

    /// Waits until an application has received this event.
    pub fn until_event(&mut self, device: Device, event: &Event) {
        self.until(&format!("{event:?}"), |scenario| scenario.log(device).events().contains(event));
    }

    /// Waits until a text has reached this status, or a later one.
    pub fn until_status(&mut self, status: Status, from: Device, to: Device, text: &str) {
        self.until(&format!("{text} {status:?}"), |scenario| {
            scenario.status(from, to, text).is_some_and(|reached| reached >= status)
        });
    }

    /// Waits until everything that was written on a device is durable there.
    pub fn until_kept(&mut self, device: Device) {
        self.until("kept", |scenario| {
            !scenario.unanswered.iter().any(|(unanswered, _)| *unanswered == device)
        });
    }

    /// Waits until as many texts have arrived from a device, and asserts that they are these.
    pub fn until_received<T: AsRef<str>>(&mut self, by: Device, from: Device, texts: &[T]) {
        let phone = self.phone(from);
        self.until("texts", |scenario| scenario.log(by).texts_from(phone).len() >= texts.len());
        let texts: Vec<_> = texts.iter().map(AsRef::as_ref).collect();
        assert_eq!(self.log(by).texts_from(phone), texts);
    }

    /// Waits until every message is delivered and its sender has the receipt.
    pub fn until_all_delivered(&mut self) {
        self.until("delivery of everything", |scenario| {
            let delivered = |written: &WrittenText| {
                scenario.status_to(written.from, written.to, &written.text)
                    == Some(Status::Delivered)
            };
            scenario.unanswered.is_empty() && scenario.texts.iter().all(delivered)
        });
    }

    /// Status of a text in its sender's outbox; `None` until it is there.
    pub fn status(&self, from: Device, to: Device, text: &str) -> Option<Status> {
        self.status_to(from, self.phone(to), text)
    }

    fn status_to(&self, from: Device, to: Phone, text: &str) -> Option<Status> {
        let sent = self.sent_to(from, to);
        sent.iter().find(|sent| Text::of(&sent.content).0 == text).map(|sent| sent.status)
    }

    /// Expects nothing more of these messages.
    fn forget(&mut self, messages: &[(Device, Token)]) {
        self.texts.retain(|text| !messages.contains(&(text.from, text.token)));
    }

    /// Log of a device's application.
    pub fn log(&self, device: Device) -> &AppLog {
        &self.logs[device.0]
    }

    /// Phone number of a device's account.
    pub fn phone(&self, device: Device) -> Phone {
        self.deployment.phone(device)
    }

    /// The deployment under test.
    pub fn deployment(&self) -> &dyn Deployment {
        self.deployment
    }

    /// Waits until a condition holds.
    pub fn until(&mut self, what: &str, holds: impl Fn(&Self) -> bool) {
        let end = self.deployment.now() + self.deployment.timeout();
        while !holds(self) {
            let Some(observation) = self.deployment.next_observation(end) else {
                panic!("timed out waiting for: {what}; {:#?}", self.logs)
            };
            self.record(observation);
        }
    }

    /// Ends the scenario: disconnects every online device and shuts the running server down.
    pub fn finish(mut self) -> Outcome {
        self.deployment.let_settle();
        self.catch_up();
        for device in self.devices() {
            if self.log(device).session().is_some() {
                self.go_offline(device);
            }
        }
        self.stop_server();
        self.catch_up();
        let devices = self.devices().map(|device| self.device_outcome(device)).collect();
        Outcome { devices, pending: self.deployment.pending() }
    }

    fn devices(&self) -> impl Iterator<Item = Device> + use<> {
        (0..self.logs.len()).map(Device)
    }

    /// Records the observations that are already there.
    fn catch_up(&mut self) {
        while let Some(observation) = self.deployment.next_observation(self.deployment.now()) {
            self.record(observation);
        }
    }

    fn record(&mut self, observation: Observation) {
        match observation {
            Observation::Notice(device, notice) => {
                if let Notice::Kept { token }
                | Notice::Queued { token, .. }
                | Notice::SendRefused { token, .. } = &notice
                {
                    self.unanswered.retain(|unanswered| *unanswered != (device, *token));
                }
                if let Notice::SendRefused { token, .. } = &notice {
                    self.forget(&[(device, *token)]);
                }
                self.logs[device.0].record_notice(notice);
            }
            Observation::Message(device, item) => {
                if self.marking[device.0] == Marking::Prompt {
                    self.deployment.command(device, Command::MarkShown { up_to: item.place });
                }
                self.logs[device.0].record_message(*item);
            }
            Observation::Otp(delivery) => self.passwords.push((delivery.phone, delivery.otp)),
            Observation::Refused(code) => self.refused.push(code),
        }
    }

    fn device_outcome(&self, device: Device) -> DeviceOutcome {
        let log = self.log(device);
        let mut outcome = DeviceOutcome {
            events: log.events().to_vec(),
            inbox: BTreeMap::new(),
            outbox: BTreeMap::new(),
        };
        for item in log.inbox() {
            let (continuity, trust) = (item.continuity, item.message.trust);
            let text = Text(super::app_log::text_of(item).to_owned());
            let from = outcome.inbox.entry(item.message.phone).or_default();
            from.push(ReceivedText { text, continuity, trust });
        }
        for (to, sent) in self.sent(device) {
            outcome.outbox.entry(to).or_default().push((Text::of(&sent.content), sent.status));
        }
        outcome
    }

    /// Messages sent from a device, by recipient.
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
        self.deployment.history(device, peer).into_iter().filter_map(sent).collect()
    }
}
