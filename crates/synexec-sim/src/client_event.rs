//! What happens to a client, and what the client does.

use std::time::Duration;

use synexec_proto::disconnect::Disconnect;
use synexec_proto::message::Message;
use synexec_proto::wire::Frame;
use synexec_session::interrupt::Interrupt;

/// Something that happens to a client.
#[derive(Debug)]
pub enum ClientEvent {
    /// Its process starts.
    Booted,
    /// A probe of the master arrives.
    Invited,
    /// Its connection to the master is established, or the second one that it has asked for.
    Connected,
    /// The master refuses its connection.
    Refused,
    /// A message of the master arrives.
    Received(Frame),
    /// Its connection has ended.
    Disconnected(Disconnect),
    /// A message of the master arrives on its second connection.
    SecondReceived(Frame),
    /// Its second connection has ended.
    SecondEnded(Disconnect),
    /// Its host has finished some work.
    Host(HostEvent),
    /// A user sends its process a signal.
    Shutdown(Interrupt),
    /// Its own deadline has come.
    Due,
}

/// Work that a client's host, or its script, has finished. The number names the conf or the task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HostEvent {
    /// The task is held, or cannot be.
    Prepared(u32),
    /// The released task starts.
    Spawned(u32),
    /// The task ends.
    Ended(u32),
    /// Somebody kills the held task.
    HeldTaskDied,
}

/// Something that a client does.
#[derive(Debug)]
pub enum ClientAction {
    /// Connect to the master.
    Connect,
    /// Send a message on its open connection.
    Send(Message),
    /// Send bytes that are no message on its open connection.
    SendBytes(Vec<u8>),
    /// Connect to the master once more, and keep the first connection.
    ConnectSecond,
    /// Send a message on its second connection.
    SendOnSecond(Message),
    /// Close its connections, if it has any, and stop connecting.
    Close,
    /// Close its second connection, if it has one, or stop connecting.
    CloseSecond,
    /// Close its first connection. The second one takes its place, even if it is not there yet.
    UseSecond,
    /// Have its host finish some work after this time.
    Later(Duration, HostEvent),
    /// End its process.
    Exit,
}
