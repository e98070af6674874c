//! The threads that deliver one-time passwords, so that a slow delivery holds up neither the server
//! nor the other deliveries.

use std::fmt;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread::{Builder, JoinHandle};

use sealpost_core::server::{DeliveryOutcome, OtpDelivery};
use sealpost_programs::Failure;

use super::console;
use super::program::Program;
use super::queue::Queue;
use super::route::OtpRoute;
use super::webhook::{Webhook, WebhookUrl};

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
    pub(crate) fn start(route: &OtpRoute) -> Result<Self, Failure> {
        let mut couriers = Self { queue: Arc::new(Queue::new()), threads: Vec::new() };
        let (courier, threads) = match route {
            OtpRoute::InBand | OtpRoute::InBandToAnyone => return Ok(couriers),
            // Lines should not mix.
            OtpRoute::Console => (Courier::Console, 1),
            OtpRoute::Program(path) => (Courier::Program(Program::new(path.clone())), THREADS),
            OtpRoute::Webhook(file) => {
                let webhook = Webhook::new(WebhookUrl::read(file)?);
                (Courier::Webhook(Box::new(webhook)), THREADS)
            }
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

    /// Queues a password without waiting, unless there is no room for it.
    pub(crate) fn send(&self, delivery: OtpDelivery) -> DeliveryOutcome {
        if self.threads.is_empty() {
            tracing::error!("a bug in the server: it delivered a one-time password out of band");
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

impl Drop for Couriers {
    fn drop(&mut self) {
        self.queue.close();
        for thread in self.threads.drain(..) {
            // It catches the panics of couriers, so there is nothing to report.
            let _ = thread.join();
        }
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
        let in_band = Couriers::start(&OtpRoute::InBand).unwrap();
        assert_eq!(in_band.send(example()), DeliveryOutcome::Refused);

        // Its thread delivers nothing.
        let thread = std::thread::spawn(|| ());
        let couriers = Couriers { queue: Arc::new(Queue::new()), threads: vec![thread] };
        assert_eq!(couriers.send(example()), DeliveryOutcome::Accepted);
        assert_eq!(couriers.send(example()), DeliveryOutcome::Refused);
    }
}
