//! Connections without a session, by address.

use alloc::collections::{BTreeMap, BTreeSet};
use core::cmp::Reverse;
use core::net::IpAddr;

use super::admission::neighbourhood;
use crate::ids::ConnId;

/// Connections without a session, in the order of their arrival, by the address that is counted.
/// Every operation takes logarithmic time, because a flood causes one for each connection.
#[derive(Debug, Default)]
pub(in crate::server) struct Strangers {
    by_conn: BTreeMap<ConnId, (IpAddr, Arrival)>,
    by_address: BTreeMap<IpAddr, BTreeMap<Arrival, ConnId>>,
    /// Addresses, those with most connections last; among equals, the one with the oldest.
    ranks: BTreeSet<(usize, Reverse<Arrival>, IpAddr)>,
    arrivals: u64,
}

/// Grows with every connection.
type Arrival = u64;

impl Strangers {
    pub(super) fn len(&self) -> usize {
        self.by_conn.len()
    }

    /// A connection was established.
    pub(super) fn enter(&mut self, conn: ConnId, peer: IpAddr) {
        let (address, arrival) = (neighbourhood(peer), self.arrivals);
        self.arrivals += 1;
        self.by_conn.insert(conn, (address, arrival));
        self.change(address, |conns| conns.insert(arrival, conn));
    }

    /// A connection is closed, or has a session.
    pub(super) fn leave(&mut self, conn: ConnId) {
        if let Some((address, arrival)) = self.by_conn.remove(&conn) {
            self.change(address, |conns| conns.remove(&arrival));
        }
    }

    fn change<T>(
        &mut self,
        address: IpAddr,
        change: impl FnOnce(&mut BTreeMap<Arrival, ConnId>) -> T,
    ) {
        let conns = self.by_address.entry(address).or_default();
        if let Some(rank) = rank(conns, address) {
            self.ranks.remove(&rank);
        }
        change(conns);
        match rank(conns, address) {
            Some(rank) => drop(self.ranks.insert(rank)),
            None => drop(self.by_address.remove(&address)),
        }
    }

    /// Count of connections from the address that `peer` counts as.
    pub(super) fn count_at(&self, peer: IpAddr) -> usize {
        self.by_address.get(&neighbourhood(peer)).map_or(0, BTreeMap::len)
    }

    /// The oldest connection from the address that `peer` counts as.
    pub(super) fn oldest_at(&self, peer: IpAddr) -> Option<ConnId> {
        self.by_address.get(&neighbourhood(peer))?.values().next().copied()
    }

    /// The oldest connection of the address with the most.
    pub(super) fn oldest_of_most(&self) -> Option<ConnId> {
        let (_, _, address) = self.ranks.last()?;
        self.oldest_at(*address)
    }

    /// Whether the three orders name the same connections.
    pub(super) fn is_consistent(&self) -> Result<(), &'static str> {
        let listed: usize = self.by_address.values().map(BTreeMap::len).sum();
        let placed = |(conn, (address, arrival)): (&ConnId, &(IpAddr, Arrival))| {
            let conns = self.by_address.get(address);
            conns.and_then(|conns| conns.get(arrival)) == Some(conn)
        };
        let ranks = self.by_address.iter().filter_map(|(address, conns)| rank(conns, *address));
        if listed != self.len() || !self.by_conn.iter().all(placed) {
            return Err("a connection without a session is not listed under its address");
        }
        if ranks.collect::<BTreeSet<_>>() != self.ranks {
            return Err("an address is not ranked by its connections");
        }
        Ok(())
    }
}

/// Rank of an address with these connections; `None` if there are none.
fn rank(
    conns: &BTreeMap<Arrival, ConnId>,
    address: IpAddr,
) -> Option<(usize, Reverse<Arrival>, IpAddr)> {
    let (oldest, _) = conns.first_key_value()?;
    Some((conns.len(), Reverse(*oldest), address))
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;
    use proptest::prelude::*;

    fn address(n: u8) -> IpAddr {
        IpAddr::from([192, 0, 2, n])
    }

    proptest! {
        /// The model is a list in the order of arrival.
        #[test]
        fn the_oldest_of_the_address_with_the_most_is_found(
            steps in prop::collection::vec((any::<bool>(), 0..4_u8, any::<prop::sample::Index>()), 0..60),
        ) {
            let (mut strangers, mut list) = (Strangers::default(), Vec::new());
            for (next, (enters, n, which)) in steps.into_iter().enumerate() {
                if enters || list.is_empty() {
                    strangers.enter(ConnId(next as u64), address(n));
                    list.push((ConnId(next as u64), address(n)));
                } else {
                    let (conn, _) = list.remove(which.index(list.len()));
                    strangers.leave(conn);
                    strangers.leave(conn);
                }
                prop_assert_eq!(strangers.is_consistent(), Ok(()));
                prop_assert_eq!(strangers.len(), list.len());
                let count = |at| list.iter().filter(|(_, other)| *other == at).count();
                let oldest = |at| list.iter().find(|(_, other)| *other == at).map(|(conn, _)| *conn);
                for at in (0..4).map(address) {
                    prop_assert_eq!(strangers.count_at(at), count(at));
                    prop_assert_eq!(strangers.oldest_at(at), oldest(at));
                }
                let most = list.iter().map(|(_, at)| count(*at)).max();
                let first_of_most = list.iter().find(|(_, at)| Some(count(*at)) == most);
                prop_assert_eq!(strangers.oldest_of_most(), first_of_most.map(|(conn, _)| *conn));
            }
        }
    }

    #[test]
    fn a_network_counts_as_one_address() {
        let mut strangers = Strangers::default();
        for (conn, peer) in [(1, "2001:db8::1"), (2, "2001:db8::2"), (3, "192.0.2.1")] {
            strangers.enter(ConnId(conn), peer.parse().unwrap());
        }
        assert_eq!(strangers.count_at("2001:db8::3".parse().unwrap()), 2);
        assert_eq!(strangers.oldest_of_most(), Some(ConnId(1)));
    }
}
