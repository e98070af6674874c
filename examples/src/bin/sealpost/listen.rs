//! `sealpost listen`.

use std::sync::mpsc::RecvTimeoutError;
use std::time::{Duration, Instant};

use sealpost_chat::Zone;
use sealpost_messenger::api::{
    Acknowledge, AcknowledgeParams, ApiError, Caller, Changed, Connection, ErrorKind, Method,
    Notification, ReceivedEvent, SubscribeChanges, SubscribeParams, SubscribeReceive,
};
use sealpost_messenger::engine::LISTENER;
use sealpost_programs::{Failure, FormatArg};
use serde_json::Value;

use crate::args::ZoneArg;
use crate::events::{Event, Printed};
use crate::hands::{Hands, Owner, failure};
use crate::home::Home;
use crate::signals::Stopped;

/// Options of `listen`.
#[derive(clap::Args, Clone, Copy, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct ListenArgs {
    #[command(flatten)]
    format: FormatArg,
    #[command(flatten)]
    zone: ZoneArg,
    /// Exit after this many messages
    #[arg(long, value_name = "N")]
    count: Option<u64>,
    /// Exit after this many seconds; a failure if --count messages have not arrived by then
    #[arg(long, value_name = "S")]
    seconds: Option<u64>,
}

/// Prints messages and notices until the requested count or time is reached.
pub(crate) fn listen(home: &Home, args: &ListenArgs) -> Result<(), Failure> {
    let deadline =
        args.seconds.and_then(|secs| Instant::now().checked_add(Duration::from_secs(secs)));
    let mut printer = Printer {
        args,
        zone: args.zone.zone(),
        shown: 0,
        unacknowledged: None,
        printed: Printed::default(),
    };
    loop {
        let hands = Hands::take(home, subscribe)?;
        let stopped = Stopped::default();
        if let Owner::Other(remote) = &hands.owner {
            stopped.on_signals(remote.closer()?)?;
        }
        let ended = printer.print_all(&hands, deadline);
        // Notifications also end if they were not read for long.
        let is_lost = hands.is_lost() || hands.runs_here() && matches!(ended, Ok(Ended::Stopped));
        let is_here = matches!(hands.owner, Owner::Here(_));
        hands.finish()?;
        match ended {
            Ok(Ended::Stopped | Ended::Ending) | Err(_) if stopped.is_set() => return Ok(()),
            // A signal has stopped this process.
            Ok(Ended::Ending) if is_here => return Ok(()),
            Ok(Ended::Ending) => {}
            // The home may have another owner by now, or none.
            Ok(Ended::Stopped) | Err(_) if is_lost => {}
            Ok(Ended::Done | Ended::Stopped) => return Ok(()),
            Ok(Ended::TimedOut) => return printer.timed_out(),
            Err(failure) => return Err(failure),
        }
    }
}

fn subscribe(caller: &dyn Caller) -> Result<(), ApiError> {
    let consumer = SubscribeParams { consumer: LISTENER.into(), from_start: true };
    let consumer = serde_json::to_value(consumer).map_err(ApiError::internal)?;
    caller.request(SubscribeChanges::NAME, Value::Null)?;
    caller.request(SubscribeReceive::NAME, consumer).map(drop)
}

/// The next notification, if it comes in time.
fn wait(hands: &Hands, deadline: Option<Instant>) -> Result<Notification, RecvTimeoutError> {
    match deadline {
        None => hands.notifications.recv().map_err(|_| RecvTimeoutError::Disconnected),
        Some(deadline) => {
            let left = deadline.saturating_duration_since(Instant::now());
            hands.notifications.recv_timeout(left)
        }
    }
}

/// How printing ended.
enum Ended {
    /// As many messages as requested were printed.
    Done,
    TimedOut,
    /// There are no more notifications.
    Stopped,
    /// The owner of the home is about to end.
    Ending,
}

struct Printer<'a> {
    args: &'a ListenArgs,
    zone: Zone,
    shown: u64,
    /// Place of the last message that was printed and not acknowledged.
    unacknowledged: Option<u64>,
    printed: Printed,
}

impl Printer<'_> {
    fn print_all(&mut self, hands: &Hands, deadline: Option<Instant>) -> Result<Ended, Failure> {
        while self.args.count.is_none_or(|count| self.shown < count) {
            let next = match hands.notifications.try_recv() {
                Ok(next) => Ok(next),
                // Messages that come together are acknowledged together.
                Err(_) if !self.acknowledge(hands)? => return Ok(Ended::Ending),
                Err(_) => wait(hands, deadline),
            };
            match next {
                Ok(notification) => {
                    self.print(hands, &notification)?;
                }
                Err(RecvTimeoutError::Timeout) => return Ok(Ended::TimedOut),
                Err(RecvTimeoutError::Disconnected) => return Ok(Ended::Stopped),
            }
        }
        self.acknowledge(hands)?;
        Ok(Ended::Done)
    }

    /// Acknowledges what was printed: a message that was not printed comes again. Returns whether the
    /// owner of the home still takes requests.
    fn acknowledge(&mut self, hands: &Hands) -> Result<bool, Failure> {
        let Some(up_to) = self.unacknowledged.take() else { return Ok(true) };
        let params = AcknowledgeParams { consumer: LISTENER.into(), up_to };
        match hands.call::<Acknowledge>(&params) {
            Ok(_) => Ok(true),
            // It is ending: the messages come again the next time.
            Err(error) if error.kind() == Some(ErrorKind::Unavailable) => Ok(false),
            Err(error) => Err(failure(&error)),
        }
    }

    /// Prints a notification.
    fn print(&mut self, hands: &Hands, notification: &Notification) -> Result<(), Failure> {
        let format = self.args.format.format();
        match notification {
            Notification::Hello(_) => Ok(()),
            Notification::Receive(receive) => {
                for event in Event::of_received(&receive.event) {
                    event.print(format, &self.zone)?;
                }
                self.unacknowledged = Some(receive.place);
                if let ReceivedEvent::Message { .. } = receive.event {
                    self.shown += 1;
                }
                Ok(())
            }
            Notification::ReceiveEnded(ended) => {
                let reason = ended.reason;
                Err(Failure::new(format_args!("no more messages are shown here: {reason}")))
            }
            Notification::Changed(changed) => {
                for event in Event::of_change(changed, &mut self.printed) {
                    event.print(format, &self.zone)?;
                }
                if let Changed::Connection { connection } = changed
                    && let Connection::Offline { reason, next_attempt: None, .. } = connection
                    && hands.runs_here()
                {
                    return Err(Failure::new(reason));
                }
                Ok(())
            }
        }
    }

    fn timed_out(&self) -> Result<(), Failure> {
        match self.args.count {
            Some(count) => Err(Failure::new(format_args!(
                "{} of {count} messages arrived in time",
                self.shown
            ))),
            None => Ok(()),
        }
    }
}

const EXAMPLES: &str = "Examples:
  sealpost listen
  sealpost listen --count 1 --seconds 60
  sealpost listen --json | jq -r .text";
