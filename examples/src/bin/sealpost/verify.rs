//! `sealpost verify`.

use std::io::{self, BufRead, IsTerminal, Read, Write};

use sealpost_core::ids::Phone;
use sealpost_messenger::api::{
    Contact, Empty, ErrorKind, KeyTrust, ListContacts, LookUp, LookUpParams, PhoneNumber, TrustKey,
    TrustParams,
};
use sealpost_programs::{Failure, Format, FormatArg, Line, qr_code, tell};

use crate::args::phone_number;
use crate::hands::{Hands, failure, seconds, subscribe_changes};
use crate::home::Home;
use crate::safety_number::{Comparison, SafetyNumber};

/// Options of `verify`.
#[derive(clap::Args, Clone, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct VerifyArgs {
    /// Phone number of the contact, for example +4915112345678
    #[arg(value_name = "+PHONE", value_parser = phone_number)]
    phone: Phone,
    /// Accept the contact's changed key, which the server offers, in place of the known one. NUMBER
    /// is the safety number that you compared; without it, the offered one is shown, and you are
    /// asked whether it is the same. No other key is accepted
    #[arg(long, value_name = "NUMBER", num_args = 0..=1, require_equals = true)]
    #[arg(default_missing_value = Comparison::ASK)]
    accept: Option<Comparison>,
    /// Mark the contact as verified: you have compared the safety number, and it was the same. NUMBER
    /// is as with --accept. No other key is marked
    #[arg(long, value_name = "NUMBER", num_args = 0..=1, require_equals = true)]
    #[arg(default_missing_value = Comparison::ASK)]
    mark: Option<Comparison>,
    /// Compare with what a scanner has read from the QR code on the contact's screen: if it is the same
    /// number, the key is accepted and the contact marked as verified
    #[arg(long, value_name = "TEXT", conflicts_with_all = ["accept", "mark"])]
    scan: Option<SafetyNumber>,
    /// Print the QR code of the safety number even if standard output is no terminal
    #[arg(long)]
    qr: bool,
    /// How long to wait for the server, in seconds. Without its answer, what is known of a contact is
    /// shown, and marked as not looked up
    #[arg(long, value_name = "S", default_value_t = 30)]
    timeout: u64,
    #[command(flatten)]
    format: FormatArg,
}

/// Shows the safety number of a contact, after asking the server for its key, and after accepting or
/// marking it if requested.
pub(crate) fn verify(home: &Home, args: &VerifyArgs) -> Result<(), Failure> {
    let hands = Hands::take(home, subscribe_changes)?;
    let verified = with_hands(&hands, args);
    hands.finish()?;
    verified
}

fn with_hands(hands: &Hands, args: &VerifyArgs) -> Result<(), Failure> {
    let phone = PhoneNumber(args.phone);
    let known = find(hands, phone)?;
    let params = LookUpParams { recipient: phone, timeout_seconds: seconds(args.timeout) };
    let looked_up = hands.call::<LookUp>(&params);
    let format = args.format.format();
    hands.tell_warnings()?;
    let mut contact = match (looked_up, known) {
        (Ok(contact), _) => contact,
        // The key that is known is still worth comparing.
        (Err(error), Some(known)) => {
            let note = format!("Not looked up ({error}). This is what was known before:");
            match format {
                Format::Text => Line::text(note)?,
                Format::Json => tell(note)?,
            }
            known
        }
        (Err(error), None) => return Err(failure(&error)),
    };
    let mut confirmed = None;
    if let Some(comparison) = &args.accept {
        let offered = contact
            .offered
            .as_ref()
            .ok_or_else(|| Failure::new(format_args!("the key of {phone} has not changed")))?;
        let number = confirm(&mut confirmed, phone, &offered.safety_number, comparison)?;
        contact = trust(hands, phone, &number, false)?;
    }
    if let Some(comparison) = &args.mark {
        let number = confirm(&mut confirmed, phone, &contact.safety_number, comparison)?;
        contact = trust(hands, phone, &number, true)?;
    }
    if let Some(scanned) = &args.scan {
        contact = trust_scanned(hands, phone, scanned)?;
    }
    match format {
        Format::Text => show(&contact, args.qr || io::stdout().is_terminal()),
        Format::Json => Line::json(&contact),
    }
}

/// Returns the safety number if it is the one that the person compared. A number that was confirmed
/// once is not asked for again. A key is trusted by its number, so not if another key takes its place
/// meanwhile.
fn confirm(
    confirmed: &mut Option<SafetyNumber>,
    phone: PhoneNumber,
    shown: &str,
    comparison: &Comparison,
) -> Result<SafetyNumber, Failure> {
    let shown: SafetyNumber = shown.parse()?;
    match comparison {
        Comparison::Number(number) if *number != shown => {
            return Err(Failure::new(format_args!(
                "the key of {phone} has another safety number than the one given: {shown}"
            )));
        }
        Comparison::Ask if confirmed.as_ref() != Some(&shown) => ask(phone, &shown)?,
        Comparison::Number(_) | Comparison::Ask => {}
    }
    *confirmed = Some(shown.clone());
    Ok(shown)
}

fn ask(phone: PhoneNumber, shown: &SafetyNumber) -> Result<(), Failure> {
    tell(format_args!("Safety number with {phone}:"))?;
    tell(shown)?;
    write!(io::stderr(), "Is it the same on both screens? [yes/no] ")?;
    let mut answer = String::new();
    io::stdin().lock().take(ANSWER_MAX).read_line(&mut answer)?;
    if answer.trim() == "yes" {
        return Ok(());
    }
    Err(Failure::new("not confirmed, so nothing was changed"))
}

fn trust(
    hands: &Hands,
    recipient: PhoneNumber,
    number: &SafetyNumber,
    verified: bool,
) -> Result<Contact, Failure> {
    let params = TrustParams { recipient, safety_number: number.to_string(), verified };
    hands.call::<TrustKey>(&params).map_err(|error| failure(&error))
}

/// Accepts the key whose number was scanned, and marks the contact as verified.
fn trust_scanned(
    hands: &Hands,
    phone: PhoneNumber,
    scanned: &SafetyNumber,
) -> Result<Contact, Failure> {
    let params =
        TrustParams { recipient: phone, safety_number: scanned.to_string(), verified: true };
    hands.call::<TrustKey>(&params).map_err(|error| match error.kind() {
        Some(kind @ ErrorKind::SafetyNumberMismatch) => Failure::with_status(
            format_args!(
                "what was scanned is not the safety number with {phone}: either it is that of \
                 another contact, or somebody sits between you; nothing was changed"
            ),
            kind.exit_status(),
        ),
        _ => failure(&error),
    })
}

fn show(contact: &Contact, with_code: bool) -> Result<(), Failure> {
    let phone = contact.phone;
    Line::text(format_args!("Safety number with {phone}:"))?;
    Line::text(&contact.safety_number)?;
    if with_code {
        // Digits alone take the least space.
        let digits: String = contact.safety_number.split_ascii_whitespace().collect();
        qr_code(&digits)?.lines().try_for_each(Line::text)?;
    }
    Line::text(match contact.trust {
        KeyTrust::Verified => "Verified: you have compared it.",
        KeyTrust::FirstUse => {
            "Not verified: compare it on both screens, and if it is the same, add --mark."
        }
    })?;
    if let Some(offered) = &contact.offered {
        Line::text(format_args!(
            "The server offers another key for {phone}, with this safety number:"
        ))?;
        Line::text(&offered.safety_number)?;
        Line::text("Compare this one, and if it is the same, add --accept.")?;
    }
    Ok(())
}

fn find(hands: &Hands, phone: PhoneNumber) -> Result<Option<Contact>, Failure> {
    let listed = hands.call::<ListContacts>(&Empty {}).map_err(|error| failure(&error))?;
    Ok(listed.contacts.into_iter().find(|contact| contact.phone == phone))
}

/// Longest answer that is read, in bytes.
const ANSWER_MAX: u64 = 100;

const EXAMPLES: &str = "Examples:
  sealpost verify +4915187654321
  sealpost verify +4915187654321 --mark
  sealpost verify +4915187654321 --scan '12345 67890 …'";
