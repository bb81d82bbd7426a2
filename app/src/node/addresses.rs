//! The addresses of `node.toml`.

use std::net::{IpAddr, SocketAddr};

use libp2p::Multiaddr;
use libp2p::multiaddr::Protocol;
use tokio::net::TcpListener;

use super::StartError;

pub(super) async fn listen(
    key: &'static str,
    address: SocketAddr,
) -> Result<TcpListener, StartError> {
    TcpListener::bind(address).await.map_err(|source| StartError::Listen {
        key,
        address: address.to_string(),
        source,
    })
}

pub(super) fn multiaddr(key: &'static str, value: &str) -> Result<Multiaddr, StartError> {
    value.parse().map_err(|_| StartError::Multiaddr { key, value: value.to_owned() })
}

/// Tells whether one could listen at a multiaddr, before anything is opened: the engine says it only
/// in its log.
pub(super) fn probe(key: &'static str, value: &str) -> Result<(), StartError> {
    let address = multiaddr(key, value)?;
    let (mut ip, mut port) = (None, None);
    for part in &address {
        match part {
            Protocol::Ip4(v4) => ip = Some(IpAddr::V4(v4)),
            Protocol::Ip6(v6) => ip = Some(IpAddr::V6(v6)),
            Protocol::Tcp(number) => port = Some(number),
            _ => {}
        }
    }
    // A port of 0 is the system's choice; other transports have no listener to try.
    if let (Some(ip), Some(port @ 1..)) = (ip, port) {
        std::net::TcpListener::bind((ip, port)).map_err(|source| StartError::Listen {
            key,
            address: value.to_owned(),
            source,
        })?;
    }
    Ok(())
}
