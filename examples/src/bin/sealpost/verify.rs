//! `sealpost verify`.
#![expect(clippy::wildcard_enum_match_arm, reason = "few of the notices matter here")]

use std::time::Instant;

use sealpost_core::client::store::{Contact, Verification};
use sealpost_core::client::{Command, LookupFailure, Notice};
use sealpost_core::ids::{Phone, UserRef};
use sealpost_core::keys::{Fingerprint, PublicKey, safety_number};
use sealpost_mio::SignalHandling;
use sealpost_programs::{Failure, Line};
use sealpost_storage::client::ClientStorage;

use crate::args::VerifyArgs;
use crate::home::Home;
use crate::session::{Session, deadline_in};

/// Shows the safety number of a contact, after accepting or marking its key if requested.
pub(crate) fn verify(home: &Home, args: &VerifyArgs) -> Result<(), Failure> {
    if find(home, args.phone)?.is_none() {
        run(home, args, |session, deadline| look_up(session, args.phone, deadline))?;
    }
    let mut contact = known(home, args.phone)?;
    if args.accept {
        let offered = contact.offered.as_ref().ok_or_else(|| {
            Failure::new(format_args!("the key of {} has not changed", args.phone))
        })?;
        let fingerprint = *offered.public_key.fingerprint();
        run(home, args, |session, deadline| accept(session, args.phone, fingerprint, deadline))?;
        contact = known(home, args.phone)?;
    }
    if args.mark {
        let fingerprint = *contact.pinned.public_key.fingerprint();
        run(home, args, |session, deadline| mark(session, args.phone, fingerprint, deadline))?;
        contact = known(home, args.phone)?;
    }
    show(home, &contact)
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

fn look_up(session: &Session, phone: Phone, deadline: Option<Instant>) -> Result<(), Failure> {
    session.command(Command::Connect);
    session.command(Command::Lookup { phone });
    let found = session.until(deadline, |notice| match notice {
        Notice::Found { phone: found, .. } if *found == phone => Some(Ok(())),
        Notice::LookupFailed { who, failure } if *who == UserRef::Phone(phone) => {
            Some(Err(match failure {
                LookupFailure::UnknownUser => {
                    Failure::new(format_args!("nobody is registered as {phone}"))
                }
                LookupFailure::Busy | LookupFailure::Contradiction | LookupFailure::Refused(_) => {
                    Failure::new(failure)
                }
            }))
        }
        _ => None,
    });
    found?.ok_or_else(|| session.silent())
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

fn show(home: &Home, contact: &Contact) -> Result<(), Failure> {
    let ours = home.public_key()?;
    let phone = contact.phone;
    Line::text(format_args!("Safety number with {phone}:"))?;
    Line::text(grouped(&ours, &contact.pinned.public_key))?;
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
        Line::text(grouped(&ours, &offered.public_key))?;
        Line::text("Compare this one, and if it is the same, add --accept.")?;
    }
    Ok(())
}

/// The safety number in groups of five digits.
fn grouped(ours: &PublicKey, theirs: &PublicKey) -> String {
    let digits = safety_number(ours, theirs);
    let (groups, _) = digits.as_bytes().as_chunks::<5>();
    groups.iter().filter_map(|group| str::from_utf8(group).ok()).collect::<Vec<_>>().join(" ")
}

fn find(home: &Home, phone: Phone) -> Result<Option<Contact>, Failure> {
    let contacts = home.look()?.load()?.contacts;
    Ok(contacts.into_iter().find(|contact| contact.phone == phone))
}

fn known(home: &Home, phone: Phone) -> Result<Contact, Failure> {
    find(home, phone)?.ok_or_else(|| Failure::new(format_args!("{phone} is not a contact")))
}
