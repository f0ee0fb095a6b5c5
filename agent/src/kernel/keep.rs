//! What the agent pinned stays pinned while it runs. Whoever unmounts the BPF file system or removes a pin takes nothing off: the
//! agent holds everything open, and pins it again, so that protection outlives the agent as before.

use std::{
    collections::BTreeMap,
    os::fd::OwnedFd,
    path::{Path, PathBuf},
};

use tracing::warn;

use super::{bpffs, links, pins::Pins};
use crate::tables::Result;

/// Everything of ours that is pinned, held open.
#[derive(Debug, Default)]
pub(super) struct Keep {
    pinned: BTreeMap<PathBuf, OwnedFd>,
}

impl Keep {
    /// Holds what is pinned under `pins` now, and lets go of what is not any more.
    pub(super) fn hold(pins: &Pins) -> Result<Self> {
        let mut pinned = BTreeMap::new();
        for path in pins.all_pins()? {
            let descriptor = links::get(&path).map_err(|error| super::pins::failed("open", &path, &error))?;
            pinned.insert(path, descriptor);
        }
        Ok(Self { pinned })
    }

    /// Pins again what is not pinned any more; tells whether that was anything.
    pub(super) fn put_back(&self, mount: &Path, pins: &Pins) -> Result<bool> {
        if self.pinned.is_empty() || (bpffs::is_bpffs(mount) && self.pinned.keys().all(|path| path.exists())) {
            return Ok(false);
        }
        bpffs::ensure_mounted(mount)?;
        pins.create()?;
        let mut missing = 0_usize;
        for (path, descriptor) in &self.pinned {
            if !path.exists() {
                links::pin(descriptor, path).map_err(|error| super::pins::failed("pin again", path, &error))?;
                missing += 1;
            }
        }
        warn!(missing, path = %pins.root().display(), "somebody took away what was pinned here; it is pinned again");
        Ok(true)
    }
}
