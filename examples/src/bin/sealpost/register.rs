//! `sealpost register`.

use std::io::{self, IsTerminal, Write};
use std::path::Path;

use sealpost_core::client::store::Snapshot;
use sealpost_core::client::{Command, Notice, OfflineReason, OtpSource, RegistrationFailure};
use sealpost_core::ids::UserId;
use sealpost_core::wire::{Invitation, Otp};
use sealpost_messenger::engine::Account;
use sealpost_mio::SignalHandling;
use sealpost_programs::{Failure, Line, secret_line_of_file, secret_line_of_stdin, tell};

use crate::args::{AddressOrLink, RegisterArgs};
use crate::home::Home;
use crate::passphrase;
use crate::session::{Session, deadline_in};

/// Creates a key, and registers an account with it. An account that was registered before is
/// registered again, with the same key, if the server does not know it any more.
pub(crate) fn register(home: &Home, args: &RegisterArgs) -> Result<(), Failure> {
    let AddressOrLink { address, invitation } = server(args)?;
    let passphrase = args.passphrase.then(passphrase::ask_for_new).transpose()?;
    let account = home.open_or_make(&address, args.phone, passphrase)?;
    let known = Known::of(&account.snapshot);
    let user = register_account(account, invitation, args)?;
    let phone = args.phone;
    match known.user {
        None => Line::text(format_args!("registered {phone} as user {user}")),
        Some(known) if known == user => {
            Line::text(format_args!("already registered {phone} as user {user}"))
        }
        Some(known) => Line::text(format_args!(
            "registered {phone} again, with the same key, as user {user}: the server did not know \
             user {known} any more"
        )),
    }
}

/// Registers an account, and asks for its one-time password.
pub(crate) fn register_account(
    account: Account,
    invitation: Option<Invitation>,
    args: &RegisterArgs,
) -> Result<UserId, Failure> {
    let known = Known::of(&account.snapshot);
    // Signals end the program at once: the prompt for the password would not notice a graceful
    // stop.
    let session = Session::start(account, SignalHandling::Ignore)?;
    let user = make_account(&session, known, invitation, args)?;
    session.finish()?;
    Ok(user)
}

/// What the home knows of the account before the server is asked.
#[derive(Clone, Copy)]
struct Known {
    user: Option<UserId>,
    /// Whether a registration was begun and not finished.
    registering: bool,
}

impl Known {
    const fn of(snapshot: &Snapshot) -> Self {
        let account = &snapshot.account;
        Self { user: account.user, registering: account.reply_key.is_some() }
    }
}

/// The next step of a registration.
enum Step {
    Done(UserId),
    AskForOtp,
}

/// The server to register with: from the command line, a file or standard input.
pub(crate) fn server(args: &RegisterArgs) -> Result<AddressOrLink, Failure> {
    let line = match (&args.server, args.link_file.as_deref()) {
        (Some(server), _) => return Ok(server.clone()),
        (None, Some(file)) if file != Path::new("-") => secret_line_of_file(file)?,
        (None, Some(_) | None) => {
            if io::stdin().is_terminal() {
                write!(io::stderr(), "Address or link: ")?;
            }
            secret_line_of_stdin()?.unwrap_or_default()
        }
    };
    line.trim().parse().map_err(Failure::context("the first line is no address and no link"))
}

fn make_account(
    session: &Session,
    known: Known,
    invitation: Option<Invitation>,
    args: &RegisterArgs,
) -> Result<UserId, Failure> {
    session.command(if args.have_otp && (known.user.is_none() || known.registering) {
        Command::Confirm { otp: ask_for_otp(args)? }
    } else {
        Command::Register { invitation }
    });
    loop {
        let deadline = deadline_in(args.timeout);
        let step = session.until(deadline, |notice| step(known, args, notice).transpose())?;
        match step.ok_or_else(|| silent(session, known))? {
            Step::Done(user) => return Ok(user),
            Step::AskForOtp => session.command(Command::Confirm { otp: ask_for_otp(args)? }),
        }
    }
}

#[expect(clippy::wildcard_enum_match_arm, reason = "few of the notices matter here")]
fn step(known: Known, args: &RegisterArgs, notice: &Notice) -> Result<Option<Step>, Failure> {
    match notice {
        Notice::Registered { user } => Ok(Some(Step::Done(*user))),
        // Without the notice above, the account is the one that we know.
        Notice::Online { .. } => Ok(known.user.map(Step::Done)),
        Notice::Offline { reason: OfflineReason::NotRegistered, retry_in: Some(_) } => {
            tell(format_args!(
                "The server does not know {} any more. It is registered again.",
                args.phone
            ))?;
            Ok(None)
        }
        Notice::OtpRequested { source: OtpSource::OutOfBand, ttl_secs, attempts } => {
            tell(format_args!(
                "A one-time password was sent to {}. It is valid for {ttl_secs} s and {attempts} \
                 attempts.",
                args.phone
            ))?;
            Ok(Some(Step::AskForOtp))
        }
        Notice::OtpRejected { text } if args.have_otp => {
            Err(Failure::new(format_args!("wrong one-time password: {text}")))
        }
        Notice::OtpRejected { text } => {
            tell(format_args!("Wrong one-time password: {text}."))?;
            Ok(Some(Step::AskForOtp))
        }
        Notice::RegistrationFailed { failure } => Err(failed(*failure, args)),
        _ => Ok(None),
    }
}

fn silent(session: &Session, known: Known) -> Failure {
    match known.user {
        None => session.silent(),
        Some(user) => session
            .silent()
            .and(format_args!("registered as user {user} before, which it could not confirm")),
    }
}

fn failed(failure: RegistrationFailure, args: &RegisterArgs) -> Failure {
    match failure {
        RegistrationFailure::PhoneTaken => {
            Failure::new(format_args!("{} is registered by somebody else already", args.phone))
        }
        RegistrationFailure::OtpExpired => Failure::new(
            "the one-time password has expired; register without --have-otp to get a new one",
        ),
        RegistrationFailure::RateLimited { .. }
        | RegistrationFailure::ServerFull
        | RegistrationFailure::KeyRejected
        | RegistrationFailure::InvitationRejected
        | RegistrationFailure::Refused { .. } => Failure::new(failure),
    }
}

/// Asks for the one-time password until the answer has the form of one.
fn ask_for_otp(args: &RegisterArgs) -> Result<Otp, Failure> {
    loop {
        write!(io::stderr(), "One-time password: ")?;
        let Some(line) = secret_line_of_stdin()? else {
            tell("")?;
            return Err(Failure::new(format_args!(
                "no one-time password was entered for {}; register again with --have-otp",
                args.phone
            )));
        };
        match line.trim().parse() {
            Ok(otp) => return Ok(otp),
            Err(error) => tell(error)?,
        }
    }
}
