//! A refusal: what a 244 says, before it is sealed and signed.

use alloc::borrow::Cow;

use super::admission::TooMany;
use crate::keys::SymmetricKey;
use crate::wire::{ErrorCode, InReplyTo, Packet};

/// Why something is not done, and what the 244 about it is sealed with.
#[derive(Clone, Debug)]
pub(in crate::server) struct Refusal {
    pub(in crate::server) code: ErrorCode,
    pub(in crate::server) in_reply_to: InReplyTo,
    pub(in crate::server) retry_after_secs: u32,
    pub(in crate::server) text: Cow<'static, str>,
    /// The key inside the request that is refused, if it was opened. In a session, the session's
    /// key is used instead.
    pub(in crate::server) reply_key: Option<SymmetricKey>,
}

impl Refusal {
    /// A refusal that answers nothing in particular.
    pub(in crate::server) const fn new(code: ErrorCode) -> Self {
        Self {
            code,
            in_reply_to: InReplyTo([0; 8]),
            retry_after_secs: 0,
            text: Cow::Borrowed(""),
            reply_key: None,
        }
    }

    /// A rate limit was exceeded.
    pub(in crate::server) fn too_many(too_many: TooMany) -> Self {
        // Rounded up, so that a client that waits as told is not refused again.
        let whole = too_many.retry_after.as_millis().div_ceil(1_000);
        Self {
            retry_after_secs: u32::try_from(whole).unwrap_or(u32::MAX),
            ..Self::new(ErrorCode::RateLimited)
        }
    }

    /// The answer to this packet.
    pub(in crate::server) fn answering(self, packet: &Packet) -> Self {
        self.in_reply_to(packet.request_hash().in_reply_to())
    }

    pub(in crate::server) const fn in_reply_to(mut self, in_reply_to: InReplyTo) -> Self {
        self.in_reply_to = in_reply_to;
        self
    }

    pub(in crate::server) fn saying(mut self, text: impl Into<Cow<'static, str>>) -> Self {
        self.text = text.into();
        self
    }

    pub(in crate::server) fn sealed_with(mut self, reply_key: &SymmetricKey) -> Self {
        self.reply_key = Some(reply_key.clone());
        self
    }
}
