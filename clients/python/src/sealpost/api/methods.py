"""The methods of a client. Made from docs/openrpc.json by generate.py: do not edit."""
from abc import ABC, abstractmethod
from collections.abc import Mapping
from types import NoneType
from typing import TypeVar

from .types import (
    CancelResult,
    ConnectResult,
    ConsumersResult,
    Contact,
    ContactsResult,
    ConversationsResult,
    FilesResult,
    Group,
    GroupId,
    GroupsResult,
    HistoryResult,
    Mention,
    Mute,
    OutboxResult,
    Peer,
    PhoneNumber,
    SendResult,
    StatusResult,
    VersionResult,
    WaitFor,
)

Result = TypeVar("Result")

API_VERSION = 1
"""Version of the interface that these methods are of. Later ones have them, too."""


class Methods(ABC):
    """The methods, each by its name. Parameters that are None are absent."""

    @abstractmethod
    def call(self, method: str, params: Mapping[str, object], result: type[Result]) -> Result:
        """Calls a method by its name on the wire."""

    def version(self) -> VersionResult:
        """Says which versions of the interface and of the program these are."""
        return self.call("version", {}, VersionResult)

    def status(self) -> StatusResult:
        """Describes the account, the connection to the server, and what waits."""
        return self.call("status", {}, StatusResult)

    def connect(self, *, timeout_seconds: int = 30) -> ConnectResult:
        """Connects to the server at once: instead of waiting for the next attempt, or after the
        client gave up, for example because the account went online elsewhere. Returns what came of
        it; after `timeoutSeconds`, what there is until then.

        timeout_seconds: How long to wait for the server, in seconds.
        """
        return self.call("connect", {"timeoutSeconds": timeout_seconds}, ConnectResult)

    def send(
        self,
        *,
        recipient: Peer,
        bytes_hex: str | None = None,
        idempotency_key: str | None = None,
        mentions: tuple[Mention, ...] | None = None,
        message: str | None = None,
        reply_to: int | None = None,
        timeout_seconds: int = 30,
        wait_for: WaitFor = "queued",
    ) -> SendResult:
        """Sends a message.

        recipient: Whom it is for.
        bytes_hex: Bytes in an application's own format, in hexadecimal digits.
        idempotency_key: A name that the caller gives to the request, at most 64 bytes. A repeat
            under the same name sends nothing, and returns the result of the first one.
        mentions: The people whom the text mentions, at most 64. Each is a contact, a member of a
            group, or the user.
        message: Text, at most 65,235 bytes; 60,000 in a group, in a conversation whose messages
            disappear, with mentions, and in answer to an entry.
        reply_to: Number of the entry that it answers.
        timeout_seconds: How long to wait, in seconds.
        wait_for: What to wait for before the answer.
        """
        params: dict[str, object] = {
            "recipient": recipient,
            "bytesHex": bytes_hex,
            "idempotencyKey": idempotency_key,
            "mentions": mentions,
            "message": message,
            "replyTo": reply_to,
            "timeoutSeconds": timeout_seconds,
            "waitFor": wait_for,
        }
        return self.call("send", params, SendResult)

    def edit_message(
        self,
        *,
        entry: int,
        message: str,
        mentions: tuple[Mention, ...] | None = None,
    ) -> SendResult:
        """Changes the text of a message that was sent from here.

        entry: Number of the entry.
        message: The text from now on.
        mentions: The people whom it mentions, as for `send`.
        """
        params: dict[str, object] = {
            "entry": entry,
            "message": message,
            "mentions": mentions,
        }
        return self.call("editMessage", params, SendResult)

    def remote_delete(self, *, entry: int) -> SendResult:
        """Takes a message back that was sent from here: recipients are asked to delete it.

        entry: Number of the entry.
        """
        return self.call("remoteDelete", {"entry": entry}, SendResult)

    def send_reaction(self, *, emoji: str, entry: int) -> SendResult:
        """Puts an emoji on an entry, in place of an earlier one, or takes it back.

        emoji: One emoji; empty to take the reaction back.
        entry: Number of the entry.
        """
        return self.call("sendReaction", {"emoji": emoji, "entry": entry}, SendResult)

    def list_outbox(self) -> OutboxResult:
        """Lists what waits to be sent, and what failed and why: messages, changes of messages, and
        changes of groups."""
        return self.call("listOutbox", {}, OutboxResult)

    def retry_message(self, *, entry: int) -> SendResult:
        """Sends the copies of a message again that failed, and those of its changes. In a group,
        they go to those who are members now.

        entry: Number of the entry.
        """
        return self.call("retryMessage", {"entry": entry}, SendResult)

    def cancel_message(self, *, entry: int) -> CancelResult:
        """Gives up the copies of a message that could not be sent yet, and of its changes for the
        same recipients, and takes what has failed off the list. Copies that are on their way can't
        be given up, nor a change alone that waits.

        entry: Number of the entry.
        """
        return self.call("cancelMessage", {"entry": entry}, CancelResult)

    def send_file(
        self,
        *,
        path: str,
        recipient: Peer,
        caption: str | None = None,
        idempotency_key: str | None = None,
        timeout_seconds: int = 30,
        wait_for: WaitFor = "queued",
    ) -> SendResult:
        """Offers a file of at most 64 MiB to a person, or to everybody in a group. It is sent to
        whoever accepts it; until then it must stay as it is.

        path: Absolute path of the file.
        recipient: Whom it is for.
        caption: What to write with it.
        idempotency_key: A name that the caller gives to the request, at most 64 bytes. A repeat
            under the same name offers nothing, and returns the result of the first one.
        timeout_seconds: How long to wait, in seconds.
        wait_for: What the offer is to reach before the answer. How far the file is, its entry says.
        """
        params: dict[str, object] = {
            "path": path,
            "recipient": recipient,
            "caption": caption,
            "idempotencyKey": idempotency_key,
            "timeoutSeconds": timeout_seconds,
            "waitFor": wait_for,
        }
        return self.call("sendFile", params, SendResult)

    def list_files(self, *, limit: int = 50) -> FilesResult:
        """Lists the latest files that were offered, received or sent, the oldest first.

        limit: Largest count of files, at most 1,000.
        """
        return self.call("listFiles", {"limit": limit}, FilesResult)

    def accept_file(self, *, entry: int) -> None:
        """Accepts a file that was offered. It is saved in the folder `files` of the home.

        entry: Number of the entry.
        """
        self.call("acceptFile", {"entry": entry}, NoneType)

    def refuse_file(self, *, entry: int) -> None:
        """Refuses a file that was offered.

        entry: Number of the entry.
        """
        self.call("refuseFile", {"entry": entry}, NoneType)

    def cancel_file(self, *, entry: int) -> None:
        """Gives up a file that is being received or sent, or that was offered.

        entry: Number of the entry.
        """
        self.call("cancelFile", {"entry": entry}, NoneType)

    def acknowledge(self, *, consumer: str, up_to: int) -> None:
        """Records that a consumer has dealt with everything up to a place. It does not come again.

        consumer: Name of the consumer.
        up_to: Place of the last `receive` that it has dealt with.
        """
        self.call("acknowledge", {"consumer": consumer, "upTo": up_to}, NoneType)

    def list_consumers(self) -> ConsumersResult:
        """Lists the consumers."""
        return self.call("listConsumers", {}, ConsumersResult)

    def remove_consumer(self, *, consumer: str) -> None:
        """Forgets a consumer and its place.

        consumer: Name of the consumer.
        """
        self.call("removeConsumer", {"consumer": consumer}, NoneType)

    def list_conversations(self) -> ConversationsResult:
        """Lists the conversations, the one with the latest entry first."""
        return self.call("listConversations", {}, ConversationsResult)

    def history(
        self,
        *,
        after: int | None = None,
        before: int | None = None,
        limit: int = 50,
        with_: Peer | None = None,
    ) -> HistoryResult:
        """Returns a page of a conversation, or of all of them: the latest entries, or those before
        or after one.

        after: Only entries after this one; the earliest of them are returned.
        before: Only entries before this one; the latest of them are returned.
        limit: Largest count of entries, at most 1,000.
        with_: The conversation; all of them if absent.
        """
        params: dict[str, object] = {
            "after": after,
            "before": before,
            "limit": limit,
            "with": with_,
        }
        return self.call("history", params, HistoryResult)

    def search(
        self,
        *,
        query: str,
        before: int | None = None,
        limit: int = 50,
        with_: Peer | None = None,
    ) -> HistoryResult:
        """Finds entries that contain words, the latest first.

        query: Words, all of which an entry must contain; the last one may be a beginning.
        before: Only entries before this one.
        limit: Largest count of entries, at most 1,000.
        with_: The conversation; all of them if absent.
        """
        params: dict[str, object] = {
            "query": query,
            "before": before,
            "limit": limit,
            "with": with_,
        }
        return self.call("search", params, HistoryResult)

    def mark_read(self, *, up_to: int, with_: Peer) -> None:
        """Records that the user has seen a conversation up to an entry. The other side is told only
        if `readReceipts` is on.

        up_to: Number of the last entry seen.
        with_: The conversation.
        """
        self.call("markRead", {"upTo": up_to, "with": with_}, NoneType)

    def save_draft(self, *, text: str, with_: Peer) -> None:
        """Keeps a text that was begun, in place of the one before.

        text: The text; empty for none.
        with_: The conversation.
        """
        self.call("saveDraft", {"text": text, "with": with_}, NoneType)

    def update_conversation(
        self,
        *,
        with_: Peer,
        accept_files_up_to: int | None = None,
        expiry_seconds: int | None = None,
        mute: Mute | None = None,
        read_receipts: bool | None = None,
    ) -> None:
        """Changes the settings of a conversation. What is absent stays as it is.

        with_: The conversation.
        accept_files_up_to: Bytes up to which offered files are accepted without asking, together
            with those that are on their way; 0 at first: each is asked for.
        expiry_seconds: Seconds after which messages disappear, for both sides; 0 if they stay.
        mute: Until when it makes no noise.
        read_receipts: Whether to tell the other side what was seen here, and to show what it says
            of itself; off at first. Nothing is told unless this is on.
        """
        params: dict[str, object] = {
            "with": with_,
            "acceptFilesUpTo": accept_files_up_to,
            "expirySeconds": expiry_seconds,
            "mute": mute,
            "readReceipts": read_receipts,
        }
        self.call("updateConversation", params, NoneType)

    def list_contacts(self) -> ContactsResult:
        """Lists the contacts: people whose keys are known."""
        return self.call("listContacts", {}, ContactsResult)

    def update_contact(self, *, name: str, recipient: PhoneNumber) -> None:
        """Gives a contact a name.

        name: The name, at most 100 bytes; empty for none.
        recipient: Phone number.
        """
        self.call("updateContact", {"name": name, "recipient": recipient}, NoneType)

    def remove_contact(self, *, recipient: PhoneNumber, with_history: bool | None = None) -> None:
        """Forgets a contact: the key, whether it was verified, the name, the draft and the settings
        of the conversation. Messages that wait for the contact are cancelled, those on their way
        still go. The history stays unless `withHistory` is set, and who is blocked stays blocked.
        The next message to or from the phone number makes it a contact again, whose key is trusted
        on first use.

        recipient: Phone number.
        with_history: Whether to delete what was sent and received, too.
        """
        self.call("removeContact", {"recipient": recipient, "withHistory": with_history}, NoneType)

    def block(self, *, recipient: Peer) -> None:
        """Drops what comes from a person, quietly, and gives up files on their way. The server
        forgets a message only for a receipt, so the person is told that messages are delivered, as
        before, and never that they are read. A group is left, and further invitations to it are
        ignored.

        recipient: The person or the group.
        """
        self.call("block", {"recipient": recipient}, NoneType)

    def unblock(self, *, recipient: Peer) -> None:
        """Takes messages of a person again, or invitations to a group.

        recipient: The person or the group.
        """
        self.call("unblock", {"recipient": recipient}, NoneType)

    def look_up(self, *, recipient: PhoneNumber, timeout_seconds: int = 30) -> Contact:
        """Asks the server who has a phone number, and returns the contact.

        recipient: Phone number.
        timeout_seconds: How long to wait for the server, in seconds.
        """
        params: dict[str, object] = {
            "recipient": recipient,
            "timeoutSeconds": timeout_seconds,
        }
        return self.call("lookUp", params, Contact)

    def trust(
        self,
        *,
        recipient: PhoneNumber,
        safety_number: str,
        verified: bool = True,
    ) -> Contact:
        """Trusts a contact's key whose safety number the users have compared: accepts it if it is
        the one that the server offers in place of the known one, and marks it as verified.

        recipient: Phone number.
        safety_number: Safety number that the users have compared, 60 digits; spaces are ignored.
        verified: Whether to mark the key as verified; if not, an offered key is only accepted.
        """
        params: dict[str, object] = {
            "recipient": recipient,
            "safetyNumber": safety_number,
            "verified": verified,
        }
        return self.call("trust", params, Contact)

    def list_groups(self) -> GroupsResult:
        """Lists the groups, those included that the user is invited to or has left."""
        return self.call("listGroups", {}, GroupsResult)

    def update_group(
        self,
        *,
        expiry_seconds: int | None = None,
        group_id: GroupId | None = None,
        members: tuple[PhoneNumber, ...] | None = None,
        name: str | None = None,
        owner: PhoneNumber | None = None,
        readmit: tuple[PhoneNumber, ...] | None = None,
        remove_members: tuple[PhoneNumber, ...] | None = None,
        successors: tuple[PhoneNumber, ...] | None = None,
        timeout_seconds: int = 30,
    ) -> Group:
        """Makes a group, or changes one as its owner. Invited people who are not contacts are
        looked up.

        expiry_seconds: Seconds after which new messages disappear; 0 if they stay.
        group_id: Id of the group.
        members: People to invite.
        name: Its name, 1 to 128 bytes.
        owner: Member who becomes the owner. The user stays a member.
        readmit: Members to whom messages go again, though a state that was undone had removed them.
            Every member may say so.
        remove_members: Members to remove.
        successors: All successors, the first one first. Who was one and is not named is one no
            longer.
        timeout_seconds: How long to wait for the server when people are looked up, in seconds.
        """
        params: dict[str, object] = {
            "expirySeconds": expiry_seconds,
            "groupId": group_id,
            "members": members,
            "name": name,
            "owner": owner,
            "readmit": readmit,
            "removeMembers": remove_members,
            "successors": successors,
            "timeoutSeconds": timeout_seconds,
        }
        return self.call("updateGroup", params, Group)

    def join_group(self, *, group_id: GroupId) -> Group:
        """Accepts the invitation to a group, or newest states that don't meet the known ones.

        group_id: Id of the group.
        """
        return self.call("joinGroup", {"groupId": group_id}, Group)

    def decline_group(self, *, group_id: GroupId) -> None:
        """Declines the invitation to a group.

        group_id: Id of the group.
        """
        self.call("declineGroup", {"groupId": group_id}, NoneType)

    def quit_group(self, *, group_id: GroupId) -> None:
        """Leaves a group. Its owner names a successor before.

        group_id: Id of the group.
        """
        self.call("quitGroup", {"groupId": group_id}, NoneType)

    def take_over_group(self, *, group_id: GroupId) -> Group:
        """Becomes the owner of a group, as a successor. The former owner stays a member.

        group_id: Id of the group.
        """
        return self.call("takeOverGroup", {"groupId": group_id}, Group)

    def forget_group(self, *, group_id: GroupId) -> None:
        """Forgets the members of a group that the user has left. Its history stays.

        group_id: Id of the group.
        """
        self.call("forgetGroup", {"groupId": group_id}, NoneType)
