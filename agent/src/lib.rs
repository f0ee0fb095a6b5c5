//! Levee's agent: loads the XDP program, feeds it, reads it and answers for it.

pub mod apply;
pub mod capabilities;
pub mod cli;
pub mod clock;
pub mod command;
pub mod config;
pub mod control;
pub mod daemon;
pub mod decide;
pub mod detect;
pub mod engine;
pub mod export;
pub mod headers;
pub mod host;
pub mod kernel;
pub mod ladder;
pub mod ledger;
pub mod listeners;
pub mod lists;
pub mod lock;
pub mod logging;
pub mod overrides;
pub mod shutdown;
pub mod snapshot;
pub mod sysctls;
pub mod tables;
