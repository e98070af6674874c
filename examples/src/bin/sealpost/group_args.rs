//! The command line of `sealpost group`.

use clap::Subcommand;
use sealpost_core::ids::Phone;

use crate::args::phone_number;

/// Options of `group`.
#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct GroupArgs {
    #[command(subcommand)]
    pub(crate) task: GroupTask,
    /// Print JSON for programs, one object per line
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// How long to wait for the server, in seconds; after that what tells the others stays queued, and
    /// is sent later
    #[arg(long, global = true, value_name = "S", default_value_t = 30)]
    pub(crate) timeout: u64,
}

/// Commands about groups.
#[derive(Debug, Subcommand)]
pub(crate) enum GroupTask {
    /// List groups: the beginning of the id, how you stand to it, and its name
    List,
    /// Show a group and its members
    Show {
        #[arg(value_name = "GROUP", help = GROUP_HELP)]
        group: String,
    },
    /// Make a group, whose owner you are, and invite people
    Create {
        /// Name of the group
        name: String,
        /// Phone numbers of the people to invite
        #[arg(value_name = "+PHONE", value_parser = phone_number)]
        members: Vec<Phone>,
        /// Let messages disappear this many seconds after they were seen
        #[arg(long, value_name = "S")]
        expiry: Option<u32>,
    },
    /// Invite people, as the owner; also again, who has not answered
    Invite {
        #[arg(value_name = "GROUP", help = GROUP_HELP)]
        group: String,
        /// Phone numbers
        #[arg(value_name = "+PHONE", value_parser = phone_number, required = true)]
        members: Vec<Phone>,
    },
    /// Remove members, as the owner
    Remove {
        #[arg(value_name = "GROUP", help = GROUP_HELP)]
        group: String,
        /// Phone numbers
        #[arg(value_name = "+PHONE", value_parser = phone_number, required = true)]
        members: Vec<Phone>,
    },
    /// Give a group another name, as the owner
    Rename {
        #[arg(value_name = "GROUP", help = GROUP_HELP)]
        group: String,
        /// New name
        name: String,
    },
    /// Let new messages disappear after a time, as the owner
    Expiry {
        #[arg(value_name = "GROUP", help = GROUP_HELP)]
        group: String,
        /// Seconds after which messages disappear; 0 if they stay
        seconds: u32,
    },
    /// Name those who may take over, at any time and without being asked, the first one first, as the
    /// owner
    Successors {
        #[arg(value_name = "GROUP", help = GROUP_HELP)]
        group: String,
        /// Phone numbers of members who have joined; nobody if there are none
        #[arg(value_name = "+PHONE", value_parser = phone_number)]
        members: Vec<Phone>,
    },
    /// Make another member the owner
    HandOver {
        #[arg(value_name = "GROUP", help = GROUP_HELP)]
        group: String,
        /// Phone number of a member who has joined
        #[arg(value_name = "+PHONE", value_parser = phone_number)]
        member: Phone,
    },
    /// Become the owner, as a successor
    TakeOver {
        #[arg(value_name = "GROUP", help = GROUP_HELP)]
        group: String,
    },
    /// Send messages to members again whom a change had removed that was undone
    Readmit {
        #[arg(value_name = "GROUP", help = GROUP_HELP)]
        group: String,
        /// Phone numbers
        #[arg(value_name = "+PHONE", value_parser = phone_number, required = true)]
        members: Vec<Phone>,
    },
    /// Accept an invitation; also the newest version of a group of which too many were missed
    Join {
        #[arg(value_name = "GROUP", help = GROUP_HELP)]
        group: String,
    },
    /// Decline an invitation
    Decline {
        #[arg(value_name = "GROUP", help = GROUP_HELP)]
        group: String,
    },
    /// Leave a group; its owner names a successor before
    Leave {
        #[arg(value_name = "GROUP", help = GROUP_HELP)]
        group: String,
    },
    /// Forget a group that you have left; its history stays
    Forget {
        #[arg(value_name = "GROUP", help = GROUP_HELP)]
        group: String,
    },
}

const GROUP_HELP: &str = "Name of the group, or the beginning of its id, at least 4 digits";

const EXAMPLES: &str = "Examples:
  sealpost group create Climbers +4915187654321 +4915155555555
  sealpost group join Climbers
  sealpost send Climbers 'See you at eight'
  sealpost group successors Climbers +4915187654321
  sealpost group show Climbers";
