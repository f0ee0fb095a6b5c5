//! Every metric family, in sections: the one place that names them.

pub(super) mod addresses;
pub(super) mod agent;
pub(super) mod attacks;
pub(super) mod fleet;
pub(super) mod kernel;
pub(super) mod lists;
pub(super) mod notify;
pub(super) mod process;
pub(super) mod traffic;
pub(super) mod upstream;

use super::family::Section;

/// Every section, in the order of `docs/metrics.md`.
pub const SECTIONS: [Section; 12] = [
    traffic::TRAFFIC,
    traffic::SENDERS,
    addresses::ADDRESSES,
    addresses::GROUPS,
    attacks::ATTACKS,
    upstream::UPSTREAM,
    fleet::FLEET,
    lists::LISTS,
    kernel::KERNEL,
    agent::AGENT,
    notify::NOTIFY,
    process::PROCESS,
];
