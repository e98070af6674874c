//! Messages whose tokens are being looked for in the store: the application may repeat what it sent
//! before a crash.

use alloc::collections::{BTreeSet, VecDeque};
use alloc::vec::Vec;

use super::count::Count;
use super::new_message::NewMessage;
use crate::client::store::{Token, TokenUse};

/// Messages in the order of sending, each with a token that no other message in memory has.
#[derive(Debug)]
pub(in crate::client) struct TokenChecks {
    waiting: VecDeque<NewMessage>,
    /// Messages at the front of `waiting` that the store has been asked about.
    asking: Count,
}

/// What is known of a message once the store has answered.
#[derive(Debug)]
pub(in crate::client) enum Checked {
    /// It was not sent before.
    New(NewMessage),
    /// It was, and this is what its token names.
    Sent(Token, TokenUse),
}

impl TokenChecks {
    pub(in crate::client) const fn new() -> Self {
        Self { waiting: VecDeque::new(), asking: Count::ZERO }
    }

    /// A message waits for the answer about its token, behind those before it.
    pub(in crate::client) fn add(&mut self, message: NewMessage) {
        self.waiting.push_back(message);
    }

    /// Whether a message with this token waits.
    pub(in crate::client) fn has(&self, token: Token) -> bool {
        self.waiting.iter().any(|message| message.token == token)
    }

    /// The tokens to ask the store about, one operation at a time.
    pub(in crate::client) fn next_batch(&mut self, limit: usize) -> Option<Vec<Token>> {
        if self.asking.get() > 0 || self.waiting.is_empty() {
            return None;
        }
        let tokens: Vec<_> = self.waiting.iter().map(|message| message.token).take(limit).collect();
        self.asking.take(tokens.len());
        Some(tokens)
    }

    /// The store has answered about the batch: its messages leave.
    pub(in crate::client) fn take_batch(&mut self, named: Vec<Option<TokenUse>>) -> Vec<Checked> {
        let asked = self.waiting.drain(..self.asking.get().min(self.waiting.len()));
        let checked = asked.zip(named).map(|(message, named)| match named {
            Some(named) => Checked::Sent(message.token, named),
            None => Checked::New(message),
        });
        let checked = checked.collect();
        self.retry_batch();
        checked
    }

    /// The store has not answered: it may be asked again.
    pub(in crate::client) const fn retry_batch(&mut self) {
        self.asking.release(self.asking.get());
    }

    /// Takes out every message, in the order of sending.
    pub(in crate::client) fn take_all(&mut self) -> Vec<NewMessage> {
        self.retry_batch();
        self.waiting.drain(..).collect()
    }

    /// Count of messages, and count of the bytes of their contents.
    pub(in crate::client) fn size(&self) -> (usize, usize) {
        (self.waiting.len(), self.waiting.iter().map(NewMessage::bytes).sum())
    }

    /// Whether the store is being asked.
    pub(in crate::client) const fn is_asking(&self) -> bool {
        self.asking.get() > 0
    }

    pub(in crate::client) fn is_consistent(&self) -> Result<(), &'static str> {
        let tokens = self.waiting.iter().map(|message| message.token);
        let tokens: BTreeSet<_> = tokens.collect();
        if self.asking.get() > self.waiting.len() || tokens.len() < self.waiting.len() {
            return Err("tokens are asked for that no message, or more than one, has");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use super::*;
    use crate::client::store::Content;
    use crate::ids::{MessageId, UserRef};

    #[test]
    fn messages_leave_in_the_order_of_sending_with_what_their_tokens_name() {
        let mut checks = TokenChecks::new();
        for token in 1..=3 {
            let to = UserRef::Phone("+4915112345678".parse().unwrap());
            let content = Content::Text("hello".into());
            checks.add(NewMessage { token: Token(token), to, key: None, draft: None, content });
        }
        assert_eq!((checks.size(), checks.has(Token(3))), ((3, 15), true));
        assert_eq!(checks.next_batch(2), Some(vec![Token(1), Token(2)]));
        assert_eq!(checks.next_batch(2), None, "one operation at a time");
        checks.retry_batch();
        assert_eq!(checks.next_batch(2), Some(vec![Token(1), Token(2)]));
        let sent = TokenUse::Message(MessageId(7));
        let [Checked::Sent(Token(1), named), Checked::New(new)] =
            &checks.take_batch(vec![Some(sent), None])[..]
        else {
            panic!("one was sent before, one was not")
        };
        assert_eq!((*named, new.token), (sent, Token(2)));
        assert_eq!(checks.next_batch(2), Some(vec![Token(3)]));
        assert_eq!(checks.take_all().len(), 1);
        assert_eq!((checks.is_asking(), checks.is_consistent()), (false, Ok(())));
    }
}
