//! Links of ours as the kernel knows them: on which interface each is now, and which program is behind it.
//!
//! A link is pinned under the name that its interface had. The interface may be called otherwise by now, be gone, or have left
//! its name to another one, so that who asks for the program on an interface asks by its number (ifindex).

use std::{
    ffi::CString,
    fs, io,
    mem::size_of_val,
    os::{
        fd::{AsRawFd as _, FromRawFd as _, OwnedFd},
        unix::ffi::OsStrExt as _,
    },
    path::{Path, PathBuf},
};

use nix::{libc, net::if_::if_indextoname};

use super::{
    pins::{Pins, failed},
    syscall::bpf,
};
use crate::tables::{Result, TableError, XdpMode};

/// Commands of bpf(2), as include/uapi/linux/bpf.h numbers them.
const OBJ_PIN: libc::c_long = 6;
const OBJ_GET: libc::c_long = 7;
const OBJ_GET_INFO_BY_FD: libc::c_long = 15;
const LINK_DETACH: libc::c_long = 34;

/// The beginning of `union bpf_attr` for BPF_OBJ_PIN and BPF_OBJ_GET.
#[repr(C)]
struct Object {
    path: u64,
    descriptor: u32,
    flags: u32,
}

/// The same for BPF_OBJ_GET_INFO_BY_FD.
#[repr(C)]
struct GetInfo {
    descriptor: u32,
    length: u32,
    info: u64,
}

/// The beginning of `struct bpf_link_info`, as it is for a link of XDP.
#[repr(C)]
#[derive(Default)]
struct LinkInfo {
    kind: u32,
    id: u32,
    program: u32,
    /// What follows is aligned to eight bytes.
    padding: u32,
    /// 0 once the interface is gone, or somebody detached the link.
    ifindex: u32,
    rest: [u32; 3],
}

/// Where a link leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Leads {
    /// Number of the interface; `None`: nowhere any more.
    pub(super) to: Option<u32>,
    /// The kernel's id of the program behind it.
    pub(super) program: u32,
}

/// A link of ours, held open: as long as this lives it stays, whatever becomes of its pin.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) mode: XdpMode,
    /// The name that the interface had when it was pinned.
    pub(super) pinned_as: String,
    pub(super) path: PathBuf,
    descriptor: OwnedFd,
}

impl Link {
    /// Opens a pinned one.
    pub(super) fn open(pinned_as: &str, mode: XdpMode, path: PathBuf) -> Result<Self> {
        let descriptor = get(&path).map_err(|error| failed("open", &path, &error))?;
        Ok(Self {
            mode,
            pinned_as: pinned_as.to_owned(),
            path,
            descriptor,
        })
    }

    /// Where it leads now.
    pub(super) fn leads(&self) -> Result<Leads> {
        let mut info = LinkInfo::default();
        let mut attributes = GetInfo {
            descriptor: self.descriptor.as_raw_fd().cast_unsigned(),
            length: u32::try_from(size_of_val(&info)).unwrap_or(0),
            info: (&raw mut info) as u64,
        };
        bpf(OBJ_GET_INFO_BY_FD, &mut attributes).map_err(|error| failed("inspect", &self.path, &error))?;
        Ok(Leads {
            to: (info.ifindex != 0).then_some(info.ifindex),
            program: info.program,
        })
    }

    /// The present name of its interface, where there is one.
    pub(super) fn interface(&self) -> Option<String> {
        name_of(self.leads().ok()?.to?)
    }

    /// Whether who names this interface means this link: by the name that the interface has now, or had when it was pinned.
    pub(super) fn is_of(&self, interface: &str) -> bool {
        self.interface()
            .map_or_else(|| self.pinned_as == interface, |now| now == interface)
    }

    /// Takes the program off, whoever else holds the link, and removes the pin.
    pub(super) fn take_off(&self) -> Result<()> {
        let mut descriptor: u32 = self.descriptor.as_raw_fd().cast_unsigned();
        // The kernel has nothing to take off where the interface is gone; the pin goes in any case.
        let detached = bpf(LINK_DETACH, &mut descriptor);
        match fs::remove_file(&self.path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed("remove", &self.path, &error)),
            _ => {}
        }
        let still_there = self.leads().is_ok_and(|leads| leads.to.is_some());
        match detached {
            Err(error) if still_there => Err(TableError::Kernel(format!(
                "cannot take the program off {}: {error}",
                self.pinned_as
            ))),
            _ => Ok(()),
        }
    }

    /// Pins it under the name that its interface has now.
    pub(super) fn call(&mut self, pins: &Pins, interface: &str) -> Result<()> {
        let path = pins.link(interface, self.mode);
        if path != self.path {
            fs::rename(&self.path, &path).map_err(|error| failed("rename", &self.path, &error))?;
            self.path = path;
            interface.clone_into(&mut self.pinned_as);
        }
        Ok(())
    }

    /// Pins it at a path: once more, or again where somebody took its pin away.
    pub(super) fn pin_at(&self, path: &Path) -> Result<()> {
        pin(&self.descriptor, path).map_err(|error| failed("pin a link at", path, &error))
    }

    /// Removes its pin alone.
    pub(super) fn unpin(&self) -> Result<()> {
        fs::remove_file(&self.path).map_err(|error| failed("remove", &self.path, &error))
    }
}

/// The name of an interface, by its number.
pub(super) fn name_of(ifindex: u32) -> Option<String> {
    if_indextoname(ifindex).ok()?.into_string().ok()
}

/// The link among `pins` that leads to this interface.
pub(super) fn to(pins: &Pins, ifindex: u32) -> Result<Option<Link>> {
    for link in pins.all_links()? {
        if link.leads()?.to == Some(ifindex) {
            return Ok(Some(link));
        }
    }
    Ok(None)
}

/// Makes the name of an interface free for a new pin: a dead link goes, one whose interface has another name now gets that.
pub(super) fn make_room(pins: &Pins, interface: &str) -> Result<()> {
    for mut link in pins.all_links()? {
        if link.pinned_as != interface {
            continue;
        }
        match link.interface() {
            Some(now) if now != interface => {
                let taken = pins.all_links()?.iter().any(|other| other.pinned_as == now);
                // Its name is another's pin, which will move on in its turn.
                let name = if taken { format!("{now}~") } else { now };
                link.call(pins, &name)?;
            }
            _ => link.take_off()?,
        }
    }
    Ok(())
}

/// Opens an object of bpf(2) that is pinned at a path.
pub(super) fn get(path: &Path) -> io::Result<OwnedFd> {
    let name = c_path(path)?;
    let mut attributes = Object {
        path: name.as_ptr() as u64,
        descriptor: 0,
        flags: 0,
    };
    let descriptor = bpf(OBJ_GET, &mut attributes)?;
    // SAFETY: the kernel has just made it for us, and nobody else knows it.
    Ok(unsafe { OwnedFd::from_raw_fd(descriptor) })
}

/// Pins an object of bpf(2) at a path.
pub(super) fn pin(descriptor: &impl std::os::fd::AsFd, path: &Path) -> io::Result<()> {
    let name = c_path(path)?;
    let mut attributes = Object {
        path: name.as_ptr() as u64,
        descriptor: descriptor.as_fd().as_raw_fd().cast_unsigned(),
        flags: 0,
    };
    bpf(OBJ_PIN, &mut attributes).map(drop)
}

fn c_path(path: &Path) -> io::Result<CString> {
    CString::new(path.as_os_str().as_bytes()).map_err(|_| io::Error::from(io::ErrorKind::InvalidInput))
}
