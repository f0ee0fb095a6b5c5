//! How much memory the allocator keeps, and how much of it is in use.

/// Arenas of the whole process: as many as threads that allocate much at the same time.
#[cfg(target_env = "gnu")]
const ARENAS: nix::libc::c_int = 2;

/// Has all threads share a few arenas. glibc would give each thread one, up to eight for each core (malloc(3), mallopt(3)), and each
/// keeps the most that it ever held: what reading a large list takes would stay with every thread that ever read one.
///
/// Call it before there are threads.
pub fn share_arenas() {
    // SAFETY: takes two numbers; a value that it does not know changes nothing.
    #[cfg(target_env = "gnu")]
    unsafe {
        nix::libc::mallopt(nix::libc::M_ARENA_MAX, ARENAS);
    }
}

/// Gives back to the kernel what was freed and is kept for later (malloc_trim(3)). A large list that is read, or the programs that are
/// loaded, take some tens of MiB for a moment; glibc keeps them for as long as anything above them in the heap is in use.
///
/// Takes some milliseconds, in which nobody can allocate.
pub fn give_back() {
    // SAFETY: takes a number: how much to keep at the top of the heap. It may be called at any time, from any thread.
    #[cfg(target_env = "gnu")]
    unsafe {
        nix::libc::malloc_trim(0);
    }
}

/// Bytes that are allocated and not freed, in all arenas and mappings (malloc's mallinfo2(3)); `None` where the allocator does not
/// count. Resident memory also holds what was freed and is kept for later: this one tells a leak from that.
pub fn allocated_bytes() -> Option<u64> {
    #[cfg(target_env = "gnu")]
    {
        // SAFETY: takes nothing, and returns numbers that it counted under the arenas' locks.
        let info = unsafe { nix::libc::mallinfo2() };
        u64::try_from(info.uordblks + info.hblkhd).ok()
    }
    #[cfg(not(target_env = "gnu"))]
    None
}

#[cfg(all(test, target_env = "gnu"))]
mod tests {
    use super::*;

    #[test]
    fn what_is_held_is_counted_and_what_is_freed_is_not() {
        const MUCH: usize = 256 << 20;
        let before = allocated_bytes().unwrap();
        // An optimiser would leave out what nobody looks at.
        let held = std::hint::black_box(vec![0u8; MUCH]);
        let with = allocated_bytes().unwrap();
        drop(held);
        let after = allocated_bytes().unwrap();
        let half = MUCH as u64 / 2;
        assert!(with > before + half && with > after + half, "{before}, {with}, {after}");
    }
}
