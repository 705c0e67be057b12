//! An address that refuses connections: what a gateway meets when its upstream is down.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};

use tokio::net::TcpSocket;

/// A port of 127.0.0.1 that is bound and on which nothing listens. Keep the socket: until it is
/// dropped, the system gives the port only to those who ask for it by number.
///
/// # Errors
/// When there is no free port.
pub fn refusing_address() -> io::Result<(TcpSocket, SocketAddr)> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.bind((Ipv4Addr::LOCALHOST, 0).into())?;
    let address = socket.local_addr()?;
    Ok((socket, address))
}
