//! bpf(2) itself, for what aya has no call for.

use std::io;

use nix::libc;

/// Does one command; `attributes` is the part of `union bpf_attr` that it reads and writes, the kernel takes what is missing
/// for zeros.
pub(super) fn bpf<T>(command: libc::c_long, attributes: &mut T) -> io::Result<i32> {
    // SAFETY: the attributes live as long as the call, with their length beside them; the structures are those of the kernel.
    let result = unsafe { libc::syscall(libc::SYS_bpf, command, &raw mut *attributes, size_of::<T>()) };
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(result as i32)
}
