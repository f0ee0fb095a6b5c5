//! The control socket's file: refused where another daemon answers, taken over where nobody does, made again where somebody
//! removes it, and for the right people only.

use std::{
    fs, io,
    os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _, chown},
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context as _, bail};
use axum::serve::Listener;
use nix::unistd::Gid;
use tokio::{
    net::{UnixListener, UnixStream, unix::SocketAddr},
    time::{Instant, sleep_until},
};

use super::{access::Access, acl};
use crate::failpoint::{Point, reach};

/// Ending of the name under which it is bound, before the process id.
const EARLY: &str = "new-";

/// Mode of the socket: its owner and the configured groups. What each of them may do is decided when they ask.
const MODE: u32 = 0o660;

/// Between two looks whether the file is still there.
const LOOK: Duration = Duration::from_secs(1);

/// The control socket, with its file. Whoever removes the file (something that tidies a directory) locks nobody out for long: it
/// is made again.
#[derive(Debug)]
pub struct ControlSocket {
    listener: UnixListener,
    path: PathBuf,
    /// Groups whose members may open it.
    groups: Vec<Gid>,
    /// Device and inode of the file that is ours.
    file: Option<(u64, u64)>,
    next_look: Instant,
}

/// Listens at a path.
///
/// # Errors
/// If another daemon answers there, or the path cannot be used.
pub async fn listen(path: &Path, access: &Access) -> anyhow::Result<ControlSocket> {
    match UnixStream::connect(path).await {
        Ok(_) => bail!(
            "another agent answers at {}: stop it first, or give this one its own control.socket, state.directory and kernel.bpffs",
            path.display()
        ),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => remove_stale(path)?,
        Err(error) => return Err(error).with_context(|| format!("cannot use {} as control socket", path.display())),
    }
    let groups = access.groups();
    let listener = open(path, &groups)?;
    Ok(ControlSocket {
        listener,
        file: identity(path),
        path: path.to_owned(),
        groups,
        next_look: Instant::now() + LOOK,
    })
}

/// Nobody listens: a daemon that was killed left the file behind. The kernel refuses in the same way where there never was a
/// socket, and what is there then is somebody's.
fn remove_stale(path: &Path) -> anyhow::Result<()> {
    let found = fs::symlink_metadata(path).with_context(|| format!("cannot look at {}", path.display()))?;
    if !found.file_type().is_socket() {
        bail!(
            "control.socket: {} is there and is no socket: name another path, or move it away if nobody needs it",
            path.display()
        );
    }
    fs::remove_file(path).with_context(|| format!("cannot remove the stale socket {}", path.display()))
}

fn open(path: &Path, groups: &[Gid]) -> anyhow::Result<UnixListener> {
    if let Some(directory) = path.parent() {
        fs::create_dir_all(directory).with_context(|| format!("cannot make {}", directory.display()))?;
    }
    sweep(path);
    let listener = bind(path).with_context(|| format!("cannot listen at {}", path.display()))?;
    admit(path, groups)?;
    Ok(listener)
}

/// Lets the members of these groups open the socket. One group gets it, where this process may give it away (root, or a member);
/// several, and what cannot be given away, take an access control list.
fn admit(path: &Path, groups: &[Gid]) -> anyhow::Result<()> {
    let refused = match groups {
        [] => return Ok(()),
        [one] if chown(path, None, Some(one.as_raw())).is_ok() => return Ok(()),
        several => acl::admit(path, several).err(),
    };
    let Some(error) = refused else { return Ok(()) };
    let context = format!(
        "control: cannot let the groups {groups:?} open {}: its file system may have no access control lists; leave \
         control.view_group out, or put control.socket elsewhere",
        path.display()
    );
    Err(error).context(context)
}

fn identity(path: &Path) -> Option<(u64, u64)> {
    let found = fs::symlink_metadata(path).ok()?;
    Some((found.dev(), found.ino()))
}

impl ControlSocket {
    /// Makes the file again if it is gone. Where another one has taken its place, that is left to whoever put it there.
    fn look(&mut self) {
        self.next_look = Instant::now() + LOOK;
        if self.file.is_none() || identity(&self.path).is_some() {
            return;
        }
        match open(&self.path, &self.groups) {
            Ok(listener) => {
                tracing::warn!(socket = %self.path.display(), "somebody removed the control socket; it is there again");
                self.listener = listener;
                self.file = identity(&self.path);
            }
            Err(error) => tracing::error!("the control socket is gone, and cannot be made again: {error:#}"),
        }
    }
}

impl Listener for ControlSocket {
    type Io = UnixStream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (UnixStream, SocketAddr) {
        loop {
            tokio::select! {
                accepted = Listener::accept(&mut self.listener) => return accepted,
                () = sleep_until(self.next_look) => self.look(),
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

/// Removes what agents that were killed while they bound left beside the socket. A path at which somebody lives has been refused.
fn sweep(path: &Path) {
    let (Some(directory), Some(stem)) = (path.parent(), path.file_stem().and_then(|stem| stem.to_str())) else {
        return;
    };
    let prefix = format!("{stem}.{EARLY}");
    let left = fs::read_dir(directory).into_iter().flatten().flatten();
    for entry in left.filter(|entry| entry.file_name().to_string_lossy().starts_with(&prefix)) {
        // Another one may sweep at the same time.
        let _ = fs::remove_file(entry.path());
    }
}

/// Binds under a name that nobody knows, sets the mode, and only then gives it its own: nobody connects in between.
fn bind(path: &Path) -> io::Result<UnixListener> {
    let early = path.with_extension(format!("{EARLY}{}", std::process::id()));
    let listener = UnixListener::bind(&early)?;
    reach(Point::SocketBound);
    fs::set_permissions(&early, fs::Permissions::from_mode(MODE))?;
    fs::rename(&early, path)?;
    Ok(listener)
}
