//! The connection by itself.

use super::*;
use crate::slave::Action;

const START: MonotonicInstant = MonotonicInstant::from_nanos(1_000_000_000);
const MASTER: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 5165);
const TOKEN: Option<ResumeToken> = Some(ResumeToken::new([7; 16]));
const WAIT: Duration = Duration::from_secs(10);
const HEARTBEAT: Option<Duration> = Some(Duration::from_secs(5));
const AGAIN: Action = Action::ConnectSecond(Some(MASTER));

/// A slave in a session with a master that has given it a token.
fn in_session() -> Link {
    let mut link = Link::new();
    assert_eq!(link.attempt(false), Action::Listen);
    assert_eq!(link.invited(MASTER), Some(Action::Connect(Some(MASTER))));
    assert!(link.connected(START, MASTER));
    link.agree(Features::ours());
    link.set_terms(TOKEN, HEARTBEAT);
    link
}

/// The same after its connection broke.
fn resuming() -> Link {
    let mut link = in_session();
    let dials = [Action::Disconnect, Action::Connect(Some(MASTER))].map(Some);
    assert_eq!(link.resume(START, WAIT, Disconnect::Closed), dials);
    link
}

/// A slave in a session whose master has been silent for too long, and when it suspects its connection.
fn suspecting() -> (Link, MonotonicInstant) {
    let mut link = in_session();
    link.heard(START);
    let due = link.suspicious_at(None).unwrap();
    assert_eq!(link.suspect(due, due), Some(AGAIN));
    (link, due)
}

#[test]
fn events_that_are_not_awaited_change_nothing() {
    let mut link = Link::new();
    assert_eq!((link.invited(MASTER), link.connected(START, MASTER)), (None, false));
    assert_eq!((link.is_listening(), link.connect_failed(START)), (false, None));
    assert!(!link.try_recognise(START, None, Features::ours()) && link.give_up().is_none() && link.is_closed());
}

#[test]
fn nothing_is_agreed_before_the_master_has_introduced_itself() {
    let mut link = Link::new();
    assert_eq!(link.attempt(true), Action::Connect(None));
    assert!(link.is_in_use() && !link.is_open());
    assert!(link.connected(START, MASTER) && link.is_open() && !link.has_agreed(Feature::Resume));
    link.agree(Features::ours());
    assert!(link.has_agreed(Feature::Resume) && !link.can_be_resumed(), "there is no token yet");
    link.set_terms(TOKEN, HEARTBEAT);
    assert!(link.can_be_resumed() && link.token_to_show().is_none());
}

#[test]
fn a_broken_connection_is_resumed_with_the_token_of_the_session() {
    let mut link = resuming();
    assert!(link.is_resuming() && link.is_in_use() && !link.is_open());
    assert!(link.connected(START, MASTER) && link.is_open() && !link.has_agreed(Feature::Resume));
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
    assert!(link.connected(START, MASTER) && link.try_recognise(START, TOKEN, Features::ours()));
    assert_eq!(link.resume(START, WAIT, Disconnect::Closed), [Some(Action::Disconnect), None]);
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

#[test]
fn a_suspected_connection_stays_until_the_master_recognises_the_slave_on_the_second_one() {
    let (mut link, now) = suspecting();
    assert!(link.is_suspecting() && link.is_open() && link.has_agreed(Feature::Resume) && !link.is_resuming());
    assert_eq!((link.suspicious_at(None), link.deadline(), link.token_to_show()), (None, None, TOKEN));
    assert!(link.connected(now, MASTER) && !link.connected(now, MASTER));
    assert!(!link.try_recognise(now, None, Features::ours()) && link.is_suspecting());
    assert!(link.try_recognise(now, TOKEN, Features::ours()) && !link.is_suspecting());
    assert_eq!((link.deadline(), link.token_to_show()), (None, None));
    assert!(link.suspicious_at(None).is_some_and(|at| at > now), "the new connection is watched too");
}

#[test]
fn a_message_on_the_first_connection_ends_the_suspicion() {
    let (mut link, now) = suspecting();
    assert!(link.heard(now) && !link.heard(now) && !link.is_suspecting() && link.is_open());
    assert_eq!(link.connect_failed(now), None);
    assert!(!link.connected(now, MASTER) && !link.try_recognise(now, TOKEN, Features::ours()));
}

#[test]
fn attempts_to_make_a_second_connection_repeat_after_a_pause() {
    let (mut link, now) = suspecting();
    assert_eq!(link.connect_failed(now), Some(AfterFailure::TriesAgain));
    let next = link.deadline().unwrap();
    assert!(next > now && link.is_attempt_due(next) && !link.is_attempt_due(now));
    assert_eq!(link.attempt(true), AGAIN);
    assert!(link.connected(next, MASTER));
    let by = link.deadline().unwrap();
    assert!(by == next.plus(SECOND_TIME) && link.is_answer_overdue(by) && !link.is_answer_overdue(next));
    link.attempt_failed(by);
    assert!(!link.is_answer_overdue(by) && link.deadline().is_some_and(|at| at > by));
}

#[test]
fn the_second_connection_takes_the_place_of_a_first_one_that_breaks() {
    let (mut link, now) = suspecting();
    assert_eq!(link.resume(now, WAIT, Disconnect::Closed), [Some(Action::UseSecond), None]);
    assert!(link.is_resuming() && link.is_in_use() && !link.is_open());
    assert!(link.connected(now, MASTER) && link.try_recognise(now, TOKEN, Features::ours()));

    let (mut link, now) = suspecting();
    link.connect_failed(now);
    let dials = [Action::Disconnect, Action::Connect(Some(MASTER))].map(Some);
    assert_eq!(link.resume(now, WAIT, Disconnect::Closed), dials);
}

#[test]
fn a_connection_is_suspected_only_if_the_session_can_be_resumed_and_the_slave_was_not_stopped() {
    let mut link = in_session();
    link.heard(START);
    let due = link.suspicious_at(None).unwrap();
    assert_eq!(link.suspect(due.plus(WAIT), due), None);
    link.set_terms(TOKEN, None);
    assert_eq!(link.suspicious_at(None), None);
    link.set_terms(None, HEARTBEAT);
    assert_eq!(link.suspicious_at(None), None);
    let mut link = resuming();
    assert_eq!((link.suspicious_at(None), link.suspect(START, START)), (None, None));
}
