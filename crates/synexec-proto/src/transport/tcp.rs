//! TCP sockets as a session needs them.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpListener, TcpStream};
use std::time::Duration;

use nix::sys::socket::setsockopt;
use nix::{libc, setsockopt_impl, sockopt_impl};
use socket2::{Domain, Protocol, SockAddr, Socket, TcpKeepalive, Type};

/// Connections that may wait to be accepted: a whole fleet answers one probe at once.
const BACKLOG: i32 = 4096;

/// Silence after which the kernel asks whether the peer's host is there, so that a connection that only the peer knows to
/// be broken can be taken up again in time.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(3);

/// Keepalive probes within the time after which a peer is lost.
const KEEPALIVE_PROBES: u32 = 3;

/// Longest pause between two attempts of the kernel to send what was not acknowledged, in milliseconds. It would double
/// each time, up to two minutes: where packets are lost, a few in a row would pass for a host that is gone.
const RETRANSMISSION_PAUSE_MAX: u32 = 2000;

/// `TCP_RTO_MAX_MS` of linux/tcp.h.
const TCP_RTO_MAX_MS: libc::c_int = 44;

sockopt_impl!(
    /// See [`RETRANSMISSION_PAUSE_MAX`].
    RetransmissionPauseMax,
    SetOnly,
    libc::IPPROTO_TCP,
    TCP_RTO_MAX_MS,
    u32
);

/// A listener for slaves.
///
/// # Errors
/// Those of the sockets, above all `AddrInUse`.
pub fn listen(address: Ipv4Addr, port: u16) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.bind(&SocketAddrV4::new(address, port).into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// Connects to a master, from a given address of this host where there is one.
///
/// # Errors
/// Those of the sockets; `TimedOut` when nobody answers in time.
pub fn connect(source: Option<Ipv4Addr>, master: SocketAddr, timeout: Duration) -> io::Result<TcpStream> {
    let socket = Socket::new(Domain::for_address(master), Type::STREAM, Some(Protocol::TCP))?;
    if let Some(source) = source {
        socket.bind(&SocketAddrV4::new(source, 0).into())?;
    }
    socket.connect_timeout(&SockAddr::from(master), timeout)?;
    let stream = TcpStream::from(socket);
    if stream.local_addr()? == stream.peer_addr()? {
        return Err(io::Error::new(io::ErrorKind::ConnectionRefused, "nobody listens there"));
    }
    Ok(stream)
}

/// Readies a connection: messages leave at once, and a peer whose host is gone is noticed after `lost_after`.
///
/// # Errors
/// Those of the socket options.
pub fn prepare(stream: &TcpStream, lost_after: Duration) -> io::Result<()> {
    let socket = socket2::SockRef::from(stream);
    let step = (lost_after / KEEPALIVE_PROBES).max(Duration::from_secs(1));
    let keepalive =
        TcpKeepalive::new().with_time(step.min(KEEPALIVE_IDLE)).with_interval(step).with_retries(KEEPALIVE_PROBES);
    if let Err(error) = setsockopt(stream, RetransmissionPauseMax, &RETRANSMISSION_PAUSE_MAX) {
        log::debug!("lost packets may cost more time, as before Linux 6.15: {error}");
    }
    socket.set_tcp_nodelay(true)?;
    socket.set_tcp_keepalive(&keepalive)?;
    socket.set_tcp_user_timeout(Some(lost_after))?;
    socket.set_write_timeout(Some(lost_after))
}
