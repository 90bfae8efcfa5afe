//! Why a port cannot be used, for the user.

use std::io::{self, ErrorKind};

/// The first port that every user may use.
const FIRST_OF_USERS: u16 = 1024;

/// The advice for a user who cannot listen on this port because of this error, with a semicolon before it; empty if
/// there is none.
pub fn advice(port: u16, error: &io::Error) -> &'static str {
    match error.kind() {
        ErrorKind::AddrInUse => "; another program uses this port; choose another with --port",
        ErrorKind::PermissionDenied if port < FIRST_OF_USERS => {
            "; only root may use a port below 1024; choose another with --port"
        }
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_advice_fits_the_error() {
        let told = |port, kind: ErrorKind| advice(port, &kind.into());
        assert!(told(5165, ErrorKind::AddrInUse).contains("another program"));
        assert!(told(1023, ErrorKind::PermissionDenied).contains("root"));
        assert_eq!(told(1023, ErrorKind::OutOfMemory), "");
    }

    #[test]
    fn the_port_is_not_the_reason_if_every_user_may_use_it() {
        assert_eq!(advice(1024, &ErrorKind::PermissionDenied.into()), "");
    }
}
