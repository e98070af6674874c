//! Who may register.

use alloc::string::String;
use alloc::vec::Vec;
use core::str::FromStr;

use crate::ids::Phone;

/// Who may register, and with which phone numbers. By default anyone, with any.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Registration {
    /// Who may register.
    pub open_to: Registrants,
    /// Numbers with one of these prefixes need no invitation where anyone may register; others need
    /// one. If empty, every number has one of them.
    pub phone_prefixes: Vec<PhonePrefix>,
}

/// Who may register.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Registrants {
    /// Anyone who gets the one-time password that is sent to their phone.
    #[default]
    Anyone,
    /// Whoever has an invitation. It vouches for the phone number, so no password is sent.
    Invited,
    /// Nobody.
    Nobody,
}

/// What a 100 needs beside its phone number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Demand {
    /// The number proves itself by the password that it is sent.
    Password,
    /// An invitation that is good for the number.
    Invitation,
    /// Nothing would do.
    Refusal,
}

impl Registration {
    /// What is needed to register this phone number.
    pub(super) fn demand(&self, phone: Phone) -> Demand {
        match self.open_to {
            Registrants::Anyone if self.has_prefix(phone) => Demand::Password,
            Registrants::Anyone | Registrants::Invited => Demand::Invitation,
            Registrants::Nobody => Demand::Refusal,
        }
    }

    fn has_prefix(&self, phone: Phone) -> bool {
        let prefixes = &self.phone_prefixes;
        prefixes.is_empty() || prefixes.iter().any(|prefix| prefix.begins(phone))
    }
}

/// The first digits of phone numbers: `+` and 1 to 15 digits, the first of them not 0.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PhonePrefix(String);

/// The text is not the beginning of a phone number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not the beginning of phone numbers: write + and 1 to 15 digits, as in +49")]
pub struct InvalidPhonePrefix;

impl PhonePrefix {
    /// Whether the phone number begins with these digits.
    pub fn begins(&self, phone: Phone) -> bool {
        alloc::format!("{phone}").starts_with(&self.0)
    }
}

impl FromStr for PhonePrefix {
    type Err = InvalidPhonePrefix;

    fn from_str(text: &str) -> Result<Self, InvalidPhonePrefix> {
        let digits = text.strip_prefix('+').ok_or(InvalidPhonePrefix)?;
        let well_formed = (1..=15).contains(&digits.len())
            && !digits.starts_with('0')
            && digits.bytes().all(|byte| byte.is_ascii_digit());
        if well_formed { Ok(Self(text.into())) } else { Err(InvalidPhonePrefix) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn phone(text: &str) -> Phone {
        text.parse().unwrap()
    }

    #[test]
    fn a_number_without_an_allowed_prefix_needs_an_invitation() {
        let prefixes = |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect();
        let demand = |open_to, texts: &[&str], text| {
            Registration { open_to, phone_prefixes: prefixes(texts) }.demand(phone(text))
        };
        let (german, french) = ("+4915112345678", "+33612345678");
        assert_eq!(demand(Registrants::Anyone, &[], french), Demand::Password);
        assert_eq!(demand(Registrants::Anyone, &["+49", "+43"], german), Demand::Password);
        assert_eq!(demand(Registrants::Anyone, &["+49", "+43"], french), Demand::Invitation);
        assert_eq!(demand(Registrants::Invited, &["+49"], german), Demand::Invitation);
        assert_eq!(demand(Registrants::Nobody, &["+49"], german), Demand::Refusal);
    }

    #[test]
    fn a_prefix_is_the_beginning_of_a_phone_number() {
        let whole: PhonePrefix = "+4915112345678".parse().unwrap();
        assert!(whole.begins(phone("+4915112345678")));
        assert!(!whole.begins(phone("+491511234567")));
        for text in ["", "+", "49", "+0", "+4a", "+1234567890123456"] {
            assert_eq!(text.parse::<PhonePrefix>(), Err(InvalidPhonePrefix), "{text}");
        }
    }
}
