//! Many attackers, on one thread with one poll. It has a low priority: attackers compute on other
//! machines, so here they get little more than the processor time that everybody else leaves.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use mio::{Events, Poll, Token};
use sealpost_programs::Failure;

use crate::clients::link::{self, Frame, Link};
use crate::clients::registration::Registry;
use crate::siege::attacker::{Attacker, Deeds, Next, Opening};

/// Attackers of one kind, with the name of the kind.
pub(crate) type Band = (&'static str, Vec<Box<dyn Attacker>>);

/// Many attackers.
pub(crate) struct Horde<'a> {
    registry: &'a Registry,
    poll: Poll,
    buffer: Vec<u8>,
    places: Vec<Place>,
    /// Places that may dial at a time.
    dials: BinaryHeap<Reverse<(Instant, usize)>>,
    /// Places whose sockets may take more.
    ready: Vec<usize>,
}

/// An attacker and its connection.
struct Place {
    kind: &'static str,
    attacker: Box<dyn Attacker>,
    link: Option<Link>,
    /// Whether the connection ends as soon as it is established.
    leaves: bool,
    is_ready: bool,
    deeds: Deeds,
}

impl<'a> Horde<'a> {
    pub(crate) fn new(registry: &'a Registry, bands: Vec<Band>) -> Result<Self, Failure> {
        let place = |kind, attacker| Place {
            kind,
            attacker,
            link: None,
            leaves: false,
            is_ready: false,
            deeds: Deeds::default(),
        };
        let places: Vec<_> = bands
            .into_iter()
            .flat_map(|(kind, band)| band.into_iter().map(move |attacker| place(kind, attacker)))
            .collect();
        let now = Instant::now();
        let dials = (0..places.len()).map(|index| Reverse((now, index))).collect();
        let (poll, buffer) = (Poll::new()?, link::buffer());
        Ok(Self { registry, poll, buffer, places, dials, ready: Vec::new() })
    }

    /// Attacks until `over` is set. Returns what was done, by kind.
    pub(crate) fn run(
        mut self,
        over: &AtomicBool,
    ) -> Result<BTreeMap<&'static str, Deeds>, Failure> {
        // This affects only the current thread.
        rustix::process::nice(NICE)?;
        let mut events = Events::with_capacity(4_096);
        while !over.load(Ordering::Relaxed) {
            self.dial_due()?;
            for index in std::mem::take(&mut self.ready) {
                self.serve(index)?;
            }
            let wait = if self.ready.is_empty() { TURN } else { Duration::ZERO };
            link::wait(&mut self.poll, &mut events, wait)?;
            for event in &events {
                let Token(index) = event.token();
                if event.is_readable() || event.is_error() {
                    self.read(index, event.is_read_closed() || event.is_error())?;
                }
                self.make_ready(index);
            }
        }
        let mut deeds: BTreeMap<_, Deeds> = BTreeMap::new();
        for place in &self.places {
            *deeds.entry(place.kind).or_default() += place.deeds;
        }
        Ok(deeds)
    }

    /// Dials for those whose pause is over.
    fn dial_due(&mut self) -> Result<(), Failure> {
        let now = Instant::now();
        for _ in 0..DIALS_PER_TURN {
            let Some(Reverse((at, index))) = self.dials.peek().copied() else { return Ok(()) };
            if at > now {
                return Ok(());
            }
            self.dials.pop();
            let Some(place) = self.places.get_mut(index) else { continue };
            let dialled = self
                .registry
                .dial_nonblocking_from(place.attacker.source())
                .and_then(|stream| Link::new(stream, self.poll.registry(), Token(index)));
            // Neither files nor ports may be left.
            let Ok(mut link) = dialled else {
                self.dials.push(Reverse((now + LONG_PAUSE, index)));
                continue;
            };
            place.deeds.connections += 1;
            match place.attacker.begin()? {
                Opening::Bytes(bytes) => {
                    place.deeds.packets += u64::from(!bytes.is_empty());
                    place.deeds.bytes += bytes.len() as u64;
                    link.queue(&bytes);
                }
                Opening::Leave => place.leaves = true,
            }
            place.link = Some(link);
        }
        Ok(())
    }

    /// Writes until the socket is full, the attacker has nothing more, or others have waited long
    /// enough.
    fn serve(&mut self, index: usize) -> Result<(), Failure> {
        let Some(place) = self.places.get_mut(index) else { return Ok(()) };
        place.is_ready = false;
        if place.leaves && place.link.is_some() {
            self.end(index);
            return Ok(());
        }
        let (begin, mut has_more) = (Instant::now(), true);
        while begin.elapsed() < SLICE {
            let Some(link) = &mut place.link else { return Ok(()) };
            if link.flush().is_err() {
                self.end(index);
                return Ok(());
            }
            if link.unwritten() > 0 || !has_more {
                return Ok(());
            }
            // Many packets in one call, so that attackers spend little time.
            while has_more && link.unwritten() < WRITE_LEN && begin.elapsed() < SLICE {
                let bytes = place.attacker.supply()?;
                has_more = bytes.is_some();
                if let Some(bytes) = bytes {
                    place.deeds.packets += 1;
                    place.deeds.bytes += bytes.len() as u64;
                    link.queue(&bytes);
                }
            }
        }
        self.make_ready(index);
        Ok(())
    }

    fn read(&mut self, index: usize, is_closed: bool) -> Result<(), Failure> {
        let Some(place) = self.places.get_mut(index) else { return Ok(()) };
        let Place { attacker, link: Some(link), deeds, .. } = place else { return Ok(()) };
        let is_reading = attacker.is_reading();
        let (mut next, mut fault) = (Next::Stay, None);
        let take = |frame: Frame<'_>, _| {
            deeds.note(frame);
            match attacker.take(frame) {
                Ok(Next::Stay) => {}
                Ok(Next::Leave) => next = Next::Leave,
                Err(failure) => fault = Some(failure),
            }
            Ok(())
        };
        let outcome = if is_reading { link.read(&mut self.buffer, take) } else { Ok(()) };
        if let Some(failure) = fault {
            return Err(failure);
        }
        if is_closed || outcome.is_err() || next == Next::Leave {
            self.end(index);
        }
        Ok(())
    }

    /// Ends a connection. Its attacker dials again.
    fn end(&mut self, index: usize) {
        let Some(place) = self.places.get_mut(index) else { return };
        if place.link.take().is_some() {
            place.leaves = false;
            self.dials.push(Reverse((Instant::now(), index)));
        }
    }

    fn make_ready(&mut self, index: usize) {
        let Some(place) = self.places.get_mut(index) else { return };
        if place.link.is_some() && !place.is_ready {
            place.is_ready = true;
            self.ready.push(index);
        }
    }
}

/// Longest wait in one turn.
const TURN: Duration = Duration::from_millis(10);
const DIALS_PER_TURN: usize = 256;
/// How long one attacker prepares and writes packets before others get their turn.
const SLICE: Duration = Duration::from_micros(500);
/// Bytes that are written at once, about.
const WRITE_LEN: usize = 64 * 1024;
/// With this niceness a thread gets a tenth of what the server's threads get if all are busy.
const NICE: i32 = 10;
/// Pause after a connection that could not even be dialled.
const LONG_PAUSE: Duration = Duration::from_millis(100);
