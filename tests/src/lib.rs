//! The lab: network namespaces, floods, real clients, and what the tests that need a kernel share.
//!
//! Everything happens inside namespaces that the running process made, and everything it made goes when it goes: see
//! [`lab`] for who cleans up what.

pub mod addresses;
pub mod child;
pub mod command;
pub mod cores;
pub mod flood;
pub mod interface;
pub mod lab;
pub mod load;
pub mod netns;
pub mod object;
pub mod require;
pub mod server;
pub mod signal;
pub mod topology;
pub mod wire;
