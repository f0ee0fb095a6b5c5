//! Levee's agent: loads the XDP program, feeds it, reads it and answers for it.

pub mod apply;
pub mod clock;
pub mod config;
pub mod control;
pub mod decide;
pub mod host;
pub mod kernel;
pub mod ledger;
pub mod lists;
pub mod overrides;
pub mod tables;
