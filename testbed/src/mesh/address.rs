//! The addresses of a mesh: one network, in which every pod has an address of its own.

use std::net::Ipv4Addr;

/// The host of the mesh: its end of the network, and the API server.
pub const HOST: Ipv4Addr = Ipv4Addr::new(10, 10, 0, 1);

/// Istio's control plane.
pub const ISTIOD: Ipv4Addr = Ipv4Addr::new(10, 10, 0, 2);

/// The length of the network's prefix.
pub(super) const PREFIX: u8 = 16;

/// The addresses of Services, which nothing listens at: gateways send to pods.
pub(super) const SERVICES: &str = "10.96.0.0/16";

/// The port of the API server.
pub(super) const API_SERVER: u16 = 6443;

/// The address of a gateway's pod, by its number.
pub(super) const fn gateway(number: u8) -> Ipv4Addr {
    Ipv4Addr::new(10, 10, 1, number)
}

/// An address of the host for an upstream, by its number.
pub(super) const fn upstream(number: u8) -> Ipv4Addr {
    Ipv4Addr::new(10, 10, 2, number)
}
