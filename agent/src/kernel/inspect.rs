//! What is in the kernel already, looked at without touching it: Levee's own remains, and the XDP programs of anybody.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use aya::programs::{links::LinkType, loaded_links, loaded_programs};
use xdp_common::layout::Capacity;

use super::{load::with_causes, maps, pins::Pins};

/// The pinned links of this version: interfaces, and the kernel's id of the program behind each, where it may be asked.
///
/// # Errors
/// If this process may not look.
pub fn pinned_links(bpffs: &Path) -> Result<BTreeMap<String, Option<u32>>, String> {
    let pins = Pins::at(bpffs);
    let links = pins.all_links().map_err(|error| error.to_string())?;
    let living = links.iter().filter_map(|link| {
        let leads = link.leads().ok()?;
        leads.to.map(|_| (link.pinned_as.clone(), Some(leads.program)))
    });
    Ok(living.collect())
}

/// Pin directories of agents of other versions.
#[must_use]
pub fn other_versions(bpffs: &Path) -> Vec<PathBuf> {
    let others = Pins::of_other_versions(bpffs);
    others.iter().map(|pins| pins.root().to_owned()).collect()
}

/// Whether every map of this version is there.
#[must_use]
pub fn has_maps(bpffs: &Path) -> bool {
    Pins::at(bpffs).exist()
}

/// Which pinned maps are not as the configuration wants them, a sentence each.
#[must_use]
pub fn other_sizes(bpffs: &Path, capacity: &Capacity) -> Vec<String> {
    let checked = maps::check_pinned(&Pins::at(bpffs), capacity);
    checked.unwrap_or_else(|error| vec![error.to_string()])
}

/// The name of a loaded program, where this process may ask.
#[must_use]
pub fn program_name(id: u32) -> Option<String> {
    let mut programs = loaded_programs().filter_map(Result::ok);
    let found = programs.find(|program| program.id() == id)?;
    found.name_as_str().map(ToOwned::to_owned)
}

/// The id of the XDP link that holds a program, if one does.
///
/// # Errors
/// If this process may not look.
pub fn xdp_link_of(program: u32) -> Result<Option<u32>, String> {
    for link in loaded_links() {
        let link = link.map_err(|error| with_causes(&error))?;
        if link.program_id() == program && link.link_type().is_ok_and(|kind| kind == LinkType::Xdp) {
            return Ok(Some(link.id()));
        }
    }
    Ok(None)
}
