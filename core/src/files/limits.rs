//! Every bound of file transfers, each with its reason.

/// Largest file in bytes: 64 MiB. Larger offers are refused.
pub const FILE_BYTES: u64 = 64 << 20;

/// Length of the pieces that we send, in bytes. With everything around it, a piece just fits the
/// largest packet.
pub const PIECE_BYTES: u64 = 60_000;

/// Pieces of a file. A file of 64 MiB has 1,119 of our length; offers with more than this are refused,
/// because every piece costs a message.
pub const PIECES: u32 = 4_096;

/// Pieces that wait for the server, of all transfers together. A packet of a piece has at most 65,529
/// bytes, so a text waits behind less than 1 MiB.
pub const QUEUED: usize = 16;

/// The same for one peer. A full mailbox keeps pieces waiting, and must not stop all transfers.
pub const QUEUED_OF_ONE: usize = 4;

/// Pieces of a transfer that its recipient has not confirmed. Their packets have less than 4 MiB:
/// less than half of any mailbox of 8 MiB or more. Servers allow 64 MiB by default, and three
/// quarters of it to one sender.
pub const WINDOW: u32 = 64;

/// Pieces after which a recipient confirms what it has. A quarter of the window, so that confirming
/// takes no time from the transfer.
pub const CONFIRM_EVERY: u32 = 16;

/// Open transfers with one peer, in each direction.
pub const OPEN_OF_ONE: usize = 8;

/// Open transfers that peers have offered.
pub const OPEN_INCOMING: usize = 64;

/// Open transfers that we have offered. A file for a group of 50 is 49 of them, and some wait for a
/// member who does not answer.
pub const OPEN_OUTGOING: usize = 512;

/// Transfers that are remembered after their end, so that a peer who has missed the end learns of it.
pub const ENDED: usize = 256;

/// Unknown transfers that peers are told about once. Peers who name more of them are told again, at
/// one answer for each message of theirs.
pub const UNKNOWN: usize = 64;

/// Pieces that a recipient may ask for again, for each piece of the file. More than that is not a
/// loss but an attack, and the transfer fails.
pub const RESENT_PER_PIECE: u32 = 4;

/// The same for any file: crashes of the recipient of a small file.
pub const RESENT: u32 = 16 * WINDOW;
