//! The last part of a look into the large lists: sources that the filter lets through come here.

use xdp_common::{
    Listed,
    list_table::{self, V4_BUCKETS},
};

use crate::{
    maps,
    verifier::{below, sign},
};

/// What the lists say of the address with this bucket and this rest (see [`list_table`]), at `now_ns`: [`Listed::bits`], 0 for
/// nothing and for a list that has ended. A global function: the verifier looks at it once, by itself, and not again from each
/// place and state that it is called from.
#[unsafe(no_mangle)]
pub(crate) extern "C" fn listed_at(bucket: u64, rest: u64, now_ns: u64) -> u64 {
    let Some(table) = maps::list_table() else {
        return 0;
    };
    let bucket = below::<{ 2 * V4_BUCKETS as usize }>(bucket as usize);
    let listed = list_table::find(bucket as u32, rest, |at| table.get(at).copied(), sign);
    if listed.is_none() || now_ns >= maps::list_end_ns(listed) {
        return 0;
    }
    u64::from(listed.bits())
}

/// The same, with its type.
#[inline(always)]
pub(crate) fn listed(bucket: u32, rest: u64, now_ns: u64) -> Listed {
    Listed::from_bits(listed_at(u64::from(bucket), rest, now_ns) as u16)
}
