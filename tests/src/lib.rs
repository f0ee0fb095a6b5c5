//! The lab: network namespaces, floods, real clients, and what the tests that need a kernel share.
//!
//! Everything happens inside namespaces that the running process made, and everything it made goes when it goes: see
//! [`lab`] for who cleans up what.

pub mod actor;
pub mod addresses;
pub mod alone;
pub mod bench;
pub mod binary;
pub mod capture;
pub mod child;
pub mod command;
pub mod comparison;
pub mod cookie_clock;
pub mod cores;
pub mod customer;
pub mod demo;
pub mod expect;
pub mod flood;
pub mod guarded;
pub mod host_tables;
pub mod interface;
pub mod lab;
pub mod levee;
pub mod load;
pub mod long_download;
pub mod model;
pub mod netns;
pub mod object;
pub mod packet;
pub mod prog_run;
pub mod random_packet;
pub mod raw;
pub mod require;
pub mod segment;
pub mod server;
pub mod signal;
pub mod stacks;
pub mod topology;
pub mod vlan;
pub mod wire;
