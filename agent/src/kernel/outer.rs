//! The one map that holds another map, and what aya has no call for: making it with an inner map of a size of ours, and
//! emptying it.

use std::{
    io,
    os::fd::{AsFd, AsRawFd as _, FromRawFd as _, OwnedFd},
};

use nix::libc;

use super::syscall::bpf;

/// `BPF_F_MMAPABLE` (include/uapi/linux/bpf.h): a table of millions of words is filled through its memory, not by a call for
/// each.
const MMAPABLE: u32 = 1 << 10;

/// Commands of bpf(2) and a map type, as include/uapi/linux/bpf.h numbers them.
const MAP_CREATE: libc::c_long = 0;
const MAP_DELETE_ELEM: libc::c_long = 3;
const ARRAY: u32 = 2;
const ARRAY_OF_MAPS: u32 = 12;

/// The beginning of `union bpf_attr` for BPF_MAP_CREATE; the kernel takes what is missing for zeros.
#[repr(C)]
#[derive(Default)]
struct Create {
    map_type: u32,
    key_size: u32,
    value_size: u32,
    max_entries: u32,
    map_flags: u32,
    inner_map_fd: u32,
    numa_node: u32,
    name: [u8; 16],
}

/// The beginning of `union bpf_attr` for BPF_MAP_DELETE_ELEM.
#[repr(C)]
struct Delete {
    map_fd: u32,
    padding: u32,
    key: u64,
}

/// An array of so many words, all zero, that can be mapped into memory.
pub(super) fn create_inner(name: &str, words: u32) -> io::Result<OwnedFd> {
    create(
        name,
        Create {
            map_type: ARRAY,
            key_size: 4,
            value_size: 8,
            max_entries: words,
            map_flags: MMAPABLE,
            ..Create::default()
        },
    )
}

/// An empty array of one map, which takes arrays like `inner`.
pub(super) fn create_outer(name: &str, inner: &impl AsFd) -> io::Result<OwnedFd> {
    create(
        name,
        Create {
            map_type: ARRAY_OF_MAPS,
            key_size: 4,
            value_size: 4,
            max_entries: 1,
            inner_map_fd: inner.as_fd().as_raw_fd().cast_unsigned(),
            ..Create::default()
        },
    )
}

fn create(name: &str, mut attributes: Create) -> io::Result<OwnedFd> {
    for (to, from) in attributes.name[..15].iter_mut().zip(name.bytes()) {
        *to = from;
    }
    let descriptor = bpf(MAP_CREATE, &mut attributes)?;
    // SAFETY: the kernel has just made it for us, and nobody else knows it.
    Ok(unsafe { OwnedFd::from_raw_fd(descriptor) })
}

/// Empties the one element; no error if it is empty.
pub(super) fn clear(outer: &impl AsFd) -> io::Result<()> {
    let key = 0u32;
    let mut attributes = Delete {
        map_fd: outer.as_fd().as_raw_fd().cast_unsigned(),
        padding: 0,
        key: (&raw const key).expose_provenance() as u64,
    };
    match bpf(MAP_DELETE_ELEM, &mut attributes) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
