//! The slave's log: a few lines for each session, and no line for each attempt to find a master.

use log::Level;
use synexec_proto::disconnect::Disconnect;
use synexec_session::slave::Notice;

/// Writes notices to the log.
#[derive(Debug, Default)]
pub struct SlaveLog {
    last_failure: Option<Notice>,
}

impl SlaveLog {
    /// Writes one line. Only `-v` shows a failure that repeats, or a session that ended without a conf.
    pub fn tell(&mut self, notice: Notice) {
        log::log!(self.level(&notice), "{notice}");
        match notice {
            Notice::ConnectFailed(_) | Notice::ListenFailed(_) => self.last_failure = Some(notice),
            Notice::Disconnected { ref why, .. } if is_for_the_user(why) => self.last_failure = Some(notice),
            // A connection alone is not a success: the master may still refuse the key, or turn this slave away again.
            Notice::Connected(_) => {}
            Notice::Commanded { .. } if self.was_turned_away() => {}
            _ => self.last_failure = None,
        }
    }

    fn was_turned_away(&self) -> bool {
        matches!(&self.last_failure, Some(Notice::Disconnected { why, .. }) if why.is_turning_away())
    }

    fn level(&self, notice: &Notice) -> Level {
        match notice {
            _ if self.last_failure.as_ref() == Some(notice) => Level::Debug,
            Notice::Disconnected { why, .. } if is_for_the_user(why) => Level::Warn,
            Notice::OtherRank { .. } => Level::Warn,
            Notice::Commanded { .. } if self.was_turned_away() => Level::Debug,
            Notice::Connected(_) | Notice::Disconnected { configured: false, .. } => Level::Debug,
            _ => Level::Info,
        }
    }
}

/// Whether the slave is in no session until its user, or the master's, changes something.
fn is_for_the_user(why: &Disconnect) -> bool {
    why.is_about_keys() || why.is_turning_away()
}

#[cfg(test)]
mod tests {
    use synexec_proto::message::Reason;

    use super::*;

    #[test]
    fn a_failure_that_repeats_is_told_once() {
        let mut log = SlaveLog::default();
        let failure = Notice::ConnectFailed("nobody there".into());
        assert_eq!(log.level(&failure), Level::Info);
        log.tell(failure.clone());
        assert_eq!(log.level(&failure), Level::Debug);
        assert_eq!(log.level(&Notice::ConnectFailed("another reason".into())), Level::Info);
        log.tell(Notice::Started);
        assert_eq!(log.level(&failure), Level::Info);
    }

    #[test]
    fn a_master_that_asks_for_a_key_is_reported_once() {
        let mut log = SlaveLog::default();
        let refused = Notice::Disconnected { why: Disconnect::KeyWanted, configured: false };
        for level in [Level::Warn, Level::Debug, Level::Debug] {
            log.tell(Notice::Connected("10.0.0.1:5165".parse().unwrap()));
            assert_eq!(log.level(&refused), level);
            log.tell(refused.clone());
        }
    }

    #[test]
    fn a_master_that_turns_this_slave_away_again_and_again_is_reported_once() {
        let mut log = SlaveLog::default();
        let why = |rank| Disconnect::TurnedAway(Reason::new(&format!("rank {rank} is taken")));
        let over = |rank| Notice::Disconnected { why: why(rank), configured: false };
        let commanded = Notice::Commanded { by: "control".into() };
        for (rank, commanded_at, over_at) in
            [(3, Level::Info, Level::Warn), (3, Level::Debug, Level::Debug), (4, Level::Debug, Level::Warn)]
        {
            log.tell(Notice::Connected("10.0.0.1:5165".parse().unwrap()));
            assert_eq!(log.level(&commanded), commanded_at, "{rank}");
            log.tell(commanded.clone());
            assert_eq!(log.level(&over(rank)), over_at, "{rank}");
            log.tell(over(rank));
        }
        log.tell(Notice::Started);
        assert_eq!(log.level(&commanded), Level::Info);
    }

    #[test]
    fn a_session_that_ends_without_a_conf_is_only_for_debugging() {
        let over = |configured| Notice::Disconnected { why: Disconnect::Closed, configured };
        assert_eq!(SlaveLog::default().level(&over(false)), Level::Debug);
        assert_eq!(SlaveLog::default().level(&over(true)), Level::Info);
    }
}
