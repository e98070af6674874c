//! `sealpostd invite`: makes, lists and revokes invitations.

use std::io::{IsTerminal, stdout};

use clap::Subcommand;
use sealpost_core::address::InvitationLink;
use sealpost_core::ids::Phone;
use sealpost_core::time::Timestamp;
use sealpost_core::wire::Invitation;
use sealpost_programs::{Failure, Format, FormatArg, Line, now, qr_code, tell, utc};
use sealpost_storage::{InvitationRecord, NewInvitation};
use serde::Serialize;
use zeroize::Zeroizing;

use crate::admin;
use crate::config::Span;
use crate::offline;
use crate::site::Site;

/// Commands on invitations.
#[derive(Debug, Subcommand)]
pub(crate) enum InviteTask {
    /// Make an invitation, and print its link and, on a terminal, the link's QR code. Whoever has
    /// the link may register; the server keeps only a hash of its code, so it can't be shown again
    Create(CreateArgs),
    /// List invitations, in the order of their ids
    List {
        #[command(flatten)]
        format: FormatArg,
    },
    /// Revoke an invitation: it is deleted, and good for nothing from then on. Accounts that were
    /// made with it stay
    Revoke {
        /// Number of the invitation, as `invite list` shows it
        #[arg(value_name = "ID")]
        id: u64,
        #[command(flatten)]
        format: FormatArg,
    },
}

/// Options of `invite create`.
#[derive(clap::Args, Debug)]
pub(crate) struct CreateArgs {
    /// Accounts that can be made with it
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    uses: u32,
    /// How long it is good, such as 90m, 12h or 7d
    #[arg(long, value_name = "TIME", default_value = "7d")]
    expires: Span,
    /// The only phone number that it is good for [default: any one]
    #[arg(long, value_name = "+PHONE")]
    phone: Option<Phone>,
    /// Your own words, which `invite list` shows and no client sees
    #[arg(long, value_name = "TEXT", default_value = "")]
    note: String,
    /// Host name or IP address by which clients reach this machine [default: the address that the
    /// server listens on]
    #[arg(long)]
    host: Option<String>,
    /// Print the QR code even if standard output is no terminal
    #[arg(long, conflicts_with = "json")]
    qr: bool,
    #[command(flatten)]
    format: FormatArg,
}

/// Carries out a command on invitations.
pub(crate) fn run(site: &Site, task: &InviteTask) -> Result<(), Failure> {
    match task {
        InviteTask::Create(args) => create(site, args),
        InviteTask::List { format } => list(site, format.format()),
        InviteTask::Revoke { id, format } => admin::revoke_invitation(site, *id, format.format()),
    }
}

fn create(site: &Site, args: &CreateArgs) -> Result<(), Failure> {
    let address = offline::address(site.data(), args.host.as_deref())?;
    let invitation = draw_code()?;
    let now = now()?;
    let new = NewInvitation {
        hash: invitation.hash(),
        uses: args.uses,
        created_at: now,
        expires_at: now.plus_secs(i64::try_from(args.expires.0.as_secs()).unwrap_or(i64::MAX)),
        phone: args.phone,
        note: args.note.clone(),
    };
    let id = admin::create_invitation(site, &new)?;
    let link = Zeroizing::new(InvitationLink { address, invitation }.to_string());
    if args.format.format() == Format::Json {
        return Line::json(&CreatedJson {
            id,
            link: &link,
            uses: new.uses,
            expires: utc(new.expires_at),
            phone: new.phone.map(|phone| phone.to_string()),
        });
    }
    Line::text(&*link)?;
    if args.qr || stdout().is_terminal() {
        for line in qr_code(&link)?.lines() {
            Line::text(line)?;
        }
    }
    let whom = new.phone.map(|phone| format!(" for {phone}")).unwrap_or_default();
    let accounts = if new.uses == 1 { "account" } else { "accounts" };
    tell(format_args!(
        "invitation {id} is good for {} {accounts}{whom} until {} UTC",
        new.uses, new.expires_at
    ))
}

fn list(site: &Site, format: Format) -> Result<(), Failure> {
    let (inspector, now) = (site.inspect()?, now()?);
    if format == Format::Text {
        Line::text(HEADLINE)?;
    }
    let mut after = 0;
    loop {
        let page = inspector.invitations(after, PAGE)?;
        let Some(last) = page.last() else { return Ok(()) };
        after = last.id;
        for record in &page {
            match format {
                Format::Text => Line::text(row(record, now))?,
                Format::Json => Line::json(&InvitationJson::new(record, now))?,
            }
        }
        if page.len() < PAGE as usize {
            return Ok(());
        }
    }
}

/// Draws a code from the operating system's randomness: 26 characters of 5 bits each, more than
/// PROTOCOL asks for. None of them is mistaken for another when it is read aloud.
fn draw_code() -> Result<Invitation, Failure> {
    let mut bytes = Zeroizing::new([0; CODE_LEN]);
    getrandom::fill(&mut *bytes)
        .map_err(Failure::context("can't get randomness from the operating system"))?;
    let character = |byte: &u8| CROCKFORD.get(usize::from(byte % 32)).copied().map(char::from);
    let code: Zeroizing<String> = Zeroizing::new(bytes.iter().filter_map(character).collect());
    Ok(code.parse()?)
}

#[derive(Serialize)]
struct CreatedJson<'a> {
    id: u64,
    link: &'a str,
    uses: u32,
    expires: String,
    phone: Option<String>,
}

#[derive(Serialize)]
struct InvitationJson<'a> {
    id: u64,
    state: &'static str,
    uses: u32,
    uses_left: u32,
    created: String,
    expires: String,
    phone: Option<String>,
    note: &'a str,
}

impl<'a> InvitationJson<'a> {
    fn new(record: &'a InvitationRecord, now: Timestamp) -> Self {
        Self {
            id: record.id,
            state: state(record, now),
            uses: record.uses,
            uses_left: record.uses_left,
            created: utc(record.created_at),
            expires: utc(record.expires_at),
            phone: record.phone.map(|phone| phone.to_string()),
            note: &record.note,
        }
    }
}

fn row(record: &InvitationRecord, now: Timestamp) -> String {
    let phone = record.phone.map_or_else(|| "any".to_owned(), |phone| phone.to_string());
    format!(
        "{:<6}  {:<7}  {:>11}  {}  {phone:<16}  {}",
        record.id,
        state(record, now),
        format!("{} of {}", record.uses_left, record.uses),
        record.expires_at,
        record.note,
    )
}

fn state(record: &InvitationRecord, now: Timestamp) -> &'static str {
    if record.uses_left == 0 {
        "used up"
    } else if record.expires_at <= now {
        "expired"
    } else {
        "good"
    }
}

const HEADLINE: &str = "id      state      uses left  expires (UTC)        phone             note";

/// Invitations read from the store at once.
const PAGE: u32 = 1_000;

const CODE_LEN: usize = 26;
/// Crockford's base 32, lower case: without i, l, o and u.
const CROCKFORD: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_long_and_differ() {
        let (one, other) = (draw_code().unwrap(), draw_code().unwrap());
        assert_eq!(one.code().len() * 5, 130, "bits");
        assert!(one.code().bytes().all(|byte| CROCKFORD.contains(&byte)), "{}", one.code());
        assert_ne!(one.code(), other.code());
    }

    #[test]
    fn qr_code_of_a_long_link_fits_on_a_screen() {
        let link = format!(
            "sealpost+wide://{}:65535/{}#{}",
            "h".repeat(40),
            "0".repeat(64),
            "z".repeat(26)
        );
        let code = qr_code(&link).unwrap();
        assert!(code.lines().count() <= 30 && code.lines().all(|line| line.chars().count() <= 60));
    }
}
