//! Delivers one-time passwords with an HTTP request to a service of the operator.

use std::fmt;
use std::path::Path;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use sealpost_core::server::OtpDelivery;
use sealpost_programs::{Failure, SecretText, secret_line_of_file};
use ureq::http::header::{AUTHORIZATION, HeaderValue, InvalidHeaderValue};
use ureq::http::{StatusCode, Uri};
use ureq::tls::TlsConfig;
use zeroize::Zeroizing;

use super::queue::Waited;
use super::secret_text;

/// An `http` or `https` URL. `Debug` redacts it, because such URLs often contain an access token.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct WebhookUrl(Uri);

/// A text that is not the URL of a webhook.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("invalid webhook URL: it must begin with https:// or http:// and name a host")]
pub(super) struct InvalidUrl;

impl FromStr for WebhookUrl {
    type Err = InvalidUrl;

    fn from_str(text: &str) -> Result<Self, InvalidUrl> {
        let uri: Uri = text.parse().map_err(|_| InvalidUrl)?;
        let has_host = uri.host().is_some_and(|host| !host.is_empty());
        match uri.scheme_str() {
            Some("http" | "https") if has_host => Ok(Self(uri)),
            Some(_) | None => Err(InvalidUrl),
        }
    }
}

impl WebhookUrl {
    /// A URL from the configuration, which others may read.
    pub(super) fn public(url: Option<&str>) -> Result<Self, Failure> {
        let Some(url) = url else {
            return Err(Failure::usage("otp.route is webhook, but otp.webhook_url is not set"));
        };
        let url: Self = url.parse().map_err(Failure::context("otp.webhook_url"))?;
        if url.0.query().is_some()
            || url.0.authority().is_some_and(|host| host.as_str().contains('@'))
        {
            return Err(Failure::usage(
                "otp.webhook_url must contain neither a user nor a query, which may be secrets: put \
                 a token in otp.webhook_token_file, or the whole URL in a file and set otp.route to \
                 webhook:FILE",
            ));
        }
        Ok(url)
    }

    /// Reads the URL from the first line of a file that others can't read.
    pub(super) fn read(file: &Path) -> Result<Self, Failure> {
        secret_line_of_file(file)?.parse().map_err(Failure::context(file.display()))
    }
}

impl fmt::Debug for WebhookUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WebhookUrl(…)")
    }
}

/// Posts passwords to one URL.
#[derive(Debug)]
pub(super) struct Webhook {
    agent: ureq::Agent,
    url: WebhookUrl,
    /// The header that shows who we are.
    authorization: Option<HeaderValue>,
    backoff: Duration,
}

/// Why a password could not be posted.
#[derive(Debug, thiserror::Error)]
pub(super) enum WebhookError {
    /// A status that another attempt would not change.
    #[error("the webhook refused the request with status {0}")]
    Refused(StatusCode),
    /// A status that may be temporary, on the last attempt.
    #[error("the webhook failed with status {0} and was not retried again")]
    Failed(StatusCode),
    #[error("can't reach the webhook: {0}")]
    Unreachable(ureq::Error),
}

impl Webhook {
    /// A webhook at `url`, each request to which may take `timeout`, name look-up included. `token` is
    /// sent as a bearer token.
    pub(super) fn new(
        url: WebhookUrl,
        token: Option<&SecretText>,
        timeout: Duration,
    ) -> Result<Self, InvalidHeaderValue> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let tls = TlsConfig::builder().unversioned_rustls_crypto_provider(provider).build();
        let config = ureq::Agent::config_builder()
            .tls_config(tls)
            .timeout_global(Some(timeout))
            .http_status_as_error(false)
            // A password must go to the operator's URL and nowhere else.
            .max_redirects(0)
            .max_idle_connections(0)
            .build();
        let authorization = token.map(|token| bearer(token)).transpose()?;
        Ok(Self { agent: config.new_agent(), url, authorization, backoff: BACKOFF })
    }

    /// Posts a password, in at most three attempts. Calls `wait` for the pause between two
    /// attempts.
    pub(super) fn post(
        &self,
        delivery: &OtpDelivery,
        wait: impl Fn(Duration) -> Waited,
    ) -> Result<(), WebhookError> {
        let body = json(delivery);
        let mut pause = self.backoff;
        let mut attempts_left = ATTEMPTS;
        loop {
            let error = match self.try_post(&body) {
                Ok(()) => return Ok(()),
                Err(error) => error,
            };
            attempts_left -= 1;
            let is_final = matches!(error, WebhookError::Refused(_));
            if is_final || attempts_left == 0 || wait(pause) == Waited::Closed {
                return Err(error);
            }
            pause *= 4;
        }
    }

    fn try_post(&self, body: &str) -> Result<(), WebhookError> {
        let mut request = self.agent.post(&self.url.0).content_type("application/json");
        if let Some(authorization) = &self.authorization {
            request = request.header(AUTHORIZATION, authorization);
        }
        let response = request.send(body).map_err(WebhookError::Unreachable)?;
        let status = response.status();
        let is_temporary = status.is_server_error()
            || matches!(status, StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS);
        if status.is_success() {
            Ok(())
        } else if is_temporary {
            Err(WebhookError::Failed(status))
        } else {
            Err(WebhookError::Refused(status))
        }
    }
}

/// The header that shows a token. Its `Debug` redacts it.
fn bearer(token: &str) -> Result<HeaderValue, InvalidHeaderValue> {
    let mut header = HeaderValue::try_from(format!("Bearer {token}"))?;
    header.set_sensitive(true);
    Ok(header)
}

/// The body of a request. Digits and `+` need no escaping.
fn json(delivery: &OtpDelivery) -> Zeroizing<String> {
    let OtpDelivery { phone, otp, ttl_secs, .. } = delivery;
    secret_text(format_args!(r#"{{"phone":"{phone}","otp":"{otp}","ttl_seconds":{ttl_secs}}}"#))
}

const ATTEMPTS: u32 = 3;
/// Pause before the second attempt. The pause before the third is four times as long.
const BACKOFF: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader, Read, Write};
    use std::net::TcpListener;
    use std::thread::{self, JoinHandle};

    use super::*;
    use crate::couriers::example;

    const BODY: &str = r#"{"phone":"+4915112345678","otp":"042137","ttl_seconds":300}"#;

    fn new(url: WebhookUrl) -> Webhook {
        Webhook::new(url, None, Duration::from_secs(100)).unwrap()
    }

    /// Starts a service that answers one request with each of `statuses`, and returns the requests
    /// that it got.
    fn service(statuses: &'static [&str]) -> (Webhook, JoinHandle<Vec<(String, String)>>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/otp?key=k", listener.local_addr().unwrap());
        let thread = thread::spawn(move || {
            statuses.iter().map(|status| answer(&listener, status)).collect()
        });
        let webhook = new(url.parse().unwrap());
        (Webhook { backoff: Duration::ZERO, ..webhook }, thread)
    }

    /// Answers one request, and returns its request line and body.
    fn answer(listener: &TcpListener, status: &str) -> (String, String) {
        let (stream, _) = listener.accept().unwrap();
        let mut reader = BufReader::new(&stream);
        let mut head = Vec::new();
        loop {
            let mut line = String::new();
            reader.read_line(&mut line).unwrap();
            if line.trim().is_empty() {
                break;
            }
            head.push(line.trim().to_ascii_lowercase());
        }
        assert!(head.contains(&"content-type: application/json".to_owned()), "{head:?}");
        let len = head.iter().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
        let mut body = vec![0; len.parse().unwrap()];
        reader.read_exact(&mut body).unwrap();
        let response = format!(
            "HTTP/1.1 {status}\r\nContent-Length: 0\r\nLocation: /elsewhere\r\nConnection: close\r\n\r\n"
        );
        (&stream).write_all(response.as_bytes()).unwrap();
        (head.swap_remove(0), String::from_utf8(body).unwrap())
    }

    fn elapsed(_: Duration) -> Waited {
        Waited::Elapsed
    }

    #[test]
    fn password_is_posted_as_json() {
        let (webhook, service) = service(&["204 No Content"]);
        webhook.post(&example(), elapsed).unwrap();
        let request = ("post /otp?key=k http/1.1".to_owned(), BODY.to_owned());
        assert_eq!(service.join().unwrap(), [request]);
    }

    #[test]
    fn failure_is_retried_and_a_third_one_is_final() {
        let (webhook, served) = service(&["503 Busy", "429 Slow", "200 OK"]);
        webhook.post(&example(), elapsed).unwrap();
        assert_eq!(served.join().unwrap().len(), 3);

        let (webhook, served) = service(&["500 Oh", "500 Oh", "502 Ah"]);
        let error = webhook.post(&example(), elapsed).unwrap_err();
        assert!(matches!(error, WebhookError::Failed(StatusCode::BAD_GATEWAY)), "{error}");
        assert_eq!(served.join().unwrap().len(), 3);
    }

    #[test]
    fn refusal_and_redirection_are_final() {
        for status in [&["403 Forbidden"], &["307 Temporary Redirect"]] {
            let (webhook, served) = service(status);
            let error = webhook.post(&example(), elapsed).unwrap_err();
            assert!(matches!(error, WebhookError::Refused(_)), "{error}");
            assert_eq!(served.join().unwrap().len(), 1);
        }
    }

    #[test]
    fn closed_queue_ends_the_attempts() {
        let (webhook, served) = service(&["500 Oh"]);
        webhook.post(&example(), |_| Waited::Closed).unwrap_err();
        assert_eq!(served.join().unwrap().len(), 1);
    }

    #[test]
    fn url_needs_a_scheme_and_a_host() {
        for good in ["http://127.0.0.1:8080/", "https://example.org/a?b=c"] {
            assert!(good.parse::<WebhookUrl>().is_ok(), "{good}");
        }
        for bad in ["", "example.org", "ftp://example.org/", "/otp", "https://"] {
            assert_eq!(bad.parse::<WebhookUrl>(), Err(InvalidUrl), "{bad}");
        }
    }

    #[test]
    fn url_is_read_from_a_file_and_not_shown() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(&file, "https://example.org/otp?key=secret\n").unwrap();
        let url = WebhookUrl::read(file.path()).unwrap();
        assert_eq!(url.0, "https://example.org/otp?key=secret");
        assert!(!format!("{url:?}").contains("secret"));
        std::fs::write(&file, "ftp://example.org/?key=secret\n").unwrap();
        let error = format!("{:?}", WebhookUrl::read(file.path()).unwrap_err());
        assert!(error.contains("invalid webhook URL") && !error.contains("secret"), "{error}");
    }

    #[test]
    fn https_has_a_provider() {
        let url = "https://127.0.0.1:1/".parse().unwrap();
        let error =
            Webhook { backoff: Duration::ZERO, ..new(url) }.post(&example(), elapsed).unwrap_err();
        assert!(matches!(error, WebhookError::Unreachable(_)), "{error}");
    }
}
