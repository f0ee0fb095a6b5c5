//! Who is at the other end of the control socket: the kernel says, not the caller.

use axum::{extract::connect_info::Connected, serve::IncomingStream};
use nix::unistd::{Uid, User};
use tokio::net::UnixListener;

/// The caller as the ledger names them, such as `uid=0 (root) pid=4711`.
#[derive(Debug, Clone)]
pub(super) struct Peer(pub(super) String);

impl Connected<IncomingStream<'_, UnixListener>> for Peer {
    fn connect_info(stream: IncomingStream<'_, UnixListener>) -> Self {
        let Ok(credentials) = stream.io().peer_cred() else {
            return Self("unknown".to_owned());
        };
        let uid = credentials.uid();
        // A user without an entry (a container's) has no name; the number is enough.
        let name = User::from_uid(Uid::from_raw(uid))
            .ok()
            .flatten()
            .map(|user| format!(" ({})", user.name));
        let pid = credentials.pid().map(|pid| format!(" pid={pid}"));
        Self(format!(
            "uid={uid}{}{}",
            name.unwrap_or_default(),
            pid.unwrap_or_default()
        ))
    }
}
