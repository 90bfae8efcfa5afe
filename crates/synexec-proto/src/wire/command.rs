//! The command of a message: the command byte of its header.

use super::command_table::with_command_table;
use super::{Feature, Role};

/// Who sends a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Sender {
    /// The master.
    Master,
    /// The slave.
    Slave,
    /// The master and the slave.
    Either,
}

/// The first of the given values.
macro_rules! first {
    ($first:expr $(, $other:expr)*) => {
        $first
    };
}

macro_rules! define_command {
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
        link {$(
            $(#[$link_doc:meta])*
            $link_name:ident = $link_code:literal { sender: $link_sender:ident }
        )*}
    ) => {
        /// The command of a message: the command byte of its header.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Command {
            $($(#[$doc])* $name,)*
            $($(#[$link_doc])* $link_name,)*
            /// A code that this revision does not know. A receiver reads past the message.
            Unknown(u8),
        }

        impl From<u8> for Command {
            fn from(code: u8) -> Self {
                match code {
                    $($code => Self::$name,)*
                    $($link_code => Self::$link_name,)*
                    code => Self::Unknown(code),
                }
            }
        }

        impl From<Command> for u8 {
            fn from(command: Command) -> Self {
                match command {
                    $(Command::$name => $code,)*
                    $(Command::$link_name => $link_code,)*
                    Command::Unknown(code) => code,
                }
            }
        }

        impl Command {
            /// Who sends the command; none for a code that this revision does not know.
            pub const fn sender(self) -> Option<Sender> {
                match self {
                    $(Self::$name => Some(Sender::$sender),)*
                    $(Self::$link_name => Some(Sender::$link_sender),)*
                    Self::Unknown(_) => None,
                }
            }

            /// The feature that the command belongs to; none for a command of version 1, of the link, or unknown.
            pub const fn feature(self) -> Option<Feature> {
                match self {
                    $(Self::$name => first!($(Some(Feature::$feature),)? None),)*
                    _ => None,
                }
            }

            /// How many messages a peer may send in answer to this command, not counting the parts of an output.
            pub const fn answers(self) -> u32 {
                match self {
                    $(Self::$name => first!($($answers,)? 0),)*
                    _ => 0,
                }
            }
        }
    };
}

with_command_table!(define_command);

impl Command {
    /// Whether this side of a session sends the command.
    pub fn is_sent_by(self, role: Role) -> bool {
        match self.sender() {
            Some(Sender::Master) => role == Role::Master,
            Some(Sender::Slave) => role == Role::Slave,
            Some(Sender::Either) => true,
            None => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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

    #[test]
    fn a_feature_has_codes_beyond_version_one_but_for_progress() {
        for code in 0..=u8::MAX {
            let command = Command::from(code);
            let has_feature = command.feature().is_some();
            assert!(!has_feature || code >= 16 || matches!(command, Command::Running | Command::Stopped), "{code}");
        }
    }

    #[test]
    fn only_commands_of_the_master_are_answered() {
        for command in (0..=u8::MAX).map(Command::from).filter(|command| command.answers() > 0) {
            assert!(command.is_sent_by(Role::Master) && !command.is_sent_by(Role::Slave), "{command:?}");
        }
        assert!(Command::Bye.is_sent_by(Role::Master) && Command::Bye.is_sent_by(Role::Slave));
        assert!(Command::Reply.is_sent_by(Role::Slave) && !Command::Reply.is_sent_by(Role::Master));
        assert!(!Command::Unknown(99).is_sent_by(Role::Master));
    }
}
