//! The lab's BPF objects, compiled by the build script and carried in the binary.

use aya::include_bytes_aligned;

/// The flood generator.
pub static FLOOD: &[u8] = include_bytes_aligned!(concat!(env!("OUT_DIR"), "/flood"));

/// What the benchmarks compare with.
pub static COMPARE: &[u8] = include_bytes_aligned!(concat!(env!("OUT_DIR"), "/compare"));

/// Both ends of a link with VLAN tags.
pub static VLAN: &[u8] = include_bytes_aligned!(concat!(env!("OUT_DIR"), "/vlan"));

/// The wire: redirect, blackhole, pass.
pub static WIRE: &[u8] = include_bytes_aligned!(concat!(env!("OUT_DIR"), "/wire"));
