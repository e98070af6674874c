//! Names of the states that machines reach, for the summary of a run.

use sealpost_core::client::{Notice, OfflineReason, SendRefusal, ServerKeyChange, Suspicion};
use sealpost_core::server::store::{
    Appended, CreateOutcome, InvitationOutcome, LookupOutcome, ReconnectOutcome, StoreOp,
    StoreOutcome, StoreReply,
};
use sealpost_core::wire::{ErrorCode, ItemId};

pub(super) fn store_state(op: &StoreOp, outcome: &StoreOutcome) -> &'static str {
    match (op, outcome) {
        (_, Err(_)) => "store: failed",
        (_, Ok(StoreReply::Created(CreateOutcome::Created(_)))) => "store: account made",
        (_, Ok(StoreReply::Created(CreateOutcome::InvitationRejected))) => {
            "store: account refused, invitation no longer good"
        }
        (_, Ok(StoreReply::Created(_))) => "store: account refused",
        (_, Ok(StoreReply::InvitationChecked(InvitationOutcome::Good))) => "store: invitation good",
        (_, Ok(StoreReply::InvitationChecked(InvitationOutcome::Rejected))) => {
            "store: invitation rejected"
        }
        (_, Ok(StoreReply::Found(Some(_)))) => "store: user found",
        (_, Ok(StoreReply::Found(None))) => "store: user not found",
        (_, Ok(StoreReply::LookedUp(LookupOutcome::Found(_)))) => "store: phone found",
        (_, Ok(StoreReply::LookedUp(LookupOutcome::NotFound))) => "store: phone not found",
        (_, Ok(StoreReply::LookedUp(LookupOutcome::OverBudget))) => "store: look-ups used up",
        (_, Ok(StoreReply::ReconnectRecorded(ReconnectOutcome::Recorded(_)))) => {
            "store: session resumed"
        }
        (_, Ok(StoreReply::ReconnectRecorded(_))) => "store: session not resumed",
        (_, Ok(StoreReply::SessionBegun(_))) => "store: session begun",
        (_, Ok(StoreReply::AnswersRecorded)) => "store: answers recorded",
        (_, Ok(StoreReply::Undeliverable(_))) => "store: undeliverable messages read",
        (_, Ok(StoreReply::UndeliverableForgotten)) => "store: undeliverable messages forgotten",
        (_, Ok(StoreReply::Appended(each))) => {
            if each.contains(&Appended::StoreFull) {
                "store: full"
            } else if each.contains(&Appended::MailboxFull) {
                "store: mailbox full"
            } else if each.contains(&Appended::Duplicate) {
                "store: stored before"
            } else if each.len() > 1 {
                "store: several appended"
            } else {
                "store: one appended"
            }
        }
        (_, Ok(StoreReply::Page(page))) if page.more => "store: a page of many",
        (_, Ok(StoreReply::Page(page))) if page.items.is_empty() => "store: an empty page",
        (_, Ok(StoreReply::Page(_))) => "store: the last page",
        (_, Ok(StoreReply::Settled)) => "store: settled",
        (_, Ok(StoreReply::ReceiptsDropped)) => "store: receipts dropped",
        (StoreOp::RecordClock { clock, .. }, Ok(StoreReply::ClockRecorded(newest))) => {
            if newest == clock { "store: clock recorded" } else { "store: clock implausible" }
        }
        (_, Ok(StoreReply::ClockRecorded(_))) => "store: clock recorded for another request",
        (_, Ok(StoreReply::Expired(0))) => "store: nothing expired",
        (_, Ok(StoreReply::Expired(_))) => "store: expired",
    }
}

/// Describes an operation for the trace.
pub(super) fn store_words(op: &StoreOp, outcome: &StoreOutcome) -> String {
    match (op, outcome) {
        (StoreOp::Append { recipient, packets, .. }, Ok(StoreReply::Appended(each))) => {
            let names: Vec<_> = packets
                .iter()
                .zip(each)
                .filter_map(|(packet, each)| Some((ItemId::of(packet)?, each)))
                .map(|(key, each)| format!("{:?} {} of {}: {each:?}", key.kind, key.id, key.origin))
                .collect();
            format!("for {recipient}: {}", names.join(", "))
        }
        (StoreOp::Page { recipient, after, .. }, Ok(StoreReply::Page(page))) => {
            format!("for {recipient} after {}: {} items", after.0, page.items.len())
        }
        (StoreOp::Settle(settlement), _) => {
            format!("by {}: {} items", settlement.recipient, settlement.delivered.len())
        }
        _ => String::new(),
    }
}

pub(super) const fn error_state(code: ErrorCode) -> &'static str {
    match code {
        ErrorCode::Malformed => "refused: malformed",
        ErrorCode::BadSignature => "refused: bad signature",
        ErrorCode::NotAuthenticated => "refused: not authenticated",
        ErrorCode::UnknownUser => "refused: unknown user",
        ErrorCode::OtpRejected => "refused: wrong one-time password",
        ErrorCode::OtpExpired => "refused: expired one-time password",
        ErrorCode::RateLimited => "refused: too often",
        ErrorCode::MailboxFull => "refused: mailbox full",
        ErrorCode::ServerFull => "refused: server full",
        ErrorCode::Displaced => "refused: displaced",
        ErrorCode::ClockSkew => "refused: clock skew",
        ErrorCode::Unavailable => "refused: unavailable",
        ErrorCode::ShuttingDown => "refused: shutting down",
        ErrorCode::KeyRejected => "refused: key rejected",
        ErrorCode::InvitationRejected => "refused: invitation rejected",
        ErrorCode::Suspended => "refused: suspended",
        ErrorCode::Unknown(_) => "refused: unknown error",
    }
}

pub(super) const fn notice_state(notice: &Notice) -> &'static str {
    match notice {
        Notice::Online { pending: Some(0), .. } => "client: online, nothing pending",
        Notice::Online { pending: Some(_), .. } => "client: online, something pending",
        Notice::Online { pending: None, .. } => "client: registered and online",
        Notice::CaughtUp { .. } => "client: caught up",
        Notice::Offline { reason, .. } => offline_state(*reason),
        Notice::ServerKey { change: ServerKeyChange::Announced, .. } => {
            "client: successor of the server's key announced"
        }
        Notice::ServerKey { change: ServerKeyChange::Missing, .. } => {
            "client: successor of the server's key missing"
        }
        Notice::ServerKey { change: ServerKeyChange::Replaced, .. } => {
            "client: server's key replaced"
        }
        Notice::OtpRequested { .. } => "client: one-time password issued",
        Notice::OtpRejected { .. } => "client: one-time password rejected",
        Notice::Registered { .. } => "client: registered",
        Notice::RegistrationFailed { .. } => "client: registration failed",
        Notice::Kept { .. } => "client: message kept for later",
        Notice::Queued { .. } => "client: message queued",
        Notice::SendRefused { refusal: SendRefusal::Cancelled, .. } => "client: message given up",
        Notice::SendRefused { refusal: SendRefusal::OtherKey, .. } => {
            "client: message refused, because its key is another one"
        }
        Notice::SendRefused { .. } => "client: message refused",
        Notice::NotCancelled { .. } => "client: message not cancelled",
        Notice::HeldBack { .. } => "client: message held back by the server",
        Notice::Stored { .. } => "client: messages stored",
        Notice::Delivered { .. } => "client: messages delivered",
        Notice::Failed { .. } => "client: messages given up",
        Notice::Found { .. } => "client: contact found",
        Notice::LookupFailed { .. } => "client: look-up failed",
        Notice::Moved { .. } => "client: contact has another id",
        Notice::KeyChanged { .. } => "client: key changed",
        Notice::KeyAccepted { .. } => "client: key accepted",
        Notice::OfferWithdrawn { .. } => "client: offer withdrawn",
        Notice::Forgotten { .. } => "client: contact forgotten",
        Notice::Verified { .. } => "client: contact verified",
        Notice::KeyMismatch { .. } => "client: key mismatch",
        Notice::ClockOffset { .. } => "client: clock far from the server's",
        Notice::UnknownError { .. } => "client: unknown error",
        Notice::Suspicious { suspicion } => suspicion_state(suspicion),
        Notice::StoreFailed { .. } => "client: store failed",
        Notice::Misuse { .. } => "client: misuse by the host",
        Notice::Stopped => "client: stopped",
    }
}

const fn offline_state(reason: OfflineReason) -> &'static str {
    match reason {
        OfflineReason::Requested => "offline: on command",
        OfflineReason::Unreachable => "offline: unreachable",
        OfflineReason::Lost => "offline: lost",
        OfflineReason::TimedOut => "offline: timed out",
        OfflineReason::Refused(_) => "offline: refused",
        OfflineReason::Fault => "offline: fault",
        OfflineReason::WrongClock => "offline: wrong clock",
        OfflineReason::WrongServer => "offline: wrong server",
        OfflineReason::Displaced => "offline: displaced",
        OfflineReason::Suspended => "offline: suspended",
        OfflineReason::NotRegistered => "offline: not registered",
        OfflineReason::AwaitingOtp => "offline: awaiting a one-time password",
        OfflineReason::RegistrationFailed => "offline: registration failed",
        OfflineReason::Local => "offline: local failure",
    }
}

const fn suspicion_state(suspicion: &Suspicion) -> &'static str {
    match suspicion {
        Suspicion::WrongServerKey { .. } => "suspicion: wrong server key",
        Suspicion::BadServerSignature => "suspicion: bad server signature",
        Suspicion::BadPacket(_) => "suspicion: bad packet",
        Suspicion::UnaskedAnswer => "suspicion: unsolicited answer",
        Suspicion::ForgedMessage { .. } => "suspicion: forged message",
        Suspicion::UnknownSender { .. } => "suspicion: unknown sender",
        Suspicion::ForgedReceipt { .. } => "suspicion: forged receipt",
        Suspicion::Contradiction { .. } => "suspicion: contradiction",
    }
}
