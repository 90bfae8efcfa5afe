//! What this host and its user are called.

use synexec_proto::text::printable;

/// The host's name; `localhost` where it has none.
pub fn host_name() -> String {
    let name = nix::unistd::gethostname().unwrap_or_default();
    let name = printable(name.as_encoded_bytes());
    if name.is_empty() { "localhost".to_owned() } else { name }
}

/// The user whose rights this process has; its number where it has no name.
pub fn user_name() -> String {
    let user = nix::unistd::geteuid();
    nix::unistd::User::from_uid(user).ok().flatten().map_or_else(|| format!("user {user}"), |user| user.name)
}
