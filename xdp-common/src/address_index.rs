//! Where a protected address is found: a table of buckets with two choices for each address (Azar, Broder, Karlin &
//! Upfal 1994), in an array map, because an array look-up is inlined and a hash map's is a call.
//!
//! Entries never move. The agent writes a policy first, then the one element that points to it; a reader sees the old
//! policy or the new one, whole.

use crate::Address;

/// Addresses that fit a bucket.
pub const WAYS: usize = 4;
/// Odd constants without structure. The table needs no secret: its keys are ours.
const MULTIPLIERS: [u64; 2] = [0x9e37_79b9_7f4a_7c15, 0xd1b5_4a32_d192_ed03];

/// One address and where its data are. All zero: empty.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AddressEntry {
    /// The address.
    pub address: Address,
    /// Element of the policies that holds now; 0 in an empty entry.
    pub policy: u32,
    /// 1: the policy has a blackhole, running or expired.
    pub blackhole: u32,
    /// 1: the policy forces verify or more, running or expired.
    pub verify: u32,
    /// What is looked at besides SYNs, see [`crate::vector::look`]: here, so that what is not limited needs no policy.
    pub look: u32,
}

/// What the table says of an address. A plain value, not an `Option`: the verifier wants every field initialised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found {
    /// Element of its policy; 0: not a protected address.
    pub policy: u32,
    /// Whether its policy has a blackhole.
    pub blackhole: bool,
    /// Whether its policy forces verify or more.
    pub verify: bool,
    /// What is looked at besides SYNs, see [`crate::vector::look`].
    pub look: u32,
}

impl Found {
    /// Not a protected address.
    pub const NONE: Self = Self {
        policy: 0,
        blackhole: false,
        verify: false,
        look: 0,
    };

    /// Whether the address is protected.
    #[inline(always)]
    pub const fn is_protected(self) -> bool {
        self.policy != 0
    }

    /// The slot of its counters and bucket; 0 for all that is not protected.
    #[inline(always)]
    pub const fn slot(self) -> u32 {
        self.policy / 2
    }
}

/// One bucket, two cache lines.
#[repr(C, align(64))]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AddressBucket {
    /// Its entries, in no order.
    pub entries: [AddressEntry; WAYS],
}

/// Buckets for so many addresses: twice as many, to a power of two, at most 65,536. With two choices among them, none
/// overflows.
pub const fn buckets(addresses: u32) -> u32 {
    addresses.next_power_of_two() * 2
}

/// Whether an address goes to its second bucket, when its two have so many entries each. Nearly all stay in the first, where
/// one look finds them.
pub const fn goes_second(first: usize, second: usize) -> bool {
    first + 1 >= WAYS && second < first
}

/// The two buckets of an address in a table of `mask` + 1.
#[inline(always)]
pub const fn choices(address: Address, mask: u32) -> [u32; 2] {
    let [high, low] = address.words();
    // Multiplicative hashing (Knuth, TAOCP 3, 6.4): the upper bits are the mixed ones.
    // An IPv4 address lies in the upper half of its word, where a product would not mix it.
    let hash = (low.rotate_left(32) ^ high.wrapping_mul(MULTIPLIERS[1])).wrapping_mul(MULTIPLIERS[0]);
    [(hash >> 48) as u32 & mask, (hash >> 32) as u32 & mask]
}

impl AddressBucket {
    /// Looks for an address in this bucket.
    #[inline(always)]
    pub const fn find(&self, address: Address) -> Found {
        let [high, low] = address.words();
        let mut way = 0;
        while way < WAYS {
            let entry = &self.entries[way];
            let words = entry.address.words();
            if words[1] == low && words[0] == high {
                return Found {
                    policy: entry.policy,
                    blackhole: entry.blackhole != 0,
                    verify: entry.verify != 0,
                    look: entry.look,
                };
            }
            way += 1;
        }
        Found::NONE
    }
}

/// The slot of a group: behind those of all addresses.
#[inline(always)]
pub const fn group_slot(addresses: u32, number: u32) -> u32 {
    addresses + 1 + number
}

/// The element of the policies for a slot; each slot has two, so that one can be written while the other holds.
pub const fn policy_element(slot: u32, second: bool) -> u32 {
    slot * 2 + second as u32
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::{AddressBucket, AddressEntry, Found, WAYS, buckets, choices, goes_second};
    use crate::Address;
    use std::vec;

    #[test]
    fn full_tables_have_room_in_every_bucket() {
        for addresses in [1u32, 64, 1_024, 4_096] {
            let mask = buckets(addresses) - 1;
            let mut loads = vec![0usize; mask as usize + 1];
            for n in 0..addresses {
                let [a, b] = choices(Address::from_v4_bytes([198, 51, (n >> 8) as u8, n as u8]), mask);
                let second = goes_second(loads[a as usize], loads[b as usize]);
                loads[if second { b } else { a } as usize] += 1;
            }
            assert!(
                loads.iter().all(|&load| load <= WAYS),
                "{addresses}: {:?}",
                loads.iter().max()
            );
        }
    }

    #[test]
    fn finds_what_it_holds() {
        let address = Address::from_v4_bytes([198, 51, 100, 10]);
        let mut bucket = AddressBucket::default();
        assert_eq!(bucket.find(address), Found::NONE);
        bucket.entries[2] = AddressEntry {
            address,
            policy: 7,
            ..AddressEntry::default()
        };
        let found = bucket.find(address);
        assert_eq!((found.policy, found.slot(), found.blackhole), (7, 3, false));
        assert_eq!(bucket.find(Address::from_v4_bytes([198, 51, 100, 11])), Found::NONE);
        assert_eq!(AddressBucket::default().find(Address::default()), Found::NONE);
    }
}
