//! The loaded program without a wire: maps pinned in a BPF file system of the test's own, frames by BPF_PROG_TEST_RUN.

use agent::{
    kernel::{Capacity, Explainer, Form, Kernel, LoadOptions, Run},
    tables::{CounterReading, KernelTables as _},
};
use anyhow::{Context as _, Result};
use nix::mount::{MntFlags, umount2};
use tempfile::TempDir;

use crate::require;

/// A program of its own with small maps. Dropping it removes maps, pins and mount.
#[derive(Debug)]
pub struct ProgRun {
    /// The program and its maps.
    pub kernel: Kernel,
    bpffs: TempDir,
}

impl ProgRun {
    /// Small maps.
    pub const CAPACITY: Capacity = Capacity {
        addresses: 64,
        groups: 4,
        list_entries: 1_024,
        list_prefixes: 100_000,
        sources: 1_024,
        known_sources: 1_024,
        retry_lines: 1_024,
        listeners: 64,
    };

    /// Loads the program.
    ///
    /// # Errors
    /// Not root, or the kernel refuses the program.
    pub fn load() -> Result<Self> {
        Self::load_with(Self::CAPACITY)
    }

    /// Loads the program with maps of these sizes.
    ///
    /// # Errors
    /// As for [`Self::load`].
    pub fn load_with(capacity: Capacity) -> Result<Self> {
        Self::load_one_of(&Form::ALL, capacity)
    }

    /// Loads the program in one of these forms.
    ///
    /// # Errors
    /// As for [`Self::load`].
    pub fn load_one_of(forms: &[Form], capacity: Capacity) -> Result<Self> {
        require::root()?;
        let bpffs = tempfile::tempdir().context("a directory for the BPF file system")?;
        let (kernel, warnings) = Kernel::load_one_of(
            forms,
            &LoadOptions {
                bpffs: bpffs.path().to_owned(),
                capacity,
            },
        )?;
        assert!(warnings.is_empty(), "fresh maps give no warnings: {warnings:?}");
        Ok(Self { kernel, bpffs })
    }

    /// The same maps, opened by somebody else.
    ///
    /// # Errors
    /// They cannot be opened.
    pub fn second(&self) -> Result<Kernel> {
        Ok(Kernel::open(self.bpffs.path())?)
    }

    /// Whoever tells what would become of a frame.
    #[must_use]
    pub fn explainer(&self) -> Explainer {
        Explainer::at(self.bpffs.path())
    }

    /// Runs one frame; what became of it, and which counters moved by how much.
    ///
    /// # Errors
    /// The kernel refuses the run.
    pub fn frame(&mut self, frame: &[u8]) -> Result<(Run, CounterReading)> {
        let before = self.kernel.counters()?;
        let run = self.kernel.run(frame, 1)?;
        let mut moved = self.kernel.counters()?;
        for (now, then) in moved.addresses.iter_mut().zip(&before.addresses) {
            assert_eq!(now.address, then.address, "no address came or went meanwhile");
            now.counts = now.counts.since(&then.counts);
        }
        moved.host.dropped -= before.host.dropped;
        moved.host.would_drop -= before.host.would_drop;
        Ok((run, moved))
    }
}

impl Drop for ProgRun {
    fn drop(&mut self) {
        let unpinned = self.kernel.detach_all();
        // Lazily: the process still holds descriptors of what was pinned there.
        let unmounted = umount2(self.bpffs.path(), MntFlags::MNT_DETACH);
        if !std::thread::panicking() {
            unpinned.expect("the pins can be removed");
            unmounted.expect("the BPF file system can be unmounted");
        }
    }
}
