//! How far the messages of one pair have come.

use std::time::Instant;

use sealpost_programs::Failure;

use crate::clients::pair::Span;
use crate::clients::ring::Shape;
use crate::figures::Latencies;

/// The messages of one pair, counted from 0 without end.
pub(crate) struct Flow {
    shape: Shape,
    /// Time when the message in each slot was due.
    due: Vec<Instant>,
    /// Messages sent, and how many of them have arrived at the recipient and are receipted to the
    /// sender.
    pub(crate) sent: u64,
    pub(crate) arrived: u64,
    pub(crate) receipted: u64,
}

impl Flow {
    pub(crate) fn new(shape: Shape) -> Result<Self, Failure> {
        let due = vec![Instant::now(); usize::try_from(shape.slots())?];
        Ok(Self { shape, due, sent: 0, arrived: 0, receipted: 0 })
    }

    pub(crate) const fn shape(&self) -> Shape {
        self.shape
    }

    /// The number of messages that may be sent now.
    pub(crate) fn room(&self) -> u64 {
        self.shape.room(self.sent, self.receipted)
    }

    /// Whether everything that was sent has arrived and is receipted.
    pub(crate) const fn is_settled(&self) -> bool {
        self.receipted == self.sent
    }

    /// Counts the next message as sent. There must be room.
    pub(crate) fn send(&mut self, due: Instant) {
        if let Some(slot) = self.due.get_mut(self.shape.slot(self.sent)) {
            *slot = due;
        }
        self.sent += 1;
    }

    /// Counts the next message as arrived, and records its latency if it was due in `span`.
    pub(crate) fn arrive(&mut self, at: Instant, span: Span, latencies: &mut Latencies) {
        let due = self.due.get(self.shape.slot(self.arrived)).copied().unwrap_or(at);
        if span.contains(due) {
            latencies.record(at.saturating_duration_since(due));
        }
        self.arrived += 1;
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn latency_counts_from_the_time_when_a_message_was_due_inside_the_span() {
        let mut flow = Flow::new(Shape::new(2, 1, 1).unwrap()).unwrap();
        let mut latencies = Latencies::new().unwrap();
        let begin = Instant::now();
        let after = |millis| begin + Duration::from_millis(millis);
        let span = Span::new(after(10), Duration::from_millis(10));
        for (due, arrival) in [(9, 15), (10, 15), (19, 24), (20, 21)] {
            flow.send(after(due));
            flow.arrive(after(arrival), span, &mut latencies);
        }
        let summary = latencies.summary();
        assert_eq!((flow.sent, flow.arrived, summary.count), (4, 4, 2));
        assert!((4_990.0..=5_010.0).contains(&summary.max_us), "{summary:?}");
    }

    #[test]
    fn room_grows_when_messages_are_receipted() {
        let mut flow = Flow::new(Shape::new(2, 1, 1).unwrap()).unwrap();
        assert!(flow.is_settled());
        flow.send(Instant::now());
        flow.send(Instant::now());
        assert_eq!((flow.room(), flow.is_settled()), (0, false));
        flow.receipted += 1;
        assert_eq!((flow.room(), flow.is_settled()), (1, false));
        flow.receipted += 1;
        assert_eq!((flow.room(), flow.is_settled()), (2, true));
    }
}
