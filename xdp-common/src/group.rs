//! Groups: prefixes of our addresses that share a budget, so that a flood spread thinly over all of them (carpet bombing)
//! meets a rate too. A group has a slot and a policy like an address (its SYN bucket, its way into verify, its vectors);
//! its counters are the sums of its addresses'.

use crate::Address;

/// A group. All zero: none.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GroupEntry {
    /// The first address of the prefix.
    pub address: Address,
    /// Length of the prefix in bits of the 16-byte address.
    pub prefix_len: u32,
    /// Element of the policies that holds for the group now; 0: no group.
    pub policy: u32,
}
