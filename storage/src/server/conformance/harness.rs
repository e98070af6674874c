//! A store under test, with a short method for each request.

use sealpost_core::ids::{UserId, UserRef};
use sealpost_core::keys::WrappedKey;
use sealpost_core::server::store::{
    Appended, CreateOutcome, LookupOutcome, Page, PageLimit, ReconnectOutcome, Seq, SessionOutcome,
    Settlement, StoreOp, StoreOutcome, StoreReply, User, Waiting,
};
use sealpost_core::wire::{InReplyTo, ItemId, Packet, Profile};

use super::subject::Subject;
use crate::conformance::{
    Reopening, at, message, phone, public_key, receipt, without_id, wrapped_key,
};
use crate::server::quota::{Quota, Shares};
use crate::server::suspension::{Suspension, SuspensionOutcome};

/// A case and its name.
pub(super) type Case<S> = (&'static str, fn(&mut Harness<S>));

/// Small, so that cases can fill a mailbox.
pub(super) const QUOTA: Quota = Quota {
    messages: 4,
    bytes: 2_000,
    shares: Shares::Unlimited,
    store_bytes: u64::MAX,
    disk_reserve_bytes: 0,
};

/// Small, so that cases can fill a sender's share, a mailbox and the store.
pub(crate) const SHARES: Quota = Quota {
    messages: 8,
    bytes: 4_000,
    shares: Shares::Limited,
    store_bytes: 8_000,
    disk_reserve_bytes: 0,
};

/// Look-ups that a user may make on a day.
pub(super) const LOOKUPS: u32 = 2;

/// A store, and the profile of its deployment.
pub(super) struct Harness<S> {
    store: Option<S>,
    profile: Profile,
    reopening: Reopening,
}

/// A limit that no mailbox of these tests reaches.
pub(super) const ALL: PageLimit = PageLimit { items: u32::MAX, bytes: u32::MAX };

impl<S: Subject> Harness<S> {
    pub(super) const fn new(store: S, profile: Profile, reopening: Reopening) -> Self {
        Self { store: Some(store), profile, reopening }
    }

    pub(super) fn store(&mut self) -> &mut S {
        self.store.as_mut().expect("open")
    }

    /// The outcomes of requests, without the places of 106s, which only a shared store gives.
    pub(super) fn commit(&mut self, requests: &[StoreOp]) -> Vec<StoreOutcome> {
        let mut outcomes = Vec::new();
        self.store().commit(requests, &mut outcomes);
        take_reconnect_places(&mut outcomes);
        assert_eq!(outcomes.len(), requests.len(), "one outcome for each request");
        assert!(self.store().is_consistent(), "after {requests:?}");
        match self.reopening {
            Reopening::Never => {}
            Reopening::AfterEachCommit => self.store = self.store.take().map(S::reopen),
        }
        outcomes
    }

    #[track_caller]
    pub(super) fn ask(&mut self, request: StoreOp) -> StoreReply {
        self.commit(&[request]).remove(0).expect("the store works")
    }

    /// Returns the request that registers the `n`-th phone number.
    pub(super) fn registration(n: u16, max_id: u64) -> StoreOp {
        StoreOp::CreateUser {
            phone: phone(n),
            public_key: public_key(n),
            aes_key: wrapped_key(1),
            at: at(0),
            max_id,
            invitation: None,
        }
    }

    #[track_caller]
    pub(super) fn create(&mut self, n: u16) -> UserId {
        match self.ask(Self::registration(n, u64::MAX)) {
            StoreReply::Created(CreateOutcome::Created(id)) => id,
            other => panic!("{other:?}"),
        }
    }

    /// Registers the first two users.
    #[track_caller]
    pub(super) fn pair(&mut self) -> (UserId, UserId) {
        (self.create(1), self.create(2))
    }

    #[track_caller]
    pub(super) fn find(&mut self, who: UserRef) -> Option<User> {
        match self.ask(StoreOp::FindUser(who)) {
            StoreReply::Found(user) => user.map(|user| *user),
            other => panic!("{other:?}"),
        }
    }

    /// Returns the request to look the `n`-th phone number up.
    pub(super) fn lookup(asker: UserId, n: u16, day: i64) -> StoreOp {
        StoreOp::LookUp { asker, phone: phone(n), day, budget: LOOKUPS }
    }

    /// Looks the `n`-th phone number up, within the budget.
    #[track_caller]
    pub(super) fn look_up(&mut self, asker: UserId, n: u16, day: i64) -> Option<UserId> {
        match self.ask(Self::lookup(asker, n, day)) {
            StoreReply::LookedUp(LookupOutcome::Found(user)) => Some(user.id),
            StoreReply::LookedUp(LookupOutcome::NotFound) => None,
            other => panic!("{other:?}"),
        }
    }

    #[track_caller]
    pub(super) fn find_sender(&mut self, sender: UserId, recipient: UserId) -> Option<UserId> {
        match self.ask(StoreOp::FindSender { sender, recipient }) {
            StoreReply::Found(user) => user.map(|user| user.id),
            other => panic!("{other:?}"),
        }
    }

    pub(super) fn aes_key(&mut self, user: UserId) -> Option<WrappedKey> {
        self.store().aes_key(user)
    }

    /// Builds a message with a packet of about 300 bytes.
    pub(super) fn message(&self, sender: UserId, recipient: UserId, id: u64) -> Packet {
        message(self.profile, sender, recipient, id, 20)
    }

    /// Builds a message whose whole packet is `len` bytes long.
    pub(super) fn message_of(&self, from: UserId, to: UserId, id: u64, len: usize) -> Packet {
        let overhead = self.message(from, to, id).bytes().len() - 20;
        message(self.profile, from, to, id, len - overhead)
    }

    pub(super) fn receipt(
        &self,
        recipient: UserId,
        sender: UserId,
        id: u64,
        messages: &[u64],
    ) -> Packet {
        receipt(self.profile, recipient, sender, id, messages)
    }

    pub(super) fn message_without_id(&self, sender: UserId, recipient: UserId) -> Packet {
        without_id(self.profile, sender, recipient)
    }

    #[track_caller]
    pub(super) fn append(&mut self, recipient: UserId, packets: &[Packet]) -> Vec<Appended> {
        self.append_at(recipient, packets, 10)
    }

    #[track_caller]
    pub(super) fn append_at(
        &mut self,
        recipient: UserId,
        packets: &[Packet],
        secs: i64,
    ) -> Vec<Appended> {
        let packets = packets.to_vec();
        match self.ask(StoreOp::Append { recipient, packets, at: at(secs) }) {
            StoreReply::Appended(outcomes) => outcomes,
            other => panic!("{other:?}"),
        }
    }

    #[track_caller]
    pub(super) fn page(&mut self, recipient: UserId, after: Seq, limit: PageLimit) -> Page {
        match self.ask(StoreOp::Page { recipient, after, limit }) {
            StoreReply::Page(page) => page,
            other => panic!("{other:?}"),
        }
    }

    /// Returns everything in a mailbox, in order.
    #[track_caller]
    pub(super) fn mailbox(&mut self, recipient: UserId) -> Vec<Packet> {
        let page = self.page(recipient, Seq::START, ALL);
        assert!(!page.more);
        page.items.into_iter().map(|item| item.packet).collect()
    }

    #[track_caller]
    pub(super) fn count(&mut self, recipient: UserId) -> u32 {
        self.waiting(recipient).items
    }

    #[track_caller]
    pub(super) fn waiting(&mut self, user: UserId) -> Waiting {
        match self.ask(StoreOp::BeginSession { user, place: Seq::START }) {
            StoreReply::SessionBegun(SessionOutcome::Begun(waiting)) => waiting,
            other => panic!("{other:?}"),
        }
    }

    /// Suspends or resumes the account of a phone.
    pub(super) fn suspend(&mut self, n: u16, suspension: Suspension) -> SuspensionOutcome {
        self.store().set_suspension(phone(n), suspension)
    }

    #[track_caller]
    pub(super) fn record_answers(&mut self, owner: UserId, peers: &[UserId]) {
        let request = StoreOp::RecordAnswers { owner, peers: peers.to_vec() };
        assert_eq!(self.ask(request), StoreReply::AnswersRecorded);
    }

    #[track_caller]
    pub(super) fn undeliverable(&mut self, sender: UserId, limit: u32) -> Vec<InReplyTo> {
        match self.ask(StoreOp::Undeliverable { sender, limit }) {
            StoreReply::Undeliverable(messages) => messages,
            other => panic!("{other:?}"),
        }
    }

    #[track_caller]
    pub(super) fn forget_undeliverable(&mut self, sender: UserId, messages: &[InReplyTo]) {
        let request = StoreOp::ForgetUndeliverable { sender, messages: messages.to_vec() };
        assert_eq!(self.ask(request), StoreReply::UndeliverableForgotten);
    }

    /// Settles `delivered`, which `recipient` acknowledges with `receipt`.
    #[track_caller]
    pub(super) fn settle(&mut self, recipient: UserId, delivered: &[Packet], receipt: Packet) {
        let delivered = item_ids(delivered);
        let settlement = Settlement { recipient, delivered, receipt, at: at(20) };
        assert_eq!(self.ask(StoreOp::Settle(settlement)), StoreReply::Settled);
    }

    #[track_caller]
    pub(super) fn drop_receipts(&mut self, recipient: UserId, receipts: &[Packet]) {
        let request = StoreOp::DropReceipts { recipient, receipts: item_ids(receipts) };
        assert_eq!(self.ask(request), StoreReply::ReceiptsDropped);
    }

    #[track_caller]
    pub(super) fn expire(&mut self, before_secs: i64, limit: u32) -> u32 {
        match self.ask(StoreOp::Expire { before: at(before_secs), limit }) {
            StoreReply::Expired(count) => count,
            other => panic!("{other:?}"),
        }
    }
}

/// Returns the answer to a count of a mailbox with messages alone.
pub(crate) fn counted(items: u32) -> StoreReply {
    let waiting = Waiting { items, ..Waiting::default() };
    StoreReply::SessionBegun(SessionOutcome::Begun(waiting))
}

/// Takes the places out of the answers about 106s, and returns them.
pub(super) fn take_reconnect_places(outcomes: &mut [StoreOutcome]) -> Vec<Seq> {
    let place = |outcome: &mut StoreOutcome| match outcome {
        Ok(StoreReply::ReconnectRecorded(ReconnectOutcome::Recorded(place))) => {
            Some(std::mem::take(place))
        }
        _ => None,
    };
    outcomes.iter_mut().filter_map(place).collect()
}

/// Returns the ids of items.
#[track_caller]
pub(super) fn item_ids(packets: &[Packet]) -> Vec<ItemId> {
    packets.iter().map(|packet| ItemId::of(packet).expect("an item")).collect()
}
