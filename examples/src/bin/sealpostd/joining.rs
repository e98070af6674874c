//! Options on who may register.

use clap::ValueEnum;
use sealpost_core::server::{PhonePrefix, Registrants, Registration};

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
}
