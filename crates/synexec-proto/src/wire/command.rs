//! What a message is: the command byte of its header.

/// The command byte. Codes 0 to 10 are protocol version 1; from 16 up are extensions, sent only to a peer that
/// announced the feature they belong to. Ranges are kept for families of extensions: 16-23 the job, 24-31 the clock
/// and the start, 32-39 progress, 40-47 outputs, 48-55 encryption, 56-63 what outlives a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Command {
    /// Slave: hello after connecting, and the answer to [`Command::Probe`].
    Reply,
    /// Master. On UDP an invitation to connect, on TCP "are you there?".
    Probe,
    /// Master: the conf, whole.
    Conf,
    /// Slave: the conf is accepted.
    ConfOk,
    /// Slave: the conf is declined.
    ConfNo,
    /// Master: start the command.
    Exec,
    /// Slave: the command is started.
    ExecOk,
    /// Slave: the command is not started.
    ExecNo,
    /// Slave: the task is running. Defined by version 1; the original never sends it.
    Running,
    /// Slave: the task is stopped by a signal. Defined by version 1; the original never sends it.
    Stopped,
    /// Slave: the command has ended, as version 1 says it.
    Finished,
    /// Master: a conf follows in parts, with the slave's place in the slaveset.
    ConfBegin,
    /// Master: the next bytes of the conf.
    ConfPart,
    /// Slave: the task has ended, and how.
    TaskEnded,
    /// Master: stop the task.
    Stop,
    /// Master: what does your clock show?
    ClockProbe,
    /// Slave: what its clock showed.
    ClockReply,
    /// Master: the ordered start happens.
    Go,
    /// Master: make the task ready once more.
    Hold,
    /// Master: give me some of the task's output.
    Fetch,
    /// Slave: the next bytes of the output.
    OutputPart,
    /// Slave: this is all for now, or all there is.
    OutputMark,
    /// Slave: the output cannot be given.
    OutputNo,
    /// Slave: the first message where it has a key.
    KeyedHello,
    /// Master: the answer to that.
    KeyedReply,
    /// Either: bytes of the session, sealed.
    Sealed,
    /// Either: there will be no session, because of the keys.
    KeyedNo,
    /// Master: the end of the task is known, and need not be told again.
    Ack,
    /// The session is over for the sender. A connection that ends without it has broken.
    Bye,
    /// A code that this revision does not know; read past.
    Unknown(u8),
}

impl From<u8> for Command {
    fn from(code: u8) -> Self {
        match code {
            0 => Self::Reply,
            1 => Self::Probe,
            2 => Self::Conf,
            3 => Self::ConfOk,
            4 => Self::ConfNo,
            5 => Self::Exec,
            6 => Self::ExecOk,
            7 => Self::ExecNo,
            8 => Self::Running,
            9 => Self::Stopped,
            10 => Self::Finished,
            16 => Self::ConfBegin,
            17 => Self::ConfPart,
            18 => Self::TaskEnded,
            19 => Self::Stop,
            24 => Self::ClockProbe,
            25 => Self::ClockReply,
            26 => Self::Go,
            27 => Self::Hold,
            40 => Self::Fetch,
            41 => Self::OutputPart,
            42 => Self::OutputMark,
            43 => Self::OutputNo,
            48 => Self::KeyedHello,
            49 => Self::KeyedReply,
            50 => Self::Sealed,
            51 => Self::KeyedNo,
            56 => Self::Ack,
            57 => Self::Bye,
            other => Self::Unknown(other),
        }
    }
}

impl From<Command> for u8 {
    fn from(command: Command) -> Self {
        match command {
            Command::Unknown(code) => code,
            Command::Reply => 0,
            Command::Probe => 1,
            Command::Conf => 2,
            Command::ConfOk => 3,
            Command::ConfNo => 4,
            Command::Exec => 5,
            Command::ExecOk => 6,
            Command::ExecNo => 7,
            Command::Running => 8,
            Command::Stopped => 9,
            Command::Finished => 10,
            Command::ConfBegin => 16,
            Command::ConfPart => 17,
            Command::TaskEnded => 18,
            Command::Stop => 19,
            Command::ClockProbe => 24,
            Command::ClockReply => 25,
            Command::Go => 26,
            Command::Hold => 27,
            Command::Fetch => 40,
            Command::OutputPart => 41,
            Command::OutputMark => 42,
            Command::OutputNo => 43,
            Command::KeyedHello => 48,
            Command::KeyedReply => 49,
            Command::Sealed => 50,
            Command::KeyedNo => 51,
            Command::Ack => 56,
            Command::Bye => 57,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Command;

    #[test]
    fn every_code_survives_the_round_trip() {
        for code in 0..=u8::MAX {
            assert_eq!(u8::from(Command::from(code)), code);
        }
    }

    #[test]
    fn version_one_codes_are_known_and_its_gap_is_not() {
        assert!((0..=10).all(|code| !matches!(Command::from(code), Command::Unknown(_))));
        assert!((11..=15).all(|code| matches!(Command::from(code), Command::Unknown(_))));
    }
}
