//! The BPF file system, where maps and links outlive the agent.

use std::path::Path;

use nix::{
    errno::Errno,
    mount::{MsFlags, mount},
    sys::statfs::{BPF_FS_MAGIC, statfs},
};
use tracing::info;

use crate::tables::{Result, TableError};

/// Mounts the BPF file system at `path` unless it is there.
pub(super) fn ensure_mounted(path: &Path) -> Result<()> {
    if is_bpffs(path) {
        return Ok(());
    }
    std::fs::create_dir_all(path)
        .map_err(|error| TableError::Kernel(format!("kernel.bpffs: cannot create {}: {error}", path.display())))?;
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    mount(Some("bpf"), path, Some("bpf"), flags, Some("mode=0700")).map_err(|error| cannot_mount(path, error))?;
    info!(path = %path.display(), "mounted the BPF file system");
    Ok(())
}

/// Whether `path` is a mounted BPF file system.
#[must_use]
pub fn is_bpffs(path: &Path) -> bool {
    statfs(path).is_ok_and(|stat| stat.filesystem_type() == BPF_FS_MAGIC)
}

fn cannot_mount(path: &Path, error: Errno) -> TableError {
    let hint = match error {
        Errno::EPERM | Errno::EACCES => "; mounting needs CAP_SYS_ADMIN: run as root, or mount it beforehand",
        _ => "",
    };
    TableError::Kernel(format!(
        "kernel.bpffs: cannot mount the BPF file system at {}: {error}{hint}",
        path.display()
    ))
}
