//! Variables that the user gives to the environment of all tasks.

use std::str::FromStr;
use std::sync::Arc;

use thiserror::Error;

/// Most variables of a session.
pub const VARIABLES_MAX: usize = 256;

/// Most bytes of all variables of a session, each as `NAME=VALUE`. With the heads of their fields and all other fields of
/// `CONF_BEGIN`, they fit into one message.
pub const VARIABLES_LENGTH_MAX: usize = 60_000;

/// Names that begin with this belong to synexec itself, and no user can set them.
pub const OWN_PREFIX: &str = "SYNEXEC_";

/// A variable of the environment, with its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Variable {
    name: String,
    value: String,
}

/// A text that is no `NAME=VALUE` for a task.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum VariableError {
    /// The text has no `=`.
    #[error("give the value too, as NAME=VALUE")]
    NoValue,
    /// The name has other characters than a name may have, or none.
    #[error("`{0}` is no name of a variable; a name has letters, digits and `_`, and does not begin with a digit")]
    Name(String),
    /// The name belongs to synexec.
    #[error("{OWN_PREFIX} is the beginning of synexec's own variables; choose another name")]
    Own,
    /// The value has a NUL character, which ends a variable.
    #[error("a value cannot have a NUL character")]
    Nul,
}

/// Variables that do not fit into one message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum VariablesError {
    /// There are too many.
    #[error("{0} variables are too many; a session can have at most {VARIABLES_MAX}")]
    TooMany(usize),
    /// They are too long together.
    #[error("the variables have {0} bytes together; at most {VARIABLES_LENGTH_MAX} bytes can be sent")]
    TooLong(usize),
}

impl Variable {
    /// The name: letters, digits and `_`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The value: any text without NUL.
    pub fn value(&self) -> &str {
        &self.value
    }

    /// The variable as `NAME=VALUE`.
    pub fn to_text(&self) -> String {
        format!("{}={}", self.name, self.value)
    }
}

impl FromStr for Variable {
    type Err = VariableError;

    fn from_str(text: &str) -> Result<Self, VariableError> {
        let (name, value) = text.split_once('=').ok_or(VariableError::NoValue)?;
        if !is_name(name) {
            return Err(VariableError::Name(name.to_owned()));
        }
        if name.starts_with(OWN_PREFIX) {
            return Err(VariableError::Own);
        }
        if value.contains('\0') {
            return Err(VariableError::Nul);
        }
        Ok(Self { name: name.to_owned(), value: value.to_owned() })
    }
}

/// Whether this is a name as POSIX defines it (Base Definitions, section 3.216).
fn is_name(name: &str) -> bool {
    let is_letter = |c: char| c.is_ascii_alphanumeric() || c == '_';
    name.chars().all(is_letter) && name.chars().next().is_some_and(|first| !first.is_ascii_digit())
}

/// The variables of a session. Each name occurs once. Copies share their memory, since all slaves get the same variables.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Variables(Arc<[Variable]>);

impl Variables {
    /// The variables in their order. If a name occurs more than once, its last value counts.
    ///
    /// # Errors
    /// [`VariablesError`] when the variables do not fit into one message.
    pub fn new(given: impl IntoIterator<Item = Variable>) -> Result<Self, VariablesError> {
        let mut variables: Vec<Variable> = Vec::new();
        for variable in given {
            match variables.iter_mut().find(|known| known.name == variable.name) {
                Some(known) => *known = variable,
                None => variables.push(variable),
            }
            if variables.len() > VARIABLES_MAX {
                return Err(VariablesError::TooMany(variables.len()));
            }
        }
        let length = variables.iter().map(|variable| variable.name.len() + "=".len() + variable.value.len()).sum();
        if length > VARIABLES_LENGTH_MAX {
            return Err(VariablesError::TooLong(length));
        }
        Ok(Self(variables.into()))
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The variables, in the order in which their names were given first.
    pub fn iter(&self) -> impl Iterator<Item = &Variable> {
        self.0.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variables(texts: &[&str]) -> Result<Variables, VariablesError> {
        Variables::new(texts.iter().map(|text| text.parse().unwrap()))
    }

    #[test]
    fn everything_after_the_first_equals_sign_is_the_value() {
        for (text, name, value) in [("A=b=c", "A", "b=c"), ("_x9=", "_x9", ""), ("P=a\nb ä", "P", "a\nb ä")] {
            let variable: Variable = text.parse().unwrap();
            assert_eq!((variable.name(), variable.value(), variable.to_text().as_str()), (name, value, text));
        }
    }

    #[test]
    fn only_names_of_the_users_own_variables_are_taken() {
        for (text, why) in [
            ("A", "NAME=VALUE"),
            ("", "NAME=VALUE"),
            ("=x", "``"),
            ("9A=x", "`9A`"),
            ("A B=x", "`A B`"),
            ("Ä=x", "`Ä`"),
            ("SYNEXEC_RANK=7", "own"),
            ("SYNEXEC_=7", "own"),
            ("A=x\0y", "NUL"),
        ] {
            let error = text.parse::<Variable>().unwrap_err().to_string();
            assert!(error.contains(why), "{text:?}: {error}");
        }
        assert!("SYNEXEC=7".parse::<Variable>().is_ok());
    }

    #[test]
    fn the_last_value_of_a_name_counts() {
        let texts: Vec<_> = variables(&["A=1", "B=2", "A=3"]).unwrap().iter().map(Variable::to_text).collect();
        assert_eq!(texts, ["A=3", "B=2"]);
    }

    #[test]
    fn number_and_length_are_bounded() {
        let named = |count: usize| (0..count).map(|number| format!("V{number}=").parse().unwrap()).collect::<Vec<_>>();
        assert!(Variables::new(named(VARIABLES_MAX)).is_ok());
        assert_eq!(Variables::new(named(VARIABLES_MAX + 1)), Err(VariablesError::TooMany(VARIABLES_MAX + 1)));
        let long = |length: usize| format!("A={}", "x".repeat(length - 2));
        assert!(variables(&[&long(VARIABLES_LENGTH_MAX)]).is_ok());
        let length = VARIABLES_LENGTH_MAX + 1;
        assert_eq!(variables(&[&long(length)]), Err(VariablesError::TooLong(length)));
    }
}
