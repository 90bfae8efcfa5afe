//! Clock mathematics: how far another host's clock is ahead of this one, and how certain that is.
//!
//! An [`Exchange`] of four timestamps gives a [`ClockSample`]; a [`ClockFilter`] keeps the best of several samples,
//! and gives the [`ClockEstimate`] for any instant.

mod exchange;
mod filter;

pub use exchange::{ClockSample, Exchange};
pub use filter::{ClockEstimate, ClockFilter, ClockSlip};
