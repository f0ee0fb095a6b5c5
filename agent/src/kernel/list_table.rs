//! The large lists in the kernel: a table that is replaced as a whole, a record and a packet counter for each list.

use std::{num::NonZeroUsize, os::fd::AsFd as _};

use aya::{
    maps::{Array, ArrayOfMaps, Map, MapData, PerCpuArray, PerCpuValues},
    util::nr_cpus,
};
use nix::sys::mman::{MapFlags, ProtFlags, mmap, munmap};
use xdp_common::{
    ListAction as KernelAction, ListRecord,
    list_table::{ALL, LISTS_MAX, NAME_MAX, prefixes},
    map_name,
};

use super::{convert, load::with_causes, maps, outer, pins::Pins};
use crate::tables::{ListAction, ListHead, ListImage, ListPackets, Result, TableError};

/// The only element of the outer map.
const CURRENT: u32 = 0;

pub(super) struct ListTable {
    outer: ArrayOfMaps<MapData, MapData>,
    /// The same again: aya does not lend the descriptor of a map of maps.
    handle: MapData,
    records: Array<MapData, ListRecord>,
    packets: PerCpuArray<MapData, u64>,
    /// The lists that there are records of, remembered: this process is their only writer.
    heads: Vec<ListHead>,
}

/// Makes the outer map for tables of this size, unless it is pinned already: the loader takes it as it is. What was left without
/// a note of its size, by an agent that died right here, is made anew.
pub(super) fn ensure(pins: &Pins, words: u32) -> Result<()> {
    let path = pins.map(map_name::LISTS);
    if path.exists() {
        if size(pins).is_ok_and(|words| words != 0) {
            return Ok(());
        }
        std::fs::remove_file(&path)
            .map_err(|error| TableError::Kernel(format!("cannot remove {}: {error}", path.display())))?;
    }
    // As a pattern for those that follow; it goes with its descriptor.
    let inner = new_table(words)?;
    let outer = outer::create_outer(map_name::LISTS, inner.fd())
        .map_err(|error| TableError::Kernel(format!("cannot make map {}: {error}", map_name::LISTS)))?;
    MapData::from_fd(outer)
        .map_err(|error| convert::failed("make", map_name::LISTS, &error))?
        .pin(&path)
        .map_err(|error| TableError::Kernel(format!("cannot pin {}: {}", path.display(), with_causes(&error))))
}

/// Notes the size, once the loader has made the records.
pub(super) fn note_size(pins: &Pins, words: u32) -> Result<()> {
    let mut records: Array<MapData, ListRecord> = maps::open(pins, map_name::LIST_RECORDS, Map::Array)?;
    if size(pins)? == 0 {
        let record = ListRecord {
            v4: words,
            ..ListRecord::default()
        };
        records
            .set(ALL, record, 0)
            .map_err(|error| convert::failed("write", map_name::LIST_RECORDS, &error))?;
    }
    Ok(())
}

/// Words of a table, as the outer map was made; 0 where nothing was noted.
pub(super) fn size(pins: &Pins) -> Result<u32> {
    let records: Array<MapData, ListRecord> = maps::open(pins, map_name::LIST_RECORDS, Map::Array)?;
    record_of(&records, ALL).map(|record| record.v4)
}

fn new_table(words: u32) -> Result<MapData> {
    let cannot = |error: &dyn std::error::Error| {
        TableError::Kernel(format!(
            "cannot make a table of {} MiB for the lists: {}; lower limits.list_prefixes, or give the agent more memory",
            (u64::from(words) * 8) >> 20,
            with_causes(error)
        ))
    };
    let descriptor = outer::create_inner(map_name::LISTS, words).map_err(|error| cannot(&error))?;
    MapData::from_fd(descriptor).map_err(|error| cannot(&error))
}

impl ListTable {
    pub(super) fn open(pins: &Pins) -> Result<Self> {
        let path = pins.map(map_name::LISTS);
        let records: Array<MapData, ListRecord> = maps::open(pins, map_name::LIST_RECORDS, Map::Array)?;
        let mut heads = Vec::new();
        for number in 1..=LISTS_MAX {
            heads.extend(head(number as u8, &record_of(&records, number)?));
        }
        Ok(Self {
            heads,
            outer: maps::open(pins, map_name::LISTS, Map::ArrayOfMaps)?,
            handle: MapData::from_pin(path).map_err(|error| convert::failed("open", map_name::LISTS, &error))?,
            records,
            packets: maps::open(pins, map_name::LIST_PACKETS, Map::PerCpuArray)?,
        })
    }

    pub(super) fn packets(&self) -> Result<Vec<ListPackets>> {
        let mut all = Vec::new();
        for head in self.heads.clone() {
            let cpus = self
                .packets
                .get(&u32::from(head.number), 0)
                .map_err(|error| convert::failed("read", map_name::LIST_PACKETS, &error))?;
            all.push(ListPackets {
                packets: cpus.iter().fold(0, |sum, cpu| sum.wrapping_add(*cpu)),
                head,
            });
        }
        Ok(all)
    }

    /// Prefixes of all lists, and how many there can be.
    pub(super) fn fill(&self) -> Result<(u64, u64)> {
        let used = self.heads.iter().map(|head| u64::from(head.v4 + head.v6)).sum();
        Ok((used, u64::from(prefixes(self.record(ALL)?.v4))))
    }

    /// The table's own memory.
    pub(super) fn memory_bytes(&self) -> u64 {
        match self.outer.get(&CURRENT, 0) {
            Ok(table) => table.info().map_or(0, |info| u64::from(info.max_entries()) * 8),
            Err(_) => 0,
        }
    }

    /// Makes the table of lists, which nobody sees yet.
    pub(super) fn make(&self, image: &ListImage) -> Result<MapData> {
        let size = self.record(ALL)?.v4;
        let words = &image.words;
        let count: u64 = image
            .heads
            .iter()
            .map(|head| u64::from(head.v4) + u64::from(head.v6))
            .sum();
        if words.len() > size as usize || count > u64::from(prefixes(size)) {
            return Err(TableError::Full {
                map: map_name::LISTS.to_owned(),
                capacity: u64::from(prefixes(size)),
                setting: "limits.list_prefixes",
            });
        }
        let table = new_table(size)?;
        fill(&table, words)?;
        Ok(table)
    }

    /// Puts a table in place of the one before: the next look-up sees it. `None` for no lists at all.
    pub(super) fn swap(&mut self, table: Option<&MapData>) -> Result<()> {
        match table {
            Some(table) => self
                .outer
                .set(CURRENT, table, 0)
                .map_err(|error| convert::failed("write", map_name::LISTS, &error)),
            None => outer::clear(self.handle.fd())
                .map_err(|error| TableError::Kernel(format!("cannot empty map {}: {error}", map_name::LISTS))),
        }
    }

    /// Writes the records of lists; a number that another list had, or none, begins to count from zero.
    pub(super) fn write_heads(&mut self, heads: &[ListHead]) -> Result<()> {
        // Before any of them, and of those that hold still.
        self.note_allowing(allows(&self.heads) || allows(heads))?;
        for head in heads {
            let number = u32::from(head.number);
            let record = record(head);
            if self.record(number)?.name != record.name {
                self.reset_packets(number)?;
            }
            self.set_record(number, record)?;
            self.heads.retain(|other| other.number != head.number);
            self.heads.push(head.clone());
        }
        self.heads.sort_by_key(|head| head.number);
        Ok(())
    }

    /// Frees the records of all other lists.
    pub(super) fn keep_only(&mut self, heads: &[ListHead]) -> Result<()> {
        let is_kept = |former: &ListHead| heads.iter().any(|head| head.number == former.number);
        let gone: Vec<u8> = self
            .heads
            .iter()
            .filter(|former| !is_kept(former))
            .map(|former| former.number)
            .collect();
        for number in gone {
            self.set_record(u32::from(number), ListRecord::default())?;
            self.heads.retain(|head| head.number != number);
        }
        self.note_allowing(allows(&self.heads))
    }

    /// Tells the program whether any list allows: where none does, it need not ask them first of all.
    fn note_allowing(&mut self, allowing: bool) -> Result<()> {
        let action = if allowing { KernelAction::Allow as u8 } else { 0 };
        let all = self.record(ALL)?;
        if all.action == action {
            return Ok(());
        }
        self.set_record(ALL, ListRecord { action, ..all })
    }

    fn record(&self, number: u32) -> Result<ListRecord> {
        record_of(&self.records, number)
    }

    fn set_record(&mut self, number: u32, record: ListRecord) -> Result<()> {
        self.records
            .set(number, record, 0)
            .map_err(|error| convert::failed("write", map_name::LIST_RECORDS, &error))
    }

    fn reset_packets(&mut self, number: u32) -> Result<()> {
        let cpus = nr_cpus().map_err(|(file, error)| TableError::Kernel(format!("cannot read {file}: {error}")))?;
        let zero = PerCpuValues::try_from(vec![0u64; cpus])
            .map_err(|error| TableError::Kernel(format!("cannot count the CPUs: {error}")))?;
        self.packets
            .set(number, zero, 0)
            .map_err(|error| convert::failed("write", map_name::LIST_PACKETS, &error))
    }
}

fn record_of(records: &Array<MapData, ListRecord>, number: u32) -> Result<ListRecord> {
    records
        .get(&number, 0)
        .map_err(|error| convert::failed("read", map_name::LIST_RECORDS, &error))
}

/// Writes the words to a table that nobody sees yet, through its memory.
fn fill(table: &MapData, words: &[u64]) -> Result<()> {
    let cannot = |error: nix::Error| TableError::Kernel(format!("cannot fill the table of the lists: {error}"));
    let Some(bytes) = NonZeroUsize::new(size_of_val(words)) else {
        return Ok(());
    };
    // SAFETY: a new mapping, at an address of the kernel's choice.
    let memory = unsafe {
        mmap(
            None,
            bytes,
            ProtFlags::PROT_READ | ProtFlags::PROT_WRITE,
            MapFlags::MAP_SHARED,
            table.fd().as_fd(),
            0,
        )
    }
    .map_err(cannot)?;
    // SAFETY: the mapping has the length of the words, begins on a page, and is nobody else's.
    unsafe {
        memory
            .cast::<u64>()
            .copy_from_nonoverlapping(words_pointer(words), words.len());
    };
    // SAFETY: the mapping just made, which nothing refers to any more.
    unsafe { munmap(memory, bytes.get()) }.map_err(cannot)
}

/// Where the words are.
const fn words_pointer(words: &[u64]) -> std::ptr::NonNull<u64> {
    std::ptr::NonNull::from_ref(words).cast()
}

fn allows(heads: &[ListHead]) -> bool {
    heads.iter().any(|head| head.action == ListAction::Allow)
}

fn record(head: &ListHead) -> ListRecord {
    let mut name = [0; NAME_MAX];
    for (to, from) in name.iter_mut().zip(head.name.bytes()) {
        *to = from;
    }
    ListRecord {
        until_ns: convert::until_ns(head.until),
        read_at: head.read_at,
        name,
        v4: head.v4,
        v6: head.v6,
        action: match head.action {
            ListAction::Allow => KernelAction::Allow,
            ListAction::Block => KernelAction::Block,
        } as u8,
        reserved: [0; 7],
    }
}

fn head(number: u8, record: &ListRecord) -> Option<ListHead> {
    let len = record.name.iter().position(|&byte| byte == 0).unwrap_or(NAME_MAX);
    (len > 0).then(|| ListHead {
        number,
        name: String::from_utf8_lossy(&record.name[..len]).into_owned(),
        action: if record.action == KernelAction::Allow as u8 {
            ListAction::Allow
        } else {
            ListAction::Block
        },
        until: convert::until(record.until_ns),
        read_at: record.read_at,
        v4: record.v4,
        v6: record.v6,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tables::MonotonicNs;

    #[test]
    fn a_record_reads_back() {
        let written = ListHead {
            number: 3,
            name: "a-name-of-thirty-two-bytes-which".to_owned(),
            action: ListAction::Block,
            until: Some(MonotonicNs(7)),
            read_at: 1_700_000_000,
            v4: 1,
            v6: 2,
        };
        assert_eq!(written.name.len(), NAME_MAX);
        assert_eq!(head(3, &record(&written)), Some(written));
        assert_eq!(head(1, &ListRecord::default()), None);
    }
}
