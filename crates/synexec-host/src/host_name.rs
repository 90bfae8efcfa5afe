//! The name of this host.

use synexec_proto::text;

/// The host's name, safe to show; `localhost` if the host has no name.
pub fn host_name() -> String {
    let name = nix::unistd::gethostname().unwrap_or_default();
    let name = text::name(name.as_encoded_bytes());
    if name.is_empty() { "localhost".to_owned() } else { name }
}
