//! One-time passwords.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::net::IpAddr;
use core::time::Duration;

use super::admission::{Meter, TooMany, neighbourhood};
use crate::entropy::Entropy;
use crate::ids::Phone;
use crate::keys::SymmetricKey;
use crate::server::limits::Limits;
use crate::server::{Config, OtpChannel};
use crate::time::Mono;
use crate::wire::{InvitationHash, Otp};

/// The one-time passwords of the last day. Each belongs to a phone and to the reply key of the 100
/// that asked for it, so that nobody else can void, replace or use up the password of a phone's
/// owner.
#[derive(Debug, Default)]
pub(in crate::server) struct Otps {
    by_phone: BTreeMap<Phone, Vec<IssuedOtp>>,
    /// Count of passwords of all phones.
    len: usize,
    /// Passwords issued, over all phones and addresses.
    issued: Meter,
    /// Wrong guesses, over all phones and addresses.
    wrong_guesses: Meter,
    /// Time before which a full table is not searched again for passwords older than a day.
    next_sweep: Mono,
}

/// A 100 that may be answered with a password.
#[derive(Clone, Copy, Debug)]
pub(in crate::server) struct Asked<'a> {
    pub(in crate::server) phone: Phone,
    pub(in crate::server) reply_key: &'a SymmetricKey,
    /// The invitation that vouches for the phone.
    pub(in crate::server) invitation: Option<InvitationHash>,
    pub(in crate::server) peer: IpAddr,
}

/// A password that was issued: it counts against its phone for a day, whatever became of it.
#[derive(Debug)]
pub(in crate::server) struct IssuedOtp {
    at: Mono,
    /// Network of the client that asked for it.
    peer: IpAddr,
    /// `None` once the password is void. Boxed, so that moving the entry leaves no copy of the
    /// secrets behind.
    live: Option<Box<LiveOtp>>,
}

/// A password that can still be guessed until it expires.
#[derive(Debug)]
struct LiveOtp {
    /// Reply key of the 100 that asked for it.
    reply_key: SymmetricKey,
    otp: Otp,
    expires: Mono,
    /// At least 1.
    attempts_left: u8,
    channel: OtpChannel,
    stage: Stage,
    /// The invitation of its last 100. It is used up together with the password.
    invitation: Option<InvitationHash>,
}

/// How far a password has come on its way to its owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// The host was asked to deliver it.
    AwaitDelivery,
    /// It is on its way, or was given to the client itself.
    Sent,
}

/// What a 200 says.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::server) struct Offer {
    pub(in crate::server) otp: Otp,
    /// Time for which the password is still valid.
    pub(in crate::server) ttl: Duration,
    pub(in crate::server) attempts_left: u8,
    pub(in crate::server) channel: OtpChannel,
}

/// Result of a 100.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::server) enum Issued {
    /// A 200 is due, for a new password or for the living one of an earlier 100.
    Offered(Offer),
    /// A new password has to be delivered before a 200 is due.
    ToDeliver(Offer),
    /// The living password is still being delivered.
    BeingDelivered,
    /// A limit is reached.
    TooMany(TooMany),
}

/// The result of a guess.
#[derive(Debug)]
pub(in crate::server) enum Guess {
    /// Right; the password is used up.
    Right(IssuedOtp),
    /// Wrong. After the last attempt the password is void.
    Wrong { attempts_left: u8 },
    /// There is no live password for this phone and reply key.
    Expired,
    /// Too many wrong guesses were made at the server; nothing was compared.
    TooMany(TooMany),
}

impl Otps {
    /// Count of the passwords of the last day.
    pub(in crate::server) const fn len(&self) -> usize {
        self.len
    }

    /// Draws a password for this channel, or repeats the living one of the same phone and reply key.
    pub(in crate::server) fn issue(
        &mut self,
        config: &Config,
        entropy: &mut Entropy,
        asked: Asked<'_>,
        now: Mono,
    ) -> Issued {
        let Asked { phone, reply_key, invitation, peer } = asked;
        let (limits, peer) = (&config.limits, neighbourhood(peer));
        self.forget_old(phone, now);
        match self.live_mut(phone, reply_key, now) {
            Some(LiveOtp { stage: Stage::AwaitDelivery, .. }) => return Issued::BeingDelivered,
            Some(live) => {
                live.invitation = invitation;
                return Issued::Offered(live.offer(now));
            }
            None => {}
        }
        if let Err(too_many) = self.admit(limits, phone, peer, now) {
            return Issued::TooMany(too_many);
        }
        // An invitation vouches for the phone, which need not prove itself.
        let channel = if invitation.is_some() { OtpChannel::InBand } else { config.otp_channel };
        let (stage, issued): (_, fn(Offer) -> Issued) = match channel {
            OtpChannel::InBand => (Stage::Sent, Issued::Offered),
            OtpChannel::OutOfBand => (Stage::AwaitDelivery, Issued::ToDeliver),
        };
        let live = Box::new(LiveOtp {
            reply_key: reply_key.clone(),
            otp: Otp::last_digits(entropy.below(Otp::COUNT.into())),
            expires: now + limits.otp_ttl,
            attempts_left: limits.otp_attempts,
            channel,
            stage,
            invitation,
        });
        let offer = live.offer(now);
        self.insert(phone, IssuedOtp { at: now, peer, live: Some(live) });
        issued(offer)
    }

    /// Checks every limit for one more password. The limit of the whole server comes last, so that
    /// what is refused here does not count against it.
    fn admit(
        &mut self,
        limits: &Limits,
        phone: Phone,
        peer: IpAddr,
        now: Mono,
    ) -> Result<(), TooMany> {
        let issued = self.by_phone.get(&phone).map_or(&[][..], Vec::as_slice);
        let wait = |oldest: &IssuedOtp| TooMany { retry_after: (oldest.at + DAY).since(now) };
        if let Some(oldest) = issued.first().filter(|_| issued.len() >= limits.otps_per_phone) {
            return Err(wait(oldest));
        }
        let mut from_peer = issued.iter().filter(|issued| issued.peer == peer);
        let count = from_peer.clone().count();
        if let Some(oldest) =
            from_peer.next().filter(|_| count >= limits.otps_per_phone_and_address)
        {
            return Err(wait(oldest));
        }
        if self.len >= limits.otps && now >= self.next_sweep {
            self.next_sweep = now + SWEEP_EVERY;
            self.sweep(now);
        }
        if self.len >= limits.otps {
            return Err(TooMany { retry_after: self.next_sweep.since(now) });
        }
        self.issued.count(limits.otps_issued, now)
    }

    /// The password is on its way. Returns what the 200 says; `None` if the password is void by now.
    pub(in crate::server) fn delivered(
        &mut self,
        phone: Phone,
        reply_key: &SymmetricKey,
        now: Mono,
    ) -> Option<Offer> {
        let live = self.live_mut(phone, reply_key, now)?;
        live.stage = Stage::Sent;
        Some(live.offer(now))
    }

    /// The password could not be delivered: it is void, and does not count against its phone.
    pub(in crate::server) fn withdraw(
        &mut self,
        phone: Phone,
        reply_key: &SymmetricKey,
        now: Mono,
    ) {
        self.remove(phone, reply_key, now);
    }

    /// Compares a guess in constant time. A right one uses the password up, so that no second
    /// confirmation passes while the account is being created.
    pub(in crate::server) fn guess(
        &mut self,
        limits: &Limits,
        phone: Phone,
        reply_key: &SymmetricKey,
        guess: &Otp,
        now: Mono,
    ) -> Guess {
        let Some(live) = self.live(phone, reply_key, now) else { return Guess::Expired };
        let is_right = live.otp.ct_eq(guess);
        // A right guess needs room among the wrong ones too, or over the limit it would be told
        // from them.
        let mut wrong_guesses = self.wrong_guesses;
        if let Err(too_many) = wrong_guesses.count(limits.wrong_guesses, now) {
            return Guess::TooMany(too_many);
        }
        if is_right {
            return self.remove(phone, reply_key, now).map_or(Guess::Expired, Guess::Right);
        }
        self.wrong_guesses = wrong_guesses;
        Guess::Wrong { attempts_left: self.miss(phone, reply_key, now) }
    }

    /// Takes an attempt from a live password. Returns how many are left.
    fn miss(&mut self, phone: Phone, reply_key: &SymmetricKey, now: Mono) -> u8 {
        let Some(issued) = self.issued_mut(phone, reply_key, now) else { return 0 };
        let left = issued.live.as_ref().map_or(0, |live| live.attempts_left.saturating_sub(1));
        match &mut issued.live {
            Some(live) if left > 0 => live.attempts_left = left,
            Some(_) | None => issued.live = None,
        }
        left
    }

    /// Gives back a password that was right although the store failed, unless a newer one of the
    /// same reply key is alive.
    pub(in crate::server) fn restore(&mut self, phone: Phone, issued: IssuedOtp, now: Mono) {
        let newer = issued.live.as_ref().and_then(|live| self.live(phone, &live.reply_key, now));
        if newer.is_none() {
            self.insert(phone, issued);
        }
    }

    fn position(&self, phone: Phone, reply_key: &SymmetricKey, now: Mono) -> Option<usize> {
        let issued = self.by_phone.get(&phone)?;
        issued.iter().position(|issued| issued.live(reply_key, now).is_some())
    }

    fn live(&self, phone: Phone, reply_key: &SymmetricKey, now: Mono) -> Option<&LiveOtp> {
        self.by_phone.get(&phone)?.iter().find_map(|issued| issued.live(reply_key, now))
    }

    fn issued_mut(
        &mut self,
        phone: Phone,
        reply_key: &SymmetricKey,
        now: Mono,
    ) -> Option<&mut IssuedOtp> {
        let at = self.position(phone, reply_key, now)?;
        self.by_phone.get_mut(&phone)?.get_mut(at)
    }

    fn live_mut(
        &mut self,
        phone: Phone,
        reply_key: &SymmetricKey,
        now: Mono,
    ) -> Option<&mut LiveOtp> {
        self.issued_mut(phone, reply_key, now)?.live.as_deref_mut()
    }

    fn insert(&mut self, phone: Phone, issued: IssuedOtp) {
        self.by_phone.entry(phone).or_default().push(issued);
        self.len += 1;
    }

    fn remove(&mut self, phone: Phone, reply_key: &SymmetricKey, now: Mono) -> Option<IssuedOtp> {
        let at = self.position(phone, reply_key, now)?;
        let issued = self.by_phone.get_mut(&phone)?;
        let removed = issued.remove(at);
        if issued.is_empty() {
            self.by_phone.remove(&phone);
        }
        self.len -= 1;
        Some(removed)
    }

    /// Forgets the passwords of one phone that are older than a day.
    fn forget_old(&mut self, phone: Phone, now: Mono) {
        let Some(issued) = self.by_phone.get_mut(&phone) else { return };
        let before = issued.len();
        issued.retain(|issued| !issued.is_old(now));
        self.len -= before - issued.len();
        if issued.is_empty() {
            self.by_phone.remove(&phone);
        }
    }

    /// Forgets the passwords of all phones that are older than a day.
    fn sweep(&mut self, now: Mono) {
        self.by_phone.retain(|_, issued| {
            issued.retain(|issued| !issued.is_old(now));
            !issued.is_empty()
        });
        self.len = self.by_phone.values().map(Vec::len).sum();
    }

    pub(in crate::server) fn is_consistent(&self) -> Result<(), &'static str> {
        let mut live = self.by_phone.values().flatten().filter_map(|issued| issued.live.as_ref());
        if live.any(|live| live.attempts_left == 0) {
            return Err("a one-time password without attempts is alive");
        }
        if self.by_phone.values().any(Vec::is_empty) {
            return Err("a phone without one-time passwords is remembered");
        }
        if self.by_phone.values().map(Vec::len).sum::<usize>() != self.len {
            return Err("the count of one-time passwords is not theirs");
        }
        Ok(())
    }
}

impl IssuedOtp {
    /// The invitation that is used up together with the password.
    pub(in crate::server) fn invitation(&self) -> Option<InvitationHash> {
        self.live.as_ref()?.invitation
    }

    /// The password, if it is alive and belongs to this reply key.
    fn live(&self, reply_key: &SymmetricKey, now: Mono) -> Option<&LiveOtp> {
        let live = self.live.as_deref()?;
        (live.expires > now && live.reply_key == *reply_key).then_some(live)
    }

    fn is_old(&self, now: Mono) -> bool {
        now.since(self.at) >= DAY
    }
}

impl LiveOtp {
    fn offer(&self, now: Mono) -> Offer {
        Offer {
            otp: self.otp.clone(),
            ttl: self.expires.since(now),
            attempts_left: self.attempts_left,
            channel: self.channel,
        }
    }
}

/// The stretch of time for which a password counts against its phone. It rolls, and is measured by
/// the clock that never goes back.
const DAY: Duration = Duration::from_hours(24);

/// Pause between two searches of a full table, each of which looks at all of it.
const SWEEP_EVERY: Duration = Duration::from_mins(1);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::limits::OTP;

    /// The only password of its phone. A list begins with room for four, a map may be half empty, and
    /// each of three allocations takes up to 16 bytes more.
    #[test]
    fn what_a_password_costs_covers_its_lists() {
        let entry = 2 * (size_of::<Phone>() + size_of::<Vec<IssuedOtp>>());
        let cost = size_of::<LiveOtp>() + 4 * size_of::<IssuedOtp>() + entry + 3 * 16;
        assert!(cost <= OTP, "{cost} bytes");
    }
}
