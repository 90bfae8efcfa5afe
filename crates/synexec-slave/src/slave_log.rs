//! What a slave writes into its log: a few lines a session, and not one for each attempt to find a master.

use log::Level;
use synexec_session::slave::Notice;

/// Writes notices as lines.
#[derive(Debug, Default)]
pub struct SlaveLog {
    last_failure: Option<Notice>,
}

impl SlaveLog {
    /// Writes a line. A failure that repeats, and a master that has no need of this slave, are for `-v` only.
    pub fn tell(&mut self, notice: Notice) {
        log::log!(self.level(&notice), "{notice}");
        match notice {
            Notice::ConnectFailed(_) | Notice::ListenFailed(_) => self.last_failure = Some(notice),
            Notice::Disconnected { ref why, .. } if why.is_about_keys() => self.last_failure = Some(notice),
            // Says nothing yet of a session.
            Notice::Connected(_) => {}
            _ => self.last_failure = None,
        }
    }

    fn level(&self, notice: &Notice) -> Level {
        match notice {
            _ if self.last_failure.as_ref() == Some(notice) => Level::Debug,
            Notice::Disconnected { why, .. } if why.is_about_keys() => Level::Warn,
            Notice::Connected(_) | Notice::Disconnected { configured: false, .. } => Level::Debug,
            _ => Level::Info,
        }
    }
}

#[cfg(test)]
mod tests {
    use synexec_proto::disconnect::Disconnect;

    use super::*;

    #[test]
    fn what_repeats_is_told_once() {
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
    fn a_master_that_asks_for_a_key_is_told_of_once() {
        let mut log = SlaveLog::default();
        let refused = Notice::Disconnected { why: Disconnect::KeyWanted, configured: false };
        for level in [Level::Warn, Level::Debug, Level::Debug] {
            log.tell(Notice::Connected("10.0.0.1:5165".parse().unwrap()));
            assert_eq!(log.level(&refused), level);
            log.tell(refused.clone());
        }
    }

    #[test]
    fn a_master_that_has_no_need_of_this_slave_is_no_news() {
        let over = |configured| Notice::Disconnected { why: Disconnect::Closed, configured };
        assert_eq!(SlaveLog::default().level(&over(false)), Level::Debug);
        assert_eq!(SlaveLog::default().level(&over(true)), Level::Info);
    }
}
