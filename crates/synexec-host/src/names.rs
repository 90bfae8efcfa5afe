//! What this host is called.

use synexec_proto::text::printable;

/// The host's name; `localhost` where it has none.
pub fn host_name() -> String {
    let name = nix::unistd::gethostname().unwrap_or_default();
    let name = printable(name.as_encoded_bytes());
    if name.is_empty() { "localhost".to_owned() } else { name }
}
