//! What greedy users do in their sessions, a type for each tactic.

use std::collections::VecDeque;

use bytes::Bytes;
use sealpost_core::crypto::Part;
use sealpost_core::ids::{MessageId, Phone, UserId};
use sealpost_core::time::Timestamp;
use sealpost_core::wire::{ErrorCode, FromServer, Lookup, MessageHead, Op, Receipt};
use sealpost_programs::Failure;

use crate::clients::link::Frame;
use crate::clients::user::{User, now};
use crate::siege::attacker::Next;
use crate::siege::greedy::Known;

/// What a greedy user does in a session.
pub(crate) trait Tactic: Send {
    /// A session began.
    fn begin(&mut self, _user: &mut User) -> Result<Next, Failure> {
        Ok(Next::Stay)
    }

    /// Whether packets must be sealed for the session. If not, its key need not be opened, which
    /// would cost a private operation.
    fn needs_key(&self) -> bool {
        false
    }

    /// The next packet to send. `None` waits for a packet of the server.
    fn next(&mut self, user: &mut User) -> Result<Option<Bytes>, Failure>;

    /// Takes a packet of the server.
    fn take(&mut self, _user: &mut User, _frame: Frame<'_>) -> Result<Next, Failure> {
        Ok(Next::Stay)
    }

    fn is_reading(&self) -> bool {
        true
    }
}

/// Leaves as soon as there is a session.
pub(crate) struct Idle;

impl Tactic for Idle {
    fn begin(&mut self, _user: &mut User) -> Result<Next, Failure> {
        Ok(Next::Leave)
    }

    fn next(&mut self, _user: &mut User) -> Result<Option<Bytes>, Failure> {
        Ok(None)
    }
}

/// Sends the largest messages to some users in turn. A message that is refused is given up.
pub(crate) struct Fill {
    to: Vec<UserId>,
    body: Bytes,
    sent: u64,
}

impl Fill {
    /// Ordinary users who are away, and as often users who never connect.
    pub(crate) fn new(known: &Known) -> Self {
        let sleepers = known.sleepers.iter().cycle();
        let both = known.absent.iter().cycle().zip(sleepers).take(known.sleepers.len());
        Self::all(both.flat_map(|(absent, sleeper)| [*absent, *sleeper]).collect())
    }

    /// One user only.
    pub(crate) fn to(user: UserId) -> Self {
        Self::all(vec![user])
    }

    fn all(to: Vec<UserId>) -> Self {
        Self { to, body: Bytes::from(vec![0xA5; LARGEST_BODY]), sent: 0 }
    }
}

impl Tactic for Fill {
    fn next(&mut self, user: &mut User) -> Result<Option<Bytes>, Failure> {
        let Some(to) = in_turn(&self.to, self.sent) else { return Ok(None) };
        self.sent += 1;
        message(user, *to, self.sent, now(), self.body.clone()).map(Some)
    }
}

/// Reads nothing, and asks or writes at full speed.
pub(crate) struct Deaf {
    /// Small messages for this user, or look-ups.
    to: Option<UserId>,
    phones: Vec<Phone>,
    sent: u64,
}

impl Deaf {
    /// Writes small messages to a user.
    pub(crate) const fn writing(to: UserId) -> Self {
        Self { to: Some(to), phones: Vec::new(), sent: 0 }
    }

    /// Looks up users.
    pub(crate) fn asking(known: &Known) -> Self {
        Self { to: None, phones: known.phones.clone(), sent: 0 }
    }
}

impl Tactic for Deaf {
    fn next(&mut self, user: &mut User) -> Result<Option<Bytes>, Failure> {
        self.sent += 1;
        let Some(to) = self.to else {
            let phone = in_turn(&self.phones, self.sent).copied().map(Lookup::Phone);
            return phone.map(|phone| look_up(user, phone)).transpose();
        };
        message(user, to, self.sent, now(), Bytes::from_static(&[0])).map(Some)
    }

    fn needs_key(&self) -> bool {
        self.to.is_none()
    }

    fn is_reading(&self) -> bool {
        false
    }
}

/// Receipts each message of an accomplice on its own, and with it one invented message or, every
/// other time, as many as fit in the packet.
#[derive(Default)]
pub(crate) struct Receipts {
    owed: VecDeque<(UserId, MessageId)>,
    sent: u64,
}

impl Tactic for Receipts {
    fn next(&mut self, user: &mut User) -> Result<Option<Bytes>, Failure> {
        let Some((to, MessageId(id))) = self.owed.pop_front() else { return Ok(None) };
        self.sent += 1;
        let count = if self.sent.is_multiple_of(2) { Receipt::MAX_ITEMS - 1 } else { 1 };
        let invented = (INVENTED..).take(count);
        user.receipt(to, self.sent, std::iter::once(id).chain(invented)).map(Some)
    }

    fn take(&mut self, _user: &mut User, frame: Frame<'_>) -> Result<Next, Failure> {
        if frame.op() == Some(Op::Message)
            && let FromServer::Message { sender, message_id, .. } =
                FromServer::parse(frame.packet()?)?
        {
            self.owed.push_back((sender, message_id));
        }
        Ok(Next::Stay)
    }
}

/// Sends one packet without any use, again and again.
pub(crate) struct Worthless {
    packet: Useless,
    /// The packet, once it is signed for this session.
    signed: Option<Bytes>,
}

/// A packet that changes nothing but costs the server something.
#[derive(Clone, Copy)]
pub(crate) enum Useless {
    /// A message that bears a date in the future.
    Misdated(UserId),
    /// A look-up of an id of which nothing is under way.
    Lookup,
    /// A receipt for a message that nobody sent.
    Receipt(UserId),
    /// An acknowledgement of a receipt that never came.
    Ack(UserId),
}

impl Worthless {
    pub(crate) const fn new(packet: Useless) -> Self {
        Self { packet, signed: None }
    }

    fn sign(&self, user: &mut User) -> Result<Bytes, Failure> {
        match self.packet {
            Useless::Misdated(to) => {
                let later = now().plus_secs(TOO_EARLY_SECS);
                message(user, to, 1, later, Bytes::from_static(&[0]))
            }
            Useless::Lookup => {
                let id = UserId::new(UNKNOWN_USER).ok_or_else(|| Failure::new("0 is no id"))?;
                look_up(user, Lookup::Id(id))
            }
            Useless::Receipt(to) => user.receipt(to, 1, std::iter::once(INVENTED)),
            Useless::Ack(from) => user.taken(from, std::iter::once(INVENTED)),
        }
    }
}

impl Tactic for Worthless {
    fn begin(&mut self, _user: &mut User) -> Result<Next, Failure> {
        self.signed = None;
        Ok(Next::Stay)
    }

    fn needs_key(&self) -> bool {
        match self.packet {
            Useless::Misdated(_) | Useless::Receipt(_) => false,
            Useless::Lookup | Useless::Ack(_) => true,
        }
    }

    fn next(&mut self, user: &mut User) -> Result<Option<Bytes>, Failure> {
        if self.signed.is_none() {
            self.signed = Some(self.sign(user)?);
        }
        Ok(self.signed.clone())
    }
}

/// Looks up every phone number and every id. Leaves when the server slows it down, and goes on in
/// the next session.
pub(crate) struct Sweep {
    phones: Vec<Phone>,
    asked: u64,
}

impl Sweep {
    pub(crate) const fn new(phones: Vec<Phone>) -> Self {
        Self { phones, asked: 0 }
    }
}

impl Tactic for Sweep {
    fn needs_key(&self) -> bool {
        true
    }

    fn next(&mut self, user: &mut User) -> Result<Option<Bytes>, Failure> {
        self.asked += 1;
        let id = UserId::new(self.asked / 2 % u64::from(u16::MAX));
        let phone = in_turn(&self.phones, self.asked / 2);
        let lookup = match (id, phone) {
            (Some(id), _) if self.asked.is_multiple_of(2) => Lookup::Id(id),
            (_, Some(phone)) => Lookup::Phone(*phone),
            (_, None) => return Ok(None),
        };
        look_up(user, lookup).map(Some)
    }

    fn take(&mut self, user: &mut User, frame: Frame<'_>) -> Result<Next, Failure> {
        let is_error = frame.op() == Some(Op::Error);
        let error = if is_error { user.error(frame.packet()?) } else { None };
        let is_slowed = error.is_some_and(|error| error.code == ErrorCode::RateLimited);
        Ok(if is_slowed { Next::Leave } else { Next::Stay })
    }
}

/// A message whose body is no body of suite 1, which the server does not open.
fn message(
    user: &mut User,
    to: UserId,
    number: u64,
    at: Timestamp,
    body: Bytes,
) -> Result<Bytes, Failure> {
    let head = MessageHead { message_id: MessageId(number), suite: MessageHead::SUITE_1 };
    let parts = vec![Part::Clear(head.emit().into()), Part::Clear(body)];
    user.packet(Op::Message, Some(to), at, parts)
}

fn look_up(user: &mut User, lookup: Lookup) -> Result<Bytes, Failure> {
    let part = user.sealed(lookup.emit());
    user.packet(Op::RequestPublicKey, None, now(), vec![part])
}

fn in_turn<T>(all: &[T], turn: u64) -> Option<&T> {
    let len = all.len() as u64;
    all.get(usize::try_from(turn.checked_rem(len)?).ok()?)
}

/// Ids of messages and receipts from here on were given to nothing.
const INVENTED: u64 = 1 << 40;
/// An id that no test server has given away.
const UNKNOWN_USER: u64 = 65_000;
/// Twice as far ahead as the server tolerates.
const TOO_EARLY_SECS: i64 = 600;
const LARGEST_BODY: usize = u16::MAX as usize - MessageHead::LEN;
