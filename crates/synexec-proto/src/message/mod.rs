//! The messages of a session, one file for each that has data of its own.

mod capabilities;
mod clock_probe;
mod clock_reply;
mod conf_begin;
mod evidence;
mod fetch;
mod finished;
mod held;
mod hold;
mod output_mark;
mod reason;
mod resume_token;
mod start_order;
mod task_ended;
mod task_progress;

use thiserror::Error;

pub(crate) use capabilities::REVISION;
pub use capabilities::{Capabilities, Feature, Features};
pub use clock_probe::ClockProbe;
pub use clock_reply::ClockReply;
pub use conf_begin::{CONF_MAX, ConfBegin};
pub use evidence::{Guest, Usage};
pub use fetch::Fetch;
pub use finished::{FINISHED_LEN, FinishedRecord};
pub use held::Held;
pub use hold::Hold;
pub use output_mark::OutputMark;
pub use reason::Reason;
pub use resume_token::{ResumeToken, TOKEN_LEN};
pub use task_ended::{OutputPlace, TaskEnded};
pub use task_progress::TaskProgress;

use crate::time::MonotonicInstant;
use crate::wire::{Command, FieldError, Frame, FrameTooLong};

/// Fewest bytes of a part of an output, but for the last one of what was asked for.
const OUTPUT_PART_MIN: u32 = 16 * 1024;

/// A message, decoded. Data on messages that need none are read past, as the original peers do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    /// Hello, or "I am here". The hello of a slave of ours carries capabilities.
    Reply(Option<Capabilities>),
    /// "Are you there?". The first one from a master of ours carries capabilities.
    Probe(Option<Capabilities>),
    /// The conf, whole.
    Conf(Vec<u8>),
    /// The conf is accepted, and the task held; an original slave does not say how.
    ConfOk(Option<Held>),
    /// The conf is declined; an original slave does not say why.
    ConfNo(Option<Reason>),
    /// Start the command: at this instant of the slave's clock once [`Message::Go`] has come, or at once.
    Exec(Option<MonotonicInstant>),
    /// It will start at this instant if told to go, or it is started.
    ExecOk(Option<MonotonicInstant>),
    /// It is not started; an original slave does not say why.
    ExecNo(Option<Reason>),
    /// The command has ended, to or from an original peer.
    Finished(FinishedRecord),
    /// A conf follows in parts.
    ConfBegin(ConfBegin),
    /// The next bytes of the conf.
    ConfPart(Vec<u8>),
    /// The task has ended, and how.
    TaskEnded(TaskEnded),
    /// Stop the task.
    Stop,
    /// What does your clock show?
    ClockProbe(ClockProbe),
    /// What it showed.
    ClockReply(ClockReply),
    /// The ordered start happens.
    Go,
    /// Make the task ready once more.
    Hold(Hold),
    /// The task runs, and is so far.
    Running(TaskProgress),
    /// The task is stopped by a signal, and is so far.
    Stopped(TaskProgress),
    /// Give me some of the output.
    Fetch(Fetch),
    /// The next bytes of the output.
    OutputPart(Vec<u8>),
    /// The answer to a fetch is complete.
    OutputMark(OutputMark),
    /// The output cannot be given.
    OutputNo(Option<Reason>),
    /// The task's end is known.
    Ack,
    /// The session is over for the sender.
    Bye,
    /// A message that is read past.
    Ignored(Command),
}

/// Data that the peer's own announcement says it should have written differently.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum MessageError {
    /// A FINISHD that is not 48 bytes long.
    #[error("its FINISHD has {0} bytes of data, not {FINISHED_LEN}")]
    FinishedLength(usize),
    /// Fields that cannot be read.
    #[error("its {command:?} cannot be read: {why}")]
    Fields {
        /// The message.
        command: Command,
        /// What is wrong with its data.
        why: FieldError,
    },
}

impl Message {
    /// Reads a frame from a peer with which these features are agreed; an extension beyond them is read past.
    ///
    /// # Errors
    /// [`MessageError`] when the data do not have the layout of their command.
    pub fn decode(frame: Frame, agreed: Features) -> Result<Self, MessageError> {
        let command = frame.command();
        if Feature::of(command).is_some_and(|feature| !agreed.has(feature)) {
            return Ok(Self::Ignored(command));
        }
        let reason = |data| if agreed.has(Feature::Reasons) { Reason::decode(data) } else { None };
        let fields = |why| MessageError::Fields { command, why };
        let instant = |data| if agreed.has(Feature::Start) { start_order::decode(data) } else { Ok(None) };
        let held = |data| if agreed.has(Feature::Start) { Held::decode(data) } else { Ok(None) };
        Ok(match command {
            Command::Reply => Self::Reply(Capabilities::decode(frame.data()).map_err(fields)?),
            Command::Probe => Self::Probe(Capabilities::decode(frame.data()).map_err(fields)?),
            Command::Conf => Self::Conf(frame.into_data()),
            Command::ConfOk => Self::ConfOk(held(frame.data()).map_err(fields)?),
            Command::ConfNo => Self::ConfNo(reason(frame.data())),
            Command::Exec => Self::Exec(instant(frame.data()).map_err(fields)?),
            Command::ExecOk => Self::ExecOk(instant(frame.data()).map_err(fields)?),
            Command::ExecNo => Self::ExecNo(reason(frame.data())),
            Command::Finished => Self::Finished(FinishedRecord::decode(frame.data())?),
            Command::ConfBegin => Self::ConfBegin(ConfBegin::decode(frame.data()).map_err(fields)?),
            Command::ConfPart => Self::ConfPart(frame.into_data()),
            Command::TaskEnded => Self::TaskEnded(TaskEnded::decode(frame.data()).map_err(fields)?),
            Command::Stop => Self::Stop,
            Command::ClockProbe => Self::ClockProbe(ClockProbe::decode(frame.data()).map_err(fields)?),
            Command::ClockReply => Self::ClockReply(ClockReply::decode(frame.data()).map_err(fields)?),
            Command::Go => Self::Go,
            Command::Hold => Self::Hold(Hold::decode(frame.data()).map_err(fields)?),
            Command::Running => Self::Running(TaskProgress::decode(frame.data()).map_err(fields)?),
            Command::Stopped => Self::Stopped(TaskProgress::decode(frame.data()).map_err(fields)?),
            Command::Fetch => Self::Fetch(Fetch::decode(frame.data()).map_err(fields)?),
            Command::OutputPart => Self::OutputPart(frame.into_data()),
            Command::OutputMark => Self::OutputMark(OutputMark::decode(frame.data()).map_err(fields)?),
            Command::OutputNo => Self::OutputNo(Reason::decode(frame.data())),
            Command::Ack => Self::Ack,
            Command::Bye => Self::Bye,
            Command::KeyedHello | Command::KeyedReply | Command::Sealed | Command::KeyedNo | Command::Unknown(_) => {
                Self::Ignored(command)
            }
        })
    }

    /// How many messages a peer may send in answer to this one, beyond the few that it may always send.
    pub fn answers(&self) -> u32 {
        match self {
            Self::ClockProbe(_) | Self::Conf(_) | Self::ConfBegin(_) | Self::Hold(_) => 1,
            // Two for those that order a start: what confirms it, and the end of the task.
            Self::Probe(_) | Self::Exec(_) | Self::Go => 2,
            Self::Fetch(fetch) => 2 + fetch.length / OUTPUT_PART_MIN,
            _ => 0,
        }
    }

    /// Writes the message as a frame.
    ///
    /// # Errors
    /// [`FrameTooLong`] when a conf, or a part of one or of an output, is larger than a frame can be.
    pub fn encode(&self) -> Result<Frame, FrameTooLong> {
        Ok(match self {
            Self::Reply(capabilities) => Frame::new(Command::Reply, Capabilities::encode(capabilities.as_ref()))?,
            Self::Probe(capabilities) => Frame::new(Command::Probe, Capabilities::encode(capabilities.as_ref()))?,
            Self::Conf(conf) => Frame::new(Command::Conf, conf.clone())?,
            Self::ConfOk(held) => Frame::new(Command::ConfOk, Held::encode(*held))?,
            Self::ConfNo(reason) => Frame::new(Command::ConfNo, Reason::encode(reason.as_ref()))?,
            Self::Exec(at) => Frame::new(Command::Exec, start_order::encode(*at))?,
            Self::ExecOk(at) => Frame::new(Command::ExecOk, start_order::encode(*at))?,
            Self::ExecNo(reason) => Frame::new(Command::ExecNo, Reason::encode(reason.as_ref()))?,
            Self::Finished(record) => Frame::new(Command::Finished, record.encode().to_vec())?,
            Self::ConfBegin(begin) => Frame::new(Command::ConfBegin, begin.encode())?,
            Self::ConfPart(bytes) => Frame::new(Command::ConfPart, bytes.clone())?,
            Self::TaskEnded(ended) => Frame::new(Command::TaskEnded, ended.encode())?,
            Self::Stop => Frame::bare(Command::Stop),
            Self::ClockProbe(probe) => Frame::new(Command::ClockProbe, probe.encode())?,
            Self::ClockReply(reply) => Frame::new(Command::ClockReply, reply.encode())?,
            Self::Go => Frame::bare(Command::Go),
            Self::Hold(hold) => Frame::new(Command::Hold, hold.encode())?,
            Self::Running(progress) => Frame::new(Command::Running, progress.encode())?,
            Self::Stopped(progress) => Frame::new(Command::Stopped, progress.encode())?,
            Self::Fetch(fetch) => Frame::new(Command::Fetch, fetch.encode())?,
            Self::OutputPart(bytes) => Frame::new(Command::OutputPart, bytes.clone())?,
            Self::OutputMark(mark) => Frame::new(Command::OutputMark, mark.encode())?,
            Self::OutputNo(reason) => Frame::new(Command::OutputNo, Reason::encode(reason.as_ref()))?,
            Self::Ack => Frame::bare(Command::Ack),
            Self::Bye => Frame::bare(Command::Bye),
            Self::Ignored(command) => Frame::bare(*command),
        })
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
        fn what_was_decoded_encodes_to_something_that_decodes_the_same(
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
    fn what_was_not_agreed_is_read_past() {
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
    }
}
