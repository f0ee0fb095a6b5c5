//! What this kernel's verifier makes of Levee's programs, in every way that there is of loading them: tables of every size, as
//! root and with what the packaged unit leaves. Programs have no switches of their own that the verifier sees: modes, rungs
//! and limits are in maps, of which it knows nothing.

use std::{path::Path, thread};

use agent::kernel::{Capacity, Form, LoadOptions, Verified, is_bpffs, verify};
use anyhow::{Context as _, Result, anyhow, bail};
use caps::{CapSet, Capability};
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use serde::Serialize;

use crate::{prog_run::ProgRun, require};

/// A program, a way of loading it, and what came of it.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    /// The way.
    pub way: &'static str,
    /// Its entry point.
    pub program: String,
    /// Instructions that the verifier looked at; 0 when it refused.
    pub verified: u32,
    /// Instructions of the program, as the kernel has it.
    pub instructions: u32,
    /// Time to load it, milliseconds.
    pub load_ms: u64,
    /// Why the kernel refused it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refused: Option<String>,
}

/// What the packaged unit leaves of root's capabilities.
const UNIT: [Capability; 4] = [
    Capability::CAP_BPF,
    Capability::CAP_PERFMON,
    Capability::CAP_NET_ADMIN,
    Capability::CAP_DAC_READ_SEARCH,
];

/// A way of loading: its name, sizes of the tables, whether only the unit's capabilities are there.
const fn ways() -> [(&'static str, Capacity, bool); 4] {
    let usual = Capacity::usual();
    let large = Capacity {
        addresses: 16_384,
        groups: 1_024,
        list_entries: 1 << 20,
        ..usual
    };
    [
        ("usual tables", usual, false),
        ("small tables", ProgRun::CAPACITY, false),
        ("large tables", large, false),
        ("the unit's capabilities", usual, true),
    ]
}

/// Loads every program in every way.
///
/// # Errors
/// Not root, or the tables cannot be made. A program that is refused is a row.
pub fn rows() -> Result<Vec<Row>> {
    require::root()?;
    let mut rows = Vec::new();
    for (way, capacity, reduced) in ways() {
        let verified = in_a_bpffs_of_its_own(capacity, reduced).with_context(|| way.to_owned())?;
        rows.extend(verified.into_iter().map(|verified| row(way, verified)));
    }
    Ok(rows)
}

/// The first way alone: what the agent does on most hosts.
///
/// # Errors
/// As for [`rows`].
pub fn usual() -> Result<Vec<Row>> {
    require::root()?;
    let (way, capacity, reduced) = ways()[0];
    let verified = in_a_bpffs_of_its_own(capacity, reduced)?;
    Ok(verified.into_iter().map(|verified| row(way, verified)).collect())
}

/// The program that this kernel should not have refused: of the forms of one program, it need take one only.
#[must_use]
pub fn missing(rows: &[Row]) -> Option<&Row> {
    let another_is_taken = |refused: &Row| {
        let forms = Form::ALL.map(Form::entry);
        let taken =
            |row: &Row| row.refused.is_none() && row.way == refused.way && forms.contains(&row.program.as_str());
        forms.contains(&refused.program.as_str()) && rows.iter().any(taken)
    };
    rows.iter().find(|row| row.refused.is_some() && !another_is_taken(row))
}

fn row(way: &'static str, verified: Verified) -> Row {
    let (accepted, refused) = match verified.outcome {
        Ok(accepted) => (Some(accepted), None),
        Err(why) => (None, Some(why)),
    };
    Row {
        way,
        program: verified.program,
        verified: accepted.map_or(0, |accepted| accepted.verified),
        instructions: accepted.map_or(0, |accepted| accepted.instructions),
        load_ms: accepted.map_or(0, |accepted| accepted.took.as_millis() as u64),
        refused,
    }
}

fn in_a_bpffs_of_its_own(capacity: Capacity, reduced: bool) -> Result<Vec<Verified>> {
    let directory = tempfile::tempdir().context("a directory for the BPF file system")?;
    let bpffs = directory.path();
    mount(Some("bpf"), bpffs, Some("bpf"), MsFlags::empty(), Some("mode=0700")).context("mounting it")?;
    // Capabilities are a thread's.
    let verified = thread::scope(|scope| {
        let loading = scope.spawn(|| load(bpffs, capacity, reduced));
        loading
            .join()
            .unwrap_or_else(|_| Err(anyhow!("the thread that loads the programs failed")))
    });
    // Lazily: what is pinned there goes with it.
    umount2(bpffs, MntFlags::MNT_DETACH).context("unmounting it")?;
    verified
}

fn load(bpffs: &Path, capacity: Capacity, reduced: bool) -> Result<Vec<Verified>> {
    if !is_bpffs(bpffs) {
        bail!("{} is no BPF file system", bpffs.display());
    }
    if reduced {
        let unit = UNIT.into_iter().collect();
        caps::set(None, CapSet::Effective, &unit).context("giving up what the unit does not have")?;
    }
    Ok(verify(&LoadOptions {
        bpffs: bpffs.to_owned(),
        capacity,
    })?)
}
