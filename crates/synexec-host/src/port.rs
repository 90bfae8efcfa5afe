//! Why a port cannot be used, for the user.

use std::io::{self, ErrorKind};

/// The advice for a user whose port gave this error, with a semicolon before it; empty if there is none.
pub fn advice(error: &io::Error) -> &'static str {
    match error.kind() {
        ErrorKind::AddrInUse => "; another program uses this port; choose another with --port",
        ErrorKind::PermissionDenied => "; only root may use a port below 1024; choose another with --port",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_advice_fits_the_error() {
        let told = |kind: ErrorKind| advice(&kind.into());
        assert!(told(ErrorKind::AddrInUse).contains("another program"));
        assert!(told(ErrorKind::PermissionDenied).contains("root"));
        assert_eq!(told(ErrorKind::OutOfMemory), "");
    }
}
