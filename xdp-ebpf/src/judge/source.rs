//! The SYN rate of a source. Three places, from cheap to exact:
//!
//! 1. this CPU's cache of heavy sources: a source that has nothing left until some instant is dropped by it alone;
//! 2. the sketch: counts everybody in fixed memory, says who is heavy;
//! 3. the shared record of a heavy source: its bucket, exact over all CPUs.
//!
//! A stranger of a spoofed flood touches 1 and at times 2 (two cache lines), never 3.

use xdp_common::{
    Address, Settings, SourceLocal, SourceRecord,
    source::{SAMPLING, local_slot},
    word::SharedWord,
};

use crate::tables::{SharedSource, Tables};

/// Sampled SYNs of a source in a window before it can be heavy.
const SAMPLED_AT_LEAST: u32 = 3;

/// Counts a SYN of `source` (with this `hash`), which stands for `syns`, and tells whether it is within the source's rate.
/// A SYN that stands for none is held against this CPU's cache only.
#[inline(always)]
pub(super) fn admit<T: Tables>(source: &Address, hash: u64, syns: u64, tables: &T, now_ns: u64) -> bool {
    let settings = tables.settings();
    if settings.source_syn.is_unlimited() {
        return true;
    }
    let slot = local_slot(hash);
    match tables.with_source_local(slot, |local| ask_cache(local, source, now_ns)) {
        Some(Cached::Dry) => return false,
        Some(Cached::Credit) => return true,
        _ if syns == 0 => return true,
        Some(Cached::Heavy) => {}
        Some(Cached::Stranger) | None => {
            let estimate = tables.sketch_count(hash, syns, now_ns);
            let before = estimate.saturating_sub(syns as u32);
            let sampled = syns > 1 || tables.sampled_lately(now_ns);
            if estimate < heavy_at(settings, sampled) || !has_record(source, before, settings, tables, now_ns) {
                return true;
            }
            take_slot(slot, source, tables);
            tables.met_heavy_source(now_ns);
        }
    }
    admit_heavy(slot, source, settings, tables, now_ns)
}

/// The estimate at which a source is heavy. Where one SYN stands for many, it takes several of them: a single one says
/// nothing about a source, nor about another one that shares its counters.
#[inline(always)]
fn heavy_at(settings: &Settings, sampled: bool) -> u32 {
    let several = if sampled { SAMPLED_AT_LEAST * SAMPLING as u32 } else { 0 };
    if several > settings.source_syn.promote_at {
        several
    } else {
        settings.source_syn.promote_at
    }
}

/// What the cache knows of a source.
enum Cached {
    /// Heavy, and over its rate until later: counted, dropped.
    Dry,
    /// Heavy, and this CPU still had an admission for it: counted, admitted.
    Credit,
    /// Heavy: ask its bucket.
    Heavy,
    /// Not in the cache.
    Stranger,
}

#[inline(always)]
fn ask_cache(local: &mut SourceLocal, source: &Address, now_ns: u64) -> Cached {
    if local.source != *source {
        return Cached::Stranger;
    }
    if local.bucket.credit > 0 {
        local.bucket.credit -= 1;
        local.admitted += 1;
        return Cached::Credit;
    }
    if now_ns < local.bucket.dry_until_ns {
        local.dropped += 1;
        return Cached::Dry;
    }
    Cached::Heavy
}

/// Makes sure that a heavy source, of which `before` SYNs passed already, has a record; false when it may not have one now
/// (then the address's rate protects).
#[inline(always)]
fn has_record<T: Tables>(source: &Address, before: u32, settings: &Settings, tables: &T, now_ns: u64) -> bool {
    if tables.source_record(source).is_some() {
        return true;
    }
    if !tables.may_promote() {
        return false;
    }
    // What the sketch let through already is spent, up to the whole burst.
    let spent_ns = u64::from(before) * settings.source_syn.interval_ns;
    let tat_ns = now_ns
        + if spent_ns < settings.source_syn.burst_ns {
            spent_ns
        } else {
            settings.source_syn.burst_ns
        };
    let record = SourceRecord {
        tat_ns,
        admitted: u64::from(before),
        dropped: 0,
        since_ns: now_ns,
        last_ns: now_ns,
    };
    tables.insert_source(source, &record);
    true
}

/// Gives the cache slot to `source`; what the slot held of another goes to that one's record.
#[inline(always)]
fn take_slot<T: Tables>(slot: u32, source: &Address, tables: &T) {
    let before = tables.with_source_local(slot, |local| {
        core::mem::replace(
            local,
            SourceLocal {
                source: *source,
                ..SourceLocal::default()
            },
        )
    });
    if let Some(before) = before
        && (before.admitted | before.dropped) != 0
        && let Some(record) = tables.source_record(&before.source)
    {
        settle(&before, &record);
    }
}

/// Asks the source's bucket, and settles what this CPU counted since it last did.
#[inline(always)]
fn admit_heavy<T: Tables>(slot: u32, source: &Address, settings: &Settings, tables: &T, now_ns: u64) -> bool {
    let Some(record) = tables.source_record(source) else {
        // Evicted by the kernel: the source begins anew as a stranger.
        tables.with_source_local(slot, |local| *local = SourceLocal::default());
        return true;
    };
    tables
        .with_source_local(slot, |local| {
            let admitted = local.bucket.admit(&record.tat_ns, &settings.source_syn, now_ns);
            local.admitted += u64::from(admitted);
            local.dropped += u64::from(!admitted);
            settle(local, &record);
            record.last_ns.store(now_ns);
            local.admitted = 0;
            local.dropped = 0;
            admitted
        })
        .unwrap_or(true)
}

#[inline(always)]
fn settle(local: &SourceLocal, record: &SharedSource<impl SharedWord>) {
    record.admitted.add(local.admitted);
    record.dropped.add(local.dropped);
}
