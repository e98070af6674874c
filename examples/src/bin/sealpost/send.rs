//! `sealpost send`.

use std::io::Read;
use std::path::Path;
use std::time::Duration;

use sealpost_messenger::api::{
    ErrorKind, Progress, Send, SendFile, SendFileParams, SendParams, SendResult, WaitFor, failures,
};
use sealpost_programs::{Failure, Format, Line};

use crate::hands::{Hands, failure, seconds, subscribe_changes};
use crate::home::Home;
use crate::send_args::{SendArgs, Wait};
use crate::transcript::progressed;
use crate::transfer::{self, Goal};

/// Sends one message, and prints how far it got.
pub(crate) fn send(home: &Home, args: SendArgs) -> Result<(), Failure> {
    // Nobody should type a message in vain.
    home.look_for_account()?;
    if let Some(path) = &args.file {
        return send_file(home, path, &args);
    }
    let (message, bytes_hex) = content(args.text)?;
    let text = message.as_deref().unwrap_or_default();
    let mentions = args.mentions.iter().map(|mentioned| mentioned.within(text));
    let mentions = mentions.collect::<Result<Vec<_>, _>>()?;
    let format = args.format.format();
    // A request that is repeated because the owner of the home has ended is carried out once.
    let key = key()?;
    let params = |recipient| SendParams {
        recipient,
        message: message.clone(),
        bytes_hex: bytes_hex.clone(),
        mentions: mentions.clone(),
        reply_to: None,
        idempotency_key: Some(key.clone()),
        wait_for: args.wait.unwrap_or(Wait::Stored).into(),
        timeout_seconds: seconds(args.timeout),
    };
    let sent = loop {
        let hands = Hands::take(home, subscribe_changes)?;
        let sent = args.to.peer(&hands.owner).and_then(|recipient| {
            hands.call::<Send>(&params(recipient)).map_err(|error| failure(&error))
        });
        hands.tell_warnings()?;
        let is_lost = hands.is_lost();
        // Whatever the outcome, a message in the outbox is sent with the next session.
        hands.finish()?;
        match sent {
            Err(_) if is_lost => {}
            sent => break sent?,
        }
    };
    match format {
        Format::Json => Line::json(&sent)?,
        Format::Text => Line::text(told(&sent)?)?,
    }
    all_sent(&sent)
}

/// Fails if a member of a group does not get the message.
fn all_sent(sent: &SendResult) -> Result<(), Failure> {
    let failed: Vec<_> =
        failures(&sent.copies).map(|(to, reason)| format!("{to}: {reason}")).collect();
    if failed.is_empty() {
        return Ok(());
    }
    let message = format_args!(
        "not sent to {}; sealpost outbox retry {} tries again",
        failed.join("; "),
        sent.entry
    );
    Err(Failure::with_status(message, ErrorKind::Refused.exit_status()))
}

/// Offers one file, and waits for what was asked for.
fn send_file(home: &Home, path: &Path, args: &SendArgs) -> Result<(), Failure> {
    let wait = args.wait.unwrap_or(Wait::Delivered);
    let shown = path.display();
    let path = path.canonicalize().map_err(Failure::context(format!("can't send {shown}")))?;
    let path = path.to_str().ok_or_else(|| {
        Failure::usage(format_args!("can't send {shown}: its path is not UTF-8; rename it"))
    })?;
    let key = key()?;
    let params = |recipient| SendFileParams {
        recipient,
        path: path.into(),
        caption: args.text.clone().unwrap_or_default(),
        idempotency_key: Some(key.clone()),
        wait_for: match wait {
            Wait::None => WaitFor::Queued,
            Wait::Stored | Wait::Delivered => WaitFor::Stored,
        },
        timeout_seconds: seconds(args.timeout),
    };
    let goal = if wait == Wait::Delivered { Goal::Complete } else { Goal::Begun };
    let begin = |hands: &Hands| {
        let params = params(args.to.peer(&hands.owner)?);
        hands.call::<SendFile>(&params).map(|sent| sent.entry).map_err(|error| failure(&error))
    };
    let entry = transfer::follow(home, begin, goal, Duration::from_secs(args.timeout))?;
    transfer::print(&entry, args.format.format())
}

/// How far the message got.
fn told(sent: &SendResult) -> Result<String, Failure> {
    if let Progress::Failed { reason } = &sent.progress {
        return Err(Failure::with_status(reason, ErrorKind::Refused.exit_status()));
    }
    Ok(progressed(sent.entry, &sent.progress, &sent.copies))
}

/// The content of the message: the argument, or standard input unchanged. It is text if it is
/// UTF-8, and else bytes in hexadecimal digits.
fn content(argument: Option<String>) -> Result<(Option<String>, Option<String>), Failure> {
    if let Some(text) = argument.filter(|text| text != "-") {
        if text.is_empty() {
            return Err(Failure::usage("the text of the message is empty"));
        }
        return Ok((Some(text), None));
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
        Ok(text) => (Some(text), None),
        Err(error) => (None, Some(hex::encode(error.as_bytes()))),
    })
}

/// A name for the request that no other has.
fn key() -> Result<String, Failure> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes)
        .map_err(Failure::context("can't get randomness from the operating system"))?;
    Ok(hex::encode(bytes))
}

impl From<Wait> for WaitFor {
    fn from(wait: Wait) -> Self {
        match wait {
            Wait::Delivered => Self::Delivered,
            Wait::Stored => Self::Stored,
            Wait::None => Self::Queued,
        }
    }
}

/// More than a message can hold, so that a message that is too long is refused instead of cut off.
const MOST: u64 = 128 << 10;
