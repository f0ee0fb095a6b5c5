//! Reads array maps, many elements with each system call (`BPF_MAP_LOOKUP_BATCH`, Linux 5.6, for per-CPU arrays 5.13), which
//! aya does not know. One call for each element is a hundred times as many: with thousands of addresses, polls would be all
//! that the agent does.

use std::{
    io,
    marker::PhantomData,
    ops::Range,
    os::fd::{AsFd as _, AsRawFd as _},
};

use aya::{Pod, maps::MapData};
use nix::libc;

use super::{convert, pins::Pins, syscall::bpf};
use crate::tables::{Result, TableError};

/// Bytes of values that one system call reads at most, if an element is not larger. It fits the second-level caches, so that
/// what the kernel has just written is still near when it is looked at.
const BUFFER_BYTES: usize = 128 * 1024;

/// Commands of bpf(2), as include/uapi/linux/bpf.h numbers them.
const MAP_LOOKUP_ELEM: libc::c_long = 1;
const MAP_LOOKUP_BATCH: libc::c_long = 24;

/// The kernel's own error for what a map's type does not do (include/linux/errno.h); it is not among those of libc.
const ENOTSUPP: i32 = 524;

/// The beginning of `union bpf_attr` for BPF_MAP_LOOKUP_ELEM.
#[repr(C)]
struct LookUp {
    map_fd: u32,
    padding: u32,
    key: u64,
    value: u64,
    flags: u64,
}

/// The same for BPF_MAP_LOOKUP_BATCH.
#[repr(C)]
struct LookUpBatch {
    in_batch: u64,
    out_batch: u64,
    keys: u64,
    values: u64,
    /// Room for so many elements; afterwards, how many there are.
    count: u32,
    map_fd: u32,
    element_flags: u64,
    flags: u64,
}

/// Memory for values of every alignment up to its own.
#[repr(C, align(64))]
#[derive(Clone, Copy)]
struct Line([u64; 8]);

/// Reads one array map by a buffer that is used again and again.
pub(super) struct Reader<V> {
    map: MapData,
    name: &'static str,
    /// Values of an element: 1, or one for each possible CPU.
    per_element: usize,
    keys: Vec<u32>,
    /// Room for values of `keys.len()` elements.
    lines: Vec<Line>,
    /// The kernel reads no more than one element at once.
    one_by_one: bool,
    value: PhantomData<V>,
}

impl<V: Pod> Reader<V> {
    /// For a pinned array whose elements are `per_element` values each.
    pub(super) fn open(pins: &Pins, name: &'static str, per_element: usize) -> Result<Self> {
        let map = MapData::from_pin(pins.map(name)).map_err(|error| convert::failed("open", name, &error))?;
        Ok(Self::over(map, name, per_element))
    }

    fn over(map: MapData, name: &'static str, per_element: usize) -> Self {
        const {
            // The kernel rounds each CPU's value up to 8 bytes.
            assert!(size_of::<V>().is_multiple_of(8) && size_of::<V>() > 0);
            assert!(align_of::<V>() <= align_of::<Line>());
        }
        let element = per_element * size_of::<V>();
        let elements = (BUFFER_BYTES / element).max(1);
        Self {
            map,
            name,
            per_element,
            keys: vec![0; elements],
            lines: vec![Line([0; 8]); (elements * element).div_ceil(size_of::<Line>())],
            one_by_one: false,
            value: PhantomData,
        }
    }

    /// Hands every element of these indexes to `take`, in order, with its index.
    pub(super) fn read(&mut self, indexes: Range<u32>, mut take: impl FnMut(u32, &[V]) -> Result<()>) -> Result<()> {
        let mut next = indexes.start;
        while next < indexes.end {
            let count = self
                .some(next, (indexes.end - next) as usize)
                .map_err(|error| self.failed(&error))?;
            for index in 0..count {
                take(next + index as u32, self.element(index))?;
            }
            if count == 0 {
                break;
            }
            next += count as u32;
        }
        Ok(())
    }

    /// One element.
    pub(super) fn get(&mut self, index: u32) -> Result<&[V]> {
        self.one(index).map_err(|error| self.failed(&error))?;
        Ok(self.element(0))
    }

    /// Some elements from `first` on, into the buffer: how many.
    fn some(&mut self, first: u32, at_most: usize) -> io::Result<usize> {
        if !self.one_by_one {
            match self.batch(first, at_most) {
                Err(error) if is_refusal(&error) => {
                    tracing::info!(map = self.name, %error, "the kernel reads no batches: elements are read one by one");
                    self.one_by_one = true;
                }
                outcome => return outcome,
            }
        }
        self.one(first)?;
        Ok(1)
    }

    /// One system call: how many elements there were.
    fn batch(&mut self, first: u32, at_most: usize) -> io::Result<usize> {
        // An array goes on behind this index; without one it begins at the first.
        let before = first.wrapping_sub(1);
        let mut last = 0u32;
        let mut attributes = LookUpBatch {
            in_batch: if first == 0 { 0 } else { address(&raw const before) },
            out_batch: address(&raw mut last),
            keys: address(self.keys.as_mut_ptr()),
            values: address(self.lines.as_mut_ptr()),
            count: at_most.min(self.keys.len()) as u32,
            map_fd: self.descriptor(),
            element_flags: 0,
            flags: 0,
        };
        // The attributes point to room for `count` keys and elements, which is at most what the buffers were made for.
        match bpf(MAP_LOOKUP_BATCH, &mut attributes) {
            // There are no more after these.
            Err(error) if error.raw_os_error() != Some(libc::ENOENT) => Err(error),
            Ok(_) | Err(_) => Ok(attributes.count as usize),
        }
    }

    /// One system call for one element.
    fn one(&mut self, index: u32) -> io::Result<()> {
        let mut attributes = LookUp {
            map_fd: self.descriptor(),
            padding: 0,
            key: address(&raw const index),
            value: address(self.lines.as_mut_ptr()),
            flags: 0,
        };
        bpf(MAP_LOOKUP_ELEM, &mut attributes).map(drop)
    }

    fn failed(&self, error: &io::Error) -> TableError {
        TableError::Kernel(format!("cannot read map {}: {error}", self.name))
    }

    fn descriptor(&self) -> u32 {
        self.map.fd().as_fd().as_raw_fd().cast_unsigned()
    }

    /// An element of the buffer, which was filled up to there.
    fn element(&self, index: usize) -> &[V] {
        let bytes = self.per_element * size_of::<V>();
        let place = index * bytes;
        assert!(
            place + bytes <= self.lines.len() * size_of::<Line>(),
            "an element outside of the buffer"
        );
        // SAFETY: as many values as an element has, within the buffer; aligned, because its lines are and because a size is a
        // multiple of its alignment; any bytes are a value of a `Pod`.
        unsafe { std::slice::from_raw_parts(self.lines.as_ptr().byte_add(place).cast(), self.per_element) }
    }
}

fn address<T>(place: *const T) -> u64 {
    place.expose_provenance() as u64
}

/// The kernel does not know batches, for this type of map or at all.
fn is_refusal(error: &io::Error) -> bool {
    matches!(
        error.raw_os_error(),
        Some(libc::EINVAL | libc::EOPNOTSUPP | libc::EPERM | ENOTSUPP)
    )
}

#[cfg(test)]
mod tests {
    use aya::maps::{Array, Map};

    use super::*;
    use crate::kernel::outer;

    /// More than one buffer holds.
    const ELEMENTS: u32 = 40_000;

    /// A reader of an array whose elements are three times their indexes.
    fn reader() -> Reader<u64> {
        let map = outer::create_inner("TEST", ELEMENTS).expect("needs root: makes a BPF map");
        let copy = map.try_clone().expect("copied");
        let data = |descriptor| MapData::from_fd(descriptor).expect("a map");
        let mut array = Array::<_, u64>::try_from(Map::Array(data(copy))).expect("an array");
        for index in 0..ELEMENTS {
            array.set(index, 3 * u64::from(index), 0).expect("written");
        }
        Reader::over(data(map), "TEST", 1)
    }

    fn read(reader: &mut Reader<u64>, indexes: Range<u32>) -> Vec<(u32, u64)> {
        let mut found = Vec::new();
        reader
            .read(indexes, |index, value| {
                found.push((index, value[0]));
                Ok(())
            })
            .expect("read");
        found
    }

    #[test]
    fn every_element_comes_once_and_in_order_in_batches_and_one_by_one() {
        let mut reader = reader();
        for one_by_one in [false, true] {
            reader.one_by_one = one_by_one;
            for indexes in [0..ELEMENTS, 0..1, 7..20_000, ELEMENTS - 1..ELEMENTS, 5..5] {
                let wanted: Vec<_> = indexes.clone().map(|index| (index, 3 * u64::from(index))).collect();
                assert!(read(&mut reader, indexes.clone()) == wanted, "{indexes:?}");
            }
            assert_eq!(reader.one_by_one, one_by_one, "this kernel knows batches");
            assert_eq!(reader.get(11).expect("read"), [33]);
        }
    }
}
