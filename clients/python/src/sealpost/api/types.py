"""Parameters, results and notifications. Made from docs/openrpc.json by generate.py: do not edit."""
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, TypeAlias

from ..unknown import Unknown


Arrival: TypeAlias = Literal["late", "fillsGap", "reusedId"]
"""The place of a message among its author's messages."""


FileState: TypeAlias = (
    Literal["offered", "underway", "complete", "refused", "cancelled", "failed", "unknown"]
)
"""How far the transfer of a file is."""


PhoneNumber: TypeAlias = str
"""A phone number with its country; spaces and dashes are ignored."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FileRecipient:
    """How far the transfer of a file to a member of a group is."""

    done: int
    """Bytes that the member has."""
    reason: str | None = None
    """Why it ended without the file, or why it does not go on."""
    state: FileState
    """How far the transfer is."""
    to: PhoneNumber
    """Phone number of the member."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BodyText:
    """Text."""

    text: str
    """The text."""
    type: Literal["text"] = "text"


@dataclass(frozen=True, slots=True, kw_only=True)
class BodyBytes:
    """Bytes in an application's own format."""

    hex: str
    """The bytes, in hexadecimal digits."""
    type: Literal["bytes"] = "bytes"


@dataclass(frozen=True, slots=True, kw_only=True)
class BodyFile:
    """A file. Name and type are what its sender says."""

    done: int
    """Bytes that its recipient has; in a group, the mean of those who have taken it or may."""
    file: str
    """Id of the transfer."""
    media_type: str
    """Its media type, for example `image/png`."""
    name: str
    """Name of the file, made safe to show and to save."""
    path: str | None = None
    """Where it is, once it is complete."""
    reason: str | None = None
    """Why it ended without the file, or why it does not go on."""
    recipients: tuple[FileRecipient, ...] = ()
    """How far it is for each member, if it was sent from here to a group."""
    size: int
    """Its size in bytes."""
    state: FileState
    """How far the transfer is: in a group, underway or offered as long as it is for anybody, and
    complete if anybody has it."""
    text: str = ""
    """What its sender wrote with it."""
    type: Literal["file"] = "file"


@dataclass(frozen=True, slots=True, kw_only=True)
class BodyDeleted:
    """Its author took it back."""

    type: Literal["deleted"] = "deleted"


@dataclass(frozen=True, slots=True, kw_only=True)
class BodyExpired:
    """Its time was over."""

    type: Literal["expired"] = "expired"


@dataclass(frozen=True, slots=True, kw_only=True)
class BodyUndecryptable:
    """It was signed by its author, but does not open."""

    type: Literal["undecryptable"] = "undecryptable"


@dataclass(frozen=True, slots=True, kw_only=True)
class BodyNeedsNewerVersion:
    """It is of a kind that this version does not know."""

    type: Literal["needsNewerVersion"] = "needsNewerVersion"


@dataclass(frozen=True, slots=True, kw_only=True)
class BodyInvitation:
    """An invitation to the group that the conversation is with."""

    text: str
    """Who invites to what, in words."""
    type: Literal["invitation"] = "invitation"


@dataclass(frozen=True, slots=True, kw_only=True)
class BodyNotice:
    """Not a message: something that happened to the conversation, in words."""

    text: str
    """What happened."""
    type: Literal["notice"] = "notice"


Body: TypeAlias = (
    BodyText
    | BodyBytes
    | BodyFile
    | BodyDeleted
    | BodyExpired
    | BodyUndecryptable
    | BodyNeedsNewerVersion
    | BodyInvitation
    | BodyNotice
    | Unknown
)
"""What an entry says."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelResult:
    """What was given up."""

    cancelled: tuple[PhoneNumber, ...]
    """Recipients who don't get the message."""
    too_late: tuple[PhoneNumber, ...] = ()
    """Recipients who have it, or to whom it is on its way."""


ChangeKind: TypeAlias = Literal["edit", "delete", "reaction", "read", "group", "unknown"]
"""Kinds of changes."""


Time: TypeAlias = datetime
"""A time in UTC."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionConnecting:
    """Connecting."""

    since: Time
    """Since when."""
    state: Literal["connecting"] = "connecting"


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionOnline:
    """There is a session with the server."""

    since: Time
    """Since when."""
    state: Literal["online"] = "online"
    waiting: int | None = None
    """Count of messages and receipts that the server held when the session began, until all of them
    have arrived."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionOffline:
    """There is no connection."""

    next_attempt: Time | None = None
    """When it is tried again; absent if it is not."""
    reason: str
    """Why not."""
    since: Time
    """Since when."""
    state: Literal["offline"] = "offline"


Connection: TypeAlias = ConnectionConnecting | ConnectionOnline | ConnectionOffline | Unknown
"""The connection to the server."""


KeyTrust: TypeAlias = Literal["firstUse", "verified"]
"""How far a contact's key is trusted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferedKey:
    """A key that the server names for a contact in place of the known one."""

    fingerprint: str
    """SHA-256 of the key, in hexadecimal digits."""
    safety_number: str
    """Safety number with this key."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Contact:
    """A person whose key is known."""

    blocked: bool = False
    """Whether messages from there are dropped."""
    fingerprint: str
    """SHA-256 of the contact's key, in hexadecimal digits."""
    id: int
    """User id at the server."""
    name: str | None = None
    """Name that the user gave to the contact."""
    offered: OfferedKey | None = None
    """Another key that the server has named since, and that was not accepted."""
    phone: PhoneNumber
    """Phone number."""
    safety_number: str
    """Safety number with the contact, 60 digits in groups of five: equal on both devices if nobody
    sits between them."""
    trust: KeyTrust
    """How far the key is trusted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProgressFailed:
    """It will not be sent."""

    reason: str
    """The reason."""
    state: Literal["failed"] = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class ProgressQueued:
    """It is durable here, and is sent as soon as that is possible."""

    state: Literal["queued"] = "queued"


@dataclass(frozen=True, slots=True, kw_only=True)
class ProgressStored:
    """The server has stored it."""

    state: Literal["stored"] = "stored"


@dataclass(frozen=True, slots=True, kw_only=True)
class ProgressDelivered:
    """The recipient's device has it, and has signed a receipt."""

    state: Literal["delivered"] = "delivered"


@dataclass(frozen=True, slots=True, kw_only=True)
class ProgressRead:
    """The recipient has seen it, and says so."""

    state: Literal["read"] = "read"


Progress: TypeAlias = (
    ProgressFailed
    | ProgressQueued
    | ProgressStored
    | ProgressDelivered
    | ProgressRead
    | Unknown
)
"""How far a message has come."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Copy:
    """A copy of a message, for one recipient."""

    message_id: int | None = None
    """Id of the message on the wire, once it has one."""
    progress: Progress
    """How far it has come."""
    to: PhoneNumber
    """Phone number of the recipient."""
    waits_for: str | None = None
    """Why it waits, if that is not for the connection alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mention:
    """A place in a text that stands for a person. Places are counted in characters, which are
    Unicode scalar values."""

    length: int
    """How many characters it has, at least one."""
    number: PhoneNumber | None = None
    """Phone number of the person. Absent for somebody who is not known here; needed to send."""
    start: int
    """Characters before it."""


Peer: TypeAlias = str
"""A person's phone number, or `group:` and the id of a group."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Quote:
    """What a message answers."""

    entry: int | None = None
    """Number of the entry; absent if it is not here."""
    from_: PhoneNumber | None = None
    """Phone number of its author; absent for what was sent from here, or if it is not here."""
    text: str
    """Beginning of its text, at most 100 characters."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reaction:
    """An emoji that somebody put on an entry."""

    emoji: str
    """The emoji."""
    from_: PhoneNumber | None = None
    """Phone number of whoever reacted; absent if it was the account's own user."""


Trust: TypeAlias = Literal["firstUse", "verified", "changed"]
"""How far the key that signed a message was trusted when it arrived."""


WrittenIn: TypeAlias = Literal["older", "beforeRemoval", "otherState"]
"""The state of its group in which a message was written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One line of a conversation: a message, received or sent, or a notice."""

    after_gap: bool = False
    """Whether a message of the same author is missing before it."""
    arrival: Arrival | None = None
    """Its place among its author's messages, if it did not come in order."""
    body: Body
    """What it says now."""
    conversation: Peer
    """The conversation that it is in."""
    copies: tuple[Copy, ...] = ()
    """The copies of what was sent from here, one for each recipient."""
    edited_at: Time | None = None
    """When its author changed it last."""
    entry: int
    """Number of the entry in this home. Later entries have larger numbers."""
    expires_at: Time | None = None
    """When it disappears."""
    from_: PhoneNumber | None = None
    """Phone number of its author; absent for what was sent from here."""
    group_name: str | None = None
    """Name of the group that it is in."""
    mentions: tuple[Mention, ...] = ()
    """The people whom its text mentions, in the order of the text."""
    message_id: int | None = None
    """Id of the message on the wire, for what was received: unique among its author's messages,
    unless the author was restored from a backup."""
    progress: Progress | None = None
    """How far it has come, for what was sent from here: in a group, the least far of its copies,
    apart from those that failed. It has failed only if every copy has; `copies` has each."""
    reactions: tuple[Reaction, ...] = ()
    """Reactions, one for each person at most."""
    received_at: Time | None = None
    """Time of arrival; absent for what was sent from here."""
    reply_to: Quote | None = None
    """What it answers."""
    sent_at: Time
    """Time of writing, as its author says."""
    trust: Trust | None = None
    """How far the key that signed it was trusted when it arrived."""
    written_in: WrittenIn | None = None
    """State of its group in which it was written, if that is not the newest one that was known here
    when it was shown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangedEntry:
    """An entry is new, or is not as it was."""

    entry: Entry
    """The entry."""
    type: Literal["entry"] = "entry"


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangedEntryRemoved:
    """An entry is gone, because what it told of is over."""

    conversation: Peer
    """The conversation that it was in."""
    entry: int
    """Number of the entry."""
    type: Literal["entryRemoved"] = "entryRemoved"


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangedConversation:
    """A conversation is not as it was: its name, its count of unread entries, its settings."""

    type: Literal["conversation"] = "conversation"
    with_: Peer
    """Whom it is with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangedContact:
    """A contact is new, or is not as it was: its key, the trust in it, its name."""

    contact: Contact
    """The contact."""
    type: Literal["contact"] = "contact"


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangedConnection:
    """The connection to the server is not as it was."""

    connection: Connection
    """How it is now."""
    type: Literal["connection"] = "connection"


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangedWarning:
    """The server did something that an honest server does not do, or something else that the user
    should know, and that belongs to no conversation."""

    text: str
    """What happened."""
    type: Literal["warning"] = "warning"


Changed: TypeAlias = (
    ChangedEntry
    | ChangedEntryRemoved
    | ChangedConversation
    | ChangedContact
    | ChangedConnection
    | ChangedWarning
    | Unknown
)
"""Something that changed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectResult:
    """What came of an attempt to connect."""

    connection: Connection
    """The connection to the server."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Consumer:
    """A consumer."""

    acknowledged: int
    """The place up to which it has acknowledged."""
    name: str
    """Its name."""
    waiting: int
    """Count of what has arrived behind that place. Not all of it is for consumers: what groups and
    files tell each other is not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsumersResult:
    """The consumers."""

    consumers: tuple[Consumer, ...]
    """The consumers, by name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ContactsResult:
    """The contacts."""

    contacts: tuple[Contact, ...]
    """The contacts, by phone number."""


GroupId: TypeAlias = str
"""`group:` and the id of a group."""


GroupStanding: TypeAlias = Literal["invited", "accepted", "joined", "declined", "leaving", "out"]
"""How the user stands to a group."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RoleSuccessor:
    """May take over from the owner. The number is the place among the successors, from 1."""

    successor: int


Role: TypeAlias = Literal["owner", "member"] | RoleSuccessor
"""What a member may do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """A member of a group."""

    excluded: bool = False
    """Whether nothing is sent to the member, who has left, or was removed by a state that was
    undone."""
    fingerprint: str
    """SHA-256 of the member's key, in hexadecimal digits: the key is the member."""
    joined: bool
    """Whether the member has joined. Messages go to those who have."""
    name: str | None = None
    """Name that the user gave to the contact."""
    own: bool = False
    """Whether it is the account's own user."""
    phone: PhoneNumber
    """Phone number."""
    role: Role
    """What the member may do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """A group, as its newest state says."""

    blocked: bool = False
    """Whether it is blocked: further invitations are ignored."""
    epoch: int
    """Number of its newest state."""
    expiry_seconds: int = 0
    """Seconds after which messages disappear; 0 if they stay."""
    group_id: GroupId
    """Id of the group, as messages name it."""
    members: tuple[Member, ...]
    """Everybody who was invited or has joined."""
    name: str
    """Its name."""
    newer_states: bool = False
    """Whether so many states were missed that the newest ones wait for `joinGroup`."""
    standing: GroupStanding
    """How the user stands to it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MuteUntil:
    """It is silent until then."""

    until: Time


Mute: TypeAlias = Literal["off", "always"] | MuteUntil
"""Until when a conversation makes no noise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversation:
    """A conversation with a person or a group."""

    accept_files_up_to: int = 0
    """Bytes up to which offered files are accepted without asking, together with those that are on
    their way; 0 if each is asked for."""
    blocked: bool = False
    """Whether messages from there are dropped."""
    draft: str = ""
    """Text that was begun and not sent."""
    expiry_seconds: int = 0
    """Seconds after which messages disappear; 0 if they stay."""
    group: Group | None = None
    """The group, in a conversation with one."""
    key_changed: bool = False
    """Whether the key of the contact has changed, so that nothing is sent until the change is
    accepted with `trust`."""
    last: Entry | None = None
    """Its last entry."""
    mute: Mute
    """Until when it makes no noise."""
    name: str | None = None
    """Name of the contact or of the group."""
    read_receipts: bool = False
    """Whether each side tells the other what it has seen."""
    read_up_to: int = 0
    """Number of the last entry that was seen; 0 if none was."""
    unread: int
    """Count of entries that were received and not seen."""
    verified: bool = False
    """Whether the users have compared safety numbers."""
    with_: Peer
    """Whom it is with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConversationsResult:
    """The conversations."""

    conversations: tuple[Conversation, ...]
    """The conversations."""


EndReason: TypeAlias = Literal["takenOver", "unsubscribed", "failed"]
"""Why a subscription has ended."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FilesResult:
    """Files."""

    entries: tuple[Entry, ...]
    """The entries that offer them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupsResult:
    """The groups."""

    groups: tuple[Group, ...]
    """The groups, by id."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hello:
    """The first line of a connection."""

    account: PhoneNumber
    """Phone number of the account."""
    api_version: int
    """Version of the interface."""
    version: str
    """Version of the program."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryResult:
    """A page of entries."""

    entries: tuple[Entry, ...]
    """The entries. History has the earliest first, search the latest."""
    more: bool
    """Whether there are more in this direction."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OutboxChange:
    """A change that waits, or that failed."""

    change: ChangeKind
    """What kind of change it is."""
    conversation: Peer
    """The conversation of the entry, or the group."""
    copies: tuple[Copy, ...]
    """Its copies that wait or failed, one for each recipient."""
    entry: int | None = None
    """Number of the entry that it changes; absent for a change of a group."""
    group_name: str | None = None
    """Name of the group."""
    progress: Progress
    """How far it has come, as `progress` of an entry."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OutboxResult:
    """What waits, and what failed."""

    changes: tuple[OutboxChange, ...] = ()
    """Changes of messages and of groups."""
    entries: tuple[Entry, ...]
    """Messages, the oldest first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceivedEventMessage:
    """A message, as it was when it arrived."""

    message: Entry
    """The message."""
    type: Literal["message"] = "message"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceivedEventEdited:
    """The author of a message changed its text."""

    entry: int
    """Number of the message's entry."""
    from_: PhoneNumber
    """Phone number of the author."""
    text: str
    """The new text."""
    type: Literal["edited"] = "edited"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceivedEventDeleted:
    """The author of a message took it back."""

    entry: int
    """Number of the message's entry."""
    from_: PhoneNumber
    """Phone number of the author."""
    type: Literal["deleted"] = "deleted"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceivedEventReaction:
    """Somebody reacted to a message."""

    emoji: str
    """The emoji; empty if the reaction was taken back."""
    entry: int
    """Number of the message's entry."""
    from_: PhoneNumber
    """Phone number of whoever reacted."""
    type: Literal["reaction"] = "reaction"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceivedEventInvitation:
    """Somebody invites the user to a group. `joinGroup` accepts it, `declineGroup` does not."""

    entry: int
    """Number of its entry."""
    from_: PhoneNumber
    """Phone number of whoever invites."""
    group: GroupId
    """Id of the group."""
    name: str
    """Name of the group, as its owner says."""
    type: Literal["invitation"] = "invitation"


ReceivedEvent: TypeAlias = (
    ReceivedEventMessage
    | ReceivedEventEdited
    | ReceivedEventDeleted
    | ReceivedEventReaction
    | ReceivedEventInvitation
    | Unknown
)
"""What arrived."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Receive:
    """Something that arrived, for a consumer. It comes again, after a crash of either side, until
    the consumer has acknowledged its place."""

    consumer: str
    """Name of the consumer."""
    event: ReceivedEvent
    """What arrived."""
    place: int
    """Its place: the number to acknowledge. Later ones are larger."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceiveEnded:
    """The end of a subscription."""

    consumer: str
    """Name of the consumer."""
    reason: EndReason
    """Why it has ended."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SendResult:
    """What became of a message."""

    copies: tuple[Copy, ...] = ()
    """The copies in a group, one for each recipient."""
    entry: int
    """Number of its entry."""
    message_id: int | None = None
    """Id of the message on the wire, once it has one; absent for groups."""
    progress: Progress
    """How far it has come: in a group, as `progress` of its entry."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusResult:
    """The account."""

    clock_offset_seconds: int
    """Seconds by which the server's clock is ahead of this device's."""
    connection: Connection
    """The connection to the server."""
    contacts: int
    """Count of contacts."""
    delivered: int
    """Count of messages that were delivered."""
    endpoint: str | None = None
    """Host and port of the server that the session is with, one of those in the address; absent
    without a session."""
    failed: int
    """Count of messages that were given up."""
    fingerprint: str
    """SHA-256 of the account's public key, in hexadecimal digits."""
    id: int | None = None
    """User id at the server; absent before registration."""
    phone: PhoneNumber
    """Phone number of the account."""
    queued: int
    """Count of messages that wait to be sent: of what people wrote, with files that were offered,
    and without what clients tell each other. In a group, a message is as far as `progress` of its
    entry."""
    server: str
    """Address of the server."""
    stored: int
    """Count of messages that the server has stored."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SubscribeResult:
    """A subscription that has begun."""

    acknowledged: int
    """The place up to which the consumer has acknowledged."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionResult:
    """Versions."""

    api_version: int
    """Version of the interface."""
    version: str
    """Version of the program."""


WaitFor: TypeAlias = Literal["queued", "stored", "delivered"]
"""What to wait for."""
