//! How much memory the allocator keeps.

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
