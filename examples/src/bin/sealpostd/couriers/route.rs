//! The operator's choice of how one-time passwords are delivered.

use std::path::PathBuf;
use std::str::FromStr;

use sealpost_core::server::OtpChannel;

/// How one-time passwords are delivered. Parses from the operator's `--otp`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum OtpRoute {
    /// `console`: printed to standard output, for the operator to pass on.
    Console,
    /// `in-band`: the server answers the request with the password; nothing is delivered. Whoever
    /// asks gets it, so only this machine may ask.
    InBand,
    /// `in-band-to-anyone`: the same on a network where the operator trusts everybody.
    InBandToAnyone,
    /// `exec:PROGRAM`: a program of the operator is run for each password. It reads phone number
    /// and password from standard input, one line each. It gets no arguments, because other users
    /// of the system could see those.
    Program(PathBuf),
    /// `webhook`: an HTTP POST of `{"phone":"+…","otp":"…","ttl_seconds":…}` to `otp.webhook_url`.
    Webhook,
    /// `webhook:FILE`: the same to the URL in the first line of the file. Such URLs often contain an access token, and other users of the system
    /// could see one that is an argument.
    WebhookFile(PathBuf),
}

/// A text that is not a route.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum InvalidRoute {
    /// The text is none of the routes.
    #[error(
        "unknown route for one-time passwords: use console, in-band, in-band-to-anyone, \
         exec:PROGRAM, webhook or webhook:FILE"
    )]
    Unknown,
    /// The text has the URL itself.
    #[error(
        "a URL is not a route: set otp.webhook_url, or write it to a file that others can't \
         read, and give its path"
    )]
    Url,
}

impl FromStr for OtpRoute {
    type Err = InvalidRoute;

    fn from_str(text: &str) -> Result<Self, InvalidRoute> {
        match text.split_once(':') {
            None if text == "console" => Ok(Self::Console),
            None if text == "in-band" => Ok(Self::InBand),
            None if text == "in-band-to-anyone" => Ok(Self::InBandToAnyone),
            None if text == "webhook" => Ok(Self::Webhook),
            Some(("exec", program)) if !program.is_empty() => Ok(Self::Program(program.into())),
            Some(("webhook", url)) if url.contains("://") => Err(InvalidRoute::Url),
            Some(("webhook", file)) if !file.is_empty() => Ok(Self::WebhookFile(file.into())),
            None | Some(_) => Err(InvalidRoute::Unknown),
        }
    }
}

impl OtpRoute {
    /// The setting of the server machine that goes with this route.
    pub(crate) const fn channel(&self) -> OtpChannel {
        match self {
            Self::InBand | Self::InBandToAnyone => OtpChannel::InBand,
            Self::Console | Self::Program(_) | Self::Webhook | Self::WebhookFile(_) => {
                OtpChannel::OutOfBand
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn routes_parse_as_an_operator_writes_them() {
        let routes = [
            ("console", OtpRoute::Console),
            ("in-band", OtpRoute::InBand),
            ("in-band-to-anyone", OtpRoute::InBandToAnyone),
            ("exec:/usr/bin/send:now", OtpRoute::Program("/usr/bin/send:now".into())),
            ("webhook", OtpRoute::Webhook),
            ("webhook:/etc/hook", OtpRoute::WebhookFile("/etc/hook".into())),
        ];
        for (text, route) in routes {
            assert_eq!(text.parse(), Ok(route), "{text}");
        }
        for text in ["", "Console", "console:", "exec:", "webhook:", "mail:me"] {
            assert_eq!(text.parse::<OtpRoute>(), Err(InvalidRoute::Unknown), "{text}");
        }
        let url = "webhook:https://example.org/otp?key=secret";
        assert_eq!(url.parse::<OtpRoute>(), Err(InvalidRoute::Url));
    }

    #[test]
    fn only_in_band_is_in_band() {
        assert_eq!(OtpRoute::InBand.channel(), OtpChannel::InBand);
        assert_eq!(OtpRoute::Console.channel(), OtpChannel::OutOfBand);
    }
}
