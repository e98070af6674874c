//! What a check of `sealpost doctor` has found.

use std::fmt;

use serde::Serialize;

/// Outcome of one check.
#[derive(Debug, Serialize)]
pub(crate) struct Finding {
    pub(crate) check: Check,
    pub(crate) state: State,
    /// What was found.
    found: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    advice: Option<String>,
}

/// What is checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Check {
    Folder,
    Key,
    Store,
    Account,
    Socket,
    Disk,
    Clock,
    Certificate,
    Server,
}

/// How it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum State {
    Ok,
    Warning,
    Error,
}

impl Check {
    pub(crate) fn ok(self, found: impl fmt::Display) -> Finding {
        Finding { check: self, state: State::Ok, found: found.to_string(), advice: None }
    }

    pub(crate) fn warning(self, found: impl fmt::Display, advice: impl fmt::Display) -> Finding {
        let advice = Some(advice.to_string());
        Finding { check: self, state: State::Warning, found: found.to_string(), advice }
    }

    pub(crate) fn error(self, found: impl fmt::Display, advice: impl fmt::Display) -> Finding {
        Finding { state: State::Error, ..self.warning(found, advice) }
    }

    const fn word(self) -> &'static str {
        match self {
            Self::Folder => "folder",
            Self::Key => "key",
            Self::Store => "store",
            Self::Account => "account",
            Self::Socket => "socket",
            Self::Disk => "disk",
            Self::Clock => "clock",
            Self::Certificate => "certificate",
            Self::Server => "server",
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match self.state {
            State::Ok => "ok",
            State::Warning => "warning",
            State::Error => "error",
        };
        write!(f, "{state:<7}  {:<11}  {}", self.check.word(), self.found)?;
        match &self.advice {
            Some(advice) => write!(f, "; {advice}"),
            None => Ok(()),
        }
    }
}
