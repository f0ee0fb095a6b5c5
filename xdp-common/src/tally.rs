//! Who sends the most: the heaviest keys (sources, or prefixes) among sampled packets, in fixed memory.
//!
//! Sets of [`WAYS`] records with the randomized admission policy of Ben Basat, Einziger, Friedman, Kassner ("Randomized
//! Admission Policy for Efficient Top-k and Frequency Estimation", INFOCOM 2017): a key without a record takes the place of the
//! lightest one of its set with the probability weight / (lightest + weight). So the strangers of a spoofed flood hardly ever
//! push out a key that comes again and again, whatever their number, and a stranger touches one cache line of the set's head.
//! Counts that decide about places are halved at each window, so that who was heavy once gives way.
//!
//! What a record counts is exact for the packets that were looked at since it began: strangers never count for a key, because a
//! record is found by its whole key. The set of a key depends on the secret seed: who knows this code cannot gather keys in
//! the set of somebody else.

use core::sync::atomic::{Ordering, compiler_fence};

use crate::Address;

/// Records in a set: with its head, a power of two of cache lines.
pub const WAYS: usize = 7;
/// Sets for each kind of key; a power of two. With 512 bytes each, 512 are 256 KiB, of which strangers touch 32 KiB.
pub const SETS: u32 = 1 << 9;
/// Sets of both kinds.
pub const ALL_SETS: u32 = 2 * SETS;
/// A window is 2^31 ns, 2.1 s.
pub const WINDOW_SHIFT: u32 = 31;

/// What a key is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A source: an IPv4 address or an IPv6 /64.
    Source = 0,
    /// Its neighbourhood: an IPv4 /24 or an IPv6 /48.
    Prefix = 1,
}

/// What was seen of one packet, scaled by the number of packets that it stands for; or of many.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// Packets that it stands for, at least 1.
    pub packets: u64,
    /// Bytes of their frames.
    pub bytes: u64,
    /// Of the packets, SYNs.
    pub syns: u64,
    /// Of the packets, those whose verdict is drop.
    pub drops: u64,
}

/// What is counted of one key since its record began.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Record {
    /// The key; all zero before the first one.
    pub key: Address,
    /// What was seen of it.
    pub seen: Seen,
    /// When the record began, CLOCK_MONOTONIC ns.
    pub since_ns: u64,
    /// The last packet, CLOCK_MONOTONIC ns.
    pub last_ns: u64,
}

/// One set.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Set {
    /// Window in which the counts were last halved.
    pub window: u64,
    /// For each record: 32 bits of its key's hash, and below them the count that decides about its place.
    pub heads: [u64; WAYS],
    /// The records.
    pub records: [Record; WAYS],
}

/// The set of a key with this hash (see [`crate::sketch::hash`]) among all sets of both kinds.
#[inline(always)]
pub const fn set_of(hash: u64, kind: Kind) -> u32 {
    (hash as u32 & (SETS - 1)) + kind as u32 * SETS
}

impl Kind {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Source, Self::Prefix];

    /// The key that a packet from `source` counts for.
    #[inline(always)]
    pub const fn key(self, source: Address) -> Address {
        match self {
            Self::Source => source.source(),
            Self::Prefix => source.neighbourhood(),
        }
    }

    /// The length of an IPv4 key.
    pub const fn v4_len(self) -> u8 {
        match self {
            Self::Source => 32,
            Self::Prefix => 24,
        }
    }

    /// The length of an IPv6 key.
    pub const fn v6_len(self) -> u8 {
        match self {
            Self::Source => crate::source::V6_PREFIX_LEN,
            Self::Prefix => 48,
        }
    }
}

impl Seen {
    /// Adds what was seen of others.
    #[inline(always)]
    pub const fn add(&mut self, seen: &Self) {
        self.packets = self.packets.wrapping_add(seen.packets);
        self.bytes = self.bytes.wrapping_add(seen.bytes);
        self.syns = self.syns.wrapping_add(seen.syns);
        self.drops = self.drops.wrapping_add(seen.drops);
    }
}

impl Set {
    /// Counts what was seen of `key`, with this `hash`. `coin` is random, of 32 bits.
    #[inline(always)]
    pub fn count(&mut self, key: &Address, hash: u64, seen: &Seen, coin: u32, now_ns: u64) {
        self.age(now_ns >> WINDOW_SHIFT);
        let tag = hash >> 32;
        let mut way = 0;
        while way < WAYS {
            if self.heads[way] >> 32 == tag && self.records[way].key == *key {
                self.heads[way] = raised(self.heads[way], seen.packets);
                self.records[way].add(seen, now_ns);
                return;
            }
            way += 1;
        }
        self.admit(key, tag, seen, coin, now_ns);
    }

    /// Gives the place of the lightest record to a newcomer, if the coin says so.
    #[inline(always)]
    fn admit(&mut self, key: &Address, tag: u64, seen: &Seen, coin: u32, now_ns: u64) {
        // The count in the upper half, so that the least of them says whose it is.
        let mut lightest = u64::MAX;
        let mut way = 0;
        while way < WAYS {
            let candidate = self.heads[way] << 32 | way as u64;
            if candidate < lightest {
                lightest = candidate;
            }
            way += 1;
        }
        let least = lightest >> 32;
        if (u64::from(coin) * (least + seen.packets)) >> 32 >= seen.packets {
            return;
        }
        let place = (lightest & 7) as usize;
        if place >= WAYS {
            return;
        }
        self.heads[place] = raised(tag << 32 | least, seen.packets);
        self.records[place].begin(key, seen, now_ns);
    }

    /// Halves the counts once for each window that passed.
    #[inline(always)]
    fn age(&mut self, window: u64) {
        let passed = window.wrapping_sub(self.window);
        if passed == 0 {
            return;
        }
        let shift = if passed < 32 { passed } else { 32 };
        let mut way = 0;
        while way < WAYS {
            let head = self.heads[way];
            self.heads[way] = head >> 32 << 32 | (head & 0xffff_ffff) >> shift;
            way += 1;
        }
        self.window = window;
    }
}

/// A head with so many packets more, as far as its 32 bits go.
#[inline(always)]
const fn raised(head: u64, packets: u64) -> u64 {
    let count = (head & 0xffff_ffff) + packets;
    let count = if count > 0xffff_ffff { 0xffff_ffff } else { count };
    head >> 32 << 32 | count
}

impl Record {
    #[inline(always)]
    fn add(&mut self, seen: &Seen, now_ns: u64) {
        self.seen.add(seen);
        self.last_ns = now_ns;
    }

    /// Begins anew for another key. User space may copy the record meanwhile, from its beginning to its end: the key is written
    /// last, so that it never finds the new key with counts of the old one.
    #[inline(always)]
    fn begin(&mut self, key: &Address, seen: &Seen, now_ns: u64) {
        self.seen = *seen;
        self.since_ns = now_ns;
        self.last_ns = now_ns;
        compiler_fence(Ordering::Release);
        self.key = *key;
    }
}

#[cfg(test)]
mod tests {
    use super::{Kind, SETS, Seen, Set, WAYS, WINDOW_SHIFT, set_of};
    use crate::{Address, sketch};

    const NOW: u64 = 1_000_000_000_000;

    fn v4(n: u32) -> Address {
        Address::from_v4_bytes(n.to_be_bytes())
    }

    fn packets(packets: u64) -> Seen {
        Seen {
            packets,
            bytes: packets * 60,
            ..Seen::default()
        }
    }

    fn of(set: &Set, key: Address) -> Option<u64> {
        let record = set
            .records
            .iter()
            .find(|record| record.key == key && record.since_ns != 0);
        record.map(|record| record.seen.packets)
    }

    #[test]
    fn a_key_is_counted_exactly_from_its_admission() {
        let mut set = Set::default();
        for n in 0..WAYS as u32 {
            for _ in 0..=n {
                set.count(&v4(n), u64::from(n) << 32, &packets(3), u32::MAX - 1, NOW);
            }
        }
        for n in 0..WAYS as u32 {
            assert_eq!(of(&set, v4(n)), Some(3 * (u64::from(n) + 1)), "there is room for {n}");
        }
    }

    /// Keys that share their 32 bits of hash are told apart all the same.
    #[test]
    fn no_key_counts_for_another() {
        let mut set = Set::default();
        set.count(&v4(1), 7 << 32, &packets(5), 0, NOW);
        set.count(&v4(2), 7 << 32, &packets(9), 0, NOW);
        assert_eq!((of(&set, v4(1)), of(&set, v4(2))), (Some(5), Some(9)));
    }

    #[test]
    fn who_was_heavy_once_gives_way() {
        let mut set = Set::default();
        for n in 0..WAYS as u32 {
            set.count(&v4(n), u64::from(n) << 32, &packets(1_000_000), 0, NOW);
        }
        // A coin of one half: not while they are heavy, at once when they were long ago.
        set.count(&v4(100), 100 << 32, &packets(1), 1 << 31, NOW);
        assert_eq!(of(&set, v4(100)), None);
        set.count(&v4(100), 100 << 32, &packets(1), 1 << 31, NOW + (40 << WINDOW_SHIFT));
        assert_eq!(of(&set, v4(100)), Some(1));
    }

    #[test]
    fn counts_that_decide_stop_at_their_end_and_others_wrap() {
        let mut set = Set::default();
        set.count(&v4(1), 1 << 32, &packets(u64::from(u32::MAX)), 0, NOW);
        set.count(&v4(1), 1 << 32, &packets(u64::from(u32::MAX)), 0, NOW);
        assert_eq!(set.heads[0], 1 << 32 | u64::from(u32::MAX));
        set.records[0].seen.packets = u64::MAX;
        set.count(&v4(1), 1 << 32, &packets(2), 0, NOW);
        assert_eq!(of(&set, v4(1)), Some(1));
    }

    #[test]
    fn sets_of_sources_and_prefixes_are_apart() {
        for n in 0..10_000 {
            let hash = sketch::hash(v4(n), [1, 2]);
            assert!(set_of(hash, Kind::Source) < SETS);
            assert!((SETS..2 * SETS).contains(&set_of(hash, Kind::Prefix)));
        }
    }
}
