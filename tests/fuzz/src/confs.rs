//! The conf: its grammar, and its transfer in parts.

use std::ffi::OsStr;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use arbitrary::{Arbitrary, Result, Unstructured};
use synexec_proto::conf::{COMMAND_LINE_MAX, CommandLine, ConfError, ConfSplitter};
use synexec_proto::message::{Capabilities, ConfBegin, Message};
use synexec_proto::wire::{Command, Frame};
use synexec_session::slave::{Action, Event, Slave};

use crate::{draw, memory};
use synexec_sim::{Plan, START};

/// Bytes of the largest conf that the slave accepts.
const LARGEST: u64 = 500;

/// Checks that a conf in pieces is split like the whole conf. The first byte of the input is the length of the pieces.
pub fn conf(data: &[u8]) {
    let Some((piece, conf)) = data.split_first() else { return };
    let (mut splitter, mut payload) = (ConfSplitter::default(), Vec::new());
    for piece in conf.chunks(usize::from(*piece).max(1)) {
        let Ok(bytes) = splitter.feed(piece) else { return };
        payload.extend_from_slice(bytes);
    }
    let end = conf.iter().position(|byte| *byte == b'\n');
    let line = &conf[..end.unwrap_or(conf.len())];
    assert_eq!(payload, end.map_or(&[][..], |end| &conf[end + 1..]));
    assert_eq!(
        splitter.line_length() + splitter.payload_length(),
        u64::try_from(conf.len()).expect("the value is small")
    );
    assert!(line.len() <= COMMAND_LINE_MAX);
    match splitter.finish() {
        Err(ConfError::NoPayload) => assert!(payload.is_empty()),
        Err(ConfError::PayloadByteOrderMark | ConfError::InterpreterLineEnd) => {
            assert!(CommandLine::parse(line).is_ok_and(|line| line.runs_payload()) && payload.len() >= 2);
        }
        whole => assert_eq!(whole, CommandLine::parse(line)),
    }
    if let Ok(line) = CommandLine::parse(line) {
        assert_can_be_run(&line);
    }
}

/// Checks that the program has a path and a name, and that each argument is a word of the line or the path of the
/// payload.
fn assert_can_be_run(line: &CommandLine) {
    let payload = Path::new("/work/payload");
    let (program, arguments) = (line.program(payload), line.arguments(payload));
    let program_bytes = program.as_os_str().as_bytes();
    assert!(program_bytes.contains(&b'/') && !program_bytes.ends_with(b"/"));
    assert_eq!(arguments.len(), line.words().len());
    assert!(!arguments[0].is_empty() && !arguments[0].as_bytes().contains(&b'/'));
    for (argument, word) in arguments.iter().zip(line.words()).skip(1) {
        assert_eq!(argument, if word == ":CONF:" { OsStr::new("/work/payload") } else { word });
    }
    assert_eq!(line.runs_payload(), program == payload && line.words()[0] == ":CONF:");
    let _ = (line.shell_signs(), line.is_relative(), line.names_payload());
}

/// Checks that a slave stores exactly the announced bytes of each conf and answers each conf once. The confs come
/// whole or in parts, in any order, with too many parts or too few.
pub fn conf_parts(data: &[u8]) {
    let mut trial = Parts::new();
    let mut input = Unstructured::new(data);
    while let Ok(frame) = frame(&mut input) {
        // The slave copies the data when it stores them.
        let most = 4096 + 4 * frame.data().len();
        memory::within(most, || trial.receive(frame));
    }
}

fn frame(input: &mut Unstructured<'_>) -> Result<Frame> {
    let small = |input: &mut Unstructured<'_>| input.int_in_range(0..=600_u64);
    if input.is_empty() {
        return Err(arbitrary::Error::NotEnoughData);
    }
    let message = match input.int_in_range(0..=7)? {
        0 | 1 => begin(small(input)?),
        2 => begin(u64::arbitrary(input)?),
        3..=5 => Message::ConfPart(draw::bytes(input)?),
        6 => Message::Conf(draw::bytes(input)?),
        _ => return Ok(Frame::new(Command::ConfBegin, draw::bytes(input)?).expect("the value is small")),
    };
    Ok(message.encode().expect("the value is small"))
}

fn begin(length: u64) -> Message {
    Message::ConfBegin(ConfBegin { slaves: 1, length, ..ConfBegin::default() })
}

struct Parts {
    slave: Slave,
    /// Number of bytes of the conf that are still to be stored.
    left: Option<u64>,
}

impl Parts {
    fn new() -> Self {
        let master = SocketAddr::from((Ipv4Addr::LOCALHOST, 5165));
        let plan = Plan { max_conf: LARGEST, ..Plan::default() };
        let mut slave = Slave::new(plan.settings("vm"), START);
        slave.handle(START, Event::Invited { master });
        slave.handle(START, Event::Connected { master });
        let mut this = Self { slave, left: None };
        this.receive(
            Message::Probe(Some(Capabilities::ours("control"))).encode().expect("the message fits into a frame"),
        );
        this
    }

    fn receive(&mut self, frame: Frame) {
        if frame.command() == Command::Conf {
            self.left = Some(u64::try_from(frame.data().len()).expect("the value is small"));
        }
        self.slave.handle(START, Event::Received { frame, at: START });
        let mut answers = 0;
        while let Some(action) = self.slave.next_action() {
            match action {
                Action::BeginConf(begin) => {
                    assert!(
                        begin.as_ref().is_none_or(|begin| begin.length <= LARGEST),
                        "the conf is larger than the limit"
                    );
                    self.left = begin.map(|begin| begin.length).or(self.left);
                }
                Action::StoreConf(bytes) => self.store(&bytes),
                Action::EndConf => assert_eq!(self.left.take(), Some(0), "an incomplete conf ended"),
                Action::Send(Message::ConfNo(_)) => answers += 1,
                Action::Release { .. } | Action::Send(Message::ConfOk(_)) => panic!("{action:?} without Prepared"),
                _ => {}
            }
        }
        assert!(answers <= 1, "the slave answered twice");
    }

    fn store(&mut self, bytes: &[u8]) {
        let left = self.left.expect("no conf has begun");
        let length = u64::try_from(bytes.len()).expect("the value is small");
        self.left = Some(left.checked_sub(length).expect("the slave stores more bytes than announced"));
    }
}
