//! The control socket's file: refused where another daemon answers, taken over where nobody does, and for the right
//! people only.

use std::{
    io,
    os::unix::fs::{PermissionsExt as _, chown},
    path::Path,
};

use anyhow::{Context as _, bail};
use nix::unistd::Group;
use tokio::net::{UnixListener, UnixStream};

/// Mode of the socket: root and the configured group.
const MODE: u32 = 0o660;

/// Listens at a path.
///
/// # Errors
/// If another daemon answers there, or the path cannot be used.
pub async fn listen(path: &Path, group: Option<&str>) -> anyhow::Result<UnixListener> {
    match UnixStream::connect(path).await {
        Ok(_) => bail!(
            "another agent answers at {}: stop it first, or give this one its own control.socket, state.directory and kernel.bpffs",
            path.display()
        ),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        // Nobody listens: a daemon that was killed left the file behind.
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            std::fs::remove_file(path).with_context(|| format!("cannot remove the stale socket {}", path.display()))?;
        }
        Err(error) => return Err(error).with_context(|| format!("cannot use {} as control socket", path.display())),
    }
    if let Some(directory) = path.parent() {
        std::fs::create_dir_all(directory).with_context(|| format!("cannot make {}", directory.display()))?;
    }
    let listener = bind(path).with_context(|| format!("cannot listen at {}", path.display()))?;
    if let Some(name) = group {
        let group = Group::from_name(name)?.with_context(|| format!("control.group: there is no group {name:?}"))?;
        chown(path, None, Some(group.gid.as_raw()))
            .with_context(|| format!("cannot give {} to the group {name}", path.display()))?;
    }
    Ok(listener)
}

/// Binds under a name that nobody knows, sets the mode, and only then gives it its own: nobody connects in between.
fn bind(path: &Path) -> io::Result<UnixListener> {
    let early = path.with_extension(format!("new-{}", std::process::id()));
    let listener = UnixListener::bind(&early)?;
    std::fs::set_permissions(&early, std::fs::Permissions::from_mode(MODE))?;
    std::fs::rename(&early, path)?;
    Ok(listener)
}
