//! Ports of a testnet: the documented ones when they are free, else the same shifted.
//!
//! All lie below Linux's ephemeral range, so no outgoing connection takes one in between. Two
//! testnets that start at the same time choose under one lock, held until their processes listen.

use std::{fs::File, net::TcpListener, path::PathBuf};

use crate::TestnetError;

const L1: u16 = 18_545;
const NODE_RPC: u16 = 28_545;
const RELAYER: u16 = 29_545;
const ENGINE: u16 = 26_656;
const GOSSIP: u16 = 27_656;
const HEALTH: u16 = 30_545;
const SHIFT: u16 = 20;
const ATTEMPTS: u16 = 90;

/// The ports of one testnet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ports {
    /// The L1's JSON-RPC.
    pub l1: u16,
    /// The built-in L1's health and metrics.
    pub l1_health: u16,
    /// JSON-RPC, a node.
    pub rpc: Vec<u16>,
    /// Consensus, a node.
    pub engine: Vec<u16>,
    /// Transaction gossip, a node.
    pub gossip: Vec<u16>,
    /// Health and metrics, a node.
    pub health: Vec<u16>,
    /// Status, a relayer.
    pub relayer: Vec<u16>,
}

impl Ports {
    fn shifted(nodes: u16, shift: u16) -> Self {
        let row = |base: u16| (0..nodes).map(|i| base + shift + i).collect();
        Self {
            l1: L1 + shift,
            l1_health: L1 + shift + 1,
            rpc: row(NODE_RPC),
            engine: row(ENGINE),
            gossip: row(GOSSIP),
            health: row(HEALTH),
            relayer: row(RELAYER),
        }
    }

    fn all(&self) -> impl Iterator<Item = u16> + '_ {
        [self.l1, self.l1_health]
            .into_iter()
            .chain(self.rpc.iter().copied())
            .chain(self.engine.iter().copied())
            .chain(self.gossip.iter().copied())
            .chain(self.health.iter().copied())
            .chain(self.relayer.iter().copied())
    }

    fn free(&self) -> bool {
        self.all().all(|port| TcpListener::bind(("127.0.0.1", port)).is_ok())
    }
}

/// Chosen ports, and the lock that keeps other testnets from choosing meanwhile.
#[derive(Debug)]
pub struct Reservation {
    /// The ports.
    pub ports: Ports,
    _lock: File,
}

/// Chooses free ports for `nodes` validators and as many relayers. Blocks while another testnet
/// on this machine is choosing or starting.
///
/// # Errors
/// [`TestnetError::NoPorts`] when every shift meets a taken port.
pub fn reserve(nodes: u16) -> Result<Reservation, TestnetError> {
    let lock = lock()?;
    (0..ATTEMPTS)
        .map(|attempt| Ports::shifted(nodes, attempt * SHIFT))
        .find(Ports::free)
        .map(|ports| Reservation { ports, _lock: lock })
        .ok_or(TestnetError::NoPorts)
}

fn lock() -> Result<File, TestnetError> {
    let path: PathBuf = std::env::temp_dir().join("mooring-testnet-ports.lock");
    let attempt = || {
        let file = File::options().create(true).truncate(false).write(true).open(&path)?;
        file.lock()?;
        Ok(file)
    };
    attempt().map_err(|source| TestnetError::File { path: path.clone(), source })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn no_two_parts_share_a_port_at_any_shift() {
        for attempt in 0..ATTEMPTS {
            let ports = Ports::shifted(10, attempt * SHIFT);
            let distinct: BTreeSet<u16> = ports.all().collect();
            assert_eq!(distinct.len(), 52, "shift {attempt}");
            assert!(distinct.iter().all(|port| *port < 32_768), "below the ephemeral range");
        }
    }

    #[test]
    fn a_taken_port_shifts_the_whole_row() {
        let first = reserve(4).unwrap();
        let taken = TcpListener::bind(("127.0.0.1", first.ports.rpc[2])).unwrap();
        drop(first.ports.clone());
        let ports = first.ports.clone();
        drop(first);
        let second = reserve(4).unwrap();
        assert_ne!(second.ports, ports);
        drop(taken);
    }
}
