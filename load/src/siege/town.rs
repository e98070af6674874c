//! The ordinary users under siege: pairs in which one writes to another at a fixed rate, on one
//! thread with one poll.

use std::time::{Duration, Instant};

use mio::{Events, Poll, Token};
use sealpost_core::ids::UserId;
use sealpost_programs::Failure;

use crate::clients::link;
use crate::clients::pair::Span;
use crate::clients::registration::Registry;
use crate::clients::timer::Timer;
use crate::clients::user::User;
use crate::siege::letters::{Counts, Letters};
use crate::siege::pair::Pair;
use crate::siege::party::Party;
use crate::siege::phase::{Phase, PhaseRun};
use crate::siege::{ORDINARY, STRANGERS, source};
use crate::system::parallel;

/// All ordinary users.
pub(crate) struct Town<'a> {
    registry: &'a Registry,
    poll: Poll,
    timer: Timer,
    buffer: Vec<u8>,
    pairs: Vec<Pair>,
    /// Messages a second from each sender.
    rate: u16,
    phases: Vec<Phase>,
    acknowledge_at: Instant,
}

/// Who the ordinary users are, and what they write.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    /// Pairs whose recipient is connected.
    pub(crate) live: usize,
    /// Pairs whose recipient is away.
    pub(crate) absent: usize,
    /// Messages a second from each sender.
    pub(crate) rate: u16,
    /// Content of a message, in bytes.
    pub(crate) size: usize,
    /// Length of one phase.
    pub(crate) span: Duration,
    /// Number of phases.
    pub(crate) phases: u32,
}

/// What became of all messages and sessions of ordinary users.
#[derive(Clone, Debug, serde::Serialize)]
pub(crate) struct TownRun {
    pub(crate) messages: Counts,
    /// Sessions that the server or the network ended.
    pub(crate) lost_sessions: u64,
    /// Connections that ended before there was a session.
    pub(crate) failed_dials: u64,
}

/// How absent recipients came back under attack.
#[derive(Clone, Debug, Default, serde::Serialize)]
pub(crate) struct Back {
    /// How many were to come back.
    pub(crate) absent: usize,
    /// How long each of those took who came back from addresses of their own, until their mailboxes
    /// were drained.
    pub(crate) seconds: Vec<f64>,
    /// The same for those behind an address from which a stranger attacks.
    pub(crate) shared_seconds: Vec<f64>,
}

impl Plan {
    pub(crate) const fn pairs(self) -> usize {
        self.live + self.absent
    }

    /// Messages from each sender in all phases, at most.
    fn messages(self) -> u64 {
        let millis = u64::try_from(self.span.as_millis()).unwrap_or(u64::MAX);
        let in_a_phase = millis.saturating_mul(self.rate.into()) / 1_000 + 1;
        in_a_phase * u64::from(self.phases)
    }
}

impl<'a> Town<'a> {
    /// Takes over two users for each pair, and signs their packets.
    pub(crate) fn prepare(
        registry: &'a Registry,
        users: Vec<User>,
        plan: Plan,
    ) -> Result<Self, Failure> {
        let count = plan.messages();
        let mut users = users.into_iter();
        let together = std::iter::from_fn(|| Some((users.next()?, users.next()?))).enumerate();
        let pairs = parallel::map(together, |(index, (mut sender, mut recipient))| {
            let letters = Letters::sign(count, plan.size, &mut sender, &mut recipient)?;
            let greeting = Letters::sign(1, GREETING_LEN, &mut recipient, &mut sender)?;
            let party = |user, n| Party::new(user, source(ORDINARY, n), Token(n));
            let (sender, recipient) = (party(sender, 2 * index), party(recipient, 2 * index + 1));
            Ok(Pair::new(sender, recipient, letters, greeting, index >= plan.live))
        })?;
        let poll = Poll::new()?;
        let timer = Timer::new(poll.registry(), TIMER)?;
        Ok(Self {
            registry,
            poll,
            timer,
            buffer: link::buffer(),
            pairs,
            rate: plan.rate,
            phases: Vec::new(),
            acknowledge_at: Instant::now(),
        })
    }

    /// Connects everybody, and has every recipient write to its sender. Then those recipients leave
    /// who are to be absent.
    pub(crate) fn assemble(&mut self) -> Result<(), Failure> {
        for party in self.parties() {
            party.enter_from_home();
        }
        let is_ready = |pair: &Pair| pair.sender.is_live() && pair.recipient.is_live();
        if !self.until(PATIENCE, is_ready)? {
            return Err(Failure::new("not all ordinary users got a session"));
        }
        let now = Instant::now();
        for pair in &mut self.pairs {
            pair.greeting.post(now);
        }
        if !self.until(PATIENCE, |pair| pair.greeting.are_settled())? {
            return Err(Failure::new("ordinary users did not get their first messages"));
        }
        for party in self.parties() {
            party.acknowledge()?;
            party.flush();
        }
        for pair in self.pairs.iter_mut().filter(|pair| pair.is_absent) {
            pair.recipient.leave();
        }
        Ok(())
    }

    /// Writes for `span`.
    pub(crate) fn write(&mut self, span: Duration) -> Result<(), Failure> {
        let start = Instant::now();
        self.phases.push(Phase::new(Span::new(start, span))?);
        let senders = u32::try_from(self.pairs.len())?;
        let gap = Duration::from_secs(1) / u32::from(self.rate) / senders;
        let (mut due, mut pairs) = (start, (0..self.pairs.len()).cycle());
        while due < start + span {
            let now = Instant::now();
            while due <= now
                && due < start + span
                && let Some(pair) = pairs.next().and_then(|index| self.pairs.get_mut(index))
            {
                pair.letters.post(due);
                due += gap;
            }
            self.turn(due)?;
        }
        Ok(())
    }

    /// Has the absent recipients come back, every other one from the address of a stranger, and
    /// waits until their mailboxes are drained, but not for ever.
    pub(crate) fn come_back(&mut self, patience: Duration) -> Result<Back, Failure> {
        let is_shared = |index: usize| !index.is_multiple_of(2);
        let absent = self.pairs.iter_mut().filter(|pair| pair.is_absent);
        for (index, Pair { recipient, back_after, .. }) in absent.enumerate() {
            *back_after = None;
            if is_shared(index) {
                recipient.enter(source(STRANGERS, index));
            } else {
                recipient.enter_from_home();
            }
        }
        self.until(patience, |pair| !pair.is_absent || pair.back_after.is_some())?;
        let mut back = Back::default();
        for (index, pair) in self.pairs.iter().filter(|pair| pair.is_absent).enumerate() {
            let times = if is_shared(index) { &mut back.shared_seconds } else { &mut back.seconds };
            back.absent += 1;
            times.extend(pair.back_after.map(|time| time.as_secs_f64()));
        }
        Ok(back)
    }

    /// Repeats what was refused, and waits until every message and every receipt has arrived, or
    /// until nothing more can be expected.
    pub(crate) fn settle(&mut self, patience: Duration) -> Result<TownRun, Failure> {
        self.until(patience, |pair| pair.letters.are_settled())?;
        let mut run = TownRun { messages: Counts::default(), lost_sessions: 0, failed_dials: 0 };
        for Pair { sender, recipient, letters, .. } in &self.pairs {
            run.messages = run.messages.plus(letters.counts);
            run.lost_sessions += sender.lost_sessions + recipient.lost_sessions;
            run.failed_dials += sender.failed_dials + recipient.failed_dials;
        }
        Ok(run)
    }

    /// Latencies in each phase so far.
    pub(crate) fn latencies(&self) -> Vec<PhaseRun> {
        self.phases.iter().map(Phase::summary).collect()
    }

    /// Recipients who are absent during the attack, and those who are connected.
    pub(crate) fn recipients(&self) -> (Vec<UserId>, Vec<UserId>) {
        let (absent, live): (Vec<_>, Vec<_>) = self.pairs.iter().partition(|pair| pair.is_absent);
        let recipients =
            |pairs: Vec<&Pair>| pairs.into_iter().map(|pair| pair.recipient.user.id).collect();
        (recipients(absent), recipients(live))
    }

    /// Sends and reads until all pairs are done. Returns false if that took too long.
    fn until(&mut self, patience: Duration, done: impl Fn(&Pair) -> bool) -> Result<bool, Failure> {
        let begin = Instant::now();
        while !self.pairs.iter().all(&done) {
            let now = Instant::now();
            if now - begin >= patience {
                return Ok(false);
            }
            self.turn(now + TURN)?;
        }
        Ok(true)
    }

    /// Dials, sends, waits until `wake` at the latest, and reads.
    fn turn(&mut self, wake: Instant) -> Result<(), Failure> {
        let now = Instant::now();
        let acknowledge = now >= self.acknowledge_at;
        if acknowledge {
            self.acknowledge_at = now + GATHER;
        }
        for pair in &mut self.pairs {
            pair.send(now);
            for party in [&mut pair.sender, &mut pair.recipient] {
                party.dial(now, self.registry, self.poll.registry())?;
                if acknowledge {
                    party.acknowledge()?;
                }
                party.flush();
            }
        }
        // At most as long as a refused dial or a gathered acknowledgement may wait.
        self.timer.set(wake.min(now + TURN))?;
        let mut events = Events::with_capacity(1_024);
        link::wait(&mut self.poll, &mut events, TURN)?;
        for event in events.iter().filter(|event| event.is_readable()) {
            self.read(event.token(), event.is_read_closed())?;
        }
        Ok(())
    }

    fn read(&mut self, Token(token): Token, is_closed: bool) -> Result<(), Failure> {
        let Some(pair) = self.pairs.get_mut(token / 2) else { return Ok(()) };
        let is_sender = token.is_multiple_of(2);
        let party = if is_sender { &mut pair.sender } else { &mut pair.recipient };
        for (arrival, at) in party.read(&mut self.buffer, is_closed)? {
            if is_sender {
                pair.sender_gets(arrival, at, &mut self.phases);
            } else {
                pair.recipient_gets(arrival, at, &mut self.phases);
            }
        }
        let party = if is_sender { &mut pair.sender } else { &mut pair.recipient };
        party.receipt_unsolicited()
    }

    fn parties(&mut self) -> impl Iterator<Item = &mut Party> {
        self.pairs.iter_mut().flat_map(|pair| [&mut pair.sender, &mut pair.recipient])
    }
}

const GREETING_LEN: usize = 16;
const TIMER: Token = Token(usize::MAX - 1);
/// Longest wait in one turn.
const TURN: Duration = Duration::from_millis(20);
/// How long receipts are gathered before they are acknowledged. Clients may take a second.
const GATHER: Duration = Duration::from_millis(500);
/// Longest wait for sessions and first messages.
const PATIENCE: Duration = Duration::from_secs(30);
