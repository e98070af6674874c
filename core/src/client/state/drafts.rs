//! Drafts: messages that are durable here and can't be sealed yet. A message is numbered, dated and
//! sealed in a session only, whose clock is the server's, and once its recipient is known.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use super::count::Count;
use super::new_message::NewMessage;
use crate::client::store::{Content, Draft, DraftId, Token};
use crate::frame::{Durable, Pending};
use crate::ids::UserRef;
use crate::keys::Fingerprint;

/// Every draft, in the order of sending.
#[derive(Debug)]
pub(in crate::client) struct Drafts {
    waiting: BTreeMap<DraftId, Waiting>,
    next: DraftId,
    /// Drafts that the store has been asked to keep, one operation at a time: if it fails, none
    /// after them may have been kept.
    keeping: Count,
    /// Drafts that the store has been asked to forget, one operation at a time.
    dropping: Count,
    /// Bytes of all contents.
    bytes: Count,
}

#[derive(Debug)]
struct Waiting {
    to: UserRef,
    key: Option<Fingerprint>,
    content: Content,
    token: Token,
    stage: Stage,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// To be given to the store.
    New,
    /// The store is at work on it.
    Keeping,
    /// It is durable.
    Kept,
    /// It was given up: the store is to forget it before anybody is told.
    Cancelled,
    /// The store is at work on that.
    Dropping,
}

/// Whether the store holds a draft.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::client) enum Kept {
    NotYet,
    Durably,
}

impl Drafts {
    /// The drafts that the store holds at the start.
    pub(in crate::client) fn new(drafts: Vec<Draft>) -> Self {
        let mut this = Self {
            waiting: BTreeMap::new(),
            next: DraftId(1),
            keeping: Count::ZERO,
            dropping: Count::ZERO,
            bytes: Count::ZERO,
        };
        for Draft { id, token, to, key, content } in drafts {
            // Saturates because the number comes from the store, which anybody may have written.
            this.next = this.next.max(DraftId(id.0.saturating_add(1)));
            this.insert(id, Waiting { to, key, content, token, stage: Stage::Kept });
        }
        this
    }

    /// Adds a message, to be kept behind those before it.
    pub(in crate::client) fn add(&mut self, message: NewMessage) {
        let id = self.next;
        self.next = DraftId(id.0.saturating_add(1));
        let NewMessage { token, to, key, content, .. } = message;
        self.insert(id, Waiting { to, key, content, token, stage: Stage::New });
    }

    /// Puts a draft back that could not be sealed or stored. It is still durable.
    pub(in crate::client) fn put_back(&mut self, id: DraftId, message: NewMessage) {
        let NewMessage { token, to, key, content, .. } = message;
        self.insert(id, Waiting { to, key, content, token, stage: Stage::Kept });
    }

    fn insert(&mut self, id: DraftId, waiting: Waiting) {
        self.bytes.take(waiting.content.as_bytes().len());
        self.waiting.insert(id, waiting);
    }

    /// What the store is to keep now, at most `limit`.
    pub(in crate::client) fn next_batch(
        &mut self,
        limit: usize,
    ) -> Option<(Vec<Draft>, Pending<Vec<DraftId>>)> {
        if self.keeping.get() > 0 {
            return None;
        }
        let new = self.waiting.iter_mut().filter(|(_, waiting)| waiting.stage == Stage::New);
        let drafts: Vec<_> = new
            .take(limit)
            .map(|(id, waiting)| {
                waiting.stage = Stage::Keeping;
                let (token, content) = (waiting.token, waiting.content.clone());
                Draft { id: *id, token, to: waiting.to, key: waiting.key, content }
            })
            .collect();
        if drafts.is_empty() {
            return None;
        }
        self.keeping.take(drafts.len());
        let ids = drafts.iter().map(|draft| draft.id).collect();
        Some((drafts, Pending::new(ids)))
    }

    /// The store has kept a draft. Returns the application's name for it.
    pub(in crate::client) fn kept(&mut self, id: &Durable<DraftId>) -> Option<Token> {
        self.keeping.release(1);
        let waiting = self.waiting.get_mut(id.get())?;
        waiting.stage = Stage::Kept;
        Some(waiting.token)
    }

    /// The store has kept nothing of its batch: it may be offered again.
    pub(in crate::client) fn retry_batch(&mut self) {
        self.keeping.release(self.keeping.get());
        for waiting in self.waiting.values_mut().filter(|waiting| waiting.stage == Stage::Keeping) {
            waiting.stage = Stage::New;
        }
    }

    /// Whether there is a draft with this token, and whether it is durable.
    pub(in crate::client) fn with_token(&self, token: Token) -> Option<Kept> {
        let waiting = self.waiting.values().find(|waiting| waiting.token == token)?;
        Some(if waiting.stage == Stage::Kept { Kept::Durably } else { Kept::NotYet })
    }

    /// Takes out every draft that is not durable, in the order of sending.
    pub(in crate::client) fn take_unkept(&mut self) -> Vec<NewMessage> {
        self.take_all(|waiting| waiting.stage == Stage::New)
    }

    /// Takes out the durable drafts for recipients to whom `is_recipient` applies, in the order of
    /// sending.
    pub(in crate::client) fn take_for(
        &mut self,
        is_recipient: impl Fn(UserRef) -> bool,
    ) -> Vec<NewMessage> {
        self.take_all(|waiting| waiting.stage == Stage::Kept && is_recipient(waiting.to))
    }

    /// Gives up the durable draft with this token. Returns whether there is one.
    pub(in crate::client) fn cancel(&mut self, token: Token) -> bool {
        self.cancel_all(|waiting| waiting.token == token) > 0
    }

    /// Gives up the durable drafts for recipients to whom `is_recipient` applies.
    pub(in crate::client) fn cancel_for(&mut self, is_recipient: impl Fn(UserRef) -> bool) {
        self.cancel_all(|waiting| is_recipient(waiting.to));
    }

    fn cancel_all(&mut self, is_cancelled: impl Fn(&Waiting) -> bool) -> usize {
        let kept = self.waiting.values_mut().filter(|waiting| waiting.stage == Stage::Kept);
        let cancelled = kept.filter(|waiting| is_cancelled(waiting));
        cancelled.map(|waiting| waiting.stage = Stage::Cancelled).count()
    }

    /// What the store is to forget now.
    pub(in crate::client) fn next_cancelled(
        &mut self,
    ) -> Option<(Vec<DraftId>, Pending<Vec<DraftId>>)> {
        if self.dropping.get() > 0 {
            return None;
        }
        let cancelled =
            self.waiting.iter_mut().filter(|(_, waiting)| waiting.stage == Stage::Cancelled);
        let drop = |(id, waiting): (&DraftId, &mut Waiting)| {
            waiting.stage = Stage::Dropping;
            *id
        };
        let ids: Vec<_> = cancelled.map(drop).collect();
        if ids.is_empty() {
            return None;
        }
        self.dropping.take(ids.len());
        Some((ids.clone(), Pending::new(ids)))
    }

    /// The store has forgotten a draft, which leaves.
    pub(in crate::client) fn dropped(&mut self, id: &Durable<DraftId>) -> Option<NewMessage> {
        self.dropping.release(1);
        let waiting = self.waiting.remove(id.get())?;
        self.bytes.release(waiting.content.as_bytes().len());
        let Waiting { to, key, content, token, .. } = waiting;
        Some(NewMessage { token, to, key, draft: None, content })
    }

    /// The store has forgotten nothing: it may be asked again.
    pub(in crate::client) fn drop_again(&mut self) {
        self.end_of_dropping(Stage::Cancelled);
    }

    /// The store can't forget anything: what was given up is to be sent after all. Returns the tokens.
    pub(in crate::client) fn keep_dropped(&mut self) -> Vec<Token> {
        self.end_of_dropping(Stage::Kept)
    }

    fn end_of_dropping(&mut self, next: Stage) -> Vec<Token> {
        self.dropping.release(self.dropping.get());
        let dropping = self.waiting.values_mut().filter(|waiting| waiting.stage == Stage::Dropping);
        let end = |waiting: &mut Waiting| {
            waiting.stage = next;
            waiting.token
        };
        dropping.map(end).collect()
    }

    /// Recipients of durable drafts.
    pub(in crate::client) fn recipients(&self) -> impl Iterator<Item = UserRef> {
        let kept = self.waiting.values().filter(|waiting| waiting.stage == Stage::Kept);
        kept.map(|waiting| waiting.to)
    }

    /// Whether a draft is for a recipient to whom `is_recipient` applies.
    pub(in crate::client) fn any_for(&self, is_recipient: impl Fn(UserRef) -> bool) -> bool {
        self.waiting.values().any(|waiting| is_recipient(waiting.to))
    }

    /// Count of drafts, and count of the bytes of their contents.
    pub(in crate::client) fn size(&self) -> (usize, usize) {
        (self.waiting.len(), self.bytes.get())
    }

    /// Whether every draft is durable.
    pub(in crate::client) fn are_kept(&self) -> bool {
        self.waiting.values().all(|waiting| waiting.stage == Stage::Kept)
    }

    /// Whether the store is at work on a batch.
    pub(in crate::client) const fn are_being_kept(&self) -> bool {
        self.keeping.get() > 0
    }

    /// Whether the store is forgetting drafts that were given up.
    pub(in crate::client) const fn are_being_dropped(&self) -> bool {
        self.dropping.get() > 0
    }

    pub(in crate::client) fn is_consistent(&self) -> Result<(), &'static str> {
        let at = |stage| self.waiting.values().filter(|waiting| waiting.stage == stage).count();
        let under_way = (at(Stage::Keeping), at(Stage::Dropping));
        let bytes: usize =
            self.waiting.values().map(|waiting| waiting.content.as_bytes().len()).sum();
        if under_way != (self.keeping.get(), self.dropping.get()) || bytes != self.bytes.get() {
            return Err("drafts are miscounted");
        }
        Ok(())
    }

    fn take_all(&mut self, is_taken: impl Fn(&Waiting) -> bool) -> Vec<NewMessage> {
        let taken: Vec<_> = self.waiting.extract_if(.., |_, waiting| is_taken(waiting)).collect();
        for (_, waiting) in &taken {
            self.bytes.release(waiting.content.as_bytes().len());
        }
        let message = |(id, Waiting { to, key, content, token, .. })| {
            let draft = Some(id);
            NewMessage { token, to, key, draft, content }
        };
        taken.into_iter().map(message).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn to() -> UserRef {
        UserRef::Phone("+4915112345678".parse().unwrap())
    }

    fn message(token: u64) -> NewMessage {
        let content = Content::Bytes(Vec::new());
        NewMessage { token: Token(token), to: to(), key: None, draft: None, content }
    }

    fn drafts(count: u64) -> Drafts {
        let mut drafts = Drafts::new(Vec::new());
        for token in 1..=count {
            drafts.add(message(token));
        }
        drafts
    }

    fn ids(taken: &[NewMessage]) -> Vec<u64> {
        taken.iter().filter_map(|message| Some(message.draft?.0)).collect()
    }

    #[test]
    fn no_draft_is_taken_before_it_is_durable() {
        let mut drafts = drafts(3);
        let (batch, _) = drafts.next_batch(2).unwrap();
        assert_eq!(batch.iter().map(|draft| draft.id.0).collect::<Vec<_>>(), [1, 2]);
        assert!(drafts.next_batch(2).is_none(), "one operation at a time");
        assert_eq!(ids(&drafts.take_for(|named| named == to())), []);
        assert_eq!(drafts.kept(&Durable::assumed(DraftId(1))), Some(Token(1)));
        let kept = [1, 2, 4].map(|token| drafts.with_token(Token(token)));
        assert_eq!(kept, [Some(Kept::Durably), Some(Kept::NotYet), None]);
        assert!(!drafts.cancel(Token(2)), "it is not durable");
        assert_eq!(ids(&drafts.take_for(|named| named == to())), [1]);
        drafts.retry_batch();
        assert_eq!(drafts.is_consistent(), Ok(()));
        assert_eq!(ids(&drafts.take_unkept()), [2, 3]);
        assert_eq!((drafts.size(), drafts.is_consistent()), ((0, 0), Ok(())));
    }

    #[test]
    fn what_is_given_up_leaves_once_the_store_has_forgotten_it() {
        let mut drafts = drafts(2);
        drafts.next_batch(9).unwrap();
        for id in 1..=2 {
            drafts.kept(&Durable::assumed(DraftId(id)));
        }
        assert!(drafts.cancel(Token(1)));
        assert!(!drafts.cancel(Token(1)), "it was given up");
        assert_eq!(drafts.with_token(Token(1)), Some(Kept::NotYet));
        assert_eq!(drafts.next_cancelled().unwrap().0, [DraftId(1)]);
        assert!(drafts.next_cancelled().is_none(), "one operation at a time");
        drafts.drop_again();
        assert_eq!(ids(&drafts.take_for(|named| named == to())), [2], "the other one goes");
        assert!(!drafts.are_kept());
        assert_eq!(drafts.next_cancelled().unwrap().0, [DraftId(1)]);
        assert_eq!(drafts.keep_dropped(), [Token(1)]);
        assert!(drafts.are_kept() && drafts.cancel(Token(1)));
        drafts.next_cancelled().unwrap();
        let dropped = drafts.dropped(&Durable::assumed(DraftId(1))).unwrap();
        assert_eq!((dropped.token, dropped.draft), (Token(1), None));
        assert_eq!((drafts.size(), drafts.is_consistent()), ((0, 0), Ok(())));
    }

    #[test]
    fn numbers_go_on_after_those_in_the_store() {
        let content = Content::Bytes(Vec::new());
        let draft = Draft { id: DraftId(7), token: Token(5), to: to(), key: None, content };
        let mut drafts = Drafts::new([draft].into());
        drafts.add(message(1));
        let (batch, _) = drafts.next_batch(9).unwrap();
        assert_eq!(batch[0].id, DraftId(8));
        let [first] = &drafts.take_for(|named| named == to())[..] else { panic!("one is durable") };
        assert_eq!((first.draft, first.token), (Some(DraftId(7)), Token(5)));
    }
}
