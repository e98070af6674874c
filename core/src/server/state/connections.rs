//! Connections, and the sessions on them.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::net::IpAddr;

use super::conn::Conn;
use super::session::{Authenticated, Session};
use super::strangers::Strangers;
use crate::ids::{ConnId, UserId};
use crate::server::limits::Limits;
use crate::server::store::Seq;

/// All connections; and, by user, the connection of the session and the one whose session is about
/// to begin. A user has at most one of each.
#[derive(Debug, Default)]
pub(in crate::server) struct Connections {
    // Boxed, because the nodes of the map are half empty.
    conns: BTreeMap<ConnId, Box<Conn>>,
    sessions: BTreeMap<UserId, ConnId>,
    granting: BTreeMap<UserId, Granting>,
    /// Connections whose session is not about to begin either.
    strangers: Strangers,
    /// Bytes that all connections hold, as each has counted them.
    held_bytes: usize,
}

/// A session that is about to begin.
#[derive(Clone, Copy, Debug)]
struct Granting {
    conn: ConnId,
    /// Place of the last session of the user's that is known to have begun on another server.
    elsewhere: Seq,
}

/// Whether there is room for another connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::server) enum Room {
    Free,
    /// This connection has to give way.
    Instead(ConnId),
    /// Every connection has a session.
    None,
}

impl Connections {
    pub(in crate::server) fn len(&self) -> usize {
        self.conns.len()
    }

    pub(in crate::server) fn is_empty(&self) -> bool {
        self.conns.is_empty()
    }

    pub(in crate::server) fn contains(&self, conn: ConnId) -> bool {
        self.conns.contains_key(&conn)
    }

    /// Whether there is room for a connection from this address. A stranger gives way to a newer
    /// one: who means to begin a session has usually done so by then, and who only holds the
    /// connection must not keep others out.
    pub(in crate::server) fn room(&self, limits: &Limits, peer: IpAddr) -> Room {
        let instead = |conn: Option<ConnId>| conn.map_or(Room::None, Room::Instead);
        if self.strangers.count_at(peer) >= limits.strangers_per_address {
            return instead(self.strangers.oldest_at(peer));
        }
        if self.strangers.len() >= limits.strangers || self.len() >= limits.connections {
            return instead(self.strangers.oldest_of_most());
        }
        Room::Free
    }

    pub(in crate::server) fn insert(&mut self, id: ConnId, conn: Conn) {
        self.strangers.enter(id, conn.peer());
        self.conns.insert(id, Box::new(conn));
    }

    /// Returns whether there was one.
    pub(in crate::server) fn remove(&mut self, conn: ConnId) -> bool {
        self.strangers.leave(conn);
        let removed = self.conns.remove(&conn);
        self.held_bytes -= removed.as_ref().map_or(0, |conn| conn.counted());
        removed.is_some()
    }

    pub(in crate::server) fn get(&self, conn: ConnId) -> Option<&Conn> {
        self.conns.get(&conn).map(|conn| &**conn)
    }

    pub(in crate::server) fn get_mut(&mut self, conn: ConnId) -> Option<&mut Conn> {
        self.conns.get_mut(&conn).map(|conn| &mut **conn)
    }

    /// A connection, after the total was brought up to date with what it holds.
    pub(in crate::server) fn recount(&mut self, conn: ConnId) -> Option<&mut Conn> {
        let conn = self.conns.get_mut(&conn)?;
        let (grown, shrunk) = conn.recount();
        self.held_bytes = self.held_bytes + grown - shrunk;
        Some(conn)
    }

    /// Bytes that all connections hold.
    pub(in crate::server) const fn held_bytes(&self) -> usize {
        self.held_bytes
    }

    /// A connection's session, with the proof that there is one.
    pub(in crate::server) fn session_mut(
        &mut self,
        conn: ConnId,
    ) -> Option<(Authenticated, &mut Session)> {
        self.get_mut(conn)?.session_mut()
    }

    pub(in crate::server) fn iter(&self) -> impl Iterator<Item = (ConnId, &Conn)> {
        self.conns.iter().map(|(id, conn)| (*id, &**conn))
    }

    pub(in crate::server) fn ids(&self) -> Vec<ConnId> {
        self.conns.keys().copied().collect()
    }

    /// Count of connections without a session.
    pub(in crate::server) fn strangers(&self) -> usize {
        self.strangers.len()
    }

    /// Count of sessions.
    pub(in crate::server) fn sessions(&self) -> usize {
        self.sessions.len()
    }

    /// The connection of a user's session.
    pub(in crate::server) fn of_user(&self, user: UserId) -> Option<ConnId> {
        self.sessions.get(&user).copied()
    }

    /// The connection on which a user without a mailbox in memory is live: that of the user's
    /// session, unless the session is ending.
    pub(in crate::server) fn live(&self, user: UserId) -> Option<ConnId> {
        let conn = self.of_user(user)?;
        let session = self.get(conn)?.session()?;
        session.farewell().is_none().then_some(conn)
    }

    /// A session has begun.
    pub(in crate::server) fn session_begun(&mut self, user: UserId, conn: ConnId) {
        self.sessions.insert(user, conn);
    }

    /// A session has ended. A later one of the same user, on another connection, stays.
    pub(in crate::server) fn session_ended(&mut self, user: UserId, conn: ConnId) {
        if self.of_user(user) == Some(conn) {
            self.sessions.remove(&user);
        }
    }

    /// A session is about to begin. The last one accepted counts. Its connection gives way to no
    /// stranger any more.
    pub(in crate::server) fn begin_granting(&mut self, user: UserId, conn: ConnId) {
        self.strangers.leave(conn);
        self.granting.insert(user, Granting { conn, elsewhere: Seq::START });
    }

    /// A session of a user has begun on another server.
    pub(in crate::server) fn begun_elsewhere(&mut self, user: UserId, place: Seq) {
        if let Some(granting) = self.granting.get_mut(&user) {
            granting.elsewhere = granting.elsewhere.max(place);
        }
    }

    /// The connection on which a user's next session is about to begin.
    pub(in crate::server) fn granted_to(&self, user: UserId) -> Option<ConnId> {
        self.granting.get(&user).map(|granting| granting.conn)
    }

    /// The grant was made. Returns whether the next session of the user is still to begin on this
    /// connection, at this place among those on all servers.
    pub(in crate::server) fn end_granting(
        &mut self,
        user: UserId,
        conn: ConnId,
        place: Seq,
    ) -> bool {
        let granting = self.granting.get(&user).filter(|granting| granting.conn == conn).copied();
        self.cancel_granting(user, conn);
        granting.is_some_and(|granting| granting.elsewhere <= place)
    }

    /// The grant could not be made.
    pub(in crate::server) fn cancel_granting(&mut self, user: UserId, conn: ConnId) {
        if self.granted_to(user) == Some(conn) {
            self.granting.remove(&user);
        }
    }

    pub(in crate::server) fn is_consistent(&self) -> Result<(), &'static str> {
        let on = |conn: &ConnId| self.conns.get(conn).and_then(|conn| conn.session());
        if self.sessions.iter().any(|(user, conn)| on(conn).map(Session::user) != Some(*user)) {
            return Err("a user's session is not on its connection");
        }
        let with_session = self.conns.values().filter(|conn| conn.session().is_some()).count();
        if with_session != self.sessions.len() {
            return Err("a connection has a session that its user does not");
        }
        if self.conns.values().any(|conn| conn.counted() != conn.held_bytes()) {
            return Err("a connection holds something that it has not counted");
        }
        if self.conns.values().map(|conn| conn.counted()).sum::<usize>() != self.held_bytes {
            return Err("the total of bytes that connections hold is not that of the connections");
        }
        self.strangers.is_consistent()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each connection and each session is an allocation, and a server holds many that are idle.
    /// glibc rounds sizes up to 16n + 8 bytes, and adds 8. So one field more may cost 16 bytes: what
    /// most connections don't need belongs into a box that is made when it is needed.
    #[test]
    fn an_idle_connection_is_small() {
        assert!(size_of::<Conn>() <= 104, "{} bytes", size_of::<Conn>());
        assert!(size_of::<Session>() <= 104, "{} bytes", size_of::<Session>());
    }
}
