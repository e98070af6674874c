//! Actions as text, with labels in place of what is taken out. Recording and replay write the same
//! text if the machine does the same.

use std::fmt::Write;

use bytes::Bytes;
use sealpost_core::crypto::{Draft, Job, Part};
use sealpost_core::frame::{Action, Flow};
use sealpost_core::ids::{UserId, UserRef};
use sealpost_core::server::store::{PresentedInvitation, Settlement, StoreOp};
use sealpost_core::server::{Notice, OtpDelivery, Server};
use sealpost_core::wire::{ItemId, Packet, Profile};

use crate::names::Names;
use crate::packet::PacketRecord;

/// Writes an action as a line of text.
pub(crate) fn action(action: &Action<Server>, profile: Profile, names: &mut impl Names) -> String {
    match action {
        Action::Send { conn, bytes } => {
            format!("send on {}: {}", conn.0, sent(bytes, profile, names))
        }
        Action::Store { ticket, op } => format!("store #{}: {}", ticket.0, store(op, names)),
        Action::Compute { ticket, job } => {
            format!("compute #{}: {}", ticket.0, compute(job, names))
        }
        Action::Deliver(OtpDelivery { id, peer, phone, otp, ttl_secs }) => {
            let (peer, phone, otp) = (names.peer(*peer), names.phone(*phone), names.otp(otp));
            format!(
                "deliver {}: password {otp} to phone {phone} for address {peer}, {ttl_secs} s",
                id.0
            )
        }
        Action::Notify(told) => format!("notify: {}", notice(told, names)),
        Action::Flow { conn, flow: Flow::Pause } => format!("pause {}", conn.0),
        Action::Flow { conn, flow: Flow::Resume } => format!("resume {}", conn.0),
        Action::Close { conn } => format!("close {}", conn.0),
        Action::Dial { conn, endpoint } => format!("dial {} at {}", conn.0, endpoint.0),
    }
}

/// The kind of an action as a letter.
pub(crate) const fn letter(action: &Action<Server>) -> char {
    match action {
        Action::Send { .. } => 's',
        Action::Store { .. } => 't',
        Action::Compute { .. } => 'c',
        Action::Deliver(_) => 'd',
        Action::Notify(_) => 'n',
        Action::Flow { flow: Flow::Pause, .. } => 'p',
        Action::Flow { flow: Flow::Resume, .. } => 'r',
        Action::Close { .. } => 'x',
        Action::Dial { .. } => 'o',
    }
}

fn sent(bytes: &Bytes, profile: Profile, names: &mut impl Names) -> String {
    match Packet::parse(profile, bytes.clone()) {
        Some(packet) => PacketRecord::read(&packet, names).to_string(),
        None => format!("{} bytes", bytes.len()),
    }
}

fn compute(job: &Job, names: &mut impl Names) -> String {
    let packet = |packet, names: &mut _| PacketRecord::read(packet, names);
    match job {
        Job::Verify { packet: verified, signer } => {
            let key = names.key(signer.fingerprint());
            format!("verify {} with key {key}", packet(verified, names))
        }
        Job::OpenSealed { packet: sealed, signer, key, at } => {
            let (signer, key) = (names.key(signer.fingerprint()), names.secret(key));
            let sealed = packet(sealed, names);
            format!("verify {sealed} with key {signer}, open from {at} with secret {key}")
        }
        Job::OpenRequest { packet: request, signer, kind, key } => {
            let signer = signer.as_ref().map(|signer| names.key(signer.fingerprint()));
            let request = packet(request, names);
            format!("open {request} as {kind:?} with key {key:?}, signed with key {signer:?}")
        }
        Job::OpenGrant { .. } | Job::OpenMessage { .. } => "a job of a client".into(),
        Job::Emit(draft) => emit(draft, names),
    }
}

fn emit(draft: &Draft, names: &mut impl Names) -> String {
    let Draft { header, parts, signer, .. } = draft;
    let (from, to) = (names.party(header.sender), names.party(header.recipient));
    let (from, to) = (from.unwrap_or_default(), to.unwrap_or_default());
    let date = header.timestamp;
    let mut text = format!("make {} {from}→{to} of {date}", header.op.code());
    for part in parts {
        // Writing to a string cannot fail.
        let _ = match part {
            Part::Clear(bytes) => write!(text, ", {} bytes in the clear", bytes.len()),
            Part::Sealed { key, plaintext } => {
                let (len, key) = (plaintext.expose().len(), names.secret(key));
                write!(text, ", {len} bytes sealed with secret {key}")
            }
            Part::Oaep { to, label, plaintext } => {
                let (len, key) = (plaintext.expose().len(), names.key(to.fingerprint()));
                write!(text, ", {len} bytes for key {key} as {label}")
            }
            Part::Envelope { .. } => write!(text, ", an envelope"),
        };
    }
    if let Some(key) = signer {
        let _ = write!(text, ", signed with key {key:?}");
    }
    text
}

fn store(op: &StoreOp, names: &mut impl Names) -> String {
    match op {
        StoreOp::CreateUser { phone, public_key, aes_key: _, at, max_id, invitation } => {
            let (phone, key) = (names.phone(*phone), names.key(public_key.fingerprint()));
            let invitation = presented(invitation.as_ref(), names);
            format!("create user of phone {phone} and key {key} at {at} up to {max_id}{invitation}")
        }
        StoreOp::CheckInvitation { invitation, phone } => {
            let phone = names.phone(*phone);
            format!("check for phone {phone}{}", presented(Some(invitation), names))
        }
        StoreOp::FindUser(UserRef::Id(user)) => format!("find user {}", names.user(*user)),
        StoreOp::FindUser(UserRef::Phone(phone)) => format!("find phone {}", names.phone(*phone)),
        StoreOp::LookUp { asker, phone, day, budget } => {
            let (asker, phone) = (names.user(*asker), names.phone(*phone));
            format!("look phone {phone} up for user {asker} on day {day}, at most {budget}")
        }
        StoreOp::FindSender { sender, recipient } => {
            format!("find sender {} for user {}", names.user(*sender), names.user(*recipient))
        }
        StoreOp::RecordReconnect { user, at, horizon, aes_key: _ } => {
            format!("record reconnect of user {} at {at} up to {horizon}", names.user(*user))
        }
        StoreOp::BeginSession { user, .. } => {
            format!("begin session of user {}", names.user(*user))
        }
        StoreOp::RecordAnswers { owner, peers } => {
            let peers: Vec<_> = peers.iter().map(|peer| names.user(*peer)).collect();
            format!("record that user {} wrote to {peers:?}", names.user(*owner))
        }
        StoreOp::Undeliverable { sender, limit } => {
            format!("read undeliverable of user {}, at most {limit}", names.user(*sender))
        }
        StoreOp::ForgetUndeliverable { sender, messages } => {
            format!("forget {} undeliverable of user {}", messages.len(), names.user(*sender))
        }
        StoreOp::Append { recipient, packets, at } => {
            let recipient = names.user(*recipient);
            let packets: Vec<_> = packets
                .iter()
                .map(|packet| PacketRecord::read(packet, names).to_string())
                .collect();
            format!("append for user {recipient} at {at}: {}", packets.join("; "))
        }
        StoreOp::Page { recipient, after, limit } => {
            let (items, bytes) = (limit.items, limit.bytes);
            let recipient = names.user(*recipient);
            format!("page of user {recipient} after {}, {items} items, {bytes} bytes", after.0)
        }
        StoreOp::Settle(Settlement { recipient, delivered, receipt, at }) => {
            let recipient = names.user(*recipient);
            let (delivered, receipt) =
                (items(delivered, names), PacketRecord::read(receipt, names));
            format!("settle {delivered} of user {recipient} at {at}, {receipt}")
        }
        StoreOp::DropReceipts { recipient, receipts } => {
            let recipient = names.user(*recipient);
            format!("drop {} of user {recipient}", items(receipts, names))
        }
        StoreOp::RecordClock { clock, max_step } => {
            format!("record clock {clock}, step {max_step:?}")
        }
        StoreOp::Expire { before, limit } => {
            format!("expire before {before}, at most {limit}")
        }
    }
}

fn presented(invitation: Option<&PresentedInvitation>, names: &mut impl Names) -> String {
    invitation.map_or_else(String::new, |PresentedInvitation { hash, at }| {
        format!(", invitation {} at {at}", names.invitation(hash))
    })
}

fn items(items: &[ItemId], names: &mut impl Names) -> String {
    let item = |item: &ItemId| format!("{:?} {}/{}", item.kind, names.user(item.origin), item.id);
    items.iter().map(item).collect::<Vec<_>>().join(", ")
}

fn notice(notice: &Notice, names: &mut impl Names) -> String {
    let mut about = |what: &str, user: &UserId| format!("{what} {}", names.user(*user));
    match notice {
        Notice::Registered { user } => about("registered user", user),
        Notice::SessionOpened { user, conn } => {
            about("session opened of user", user) + &format!(" on {}", conn.0)
        }
        Notice::SessionClosed { user, conn } => {
            about("session closed of user", user) + &format!(" on {}", conn.0)
        }
        Notice::Unresponsive { user, conn } => {
            about("unresponsive user", user) + &format!(" on {}", conn.0)
        }
        Notice::Refused { conn, code } => format!("refused with {code:?} on {}", conn.0),
        Notice::StrangersShed { .. }
        | Notice::ConnectionsShed { .. }
        | Notice::StoreFailed { .. }
        | Notice::StoreFull
        | Notice::ClockImplausible { .. }
        | Notice::Reconfigured
        | Notice::ReconfigurationRefused { .. }
        | Notice::Misuse { .. }
        | Notice::Stopped => format!("{notice:?}"),
    }
}
