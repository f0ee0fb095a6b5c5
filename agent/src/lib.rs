//! Levee's agent: loads the XDP program, feeds it, reads it and answers for it.

pub mod config;
pub mod host;
pub mod lists;
pub mod tables;
