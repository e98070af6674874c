//! One-time passwords on their way to people's phones.
//!
//! Neither a password nor a whole phone number is ever logged. Passwords are good for minutes and
//! can be asked for again: what can't be delivered in time is dropped, and reported.

mod console;
mod program;
mod queue;
mod webhook;

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;
use std::thread::JoinHandle;

use sealpost_core::server::{OtpChannel, OtpDelivery};

use self::program::Program;
use self::queue::Queue;
use self::webhook::Webhook;
pub use self::webhook::{InvalidUrl, WebhookUrl};
use crate::error::Error;
use crate::worker;

/// Which way one-time passwords go. Parses from what an operator writes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OtpRoute {
    /// `console`: printed to standard output, for the operator to pass on.
    Console,
    /// `in-band`: the machine answers with them; nothing is delivered.
    InBand,
    /// `exec:PROGRAM`: a program of the operator's is run for each. It finds phone number and
    /// password on its standard input, one line each; there are no arguments, which others could
    /// see.
    Program(PathBuf),
    /// `webhook:URL`: an HTTP POST of `{"phone":"+…","otp":"…","ttl_seconds":…}`.
    Webhook(WebhookUrl),
}

/// The text names no way.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidRoute {
    /// None of the four.
    #[error(
        "not a way for one-time passwords: write console, in-band, exec:PROGRAM or webhook:URL"
    )]
    Unknown,
    /// The webhook's URL is none.
    #[error(transparent)]
    Url(#[from] InvalidUrl),
}

impl FromStr for OtpRoute {
    type Err = InvalidRoute;

    fn from_str(text: &str) -> Result<Self, InvalidRoute> {
        match text.split_once(':') {
            None if text == "console" => Ok(Self::Console),
            None if text == "in-band" => Ok(Self::InBand),
            Some(("exec", program)) if !program.is_empty() => Ok(Self::Program(program.into())),
            Some(("webhook", url)) => Ok(Self::Webhook(url.parse()?)),
            None | Some(_) => Err(InvalidRoute::Unknown),
        }
    }
}

impl OtpRoute {
    /// What the machine must be told about this way.
    pub const fn channel(&self) -> OtpChannel {
        match self {
            Self::InBand => OtpChannel::InBand,
            Self::Console | Self::Program(_) | Self::Webhook(_) => OtpChannel::OutOfBand,
        }
    }
}

/// Delivers one-time passwords, one after the other, on a thread of its own. Dropped, it finishes
/// the one at hand; the server forgets the others as well.
#[derive(Debug)]
pub struct OtpCourier {
    queue: Arc<Queue>,
    thread: Option<JoinHandle<()>>,
}

/// Somebody who carries one password out.
enum Carrier {
    Console,
    Program(Program),
    Webhook(Box<Webhook>),
}

impl OtpCourier {
    /// Starts the thread, if the route needs one.
    pub fn start(route: &OtpRoute) -> Result<Self, Error> {
        let carrier = match route {
            OtpRoute::InBand => None,
            OtpRoute::Console => Some(Carrier::Console),
            OtpRoute::Program(path) => Some(Carrier::Program(Program::new(path.clone()))),
            OtpRoute::Webhook(url) => Some(Carrier::Webhook(Box::new(Webhook::new(url.clone())))),
        };
        let queue = Arc::new(Queue::new());
        let theirs = Arc::clone(&queue);
        let thread = carrier
            .map(|carrier| worker::spawn("otp", move || run(&theirs, &carrier)))
            .transpose()?;
        Ok(Self { queue, thread })
    }

    /// Queues a password. Never waits: if too many are queued, this one is dropped.
    pub fn send(&self, delivery: OtpDelivery) {
        if self.thread.is_none() {
            tracing::error!("a one-time password was to be delivered, but they go in band");
        } else if !self.queue.push(delivery) {
            tracing::warn!("a one-time password was dropped: too many wait to be delivered");
        }
    }
}

impl Drop for OtpCourier {
    fn drop(&mut self) {
        self.queue.close();
        worker::join(&mut self.thread);
    }
}

fn run(queue: &Queue, carrier: &Carrier) {
    while let Some(delivery) = queue.next() {
        // A library's mistake over one password is no reason to stop the server.
        let carried = catch_unwind(AssertUnwindSafe(|| carrier.carry(&delivery, queue)));
        if carried.is_err() {
            tracing::error!("delivering a one-time password panicked");
        }
    }
}

impl Carrier {
    fn carry(&self, delivery: &OtpDelivery, queue: &Queue) {
        let carried = match self {
            Self::Console => {
                console::print(&mut std::io::stdout(), delivery).map_err(|error| error.to_string())
            }
            Self::Program(program) => program.run(delivery).map_err(|error| error.to_string()),
            Self::Webhook(webhook) => {
                webhook.post(delivery, |pause| queue.wait(pause)).map_err(|error| error.to_string())
            }
        };
        match carried {
            Ok(()) => tracing::debug!(route = %self, "a one-time password was handed over"),
            Err(error) => {
                tracing::warn!(route = %self, error, "a one-time password was not delivered");
            }
        }
    }
}

impl fmt::Display for Carrier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Console => "console",
            Self::Program(_) => "program",
            Self::Webhook(_) => "webhook",
        })
    }
}

/// A delivery for tests.
#[cfg(test)]
fn example() -> OtpDelivery {
    OtpDelivery {
        phone: "+4915112345678".parse().unwrap(),
        otp: "042137".parse().unwrap(),
        ttl_secs: 300,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn routes_parse_as_an_operator_writes_them() {
        let url: WebhookUrl = "https://example.org/otp?key=secret".parse().unwrap();
        let routes = [
            ("console", OtpRoute::Console),
            ("in-band", OtpRoute::InBand),
            ("exec:/usr/bin/send:now", OtpRoute::Program("/usr/bin/send:now".into())),
            ("webhook:https://example.org/otp?key=secret", OtpRoute::Webhook(url)),
        ];
        for (text, route) in routes {
            assert_eq!(text.parse(), Ok(route), "{text}");
        }
        for text in ["", "Console", "console:", "exec:", "mail:me"] {
            assert_eq!(text.parse::<OtpRoute>(), Err(InvalidRoute::Unknown), "{text}");
        }
        assert!(matches!("webhook:ftp://x".parse::<OtpRoute>(), Err(InvalidRoute::Url(_))));
    }

    #[test]
    fn only_in_band_is_in_band() {
        assert_eq!(OtpRoute::InBand.channel(), OtpChannel::InBand);
        assert_eq!(OtpRoute::Console.channel(), OtpChannel::OutOfBand);
    }

    #[test]
    fn debug_of_a_route_hides_the_url() {
        let route: OtpRoute = "webhook:https://example.org/otp?key=secret".parse().unwrap();
        assert!(!format!("{route:?}").contains("secret"));
    }
}
