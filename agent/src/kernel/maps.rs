//! The pinned maps, opened with their types, and what they take.

use std::fs;

use aya::maps::{Array, HashMap, Map, MapData, MapInfo, MapType, PerCpuArray};
use xdp_common::{
    Address, AddressCpu, AddressPolicy, CpuState, Settings, SourceLocal, SourceRecord,
    address_index::{self, AddressBucket},
    layout::{Capacity, RateBucket},
    list_filter, map_name,
};

use super::{convert::failed, pins::Pins};
use crate::tables::{MapFill, Result, TableError};

/// Every map that the agent reads or writes element by element (the source list and the samples have rooms of their own).
pub(super) struct Maps {
    pub(super) settings: Array<MapData, Settings>,
    pub(super) addresses: Array<MapData, AddressBucket>,
    pub(super) policies: Array<MapData, AddressPolicy>,
    pub(super) address_cpu: PerCpuArray<MapData, AddressCpu>,
    pub(super) address_rate: Array<MapData, RateBucket>,
    pub(super) sources: HashMap<MapData, Address, SourceRecord>,
    pub(super) source_local: PerCpuArray<MapData, SourceLocal>,
    pub(super) cpu: PerCpuArray<MapData, CpuState>,
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
            address_rate: open(pins, map_name::ADDRESS_RATE, Map::Array)?,
            sources: open(pins, map_name::SOURCES, Map::LruHashMap)?,
            source_local: open(pins, map_name::SOURCE_LOCAL, Map::PerCpuArray)?,
            cpu: open(pins, map_name::CPU, Map::PerCpuArray)?,
            generation: u64::from(info(pins, map_name::SETTINGS)?.id()),
        })
    }

    /// The kernel's id of the settings map: another one means that the maps were made anew.
    pub(super) fn generation(&self) -> u64 {
        self.generation
    }

    /// Highest slot of an address.
    pub(super) fn last_slot(&self) -> u32 {
        self.address_cpu.len().saturating_sub(1)
    }
}

/// Entries that fit.
pub(super) fn capacity(pins: &Pins, name: &str) -> Result<u64> {
    info(pins, name).map(|info| u64::from(info.max_entries()))
}

fn info(pins: &Pins, name: &str) -> Result<MapInfo> {
    MapInfo::from_pin(pins.map(name)).map_err(|error| failed("inspect", name, &error))
}

/// Name, type, bytes of key and value, and wanted entries of each map.
fn expected(capacity: &Capacity) -> [(&'static str, MapType, u32, usize, u32); 11] {
    let slots = capacity.slots();
    let buckets = address_index::buckets(capacity.addresses);
    [
        (map_name::SETTINGS, MapType::Array, 4, size_of::<Settings>(), 1),
        (
            map_name::ADDRESSES,
            MapType::Array,
            4,
            size_of::<AddressBucket>(),
            buckets,
        ),
        (
            map_name::POLICIES,
            MapType::Array,
            4,
            size_of::<AddressPolicy>(),
            2 * slots,
        ),
        (
            map_name::ADDRESS_CPU,
            MapType::PerCpuArray,
            4,
            size_of::<AddressCpu>(),
            slots,
        ),
        (
            map_name::ADDRESS_RATE,
            MapType::Array,
            4,
            size_of::<RateBucket>(),
            slots,
        ),
        (
            map_name::LIST_FILTER,
            MapType::Array,
            4,
            size_of::<u64>(),
            list_filter::WORDS,
        ),
        (
            map_name::SOURCE_LIST,
            MapType::LpmTrie,
            20,
            size_of::<xdp_common::ListEntry>(),
            capacity.list_entries,
        ),
        (
            map_name::SKETCH,
            MapType::Array,
            4,
            size_of::<xdp_common::sketch::Block>(),
            xdp_common::sketch::BLOCKS,
        ),
        (
            map_name::SOURCES,
            MapType::LruHash,
            16,
            size_of::<SourceRecord>(),
            capacity.sources,
        ),
        (
            map_name::SOURCE_LOCAL,
            MapType::PerCpuArray,
            4,
            size_of::<SourceLocal>(),
            xdp_common::source::LOCAL_SLOTS,
        ),
        (map_name::CPU, MapType::PerCpuArray, 4, size_of::<CpuState>(), 1),
    ]
}

/// The sizes that the loader sets; the others are fixed in the program.
pub(super) fn sizes(capacity: &Capacity) -> impl Iterator<Item = (&'static str, u32)> {
    expected(capacity)
        .into_iter()
        .map(|(name, _, _, _, entries)| (name, entries))
}

/// Looks at what is pinned before the loader takes it over, because the loader itself does not look. Maps of another
/// shape are an error; maps of another size stay, with a warning for each.
pub(super) fn check_pinned(pins: &Pins, capacity: &Capacity) -> Result<Vec<String>> {
    let mut warnings = Vec::new();
    for (name, kind, key, value, entries) in expected(capacity) {
        if !pins.map(name).exists() {
            continue;
        }
        let found = info(pins, name)?;
        let same_shape = found.map_type().is_ok_and(|found| found == kind)
            && found.key_size() == key
            && found.value_size() as usize == value;
        if !same_shape {
            return Err(TableError::Kernel(format!(
                "{} was pinned by an incompatible build; `agent detach` takes it off (protection ends), then start again",
                pins.map(name).display()
            )));
        }
        if found.max_entries() != entries {
            warnings.push(format!(
                "map {name} stays at {} entries, not {entries}: its size can change only after `agent detach`",
                found.max_entries()
            ));
        }
    }
    Ok(warnings)
}

/// How full each map is. Arrays have no fill of their own, but all take memory.
pub(super) fn fills(pins: &Pins, addresses: u64, list_entries: u64, sources: u64) -> Result<Vec<MapFill>> {
    map_name::ALL
        .iter()
        .map(|&name| {
            let info = info(pins, name)?;
            let used = match name {
                map_name::ADDRESS_CPU => Some(addresses),
                map_name::SOURCE_LIST => Some(list_entries),
                map_name::SOURCES => Some(sources),
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
