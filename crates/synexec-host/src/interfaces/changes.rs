//! The kernel's notices of changed interfaces and addresses.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;
use nix::libc::{RTMGRP_IPV4_IFADDR, RTMGRP_LINK};
use nix::sys::socket::{AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, bind, recv, socket};

/// A netlink socket that can be read as soon as an interface or an IPv4 address of this host has changed.
#[derive(Debug)]
pub(super) struct Changes {
    socket: OwnedFd,
}

impl Changes {
    /// Subscribes to the kernel's notices. Changes from now on are noticed.
    ///
    /// # Errors
    /// The process may not use netlink.
    pub(super) fn subscribe() -> io::Result<Self> {
        let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
        let socket = socket(AddressFamily::Netlink, SockType::Raw, flags, SockProtocol::NetlinkRoute)?;
        let groups = (RTMGRP_LINK | RTMGRP_IPV4_IFADDR).cast_unsigned();
        bind(socket.as_raw_fd(), &NetlinkAddr::new(0, groups))?;
        Ok(Self { socket })
    }

    /// Discards all waiting notices; returns whether there was one. Notices that did not fit into the socket (ENOBUFS)
    /// count too. A notice says only that it is time to look.
    pub(super) fn take(&self) -> bool {
        let mut any = false;
        loop {
            // A short buffer cuts notices short, and nobody reads them.
            match recv(self.socket.as_raw_fd(), &mut [0; 16], MsgFlags::empty()) {
                Ok(_) | Err(Errno::ENOBUFS) => any = true,
                Err(Errno::EINTR) => {}
                Err(_) => return any,
            }
        }
    }
}

impl AsFd for Changes {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_has_changed_at_first() {
        let changes = Changes::subscribe().unwrap();
        // Other programs may change interfaces of this host during the test, but not for ever.
        while changes.take() {}
        assert!(!changes.take());
    }
}
