//! What this process may do, and the places that the agent writes to.

use std::{
    fs, io,
    os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};

use caps::{CapSet, Capability};
use nix::{
    errno::Errno,
    sys::statvfs::{FsFlags, statvfs},
    unistd::{AccessFlags, Group, access, geteuid},
};

use super::places::{Places, text, why};
use crate::{
    capabilities,
    config::ConfigFile,
    doctor::facts::{Bpffs, ControlGroup, Obstacle, PermissionFacts, Place},
    kernel::is_bpffs,
};

pub(super) fn gather(places: &Places, file: &ConfigFile, socket: &Path) -> PermissionFacts {
    let bpffs = file.kernel.bpffs.clone();
    let security = places.sys.join("kernel/security");
    PermissionFacts {
        root: geteuid().is_root(),
        missing: capabilities::missing_here(),
        may_mount: caps::has_cap(None, CapSet::Effective, Capability::CAP_SYS_ADMIN).unwrap_or(false),
        bpffs: (bpffs.clone(), look_at_bpffs(&bpffs)),
        state: place(&file.state.directory),
        socket: place(socket.parent().unwrap_or(Path::new("/"))),
        socket_taken: fs::symlink_metadata(socket).is_ok_and(|found| !found.file_type().is_socket()),
        groups: groups(file),
        lockdown: text(&security.join("lockdown")).ok().and_then(|text| chosen(&text)),
        selinux: text(&places.sys.join("fs/selinux/enforce")).is_ok_and(|text| text == "1"),
        unprivileged_bpf: places.number("kernel.unprivileged_bpf_disabled").ok(),
    }
}

fn groups(file: &ConfigFile) -> Vec<ControlGroup> {
    let named = [
        ("control.group", &file.control.group),
        ("control.view_group", &file.control.view_group),
    ];
    let found = named.into_iter().filter_map(|(key, name)| Some((key, name.clone()?)));
    found
        .map(|(key, name)| ControlGroup {
            members: Group::from_name(&name).ok().flatten().map(|group| group.mem.len()),
            key,
            name,
        })
        .collect()
}

/// The word in brackets: `none [integrity] confidentiality`.
fn chosen(text: &str) -> Option<String> {
    let (_, rest) = text.split_once('[')?;
    rest.split_once(']').map(|(word, _)| word.to_owned())
}

fn look_at_bpffs(path: &Path) -> Bpffs {
    match fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Bpffs::Missing,
        Err(error) => return Bpffs::Unknown(why(path, &error)),
        Ok(_) => {}
    }
    match statvfs(path) {
        _ if !is_bpffs(path) => Bpffs::Missing,
        Ok(found) if found.flags().contains(FsFlags::ST_RDONLY) => Bpffs::ReadOnly,
        Ok(_) => Bpffs::Mounted,
        Err(error) => Bpffs::Unknown(error.to_string()),
    }
}

/// A directory that is there, or would be made.
fn place(path: &Path) -> Place {
    let exists = fs::metadata(path).ok();
    let base = path.ancestors().find(|base| base.exists()).unwrap_or(Path::new("/"));
    Place {
        path: path.to_owned(),
        obstacle: obstacle(base),
        free: statvfs(base)
            .ok()
            .map(|found| found.blocks_available() * found.fragment_size()),
        mode: exists.map(|metadata| metadata.permissions().mode()),
    }
}

fn obstacle(base: &Path) -> Option<Obstacle> {
    if !base.is_dir() {
        return Some(Obstacle::NoDirectory(base.to_owned()));
    }
    match access(base, AccessFlags::W_OK | AccessFlags::X_OK) {
        Ok(()) => None,
        Err(Errno::EROFS) => Some(Obstacle::ReadOnly(mount_point(base))),
        Err(_) => Some(Obstacle::Forbidden(base.to_owned())),
    }
}

/// The directory at which its file system is mounted: the highest one on the same device.
fn mount_point(path: &Path) -> PathBuf {
    let device = |path: &Path| fs::metadata(path).map(|found| found.dev()).ok();
    let own = device(path);
    let same = path.ancestors().take_while(|above| device(above) == own);
    same.last().unwrap_or(path).to_owned()
}

#[cfg(test)]
mod tests {
    use super::chosen;

    #[test]
    fn the_word_in_brackets_is_chosen() {
        assert_eq!(chosen("none [integrity] confidentiality").as_deref(), Some("integrity"));
        assert_eq!(chosen("none"), None);
    }
}
