//! Waiting for the interfaces that a program may use, and telling the user about it.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::changes::Changes;
use super::{Address, Interface, Missing, Scope};

/// Time until the next look, if the kernel gives no notice of a change.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// The interfaces in a program's scope, as they come and go. Tells the user once what is missing, and once that it is
/// there.
#[derive(Debug)]
pub struct Presence {
    scope: Scope,
    /// None if this process may not use netlink.
    changes: Option<Changes>,
    /// The outcome of the last look.
    known: Option<Result<Vec<Interface>, Missing>>,
}

impl Presence {
    /// Watches the interfaces of this scope from now on.
    pub fn new(scope: Scope) -> Self {
        let changes = Changes::subscribe()
            .inspect_err(|error| log::debug!("the kernel gives no notice of changed interfaces: {error}"));
        Self { scope, changes: changes.ok(), known: None }
    }

    /// The interfaces that can be used now; none if the program has to wait for one.
    pub fn look(&mut self) -> Vec<Interface> {
        let found = self.scope.look();
        match (&found, &self.known) {
            (Err(missing), Some(Err(told))) if missing.is_like(told) => {}
            (Err(missing), _) => log::warn!("{missing}"),
            (Ok(now), Some(Err(_))) => tell_there(now),
            // Without `--interface`, changed interfaces are none of the user's concern.
            (Ok(now), Some(Ok(before))) if now != before && self.scope != Scope::All => tell_there(now),
            (Ok(_), _) => {}
        }
        self.known.insert(found).clone().unwrap_or_default()
    }

    /// Waits until one of the sockets can be read or it is time to look again; returns whether it is time to look: an
    /// interface has changed, or `at_most` is over.
    ///
    /// # Errors
    /// The kernel lacks memory.
    pub fn wait(&self, sockets: &[BorrowedFd<'_>], at_most: Option<Duration>) -> io::Result<bool> {
        let fds = sockets.iter().copied().chain(self.changes.iter().map(AsFd::as_fd));
        let mut fds: Vec<_> = fds.map(|fd| PollFd::new(fd, PollFlags::POLLIN)).collect();
        let can_be_blind = self.changes.is_none() || matches!(self.known, Some(Err(Missing::List(_))));
        let at_most = at_most.or(can_be_blind.then_some(LOOK_AGAIN));
        let timeout = at_most.map_or(PollTimeout::NONE, |time| PollTimeout::try_from(time).unwrap_or(PollTimeout::MAX));
        match poll(&mut fds, timeout) {
            Ok(0) => Ok(true),
            Ok(_) => Ok(self.changes.as_ref().is_some_and(Changes::take)),
            Err(Errno::EINTR) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }
}

fn tell_there(interfaces: &[Interface]) {
    for interface in interfaces {
        let addresses: Vec<_> = interface.addresses.iter().map(|address| Address::ip(address).to_string()).collect();
        log::info!("the interface `{}` is there, with {}", interface.name, addresses.join(", "));
    }
}

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;

    use super::*;

    #[test]
    fn a_socket_that_can_be_read_ends_the_wait() {
        let presence = Presence::new(Scope::One("lo".into()));
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.send_to(b"x", socket.local_addr().unwrap()).unwrap();
        presence.wait(&[socket.as_fd()], None).unwrap();
        assert_eq!(socket.recv(&mut [0]).unwrap(), 1);
    }

    #[test]
    fn without_notices_the_program_looks_again_by_itself() {
        let presence = Presence { changes: None, ..Presence::new(Scope::All) };
        assert!(presence.wait(&[], None).unwrap());
    }

    #[test]
    fn what_was_told_is_remembered_until_it_is_there() {
        let mut presence = Presence::new(Scope::One("nowhere0".into()));
        assert!(presence.look().is_empty());
        assert!(matches!(&presence.known, Some(Err(Missing::Interface { name, .. })) if name == "nowhere0"));
        presence.scope = Scope::One("lo".into());
        assert_eq!(presence.look().len(), 1);
        assert!(matches!(presence.known, Some(Ok(_))));
    }
}
