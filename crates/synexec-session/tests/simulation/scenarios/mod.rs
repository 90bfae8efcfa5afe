//! Scenarios: sessions with a script.

mod breaks_about_starts;
mod clocks;
mod coming_back;
mod configuring;
mod corners;
mod executing;
mod interrupted;
mod joining;
mod master_away;
mod master_gone;
mod on_lost;
mod once;
mod originals;
mod orphans;
mod outputs;
mod outputs_after_breaks;
mod progress;
mod quorum;
mod reconnecting;
mod returning;
mod rivals;
mod rounds;
mod shared;
mod starting;
mod timeout;
