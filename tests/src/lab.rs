//! One lab's identity, its directory, and its end.
//!
//! A lab is named after the process that made it: `1234`, then `1234-2`. Its namespaces are `levee-<name>-<role>`, its
//! files live in `/run/levee-lab/<name>`. What must be undone is written there before it is done, so that one function,
//! [`take_down`], serves the ordinary end, the signal handler, `lab down`, and the sweep that finds the remains of a
//! process that was killed.

use std::{
    fs, io,
    path::{Path, PathBuf},
    process::{self, Command},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
};

use anyhow::{Context as _, Result};
use nix::mount::{MntFlags, MsFlags, mount, umount2};

use crate::{
    child,
    command::output,
    netns::{self, Role},
    require, signal,
};

/// Every namespace of every lab starts with this.
pub const PREFIX: &str = "levee-";

const ROOT: &str = "/run/levee-lab";

static SEQUENCE: AtomicU32 = AtomicU32::new(1);
static OWN: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// A lab of this process. Dropping it takes it down.
#[derive(Debug)]
pub struct Lab {
    name: String,
    kept: bool,
}

impl Lab {
    /// Sweeps away the remains of dead processes, then makes the directory of a new lab with a BPF file system in it.
    ///
    /// The BPF file system is the lab's own, because `ip netns exec` mounts a fresh `/sys` and hides the usual one.
    pub fn create() -> Result<Self> {
        require::root()?;
        signal::install()?;
        sweep();
        let number = SEQUENCE.fetch_add(1, Ordering::Relaxed);
        let pid = process::id();
        let name = if number == 1 {
            pid.to_string()
        } else {
            format!("{pid}-{number}")
        };
        // Made before the gate is passed, so that it is dropped after: dropping passes the gate again.
        let lab = Self { name, kept: false };
        let _gate = signal::gate();
        let bpf = lab.bpf_directory();
        fs::create_dir_all(&bpf).with_context(|| format!("cannot make the lab's directory {}", bpf.display()))?;
        own().push(lab.name.clone());
        child::record(&lab.path("owner"), pid)?;
        mount(Some("bpf"), &bpf, Some("bpf"), MsFlags::empty(), Some("mode=0700"))
            .with_context(|| format!("cannot mount a BPF file system on {}", bpf.display()))?;
        Ok(lab)
    }

    /// The lab's name, as `lab down` takes it.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The name of one of the lab's namespaces.
    #[must_use]
    pub fn namespace(&self, role: Role) -> String {
        namespace(&self.name, role)
    }

    /// A file in the lab's directory.
    #[must_use]
    pub fn path(&self, file: &str) -> PathBuf {
        directory(&self.name).join(file)
    }

    /// The lab's own BPF file system.
    #[must_use]
    pub fn bpf_directory(&self) -> PathBuf {
        self.path("bpf")
    }

    /// Leaves the lab up after the end of this process. `lab down` ends it.
    pub fn keep(&mut self) -> Result<()> {
        let mark = self.path("kept");
        fs::write(&mark, "").with_context(|| format!("cannot mark the lab as kept in {}", mark.display()))?;
        self.kept = true;
        own().retain(|name| *name != self.name);
        Ok(())
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        if !self.kept {
            let _gate = signal::gate();
            take_down(&self.name);
            own().retain(|name| *name != self.name);
        }
    }
}

/// Takes down one lab, as much of it as there is. What cannot be undone is said on standard error, not thrown: this runs
/// while other things fail.
pub fn take_down(name: &str) {
    child::end_recorded(&directory(name).join("pids"));
    for role in Role::ALL {
        let namespace = namespace(name, role);
        if netns::path(&namespace).exists()
            && let Err(error) = output(Command::new("ip").args(["netns", "delete", &namespace]))
        {
            eprintln!("lab: {error:#}");
        }
    }
    let bpf = directory(name).join("bpf");
    // Not mounted: the lab was interrupted before it came to that.
    let _not_mounted = umount2(&bpf, MntFlags::MNT_DETACH);
    if let Err(error) = fs::remove_dir_all(directory(name))
        && error.kind() != io::ErrorKind::NotFound
    {
        eprintln!("lab: cannot remove {}: {error}", directory(name).display());
    }
    // Not empty: there are other labs.
    let _others = fs::remove_dir(ROOT);
}

/// Takes down every lab that this process made and did not keep.
pub fn take_down_own() {
    let names = std::mem::take(&mut *own());
    for name in names {
        take_down(&name);
    }
}

/// The labs that were left up on purpose.
#[must_use]
pub fn kept() -> Vec<String> {
    names()
        .into_iter()
        .filter(|name| directory(name).join("kept").exists())
        .collect()
}

/// Takes down the labs whose process is gone, except those left up on purpose.
pub fn sweep() {
    for name in names() {
        if !directory(&name).join("kept").exists() && !owner_lives(&name) {
            take_down(&name);
        }
    }
}

fn owner_lives(name: &str) -> bool {
    match child::recorded(&directory(name).join("owner")).first() {
        Some(owner) => owner.lives(),
        // The directory is made an instant before the record in it: believe the name.
        None => name
            .split('-')
            .next()
            .is_some_and(|pid| Path::new("/proc").join(pid).exists()),
    }
}

/// Every lab that has left a trace, by directory or by namespace.
fn names() -> Vec<String> {
    let mut names: Vec<String> = entries(Path::new(ROOT));
    for namespace in entries(Path::new(netns::DIRECTORY)) {
        let name = namespace.strip_prefix(PREFIX).and_then(|rest| {
            Role::ALL
                .into_iter()
                .find_map(|role| rest.strip_suffix(role.name())?.strip_suffix('-'))
        });
        names.extend(name.map(ToOwned::to_owned));
    }
    names.sort();
    names.dedup();
    names
}

fn entries(directory: &Path) -> Vec<String> {
    let Ok(listing) = fs::read_dir(directory) else {
        return Vec::new();
    };
    listing
        .flatten()
        .filter_map(|entry| entry.file_name().into_string().ok())
        .collect()
}

fn directory(name: &str) -> PathBuf {
    Path::new(ROOT).join(name)
}

fn namespace(name: &str, role: Role) -> String {
    format!("{PREFIX}{name}-{}", role.name())
}

fn own() -> std::sync::MutexGuard<'static, Vec<String>> {
    OWN.lock().unwrap_or_else(PoisonError::into_inner)
}
