//! Groups and the rates of vectors: their maps, and the buckets' side that needs them. Functions of their own, because only
//! packets that a rate is set for come here.

use aya_ebpf::{
    macros::map,
    maps::{Array, PerCpuArray},
};
use xdp_common::{
    AddressCpu, AddressPolicy, Admission,
    group::GroupEntry,
    vector::{VECTORS, VectorBucket, VectorLimit, VectorLocal},
};
use xdp_ebpf::{SharedAddress, judge::group};

use crate::{maps, word::KernelWord};

/// Groups by number. Written by the agent: the element of POLICIES that holds. Full: the configuration is refused.
#[map]
static GROUPS: Array<GroupEntry> = Array::pinned(64, 0);

/// By element of POLICIES and vector. Written by the agent before the element holds, read only where the policy says so.
#[map]
pub(crate) static VECTOR_LIMITS: Array<VectorLimit> = Array::pinned(41_610, 0);

/// By slot and vector: the buckets, shared by all CPUs through compare-and-swap, once a batch.
#[map]
pub(crate) static VECTOR_RATE: Array<VectorBucket> = Array::pinned(20_805, 0);

/// By slot and vector: what each CPU holds of them.
#[map]
pub(crate) static VECTOR_CPU: PerCpuArray<VectorLocal> = PerCpuArray::pinned(20_805, 0);

/// [`Admission`] as numbers, which can cross a call.
pub(crate) const WITHIN: u32 = 0;
pub(crate) const OVER_ADDRESS: u32 = 1;
pub(crate) const OVER_GROUP: u32 = 2;

/// [`Admission`] of such a number.
#[inline(always)]
pub(crate) fn admission(number: u32) -> Admission {
    match number {
        OVER_ADDRESS => Admission::OverAddress,
        OVER_GROUP => Admission::OverGroup,
        _ => Admission::Within,
    }
}

/// The element of POLICIES that holds for a group (its number plus 1); 0 for none.
#[inline(always)]
pub(crate) fn group_element(group: u32) -> u32 {
    GROUPS.get(group.wrapping_sub(1)).map_or(0, |entry| entry.policy)
}

/// A group's policy, what all CPUs share of it, and what this CPU has of it.
#[inline(always)]
pub(crate) fn group_of(group: u32) -> Option<(&'static AddressPolicy, SharedAddress<KernelWord>, *mut AddressCpu)> {
    let policy = maps::policy(group_element(group))?;
    let shared = maps::address_rate(policy.slot)?;
    Some((policy, shared, maps::address_cpu(policy.slot)?))
}

/// Bits of [`group::standing`]. Like those below a global function: the verifier looks at it once, by itself, and not again
/// from each place and state that it is called from.
#[unsafe(no_mangle)]
pub(crate) extern "C" fn group_standing(group: u32, now_ns: u64) -> u32 {
    let Some((policy, shared, cpu)) = group_of(group) else {
        return 0;
    };
    // SAFETY: this CPU's element; XDP runs to its end on one CPU, and nothing else refers to a group's here.
    group::standing(policy, &shared, unsafe { &*cpu }, now_ns)
}

/// 1 when the group has room for a SYN that its address has room for.
#[unsafe(no_mangle)]
pub(crate) extern "C" fn group_takes(group: u32, may_verify: u32, now_ns: u64) -> u32 {
    let (Some((policy, shared, cpu)), Some(all)) = (group_of(group), maps::address_rate(0)) else {
        return 1;
    };
    // SAFETY: as for `group_standing`.
    let takes = group::takes(policy, (&shared, &all), unsafe { &mut *cpu }, may_verify != 0, now_ns);
    u32::from(takes)
}

/// 1 when one more SYN may reach one of the group's servers unproven.
#[unsafe(no_mangle)]
pub(crate) extern "C" fn group_takes_unproven(group: u32, now_ns: u64) -> u32 {
    let Some((policy, shared, cpu)) = group_of(group) else {
        return 1;
    };
    // SAFETY: as for `group_standing`.
    u32::from(group::takes_unproven(policy, &shared, unsafe { &mut *cpu }, now_ns))
}

/// Whether a frame to the address of an element, in a group, has room in both their buckets of a vector.
#[unsafe(no_mangle)]
pub(crate) extern "C" fn vector_admits(element: u32, group: u32, vector: u32, frame_len: u32, now_ns: u64) -> u32 {
    if !admits(element, vector, frame_len, now_ns) {
        return OVER_ADDRESS;
    }
    let group = group_element(group);
    if group == 0 || admits(group, vector, frame_len, now_ns) {
        return WITHIN;
    }
    refund(element, vector, frame_len);
    OVER_GROUP
}

/// Gives back what a frame took of the vectors with these bits, of an address's rates and of its group's.
#[unsafe(no_mangle)]
pub(crate) extern "C" fn vector_refund(element: u32, group: u32, charged: u32, frame_len: u32) -> u32 {
    let group = group_element(group);
    for vector in 0..VECTORS {
        if charged >> vector & 1 != 0 {
            refund(element, vector, frame_len);
            if group != 0 {
                refund(group, vector, frame_len);
            }
        }
    }
    // The verifier wants a result.
    0
}

#[inline(always)]
fn refund(element: u32, vector: u32, frame_len: u32) {
    let (slot, element) = (element / 2 * VECTORS + vector, element * VECTORS + vector);
    if let (Some(limit), Some(local)) = (VECTOR_LIMITS.get(element), VECTOR_CPU.get_ptr_mut(slot)) {
        // SAFETY: this CPU's element; nothing else refers to it at this moment.
        unsafe { (*local).refund(limit, frame_len) };
    }
}

/// Whether the frame has room in one pair of buckets.
#[inline(always)]
fn admits(element: u32, vector: u32, frame_len: u32, now_ns: u64) -> bool {
    let (slot, element) = (element / 2 * VECTORS + vector, element * VECTORS + vector);
    let (Some(limit), Some(local), Some(shared)) = (
        VECTOR_LIMITS.get(element),
        VECTOR_CPU.get_ptr_mut(slot),
        VECTOR_RATE.get_ptr_mut(slot),
    ) else {
        return true;
    };
    // SAFETY: as for the refund; and live, aligned words of a map element, changed by atomic operations only.
    unsafe {
        let packets = KernelWord::new(&raw mut (*shared).packets_tat_ns);
        let bytes = KernelWord::new(&raw mut (*shared).bytes_tat_ns);
        (*local).admit(limit, (&packets, &bytes), frame_len, now_ns)
    }
}
