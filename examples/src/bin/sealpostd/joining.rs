//! Options on who may register.

use std::num::NonZeroU32;

use clap::ValueEnum;
use sealpost_core::server::limits::{Limits, Rate};
use sealpost_core::server::{IpNet, PhonePrefix, Registrants, Registration};

/// Options on who may register.
#[derive(clap::Args, Debug)]
#[command(next_help_heading = "Registration")]
pub(crate) struct Joining {
    /// Who may register
    #[arg(long, value_enum, value_name = "WHO", default_value_t = RegistrationName::Open)]
    registration: RegistrationName,

    /// Beginning of the phone numbers that may register without an invitation, for example +49; can
    /// be repeated. Others need one, even if registration is open [default: all numbers]
    #[arg(long, value_name = "+DIGITS")]
    phone_prefix: Vec<PhonePrefix>,

    /// One-time passwords that are sent or given out in any 24 hours [default: 200 at once, and one
    /// every 5 s after that]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    otps_per_day: Option<u32>,

    /// One-time passwords of the last 24 hours that nobody has registered with. Once there are so
    /// many, no more are sent or given out [default: 65536]
    #[arg(long, value_name = "N")]
    unconfirmed: Option<NonZeroU32>,

    /// Network whose addresses no rate limit per address applies to, for example 192.0.2.0/24; can be
    /// repeated
    #[arg(long, value_name = "NETWORK")]
    pub(crate) exempt_network: Vec<IpNet>,
}

/// Who may register, by the names that operators use.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum RegistrationName {
    /// Anyone, with a one-time password that is sent to their phone
    Open,
    /// Whoever has an invitation that `sealpostd invite create` printed; no password is sent
    Invite,
    /// Nobody
    Closed,
}

impl Joining {
    /// The setting of the server machine.
    pub(crate) fn registration(&self) -> Registration {
        let open_to = match self.registration {
            RegistrationName::Open => Registrants::Anyone,
            RegistrationName::Invite => Registrants::Invited,
            RegistrationName::Closed => Registrants::Nobody,
        };
        Registration { open_to, phone_prefixes: self.phone_prefix.clone() }
    }

    /// Whether one-time passwords are delivered to phones.
    pub(crate) const fn sends_passwords(&self) -> bool {
        matches!(self.registration, RegistrationName::Open)
    }

    /// Sets those limits on one-time passwords that are given.
    pub(crate) fn bound(&self, limits: &mut Limits) {
        if let Some(most) = self.otps_per_day {
            limits.otps_issued = Rate::per_day(most);
        }
        if let Some(most) = self.unconfirmed {
            limits.otps = usize::try_from(most.get()).unwrap_or(usize::MAX);
        }
    }
}
