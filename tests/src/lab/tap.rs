//! An interface's frames, read and written raw.

use std::io::IoSliceMut;
use std::os::fd::{AsFd, AsRawFd as _, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context as _, Result};
use nix::cmsg_space;
use nix::errno::Errno;
use nix::ifaddrs::getifaddrs;
use nix::sys::socket::{
    AddressFamily, ControlMessageOwned, LinkAddr, MsgFlags, RecvMsg, SockFlag, SockProtocol, SockType, SockaddrStorage,
    bind, recvmsg, send, setsockopt, socket, sockopt,
};
use nix::sys::time::TimeSpec;

/// Bytes of the longest frame, well over the MTU of every interface here. A longer frame is cut short, and its
/// receiver notices.
const LONGEST: usize = 2048;

/// Bytes that can wait in the kernel while the reader is busy. The default holds fewer than a hundred frames.
const BACKLOG: usize = 4 << 20;

/// A socket that receives all frames that come in on one interface, and sends on this interface.
///
/// The socket also receives frames that others send on the interface, so nobody else may send there.
#[derive(Debug)]
pub(super) struct Tap {
    socket: OwnedFd,
}

/// A received frame and its time.
#[derive(Debug)]
pub(super) struct Frame {
    pub(super) arrived: Instant,
    content: Vec<u8>,
}

impl Frame {
    /// The bytes, from the receiver's address on.
    pub(super) fn content(&self) -> &[u8] {
        &self.content
    }
}

impl Tap {
    /// Opens a tap on an interface of the calling thread's namespace. Any thread can then use the tap.
    pub(super) fn new(interface: &str) -> Result<Self> {
        let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
        let socket = socket(AddressFamily::Packet, SockType::Raw, flags, SockProtocol::EthAll)?;
        setsockopt(&socket, sockopt::ReceiveTimestampns, &true)?;
        // Only the machine's root may exceed the system's limit.
        let forced = setsockopt(&socket, sockopt::RcvBufForce, &BACKLOG);
        forced.or_else(|_| setsockopt(&socket, sockopt::RcvBuf, &BACKLOG))?;
        bind(socket.as_raw_fd(), &link_address(interface)?).with_context(|| format!("cannot bind to {interface}"))?;
        let tap = Self { socket };
        // Before the bind, the socket has received frames of all interfaces.
        while tap.receive()?.is_some() {}
        Ok(tap)
    }

    /// The next frame, if one has come.
    pub(super) fn receive(&self) -> nix::Result<Option<Frame>> {
        let mut buffer = [0; LONGEST];
        match self.receive_into(&mut buffer) {
            Ok((length, arrived)) => Ok(Some(Frame { arrived, content: buffer[..length].to_vec() })),
            Err(Errno::EAGAIN) => Ok(None),
            Err(errno) => Err(errno),
        }
    }

    /// Sends a frame. If the interface takes no more, the frame is lost, as on a wire.
    pub(super) fn send(&self, frame: &Frame) {
        let _ = send(self.socket.as_raw_fd(), &frame.content, MsgFlags::empty());
    }

    fn receive_into(&self, buffer: &mut [u8]) -> nix::Result<(usize, Instant)> {
        let mut control = cmsg_space!(TimeSpec);
        let mut parts = [IoSliceMut::new(buffer)];
        let message = recvmsg(self.socket.as_raw_fd(), &mut parts, Some(&mut control), MsgFlags::empty())?;
        Ok((message.bytes, arrival(&message)?))
    }
}

impl AsFd for Tap {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// The kernel's timestamp of the frame, which does not depend on when this thread reads it.
fn arrival(message: &RecvMsg<'_, '_, SockaddrStorage>) -> nix::Result<Instant> {
    let stamp = message.cmsgs()?.find_map(|control| match control {
        ControlMessageOwned::ScmTimestampns(stamp) => Some(SystemTime::UNIX_EPOCH + Duration::from(stamp)),
        _ => None,
    });
    let age = stamp.and_then(|stamp| stamp.elapsed().ok()).unwrap_or_default();
    let now = Instant::now();
    Ok(now.checked_sub(age).unwrap_or(now))
}

fn link_address(interface: &str) -> Result<LinkAddr> {
    let all = getifaddrs().context("cannot list the interfaces")?;
    let mut addresses = all.filter(|found| found.interface_name == interface).filter_map(|found| found.address);
    let address = addresses.find_map(|address| address.as_link_addr().copied());
    address.with_context(|| format!("there is no {interface}"))
}
