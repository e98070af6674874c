//! What the screen asks the client to do.

use sealpost_messenger::api::{
    AcceptFile, ApiError, Block, Caller, CancelFile, CancelMessage, CancelResult, Connect,
    ConnectParams, ConnectResult, Contact, ContactsResult, ConversationParams, ConversationsResult,
    DeclineGroup, DraftParams, EditMessage, EditParams, Empty, EntryParams, ForgetGroup, Group,
    GroupParams, History, HistoryParams, HistoryResult, JoinGroup, ListContacts, ListConversations,
    LookUp, LookUpParams, MarkRead, MarkReadParams, Method, PeerParams, QuitGroup, ReactionParams,
    RefuseFile, RemoteDelete, RetryMessage, SaveDraft, Search, SearchParams, Send, SendFile,
    SendFileParams, SendParams, SendReaction, SendResult, Status, StatusResult, SubscribeChanges,
    TakeOverGroup, TrustKey, TrustParams, Unblock, UpdateContact, UpdateContactParams,
    UpdateConversation, UpdateGroup, UpdateGroupParams,
};

macro_rules! requests {
    ($($(#[doc = $doc:literal])+ $name:ident($params:ty) = $method:ty => $answer:ident,)+) => {
        /// A call of a method, with its parameters.
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub enum Request {
            $($(#[doc = $doc])+ $name($params),)+
        }

        impl Request {
            /// Carries out the request, in the thread of the caller.
            ///
            /// # Errors
            /// Those of the method.
            pub fn carry_out(&self, caller: &dyn Caller) -> Result<Answer, ApiError> {
                match self {
                    $(Self::$name(params) => call::<$method>(caller, params).map(Answer::$answer),)+
                }
            }
        }
    };
}

requests! {
    /// Begins to send changes.
    Subscribe(Empty) = SubscribeChanges => Done,
    /// Describes account and connection.
    Status(Empty) = Status => Status,
    /// Lists the conversations.
    Conversations(Empty) = ListConversations => Conversations,
    /// Lists the contacts.
    Contacts(Empty) = ListContacts => Contacts,
    /// Returns a page of a conversation.
    History(HistoryParams) = History => Entries,
    /// Returns what was not seen of a conversation, in which mentions are looked for.
    Unseen(HistoryParams) = History => Entries,
    /// Finds entries.
    Search(SearchParams) = Search => Entries,
    /// Sends a message.
    Send(SendParams) = Send => Sent,
    /// Offers a file.
    SendFile(SendFileParams) = SendFile => Sent,
    /// Accepts a file.
    AcceptFile(EntryParams) = AcceptFile => Done,
    /// Refuses a file.
    RefuseFile(EntryParams) = RefuseFile => Done,
    /// Gives a file up.
    CancelFile(EntryParams) = CancelFile => Done,
    /// Changes the text of a message.
    Edit(EditParams) = EditMessage => Sent,
    /// Takes a message back.
    Delete(EntryParams) = RemoteDelete => Sent,
    /// Puts an emoji on an entry.
    React(ReactionParams) = SendReaction => Sent,
    /// Sends a message again that failed.
    Retry(EntryParams) = RetryMessage => Sent,
    /// Gives a message up that waits, or takes one off the list that has failed.
    GiveUp(EntryParams) = CancelMessage => Cancelled,
    /// Connects to the server at once.
    Connect(ConnectParams) = Connect => Connected,
    /// Records what the user has seen.
    MarkRead(MarkReadParams) = MarkRead => Done,
    /// Keeps a text that was begun.
    SaveDraft(DraftParams) = SaveDraft => Done,
    /// Changes the settings of a conversation.
    Update(ConversationParams) = UpdateConversation => Done,
    /// Gives a contact a name.
    Name(UpdateContactParams) = UpdateContact => Done,
    /// Drops what comes from a person, or leaves a group for good.
    Block(PeerParams) = Block => Done,
    /// Takes messages again, or invitations to a group.
    Unblock(PeerParams) = Unblock => Done,
    /// Trusts a key.
    Trust(TrustParams) = TrustKey => Contact,
    /// Accepts the invitation to a group.
    Join(GroupParams) = JoinGroup => Group,
    /// Declines the invitation to a group.
    Decline(GroupParams) = DeclineGroup => Done,
    /// Makes a group, or changes one.
    UpdateGroup(UpdateGroupParams) = UpdateGroup => Group,
    /// Becomes the owner of a group.
    TakeOver(GroupParams) = TakeOverGroup => Group,
    /// Leaves a group.
    Leave(GroupParams) = QuitGroup => Done,
    /// Forgets the members of a group.
    Forget(GroupParams) = ForgetGroup => Done,
    /// Asks the server who has a phone number.
    LookUp(LookUpParams) = LookUp => Contact,
}

/// What came of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It was done.
    Done(Empty),
    /// Account and connection.
    Status(StatusResult),
    /// The conversations.
    Conversations(ConversationsResult),
    /// The contacts.
    Contacts(ContactsResult),
    /// Entries.
    Entries(HistoryResult),
    /// What became of a message.
    Sent(SendResult),
    /// For whom a message was given up.
    Cancelled(CancelResult),
    /// What came of connecting.
    Connected(ConnectResult),
    /// A contact.
    Contact(Contact),
    /// A group.
    Group(Group),
}

impl Request {
    /// Whether it waits for the server, or reads a large file, so that others should not
    /// wait behind it.
    pub const fn is_slow(&self) -> bool {
        matches!(
            self,
            Self::LookUp(_)
                | Self::Search(_)
                | Self::SendFile(_)
                | Self::UpdateGroup(_)
                | Self::Connect(_)
        )
    }
}

fn call<M: Method>(caller: &dyn Caller, params: &M::Params) -> Result<M::Result, ApiError> {
    let params = serde_json::to_value(params).map_err(ApiError::internal)?;
    let result = caller.request(M::NAME, params)?;
    serde_json::from_value(result).map_err(ApiError::internal)
}
