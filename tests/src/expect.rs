//! What a frame must meet: the verdict, and exactly one counter that moves by one.

use std::net::IpAddr;

use agent::tables::CounterReading;
use xdp_common::{Action, Reason};

/// Which counters moved, as (address, reason, packets).
#[must_use]
pub fn moved(reading: &CounterReading) -> Vec<(Option<IpAddr>, Reason, u64)> {
    let counts = reading.addresses.iter();
    counts
        .flat_map(|address| {
            address
                .counts
                .nonzero()
                .map(|(reason, packets)| (address.address, reason, packets))
        })
        .collect()
}

/// What the kernel does with a packet of this reason.
#[must_use]
pub const fn action(reason: Reason, enforce: bool) -> Action {
    if enforce { reason.action() } else { Action::Pass }
}
