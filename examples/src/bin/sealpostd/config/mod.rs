//! The configuration of the server.
//!
//! | file | what |
//! |---|---|
//! | `table` | every option: its key, default, help, and whether a reload applies it |
//! | `options` | what an option is |
//! | `layers` | the file, the environment and the command line, in this order |
//! | `file`, `flags` | reading the first and the last of them |
//! | `settings` | the value of every option, and who has set it |
//! | `listen` | places to listen, and the public address |
//! | `store` | NATS, as the place of accounts and messages |
//! | `values` | rates and durations as operators write them |
//! | `check` | what values must not be together |
//! | `bounds` | the limits of the machine and of the store |
//! | `show` | the commented file |

mod bounds;
mod check;
mod file;
mod flags;
mod layers;
mod listen;
mod options;
mod settings;
mod show;
mod store;
mod table;
mod values;

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::PathBuf;

use sealpost_core::server::{self, IpNet, PhonePrefix, RegisteredPhones, Registrants};
use sealpost_programs::{CryptoName, Failure, LogFormat, LogLevels, Verify};
use serde::Deserialize;

pub(crate) use file::NAME as FILE_NAME;
pub(crate) use flags::Flags;
pub(crate) use layers::Layers;
pub(crate) use listen::{LOCALHOST, Listen, PORT, Place, PublicAddress};
pub(crate) use settings::{Origin, Settings};
pub(crate) use show::show;
pub(crate) use store::{Nats, StoreAddress};

use crate::args::ProfileName;
use crate::couriers::OtpRoute;
use crate::size::Size;
pub(crate) use values::Span;
use values::{RateText, one_or_more, optional_text, text, texts};

/// The value of every option of [`OPTIONS`](table::OPTIONS), which describes them.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    pub(crate) data: PathBuf,
    #[serde(deserialize_with = "one_or_more")]
    pub(crate) listen: Vec<Listen>,
    #[serde(default, deserialize_with = "optional_text")]
    pub(crate) public_address: Option<PublicAddress>,
    pub(crate) profile: Option<ProfileName>,
    #[serde(default, deserialize_with = "optional_text")]
    pub(crate) store: Option<StoreAddress>,
    pub(crate) nats: Nats,
    pub(crate) tls: Tls,
    pub(crate) proxy: Proxy,
    pub(crate) crypto: Crypto,
    pub(crate) key: Key,
    pub(crate) registration: Registration,
    pub(crate) otp: Otp,
    pub(crate) limits: Limits,
    pub(crate) storage: Storage,
    pub(crate) metrics: Metrics,
    pub(crate) record: Record,
    pub(crate) log: Log,
}

/// The section `[tls]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Tls {
    pub(crate) certificate: Option<PathBuf>,
    pub(crate) key: Option<PathBuf>,
}

/// The section `[proxy]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Proxy {
    #[serde(deserialize_with = "texts")]
    pub(crate) trusted: Vec<IpNet>,
}

/// The section `[crypto]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Crypto {
    pub(crate) provider: CryptoName,
    pub(crate) verify: Verify,
    pub(crate) workers: Option<NonZeroUsize>,
}

/// The section `[key]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Key {
    pub(crate) retire_after: Span,
}

/// The section `[registration]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Registration {
    pub(crate) mode: RegistrationMode,
    #[serde(deserialize_with = "texts")]
    pub(crate) phone_prefixes: Vec<PhonePrefix>,
    pub(crate) hide_registered: bool,
}

/// Who may register, by the names that operators use.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum RegistrationMode {
    Open,
    Invite,
    Closed,
}

impl Registration {
    /// Whether one-time passwords are delivered to phones.
    pub(crate) const fn sends_passwords(&self) -> bool {
        matches!(self.mode, RegistrationMode::Open)
    }

    /// Who may register, as the server machine takes it.
    pub(crate) fn registrants(&self) -> server::Registration {
        let open_to = match self.mode {
            RegistrationMode::Open => Registrants::Anyone,
            RegistrationMode::Invite => Registrants::Invited,
            RegistrationMode::Closed => Registrants::Nobody,
        };
        server::Registration { open_to, phone_prefixes: self.phone_prefixes.clone() }
    }
}

/// The section `[otp]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Otp {
    #[serde(deserialize_with = "text")]
    pub(crate) route: OtpRoute,
    pub(crate) webhook_url: Option<String>,
    pub(crate) webhook_token_file: Option<PathBuf>,
    pub(crate) timeout: Span,
    pub(crate) lifetime: Span,
    pub(crate) attempts: u8,
    pub(crate) per_phone: usize,
    pub(crate) per_phone_and_address: usize,
    pub(crate) issued: RateText,
    pub(crate) wrong_guesses: RateText,
    pub(crate) unconfirmed: usize,
}

/// The section `[limits]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Limits {
    pub(crate) disabled: bool,
    pub(crate) connections: usize,
    #[serde(deserialize_with = "text")]
    pub(crate) packet_memory: Size,
    pub(crate) strangers: usize,
    pub(crate) strangers_per_address: usize,
    pub(crate) time_to_session: Span,
    pub(crate) registrations_per_address: RateText,
    pub(crate) reconnects_per_address: RateText,
    pub(crate) key_requests_per_address: RateText,
    pub(crate) refusals_per_address: RateText,
    pub(crate) reconnects_per_user: RateText,
    pub(crate) lookups_per_user: RateText,
    pub(crate) lookups_per_day: u32,
    pub(crate) packets_per_user: RateText,
    pub(crate) remembered: usize,
    #[serde(deserialize_with = "texts")]
    pub(crate) exempt_networks: Vec<IpNet>,
    pub(crate) in_flight_timeout: Span,
    pub(crate) unresponsive: Span,
    pub(crate) shutdown: Span,
}

/// The section `[storage]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Storage {
    pub(crate) mailbox_messages: u64,
    #[serde(deserialize_with = "text")]
    pub(crate) mailbox_size: Size,
    #[serde(deserialize_with = "text")]
    pub(crate) receipts_size: Size,
    #[serde(deserialize_with = "text")]
    pub(crate) daily_size: Size,
    #[serde(deserialize_with = "text")]
    pub(crate) store_size: Size,
    #[serde(deserialize_with = "text")]
    pub(crate) disk_reserve: Size,
    pub(crate) retention: Span,
    pub(crate) clock_step: Span,
}

/// The section `[metrics]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Metrics {
    #[serde(default, deserialize_with = "optional_text")]
    pub(crate) listen: Option<SocketAddr>,
}

/// The section `[record]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Record {
    pub(crate) file: Option<PathBuf>,
    #[serde(deserialize_with = "text")]
    pub(crate) size: Size,
}

/// The section `[log]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Log {
    #[serde(deserialize_with = "text")]
    pub(crate) level: LogLevels,
    pub(crate) format: LogFormat,
}

impl Config {
    /// Reads and checks the values of all options.
    ///
    /// # Errors
    /// The first value that is wrong, named as the operator has named it.
    pub(crate) fn new(settings: &Settings) -> Result<Self, Failure> {
        let config: Self =
            serde_path_to_error::deserialize(settings.document()).map_err(|error| {
                let path = error.path().to_string();
                let name = settings.of(&path).map_or(path, ToString::to_string);
                let reason = error.into_inner();
                Failure::usage(format_args!("{name}: {}", reason.message().replace('\n', ", ")))
            })?;
        config.check(settings)?;
        Ok(config)
    }

    /// Whether the server's port is known before it listens.
    pub(crate) fn port_is_known(&self) -> bool {
        let port = self.listen.iter().find_map(|listen| match &listen.place {
            Place::Tcp { port, .. } => Some(*port),
            Place::Unix { .. } => None,
            Place::ServiceManager => Some(0),
        });
        self.public_address.is_some() || port.is_some_and(|port| port != 0)
    }

    /// The setting of the server machine for `registration.hide_registered`.
    pub(crate) const fn registered_phones(&self) -> RegisteredPhones {
        if self.registration.hide_registered {
            RegisteredPhones::Hidden
        } else {
            RegisteredPhones::Told
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A row without a field, or a field without a row, is an error here.
    #[test]
    fn the_table_and_the_fields_agree() {
        let mut settings = Settings::defaults().unwrap();
        Config::new(&settings).unwrap();
        for option in table::OPTIONS {
            if let options::Preset::Unset { example } = option.preset {
                settings.set(option, settings::literal(example).unwrap(), Origin::Default);
            }
        }
        Config::new(&settings).unwrap();
    }

    #[test]
    fn wrong_value_is_named_as_the_operator_has_named_it() {
        let refused = |key: &'static str, value: &str, origin| {
            let mut settings = Settings::defaults().unwrap();
            let option = options::Opt::find(key).unwrap();
            settings.set(option, settings::literal(value).unwrap(), origin);
            format!("{:?}", Config::new(&settings).unwrap_err())
        };
        let said = refused("limits.strangers", "\"many\"", Origin::File("a.toml".into(), 7));
        assert!(said.contains("a.toml, line 7: limits.strangers: invalid type"), "{said}");
        let said = refused("listen", "\"nowhere\"", Origin::Flag("listen"));
        assert!(said.contains("--listen: write HOST:PORT"), "{said}");
        let said = refused("crypto.workers", "0", Origin::Variable("SEALPOST_X".into()));
        assert!(said.contains("SEALPOST_X: "), "{said}");
    }
}
