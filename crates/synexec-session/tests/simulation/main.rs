//! Whole sessions in a simulated world: one master, slaves of ours with their hosts, original peers and strangers, on
//! links with delay, in virtual time. Messages cross it as bytes. No socket is opened, no clock is read, and nothing is
//! random but what proptest draws.

#![expect(clippy::expect_used, clippy::panic, reason = "a test fails by a panic, in its helpers too")]

mod properties;
mod scenarios;
