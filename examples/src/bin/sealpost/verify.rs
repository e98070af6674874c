//! `sealpost verify`.
#![expect(clippy::wildcard_enum_match_arm, reason = "few of the notices matter here")]

use std::io::{self, BufRead, Read, Write};
use std::time::Instant;

use sealpost_core::client::store::{Contact, Verification};
use sealpost_core::client::{Command, LookupFailure, Notice, OfflineReason};
use sealpost_core::ids::{Phone, UserRef};
use sealpost_core::keys::{Fingerprint, PublicKey};
use sealpost_mio::SignalHandling;
use sealpost_programs::{Failure, Format, Line, tell};
use sealpost_storage::client::ClientStorage;

use crate::args::VerifyArgs;
use crate::events::Event;
use crate::home::Home;
use crate::safety_number::{Comparison, SafetyNumber};
use crate::session::{Session, deadline_in};

/// Shows the safety number of a contact, after asking the server for its key, and after accepting or
/// marking it if requested.
pub(crate) fn verify(home: &Home, args: &VerifyArgs) -> Result<(), Failure> {
    let is_contact = find(home, args.phone)?.is_some();
    let looked_up =
        run(home, args, |session, deadline| look_up(session, args.phone, is_contact, deadline));
    match looked_up {
        // The key that is known is still worth comparing.
        Err(failure) if is_contact => Line::text(format_args!(
            "Not looked up ({}). This is what was known before:",
            failure.message()
        ))?,
        looked_up => looked_up?,
    }
    let mut contact = known(home, args.phone)?;
    let mut compared = Compared { ours: home.public_key()?, phone: args.phone, confirmed: None };
    if let Some(comparison) = &args.accept {
        let offered = contact.offered.as_ref().ok_or_else(|| {
            Failure::new(format_args!("the key of {} has not changed", args.phone))
        })?;
        let fingerprint = compared.confirm(&offered.public_key, comparison)?;
        run(home, args, |session, deadline| accept(session, args.phone, fingerprint, deadline))?;
        contact = known(home, args.phone)?;
    }
    if let Some(comparison) = &args.mark {
        let fingerprint = compared.confirm(&contact.pinned.public_key, comparison)?;
        run(home, args, |session, deadline| mark(session, args.phone, fingerprint, deadline))?;
        contact = known(home, args.phone)?;
    }
    show(&compared.ours, &contact)
}

/// What the person has compared. A key is accepted or marked by the fingerprint that was confirmed
/// here, so not if another key takes its place meanwhile.
struct Compared {
    ours: PublicKey,
    phone: Phone,
    confirmed: Option<Fingerprint>,
}

impl Compared {
    /// Returns the fingerprint of a key if its safety number is the one that the person compared. A
    /// number that was confirmed once is not asked for again.
    fn confirm(
        &mut self,
        theirs: &PublicKey,
        comparison: &Comparison,
    ) -> Result<Fingerprint, Failure> {
        let fingerprint = *theirs.fingerprint();
        let shown = SafetyNumber::of(&self.ours, theirs);
        match comparison {
            Comparison::Number(number) if *number != shown => {
                return Err(Failure::new(format_args!(
                    "the key of {} has another safety number than the one given: {shown}",
                    self.phone
                )));
            }
            Comparison::Ask if self.confirmed != Some(fingerprint) => self.ask(&shown)?,
            Comparison::Number(_) | Comparison::Ask => {}
        }
        self.confirmed = Some(fingerprint);
        Ok(fingerprint)
    }

    fn ask(&self, shown: &SafetyNumber) -> Result<(), Failure> {
        tell(format_args!("Safety number with {}:", self.phone))?;
        tell(shown)?;
        write!(io::stderr(), "Is it the same on both screens? [yes/no] ")?;
        let mut answer = String::new();
        io::stdin().lock().take(ANSWER_MAX).read_line(&mut answer)?;
        if answer.trim() == "yes" {
            return Ok(());
        }
        Err(Failure::new("not confirmed, so nothing was changed"))
    }
}

/// Runs one task in a session of the client.
fn run(
    home: &Home,
    args: &VerifyArgs,
    task: impl FnOnce(&Session, Option<Instant>) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let session = Session::start(home.open()?, SignalHandling::Stop)?;
    let done = task(&session, deadline_in(args.timeout));
    session.finish()?;
    done
}

/// Asks the server who has the phone number. For a contact it does not wait until a server is there.
fn look_up(
    session: &Session,
    phone: Phone,
    is_contact: bool,
    deadline: Option<Instant>,
) -> Result<(), Failure> {
    session.command(Command::Connect);
    session.command(Command::Lookup { phone });
    let found = session.until(deadline, |notice| match notice {
        Notice::Found { phone: found, .. } if *found == phone => Some(Ok(())),
        Notice::LookupFailed { who, failure } if *who == UserRef::Phone(phone) => {
            Some(Err(match failure {
                LookupFailure::UnknownUser if is_contact => {
                    Failure::new(format_args!("nobody is registered as {phone} any more"))
                }
                LookupFailure::UnknownUser => {
                    Failure::new(format_args!("nobody is registered as {phone}"))
                }
                LookupFailure::Busy | LookupFailure::Contradiction | LookupFailure::Refused(_) => {
                    Failure::new(failure)
                }
            }))
        }
        Notice::Moved { phone: moved, .. } if *moved == phone => told(notice),
        Notice::Offline { reason: OfflineReason::Unreachable, .. } if is_contact => {
            Some(Err(session.silent()))
        }
        _ => None,
    });
    found?.ok_or_else(|| session.silent())
}

/// Prints what `listen` would print.
fn told(notice: &Notice) -> Option<Result<(), Failure>> {
    let event = Event::of_contact(notice)?;
    event.print(Format::Text).err().map(Err)
}

fn accept(
    session: &Session,
    phone: Phone,
    fingerprint: Fingerprint,
    deadline: Option<Instant>,
) -> Result<(), Failure> {
    session.command(Command::AcceptKey { phone, fingerprint });
    let accepted = session.until(deadline, |notice| match notice {
        Notice::KeyAccepted { phone: accepted, .. } if *accepted == phone => Some(Ok(())),
        Notice::KeyMismatch { phone: refused } if *refused == phone => {
            Some(Err(Failure::new("the offered key has just changed again; run verify again")))
        }
        _ => None,
    });
    accepted?.ok_or_else(|| session.silent())
}

fn mark(
    session: &Session,
    phone: Phone,
    fingerprint: Fingerprint,
    deadline: Option<Instant>,
) -> Result<(), Failure> {
    session.command(Command::MarkVerified { phone, fingerprint });
    let marked = session.until(deadline, |notice| match notice {
        Notice::Verified { phone: marked } if *marked == phone => Some(Ok(())),
        Notice::KeyMismatch { phone: refused } if *refused == phone => {
            Some(Err(Failure::new("the key has just changed; run verify again")))
        }
        _ => None,
    });
    marked?.ok_or_else(|| session.silent())
}

fn show(ours: &PublicKey, contact: &Contact) -> Result<(), Failure> {
    let phone = contact.phone;
    Line::text(format_args!("Safety number with {phone}:"))?;
    Line::text(SafetyNumber::of(ours, &contact.pinned.public_key))?;
    Line::text(match contact.verification {
        Verification::Verified => "Verified: you have compared it.",
        Verification::FirstUse => {
            "Not verified: compare it on both screens, and if it is the same, add --mark."
        }
    })?;
    if let Some(offered) = &contact.offered {
        Line::text(format_args!(
            "The server offers another key for {phone}, with this safety number:"
        ))?;
        Line::text(SafetyNumber::of(ours, &offered.public_key))?;
        Line::text("Compare this one, and if it is the same, add --accept.")?;
    }
    Ok(())
}

fn find(home: &Home, phone: Phone) -> Result<Option<Contact>, Failure> {
    let contacts = home.look()?.load()?.contacts;
    Ok(contacts.into_iter().find(|contact| contact.phone == phone))
}

fn known(home: &Home, phone: Phone) -> Result<Contact, Failure> {
    find(home, phone)?.ok_or_else(|| Failure::new(format_args!("{phone} is not a contact")))
}

/// Longest answer that is read, in bytes.
const ANSWER_MAX: u64 = 100;
