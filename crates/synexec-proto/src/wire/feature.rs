//! The extensions to protocol version 1, each with a bit in the capability block.

macro_rules! features {
    ($($(#[$doc:meta])* $name:ident = $bit:literal;)*) => {
        /// An extension to protocol version 1. A session uses the extension only where both peers announce it.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Feature {
            $($(#[$doc])* $name,)*
        }

        impl Feature {
            const ALL: &[Self] = &[$(Self::$name),*];

            const fn mask(self) -> u64 {
                match self {
                    $(Self::$name => 1 << $bit,)*
                }
            }
        }
    };
}

features! {
    /// `CONF_BEGIN` and `CONF_PART`: a conf of any size, with the slave's rank.
    ConfParts = 0;
    /// `CONF_NO` and `EXEC_NO` carry a reason.
    Reasons = 1;
    /// `TASK_ENDED` in place of FINISHD: how the task ended.
    TaskEnded = 2;
    /// STOP: the master can have the task stopped.
    Stop = 3;
    /// A start at one instant: the master measures the slave's clock, EXEC carries the instant, GO confirms the start, and
    /// HOLD makes the slave hold the task for another round.
    Start = 4;
    /// RUNNING and STOPPED tell the progress of the task.
    Progress = 5;
    /// FETCH, `OUTPUT_PART`, `OUTPUT_MARK`, `OUTPUT_NO`: the master can fetch the task's output.
    Outputs = 6;
    /// A connection that breaks while the task runs is resumed: ACK, BYE, and a token in the capability block.
    Resume = 7;
    /// `CONF_BEGIN` carries variables for the environment of the task.
    Environment = 8;
    /// `CONF_BEGIN` asks for separate streams, and FETCH names the stream.
    Streams = 9;
}

/// A set of features.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Features(u64);

impl Features {
    /// The features of an original peer.
    pub const NONE: Self = Self(0);

    /// All features of this revision.
    pub fn ours() -> Self {
        Self(Feature::ALL.iter().fold(0, |bits, feature| bits | feature.mask()))
    }

    /// The set with these bits. Bits of later revisions are kept.
    pub(crate) const fn from_bits(bits: u64) -> Self {
        Self(bits)
    }

    /// One bit for each feature of the set.
    pub(crate) const fn bits(self) -> u64 {
        self.0
    }

    /// Whether the set has the feature.
    pub fn has(self, feature: Feature) -> bool {
        self.0 & feature.mask() != 0
    }

    /// The features that both peers have.
    #[must_use]
    pub fn agreed_with(self, peer: Self) -> Self {
        Self(self.0 & peer.0)
    }
}
