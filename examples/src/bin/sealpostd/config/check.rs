//! Values that are right each by itself, and wrong together.

use sealpost_core::server::OtpChannel;
use sealpost_programs::Failure;

use super::settings::Settings;
use super::{Config, bounds};
use crate::couriers::OtpRoute;

impl Config {
    pub(super) fn check(&self, settings: &Settings) -> Result<(), Failure> {
        self.refuse_strangers(settings)?;
        self.refuse_told_phones(settings)?;
        self.refuse_half_of_tls(settings)?;
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
        let (given, missing) = match (&self.tls.certificate, &self.tls.key) {
            (Some(_), Some(_)) | (None, None) => return Ok(()),
            (Some(_), None) => ("tls.certificate", "tls.key"),
            (None, Some(_)) => ("tls.key", "tls.certificate"),
        };
        Err(Failure::usage(format_args!(
            "{} needs {missing} as well: TLS takes a certificate and its key",
            settings.name(given)
        )))
    }
}
