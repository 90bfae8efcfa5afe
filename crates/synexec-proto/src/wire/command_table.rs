//! The commands of the protocol. Each one is declared here and nowhere else: [`Command`](super::Command) and
//! [`Message`](crate::message::Message) follow from this table.
//!
//! Codes 0 to 10 are protocol version 1. Extensions begin at code 16. A peer receives an extension only if it announced
//! the feature of the extension. Each family of extensions has a range of codes: 16-23 the job, 24-31 the clock and the
//! start, 32-39 progress, 40-47 outputs, 48-55 encryption, 56-63 connections that are resumed.

/// Passes the table to another macro. The columns of a row are:
///
/// - the name and the code;
/// - `sender`: who sends the command, as a variant of [`Sender`](super::Sender);
/// - `feature`: the feature that the command belongs to; none for commands of version 1;
/// - `answers`: how many messages a peer may send in answer, where there are any;
/// - `data`: the type of the message's data, where there are any; and `data_feature`: the feature without which the data
///   are read past.
///
/// Commands of `link` set the connection up. They are no [`Message`](crate::message::Message).
macro_rules! with_command_table {
    ($then:ident) => {
        $then! {
            messages {
                /// The slave's hello, and its answer to a probe. The hello of a slave of this project has capabilities.
                Reply = 0 { sender: Slave, data: Option<Capabilities> }
                /// By UDP: the master invites slaves to connect. By TCP: the master asks whether the slave is there. The
                /// first one by TCP of a master of this project has capabilities.
                Probe = 1 { sender: Master, answers: 2, data: Option<Capabilities> }
                /// The whole conf.
                Conf = 2 { sender: Master, answers: 1, data: Vec<u8> }
                /// The slave accepts the conf and holds the task. An original slave does not say where.
                ConfOk = 3 { sender: Slave, data: Option<Held>, data_feature: Start }
                /// The slave declines the conf. An original slave gives no reason.
                ConfNo = 4 { sender: Slave, data: Option<Reason>, data_feature: Reasons }
                /// Start the task: at this instant of the slave's clock if GO confirms the start, or at once.
                Exec = 5 { sender: Master, answers: 2, data: Option<MonotonicInstant>, data_feature: Start }
                /// The task starts at this instant if GO confirms the start, or has started.
                ExecOk = 6 { sender: Slave, data: Option<MonotonicInstant>, data_feature: Start }
                /// The task does not start. An original slave gives no reason.
                ExecNo = 7 { sender: Slave, data: Option<Reason>, data_feature: Reasons }
                /// The task runs, with its progress. Version 1 defines the command; the original never sends it.
                Running = 8 { sender: Slave, feature: Progress, data: TaskProgress }
                /// A signal has stopped the task, with its progress. Version 1 defines the command; the original never
                /// sends it.
                Stopped = 9 { sender: Slave, feature: Progress, data: TaskProgress }
                /// The task has ended, as version 1 reports it.
                Finished = 10 { sender: Slave, data: FinishedRecord }
                /// A conf follows in parts, with the slave's place in the slaveset.
                ConfBegin = 16 { sender: Master, feature: ConfParts, answers: 1, data: ConfBegin }
                /// The next bytes of the conf.
                ConfPart = 17 { sender: Master, feature: ConfParts, data: Vec<u8> }
                /// The task has ended, and how.
                TaskEnded = 18 { sender: Slave, feature: TaskEnded, data: Box<TaskEnded> }
                /// Stop the task.
                Stop = 19 { sender: Master, feature: Stop }
                /// The master asks for the slave's time.
                ClockProbe = 24 { sender: Master, feature: Start, answers: 1, data: ClockProbe }
                /// The slave's time.
                ClockReply = 25 { sender: Slave, feature: Start, data: ClockReply }
                /// The ordered start happens. The answers are `EXEC_OK` and the end of the task.
                Go = 26 { sender: Master, feature: Start, answers: 2 }
                /// Hold the task for another round.
                Hold = 27 { sender: Master, feature: Start, answers: 1, data: Hold }
                /// The master asks for a piece of the output. Each `OUTPUT_PART` is one more answer.
                Fetch = 40 { sender: Master, feature: Outputs, answers: 2, data: Fetch }
                /// The next bytes of the output.
                OutputPart = 41 { sender: Slave, feature: Outputs, data: Vec<u8> }
                /// The answer to FETCH is complete.
                OutputMark = 42 { sender: Slave, feature: Outputs, data: OutputMark }
                /// The slave cannot give the output.
                OutputNo = 43 { sender: Slave, feature: Outputs, data: Option<Reason> }
                /// The master knows the end of the task; the slave need not report it again.
                Ack = 56 { sender: Master, feature: Resume }
                /// The session is over for the sender, who may give a reason. A connection that closes without this
                /// message has broken.
                Bye = 57 { sender: Either, feature: Resume, data: Option<Reason> }
            }
            link {
                /// The first message of a slave that has a key.
                KeyedHello = 48 { sender: Slave }
                /// The master's answer to `KEYED_HELLO`.
                KeyedReply = 49 { sender: Master }
                /// Encrypted bytes of the session.
                Sealed = 50 { sender: Either }
                /// There is no session, because the keys differ or one side has none.
                KeyedNo = 51 { sender: Either }
            }
        }
    };
}

pub(crate) use with_command_table;
