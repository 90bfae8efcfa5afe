//! The name of this host.

use synexec_proto::text::printable;

/// The host's name, with control characters replaced; `localhost` if the host has no name.
pub fn host_name() -> String {
    let name = nix::unistd::gethostname().unwrap_or_default();
    let name = printable(name.as_encoded_bytes());
    if name.is_empty() { "localhost".to_owned() } else { name }
}
