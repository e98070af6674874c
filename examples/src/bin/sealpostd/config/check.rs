//! Values that are right each by itself, and wrong together.

use sealpost_core::server::OtpChannel;
use sealpost_programs::Failure;

use super::settings::Settings;
use super::{Config, Tls, bounds};
use crate::couriers::OtpRoute;
use crate::store::Engine;

impl Config {
    pub(super) fn check(&self, settings: &Settings) -> Result<(), Failure> {
        self.refuse_strangers(settings)?;
        self.refuse_told_phones(settings)?;
        self.refuse_half_of_tls(settings)?;
        self.check_store(settings)?;
        self.core_limits(self.limits.connections).validate().map_err(|error| {
            let name = bounds::key(error.field)
                .map_or_else(|| format!("limits ({})", error.field), |key| settings.name(key));
            Failure::usage(format_args!("{name} {}", error.must))
        })
    }

    /// Fails if other machines may reach a server that only this one may. Without rate limits a
    /// stranger can flood the server; with passwords in band a stranger can register any number.
    fn refuse_strangers(&self, settings: &Settings) -> Result<(), Failure> {
        let reachable = self.listen.iter().find(|listen| !listen.is_local());
        let proxied = (!self.proxy.trusted.is_empty()).then(|| "behind proxies".to_owned());
        let Some(place) = reachable.map(|listen| format!("on {listen}")).or(proxied) else {
            return Ok(());
        };
        let refused = |option: String| {
            Err(Failure::usage(format_args!(
                "{option} is not allowed {place}, where other machines may reach the server; listen \
                 on a loopback address such as 127.0.0.1:7465, without proxy.trusted",
            )))
        };
        match self.otp.route {
            _ if self.limits.disabled => refused(settings.name("limits.disabled")),
            OtpRoute::InBand => refused(format!("{} in-band", settings.name("otp.route"))),
            OtpRoute::InBandToAnyone
            | OtpRoute::Console
            | OtpRoute::Program(_)
            | OtpRoute::Webhook
            | OtpRoute::WebhookFile(_) => Ok(()),
        }
    }

    /// Fails if registered phone numbers are to be hidden while everybody gets the password that
    /// reveals them.
    fn refuse_told_phones(&self, settings: &Settings) -> Result<(), Failure> {
        match self.otp.route.channel() {
            OtpChannel::InBand if self.registration.hide_registered => {
                Err(Failure::usage(format_args!(
                    "{} hides nothing with one-time passwords in band: whoever asks gets the \
                     password, and with it the answer",
                    settings.name("registration.hide_registered")
                )))
            }
            OtpChannel::InBand | OtpChannel::OutOfBand => Ok(()),
        }
    }

    /// Fails if there is a certificate without a key, or a key without a certificate.
    fn refuse_half_of_tls(&self, settings: &Settings) -> Result<(), Failure> {
        let Tls { certificate, key } = &self.tls;
        let why = "TLS takes a certificate and its key";
        both_or_none(
            settings,
            ["tls.certificate", "tls.key"],
            [certificate.is_some(), key.is_some()],
            why,
        )
    }

    /// Fails if NATS can't be the store as it is configured.
    fn check_store(&self, settings: &Settings) -> Result<(), Failure> {
        let Some(address) = &self.store else {
            return match settings.first_set_in("nats.") {
                None => Ok(()),
                Some(setting) => Err(Failure::usage(format_args!(
                    "{setting} is for a store in NATS, and none is configured: set store, or remove \
                     this setting"
                ))),
            };
        };
        let nats = &self.nats;
        Engine::check(address, nats)?;
        let is_set = |key: &'static str| settings.of(key).is_some();
        for (keys, why) in [
            (["nats.user", "nats.password_file"], "NATS takes a user and a password"),
            (["nats.system_user", "nats.system_password_file"], "NATS takes a user and a password"),
            (["nats.certificate", "nats.key"], "TLS takes a certificate and its key"),
        ] {
            both_or_none(settings, keys, keys.map(is_set), why)?;
        }
        for key in ["nats.authorities", "nats.certificate"] {
            if is_set(key) && !address.is_encrypted() {
                return Err(Failure::usage(format_args!(
                    "{} is for TLS, and {} begins with nats://: write tls:// instead",
                    settings.name(key),
                    settings.name("store")
                )));
            }
        }
        match (nats.system_login(), nats.trust_sync) {
            (Some(_), false) | (None, true) => Ok(()),
            (Some(_), true) => Err(Failure::usage(format_args!(
                "{} and {} exclude each other: with a user of the system account the server asks, \
                 and need not trust",
                settings.name("nats.trust_sync"),
                settings.name("nats.system_user")
            ))),
            (None, false) => Err(Failure::usage(format_args!(
                "{} needs to know that NATS writes to its disks what it acknowledges, which is not \
                 its default: set sync_interval: always in the jetstream block of every server of \
                 NATS; then name a user of the system account with nats.system_user and \
                 nats.system_password_file, so that this is checked at each start, or set \
                 nats.trust_sync",
                settings.name("store")
            ))),
        }
    }
}

/// Fails if one of two options is set and the other is not.
fn both_or_none(
    settings: &Settings,
    keys: [&'static str; 2],
    are_set: [bool; 2],
    why: &str,
) -> Result<(), Failure> {
    let [one, other] = keys;
    let (given, missing) = match are_set {
        [true, true] | [false, false] => return Ok(()),
        [true, false] => (one, other),
        [false, true] => (other, one),
    };
    Err(Failure::usage(format_args!("{} needs {missing} as well: {why}", settings.name(given))))
}
