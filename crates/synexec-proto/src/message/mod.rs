//! The messages of a session: one file for each type of data.

mod capabilities;
mod clock_probe;
mod clock_reply;
mod conf_begin;
mod data;
mod error;
mod fetch;
mod finished;
mod guest;
mod held;
mod hold;
mod output_mark;
mod reason;
mod resume_token;
mod start_order;
mod task_ended;
mod task_progress;
mod task_stream;
mod usage;

pub use capabilities::Capabilities;
pub(crate) use capabilities::REVISION;
pub use clock_probe::ClockProbe;
pub use clock_reply::ClockReply;
pub use conf_begin::{CONF_MAX, ConfBegin};
pub use error::MessageError;
pub use fetch::Fetch;
pub use finished::{FINISHED_LEN, FinishedRecord};
pub use guest::Guest;
pub use held::Held;
pub use hold::Hold;
pub use output_mark::OutputMark;
pub use reason::Reason;
pub use resume_token::{ResumeToken, TOKEN_LEN};
pub use task_ended::{LAST_LINES_MAX, OutputPlace, TaskEnded};
pub use task_progress::TaskProgress;
pub use task_stream::TaskStream;
pub use usage::Usage;

use self::data::MessageData;
use crate::time::MonotonicInstant;
use crate::wire::command_table::with_command_table;
use crate::wire::{Command, Frame, FrameTooLong, LayoutError};
pub use crate::wire::{Feature, Features};

/// Fewest bytes of an `OUTPUT_PART`, except for the last one of an answer.
const OUTPUT_PART_MIN: u32 = 16 * 1024;

/// The data that a message is decoded from. The data are none where their feature is not agreed.
macro_rules! decoded {
    ($name:ident, $frame:ident, $agreed:ident) => {
        Self::$name
    };
    ($name:ident, $frame:ident, $agreed:ident, $data:ty) => {
        Self::$name(<$data>::from_frame($frame)?)
    };
    ($name:ident, $frame:ident, $agreed:ident, $data:ty, $data_feature:ident) => {
        Self::$name(if $agreed.has(Feature::$data_feature) { <$data>::from_frame($frame)? } else { None })
    };
}

/// The data that a message is encoded as.
macro_rules! encoded {
    () => {
        Vec::new()
    };
    ($data:ty, $value:ident) => {
        <$data>::to_data($value)
    };
}

/// A name for data of this type, in a pattern.
macro_rules! named {
    ($data:ty, $value:ident) => {
        $value
    };
}

macro_rules! define_message {
    (
        messages {$(
            $(#[$doc:meta])*
            $name:ident = $code:literal {
                sender: $sender:ident
                $(, feature: $feature:ident)?
                $(, answers: $answers:literal)?
                $(, data: $data:ty $(, data_feature: $data_feature:ident)?)?
            }
        )*}
        link { $($link:tt)* }
    ) => {
        /// A decoded message. Data of a message that needs none are read past, as the original programs do.
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub enum Message {
            $($(#[$doc])* $name $(($data))?,)*
            /// A message of an extension that is not agreed, of the link, or of a later revision. It is read past.
            Ignored(Command),
        }

        impl Message {
            /// The command of the message.
            pub fn command(&self) -> Command {
                match self {
                    $(Self::$name { .. } => Command::$name,)*
                    Self::Ignored(command) => *command,
                }
            }

            fn data(&self) -> Vec<u8> {
                match self {
                    $(Self::$name $((named!($data, data)))? => encoded!($($data, data)?),)*
                    Self::Ignored(_) => Vec::new(),
                }
            }

            fn read(frame: Frame, agreed: Features) -> Result<Self, LayoutError> {
                Ok(match frame.command() {
                    $(Command::$name => decoded!($name, frame, agreed $(, $data $(, $data_feature)?)?),)*
                    command => Self::Ignored(command),
                })
            }
        }
    };
}

with_command_table!(define_message);

impl Message {
    /// Reads a frame from a peer. A message of an extension that is not among the features agreed with the peer is read
    /// past.
    ///
    /// # Errors
    /// [`MessageError`] when the data do not have the layout of their command.
    pub fn decode(frame: Frame, agreed: Features) -> Result<Self, MessageError> {
        let command = frame.command();
        if command.feature().is_some_and(|feature| !agreed.has(feature)) {
            return Ok(Self::Ignored(command));
        }
        Self::read(frame, agreed).map_err(|why| MessageError { command, why })
    }

    /// Writes the message as a frame.
    ///
    /// # Errors
    /// [`FrameTooLong`] when a conf, or a part of a conf or of an output, is larger than a frame can be.
    pub fn encode(&self) -> Result<Frame, FrameTooLong> {
        Frame::new(self.command(), self.data())
    }

    /// How many messages a peer may send in answer to this one, in addition to the few that a peer may always send.
    pub fn answers(&self) -> u32 {
        let parts = if let Self::Fetch(fetch) = self { fetch.length / OUTPUT_PART_MIN } else { 0 };
        self.command().answers() + parts
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn any_frame_decodes_to_a_message_or_an_error(code: u8, data in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = Message::decode(Frame::new(Command::from(code), data).unwrap(), Features::ours());
        }

        #[test]
        fn a_decoded_message_survives_encoding(
            code in 0u8..60,
            data in prop::collection::vec(any::<u8>(), 0..60),
        ) {
            let decode = |frame| Message::decode(frame, Features::ours());
            if let Ok(message) = decode(Frame::new(Command::from(code), data).unwrap()) {
                prop_assert_eq!(decode(message.encode().unwrap()), Ok(message));
            }
        }
    }

    #[test]
    fn a_message_that_was_not_agreed_is_read_past() {
        for code in [8, 9].into_iter().chain(16..60) {
            let command = Command::from(code);
            let frame = Frame::new(command, b"whatever".to_vec()).unwrap();
            assert_eq!(Message::decode(frame, Features::NONE), Ok(Message::Ignored(command)));
        }
        let declined = Message::ConfNo(Some(Reason::new("no"))).encode().unwrap();
        assert_eq!(Message::decode(declined, Features::NONE), Ok(Message::ConfNo(None)));
    }

    #[test]
    fn data_that_are_not_needed_are_read_past() {
        let decode = |frame| Message::decode(frame, Features::ours());
        for (command, message) in [
            (Command::ConfOk, Message::ConfOk(None)),
            (Command::Exec, Message::Exec(None)),
            (Command::ExecOk, Message::ExecOk(None)),
        ] {
            let frame = Frame::new(command, b"later".to_vec()).unwrap();
            assert_eq!(Message::decode(frame, Features::NONE), Ok(message));
        }
        assert_eq!(decode(Frame::new(Command::Probe, b"stray".to_vec()).unwrap()), Ok(Message::Probe(None)));
        let long = Frame::cut(Command::Reply, vec![b'x'; 4096]).unwrap();
        assert_eq!(decode(long), Ok(Message::Reply(None)), "an original peer may send what it likes");
    }

    #[test]
    fn a_message_that_is_cut_does_not_become_another_message() {
        let decode = |command| Message::decode(Frame::cut(command, vec![0; 3]).unwrap(), Features::ours());
        for (command, why) in [
            (Command::ConfOk, LayoutError::CutOff(1)),
            (Command::Exec, LayoutError::CutOff(1)),
            (Command::ExecOk, LayoutError::CutOff(1)),
            (Command::OutputMark, LayoutError::CutOff(1)),
            (Command::OutputPart, LayoutError::TooLong),
            (Command::ConfPart, LayoutError::TooLong),
            (Command::Finished, LayoutError::TooLong),
        ] {
            assert_eq!(decode(command), Err(MessageError { command, why }));
        }
        assert_eq!(decode(Command::ConfNo), Ok(Message::ConfNo(None)));
    }
}
