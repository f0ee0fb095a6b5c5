//! Where things are pinned: `<bpffs>/levee/v<version>/<MAP>`, `…/links/<native|generic>/<interface>`, and
//! `…/answers/<program id>`, beside `…/layout/<of the counters>`.

use std::{
    fs, io,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};

use xdp_common::map_name;

use super::{carry, links::Link};
use crate::{
    failpoint::{Point, reach},
    tables::{LinkState, Result, TableError, XdpMode},
};

/// Modes that a link can have, and the directory of each.
const MODES: [(XdpMode, &str); 2] = [(XdpMode::Native, "native"), (XdpMode::Generic, "generic")];

/// The directory of what programs go on to.
const ANSWERS: &str = "answers";

/// Permissions of everybody but the owner.
const OF_OTHERS: u32 = 0o077;

/// The directory in which a directory names the layout of the counters.
const LAYOUT: &str = "layout";

/// What generic mode costs, in one sentence.
pub(super) const GENERIC_WARNING: &str = "generic XDP: the driver has no native mode, so each packet costs a socket \
     buffer before it can be dropped, several times the cost of native mode";

/// The pin directory.
#[derive(Debug, Clone)]
pub(super) struct Pins {
    root: PathBuf,
}

impl Pins {
    pub(super) fn at(bpffs: &Path) -> Self {
        Self {
            root: bpffs.join("levee").join(format!("v{}", map_name::PIN_VERSION)),
        }
    }

    /// Those that agents of whatever version left.
    pub(super) fn of_every_version(bpffs: &Path) -> Vec<Self> {
        let is_version = |name: &str| {
            name.strip_prefix('v')
                .is_some_and(|number| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()))
        };
        let directory = bpffs.join("levee");
        let names = names_in(&directory).unwrap_or_default();
        let versions = names.iter().filter(|name| is_version(name));
        versions
            .map(|name| Self {
                root: directory.join(name),
            })
            .collect()
    }

    /// Those of agents of other versions, which may still protect.
    pub(super) fn of_other_versions(bpffs: &Path) -> Vec<Self> {
        let own = Self::at(bpffs).root;
        let mut all = Self::of_every_version(bpffs);
        all.retain(|pins| pins.root != own);
        all
    }

    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    pub(super) fn map(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    /// True when every map is there.
    pub(super) fn exist(&self) -> bool {
        map_name::ALL.iter().all(|name| self.map(name).exists())
    }

    pub(super) fn create(&self) -> Result<()> {
        // Of every version: links of the one before are in it, too. What an agent of another user left is taken over by root alone,
        // who may; nobody else pins all these maps.
        if let Some(all) = self.root.parent() {
            fs::create_dir_all(all).map_err(|error| failed("create", all, &error))?;
            if !self.exist() {
                keep_to_ourselves(all)?;
            }
        }
        let links = MODES.map(|(_, mode)| self.root.join("links").join(mode));
        let layout = self.layout(&carry::layout());
        for directory in links.into_iter().chain([self.root.join(ANSWERS), layout]) {
            fs::create_dir_all(&directory).map_err(|error| failed("create", &directory, &error))?;
        }
        Ok(())
    }

    fn layout(&self, name: &str) -> PathBuf {
        self.root.join(LAYOUT).join(name)
    }

    /// Whether the counters of these pins are laid out like this: see [`carry`].
    pub(super) fn counts_as(&self, layout: &str) -> bool {
        self.layout(layout).exists()
    }

    /// The pin of a link. The BPF file system refuses dots in names, and interface names cannot hold a colon.
    pub(super) fn link(&self, interface: &str, mode: XdpMode) -> PathBuf {
        let directory = if mode == XdpMode::Generic { "generic" } else { "native" };
        self.root
            .join("links")
            .join(directory)
            .join(interface.replace('.', ":"))
    }

    /// The pin of what the program with this id goes on to.
    pub(super) fn answers(&self, program: u32) -> PathBuf {
        self.root.join(ANSWERS).join(program.to_string())
    }

    /// Removes the pins of what programs go on to, of those that are `unused`.
    pub(super) fn remove_answers(&self, unused: impl Fn(u32) -> bool) -> Result<()> {
        for name in names_in(&self.root.join(ANSWERS))? {
            if name.parse().is_ok_and(&unused) {
                let path = self.root.join(ANSWERS).join(name);
                fs::remove_file(&path).map_err(|error| failed("remove", &path, &error))?;
            }
        }
        Ok(())
    }

    /// The pin of the tracepoint's link.
    pub(super) fn handshake_link(&self) -> PathBuf {
        self.root.join("links").join("handshake")
    }

    /// Everything that is pinned: maps, links, what programs go on to.
    pub(super) fn all_pins(&self) -> Result<Vec<PathBuf>> {
        let links = MODES.map(|(_, mode)| self.root.join("links").join(mode));
        let mut pins: Vec<PathBuf> = map_name::ALL.iter().map(|name| self.map(name)).collect();
        for directory in links.into_iter().chain([self.root.join(ANSWERS)]) {
            pins.extend(names_in(&directory)?.iter().map(|name| directory.join(name)));
        }
        pins.push(self.handshake_link());
        pins.retain(|path| path.exists());
        Ok(pins)
    }

    /// Every pinned link, also those that lead nowhere any more.
    pub(super) fn all_links(&self) -> Result<Vec<Link>> {
        let mut links = Vec::new();
        for (mode, name) in MODES {
            let directory = self.root.join("links").join(name);
            for pin in names_in(&directory)? {
                links.push(Link::open(&pin.replace(':', "."), mode, directory.join(&pin))?);
            }
        }
        links.sort_by(|a, b| a.pinned_as.cmp(&b.pinned_as));
        Ok(links)
    }

    /// Every pinned link that leads to an interface.
    pub(super) fn links(&self) -> Result<Vec<LinkState>> {
        let mut links = Vec::new();
        for link in self.all_links()? {
            if link.leads()?.to.is_some() {
                links.push(link_state(link.pinned_as.clone(), link.mode));
            }
        }
        Ok(links)
    }

    /// Takes the program off every interface, then removes maps and directories.
    pub(super) fn remove_all(&self) -> Result<()> {
        self.remove_beside(&[]).map(drop)
    }

    /// The same, but for links to these interfaces (by their numbers): they are pinned elsewhere too, and stay there. Returns the
    /// interfaces that have no program any more.
    pub(super) fn remove_beside(&self, kept: &[u32]) -> Result<Vec<String>> {
        let mut bare = Vec::new();
        for link in self.all_links()? {
            match link.leads()?.to {
                Some(ifindex) if kept.contains(&ifindex) => link.unpin()?,
                leads => {
                    link.take_off()?;
                    bare.extend(leads.map(|_| link.pinned_as.clone()));
                }
            }
            reach(Point::LinkRemoved);
        }
        reach(Point::LinksRemoved);
        if let Err(error) = fs::remove_dir_all(&self.root)
            && error.kind() != io::ErrorKind::NotFound
        {
            return Err(failed("remove", &self.root, &error));
        }
        reach(Point::PinsRemoved);
        Ok(bare)
    }
}

/// A link as the rest of the agent sees it.
pub(super) fn link_state(interface: String, mode: XdpMode) -> LinkState {
    let warning = (mode == XdpMode::Generic).then(|| GENERIC_WARNING.to_owned());
    LinkState {
        interface,
        mode,
        warning,
    }
}

fn names_in(directory: &Path) -> Result<Vec<String>> {
    let entries = match fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(failed("read", directory, &error)),
    };
    entries
        .map(|entry| {
            entry
                .map(|entry| entry.file_name().to_string_lossy().into_owned())
                .map_err(|error| failed("read", directory, &error))
        })
        .collect()
}

/// Who owns a directory removes what is pinned in it, and protection with it. The BPF file system may be open to all (mode 1777), so
/// somebody may have made ours before us.
fn keep_to_ourselves(directory: &Path) -> Result<()> {
    let found = fs::symlink_metadata(directory).map_err(|error| failed("look at", directory, &error))?;
    let own = nix::unistd::geteuid().as_raw();
    if !found.is_dir() || ![own, 0].contains(&found.uid()) {
        return Err(TableError::Kernel(format!(
            "{} belongs to the user {}, who could take protection off: see who made it, remove it, and start the agent again",
            directory.display(),
            found.uid()
        )));
    }
    if found.mode() & OF_OTHERS != 0 && found.uid() == own {
        let private = fs::Permissions::from_mode(0o700);
        fs::set_permissions(directory, private).map_err(|error| failed("close", directory, &error))?;
    }
    Ok(())
}

pub(super) fn failed(what: &str, path: &Path, error: &io::Error) -> TableError {
    TableError::Kernel(format!("cannot {what} {}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_that_somebody_else_made_first_is_not_used() {
        let bpffs = tempfile::tempdir().expect("directory");
        let pins = Pins::at(bpffs.path());
        let all = bpffs.path().join("levee");
        fs::create_dir(&all).expect("made");
        fs::set_permissions(&all, fs::Permissions::from_mode(0o777)).expect("opened");
        pins.create().expect("our own");
        assert_eq!(
            fs::metadata(&all).expect("there").mode() & 0o777,
            0o700,
            "and closed to others"
        );

        std::os::unix::fs::chown(&all, Some(54_321), None).expect("this test needs root, as the lab does");
        let refused = pins.create().expect_err("another's").to_string();
        assert!(
            refused.contains("54321") && refused.contains("take protection off"),
            "{refused}"
        );
        fs::remove_dir_all(&all).expect("removed");
        std::os::unix::fs::symlink("/tmp", &all).expect("a link");
        assert!(pins.create().is_err(), "a link is no directory of ours");
    }
}
