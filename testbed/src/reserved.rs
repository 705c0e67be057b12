//! Ports that tests hold for themselves.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use tokio::net::TcpSocket;

/// A port of this address that is bound and on which nothing listens. Keep the socket: until it is
/// dropped, the system gives the port only to those who ask for it by number, such as a program
/// that is told to listen there.
///
/// # Errors
/// When there is no free port.
pub fn reserved_address(ip: IpAddr) -> io::Result<(TcpSocket, SocketAddr)> {
    let socket = if ip.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket.set_reuseaddr(true)?;
    socket.bind((ip, 0).into())?;
    let address = socket.local_addr()?;
    Ok((socket, address))
}

/// An address of 127.0.0.1 that refuses connections while the socket is kept: what a gateway meets
/// when its upstream is down.
///
/// # Errors
/// When there is no free port.
pub fn refusing_address() -> io::Result<(TcpSocket, SocketAddr)> {
    reserved_address(Ipv4Addr::LOCALHOST.into())
}
