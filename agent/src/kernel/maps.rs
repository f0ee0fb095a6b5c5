//! The pinned maps, opened with their types, and what they take.

use std::fs;

use aya::maps::{Array, HashMap, Map, MapData, MapInfo, MapType, PerCpuArray};
use xdp_common::{
    Address, AddressCpu, AddressPolicy, CpuState, ListEntry, ListRecord, Settings, SourceLocal, SourceRecord,
    address_index::{self, AddressBucket},
    connection,
    counter::AddressCarry,
    distinct::Distinct,
    group::GroupEntry,
    known::{self, KnownBucket, MaybeKnown},
    layout::{Capacity, RateBucket},
    list_filter,
    list_table::LISTS_MAX,
    listener::{self, ListenerFacts, ListenerKey, ListenerLocal},
    map_name,
    retry::RetryLine,
    sketch::{self, Block},
    source, tally,
    vector::{VECTORS, VectorBucket, VectorLimit, VectorLocal},
};

use super::{convert::failed, list_table, pins::Pins};
use crate::tables::{MapFill, Result, TableError};

/// Bytes of a key of the source list: the prefix's length and an address.
const PREFIX_KEY_BYTES: usize = size_of::<u32>() + size_of::<Address>();

/// Every map that the agent reads or writes element by element (the source list and the samples have rooms of their own).
pub(super) struct Maps {
    pub(super) settings: Array<MapData, Settings>,
    pub(super) addresses: Array<MapData, AddressBucket>,
    pub(super) policies: Array<MapData, AddressPolicy>,
    pub(super) address_cpu: PerCpuArray<MapData, AddressCpu>,
    pub(super) address_carry: Array<MapData, AddressCarry>,
    pub(super) address_rate: Array<MapData, RateBucket>,
    pub(super) groups: Array<MapData, GroupEntry>,
    pub(super) vector_limits: Array<MapData, VectorLimit>,
    pub(super) vector_rate: Array<MapData, VectorBucket>,
    pub(super) vector_cpu: PerCpuArray<MapData, VectorLocal>,
    pub(super) sources: HashMap<MapData, Address, SourceRecord>,
    pub(super) source_local: PerCpuArray<MapData, SourceLocal>,
    pub(super) known: Array<MapData, KnownBucket>,
    pub(super) maybe_known: Array<MapData, MaybeKnown>,
    pub(super) retry: Array<MapData, RetryLine>,
    pub(super) listeners: HashMap<MapData, ListenerKey, ListenerFacts>,
    generation: u64,
}

/// Opens one pinned map and gives it its type.
pub(super) fn open<T>(pins: &Pins, name: &'static str, wrap: fn(MapData) -> Map) -> Result<T>
where
    T: TryFrom<Map, Error = aya::maps::MapError>,
{
    MapData::from_pin(pins.map(name))
        .and_then(|data| T::try_from(wrap(data)))
        .map_err(|error| failed("open", name, &error))
}

impl Maps {
    pub(super) fn open(pins: &Pins) -> Result<Self> {
        Ok(Self {
            settings: open(pins, map_name::SETTINGS, Map::Array)?,
            addresses: open(pins, map_name::ADDRESSES, Map::Array)?,
            policies: open(pins, map_name::POLICIES, Map::Array)?,
            address_cpu: open(pins, map_name::ADDRESS_CPU, Map::PerCpuArray)?,
            address_carry: open(pins, map_name::ADDRESS_CARRY, Map::Array)?,
            address_rate: open(pins, map_name::ADDRESS_RATE, Map::Array)?,
            groups: open(pins, map_name::GROUPS, Map::Array)?,
            vector_limits: open(pins, map_name::VECTOR_LIMITS, Map::Array)?,
            vector_rate: open(pins, map_name::VECTOR_RATE, Map::Array)?,
            vector_cpu: open(pins, map_name::VECTOR_CPU, Map::PerCpuArray)?,
            sources: open(pins, map_name::SOURCES, Map::LruHashMap)?,
            source_local: open(pins, map_name::SOURCE_LOCAL, Map::PerCpuArray)?,
            known: open(pins, map_name::KNOWN, Map::Array)?,
            maybe_known: open(pins, map_name::MAYBE_KNOWN, Map::Array)?,
            retry: open(pins, map_name::RETRY, Map::Array)?,
            listeners: open(pins, map_name::LISTENERS, Map::HashMap)?,
            generation: u64::from(info(pins, map_name::SETTINGS)?.id()),
        })
    }

    /// The kernel's id of the settings map: another one means that the maps were made anew.
    pub(super) fn generation(&self) -> u64 {
        self.generation
    }

    /// Highest slot of an address.
    pub(super) fn last_slot(&self) -> u32 {
        self.address_cpu.len().saturating_sub(1 + self.groups.len())
    }
}

/// Entries that fit.
pub(super) fn capacity(pins: &Pins, name: &str) -> Result<u64> {
    info(pins, name).map(|info| u64::from(info.max_entries()))
}

pub(super) fn info(pins: &Pins, name: &str) -> Result<MapInfo> {
    MapInfo::from_pin(pins.map(name)).map_err(|error| failed("inspect", name, &error))
}

/// What a map must be like.
struct Shape {
    name: &'static str,
    kind: MapType,
    key: usize,
    value: usize,
    entries: u32,
}

impl Shape {
    const fn of<V>(name: &'static str, kind: MapType, key: usize, entries: u32) -> Self {
        Self {
            name,
            kind,
            key,
            value: size_of::<V>(),
            entries,
        }
    }

    /// An array of `V`, of one for all CPUs.
    const fn array<V>(name: &'static str, entries: u32) -> Self {
        Self::of::<V>(name, MapType::Array, size_of::<u32>(), entries)
    }

    /// An array of `V`, of one for each CPU.
    const fn per_cpu<V>(name: &'static str, entries: u32) -> Self {
        Self::of::<V>(name, MapType::PerCpuArray, size_of::<u32>(), entries)
    }
}

/// Every map whose size the loader sets.
fn expected(capacity: &Capacity) -> [Shape; 26] {
    let slots = capacity.slots();
    let buckets = address_index::buckets(capacity.addresses);
    [
        Shape::array::<Settings>(map_name::SETTINGS, 1),
        Shape::array::<AddressBucket>(map_name::ADDRESSES, buckets),
        Shape::array::<AddressPolicy>(map_name::POLICIES, 2 * slots),
        Shape::per_cpu::<AddressCpu>(map_name::ADDRESS_CPU, slots),
        Shape::array::<AddressCarry>(map_name::ADDRESS_CARRY, slots),
        Shape::array::<RateBucket>(map_name::ADDRESS_RATE, slots),
        Shape::array::<GroupEntry>(map_name::GROUPS, capacity.groups),
        Shape::array::<VectorLimit>(map_name::VECTOR_LIMITS, 2 * VECTORS * slots),
        Shape::array::<VectorBucket>(map_name::VECTOR_RATE, VECTORS * slots),
        Shape::per_cpu::<VectorLocal>(map_name::VECTOR_CPU, VECTORS * slots),
        Shape::array::<u64>(map_name::LIST_FILTER, list_filter::WORDS),
        Shape::of::<ListEntry>(
            map_name::SOURCE_LIST,
            MapType::LpmTrie,
            PREFIX_KEY_BYTES,
            capacity.list_entries,
        ),
        Shape::array::<ListRecord>(map_name::LIST_RECORDS, LISTS_MAX + 1),
        Shape::per_cpu::<u64>(map_name::LIST_PACKETS, LISTS_MAX + 1),
        Shape::array::<Block>(map_name::SKETCH, sketch::BLOCKS),
        Shape::of::<SourceRecord>(
            map_name::SOURCES,
            MapType::LruHash,
            size_of::<Address>(),
            capacity.sources,
        ),
        Shape::per_cpu::<SourceLocal>(map_name::SOURCE_LOCAL, source::LOCAL_SLOTS),
        Shape::per_cpu::<CpuState>(map_name::CPU, 1),
        Shape::array::<KnownBucket>(map_name::KNOWN, capacity.known_buckets()),
        Shape::array::<MaybeKnown>(map_name::MAYBE_KNOWN, known::MAYBE_PAIRS),
        Shape::array::<RetryLine>(map_name::RETRY, capacity.retry_lines),
        Shape::of::<ListenerFacts>(
            map_name::LISTENERS,
            MapType::Hash,
            size_of::<ListenerKey>(),
            capacity.listeners,
        ),
        Shape::per_cpu::<ListenerLocal>(map_name::LISTENER_LOCAL, listener::LOCAL_SLOTS),
        Shape::per_cpu::<connection::Page>(map_name::CONNECTIONS, connection::PAGES),
        Shape::per_cpu::<tally::Set>(map_name::TALLY, tally::ALL_SETS),
        Shape::per_cpu::<Distinct>(map_name::DISTINCT, 1),
    ]
}

/// The sizes that the loader sets; the others are fixed in the program.
pub(super) fn sizes(capacity: &Capacity) -> impl Iterator<Item = (&'static str, u32)> {
    expected(capacity).into_iter().map(|shape| (shape.name, shape.entries))
}

/// Looks at what is pinned before the loader takes it over, because the loader itself does not look. Maps of another
/// shape are an error; maps of another size stay, with a warning for each.
pub(super) fn check_pinned(pins: &Pins, capacity: &Capacity) -> Result<Vec<String>> {
    let mut warnings = Vec::new();
    for shape in expected(capacity) {
        if !pins.map(shape.name).exists() {
            continue;
        }
        let (found, name, entries) = (check_shape(pins, &shape)?, shape.name, shape.entries);
        if found.max_entries() != entries {
            warnings.push(format!(
                "map {name} stays at {} entries, not {entries}: its size can change only after `agent detach`",
                found.max_entries()
            ));
        }
    }
    warnings.extend(check_lists(pins, capacity));
    Ok(warnings)
}

/// The same for one who takes them as large as they are, and makes none.
pub(super) fn check_shapes(pins: &Pins) -> Result<()> {
    expected(&Capacity::default())
        .iter()
        .try_for_each(|shape| check_shape(pins, shape).map(drop))
}

fn check_shape(pins: &Pins, shape: &Shape) -> Result<MapInfo> {
    let found = info(pins, shape.name)?;
    let same = found.map_type().is_ok_and(|kind| kind == shape.kind)
        && found.key_size() as usize == shape.key
        && found.value_size() as usize == shape.value;
    if same {
        return Ok(found);
    }
    Err(TableError::Kernel(format!(
        "{} was pinned by an incompatible build; `agent detach` takes it off (protection ends), then start again",
        pins.map(shape.name).display()
    )))
}

/// The size of the lists' table is not told by any map: it was noted when it was made.
fn check_lists(pins: &Pins, capacity: &Capacity) -> Option<String> {
    let found = xdp_common::list_table::prefixes(list_table::size(pins).ok().filter(|words| *words != 0)?);
    (found != capacity.list_prefixes).then(|| {
        format!(
            "map {} stays at {found} prefixes, not {}: its size can change only after `agent detach`",
            map_name::LISTS,
            capacity.list_prefixes
        )
    })
}

/// How full each map is. Arrays have no fill of their own, but all take memory.
pub(super) fn fills(
    pins: &Pins,
    addresses: u64,
    groups: u64,
    list_entries: u64,
    sources: u64,
    listeners: u64,
) -> Result<Vec<MapFill>> {
    map_name::ALL
        .iter()
        .map(|&name| {
            let info = info(pins, name)?;
            let used = match name {
                map_name::ADDRESS_CPU => Some(addresses),
                map_name::GROUPS => Some(groups),
                map_name::SOURCE_LIST => Some(list_entries),
                map_name::SOURCES => Some(sources),
                map_name::LISTENERS => Some(listeners),
                _ => None,
            };
            let memory_bytes = memory_bytes(&info).unwrap_or(0);
            Ok(MapFill {
                name: name.to_owned(),
                used,
                capacity: u64::from(info.max_entries()),
                memory_bytes,
            })
        })
        .collect()
}

/// Memory of a map as the kernel accounts it: `memlock` in the fdinfo of a descriptor (kernel/bpf/syscall.c).
fn memory_bytes(info: &MapInfo) -> Option<u64> {
    use std::os::fd::{AsFd as _, AsRawFd as _};
    let descriptor = info.fd().ok()?;
    let text = fs::read_to_string(format!("/proc/self/fdinfo/{}", descriptor.as_fd().as_raw_fd())).ok()?;
    text.lines()
        .find_map(|line| line.strip_prefix("memlock:")?.trim().parse().ok())
}
