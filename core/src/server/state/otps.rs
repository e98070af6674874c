//! One-time passwords.

use alloc::collections::BTreeMap;

use crate::entropy::Entropy;
use crate::ids::Phone;
use crate::server::limits::Limits;
use crate::time::Mono;
use crate::wire::Otp;

/// The one-time passwords that are alive, at most one for a phone.
#[derive(Debug, Default)]
pub(in crate::server) struct Otps(BTreeMap<Phone, LiveOtp>);

/// A one-time password that is alive.
#[derive(Debug)]
pub(in crate::server) struct LiveOtp {
    otp: Otp,
    expires: Mono,
    attempts_left: u8,
}

/// The result of a guess.
#[derive(Debug)]
pub(in crate::server) enum Guess {
    /// Right; the password is used up.
    Right(LiveOtp),
    /// Wrong. After the last attempt the password is void.
    Wrong { attempts_left: u8 },
    /// There is no live password for this phone.
    Expired,
}

impl Otps {
    pub(in crate::server) fn len(&self) -> usize {
        self.0.len()
    }

    /// Draws a password for a phone, in place of an earlier one. `None` if too many are alive.
    pub(in crate::server) fn issue(
        &mut self,
        limits: &Limits,
        entropy: &mut Entropy,
        phone: Phone,
        now: Mono,
    ) -> Option<Otp> {
        if self.0.len() >= limits.otps {
            self.0.retain(|_, live| live.expires > now);
        }
        if self.0.len() >= limits.otps && !self.0.contains_key(&phone) {
            return None;
        }
        let otp = Otp::from_number(u32::try_from(entropy.below(1_000_000)).ok()?)?;
        let live = LiveOtp {
            otp: otp.clone(),
            expires: now + limits.otp_ttl,
            attempts_left: limits.otp_attempts,
        };
        self.0.insert(phone, live);
        Some(otp)
    }

    /// Compares a guess in constant time. A right one uses the password up, so that no second
    /// confirmation passes while the account is being created.
    pub(in crate::server) fn guess(&mut self, phone: Phone, guess: &Otp, now: Mono) -> Guess {
        let Some(mut live) = self.0.remove(&phone).filter(|live| live.expires > now) else {
            return Guess::Expired;
        };
        if live.otp.ct_eq(guess) {
            return Guess::Right(live);
        }
        // `Limits` has at least one attempt, and a password without any left is removed here.
        live.attempts_left -= 1;
        let attempts_left = live.attempts_left;
        if attempts_left > 0 {
            self.0.insert(phone, live);
        }
        Guess::Wrong { attempts_left }
    }

    /// Gives back a password that was right although the store failed, unless a newer one is
    /// alive.
    pub(in crate::server) fn restore(&mut self, phone: Phone, live: LiveOtp) {
        self.0.entry(phone).or_insert(live);
    }

    pub(in crate::server) fn is_consistent(&self) -> Result<(), &'static str> {
        if self.0.values().any(|live| live.attempts_left == 0) {
            return Err("a one-time password without attempts is alive");
        }
        Ok(())
    }
}
