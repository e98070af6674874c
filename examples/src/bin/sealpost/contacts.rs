//! `sealpost contacts`.

use std::str::FromStr;
use std::time::Duration;

use sealpost_chat::Zone;
use sealpost_core::client::store::{Contact, Verification};
use sealpost_core::ids::Phone;
use sealpost_core::time::Timestamp;
use sealpost_messenger::api::{
    Block, ConversationParams, Mute, PeerParams, PhoneNumber, RemoveContact, RemoveContactParams,
    Time, Unblock, UpdateContact, UpdateContactParams, UpdateConversation,
};
use sealpost_programs::{Failure, Format, FormatArg, Line, now};
use sealpost_storage::client::conversations::{Conversation, Peer as KeptPeer, Visibility};
use serde::Serialize;

use crate::confirm::confirm;
use crate::group::SHORT;
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
    let Some(task) = &args.task else { return list(home, args.format.format()) };
    let change = Change::of(task)?;
    change.confirm(task)?;
    let hands = Hands::offline(home)?;
    let changed = change.apply(&hands);
    hands.finish()?;
    Line::text(changed?)
}

/// Prints the contacts: people whose keys are known, then those who are only named or blocked, and
/// groups that are blocked.
fn list(home: &Home, format: Format) -> Result<(), Failure> {
    let store = home.look()?;
    let mut conversations = store.conversations(u32::MAX)?;
    for contact in store.contacts()? {
        let with = KeptPeer::Person(contact.phone);
        let at = conversations.iter().position(|conversation| conversation.peer == with);
        let conversation = at.map(|at| conversations.swap_remove(at));
        let known = Known { contact, conversation };
        match format {
            Format::Json => Line::json(&known.json())?,
            Format::Text => Line::text(known.line())?,
        }
    }
    let mut others: Vec<_> = conversations.iter().filter_map(Other::of).collect();
    others.sort_by_key(Other::who);
    others.iter().try_for_each(|other| match format {
        Format::Json => Line::json(&other.json()),
        Format::Text => Line::text(other.line()),
    })
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

/// A contact, and the conversation with it.
struct Known {
    contact: Contact,
    conversation: Option<Conversation>,
}

/// Somebody whose key is not known, or a group.
struct Other<'a>(&'a Conversation);

#[derive(Serialize)]
struct OtherJson<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    phone: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    group: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    blocked: bool,
}

impl<'a> Other<'a> {
    /// A conversation that is to be listed among the contacts.
    fn of(conversation: &'a Conversation) -> Option<Self> {
        let is_blocked = conversation.visibility == Visibility::Blocked;
        let is_named =
            matches!(conversation.peer, KeptPeer::Person(_)) && conversation.name.is_some();
        (is_blocked || is_named).then_some(Self(conversation))
    }

    /// Phone number, or id of the group.
    fn who(&self) -> (Option<String>, Option<String>) {
        match self.0.peer {
            KeptPeer::Person(phone) => (Some(phone.to_string()), None),
            KeptPeer::Group(group) => (None, Some(hex::encode(group.0))),
        }
    }

    fn json(&self) -> OtherJson<'_> {
        let (phone, group) = self.who();
        let blocked = self.0.visibility == Visibility::Blocked;
        OtherJson { phone, group, name: self.0.name.as_deref(), blocked }
    }

    fn line(&self) -> String {
        let OtherJson { phone, group, name, blocked } = self.json();
        let (who, what) = match (phone, group) {
            (Some(phone), _) => (phone, "key unknown"),
            (None, group) => (group.unwrap_or_default().chars().take(SHORT).collect(), "group"),
        };
        let blocked = if blocked { "  blocked" } else { "" };
        let name = name.map(|name| format!("  {name}")).unwrap_or_default();
        format!("{who:<16}  {what:<12}{blocked}{name}")
    }
}

#[derive(Serialize)]
struct ContactJson<'a> {
    phone: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    id: u64,
    fingerprint: String,
    verified: bool,
    blocked: bool,
    offered_fingerprint: Option<String>,
}

impl Known {
    fn name(&self) -> Option<&str> {
        self.conversation.as_ref()?.name.as_deref()
    }

    fn is_blocked(&self) -> bool {
        let conversation = self.conversation.as_ref();
        conversation.is_some_and(|found| found.visibility == Visibility::Blocked)
    }

    fn json(&self) -> ContactJson<'_> {
        let Contact { phone, pinned, verification, offered, .. } = &self.contact;
        ContactJson {
            phone: phone.to_string(),
            name: self.name(),
            id: pinned.user.value(),
            fingerprint: pinned.public_key.fingerprint().to_string(),
            verified: *verification == Verification::Verified,
            blocked: self.is_blocked(),
            offered_fingerprint: offered
                .as_ref()
                .map(|offered| offered.public_key.fingerprint().to_string()),
        }
    }

    fn line(&self) -> String {
        let Contact { phone, pinned, verification, offered, .. } = &self.contact;
        let trust = match (offered, verification) {
            (Some(_), _) => "key changed",
            (None, Verification::Verified) => "verified",
            (None, Verification::FirstUse) => "not verified",
        };
        let fingerprint = pinned.public_key.fingerprint();
        let blocked = if self.is_blocked() { "  blocked" } else { "" };
        let name = self.name().map(|name| format!("  {name}")).unwrap_or_default();
        let phone = phone.to_string();
        format!("{phone:<16}  {trust:<12}  sha256:{fingerprint}{blocked}{name}")
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
