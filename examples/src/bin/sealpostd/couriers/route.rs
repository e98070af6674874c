//! The operator's choice of how one-time passwords are delivered.

use std::path::PathBuf;
use std::str::FromStr;

use sealpost_core::server::OtpChannel;

use super::webhook::{InvalidUrl, WebhookUrl};

/// How one-time passwords are delivered. Parses from the operator's `--otp`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum OtpRoute {
    /// `console`: printed to standard output, for the operator to pass on.
    Console,
    /// `in-band`: the server answers the request with the password; nothing is delivered.
    InBand,
    /// `exec:PROGRAM`: a program of the operator is run for each password. It reads phone number
    /// and password from standard input, one line each. It gets no arguments, because other users
    /// of the system could see those.
    Program(PathBuf),
    /// `webhook:URL`: an HTTP POST of `{"phone":"+…","otp":"…","ttl_seconds":…}`.
    Webhook(WebhookUrl),
}

/// A text that is not a route.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum InvalidRoute {
    /// The text is none of the four routes.
    #[error(
        "unknown route for one-time passwords: use console, in-band, exec:PROGRAM or webhook:URL"
    )]
    Unknown,
    /// The URL of the webhook is invalid.
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
    /// The setting of the server machine that goes with this route.
    pub(crate) const fn channel(&self) -> OtpChannel {
        match self {
            Self::InBand => OtpChannel::InBand,
            Self::Console | Self::Program(_) | Self::Webhook(_) => OtpChannel::OutOfBand,
        }
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
