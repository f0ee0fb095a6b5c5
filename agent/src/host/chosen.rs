//! What the owner of a listening socket chose for it, where sock_diag is silent: whether the receive buffer is its own
//! choice, a bound of the window, a bound of the MSS. The socket itself is asked, by a second descriptor of it that lives
//! for the question (`pidfd_getfd(2)`, which takes CAP_SYS_PTRACE); without that right the answer is "not known".

use std::{
    collections::HashMap,
    fs, io,
    os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd},
    path::{Path, PathBuf},
};

use nix::libc;

use super::Listening;

/// `SO_BUF_LOCK` and its bit for the receive buffer (include/uapi/asm-generic/socket.h, include/uapi/linux/socket.h).
const SO_BUF_LOCK: libc::c_int = 72;
const RECEIVE_BUFFER_LOCKED: u32 = 2;
/// What `TCP_MAXSEG` of a listener says that nobody set (`TCP_MSS_DEFAULT`).
const MSS_UNSET: u32 = 536;

/// What an owner chose.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Chosen {
    /// The receive buffer's size (`SO_RCVBUF`).
    pub receive_buffer: bool,
    /// The largest window in bytes (`TCP_WINDOW_CLAMP`, `SO_RCVLOWAT`); 0 for none.
    pub window_clamp: u32,
    /// The largest MSS in bytes (`TCP_MAXSEG`); 0 for none.
    pub mss: u32,
}

/// What is known of the owners' choices, by the kernel's cookie of each socket. A socket is asked once, when it appears;
/// one that cannot be asked is not asked again.
#[derive(Debug, Default)]
pub(super) struct Choices {
    known: HashMap<u64, Option<Chosen>>,
}

impl Choices {
    /// Fills in what is known, and asks the sockets that are new.
    pub(super) fn fill(&mut self, sockets: &mut [Listening]) {
        self.known
            .retain(|cookie, _| sockets.iter().any(|socket| socket.cookie == *cookie));
        let mut new: HashMap<u32, u64> = sockets
            .iter()
            .filter(|socket| !self.known.contains_key(&socket.cookie))
            .map(|socket| (socket.inode, socket.cookie))
            .collect();
        if !new.is_empty() {
            self.known.extend(new.values().map(|cookie| (*cookie, None)));
            self.ask(&mut new);
        }
        for socket in sockets {
            socket.chosen = self.known.get(&socket.cookie).copied().flatten();
        }
    }

    /// Looks for the sockets among the descriptors of all processes, as far as they may be looked at.
    fn ask(&mut self, new: &mut HashMap<u32, u64>) {
        let own_namespace = fs::read_link("/proc/thread-self/ns/net").ok();
        let own_pid = std::process::id();
        for pid in processes() {
            let process = PathBuf::from(format!("/proc/{pid}"));
            // Sockets of other network namespaces are not ours; a descriptor that was handed over is found elsewhere.
            if pid != own_pid && fs::read_link(process.join("ns/net")).ok() != own_namespace {
                continue;
            }
            for (descriptor, inode) in sockets_of(&process) {
                let Some(cookie) = new.get(&inode) else { continue };
                if let Ok(chosen) = duplicate(pid, descriptor).and_then(|socket| chosen_for(&socket)) {
                    self.known.insert(*cookie, Some(chosen));
                    new.remove(&inode);
                }
            }
            if new.is_empty() {
                return;
            }
        }
    }
}

fn numbers_in(directory: &Path) -> Vec<u32> {
    let entries = fs::read_dir(directory).into_iter().flatten().filter_map(Result::ok);
    entries
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .collect()
}

fn processes() -> Vec<u32> {
    numbers_in(Path::new("/proc"))
}

/// Descriptors of a process that are sockets, with their inodes.
fn sockets_of(process: &Path) -> Vec<(u32, u32)> {
    let directory = process.join("fd");
    let inode = |descriptor: u32| -> Option<u32> {
        let target = fs::read_link(directory.join(descriptor.to_string())).ok()?;
        let text = target.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?;
        text.parse().ok()
    };
    let descriptors = numbers_in(&directory).into_iter();
    descriptors
        .filter_map(|descriptor| Some((descriptor, inode(descriptor)?)))
        .collect()
}

/// A descriptor of ours for a descriptor of another process.
fn duplicate(pid: u32, descriptor: u32) -> io::Result<OwnedFd> {
    let process = opened(
        // SAFETY: two integers go in, a new descriptor or -1 comes out.
        unsafe { libc::syscall(libc::SYS_pidfd_open, libc::c_long::from(pid), 0) },
    )?;
    opened(
        // SAFETY: as above; `process` lives until after the call.
        unsafe {
            libc::syscall(
                libc::SYS_pidfd_getfd,
                libc::c_long::from(process.as_raw_fd()),
                libc::c_long::from(descriptor),
                0,
            )
        },
    )
}

fn opened(result: libc::c_long) -> io::Result<OwnedFd> {
    match libc::c_int::try_from(result) {
        // SAFETY: the kernel has just made it for this process, and nobody else has it.
        Ok(descriptor) if descriptor >= 0 => Ok(unsafe { OwnedFd::from_raw_fd(descriptor) }),
        _ => Err(io::Error::last_os_error()),
    }
}

fn chosen_for(socket: &OwnedFd) -> io::Result<Chosen> {
    let locked = option(socket, libc::SOL_SOCKET, SO_BUF_LOCK)?;
    let mss = option(socket, libc::IPPROTO_TCP, libc::TCP_MAXSEG)?;
    Ok(Chosen {
        receive_buffer: locked & RECEIVE_BUFFER_LOCKED != 0,
        window_clamp: option(socket, libc::IPPROTO_TCP, libc::TCP_WINDOW_CLAMP)?,
        mss: if mss == MSS_UNSET { 0 } else { mss },
    })
}

fn option(socket: &OwnedFd, level: libc::c_int, name: libc::c_int) -> io::Result<u32> {
    let mut value = 0u32;
    let mut length = size_of::<u32>() as libc::socklen_t;
    // SAFETY: the kernel writes at most `length` bytes, which `value` has, and both outlive the call.
    let result = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            level,
            name,
            (&raw mut value).cast(),
            &raw mut length,
        )
    };
    if result == 0 {
        Ok(value)
    } else {
        Err(io::Error::last_os_error())
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, TcpListener};

    use super::*;
    use crate::host::sockets;

    #[test]
    fn a_plain_listener_chose_nothing() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("binds");
        let port = listener.local_addr().expect("has an address").port();
        let mut found = sockets::listening().expect("the kernel tells");
        found.retain(|socket| socket.port == port);
        let mut choices = Choices::default();
        choices.fill(&mut found);
        assert_eq!(found[0].chosen, Some(Chosen::default()));
        choices.fill(&mut []);
        assert!(choices.known.is_empty(), "what is gone is forgotten");
    }
}
