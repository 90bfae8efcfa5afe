//! Receiving data, with the instant at which the kernel received the data. The reading thread runs later, by some
//! hundred microseconds even on an idle host. Without the kernel's instant, this delay would count as network delay.

use std::io::{self, IoSliceMut};
use std::net::TcpStream;
use std::os::fd::AsRawFd;
use std::sync::Once;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use nix::sys::socket::{ControlMessageOwned, MsgFlags, RecvMsg, cmsg_space, recvmsg, setsockopt, sockopt};
use nix::sys::time::TimeSpec;

/// Largest plausible age of a timestamp. The kernel takes timestamps from the wall clock, which may have been set since.
const OLDEST: Duration = Duration::from_millis(100);

/// Every connection finds the same kernel.
static TOLD: Once = Once::new();

/// Buffer for the timestamp, with the kernel's alignment.
#[repr(align(16))]
struct Control([u8; cmsg_space::<TimeSpec>()]);

/// The result of a receive call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Received {
    /// Bytes received.
    pub(super) length: usize,
    /// Time since the last byte arrived; zero where the kernel gives no timestamp.
    pub(super) age: Duration,
}

/// Turns timestamps on. On a kernel without them, the time of reading counts as the time of arrival.
pub(super) fn stamp(stream: &TcpStream) {
    if let Err(error) = setsockopt(stream, sockopt::ReceiveTimestampns, &true) {
        TOLD.call_once(|| log::debug!("the kernel gives no timestamps of received data: {error}"));
    }
}

/// Waits for data and receives them.
pub(super) fn receive(stream: &TcpStream, into: &mut [u8]) -> io::Result<Received> {
    let mut control = Control([0; cmsg_space::<TimeSpec>()]);
    let mut slices = [IoSliceMut::new(into)];
    let message = recvmsg::<()>(stream.as_raw_fd(), &mut slices, Some(&mut control.0), MsgFlags::empty())?;
    Ok(Received { length: message.bytes, age: stamp_of(&message).map(age).unwrap_or_default() })
}

/// The timestamp of a message, as time since 1970.
fn stamp_of(message: &RecvMsg<'_, '_, ()>) -> Option<Duration> {
    let stamp = |control| if let ControlMessageOwned::ScmTimestampns(stamp) = control { Some(stamp) } else { None };
    message.cmsgs().ok()?.find_map(stamp).map(Duration::from)
}

fn age(stamp: Duration) -> Duration {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let age = now.checked_sub(stamp).unwrap_or_default();
    if age > OLDEST { Duration::ZERO } else { age }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::net::TcpListener;
    use std::time::Instant;

    use super::*;

    #[test]
    fn data_are_as_old_as_the_wait_for_their_reader() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (server, _) = listener.accept().unwrap();
        stamp(&server);
        let mut into = [0; 10];
        // The first socket that asks for timestamps gets them after a delay. On a busy machine, a timestamp may be too
        // old to be plausible.
        while !is_as_old_as_its_wait(&mut client, &server, &mut into) {}
        assert_eq!(&into[..3], b"abc");
        drop(client);
        assert_eq!(receive(&server, &mut into).unwrap(), Received { length: 0, age: Duration::ZERO });
    }

    fn is_as_old_as_its_wait(client: &mut TcpStream, server: &TcpStream, into: &mut [u8]) -> bool {
        let before = Instant::now();
        client.write_all(b"abc").unwrap();
        let written = Instant::now();
        while written.elapsed() < Duration::from_millis(20) {
            std::thread::yield_now();
        }
        let waited = written.elapsed();
        let received = receive(server, into).unwrap();
        assert_eq!(received.length, 3);
        assert!(received.age <= before.elapsed() * 2, "{received:?} {waited:?}");
        received.age >= waited / 2
    }

    #[test]
    fn a_stamp_of_another_time_is_not_believed() {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        assert_eq!(age(now + Duration::from_secs(3600)), Duration::ZERO);
        assert_eq!(age(now.checked_sub(Duration::from_secs(3600)).unwrap()), Duration::ZERO);
        assert!(age(now.checked_sub(Duration::from_millis(5)).unwrap()) >= Duration::from_millis(5));
    }
}
