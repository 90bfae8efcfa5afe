//! A session as a whole: discovery before it, its end, and the end of the program.

use std::net::SocketAddr;
use std::time::Duration;

use super::{Shutdown, Slave};
use crate::interrupt::Interrupt;
use crate::slave::link::{AfterFailure, RETRY_INTERVAL};
use crate::slave::shunned::{SHUN_TIME, WAY_TIME};
use crate::slave::{Action, ExitCause, Notice, SlaveSettings};
use synexec_proto::disconnect::Disconnect;
use synexec_proto::message::{Capabilities, Feature, Message};
use synexec_proto::time::MonotonicInstant;

/// How long a program that is to end waits for its master to fetch the output of the task that has ended.
const LAST_FETCH_TIME: Duration = Duration::from_secs(10);

impl Slave {
    /// Goes back to discovery: listens at once, or dials at this instant.
    pub(super) fn discover(&mut self, dial_at: MonotonicInstant) {
        self.link.wait(dial_at);
        if !self.settings.dials {
            self.attempt();
        }
    }

    /// Dials or listens now.
    pub(super) fn attempt(&mut self) {
        let action = self.link.attempt(self.settings.dials);
        self.push(action);
    }

    /// A probe of this master was heard. A master that has turned this slave away is not answered for a while.
    pub(super) fn invited(&mut self, now: MonotonicInstant, master: SocketAddr) {
        if !self.shunned.is_shunned(now, master) {
            self.actions.extend(self.link.invited(master));
        } else if self.link.is_listening() {
            if self.shunned.ignore(now, master) {
                self.link.wait(now.plus(WAY_TIME));
                self.push(Action::Disconnect);
            } else {
                self.attempt();
            }
        }
    }

    pub(super) fn listen_failed(&mut self, now: MonotonicInstant, why: String) {
        if self.link.is_listening() {
            self.link.wait(now.plus(RETRY_INTERVAL));
            self.tell(Notice::ListenFailed(why));
        }
    }

    pub(super) fn connect_failed(&mut self, now: MonotonicInstant, why: String) {
        if let Some(after) = self.link.connect_failed(now) {
            self.tell(Notice::ConnectFailed(why));
            self.after_failure(now, after);
        }
    }

    pub(super) fn after_failure(&mut self, now: MonotonicInstant, after: AfterFailure) {
        match after {
            AfterFailure::TriesAgain => {}
            AfterFailure::Over(next) => self.finish_if_idle(now, next),
        }
    }

    /// A connection is there: introduces this slave.
    pub(super) fn connected(&mut self, now: MonotonicInstant, master: SocketAddr) {
        if !self.link.connected(now, master) {
            return;
        }
        self.tell(Notice::Connected(master));
        let SlaveSettings { name, instance, rank, .. } = &self.settings;
        let hello = Capabilities::ours(name).of_instance(*instance).asking_for(*rank);
        let hello = Message::Reply(Some(hello.resuming(self.link.token_to_show())));
        self.push(if self.link.is_suspecting() { Action::SendOnSecond(hello) } else { Action::Send(hello) });
    }

    pub(super) fn end_session(&mut self, now: MonotonicInstant, why: Disconnect) {
        let configured = self.run.was_configured();
        let is_turned_away = why.is_turning_away();
        if is_turned_away && let Some(master) = self.link.master() {
            self.shunned.shun(now, master);
        }
        self.tell(Notice::Disconnected { why, configured });
        self.push(Action::Disconnect);
        self.link.close();
        self.run.link_closed();
        if self.settings.keeps_orphans && self.run.has_running_task() {
            self.tell(Notice::Orphaned);
        } else {
            self.stop(now);
        }
        self.finish_if_idle(now, now.plus(if is_turned_away { SHUN_TIME } else { RETRY_INTERVAL }));
    }

    /// Once no task is under way: reports its end, sees to its stragglers, and ends the program or goes back to
    /// discovery if the session is over.
    pub(super) fn finish_if_idle(&mut self, now: MonotonicInstant, dial_at: MonotonicInstant) {
        if !self.run.is_idle() || self.link.has_exited() {
            return;
        }
        self.report_end(now);
        if self.run.may_have_stragglers() && (self.shutdown.is_some() || self.link.is_closed()) {
            self.see_to_stragglers(now);
        } else if let Some(&Shutdown { interrupt, .. }) = self.shutdown.as_ref() {
            if !self.awaits_last_fetch(now) {
                self.exit(ExitCause::Interrupted(interrupt));
            }
        } else if self.link.is_closed() {
            self.discard_conf();
            match self.run.take_outcome() {
                Some(cause) if self.settings.once => self.exit(cause),
                _ => self.discover(dial_at),
            }
        }
    }

    pub(super) fn shut_down(&mut self, now: MonotonicInstant, interrupt: Interrupt) {
        let is_repeated = self.shutdown.is_some();
        self.shutdown = Some(Shutdown { interrupt, fetch_until: is_repeated.then_some(now) });
        if is_repeated {
            let due = self.run.kill();
            self.carry_out(due);
        } else {
            if self.settings.keeps_orphans {
                self.abandon();
            }
            self.stop(now);
        }
        if self.run.is_idle() {
            self.give_up(now);
        }
        self.finish_if_idle(now, now);
    }

    /// Whether a program that is to end waits for its master to fetch the output of the task. The master says BYE when it
    /// needs nothing any more, but may wait longer than the user does: until the last task of all slaves has ended.
    fn awaits_last_fetch(&mut self, now: MonotonicInstant) -> bool {
        let can_come = self.link.has_agreed(Feature::Outputs) && self.link.has_agreed(Feature::Resume);
        let Some(shutdown) = self.shutdown.as_mut().filter(|_| can_come && self.run.may_be_fetched()) else {
            return false;
        };
        let is_new = shutdown.fetch_until.is_none();
        let until = *shutdown.fetch_until.get_or_insert(now.plus(LAST_FETCH_TIME));
        if is_new {
            self.tell(Notice::AwaitsFetch(LAST_FETCH_TIME));
        }
        now < until
    }

    /// The master has what it needs of the last run, and orders another one. A program that is to end takes part in no
    /// other run; returns whether it ends.
    pub(super) fn ends_before(&mut self, now: MonotonicInstant, message: &Message) -> bool {
        let orders_a_run = matches!(
            message,
            Message::Conf(_) | Message::ConfBegin(_) | Message::Hold(_) | Message::Exec(_) | Message::Go
        );
        let is_due = orders_a_run && self.run.is_idle();
        if let Some(shutdown) = self.shutdown.as_mut().filter(|_| is_due) {
            shutdown.fetch_until = Some(now);
            self.finish_if_idle(now, now);
        }
        self.link.has_exited()
    }

    fn exit(&mut self, cause: ExitCause) {
        self.discard_conf();
        if self.link.has_agreed(Feature::Resume) {
            self.send(Message::Bye(None));
        }
        self.push(Action::Exit(cause));
        self.link.exit();
    }
}
