//! What the lab and its BPF programs both know: the flood's plan, its counters, and the ranges its sources come from.
//!
//! The programs themselves are the binaries of this package: `flood` (the generator), `wire` (the Internet of the lab),
//! `vlan` (a link with VLAN tags) and `compare` (what the benchmarks compare with).
#![no_std]

pub mod link;
pub mod plan;
pub mod range;
pub mod seen;
