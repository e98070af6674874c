//! The content of a message, as commands print it.

use sealpost_messenger::api;
use serde::Serialize;

/// The content of a message.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(crate) enum Body {
    Text {
        text: String,
    },
    /// Bytes of an application, in hex.
    Bytes {
        hex: String,
    },
    /// A file that is offered or was received.
    File {
        file: String,
        size: u64,
        text: String,
    },
    /// The content could not be decrypted. The field is always true.
    Undecryptable {
        undecryptable: bool,
    },
    /// There is nothing to show, and this is why.
    Nothing {
        nothing: &'static str,
    },
}

impl Body {
    /// The content of an entry.
    pub(crate) fn of(body: &api::Body) -> Self {
        match body {
            api::Body::Text { text }
            | api::Body::Invitation { text }
            | api::Body::Notice { text } => Self::Text { text: text.clone() },
            api::Body::Bytes { hex } => Self::Bytes { hex: hex.clone() },
            api::Body::File { name, size, text, .. } => {
                Self::File { file: name.clone(), size: *size, text: text.clone() }
            }
            api::Body::Undecryptable => Self::Undecryptable { undecryptable: true },
            api::Body::Deleted => Self::Nothing { nothing: "taken back by its author" },
            api::Body::Expired => Self::Nothing { nothing: "expired" },
            api::Body::NeedsNewerVersion | api::Body::Unknown => {
                Self::Nothing { nothing: "needs a newer version of this program" }
            }
        }
    }

    /// The content as a person reads it.
    pub(crate) fn text(&self) -> String {
        match self {
            Self::Text { text } => text.clone(),
            Self::Bytes { hex } => format!("[bytes] {hex}"),
            Self::File { file, size, text } => format!("[file {file}, {size} bytes] {text}"),
            Self::Undecryptable { .. } => "[this message can't be decrypted]".to_owned(),
            Self::Nothing { nothing } => format!("[{nothing}]"),
        }
    }

    /// The content of the message with this number when it arrives: an offered file waits for an answer.
    pub(crate) fn news(&self, entry: u64) -> String {
        match self {
            Self::File { file, size, text } => {
                format!("[file {file}, {size} bytes: sealpost files accept {entry}] {text}")
            }
            Self::Text { .. }
            | Self::Bytes { .. }
            | Self::Undecryptable { .. }
            | Self::Nothing { .. } => self.text(),
        }
    }
}
