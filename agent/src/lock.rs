//! One agent per ledger and per set of pinned maps. Locks are held on open directories: they need no file, and the kernel
//! lets go of them with the process, however it ends.

use std::{
    fs::{File, TryLockError},
    path::Path,
};

use anyhow::{Context as _, bail};

/// A lock, held as long as this lives.
#[derive(Debug)]
#[must_use = "the lock is gone with this"]
pub struct Lock {
    _directory: File,
}

impl Lock {
    /// Locks a directory.
    ///
    /// # Errors
    /// If somebody else holds it, or there is no such directory.
    pub fn on(directory: &Path) -> anyhow::Result<Self> {
        let file = File::open(directory).with_context(|| format!("cannot open {}", directory.display()))?;
        match file.try_lock() {
            Ok(()) => Ok(Self { _directory: file }),
            Err(TryLockError::WouldBlock) => bail!(
                "another agent uses {}: stop it first, or give this one its own control.socket, state.directory and kernel.bpffs",
                directory.display()
            ),
            Err(TryLockError::Error(error)) => {
                Err(error).with_context(|| format!("cannot lock {}", directory.display()))
            }
        }
    }

    /// The directory that stands for the maps pinned in a BPF file system.
    #[must_use]
    pub fn directory_of_maps(bpffs: &Path) -> std::path::PathBuf {
        bpffs.join("levee")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_is_refused_until_the_first_is_gone() {
        let directory = tempfile::tempdir().expect("directory");
        let first = Lock::on(directory.path()).expect("free");
        let refused = Lock::on(directory.path()).expect_err("held").to_string();
        assert!(refused.contains("another agent uses"), "{refused}");
        drop(first);
        let _again = Lock::on(directory.path()).expect("free again");
    }
}
