//! Clock mathematics: how far another host's clock is ahead of ours, and how sure that is.
//!
//! An [`Exchange`] of four timestamps gives a [`ClockSample`]; a [`ClockFilter`] keeps the best of several, and says
//! at any instant which [`ClockEstimate`] they support.

mod exchange;
mod filter;

pub use exchange::{ClockSample, Exchange};
pub use filter::{ClockEstimate, ClockFilter, ClockSlip};
