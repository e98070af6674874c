//! The contract with the surroundings: inputs and actions.

use alloc::boxed::Box;
use alloc::vec::Vec;

use super::member::Rank;
use super::record::Record;
use super::signed::States;
use super::state::{GroupName, InvalidState, State};
use super::{GroupId, GroupRequest, GroupTag, ItemId, StateHash};
use crate::ids::Phone;
use crate::keys::Fingerprint;

/// Something that happened. What comes from a peer is authentic: the client machine has verified
/// the message with the pinned key of which `from` is the fingerprint.
#[derive(Debug)]
pub enum Input {
    /// The user gave a command.
    Command(Command),
    /// States arrived.
    States {
        /// Who sent them, though not necessarily their writer.
        from: Fingerprint,
        /// The states, whose signatures were verified.
        states: States,
    },
    /// States arrived that [`States::verify`] refused.
    InvalidStates {
        /// Who sent them.
        from: Fingerprint,
        /// Group that the message names.
        group: GroupId,
        /// What is wrong with them.
        why: InvalidState,
    },
    /// A request arrived.
    Request {
        /// Who sent it.
        from: Fingerprint,
        /// Group, and the newest state that the sender knows.
        tag: GroupTag,
        /// The request.
        request: GroupRequest,
    },
    /// A text arrived.
    Text {
        /// Who sent it.
        from: Fingerprint,
        /// Group and state that it was written in.
        tag: GroupTag,
        /// The application's name for it.
        item: ItemId,
    },
    /// A state was signed.
    Signed {
        /// Hash of the state, from [`Action::Sign`].
        hash: StateHash,
        /// Signature with the identity key; `None` if that failed.
        signature: Option<Box<[u8; 256]>>,
    },
}

/// What the user wants.
#[derive(Clone, Debug)]
pub enum Command {
    /// Make a group, with its user as owner.
    Create {
        /// 16 bytes that the application has drawn at random.
        group: GroupId,
        /// Name of the group.
        name: GroupName,
        /// How long texts live, in seconds; 0 for ever.
        expiry_secs: u32,
        /// Who is invited: fingerprints of identity keys, and phone numbers.
        invite: Vec<(Fingerprint, Phone)>,
    },
    /// Do something in a group.
    In(GroupId, GroupCommand),
}

/// What the user wants in one group.
#[derive(Clone, Debug)]
pub enum GroupCommand {
    /// Accept the invitation.
    Accept,
    /// Decline the invitation.
    Decline,
    /// Leave the group. An owner names a successor before.
    Leave,
    /// Forget a group that the user has left.
    Forget,
    /// Send a text to everybody who has joined.
    Send(ItemId),
    /// Send texts to somebody again who was removed by a state that was undone.
    Readmit(Fingerprint),
    /// Become the owner, as a successor.
    TakeOver,
    /// Rename the group. This and what follows is for its owner.
    Rename(GroupName),
    /// Let texts live this many seconds; 0 for ever.
    Expire(u32),
    /// Invite somebody, or again somebody who has not answered.
    Invite {
        /// Fingerprint of their identity key.
        key: Fingerprint,
        /// Their phone number.
        phone: Phone,
    },
    /// Remove a member.
    Remove(Fingerprint),
    /// Name a member a successor, or no longer.
    Succeed {
        /// The member.
        key: Fingerprint,
        /// Place among the successors.
        rank: Option<Rank>,
    },
    /// Make another member the owner.
    HandOver(Fingerprint),
}

/// What the host does. It carries out the actions of one input in their order, each [`Store`] durably
/// before the next. A host that fails to store drops the machine and restores it from the store.
///
/// [`Store`]: Action::Store
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Keep the record of a group; `None` deletes it.
    Store(GroupId, Option<Box<Record>>),
    /// Sign these bytes with the identity key. → [`Input::Signed`]
    Sign {
        /// Hash of the state, which names the outcome.
        hash: StateHash,
        /// Bytes to sign.
        text: Vec<u8>,
    },
    /// Send states to a peer.
    SendStates {
        /// Recipient.
        to: Fingerprint,
        /// The states.
        states: States,
    },
    /// Send a request to a peer.
    SendRequest {
        /// Recipient.
        to: Fingerprint,
        /// Group, and the newest state that we know.
        tag: GroupTag,
        /// The request.
        request: GroupRequest,
    },
    /// Send a copy of a text to each of these.
    SendText {
        /// The text.
        item: ItemId,
        /// Group and state that each copy names.
        tag: GroupTag,
        /// Recipients: everybody else who has joined.
        to: Vec<Fingerprint>,
    },
    /// Show a text in the group.
    Show {
        /// The group.
        group: GroupId,
        /// The text.
        item: ItemId,
        /// How to mark it.
        how: Shown,
    },
    /// Keep a text until it is shown or refused.
    Hold(GroupId, ItemId),
    /// Don't show a text in the group; show who sent it, and why it was refused.
    Refuse(GroupId, ItemId, Refusal),
    /// Tell the user.
    Tell(GroupId, Told),
}

/// How a text is marked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shown {
    /// Written in the newest state: not at all.
    Current,
    /// Written in an older state, which the author did not know to be old.
    Older,
    /// Written, as its author says, in a state before they were removed.
    BeforeRemoval,
    /// Written in a state that differs from ours, or is too old to be known.
    OtherState,
}

/// Why a text was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The group is not known.
    UnknownGroup,
    /// The user has left the group or has not joined it.
    NotJoined,
    /// Its author had not joined the group in that state, has left it, or was removed.
    NotAMember,
    /// Too many texts wait for states.
    TooMany,
}

/// News of a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Told {
    /// The user is invited.
    Invited {
        /// Who has written the state that invites them.
        by: Fingerprint,
    },
    /// The user has joined.
    Joined,
    /// The user was removed, or the invitation withdrawn.
    Removed,
    /// The user has left.
    Left,
    /// There is a new state.
    Changed,
    /// States were undone, because another branch wins.
    Undone {
        /// Newest state of the branch that lost.
        before: Box<State>,
        /// Newest state now.
        after: Box<State>,
    },
    /// Somebody has written two states with the same number: their device was restored from a
    /// backup, or they are dishonest.
    TwoStates {
        /// Who has written both.
        writer: Fingerprint,
        /// Number of both states.
        epoch: u64,
    },
    /// A member has another state with a number that we have, too.
    Differs {
        /// The member.
        from: Fingerprint,
    },
    /// A member has left; nothing is sent to them any more.
    MemberLeft {
        /// The member.
        key: Fingerprint,
    },
    /// A member has states that part from ours too early to be compared.
    Apart {
        /// The member.
        from: Fingerprint,
    },
    /// Too many states were missed. The user is asked to accept the newest ones as they are.
    Missed {
        /// Who sent the newest states.
        from: Fingerprint,
    },
    /// Somebody has sent states that are not valid.
    Suspicious {
        /// Who sent them.
        from: Fingerprint,
        /// What is wrong with them.
        why: InvalidState,
    },
    /// A command was refused.
    CommandRefused(CommandRefusal),
    /// Changes were given up: the user is not the owner any more, or signing failed.
    NotWritten,
}

/// Why a command was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CommandRefusal {
    /// There is no such group.
    #[error("no such group")]
    UnknownGroup,
    /// There is a group with this id.
    #[error("group exists already")]
    Exists,
    /// The user has as many groups as a client keeps.
    #[error("too many groups; forget one that you have left")]
    TooManyGroups,
    /// The state would not be valid: too many members, or the same twice.
    #[error("not a valid group: 50 members at most, each once")]
    Invalid,
    /// The user is not invited.
    #[error("there is no invitation to answer")]
    NotInvited,
    /// The user has not joined the group, or has left it.
    #[error("you are not in the group")]
    NotJoined,
    /// The user has not left the group.
    #[error("leave the group first; if you have, its owner has not confirmed it yet")]
    NotLeft,
    /// Only the owner may do it.
    #[error("only the owner of the group may do that")]
    NotOwner,
    /// Only a successor may take over.
    #[error("only a successor may take over")]
    NotSuccessor,
    /// An owner who leaves must have named a successor.
    #[error("name a successor before you leave, or remove everybody")]
    NoSuccessor,
    /// The member is not in the group.
    #[error("not a member of the group")]
    NoSuchMember,
    /// Too many changes wait to be written.
    #[error("too many changes wait to be signed")]
    TooManyChanges,
}
