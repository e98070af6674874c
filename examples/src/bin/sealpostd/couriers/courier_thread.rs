//! The thread that delivers one-time passwords, so that a slow courier does not hold up the server.

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

/// Delivers one-time passwords one after the other, on a thread of its own. When it is dropped it
/// finishes the current delivery and discards the others: the server forgets those passwords when
/// it stops.
#[derive(Debug)]
pub(crate) struct CourierThread {
    queue: Arc<Queue>,
    /// `None` if the route is in band.
    thread: Option<JoinHandle<()>>,
}

/// Delivers one password at a time.
enum Courier {
    Console,
    Program(Program),
    Webhook(Box<Webhook>),
}

impl CourierThread {
    /// Starts the thread, if the route needs one.
    pub(crate) fn start(route: &OtpRoute) -> Result<Self, Failure> {
        let courier = match route {
            OtpRoute::InBand | OtpRoute::InBandToAnyone => None,
            OtpRoute::Console => Some(Courier::Console),
            OtpRoute::Program(path) => Some(Courier::Program(Program::new(path.clone()))),
            OtpRoute::Webhook(file) => {
                Some(Courier::Webhook(Box::new(Webhook::new(WebhookUrl::read(file)?))))
            }
        };
        let queue = Arc::new(Queue::new());
        let source = Arc::clone(&queue);
        let start =
            |courier| Builder::new().name("otp".into()).spawn(move || run(&source, &courier));
        let thread = courier.map(start).transpose()?;
        Ok(Self { queue, thread })
    }

    /// Queues a password without waiting, unless the queue is full.
    pub(crate) fn send(&self, delivery: OtpDelivery) -> DeliveryOutcome {
        if self.thread.is_none() {
            tracing::error!("a bug in the server: it delivered a one-time password out of band");
            return DeliveryOutcome::Refused;
        }
        if self.queue.push(delivery) {
            return DeliveryOutcome::Accepted;
        }
        tracing::warn!(
            "a one-time password was refused: too many are waiting to be delivered. \
             Check the program or webhook given with --otp"
        );
        DeliveryOutcome::Refused
    }
}

impl Drop for CourierThread {
    fn drop(&mut self) {
        self.queue.close();
        if let Some(thread) = self.thread.take() {
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
