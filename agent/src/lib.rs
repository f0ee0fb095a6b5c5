//! Levee's agent: loads the XDP program, feeds it, reads it and answers for it.

pub mod clock;
pub mod config;
pub mod host;
pub mod ledger;
pub mod lists;
pub mod overrides;
pub mod tables;
