//! Couriers of one-time passwords: how a password gets from the server to the owner of a phone
//! number.
//!
//! Neither a password nor a whole phone number is ever logged. A password is valid for minutes and
//! can be requested again, so one that can't be delivered in time is dropped and reported in the
//! log.

use std::fmt::{self, Write};

use zeroize::Zeroizing;

mod console;
mod program;
mod queue;
mod route;
mod shared;
mod threads;
mod webhook;

pub(crate) use route::OtpRoute;
pub(crate) use shared::SharedCouriers;
pub(crate) use threads::Couriers;

/// Writes a short text that contains a password. It is zeroized when dropped, and its buffer does not
/// grow, which would leave a copy behind.
fn secret_text(text: fmt::Arguments<'_>) -> Zeroizing<String> {
    let mut secret = Zeroizing::new(String::with_capacity(256));
    // Writing to a string can't fail.
    let _ = secret.write_fmt(text);
    secret
}

/// A delivery for tests.
#[cfg(test)]
fn example() -> sealpost_core::server::OtpDelivery {
    sealpost_core::server::OtpDelivery {
        id: sealpost_core::server::DeliveryId(0),
        peer: std::net::Ipv4Addr::LOCALHOST.into(),
        phone: "+4915112345678".parse().unwrap(),
        otp: "042137".parse().unwrap(),
        ttl_secs: 300,
    }
}
