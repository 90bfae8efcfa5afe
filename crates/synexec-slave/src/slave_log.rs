//! The slave's log: a few lines for each session, and no line for each attempt to find a master.

use log::Level;
use synexec_host::log_limit::{self, Kind};
use synexec_session::slave::Notice;

/// Lines of one kind that are told at once. A master can begin sessions and rounds as often as it likes.
const LINES: usize = 64;

/// Writes one line, or counts the line if there were many of its kind. Only `-v` shows a session that ended without a
/// conf.
pub fn tell(notice: &Notice) {
    log_limit::tell(kind(notice), level(notice), notice, notice);
}

fn level(notice: &Notice) -> Level {
    match notice {
        Notice::Disconnected { why, .. } if why.is_about_keys() || why.is_turning_away() => Level::Warn,
        Notice::OtherRank { .. } => Level::Warn,
        Notice::Connected(_) | Notice::Disconnected { configured: false, .. } => Level::Debug,
        _ => Level::Info,
    }
}

/// Whoever reaches this host without a key can cause every notice again and again.
fn kind(notice: &Notice) -> Kind {
    let name = match notice {
        Notice::ListenFailed(_) => return Kind::of_strangers("failed attempts to listen for probes"),
        Notice::ConnectFailed(_) => return Kind::of_strangers("failed attempts to connect to a master"),
        Notice::Disconnected { why, .. } if why.is_about_keys() => {
            return Kind::of_strangers("sessions that ended because of the key");
        }
        Notice::Disconnected { why, .. } if why.is_turning_away() => {
            return Kind::of_strangers("sessions that turned this slave away");
        }
        // A slave that is turned away again and again hears of its master each time.
        Notice::Commanded { .. } => return Kind::of_strangers("sessions that masters began"),
        Notice::Connected(_) => "connections to masters",
        Notice::OtherRank { .. } => "other ranks than the rank asked for",
        Notice::Accepted(_) => "accepted confs",
        Notice::Declined(_) => "declined confs",
        Notice::Refused(_) => "refused starts",
        Notice::StartsIn(_) => "ordered starts",
        Notice::Started => "started tasks",
        Notice::Ended { .. } => "ended tasks",
        Notice::Stopping | Notice::Killing => "tasks told to stop",
        Notice::Orphaned | Notice::StoppingStragglers => "tasks with processes left",
        Notice::LinkBroke { .. } => "broken connections",
        Notice::AwaitsFetch(_) => "ends that wait for a master",
        Notice::Suspicious { .. } => "silences of masters",
        Notice::Trusted => "masters heard again",
        Notice::Resumed => "resumed connections",
        Notice::NotReported(_) => "tasks that ended without a master",
        Notice::Disconnected { .. } => "sessions that are over",
    };
    Kind::of_peers(name, LINES)
}

#[cfg(test)]
mod tests {
    use synexec_proto::disconnect::Disconnect;
    use synexec_proto::message::Reason;

    use super::*;

    fn over(why: Disconnect, configured: bool) -> Notice {
        Notice::Disconnected { why, configured }
    }

    #[test]
    fn a_session_that_ends_without_a_conf_is_only_for_debugging() {
        assert_eq!(level(&over(Disconnect::Closed, false)), Level::Debug);
        assert_eq!(level(&over(Disconnect::Closed, true)), Level::Info);
    }

    #[test]
    fn a_master_that_asks_for_a_key_is_a_warning_and_told_once() {
        let refused = over(Disconnect::KeyWanted, false);
        assert_eq!(level(&refused), Level::Warn);
        assert_eq!(kind(&refused), Kind::of_strangers("sessions that ended because of the key"));
    }

    #[test]
    fn a_master_that_turns_this_slave_away_is_a_warning_and_told_once_for_each_reason() {
        let refused = over(Disconnect::TurnedAway(Reason::new("rank 3 is taken")), false);
        assert_eq!(level(&refused), Level::Warn);
        assert_eq!(kind(&refused), Kind::of_strangers("sessions that turned this slave away"));
    }

    #[test]
    fn a_master_that_cannot_be_reached_is_told_once_for_each_reason() {
        let failed = Notice::ConnectFailed("nobody there".into());
        assert_eq!(
            (kind(&failed), level(&failed)),
            (Kind::of_strangers("failed attempts to connect to a master"), Level::Info)
        );
    }
}
