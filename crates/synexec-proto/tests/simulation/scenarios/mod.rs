//! Sessions that go as someone wrote them down.

mod clocks;
mod configuring;
mod corners;
mod executing;
mod interrupted;
mod joining;
mod master_away;
mod master_gone;
mod once;
mod originals;
mod orphans;
mod outputs;
mod progress;
mod rounds;
mod starting;
