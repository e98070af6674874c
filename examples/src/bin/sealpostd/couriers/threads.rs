//! The threads that deliver one-time passwords, so that a slow delivery holds up neither the server
//! nor the other deliveries.

use std::fmt;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread::{Builder, JoinHandle};

use sealpost_core::server::{DeliveryOutcome, OtpDelivery};
use sealpost_programs::{Failure, secret_line_of_file};

use super::console;
use super::program::Program;
use super::queue::Queue;
use super::route::OtpRoute;
use super::webhook::{Webhook, WebhookUrl};
use crate::config::Otp;

/// Delivers one-time passwords on threads of its own. When it is dropped it finishes the current
/// deliveries and discards the others: the server forgets those passwords when it stops.
#[derive(Debug)]
pub(crate) struct Couriers {
    queue: Arc<Queue>,
    /// None if the route is in band.
    threads: Vec<JoinHandle<()>>,
}

/// Delivers passwords in one way.
enum Courier {
    Console,
    Program(Program),
    Webhook(Box<Webhook>),
}

impl Couriers {
    /// Starts the threads that the route needs.
    ///
    /// # Errors
    /// As [`Couriers::check`].
    pub(crate) fn start(config: &Otp) -> Result<Self, Failure> {
        let mut couriers = Self { queue: Arc::new(Queue::new()), threads: Vec::new() };
        let Some(courier) = Courier::new(config)? else { return Ok(couriers) };
        let threads = match courier {
            // Lines should not mix.
            Courier::Console => 1,
            Courier::Program(_) | Courier::Webhook(_) => THREADS,
        };
        let courier = Arc::new(courier);
        for index in 0..threads {
            let (queue, courier) = (Arc::clone(&couriers.queue), Arc::clone(&courier));
            let thread = Builder::new()
                .name(format!("otp-{index}"))
                .spawn(move || run(&queue, &courier))
                .map_err(Failure::context("can't start a thread for one-time passwords"))?;
            couriers.threads.push(thread);
        }
        Ok(couriers)
    }

    /// Checks that passwords can be delivered: that there is such a program, or a right URL, and that
    /// files with secrets can be read.
    pub(crate) fn check(config: &Otp) -> Result<(), Failure> {
        Courier::new(config).map(|_| ())
    }

    /// Queues a password without waiting, unless there is no room for it.
    pub(crate) fn send(&self, delivery: OtpDelivery) -> DeliveryOutcome {
        if self.threads.is_empty() {
            // A reload may have come between the request and this.
            tracing::warn!("a one-time password was refused: passwords are in band now");
            return DeliveryOutcome::Refused;
        }
        if self.queue.push(delivery) {
            return DeliveryOutcome::Accepted;
        }
        tracing::warn!(
            "a one-time password was refused: too many are waiting to be delivered, in all, for \
             one address or for one number. Check the program or webhook given with --otp"
        );
        DeliveryOutcome::Refused
    }
}

impl Couriers {
    /// Delivers everything that waits, then ends the threads.
    pub(crate) fn finish(mut self) {
        self.queue.finish();
        self.join();
    }

    fn join(&mut self) {
        for thread in self.threads.drain(..) {
            // It catches the panics of couriers, so there is nothing to report.
            let _ = thread.join();
        }
    }
}

impl Drop for Couriers {
    fn drop(&mut self) {
        self.queue.close();
        self.join();
    }
}

fn run(queue: &Queue, courier: &Courier) {
    while let Some(delivery) = queue.next() {
        // A bug in an HTTP library must cost one password, not the service.
        let delivered = catch_unwind(AssertUnwindSafe(|| courier.deliver(&delivery, queue)));
        if delivered.is_err() {
            tracing::error!(courier = %courier, "delivering a one-time password panicked");
        }
    }
}

impl Courier {
    /// None if the route is in band.
    fn new(config: &Otp) -> Result<Option<Self>, Failure> {
        let timeout = config.timeout.0;
        let webhook = |url| {
            let file = config.webhook_token_file.as_deref();
            let token = file.map(secret_line_of_file).transpose()?;
            let webhook = Webhook::new(url, token.as_ref(), timeout)
                .map_err(Failure::context("otp.webhook_token_file"))?;
            Ok(Some(Self::Webhook(Box::new(webhook))))
        };
        match &config.route {
            OtpRoute::InBand | OtpRoute::InBandToAnyone => Ok(None),
            OtpRoute::Console => Ok(Some(Self::Console)),
            OtpRoute::Program(path) => Ok(Some(Self::Program(Program::new(path, timeout)?))),
            OtpRoute::Webhook => webhook(WebhookUrl::public(config.webhook_url.as_deref())?),
            OtpRoute::WebhookFile(file) => webhook(WebhookUrl::read(file)?),
        }
    }

    fn deliver(&self, delivery: &OtpDelivery, queue: &Queue) {
        let delivered = match self {
            Self::Console => {
                console::print(&mut io::stdout(), delivery).map_err(|error| error.to_string())
            }
            Self::Program(program) => program.run(delivery).map_err(|error| error.to_string()),
            Self::Webhook(webhook) => {
                webhook.post(delivery, |pause| queue.wait(pause)).map_err(|error| error.to_string())
            }
        };
        match delivered {
            Ok(()) => tracing::debug!(courier = %self, "a one-time password was handed over"),
            Err(error) => {
                tracing::warn!(courier = %self, error, "a one-time password was not delivered");
            }
        }
    }
}

impl fmt::Display for Courier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Console => "console",
            Self::Program(_) => "program",
            Self::Webhook(_) => "webhook",
        })
    }
}

/// Deliveries at once. They wait for other machines, so there may be more of them than cores.
const THREADS: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::couriers::example;

    #[test]
    fn password_is_refused_when_there_is_no_room_for_it() {
        let in_band = Couriers { queue: Arc::new(Queue::new()), threads: Vec::new() };
        assert_eq!(in_band.send(example()), DeliveryOutcome::Refused);

        // Its thread delivers nothing.
        let thread = std::thread::spawn(|| ());
        let couriers = Couriers { queue: Arc::new(Queue::new()), threads: vec![thread] };
        assert_eq!(couriers.send(example()), DeliveryOutcome::Accepted);
        assert_eq!(couriers.send(example()), DeliveryOutcome::Refused);
    }
}
