//! The connection by itself.

use super::*;

const START: MonotonicInstant = MonotonicInstant::from_nanos(1_000_000_000);
const MASTER: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 5165);
const TOKEN: Option<ResumeToken> = Some(ResumeToken::new([7; 16]));
const WAIT: Duration = Duration::from_secs(10);

/// A slave in a session with a master that has given it a token.
fn in_session() -> Link {
    let mut link = Link::new();
    assert_eq!(link.attempt(false), Action::Listen);
    assert_eq!(link.invited(MASTER), Some(Action::Connect(Some(MASTER))));
    assert!(link.connected(MASTER));
    link.agree(Features::ours());
    link.set_token(TOKEN);
    link
}

/// The same after its connection broke.
fn resuming() -> Link {
    let mut link = in_session();
    assert_eq!(link.resume(START, WAIT, Disconnect::Closed), Some(Action::Connect(Some(MASTER))));
    link
}

#[test]
fn events_that_are_not_awaited_change_nothing() {
    let mut link = Link::new();
    assert_eq!((link.invited(MASTER), link.connected(MASTER)), (None, false));
    assert_eq!((link.pause_listening(START), link.connect_failed(START)), (false, None));
    assert!(!link.try_recognise(START, None, Features::ours()) && link.give_up().is_none() && link.is_closed());
}

#[test]
fn nothing_is_agreed_before_the_master_has_introduced_itself() {
    let mut link = Link::new();
    assert_eq!(link.attempt(true), Action::Connect(None));
    assert!(link.is_in_use() && !link.is_open());
    assert!(link.connected(MASTER) && link.is_open() && !link.has_agreed(Feature::Resume));
    link.agree(Features::ours());
    assert!(link.has_agreed(Feature::Resume) && !link.can_be_resumed(), "there is no token yet");
    link.set_token(TOKEN);
    assert!(link.can_be_resumed() && link.token_to_show().is_none());
}

#[test]
fn a_broken_connection_is_resumed_with_the_token_of_the_session() {
    let mut link = resuming();
    assert!(link.is_resuming() && link.is_in_use() && !link.is_open());
    assert!(link.connected(MASTER) && link.is_open() && !link.has_agreed(Feature::Resume));
    assert_eq!(link.token_to_show(), TOKEN);
    assert!(!link.try_recognise(START, None, Features::ours()) && link.is_resuming());
    assert!(link.try_recognise(START, TOKEN, Features::ours()) && !link.is_resuming());
    assert!(link.has_agreed(Feature::Resume) && link.deadline().is_none());
}

#[test]
fn attempts_to_resume_repeat_until_the_time_is_over() {
    let mut link = resuming();
    assert_eq!(link.connect_failed(START), Some(AfterFailure::TriesAgain));
    let next = START.plus(RETRY_INTERVAL);
    assert_eq!(link.deadline(), Some(next));
    assert!(link.is_attempt_due(next) && !link.is_resumption_over(next));
    assert_eq!(link.attempt(false), Action::Connect(Some(MASTER)));
    assert_eq!(link.deadline(), Some(START.plus(WAIT)));
    assert!(link.is_resumption_over(START.plus(WAIT)));
    assert_eq!(link.give_up(), Some(Disconnect::Closed));
    assert!(link.is_closed() && link.give_up().is_none());
}

#[test]
fn a_connection_that_breaks_right_after_it_was_resumed_is_not_dialled_at_once() {
    let mut link = resuming();
    assert!(link.connected(MASTER) && link.try_recognise(START, TOKEN, Features::ours()));
    assert_eq!(link.resume(START, WAIT, Disconnect::Closed), None);
    assert_eq!(link.deadline(), Some(START.plus(RETRY_INTERVAL)));
}

#[test]
fn a_failed_attempt_in_discovery_is_over() {
    let mut link = Link::new();
    link.attempt(true);
    assert_eq!(link.connect_failed(START), Some(AfterFailure::Over(START.plus(RETRY_INTERVAL))));
    assert!(link.is_closed());
    link.wait(START);
    assert!(link.is_attempt_due(START));
}
