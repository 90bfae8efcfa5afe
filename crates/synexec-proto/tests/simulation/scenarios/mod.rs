//! Sessions that go as someone wrote them down.

mod configuring;
mod corners;
mod executing;
mod interrupted;
mod joining;
mod known_bugs;
mod master_gone;
mod once;
mod originals;
