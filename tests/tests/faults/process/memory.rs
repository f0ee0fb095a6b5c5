//! A memory cgroup of the test's own, of either version of cgroups, which goes with the test.

use std::{
    fs,
    path::{Path, PathBuf},
    process, thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};

/// Where the hierarchies are: the second version's, and the first one's of memory.
const UNIFIED: &str = "/sys/fs/cgroup";
const FIRST: &str = "/sys/fs/cgroup/memory";

/// Room above what is used: some requests, no list.
const ROOM: u64 = 4 << 20;

/// The cgroup.
pub(super) struct Cgroup {
    directory: PathBuf,
    is_unified: bool,
}

impl Cgroup {
    pub(super) fn create() -> Result<Self> {
        let is_unified = Path::new(UNIFIED).join("cgroup.controllers").exists();
        let root = Path::new(if is_unified { UNIFIED } else { FIRST });
        let directory = root.join(format!("levee-faults-{}", process::id()));
        fs::create_dir(&directory).with_context(|| format!("cannot make the memory cgroup {}", directory.display()))?;
        let cgroup = Self { directory, is_unified };
        if is_unified {
            write(&root.join("cgroup.subtree_control"), "+memory")?;
        }
        ensure!(
            cgroup.limit().exists(),
            "the cgroup {} has no controller of memory",
            cgroup.directory.display()
        );
        Ok(cgroup)
    }

    /// Takes a process in; what it has so far is not counted.
    pub(super) fn take(&self, pid: u32) -> Result<()> {
        write(&self.directory.join("cgroup.procs"), &pid.to_string())
    }

    fn limit(&self) -> PathBuf {
        self.directory.join(if self.is_unified {
            "memory.max"
        } else {
            "memory.limit_in_bytes"
        })
    }

    /// Lets it take hardly more than it has.
    pub(super) fn limit_to_what_is_used(&self) -> Result<()> {
        let used = if self.is_unified {
            "memory.current"
        } else {
            "memory.usage_in_bytes"
        };
        let used: u64 = fs::read_to_string(self.directory.join(used))?.trim().parse()?;
        write(&self.limit(), &(used + ROOM).to_string())
    }

    /// How often the kernel killed somebody for want of memory.
    pub(super) fn kills(&self) -> Result<u64> {
        let file = if self.is_unified {
            "memory.events"
        } else {
            "memory.oom_control"
        };
        let text = fs::read_to_string(self.directory.join(file))?;
        let count = text.lines().find_map(|line| line.strip_prefix("oom_kill "));
        Ok(count.context("the kernel counts no kills")?.trim().parse()?)
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        // Whoever was killed takes a moment to leave.
        let start = Instant::now();
        while let Err(error) = fs::remove_dir(&self.directory) {
            if start.elapsed() > Duration::from_secs(5) {
                eprintln!("cannot remove {}: {error}", self.directory.display());
                return;
            }
            thread::sleep(Duration::from_millis(50));
        }
    }
}

fn write(file: &Path, text: &str) -> Result<()> {
    fs::write(file, text).with_context(|| format!("cannot write {text:?} to {}", file.display()))
}
