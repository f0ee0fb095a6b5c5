//! Landlock: where the agent, and what it starts, may still write. Reading is left as it was: lists, secrets and certificates can be
//! anywhere, and what may be read of them is said by their owners.

use std::{
    fs::{File, OpenOptions},
    os::{fd::OwnedFd, unix::fs::OpenOptionsExt as _},
    path::{Path, PathBuf},
    sync::OnceLock,
};

use landlock::{
    ABI, AccessFs, BitFlags, CompatLevel, Compatible as _, Ruleset, RulesetAttr as _, RulesetCreatedAttr as _,
    path_beneath_rules,
};

use nix::libc;

use crate::{config::Config, host::sysctl_files};

/// Everything about writing that Linux 6.2 knows (truncating is the latest of it); what an older kernel does not know is left out.
const KNOWN: ABI = ABI::V3;
/// What hooks and libraries throw things away with.
const SINKS: [&str; 3] = ["/dev/null", "/dev/zero", "/dev/full"];

/// Files of /proc/sys, open as long as the agent runs.
static HELD: OnceLock<Vec<File>> = OnceLock::new();

/// A place, and what may be done there.
type Right = (PathBuf, BitFlags<AccessFs>);

/// The rules of a configuration, not in force yet. `None`: this kernel has no Landlock.
///
/// # Errors
/// Why there can be none.
pub(super) fn ruleset(config: &Config) -> Result<Option<OwnedFd>, String> {
    let failed = |error: &dyn std::error::Error| format!("Landlock: {error}");
    let mut rules = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_write(KNOWN))
        .and_then(Ruleset::create)
        .map_err(|error| failed(&error))?;
    // The kernel makes the files of /proc/sys anew once nobody holds them, and rules are about a file and not about its name.
    HELD.get_or_init(|| sysctl_files().filter_map(|file| held(&file)).collect());
    for (path, access) in rights(config) {
        // What is not there now is never written to: its directory is what counts.
        rules = rules
            .add_rules(path_beneath_rules([path], access))
            .map_err(|error| failed(&error))?;
    }
    let made: Option<OwnedFd> = rules.into();
    made.map_or_else(
        || Err("this kernel has no Landlock (CONFIG_SECURITY_LANDLOCK, and `landlock` in lsm=)".to_owned()),
        |ruleset| Ok(Some(ruleset)),
    )
}

/// Holds a file without opening it for anything.
fn held(path: &Path) -> Option<File> {
    OpenOptions::new().read(true).custom_flags(libc::O_PATH).open(path).ok()
}

fn rights(config: &Config) -> Vec<Right> {
    let everything = AccessFs::from_write(KNOWN);
    let write = AccessFs::WriteFile | AccessFs::Truncate;
    let parent = |path: &Path| path.parent().map(Path::to_owned);
    let mut rights: Vec<Right> = vec![
        (config.state_directory.clone(), everything),
        // Our directory there goes with `agent detach`, and is made again where somebody removed it.
        (config.bpffs.clone(), everything),
    ];
    // The socket goes with the agent, and is made again where somebody removed it.
    let sockets = AccessFs::RemoveFile | AccessFs::MakeSock;
    rights.extend(parent(&config.socket).map(|directory| (directory, sockets)));
    let include = config.upstream.as_ref().and_then(|above| parent(&above.include));
    rights.extend(include.map(|directory| (directory, everything)));
    rights.extend(sysctl_files().map(|file| (file, write)));
    rights.extend(SINKS.map(|sink| (PathBuf::from(sink), write)));
    rights.extend(config.privileges.writable.iter().map(|path| (path.clone(), everything)));
    rights
}
