//! Every bound of groups, each with its reason.

/// Members of a group, those invited included. A message is one copy for each of them, and a person
/// who writes once a minute to fifty stays well within what servers admit.
pub const MEMBERS: usize = 50;

/// Longest name of a group, in bytes of UTF-8.
pub const NAME_BYTES: usize = 128;

/// Newest states of a group that a member keeps. It can compare and show branches as long as they
/// part within them, and all of them fit one message.
pub const CHAIN: usize = 16;

/// Groups of one person, those that they have left included until they are forgotten.
pub const GROUPS: usize = 256;

/// Invitations that await a decision. Anybody may invite.
pub const INVITATIONS: usize = 64;

/// Texts of one group that wait for states. Anybody who knows the group's id may send some.
pub const HELD: usize = 64;

/// The same for one sender, so that nobody uses up the room of all.
pub const HELD_OF_ONE: usize = 8;

/// Peers of one group of whom is remembered what they were asked for or last sent. More than the
/// members of two states, so it is enough unless strangers write.
pub const PEERS: usize = 128;

/// Changes of one group that wait to be written. Members ask for at most one each.
pub const PENDING: usize = 128;

/// Longest expiry in seconds: 366 days.
pub const EXPIRY_SECS: u32 = 31_622_400;
