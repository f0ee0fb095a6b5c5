//! Where things are pinned: `<bpffs>/levee/v<version>/<MAP>`, `…/links/<native|generic>/<interface>`, and
//! `…/answers/<program id>`.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use xdp_common::map_name;

use crate::tables::{LinkState, Result, TableError, XdpMode};

/// Modes that a link can have, and the directory of each.
const MODES: [(XdpMode, &str); 2] = [(XdpMode::Native, "native"), (XdpMode::Generic, "generic")];

/// The directory of what programs go on to.
const ANSWERS: &str = "answers";

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
        let links = MODES.map(|(_, mode)| self.root.join("links").join(mode));
        for directory in links.into_iter().chain([self.root.join(ANSWERS)]) {
            fs::create_dir_all(&directory).map_err(|error| failed("create", &directory, &error))?;
        }
        Ok(())
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

    /// The pinned link of an interface, if there is one.
    pub(super) fn existing_link(&self, interface: &str) -> Option<(XdpMode, PathBuf)> {
        MODES
            .iter()
            .map(|(mode, _)| (*mode, self.link(interface, *mode)))
            .find(|(_, path)| path.exists())
    }

    /// Every pinned link.
    pub(super) fn links(&self) -> Result<Vec<LinkState>> {
        let mut links = Vec::new();
        for (mode, name) in MODES {
            for interface in names_in(&self.root.join("links").join(name))? {
                links.push(link_state(interface.replace(':', "."), mode));
            }
        }
        links.sort_by(|a, b| a.interface.cmp(&b.interface));
        Ok(links)
    }

    /// Takes the program off one interface: the pin is the link's last reference.
    pub(super) fn remove_link(&self, interface: &str) -> Result<()> {
        let Some((_, path)) = self.existing_link(interface) else {
            return Ok(());
        };
        fs::remove_file(&path).map_err(|error| failed("remove", &path, &error))
    }

    /// Takes the program off every interface, then removes maps and directories.
    pub(super) fn remove_all(&self) -> Result<()> {
        for link in self.links()? {
            self.remove_link(&link.interface)?;
        }
        match fs::remove_dir_all(&self.root) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed("remove", &self.root, &error)),
            _ => Ok(()),
        }
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

fn failed(what: &str, path: &Path, error: &io::Error) -> TableError {
    TableError::Kernel(format!("cannot {what} {}: {error}", path.display()))
}
