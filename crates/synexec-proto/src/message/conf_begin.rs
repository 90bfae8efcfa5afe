//! `CONF_BEGIN`: a conf follows in parts.

use std::time::Duration;

use super::ResumeToken;
use crate::variables::{Variable, Variables};
use crate::wire::{FieldReader, FieldWriter, Fields, LayoutError};

/// Largest conf, in bytes.
pub const CONF_MAX: u64 = 1 << 30;

const RANK: u16 = 1;
const SLAVES: u16 = 2;
const LENGTH: u16 = 3;
const PROGRESS: u16 = 4;
const TOKEN: u16 = 5;
const VARIABLE: u16 = 6;
const SEPARATE: u16 = 7;
const HEARTBEAT: u16 = 8;

/// The slave's place in the slaveset, and the length of the conf that follows in `CONF_PART`s.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ConfBegin {
    /// The slave's number, from 0.
    pub rank: u32,
    /// Number of slaves in the slaveset.
    pub slaves: u32,
    /// Length of the whole conf, in bytes.
    pub length: u64,
    /// Interval at which the slave reports the progress of its task, sent in whole milliseconds; none to report it on
    /// request only.
    pub progress: Option<Duration>,
    /// The token with which the slave resumes a broken connection; none where connections are not resumed.
    pub token: Option<ResumeToken>,
    /// Variables for the environment of the task.
    pub variables: Variables,
    /// Whether the slave keeps standard output and standard error of the task apart.
    pub separate: bool,
    /// The longest time for which the master sends this slave nothing from GO to the end of the session, sent in whole
    /// milliseconds; none if the master promises nothing.
    pub heartbeat: Option<Duration>,
}

impl Fields for ConfBegin {
    fn write(&self, fields: FieldWriter) -> FieldWriter {
        let millis = |every: Duration| u32::try_from(every.as_millis()).unwrap_or(u32::MAX);
        let fields = fields
            .put_integer(RANK, self.rank)
            .put_integer(SLAVES, self.slaves)
            .put_integer(LENGTH, self.length)
            .put_some(self.progress.map(millis), |fields, millis| fields.put_integer(PROGRESS, millis))
            .put_some(self.token, |fields, token| fields.put(TOKEN, token.as_bytes()))
            .put_if(self.separate, SEPARATE, &[1])
            .put_some(self.heartbeat.map(millis), |fields, millis| fields.put_integer(HEARTBEAT, millis));
        let put_variable =
            |fields: FieldWriter, variable: &Variable| fields.put(VARIABLE, variable.to_text().as_bytes());
        self.variables.iter().fold(fields, put_variable)
    }

    fn read(fields: &FieldReader<'_>) -> Result<Self, LayoutError> {
        Ok(Self {
            rank: fields.integer(RANK)?,
            slaves: fields.integer(SLAVES)?,
            length: fields.integer(LENGTH)?,
            progress: fields.optional_integer::<u32>(PROGRESS)?.map(|millis| Duration::from_millis(millis.into())),
            token: fields.optional_array(TOKEN)?.map(ResumeToken::new),
            variables: read_variables(fields)?,
            separate: fields.optional_array(SEPARATE)? == Some([1]),
            heartbeat: fields.optional_integer::<u32>(HEARTBEAT)?.map(|millis| Duration::from_millis(millis.into())),
        })
    }
}

fn read_variables(fields: &FieldReader<'_>) -> Result<Variables, LayoutError> {
    let read = |bytes| std::str::from_utf8(bytes).ok()?.parse::<Variable>().ok();
    let variables: Option<Vec<_>> = fields.find_all(VARIABLE)?.into_iter().map(read).collect();
    variables.and_then(|variables| Variables::new(variables).ok()).ok_or(LayoutError::NotAllowed(VARIABLE))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::variables::{VARIABLES_LENGTH_MAX, VARIABLES_MAX};
    use crate::wire::DATA_MAX;

    #[test]
    fn golden_bytes() {
        let begin = ConfBegin { rank: 3, slaves: 8, length: 0x1_0000, ..ConfBegin::default() };
        let bytes =
            [&[0, 1, 0, 4, 0, 0, 0, 3][..], &[0, 2, 0, 4, 0, 0, 0, 8], &[0, 3, 0, 8, 0, 0, 0, 0, 0, 1, 0, 0]].concat();
        assert_eq!(begin.encode(), bytes);
        assert_eq!(ConfBegin::decode(&bytes), Ok(begin.clone()));
        assert_eq!(ConfBegin::decode(&bytes[..16]), Err(LayoutError::Missing(LENGTH)));
        let often = ConfBegin { progress: Some(Duration::from_millis(2500)), ..begin.clone() };
        assert_eq!(often.encode()[bytes.len()..], [0, 4, 0, 4, 0, 0, 9, 196]);
        assert_eq!(ConfBegin::decode(&often.encode()), Ok(often));
        let known = ConfBegin { token: Some(ResumeToken::new([7; 16])), ..begin.clone() };
        assert_eq!(known.encode()[bytes.len()..], [&[0, 5, 0, 16][..], &[7; 16]].concat());
        assert_eq!(ConfBegin::decode(&known.encode()), Ok(known));
        let apart = ConfBegin { separate: true, ..begin.clone() };
        assert_eq!(apart.encode()[bytes.len()..], [0, 7, 0, 1, 1]);
        assert_eq!(ConfBegin::decode(&apart.encode()), Ok(apart));
        let watched = ConfBegin { heartbeat: Some(Duration::from_secs(5)), ..begin.clone() };
        assert_eq!(watched.encode()[bytes.len()..], [0, 8, 0, 4, 0, 0, 19, 136]);
        assert_eq!(ConfBegin::decode(&watched.encode()), Ok(watched));
        let variables = Variables::new(["A=1", "B="].map(|text| text.parse().unwrap())).unwrap();
        let given = ConfBegin { variables, ..begin };
        let fields = [0, 6, 0, 3, b'A', b'=', b'1', 0, 6, 0, 2, b'B', b'='];
        assert_eq!(given.encode()[bytes.len()..], fields);
        assert_eq!(ConfBegin::decode(&given.encode()), Ok(given));
    }

    #[test]
    fn variables_that_no_user_may_set_are_an_error() {
        let begin = ConfBegin::default().encode();
        for variable in [&b"A"[..], b"=", b"SYNEXEC_RANK=7", b"A=\xff", b"A=x\0y", b"A-B=1"] {
            let bytes = FieldWriter::after(begin.clone()).put(VARIABLE, variable).finish();
            assert_eq!(ConfBegin::decode(&bytes), Err(LayoutError::NotAllowed(VARIABLE)), "{variable:?}");
        }
    }

    #[test]
    fn the_most_variables_fit_into_a_message_with_all_other_fields() {
        let full = "x".repeat(VARIABLES_LENGTH_MAX / VARIABLES_MAX - "V000=".len());
        let texts = (0..VARIABLES_MAX).map(|number| format!("V{number:03}={full}"));
        let begin = ConfBegin {
            progress: Some(Duration::from_secs(86_400)),
            token: Some(ResumeToken::new([0; 16])),
            separate: true,
            heartbeat: Some(Duration::from_secs(5)),
            variables: Variables::new(texts.map(|text| text.parse().unwrap())).unwrap(),
            ..ConfBegin::default()
        };
        assert_eq!(ConfBegin::decode(&begin.encode()), Ok(begin.clone()));
        assert!(begin.encode().len() + 1000 < DATA_MAX);
    }
}
