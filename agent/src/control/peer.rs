//! Who is at the other end of the control socket: the kernel says, not the caller.

use std::{io, os::fd::AsRawFd as _};

use axum::{extract::connect_info::Connected, serve::IncomingStream};
use nix::{
    libc,
    unistd::{Gid, Uid, User},
};
use tokio::net::UnixStream;

use super::{access::Role, socket::ControlSocket};

/// Groups of a process that are read at most: what the kernel lets it have (`NGROUPS_MAX` of linux/limits.h).
const MOST_GROUPS: usize = 65_536;
/// Groups that most processes do not exceed.
const FEW_GROUPS: usize = 64;

/// Somebody who connected, as they were at that moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peer {
    /// Their user; `None` where the kernel did not say.
    pub uid: Option<Uid>,
    /// Their groups, the primary one first.
    pub groups: Vec<Gid>,
    /// Their process, where this one can see it.
    pub pid: Option<i32>,
}

/// The caller as the ledger names them, such as `uid=0 (root) pid=4711 role=operate`.
#[derive(Debug, Clone)]
pub(super) struct Actor(pub(super) String);

impl Peer {
    fn of(stream: &UnixStream) -> Self {
        let Ok(credentials) = stream.peer_cred() else {
            return Self {
                uid: None,
                groups: Vec::new(),
                pid: None,
            };
        };
        let mut groups = vec![Gid::from_raw(credentials.gid())];
        match supplementary_groups(stream) {
            Ok(others) => groups.extend(others),
            // They count with what is known of them: less, never more.
            Err(error) => tracing::warn!("cannot see the groups of who connected to the control socket: {error}"),
        }
        Self {
            uid: Some(Uid::from_raw(credentials.uid())),
            groups,
            pid: credentials.pid(),
        }
    }

    /// As the journal knows them.
    pub(super) fn actor(&self, role: Option<Role>) -> Actor {
        let role = role.map_or("none", Role::name);
        let Some(uid) = self.uid else {
            return Actor(format!("unknown role={role}"));
        };
        // A user without an entry (a container's) has no name; the number is enough.
        let name = User::from_uid(uid).ok().flatten();
        let name = name.map(|user| format!(" ({})", user.name)).unwrap_or_default();
        let pid = self.pid.map(|pid| format!(" pid={pid}")).unwrap_or_default();
        Actor(format!("uid={uid}{name}{pid} role={role}"))
    }
}

impl Connected<IncomingStream<'_, ControlSocket>> for Peer {
    fn connect_info(stream: IncomingStream<'_, ControlSocket>) -> Self {
        Self::of(stream.io())
    }
}

/// Supplementary groups that the peer had when it connected (`SO_PEERGROUPS`, unix(7)).
fn supplementary_groups(stream: &UnixStream) -> io::Result<Vec<Gid>> {
    let mut groups: Vec<libc::gid_t> = vec![0; FEW_GROUPS];
    loop {
        let mut bytes = libc::socklen_t::try_from(size_of_val(groups.as_slice())).map_err(io::Error::other)?;
        // SAFETY: `groups` is `bytes` long and lives through the call, which writes at most that much to it; the descriptor is the
        // stream's own.
        let done = unsafe {
            libc::getsockopt(
                stream.as_raw_fd(),
                libc::SOL_SOCKET,
                libc::SO_PEERGROUPS,
                groups.as_mut_ptr().cast(),
                &raw mut bytes,
            )
        };
        let count = bytes as usize / size_of::<libc::gid_t>();
        if done == 0 {
            groups.truncate(count);
            return Ok(groups.into_iter().map(Gid::from_raw).collect());
        }
        let error = io::Error::last_os_error();
        // ERANGE: the kernel said how much room it takes.
        if error.raw_os_error() != Some(libc::ERANGE) || count <= groups.len() || count > MOST_GROUPS {
            return Err(error);
        }
        groups.resize(count, 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_kernel_says_who_connected() {
        let (one, _other) = UnixStream::pair().expect("a pair");
        let peer = Peer::of(&one);
        assert_eq!(peer.uid, Some(nix::unistd::geteuid()));
        assert_eq!(peer.groups.first(), Some(&nix::unistd::getegid()));
        let own = nix::unistd::getgroups().expect("groups");
        assert!(own.iter().all(|group| peer.groups.contains(group)), "{peer:?} {own:?}");
        let Actor(actor) = peer.actor(Some(Role::Operate));
        let pid = format!("pid={}", std::process::id());
        assert!(
            actor.starts_with("uid=") && actor.contains(&pid) && actor.ends_with("role=operate"),
            "{actor}"
        );
    }
}
