//! The addresses of a mesh: one network, in which every pod has an address of its own.

use std::net::Ipv4Addr;

/// The host of the mesh: its end of the network, the API server and the only node.
pub const HOST: Ipv4Addr = Ipv4Addr::new(10, 10, 0, 1);

/// The length of the network's prefix.
pub(super) const PREFIX: u8 = 16;

/// The network of the pods.
pub(super) const PODS: &str = "10.10.0.0/16";

/// The name of the only node, whose address is the host's.
pub(super) const NODE: &str = "mesh";

/// The addresses of Services.
pub(super) const SERVICES: &str = "10.96.0.0/16";

/// The port of the API server.
pub(super) const API_SERVER: u16 = 6443;

/// The address of a pod, by its number from 0. No address is used twice.
pub(super) fn pod(number: u16) -> Ipv4Addr {
    const FIRST: Ipv4Addr = Ipv4Addr::new(10, 10, 1, 0);
    Ipv4Addr::from_bits(FIRST.to_bits() + u32::from(number) + 1)
}
