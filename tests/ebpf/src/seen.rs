//! What the wire counts: the slots of its map `FRAMES`.

/// Frames moved from the attacker to the load balancer.
pub const MOVED: u32 = 0;

/// Answers to flood sources, which died in the wire.
pub const DIED: u32 = 1;

/// Those among them that were SYN-ACKs.
pub const SYN_ACKS: u32 = 2;

/// How many slots there are.
pub const SLOTS: u32 = 3;
