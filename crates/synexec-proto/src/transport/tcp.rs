//! TCP sockets with the options of a session.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpListener, TcpStream};
use std::sync::Once;
use std::time::Duration;

use nix::sys::socket::setsockopt;
use nix::{libc, setsockopt_impl, sockopt_impl};
use socket2::{Domain, Protocol, SockAddr, Socket, TcpKeepalive, Type};

/// Connections that may wait to be accepted: all slaves answer a probe at once.
const BACKLOG: i32 = 4096;

/// Silence after which the kernel checks that the peer's host is there. A side thus notices in time that a
/// connection has broken, even if only its peer knows, and the connection can be resumed.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(3);

/// Unanswered keepalive probes after which a peer is lost.
const KEEPALIVE_PROBES: u32 = 3;

/// Longest pause between two retransmissions, in milliseconds. By default the kernel doubles the pause each time, up to two
/// minutes, so that a few lost packets in a row would look like a lost host.
const RETRANSMISSION_PAUSE_MAX: u32 = 2000;

/// Every connection finds the same kernel.
static TOLD_OF_PAUSE: Once = Once::new();

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

/// Listens for slaves.
///
/// # Errors
/// Errors of the socket, above all `AddrInUse`.
pub fn listen(address: Ipv4Addr, port: u16) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.bind(&SocketAddrV4::new(address, port).into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// Connects to a master, from the `source` address if given.
///
/// # Errors
/// Errors of the socket; `TimedOut` when no host answers in time.
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

/// Sets the options of a connection: messages are sent without delay, and a lost host is noticed after `lost_after`.
///
/// # Errors
/// Errors of the socket options.
pub fn prepare(stream: &TcpStream, lost_after: Duration) -> io::Result<()> {
    let socket = socket2::SockRef::from(stream);
    let step = (lost_after / KEEPALIVE_PROBES).max(Duration::from_secs(1));
    let keepalive =
        TcpKeepalive::new().with_time(step.min(KEEPALIVE_IDLE)).with_interval(step).with_retries(KEEPALIVE_PROBES);
    if let Err(error) = setsockopt(stream, RetransmissionPauseMax, &RETRANSMISSION_PAUSE_MAX) {
        TOLD_OF_PAUSE.call_once(|| {
            log::debug!("this kernel cannot limit the pause between retransmissions, as Linux 6.15 can: {error}");
        });
    }
    socket.set_tcp_nodelay(true)?;
    socket.set_tcp_keepalive(&keepalive)?;
    socket.set_tcp_user_timeout(Some(lost_after))?;
    socket.set_write_timeout(Some(lost_after))
}
