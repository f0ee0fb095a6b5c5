//! The maps for one who asks and must not be noticed: what the judge changes of them is a copy of this run's own, and what
//! all CPUs share is read and never written. So a packet is judged as the next one on this CPU would be, and the next one is
//! judged as if this one had not been.
//!
//! One thing is beyond reach: asking the host's kernel for a SYN cookie tells the listener that cookies are under way.

mod tables;

use aya_ebpf::{bindings::xdp_md, macros::map, maps::PerCpuArray, programs::XdpContext};
use xdp_common::{
    AddressCpu, CpuState, Explained, SourceLocal, SourceRecord, explained::bit, source::local_slot, vector::VECTORS,
    word::SharedWord,
};
use xdp_ebpf::{SharedAddress, Tables as _, judge::group};

use crate::{clock, maps, vectors, word::KernelWord};

pub(crate) use tables::DryTables;

/// What the judge may change, in place of what is in the maps. One element.
#[map]
static SCRATCH: PerCpuArray<Scratch> = PerCpuArray::with_max_entries(1, 0);

/// What is told of a run. One element.
#[map]
static EXPLAINED: PerCpuArray<Explained> = PerCpuArray::with_max_entries(1, 0);

/// Copies of this CPU's elements, made before the packet is judged.
#[repr(C)]
pub(crate) struct Scratch {
    cpu: CpuState,
    /// The buckets alone.
    address: AddressCpu,
    /// The buckets alone.
    group: AddressCpu,
    source: SourceLocal,
    /// The record that the source would have got, if it would.
    record: SourceRecord,
    recorded: u64,
}

/// A word that all CPUs share, which is read only: a change succeeds and changes nothing.
#[derive(Clone, Copy)]
pub(crate) struct ReadWord(KernelWord);

impl SharedWord for ReadWord {
    #[inline(always)]
    fn load(&self) -> u64 {
        self.0.load()
    }

    #[inline(always)]
    fn store(&self, _value: u64) {}

    #[inline(always)]
    fn add(&self, _value: u64) {}

    #[inline(always)]
    fn replace(&self, _seen: u64, _next: u64) -> Result<(), u64> {
        Ok(())
    }
}

#[inline(always)]
fn read_only(shared: SharedAddress<KernelWord>) -> SharedAddress<ReadWord> {
    SharedAddress {
        tat_ns: ReadWord(shared.tat_ns),
        known_tat_ns: ReadWord(shared.known_tat_ns),
        verify_until_ns: ReadWord(shared.verify_until_ns),
        verify_since_ns: ReadWord(shared.verify_since_ns),
    }
}

/// This CPU's place for the copies.
#[inline(always)]
fn scratch() -> Option<*mut Scratch> {
    SCRATCH.get_ptr_mut(0)
}

/// This CPU's place for the notes.
#[inline(always)]
pub(crate) fn explained() -> Option<&'static mut Explained> {
    // SAFETY: this CPU's element, asked for once in a run.
    EXPLAINED.get_ptr_mut(0).map(|explained| unsafe { &mut *explained })
}

/// Copies what the judge may change for a packet to the slot of this element of the policies (0: to none of ours), of the
/// source with this hash. A global function, as those in `vectors`: the verifier looks at it once.
#[unsafe(no_mangle)]
pub(crate) extern "C" fn prepare(element: u32, source_hash: u64) -> u32 {
    let (Some(to), Some(cpu), Some(source), Some(address)) = (
        scratch(),
        maps::CPU.get_ptr(0),
        maps::SOURCE_LOCAL.get_ptr(local_slot(source_hash)),
        maps::ADDRESS_CPU.get_ptr(element / 2),
    ) else {
        return 0;
    };
    // SAFETY: live elements of this CPU, which nothing else changes while XDP runs.
    unsafe {
        (*to).cpu = *cpu;
        (*to).source = *source;
        (*to).recorded = 0;
        copy_buckets(&raw mut (*to).address, address);
    }
    if let Some(settings) = maps::settings() {
        // SAFETY: as above. What begins anew with a jiffy does so in the copy.
        clock::now_ns(unsafe { &mut (*to).cpu }, settings);
    }
    if let Some(policy) = maps::policy(element)
        && policy.group != 0
        && let Some((_, _, group)) = vectors::group_of(policy.group)
    {
        // SAFETY: as above.
        unsafe { copy_buckets(&raw mut (*to).group, group) };
    }
    1
}

/// # Safety
/// Both must be live elements.
#[inline(always)]
unsafe fn copy_buckets(to: *mut AddressCpu, from: *const AddressCpu) {
    // SAFETY: the caller's.
    unsafe {
        (*to).bucket = (*from).bucket;
        (*to).known = (*from).known;
        (*to).excess_since_ns = (*from).excess_since_ns;
        (*to).excess_last_ns = (*from).excess_last_ns;
    }
}

/// [`vectors::group_standing`] by the copies.
#[unsafe(no_mangle)]
pub(crate) extern "C" fn dry_group_standing(group: u32, now_ns: u64) -> u32 {
    let (Some((policy, shared, _)), Some(scratch)) = (vectors::group_of(group), scratch()) else {
        return 0;
    };
    // SAFETY: this CPU's element; nothing else refers to the group's part of it here.
    group::standing(policy, &read_only(shared), unsafe { &(*scratch).group }, now_ns)
}

/// [`vectors::group_takes`] by the copies.
#[unsafe(no_mangle)]
pub(crate) extern "C" fn dry_group_takes(group: u32, may_verify: u32, now_ns: u64) -> u32 {
    let (Some((policy, shared, _)), Some(all), Some(scratch)) =
        (vectors::group_of(group), maps::address_rate(0), scratch())
    else {
        return 1;
    };
    // SAFETY: as for the standing.
    let cpu = unsafe { &mut (*scratch).group };
    let both = (&read_only(shared), &read_only(all));
    u32::from(group::takes(policy, both, cpu, may_verify != 0, now_ns))
}

/// [`vectors::group_takes_unproven`] by the copies.
#[unsafe(no_mangle)]
pub(crate) extern "C" fn dry_group_takes_unproven(group: u32, now_ns: u64) -> u32 {
    let (Some((policy, shared, _)), Some(scratch)) = (vectors::group_of(group), scratch()) else {
        return 1;
    };
    // SAFETY: as for the standing.
    let cpu = unsafe { &mut (*scratch).group };
    u32::from(group::takes_unproven(policy, &read_only(shared), cpu, now_ns))
}

/// [`vectors::vector_admits`] by copies: a frame has each vector at most once, so they end with the call.
#[unsafe(no_mangle)]
pub(crate) extern "C" fn dry_vector_admits(element: u32, group: u32, vector: u32, frame_len: u32, now_ns: u64) -> u32 {
    if !admits(element, vector, frame_len, now_ns) {
        return vectors::OVER_ADDRESS;
    }
    let group = vectors::group_element(group);
    if group == 0 || admits(group, vector, frame_len, now_ns) {
        return vectors::WITHIN;
    }
    vectors::OVER_GROUP
}

#[inline(always)]
fn admits(element: u32, vector: u32, frame_len: u32, now_ns: u64) -> bool {
    let (slot, element) = (element / 2 * VECTORS + vector, element * VECTORS + vector);
    let (Some(limit), Some(local), Some(shared)) = (
        vectors::VECTOR_LIMITS.get(element),
        vectors::VECTOR_CPU.get(slot),
        vectors::VECTOR_RATE.get_ptr_mut(slot),
    ) else {
        return true;
    };
    let mut copy = *local;
    // SAFETY: live, aligned words of a map element, changed by atomic operations only.
    let (packets, bytes) = unsafe {
        (
            KernelWord::new(&raw mut (*shared).packets_tat_ns),
            KernelWord::new(&raw mut (*shared).bytes_tat_ns),
        )
    };
    copy.admit(limit, (&ReadWord(packets), &ReadWord(bytes)), frame_len, now_ns)
}

/// Notes what holds now for the source (with this hash) and the destination (by the element of its policy) of the packet that
/// was judged, whatever the judge asked of it. A global function, as `prepare`.
#[unsafe(no_mangle)]
pub(crate) extern "C" fn note(ctx: *mut xdp_md, element: u32, source_hash: u64) -> u32 {
    let (Some(settings), Some(examined), Some(explained)) = (maps::settings(), maps::examined(), explained()) else {
        return 0;
    };
    if ctx.is_null() {
        return 0;
    }
    let ctx = XdpContext::new(ctx);
    let Some(tables) = DryTables::new(&ctx, settings) else {
        return 0;
    };
    let source = examined.packet.source;
    let now_ns = tables.now_ns();
    explained.now_ns = now_ns;
    explained.bits = 0;
    explained.listed = tables.in_lists(&source).bits();
    explained.source_syns = tables.sketch_count(source_hash, 0, now_ns);
    explained.source_tat_ns = 0;
    if tables.is_known(source_hash) {
        explained.bits |= bit::KNOWN;
    }
    if tables.can_answer() {
        explained.bits |= bit::CAN_ANSWER;
    }
    if let Some(record) = tables.live.source_record(&source.source()) {
        explained.bits |= bit::RECORDED;
        explained.source_tat_ns = record.tat_ns.load();
    }
    if element != 0 {
        explained.bits |= bit::PROTECTED;
    }
    if let Some(shared) = maps::address_rate(element / 2) {
        explained.address_tat_ns = shared.tat_ns.load();
        explained.known_tat_ns = shared.known_tat_ns.load();
        explained.verify_until_ns = shared.verify_until_ns.load();
    }
    // SAFETY: this CPU's element, which the judge is done with.
    explained.address_dry_until_ns = unsafe { (*tables.scratch).address.bucket.dry_until_ns };
    let group = maps::policy(element).map_or(0, |policy| policy.group);
    explained.group_tat_ns = 0;
    explained.group_verify_until_ns = 0;
    if group != 0
        && let Some((_, shared, _)) = vectors::group_of(group)
    {
        explained.group_tat_ns = shared.tat_ns.load();
        explained.group_verify_until_ns = shared.verify_until_ns.load();
    }
    1
}

/// What was written to maps before this is read from there after it: values that the verifier knows nothing of. An
/// assembly block without its options may touch any memory, so the code generator cannot keep values in registers.
#[inline(always)]
pub(crate) fn reload() {
    let mut nothing = 0u64;
    // SAFETY: one instruction on a register of its own. (An empty block would lose its place in the line table.)
    unsafe { core::arch::asm!("{nothing} = 0", nothing = inout(reg) nothing) };
    let _ = nothing;
}
