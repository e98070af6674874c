//! The methods, as far as a screen needs them.

use sealpost_messenger::api::{
    AcceptFile, ApiError, Block, Body, CancelFile, CancelMessage, CancelResult, Changed, Connect,
    ConnectResult, Connection, Contact, ContactsResult, Conversation, ConversationParams,
    ConversationsResult, DeclineGroup, DraftParams, EditMessage, EditParams, Empty, EntryParams,
    ErrorKind, FileState, ForgetGroup, GroupParams,
    GroupStanding::{Declined, Invited, Joined, Out},
    History, HistoryParams, HistoryResult, JoinGroup, KeyTrust, ListContacts, ListConversations,
    ListGroups, LookUp, LookUpParams, MarkRead, MarkReadParams, Method, Peer, PeerParams, Progress,
    QuitGroup, Quote, Reaction, ReactionParams, RefuseFile, RemoteDelete, RetryMessage, SaveDraft,
    Search, SearchParams, Send, SendFile, SendParams, SendReaction, SendResult, Status,
    StatusResult, SubscribeChanges, TakeOverGroup, TrustKey, TrustParams, Unblock, UpdateContact,
    UpdateContactParams, UpdateConversation, UpdateGroup,
};
use serde_json::Value;

use super::files::{accept_file, end_file, send_file};
use super::groups::{forget, groups, stand, take_over, update_group};
use super::story;
use super::world::{Plan, World};

/// Carries out a method.
pub(super) fn request(world: &mut World, method: &str, params: Value) -> Result<Value, ApiError> {
    macro_rules! dispatch {
        ($($method:ty => $function:expr,)+) => {
            match method {
                $(<$method>::NAME => {
                    let params: <$method as Method>::Params = serde_json::from_value(params)
                        .map_err(|error| ErrorKind::InvalidParams.error(error))?;
                    let result: <$method as Method>::Result = $function(world, &params)?;
                    serde_json::to_value(result).map_err(ApiError::internal)
                })+
                _ => Err(ErrorKind::MethodNotFound.error("the demo does not do this")),
            }
        };
    }
    dispatch! {
        Status => |world: &mut World, _: &_| Ok::<_, ApiError>(status(world)),
        SubscribeChanges => |_: &mut World, _: &_| Ok::<_, ApiError>(Empty {}),
        ListConversations => |world: &mut World, _: &_| Ok::<_, ApiError>(conversations(world)),
        ListContacts => |world: &mut World, _: &_| Ok::<_, ApiError>(contacts(world)),
        History => |world: &mut World, params: &_| Ok::<_, ApiError>(history(world, params)),
        Search => |world: &mut World, params: &_| Ok::<_, ApiError>(search(world, params)),
        Send => send,
        SendFile => send_file,
        AcceptFile => |world: &mut World, params: &_| accept_file(world, *params),
        RefuseFile => |world: &mut World, params: &_| end_file(world, *params, FileState::Refused),
        CancelFile => |world: &mut World, params: &_| end_file(world, *params, FileState::Cancelled),
        EditMessage => edit,
        RemoteDelete => |world: &mut World, params: &_| delete(world, *params),
        SendReaction => react,
        CancelMessage => |world: &mut World, params: &_| give_up(world, *params),
        Connect => |world: &mut World, _: &_| Ok::<_, ApiError>(connect(world)),
        RetryMessage => |world: &mut World, params: &_| retry(world, *params),
        MarkRead => |world: &mut World, params: &_| Ok::<_, ApiError>(mark_read(world, params)),
        SaveDraft => |world: &mut World, params: &_| Ok::<_, ApiError>(save_draft(world, params)),
        UpdateConversation => update_conversation,
        UpdateContact => update_contact,
        Block => |world: &mut World, params: &PeerParams| block(world, params.recipient, true),
        Unblock => |world: &mut World, params: &PeerParams| block(world, params.recipient, false),
        TrustKey => trust,
        LookUp => look_up,
        ListGroups => |world: &mut World, _: &_| Ok::<_, ApiError>(groups(world)),
        UpdateGroup => update_group,
        JoinGroup => |world: &mut World, params: &_| stand(world, *params, &[Invited], Joined),
        DeclineGroup => |world: &mut World, params: &_| {
            stand(world, *params, &[Invited], Declined).map(|_| Empty {})
        },
        QuitGroup => |world: &mut World, params: &_| {
            stand(world, *params, &[Joined], Out).map(|_| Empty {})
        },
        TakeOverGroup => |world: &mut World, params: &_| take_over(world, *params),
        ForgetGroup => |world: &mut World, params: &_| forget(world, *params),
    }
}

fn status(world: &World) -> StatusResult {
    let count = |wanted: fn(&Progress) -> bool| {
        let entries = world.entries.iter().filter_map(|entry| entry.progress.as_ref());
        u64::try_from(entries.filter(|progress| wanted(progress)).count()).unwrap_or(u64::MAX)
    };
    StatusResult {
        phone: world.account,
        id: Some(1),
        server: "sealposts://demo.invalid".to_owned(),
        endpoint: None,
        fingerprint: "00".repeat(32),
        connection: world.connection.clone(),
        contacts: u64::try_from(world.contacts.len()).unwrap_or(u64::MAX),
        queued: count(|progress| *progress == Progress::Queued),
        stored: count(|progress| *progress == Progress::Stored),
        delivered: count(|progress| *progress == Progress::Delivered),
        failed: count(|progress| matches!(progress, Progress::Failed { .. })),
        clock_offset_seconds: 0,
    }
}

fn conversations(world: &World) -> ConversationsResult {
    let mut conversations: Vec<Conversation> =
        world.conversations.iter().map(|known| world.described(known)).collect();
    conversations
        .sort_by_key(|known| std::cmp::Reverse(known.last.as_ref().map_or(0, |last| last.entry)));
    ConversationsResult { conversations }
}

fn contacts(world: &World) -> ContactsResult {
    ContactsResult { contacts: world.contacts.values().cloned().collect() }
}

fn history(world: &mut World, asked: &HistoryParams) -> HistoryResult {
    let limit = usize::try_from(asked.limit).unwrap_or(usize::MAX);
    let mut entries: Vec<_> = world
        .entries
        .iter()
        .filter(|entry| asked.with.is_none_or(|with| entry.conversation == with))
        .filter(|entry| asked.before.is_none_or(|before| entry.entry < before))
        .filter(|entry| asked.after.is_none_or(|after| entry.entry > after))
        .cloned()
        .collect();
    let more = entries.len() > limit;
    if asked.after.is_some() {
        entries.truncate(limit);
    } else {
        entries.drain(..entries.len().saturating_sub(limit));
    }
    HistoryResult { entries, more }
}

fn search(world: &mut World, asked: &SearchParams) -> HistoryResult {
    let limit = usize::try_from(asked.limit).unwrap_or(usize::MAX);
    let words: Vec<String> = asked.query.split_whitespace().map(str::to_lowercase).collect();
    let fits = |body: &Body| match body {
        Body::Text { text } => words.iter().all(|word| text.to_lowercase().contains(word)),
        Body::File { name, .. } => words.iter().all(|word| name.to_lowercase().contains(word)),
        Body::Bytes { .. }
        | Body::Deleted
        | Body::Expired
        | Body::Undecryptable
        | Body::NeedsNewerVersion
        | Body::Invitation { .. }
        | Body::Notice { .. }
        | Body::Unknown => false,
    };
    let found = world.entries.iter().rev().filter(|entry| fits(&entry.body));
    let mut entries: Vec<_> = found.take(limit.saturating_add(1)).cloned().collect();
    let more = entries.len() > limit;
    entries.truncate(limit);
    HistoryResult { entries, more }
}

fn send(world: &mut World, params: &SendParams) -> Result<SendResult, ApiError> {
    let text = params.message.clone().unwrap_or_default();
    if text.len() > 32 * 1024 {
        return Err(ErrorKind::TooLong.error("the message is too long"));
    }
    let with = params.recipient;
    if world.conversation(with).is_some_and(|known| known.key_changed) {
        let message = "the key has changed: nothing is sent until you accept it";
        return Err(ErrorKind::KeyChanged.error(message));
    }
    if world.conversation(with).is_none() {
        world.begin(with, None);
    }
    let mut entry = world.sent(with, Body::Text { text });
    entry.reply_to = params.reply_to.and_then(|number| quote(world, number));
    entry.progress = Some(Progress::Queued);
    entry.copies = world.copies(with);
    let number = world.add(entry);
    for (secs, progress) in [(1, Progress::Stored), (2, Progress::Delivered), (4, Progress::Read)] {
        world.plan(secs, Plan::Progress { entry: number, progress });
    }
    story::answer(world, with, number);
    Ok(sent(number))
}

/// What an answer quotes.
pub(super) fn quote(world: &World, number: u64) -> Option<Quote> {
    let entry = world.entries.iter().find(|entry| entry.entry == number)?;
    let text = match &entry.body {
        Body::Text { text } => text.chars().take(100).collect(),
        Body::File { name, .. } => name.clone(),
        Body::Bytes { .. }
        | Body::Deleted
        | Body::Expired
        | Body::Undecryptable
        | Body::NeedsNewerVersion
        | Body::Invitation { .. }
        | Body::Notice { .. }
        | Body::Unknown => String::new(),
    };
    Some(Quote { entry: Some(number), from: entry.from, text })
}

fn edit(world: &mut World, params: &EditParams) -> Result<SendResult, ApiError> {
    let now = world.now;
    own(world, params.entry)?;
    world.change(params.entry, |entry| {
        entry.body = Body::Text { text: params.message.clone() };
        entry.edited_at = Some(now);
    });
    Ok(sent(params.entry))
}

fn delete(world: &mut World, params: EntryParams) -> Result<SendResult, ApiError> {
    own(world, params.entry)?;
    world.change(params.entry, |entry| {
        entry.body = Body::Deleted;
        entry.reactions.clear();
    });
    Ok(sent(params.entry))
}

fn react(world: &mut World, params: &ReactionParams) -> Result<SendResult, ApiError> {
    world
        .change(params.entry, |entry| {
            entry.reactions.retain(|reaction| reaction.from.is_some());
            if !params.emoji.is_empty() {
                entry.reactions.push(Reaction { from: None, emoji: params.emoji.clone() });
            }
        })
        .ok_or_else(not_found)?;
    Ok(sent(params.entry))
}

fn retry(world: &mut World, params: EntryParams) -> Result<SendResult, ApiError> {
    own(world, params.entry)?;
    world.change(params.entry, |entry| entry.progress = Some(Progress::Queued));
    world.plan(1, Plan::Progress { entry: params.entry, progress: Progress::Stored });
    Ok(sent(params.entry))
}

fn give_up(world: &mut World, params: EntryParams) -> Result<CancelResult, ApiError> {
    own(world, params.entry)?;
    let reason = "cancelled".to_owned();
    world.change(params.entry, |entry| entry.progress = Some(Progress::Failed { reason }));
    Ok(CancelResult { cancelled: Vec::new(), too_late: Vec::new() })
}

fn connect(world: &mut World) -> ConnectResult {
    let connection = Connection::Online { since: world.now, waiting: None };
    world.connection = connection.clone();
    ConnectResult { connection }
}

fn mark_read(world: &mut World, params: &MarkReadParams) -> Empty {
    let seen = world.seen.entry(params.with).or_default();
    *seen = params.up_to.max(*seen);
    world.tell(Changed::Conversation { with: params.with });
    Empty {}
}

fn save_draft(world: &mut World, params: &DraftParams) -> Empty {
    if let Some(conversation) = world.conversation(params.with) {
        conversation.draft.clone_from(&params.text);
    }
    Empty {}
}

fn update_conversation(world: &mut World, params: &ConversationParams) -> Result<Empty, ApiError> {
    let conversation = world.conversation(params.with).ok_or_else(not_found)?;
    conversation.mute = params.mute.unwrap_or(conversation.mute);
    conversation.expiry_seconds = params.expiry_seconds.unwrap_or(conversation.expiry_seconds);
    world.tell(Changed::Conversation { with: params.with });
    Ok(Empty {})
}

fn update_contact(world: &mut World, params: &UpdateContactParams) -> Result<Empty, ApiError> {
    let name = Some(params.name.clone()).filter(|name| !name.is_empty());
    world.contacts.get_mut(&params.recipient).ok_or_else(not_found)?.name.clone_from(&name);
    if let Some(conversation) = world.conversation(Peer::Person(params.recipient)) {
        conversation.name = name;
    }
    Ok(Empty {})
}

fn block(world: &mut World, with: Peer, blocked: bool) -> Result<Empty, ApiError> {
    let conversation = world.conversation(with).ok_or_else(not_found)?;
    conversation.blocked = blocked;
    let group_id = conversation.group.as_ref().map(|group| group.group_id);
    if let Some(group_id) = group_id.filter(|_| blocked) {
        stand(world, GroupParams { group_id }, &[Joined, Invited, Out], Out)?;
    }
    world.tell(Changed::Conversation { with });
    Ok(Empty {})
}

fn trust(world: &mut World, params: &TrustParams) -> Result<Contact, ApiError> {
    let contact = world.contacts.get_mut(&params.recipient).ok_or_else(not_found)?;
    if let Some(offered) = contact.offered.take_if(|key| key.safety_number == params.safety_number)
    {
        contact.safety_number = offered.safety_number;
        contact.fingerprint = offered.fingerprint;
        contact.trust = KeyTrust::FirstUse;
    }
    if contact.safety_number != params.safety_number {
        let message = "the safety number is not that of the contact's key";
        return Err(ErrorKind::SafetyNumberMismatch.error(message));
    }
    if params.verified {
        contact.trust = KeyTrust::Verified;
    }
    let contact = contact.clone();
    let with = Peer::Person(params.recipient);
    if let Some(conversation) = world.conversation(with) {
        conversation.key_changed = false;
        conversation.verified = contact.trust == KeyTrust::Verified;
    }
    world.tell(Changed::Conversation { with });
    Ok(contact)
}

fn look_up(world: &mut World, params: &LookUpParams) -> Result<Contact, ApiError> {
    if let Some(contact) = world.contacts.get(&params.recipient) {
        return Ok(contact.clone());
    }
    // Numbers that end in 0 belong to nobody.
    if params.recipient.0.digits().is_multiple_of(10) {
        let message = format!("nobody is registered with {}", params.recipient);
        return Err(ErrorKind::UnknownRecipient.error(message));
    }
    let contact = story::contact(params.recipient, None, KeyTrust::FirstUse);
    world.contacts.insert(params.recipient, contact.clone());
    Ok(contact)
}

fn own(world: &World, number: u64) -> Result<(), ApiError> {
    let entry = world.entries.iter().find(|entry| entry.entry == number).ok_or_else(not_found)?;
    if entry.from.is_some() {
        return Err(ErrorKind::NotAllowed.error("only its author can do this"));
    }
    Ok(())
}

pub(super) const fn sent(entry: u64) -> SendResult {
    SendResult { entry, message_id: None, progress: Progress::Queued, copies: Vec::new() }
}

pub(super) fn not_found() -> ApiError {
    ErrorKind::NotFound.error("it is not here")
}
