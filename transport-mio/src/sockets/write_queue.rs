//! Bytes that wait to be written to one connection.

use std::collections::VecDeque;
use std::io::{self, IoSlice, Write};

use bytes::{Buf, Bytes};

/// Packets queued for one connection, in order. The first one may be partly written. An empty queue
/// holds no memory.
#[derive(Debug, Default)]
pub(super) struct WriteQueue {
    packets: VecDeque<Bytes>,
    len: usize,
    /// Bytes of the first packet that were written. Its memory is freed as a whole.
    written: usize,
}

impl WriteQueue {
    /// The number of queued bytes.
    pub(super) const fn len(&self) -> usize {
        self.len
    }

    /// The memory that the queue and its packets take, in bytes.
    pub(super) fn memory(&self) -> usize {
        let entries = self.packets.capacity() * size_of::<Bytes>();
        self.len + self.written + entries + self.packets.len() * SHARED
    }

    pub(super) fn is_empty(&self) -> bool {
        self.packets.is_empty()
    }

    /// The number of packets for which memory is allocated.
    #[cfg(test)]
    pub(super) fn capacity(&self) -> usize {
        self.packets.capacity()
    }

    pub(super) fn push(&mut self, bytes: Bytes) {
        // An empty slice would make a write of 0 bytes look like a failure.
        if !bytes.is_empty() {
            self.len += bytes.len();
            self.packets.push_back(bytes);
        }
    }

    /// Drops everything, and the memory with it.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    /// Writes as many packets as one system call takes, and drops the bytes that were written.
    /// Returns how many those were.
    pub(super) fn write_to(&mut self, stream: &mut impl Write) -> io::Result<usize> {
        let mut slices = [IoSlice::new(&[]); WRITE_SLICES];
        let mut filled = 0;
        for (slice, bytes) in slices.iter_mut().zip(&self.packets) {
            *slice = IoSlice::new(bytes);
            filled += 1;
        }
        let len = stream.write_vectored(slices.get(..filled).unwrap_or_default())?;
        self.advance(len);
        Ok(len)
    }

    fn advance(&mut self, mut len: usize) {
        self.len = self.len.saturating_sub(len);
        while let Some(front) = self.packets.front_mut() {
            if front.len() > len {
                front.advance(len);
                self.written += len;
                return;
            }
            len -= front.len();
            self.packets.pop_front();
            self.written = 0;
        }
    }
}

/// Most packets in one system call. The system allows 1,024; more than this many slices on the
/// stack cost more than they gain.
const WRITE_SLICES: usize = 64;
/// Bytes that a packet takes beside its own and its entry: its reference count, and what the
/// allocator adds.
const SHARED: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn partly_written_packet_continues_where_it_stopped() {
        let mut queue = WriteQueue::default();
        for packet in ["one", "three", "five"] {
            queue.push(Bytes::from_static(packet.as_bytes()));
        }
        queue.advance(5);
        assert_eq!(queue.packets, ["ree", "five"]);
        assert_eq!(queue.len(), 7);
        queue.advance(3);
        assert_eq!(queue.packets, ["five"]);
    }

    #[test]
    fn partly_written_packet_takes_all_of_its_memory() {
        let mut queue = WriteQueue::default();
        assert_eq!(queue.memory(), 0);
        queue.push(Bytes::from(vec![0; 10_000]));
        let whole = queue.memory();
        assert!((10_000..10_500).contains(&whole), "{whole}");
        for (written, left) in [(9_000, 1_000), (999, 1)] {
            queue.advance(written);
            assert_eq!((queue.len(), queue.memory()), (left, whole));
        }
        queue.push(Bytes::from(vec![0; 1_000]));
        queue.advance(1);
        assert!((1_000..1_500).contains(&queue.memory()), "{}", queue.memory());
    }

    #[test]
    fn one_write_takes_many_packets() {
        let mut queue = WriteQueue::default();
        for packet in ["one", "", "three"] {
            queue.push(Bytes::from_static(packet.as_bytes()));
        }
        let mut written = Vec::new();
        assert_eq!(queue.write_to(&mut written).unwrap(), 8);
        assert_eq!((written.as_slice(), queue.len()), (&b"onethree"[..], 0));
        assert!(queue.is_empty());
    }
}
