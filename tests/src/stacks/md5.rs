//! TCP MD5 signatures (RFC 2385), as BGP routers use them.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    os::fd::AsRawFd,
};

use anyhow::{Context as _, Result};
use socket2::SockAddr;

const KEY: &[u8] = b"levee's lab";
const KEY_MOST: usize = 80;

/// `struct tcp_md5sig` of linux/tcp.h, which `libc` does not have.
#[repr(C)]
struct Md5Signature {
    address: libc::sockaddr_storage,
    flags: u8,
    prefix_length: u8,
    key_length: u16,
    interface: i32,
    key: [u8; KEY_MOST],
}

/// From now on the socket signs what it sends to `peer`, and takes from it only what is signed.
///
/// # Errors
/// The kernel refuses, for instance because it was built without signatures.
pub fn sign(socket: &impl AsRawFd, peer: IpAddr) -> Result<()> {
    let peer = SockAddr::from(SocketAddr::new(peer, 0));
    // SAFETY: integers and arrays of them, for which zero is valid.
    let mut signature: Md5Signature = unsafe { std::mem::zeroed() };
    // SAFETY: `SockAddr` holds an address of this length, which is at most that of a `sockaddr_storage`.
    unsafe {
        std::ptr::copy_nonoverlapping(
            peer.as_ptr().cast::<u8>(),
            (&raw mut signature.address).cast::<u8>(),
            peer.len() as usize,
        );
    }
    signature.key_length = KEY.len() as u16;
    signature.key[..KEY.len()].copy_from_slice(KEY);
    // SAFETY: the option takes this structure and its length.
    let failed = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::IPPROTO_TCP,
            libc::TCP_MD5SIG,
            (&raw const signature).cast(),
            size_of::<Md5Signature>() as libc::socklen_t,
        )
    } != 0;
    if failed {
        return Err(io::Error::last_os_error()).context("cannot set the key of TCP MD5 signatures");
    }
    Ok(())
}
