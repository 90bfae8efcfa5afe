//! Notices that a peer can cause again and again. The log limits them.

use synexec_host::log_limit::Kind;
use synexec_proto::disconnect::Disconnect;
use synexec_session::master::{Notice, Rivalry};

use super::text::name;

/// Lines about peers that are told at once in a session of few slaves. In a larger session there are as many as slaves.
const LINES: usize = 64;

/// The kind of a notice that a peer can cause again and again, and the peer; none for other notices. `slaves` is the
/// number of slaves of the session.
pub fn kind(notice: &Notice, slaves: usize) -> Option<(Kind, String)> {
    let peers = |name| Kind::of_peers(name, slaves.max(LINES));
    Some(match notice {
        Notice::TurnedAway { address, why } => match why {
            Some(why) if why.is_about_keys() => (of_key(why), address.ip().to_string()),
            Some(why) => (Kind::of_strangers("connections turned away"), format!("{}: {why}", address.ip())),
            None => (Kind::of_strangers("connections turned away after too long a silence"), address.ip().to_string()),
        },
        Notice::NotAdmitted { slave, why } => {
            (Kind::of_strangers("slaves turned away"), format!("{}: {why}", name(slave)))
        }
        Notice::NotNeeded { address } => (peers("connections that are not needed"), address.ip().to_string()),
        Notice::Rivalry(Rivalry::TurnedAway { address }) => {
            (peers("connections left to another master"), address.ip().to_string())
        }
        Notice::Rivalry(Rivalry::Met { theirs, .. }) => {
            (Kind::of_strangers("other masters of this session"), theirs.to_string())
        }
        Notice::Rivalry(Rivalry::Yields { to, .. }) => (peers("times that this master has yielded"), to.to_string()),
        Notice::Joined { slave, .. } => (peers("slaves that joined"), name(slave)),
        Notice::Dropped { slave, .. } => (peers("slaves that joined and are gone"), name(slave)),
        Notice::Progress { slave, .. } => (peers("reports of progress"), name(slave)),
        Notice::Late { slave, .. } => (peers("slaves that are late"), name(slave)),
        Notice::Recovered { slave, .. } => (peers("slaves that have answered late"), name(slave)),
        Notice::Away { slave, .. } => (peers("connections that broke"), name(slave)),
        Notice::Returned { slave, .. } => (peers("slaves that have reconnected"), name(slave)),
        _ => return None,
    })
}

fn of_key(why: &Disconnect) -> Kind {
    Kind::of_strangers(match why {
        Disconnect::OtherKey => "connections with another key",
        Disconnect::KeyWanted => "connections that require a key",
        _ => "connections without a key",
    })
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;
    use std::time::Duration;

    use log::Level;
    use synexec_host::log_limit::LogLimit;
    use synexec_proto::message::TaskProgress;
    use synexec_proto::time::MonotonicInstant;
    use synexec_session::master::{Loss, SlaveLabel};

    use super::*;

    /// Notices about the peer with this port, each of which a peer causes as often as it likes.
    fn notices(port: u16) -> Vec<Notice> {
        let address = SocketAddr::from(([10, 0, 0, 7], port));
        let slave = SlaveLabel::new(format!("web{port}"), address);
        let (silence, progress) = (Duration::from_secs(7), TaskProgress::default());
        let turned_away = |why| Notice::TurnedAway { address, why };
        let ours = [10, 0, 0, 1].into();
        vec![
            turned_away(None),
            turned_away(Some(Disconnect::Closed)),
            turned_away(Some(Disconnect::NoKey)),
            turned_away(Some(Disconnect::OtherKey)),
            turned_away(Some(Disconnect::KeyWanted)),
            Notice::NotNeeded { address },
            Notice::Rivalry(Rivalry::TurnedAway { address }),
            Notice::Rivalry(Rivalry::Met { theirs: u32::from(port).into(), ours, lowest: ours, goes_first: true }),
            Notice::Rivalry(Rivalry::Yields { to: ours, out_of_turn: false, released: 1 }),
            Notice::Joined { slave: slave.clone(), original: false, joined: 1, slaves: 3 },
            Notice::Dropped { slave: slave.clone(), why: Loss::NoClock, joined: 0, slaves: 3 },
            Notice::Progress { slave: slave.clone(), progress, stopped: true },
            Notice::Late { slave: slave.clone(), silence },
            Notice::Recovered { slave: slave.clone(), after: silence },
            Notice::Away { slave: slave.clone(), why: Disconnect::Closed, wait: silence },
            Notice::Returned { slave, after: silence },
        ]
    }

    #[test]
    fn no_peer_fills_the_log_whatever_it_does() {
        let (mut limit, now) = (LogLimit::new(), MonotonicInstant::from_nanos(0));
        let kinds = notices(0).len();
        let mut told = vec![0; kinds];
        for port in 0..1000 {
            for (number, notice) in notices(port).iter().enumerate() {
                let (kind, source) = kind(notice, 3).unwrap();
                told[number] += usize::from(limit.take(now, kind, Level::Info, &source));
            }
        }
        assert!(told.iter().all(|told| (1..=LINES).contains(told)), "{told:?}");
        assert_eq!(limit.rest(now).len(), kinds);
    }

    #[test]
    fn slaves_that_share_a_name_and_a_host_are_two_sources() {
        let late = |port: u16| {
            let address = SocketAddr::from(([10, 0, 0, 7], port));
            let slave = SlaveLabel { shown: format!("web@{address}"), ..SlaveLabel::new("web".into(), address) };
            kind(&Notice::Late { slave, silence: Duration::from_secs(7) }, 3).unwrap().1
        };
        assert_ne!(late(1), late(2));
    }

    #[test]
    fn a_large_session_tells_of_each_of_its_slaves() {
        let (mut limit, now) = (LogLimit::new(), MonotonicInstant::from_nanos(0));
        let joined = (0..1000)
            .filter_map(|port| notices(port).into_iter().find(|notice| matches!(notice, Notice::Joined { .. })));
        let told = joined.filter(|notice| {
            let (kind, source) = kind(notice, 1000).unwrap();
            limit.take(now, kind, Level::Info, &source)
        });
        assert_eq!(told.count(), 1000);
    }
}
