//! `sealpost contacts`.

use std::str::FromStr;
use std::time::Duration;

use sealpost_chat::Zone;
use sealpost_core::ids::Phone;
use sealpost_core::time::Timestamp;
use sealpost_messenger::api::{
    Block, ConversationParams, Mute, PeerParams, PhoneNumber, RemoveContact, RemoveContactParams,
    Time, Unblock, UpdateContact, UpdateContactParams, UpdateConversation,
};
use sealpost_programs::{Failure, FormatArg, Line, now};

use crate::confirm::confirm;
use crate::contact_list;
use crate::hands::{Hands, failure};
use crate::home::Home;
use crate::recipient::{Recipient, recipient};

/// Options of `contacts`.
#[derive(clap::Args, Clone, Debug)]
#[command(after_help = EXAMPLES, disable_help_subcommand = true, args_conflicts_with_subcommands = true)]
pub(crate) struct ContactsArgs {
    #[command(subcommand)]
    task: Option<ContactTask>,
    #[command(flatten)]
    format: FormatArg,
}

/// What is done with a contact.
#[derive(clap::Subcommand, Clone, Debug)]
enum ContactTask {
    /// Give a person a name. Others see it only where you write it, for example to mention somebody
    Name {
        /// Phone number
        #[arg(value_name = "+PHONE")]
        who: PhoneNumber,
        /// The name; without it, the name is taken away
        name: Option<String>,
    },
    /// Drop messages of a person from now on, and give up files on their way. They are not told, and
    /// still get receipts: a receipt is what lets the server forget a message. A group is left, and
    /// further invitations to it are ignored
    Block {
        /// Phone number, or name of a group
        #[arg(value_name = "+PHONE|GROUP", value_parser = recipient)]
        who: Recipient,
    },
    /// Take messages of a person again, or invitations to a group. What was dropped does not come back
    Unblock {
        /// Phone number, or name of a group
        #[arg(value_name = "+PHONE|GROUP", value_parser = recipient)]
        who: Recipient,
    },
    /// Forget a person: the key, whether you have verified it, the name, and messages that wait. The
    /// next message to or from there makes them a contact again, whose key is trusted on first use
    Remove {
        /// Phone number
        #[arg(value_name = "+PHONE")]
        who: PhoneNumber,
        /// Delete what was sent and received, too
        #[arg(long)]
        with_history: bool,
        /// Don't ask
        #[arg(long)]
        yes: bool,
    },
    /// Let new messages of a person or a group make no noise
    Mute {
        /// Phone number, or name of a group
        #[arg(value_name = "+PHONE|GROUP", value_parser = recipient)]
        who: Recipient,
        /// How long: 1h, 8h, 1d, or always
        #[arg(default_value = "always")]
        time: MuteTime,
    },
    /// Let new messages of a person or a group make noise again
    Unmute {
        /// Phone number, or name of a group
        #[arg(value_name = "+PHONE|GROUP", value_parser = recipient)]
        who: Recipient,
    },
}

/// How long a conversation is muted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum MuteTime {
    For(Duration),
    Always,
}

/// A text that says no length of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a length of time: write 1h, 8h, 1d, or always")]
struct InvalidMuteTime;

impl FromStr for MuteTime {
    type Err = InvalidMuteTime;

    fn from_str(text: &str) -> Result<Self, InvalidMuteTime> {
        if text == "always" {
            return Ok(Self::Always);
        }
        let time = humantime::parse_duration(text).map_err(|_| InvalidMuteTime)?;
        // Further away is no time that the interface can write.
        (time <= MUTE_MAX).then_some(Self::For(time)).ok_or(InvalidMuteTime)
    }
}

/// Lists the contacts, or changes one.
pub(crate) fn contacts(home: &Home, args: &ContactsArgs) -> Result<(), Failure> {
    let Some(task) = &args.task else { return contact_list::list(home, args.format.format()) };
    let change = Change::of(task)?;
    change.confirm(task)?;
    let hands = Hands::offline(home)?;
    let changed = change.apply(&hands);
    hands.finish()?;
    Line::text(changed?)
}

/// A change of a contact or of a conversation.
enum Change {
    Name(Phone, String),
    Block(Recipient),
    Unblock(Recipient),
    Mute(Recipient, Mute),
    Remove(RemoveContactParams),
}

impl Change {
    fn of(task: &ContactTask) -> Result<Self, Failure> {
        Ok(match task {
            ContactTask::Name { who, name } => Self::Name(who.0, name.clone().unwrap_or_default()),
            ContactTask::Block { who } => Self::Block(who.clone()),
            ContactTask::Unblock { who } => Self::Unblock(who.clone()),
            ContactTask::Remove { who, with_history, .. } => {
                Self::Remove(RemoveContactParams { recipient: *who, with_history: *with_history })
            }
            ContactTask::Mute { who, time: MuteTime::Always } => {
                Self::Mute(who.clone(), Mute::Always)
            }
            ContactTask::Mute { who, time: MuteTime::For(time) } => {
                let secs = i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
                let until = now()?.unix_secs().saturating_add(secs);
                Self::Mute(who.clone(), Mute::Until(Time(Timestamp::from_unix_secs(until))))
            }
            ContactTask::Unmute { who } => Self::Mute(who.clone(), Mute::Off),
        })
    }

    /// Asks whether a contact is to be removed, which can't be undone.
    fn confirm(&self, task: &ContactTask) -> Result<(), Failure> {
        let (Self::Remove(params), ContactTask::Remove { yes: false, .. }) = (self, task) else {
            return Ok(());
        };
        let what = if params.with_history { " and delete the whole conversation" } else { "" };
        confirm(format_args!("Forget {}{what}? It can't be undone.", params.recipient))
    }

    /// Makes the change, and returns what to tell the person.
    fn apply(self, hands: &Hands) -> Result<String, Failure> {
        let peer = |who: &Recipient| who.peer(&hands.owner);
        let (done, said) = match self {
            Self::Name(phone, name) => {
                let said = match &*name {
                    "" => format!("{phone} has no name any more"),
                    name => format!("{phone} is called {name}"),
                };
                let params = UpdateContactParams { recipient: PhoneNumber(phone), name };
                (hands.call::<UpdateContact>(&params), said)
            }
            Self::Block(who) => {
                let what = match who {
                    Recipient::Person(_) => "what comes from there is dropped",
                    Recipient::Group(_) => "you leave it, and invitations to it are ignored",
                };
                let said = format!("{who} is blocked: {what}");
                (hands.call::<Block>(&PeerParams { recipient: peer(&who)? }), said)
            }
            Self::Unblock(who) => {
                let said = format!("{who} is not blocked");
                (hands.call::<Unblock>(&PeerParams { recipient: peer(&who)? }), said)
            }
            Self::Remove(params) => {
                let RemoveContactParams { recipient, with_history } = params;
                let kept =
                    if with_history { "nothing of the history is" } else { "the history is" };
                let said = format!("{recipient} is no contact any more; {kept} kept");
                (hands.call::<RemoveContact>(&params), said)
            }
            Self::Mute(who, mute) => {
                let said = match mute {
                    Mute::Off => format!("{who} is not muted"),
                    Mute::Until(until) => {
                        format!("{who} is muted until {}", Zone::system().stamp(until))
                    }
                    Mute::Always => format!("{who} is muted"),
                };
                let with = peer(&who)?;
                let params =
                    ConversationParams { mute: Some(mute), ..ConversationParams::of(with) };
                (hands.call::<UpdateConversation>(&params), said)
            }
        };
        done.map(|_| said).map_err(|error| failure(&error))
    }
}

const EXAMPLES: &str = "Examples:
  sealpost contacts
  sealpost contacts name +4915187654321 Bob
  sealpost contacts mute +4915187654321 8h
  sealpost contacts block +4915187654321
  sealpost contacts mute Climbers
  sealpost contacts remove +4915187654321 --with-history";

/// Longest time that can be named; longer is always.
const MUTE_MAX: Duration = Duration::from_hours(100 * 366 * 24);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mute_times_are_lengths_of_time() {
        assert_eq!("8h".parse(), Ok(MuteTime::For(Duration::from_hours(8))));
        assert_eq!("always".parse(), Ok(MuteTime::Always));
        for bad in ["", "8", "tomorrow", "1000000y"] {
            assert_eq!(bad.parse::<MuteTime>(), Err(InvalidMuteTime), "{bad}");
        }
    }
}
