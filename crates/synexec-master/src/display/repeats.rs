//! Notices that a peer can cause again and again. The log limits them.

use synexec_host::log_limit::Kind;
use synexec_proto::disconnect::Disconnect;
use synexec_session::master::{Notice, Rivalry, SlaveLabel};

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

fn name(slave: &SlaveLabel) -> String {
    format!("{} ({})", slave.name, slave.address.ip())
}
