//! Makes one table of all lists: prefixes that overlap become intervals that do not, each with the longest prefix that holds
//! it (see [`xdp_common::list_table`]).

use std::collections::BTreeMap;

use ipnet::IpNet;
use xdp_common::{
    ListAction as KernelAction, Listed,
    list_table::{
        self, BOUNDS_AT, FILTER_V6_BITS, FILTER_WORDS, INDEX_AT, V4_BUCKETS, V4_REST_BITS, V6_BUCKETS, V6_INDEX_AT,
        V6_REST_BITS,
    },
};

use super::prefixes::{Prefixes, Short};
use crate::tables::{ListAction, ListHead, ListImage, LongPrefix};

/// The first address of 2000::/3, in 64 bits.
const V6_BASE: u64 = 0x2000 << 48;
/// Bits of an IPv4 address within a bit of the filter.
const FILTER_V4_REST: u32 = 10;

/// One list on its way into the table.
#[derive(Debug, Clone, Copy)]
pub struct Part<'a> {
    /// What the kernel is to know of it.
    pub head: &'a ListHead,
    /// Its prefixes, in order.
    pub prefixes: &'a Prefixes,
}

/// All lists as one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Flat {
    /// For the kernel.
    pub image: ListImage,
    /// For each list, how many of its prefixes an earlier list decides otherwise.
    pub conflicts: Vec<usize>,
}

/// A prefix of one of the lists.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Item {
    short: Short,
    /// Which list, in their order.
    part: u8,
}

/// How addresses of a family are divided.
struct Family {
    /// Bits of its numbers.
    bits: u32,
    /// Bits in front of these in the 16-byte address.
    before: u32,
    /// The first number.
    base: u64,
    /// Bits of a number within its bucket.
    rest_bits: u32,
    /// How many there are.
    buckets: u32,
    /// Whether two of them share a word of the index.
    paired: bool,
    /// Where the index is.
    index_at: u32,
}

const V4: Family = Family {
    bits: 32,
    before: 96,
    base: 0,
    rest_bits: V4_REST_BITS,
    buckets: V4_BUCKETS,
    paired: true,
    index_at: INDEX_AT,
};
const V6: Family = Family {
    bits: 64,
    before: 0,
    base: V6_BASE,
    rest_bits: V6_REST_BITS,
    buckets: V6_BUCKETS,
    paired: false,
    index_at: V6_INDEX_AT,
};

/// Flattens lists; of two that have the same prefix, the earlier decides. At most 255 lists.
#[must_use]
pub fn flatten(parts: &[Part<'_>]) -> Flat {
    let mut conflicts = vec![0; parts.len()];
    let v4 = items(parts, |prefixes| &prefixes.v4, &mut conflicts);
    let v6 = items(parts, |prefixes| &prefixes.v6, &mut conflicts);
    let long = long(parts, &mut conflicts);
    let mut words = Vec::new();
    if !v4.is_empty() || !v6.is_empty() {
        words = vec![0; BOUNDS_AT as usize];
        mark_v4(&mut words, &v4);
        mark_v6(&mut words, &v6);
        Sweep::new(&V4, &mut words).run(&v4, parts);
        Sweep::new(&V6, &mut words).run(&v6, parts);
    }
    let allows = |item: &&Item| parts[usize::from(item.part)].head.action == ListAction::Allow;
    let allowed = v4.iter().filter(allows).map(|item| item.short.v4());
    let allowed = allowed.chain(v6.iter().filter(allows).map(|item| item.short.v6()));
    Flat {
        image: ListImage {
            allowed: allowed.collect(),
            heads: parts.iter().map(|part| part.head.clone()).collect(),
            words,
            long,
        },
        conflicts,
    }
}

/// The prefixes of all lists in order, each once.
fn items(parts: &[Part<'_>], of: impl Fn(&Prefixes) -> &Vec<Short>, conflicts: &mut [usize]) -> Vec<Item> {
    let mut items: Vec<Item> = Vec::with_capacity(parts.iter().map(|part| of(part.prefixes).len()).sum());
    for (index, part) in parts.iter().enumerate() {
        items.extend(of(part.prefixes).iter().map(|&short| Item {
            short,
            part: index as u8,
        }));
    }
    // Each list is in order by itself: a sort that finds runs has little left to do.
    items.sort();
    items.dedup_by(|later, first| {
        let same = later.short == first.short;
        if same && action(parts, later) != action(parts, first) {
            conflicts[usize::from(later.part)] += 1;
        }
        same
    });
    items
}

fn action(parts: &[Part<'_>], item: &Item) -> ListAction {
    parts[usize::from(item.part)].head.action
}

fn long(parts: &[Part<'_>], conflicts: &mut [usize]) -> Vec<LongPrefix> {
    let mut all: BTreeMap<IpNet, LongPrefix> = BTreeMap::new();
    for (part, conflicts) in parts.iter().zip(conflicts) {
        for &prefix in &part.prefixes.long {
            let ListHead {
                action, number, until, ..
            } = *part.head;
            let first = all.entry(prefix).or_insert(LongPrefix {
                prefix,
                action,
                number,
                until,
            });
            *conflicts += usize::from(first.action != action);
        }
    }
    all.into_values().collect()
}

/// Goes over the prefixes in the order of their beginnings, and writes where another decides.
struct Sweep<'a> {
    family: &'a Family,
    words: &'a mut Vec<u64>,
    /// What decides at this point.
    listed: Listed,
    /// The bucket that is being written, of this family; its first boundary.
    bucket: u64,
    first: u64,
}

impl<'a> Sweep<'a> {
    fn new(family: &'a Family, words: &'a mut Vec<u64>) -> Self {
        Self {
            first: words.len() as u64,
            family,
            words,
            listed: Listed::NONE,
            bucket: 0,
        }
    }

    fn run(mut self, items: &[Item], parts: &[Part<'_>]) {
        // What holds the address at this point, the longest last: where each ends, and what it says.
        let mut around: Vec<(u64, Listed)> = Vec::new();
        for item in items {
            self.leave(&mut around, item.short.start);
            let head = parts[usize::from(item.part)].head;
            let action = match head.action {
                ListAction::Allow => KernelAction::Allow,
                ListAction::Block => KernelAction::Block,
            };
            let len = u32::from(item.short.len);
            let listed = Listed::new(head.number, action, len + self.family.before);
            around.push((item.short.start + (1 << (self.family.bits - len)), listed));
            self.set(item.short.start, listed);
        }
        self.leave(&mut around, u64::MAX);
        self.close();
    }

    /// Ends what does not reach as far as `to`.
    fn leave(&mut self, around: &mut Vec<(u64, Listed)>, to: u64) {
        while let Some((end, _)) = around.pop_if(|(end, _)| *end <= to) {
            self.set(end, around.last().map_or(Listed::NONE, |(_, listed)| *listed));
        }
    }

    /// From here on, this decides.
    fn set(&mut self, at: u64, listed: Listed) {
        let at = at - self.family.base;
        let (bucket, rest) = (at >> self.family.rest_bits, at & ((1 << self.family.rest_bits) - 1));
        while self.bucket < bucket.min(u64::from(self.family.buckets - 1)) {
            self.close();
            self.bucket += 1;
            self.first = self.words.len() as u64;
            // What decides at the end of a bucket decides at the beginning of the next.
            if !self.listed.is_none() {
                self.push(0, self.listed);
            }
        }
        if bucket < u64::from(self.family.buckets) {
            let begun = self.count() > 0;
            match self.words.last_mut().filter(|last| begun && **last >> 16 == rest) {
                // Something longer begins, or something around ends, at the same point.
                Some(last) => *last = list_table::bound(rest, listed),
                None => self.push(rest, listed),
            }
        }
        self.listed = listed;
    }

    /// Boundaries of the bucket so far.
    const fn count(&self) -> u64 {
        self.words.len() as u64 - self.first
    }

    /// Writes where the bucket's boundaries are.
    fn close(&mut self) {
        let (count, bucket) = (self.count(), self.bucket as usize);
        let at = self.family.index_at as usize;
        if !self.family.paired {
            self.words[at + bucket] = self.first | count << 32;
        } else if bucket % 2 == 0 {
            self.words[at + bucket / 2] = self.first | count << 32;
        } else {
            self.words[at + bucket / 2] |= count << 48;
        }
    }

    fn push(&mut self, rest: u64, listed: Listed) {
        self.words.push(list_table::bound(rest, listed));
    }
}

fn mark_v4(words: &mut [u64], items: &[Item]) {
    for Item { short, .. } in items {
        let from = short.start >> FILTER_V4_REST;
        let to = (short.start + (1 << (32 - short.len)) - 1) >> FILTER_V4_REST;
        for bit in from..=to {
            set_bit(words, bit as u32);
        }
    }
}

fn mark_v6(words: &mut [u64], items: &[Item]) {
    for Item { short, .. } in items {
        let shared = FILTER_V6_BITS.saturating_sub(u32::from(short.len));
        // As many bits as there are: all.
        if shared >= FILTER_WORDS.ilog2() + 6 {
            words[FILTER_WORDS as usize..2 * FILTER_WORDS as usize].fill(u64::MAX);
            continue;
        }
        let leading = (short.start >> 32) as u32;
        for low in 0..1 << shared {
            set_bit(words, list_table::filter_bit_v6(leading | low));
        }
    }
}

fn set_bit(words: &mut [u64], bit: u32) {
    words[(bit >> 6) as usize] |= 1 << (bit & 63);
}

/// What a table says of an address, as the kernel side reads it.
#[must_use]
pub fn look(words: &[u64], address: xdp_common::Address) -> Listed {
    if words.is_empty() || !list_table::is_for_table(address) {
        return Listed::NONE;
    }
    let place = list_table::place(address);
    if words[place.filter_word as usize] & place.filter_mask == 0 {
        return Listed::NONE;
    }
    let word = |at: u32| words.get(at as usize).copied();
    list_table::find(place.bucket, place.rest, word, list_table::sign)
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use ipnet::{Ipv4Net, Ipv6Net};
    use proptest::prelude::*;
    use xdp_common::Address;

    use super::*;

    fn head(number: u8, action: ListAction) -> ListHead {
        ListHead {
            number,
            name: format!("list-{number}"),
            action,
            until: None,
            read_at: 0,
            v4: 0,
            v6: 0,
        }
    }

    fn prefixes(nets: &[IpNet]) -> Prefixes {
        let mut prefixes = Prefixes::default();
        nets.iter().for_each(|net| prefixes.push(*net));
        prefixes.sorted()
    }

    /// Lists as written: number, action, prefixes.
    type Written = [(u8, ListAction, Vec<IpNet>)];

    fn flat(lists: &Written) -> Flat {
        let made: Vec<(ListHead, Prefixes)> = lists
            .iter()
            .map(|(number, action, nets)| (head(*number, *action), prefixes(nets)))
            .collect();
        let parts: Vec<Part<'_>> = made.iter().map(|(head, prefixes)| Part { head, prefixes }).collect();
        flatten(&parts)
    }

    /// The longest prefix, of the earliest list: (list, bits of its family).
    fn naive(lists: &Written, address: IpAddr) -> Option<(u8, u8)> {
        let mut best: Option<(u8, u8)> = None;
        for (number, _, nets) in lists {
            for net in nets.iter().filter(|net| net.contains(&address)) {
                if best.is_none_or(|(_, len)| net.prefix_len() > len) {
                    best = Some((*number, net.prefix_len()));
                }
            }
        }
        best
    }

    fn said(flat: &Flat, address: IpAddr) -> Option<(u8, u8)> {
        let listed = look(&flat.image.words, Address::from(address));
        let before = if address.is_ipv4() { 96 } else { 0 };
        (!listed.is_none()).then(|| (listed.list() as u8, (listed.prefix_len() - before) as u8))
    }

    fn net(text: &str) -> IpNet {
        text.parse().expect("test prefix")
    }

    #[test]
    fn the_longest_prefix_wins_and_the_earlier_list_of_two_alike() {
        let lists = [
            (
                1,
                ListAction::Block,
                vec![net("10.0.0.0/8"), net("192.0.2.0/24"), net("2001:db8::/32")],
            ),
            (
                2,
                ListAction::Allow,
                vec![net("10.1.0.0/16"), net("192.0.2.0/24"), net("2001:db8:1::/48")],
            ),
            (
                3,
                ListAction::Block,
                vec![net("10.1.2.3/32"), net("192.0.2.0/24"), net("2001:db8::1/128")],
            ),
        ];
        let flat = flat(&lists);
        for (address, wanted) in [
            ("10.0.255.255", Some((1, 8))),
            ("10.1.0.0", Some((2, 16))),
            ("10.1.2.3", Some((3, 32))),
            ("10.1.2.4", Some((2, 16))),
            ("10.2.0.0", Some((1, 8))),
            ("11.0.0.0", None),
            ("192.0.2.77", Some((1, 24))),
            ("2001:db8:0:ffff::1", Some((1, 32))),
            ("2001:db8:1:ffff::1", Some((2, 48))),
            ("2001:db9::", None),
            ("fe80::1", None),
        ] {
            assert_eq!(said(&flat, address.parse().expect("address")), wanted, "{address}");
        }
        assert_eq!(flat.conflicts, [0, 1, 0], "only what disagrees is a conflict");
        assert_eq!(flat.image.long.len(), 1);
        assert!(flat.image.allowed.contains(&net("10.1.0.0/16")) && !flat.image.allowed.contains(&net("192.0.2.0/24")));
    }

    #[test]
    fn the_ends_of_the_address_space() {
        let lists = [(
            9,
            ListAction::Block,
            vec![
                net("0.0.0.0/1"),
                net("255.255.255.255/32"),
                net("2000::/3"),
                net("3fff:ffff:ffff:ffff::/64"),
            ],
        )];
        let flat = flat(&lists);
        for address in [
            "0.0.0.0",
            "127.255.255.255",
            "128.0.0.0",
            "255.255.255.254",
            "255.255.255.255",
            "2000::",
            "3fff::1",
            "3fff:ffff:ffff:ffff::1",
            "3fff:ffff:ffff:fffe::1",
        ] {
            let address = address.parse().expect("address");
            assert_eq!(said(&flat, address), naive(&lists, address), "{address}");
        }
    }

    fn v4_net() -> impl Strategy<Value = IpNet> {
        // Few leading octets, so that prefixes meet.
        (0u32..4, any::<u32>(), 1u8..=32).prop_map(|(lead, bits, len)| {
            let address = (10 + lead) << 24 | bits & 0x0003_73ff;
            IpNet::from(Ipv4Net::new(address.into(), len).expect("length").trunc())
        })
    }

    fn v6_net() -> impl Strategy<Value = IpNet> {
        (any::<u64>(), 3u8..=64).prop_map(|(bits, len)| {
            let high = 0x2001_0db8_0000_0000 | bits & 0x0001_0003_0000_0103;
            IpNet::from(
                Ipv6Net::new((u128::from(high) << 64).into(), len)
                    .expect("length")
                    .trunc(),
            )
        })
    }

    fn written() -> impl Strategy<Value = Vec<(u8, ListAction, Vec<IpNet>)>> {
        let list = prop::collection::vec(prop_oneof![v4_net(), v6_net()], 0..40);
        let action = prop_oneof![Just(ListAction::Allow), Just(ListAction::Block)];
        prop::collection::vec((action, list), 1..4).prop_map(|lists| {
            lists
                .into_iter()
                .enumerate()
                .map(|(at, (action, nets))| (at as u8 + 1, action, nets))
                .collect()
        })
    }

    proptest! {
        #[test]
        fn the_table_says_what_the_prefixes_say(lists in written(), more in prop::collection::vec(any::<u64>(), 8)) {
            let flat = flat(&lists);
            let ends = lists.iter().flat_map(|(_, _, nets)| nets).flat_map(|net| {
                let (first, last) = (net.network(), net.broadcast());
                [Some(first), Some(last), neighbour(first, false), neighbour(last, true)]
            });
            let random = more.iter().flat_map(|bits| {
                let v4 = IpAddr::from((0x0a00_0000 | *bits as u32 & 0x0303_73ff).to_be_bytes());
                let v6 = u128::from(0x2001_0db8_0000_0000 | bits & 0x0001_0003_0000_0103) << 64 | 5;
                [Some(v4), Some(IpAddr::from(v6.to_be_bytes()))]
            });
            for address in ends.chain(random).flatten() {
                prop_assert_eq!(said(&flat, address), naive(&lists, address), "{}", address);
            }
        }
    }

    /// The address beside one (of IPv6, the /64 beside it), if the table holds its kind.
    fn neighbour(address: IpAddr, after: bool) -> Option<IpAddr> {
        let address = match address {
            IpAddr::V4(v4) => {
                let bits = u32::from(v4);
                IpAddr::from(
                    if after {
                        bits.checked_add(1)?
                    } else {
                        bits.checked_sub(1)?
                    }
                    .to_be_bytes(),
                )
            }
            IpAddr::V6(v6) => {
                let bits = u128::from(v6);
                let step = if after {
                    bits.checked_add(1)?
                } else {
                    bits.checked_sub(1)?
                };
                IpAddr::from(step.to_be_bytes())
            }
        };
        list_table::is_for_table(Address::from(address)).then_some(address)
    }
}
