//! When to dial which persistent peer: a pure schedule, given the time.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use libp2p::{Multiaddr, PeerId};

const FIRST_WAIT: Duration = Duration::from_millis(500);
const LONGEST_WAIT: Duration = Duration::from_secs(15);

#[derive(Debug)]
struct Peer {
    address: Multiaddr,
    wait: Duration,
    /// When to dial next; `None` while connected or dialling.
    due: Option<Instant>,
}

/// The persistent peers.
#[derive(Debug)]
pub(super) struct Peers(BTreeMap<PeerId, Peer>);

impl Peers {
    /// All are due at once; this node's own id is left out.
    pub(super) fn new(
        peers: impl IntoIterator<Item = (PeerId, Multiaddr)>,
        own: PeerId,
        now: Instant,
    ) -> Self {
        let peers = peers.into_iter().filter(|(id, _)| *id != own);
        let peer = |address| Peer { address, wait: FIRST_WAIT, due: Some(now) };
        Self(peers.map(|(id, address)| (id, peer(address))).collect())
    }

    /// The earliest time at which a peer is due.
    pub(super) fn next_due(&self) -> Option<Instant> {
        self.0.values().filter_map(|peer| peer.due).min()
    }

    /// Takes the peers that are due now.
    pub(super) fn take_due(&mut self, now: Instant) -> Vec<(PeerId, Multiaddr)> {
        let due = self.0.iter_mut().filter(|(_, peer)| peer.due.is_some_and(|due| due <= now));
        due.map(|(id, peer)| {
            peer.due = None;
            (*id, peer.address.clone())
        })
        .collect()
    }

    /// The peer is connected, whoever dialled.
    pub(super) fn connected(&mut self, id: &PeerId) {
        if let Some(peer) = self.0.get_mut(id) {
            peer.due = None;
            peer.wait = FIRST_WAIT;
        }
    }

    /// The last connection to the peer, or the attempt to make one, failed: try again later, each
    /// time twice as late.
    pub(super) fn lost(&mut self, id: &PeerId, now: Instant) {
        if let Some(peer) = self.0.get_mut(id) {
            peer.due = now.checked_add(peer.wait);
            peer.wait = peer.wait.saturating_mul(2).min(LONGEST_WAIT);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn redials_ever_later_until_connected() {
        let (own, peer) = (PeerId::random(), PeerId::random());
        let start = Instant::now();
        let mut peers =
            Peers::new([(own, Multiaddr::empty()), (peer, Multiaddr::empty())], own, start);
        assert_eq!(peers.take_due(start).len(), 1, "not itself");
        assert_eq!(peers.next_due(), None, "dialling");
        let mut last = Duration::ZERO;
        for _ in 0..10 {
            peers.lost(&peer, start);
            let wait = peers.next_due().map(|due| due - start).expect("due again");
            assert!(wait >= last && wait <= LONGEST_WAIT);
            last = wait;
        }
        assert_eq!(last, LONGEST_WAIT);
        peers.connected(&peer);
        assert_eq!(peers.next_due(), None);
        peers.lost(&peer, start);
        assert_eq!(peers.next_due(), Some(start + FIRST_WAIT));
    }
}
