//! `sealpost send`.

use std::io::Read;
use std::time::Instant;

use sealpost_core::client::store::Content;
use sealpost_core::client::{Command, Notice, SendRefusal, Token};
use sealpost_core::ids::{MessageId, Phone, UserRef};
use sealpost_mio::SignalHandling;
use sealpost_programs::{Failure, Line, random_rng};

use crate::args::{SendArgs, Wait};
use crate::home::{Home, require_account};
use crate::session::{Session, deadline_in};

/// Sends one message, and prints how far it got.
pub(crate) fn send(home: &Home, args: SendArgs) -> Result<(), Failure> {
    // Nobody should type a message in vain.
    home.look_for_account()?;
    // Before the home is locked: typing a message may take a while, and meanwhile other commands
    // must be able to use the home.
    let content = content(args.text)?;
    let token = random_token()?;
    let account = home.open()?;
    require_account(&account.snapshot)?;
    let session = Session::start(account, SignalHandling::Stop)?;
    session.command(Command::Connect);
    session.command(Command::Send { token, to: UserRef::Phone(args.to), content });
    let deadline = deadline_in(args.timeout);
    let outcome = follow(&session, Journey::new(token, args.to, args.wait), deadline);
    // Whatever the outcome, a message in the outbox is sent with the next session.
    session.finish()?;
    Line::text(outcome?)
}

/// The content of the message: the argument, or standard input unchanged. It is text if it is
/// UTF-8.
fn content(argument: Option<String>) -> Result<Content, Failure> {
    if let Some(text) = argument.filter(|text| text != "-") {
        if text.is_empty() {
            return Err(Failure::usage("the text of the message is empty"));
        }
        return Ok(Content::Text(text));
    }
    let mut bytes = Vec::new();
    std::io::stdin()
        .lock()
        .take(MOST)
        .read_to_end(&mut bytes)
        .map_err(Failure::context("can't read standard input"))?;
    if bytes.is_empty() {
        // More likely a command before the pipe that failed than a message.
        return Err(Failure::new("standard input is empty, so there is no message to send"));
    }
    Ok(match String::from_utf8(bytes) {
        Ok(text) => Content::Text(text),
        Err(error) => Content::Bytes(error.into_bytes()),
    })
}

/// A name for the message that no other message of the home has.
fn random_token() -> Result<Token, Failure> {
    Ok(Token(random_rng()?.next_u64()))
}

/// Follows the message until it has got as far as requested. Returns the word to print.
fn follow(
    session: &Session,
    mut journey: Journey,
    deadline: Option<Instant>,
) -> Result<&'static str, Failure> {
    let arrived = session.until(deadline, |notice| journey.step(notice).transpose())?;
    arrived.ok_or_else(|| match journey {
        Journey { id: None, kept: false, .. } => session.silent(),
        Journey { id: None, kept: true, .. } => session.silent().and(LATER),
        Journey { stored: false, .. } => Failure::new(format_args!(
            "the server did not acknowledge the message in time; {LATER}"
        )),
        Journey { stored: true, .. } => {
            Failure::new("the message is stored, but not delivered in time")
        }
    })
}

/// Progress of the message.
struct Journey {
    token: Token,
    to: Phone,
    wait: Wait,
    /// Whether the message is durable, though it has no id yet.
    kept: bool,
    /// The message's id, once it is in the outbox.
    id: Option<MessageId>,
    stored: bool,
}

impl Journey {
    const fn new(token: Token, to: Phone, wait: Wait) -> Self {
        Self { token, to, wait, kept: false, id: None, stored: false }
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "few of the notices matter here")]
    fn step(&mut self, notice: &Notice) -> Result<Option<&'static str>, Failure> {
        let is_ours = |ids: &[MessageId]| self.id.is_some_and(|id| ids.contains(&id));
        match notice {
            Notice::Kept { token } if *token == self.token => {
                self.kept = true;
                Ok((self.wait == Wait::None).then_some("queued"))
            }
            Notice::Queued { token, id } if *token == self.token => {
                self.id = Some(*id);
                Ok((self.wait == Wait::None).then_some("queued"))
            }
            Notice::KeyChanged { phone, .. } if *phone == self.to && self.id.is_some() => {
                Err(refused(SendRefusal::KeyChanged, self.to).and("and send the message again"))
            }
            Notice::SendRefused { token, refusal, .. } if *token == self.token => {
                Err(refused(*refusal, self.to))
            }
            Notice::Stored { ids } if is_ours(ids) => {
                self.stored = true;
                Ok((self.wait == Wait::Stored).then_some("stored"))
            }
            Notice::Delivered { ids, .. } if is_ours(ids) => Ok(Some("delivered")),
            Notice::Failed { ids, failure } if is_ours(ids) => Err(Failure::new(failure)),
            _ => Ok(None),
        }
    }
}

fn refused(refusal: SendRefusal, to: Phone) -> Failure {
    match refusal {
        SendRefusal::UnknownUser => Failure::new(format_args!("nobody is registered as {to}")),
        SendRefusal::KeyChanged => Failure::new(format_args!(
            "the key of {to} has changed; compare the safety number with sealpost verify {to}, \
             then add --accept"
        )),
        SendRefusal::NotRegistered
        | SendRefusal::OutboxFull
        | SendRefusal::TooLong
        | SendRefusal::LookupFailed
        | SendRefusal::StoreFailed
        | SendRefusal::SealFailed => Failure::new(refusal),
    }
}

/// What becomes of a message that did not get far in time.
const LATER: &str = "it is queued for the next send or listen";
/// More than a message can hold, so that a message that is too long is refused instead of cut off.
const MOST: u64 = 1 << 20;
