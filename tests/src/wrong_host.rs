//! A host for `agent doctor`: a namespace with one veth and a configuration, on which one thing after another is made wrong and
//! put right by the command that the doctor gives.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, ensure};
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use serde_json::Value;

use crate::{
    binary,
    command::output,
    lab::Lab,
    netns::{Netns, Role},
};

/// The host's one interface.
pub const INTERFACE: &str = "lb0";
/// The other end of it.
pub const OTHER_END: &str = "to-lb";
/// The host's address, which is protected.
pub const ADDRESS: &str = "198.51.100.10";

/// The host.
#[derive(Debug)]
pub struct WrongHost {
    // The order is that of dropping: mounts and namespaces before the lab.
    mounts: Vec<Mounted>,
    host: Netns,
    wire: Netns,
    lab: Lab,
    /// Lines of the configuration by which a test makes its host another; later ones win.
    pub config: Config,
}

/// What the configuration says.
#[derive(Clone, Debug)]
pub struct Config {
    /// Interfaces.
    pub interfaces: Vec<String>,
    /// Protected addresses.
    pub protect: Vec<String>,
    /// The BPF file system.
    pub bpffs: PathBuf,
    /// The state directory.
    pub state: PathBuf,
    /// More lines, at the end: whole sections.
    pub more: String,
}

/// What the doctor said.
#[derive(Clone, Debug)]
pub struct Said {
    /// Its report.
    pub report: Value,
    /// Its exit code.
    pub code: Option<i32>,
}

/// A mount of a test, which goes with it.
#[derive(Debug)]
struct Mounted(PathBuf);

impl Drop for Mounted {
    fn drop(&mut self) {
        if let Err(error) = umount2(&self.0, MntFlags::MNT_DETACH) {
            eprintln!("lab: cannot unmount {}: {error}", self.0.display());
        }
    }
}

impl WrongHost {
    /// A host whose veth has so many queues in each direction, at both ends.
    pub fn create(queues: u32) -> Result<Self> {
        let lab = Lab::create()?;
        let host = Netns::create(&lab, Role::Balancer)?;
        let wire = Netns::create(&lab, Role::Wire)?;
        wire.ip(&format!(
            "link add {OTHER_END} numtxqueues {queues} numrxqueues {queues} type veth \
             peer name {INTERFACE} numtxqueues {queues} numrxqueues {queues} netns {}\nlink set {OTHER_END} up\n",
            host.name()
        ))?;
        host.ip(&format!(
            "link set {INTERFACE} up\naddress add {ADDRESS}/24 dev {INTERFACE}\nroute add default via 198.51.100.1 dev {INTERFACE}\n"
        ))?;
        // A namespace begins with the kernel's defaults, whatever its parent has; the last one is for small machines.
        host.set_sysctls(&[
            ("net/ipv4/tcp_timestamps", "2"),
            ("net/ipv4/tcp_syncookies", "1"),
            ("net/ipv4/tcp_max_syn_backlog", "4096"),
            ("net/ipv4/conf/all/rp_filter", "0"),
        ])?;
        let config = Config {
            interfaces: vec![INTERFACE.to_owned()],
            protect: vec![ADDRESS.to_owned()],
            bpffs: lab.bpf_directory(),
            state: lab.path("state"),
            more: String::new(),
        };
        Ok(Self {
            mounts: Vec::new(),
            host,
            wire,
            lab,
            config,
        })
    }

    /// Where the host is.
    #[must_use]
    pub const fn namespace(&self) -> &Netns {
        &self.host
    }

    /// Where the other end of its veth is.
    #[must_use]
    pub const fn wire(&self) -> &Netns {
        &self.wire
    }

    /// A path in the lab's directory.
    #[must_use]
    pub fn path(&self, file: &str) -> PathBuf {
        self.lab.path(file)
    }

    /// Mounts a file system in the lab's directory, for as long as the host lives.
    pub fn mount(&mut self, kind: &str, file: &str, read_only: bool) -> Result<PathBuf> {
        let path = self.path(file);
        fs::create_dir_all(&path).with_context(|| format!("cannot make {}", path.display()))?;
        let flags = if read_only {
            MsFlags::MS_RDONLY
        } else {
            MsFlags::empty()
        };
        mount(Some(kind), &path, Some(kind), flags, Some("mode=0750"))
            .with_context(|| format!("cannot mount {kind} at {}", path.display()))?;
        self.mounts.push(Mounted(path.clone()));
        Ok(path)
    }

    /// Unmounts with the rest what a command of the doctor mounted.
    pub fn adopt_mount(&mut self, path: &Path) {
        self.mounts.push(Mounted(path.to_owned()));
    }

    /// A command of the agent on the host.
    pub fn agent(&self, arguments: &[&str]) -> Result<Command> {
        let file = self.path("agent.toml");
        fs::write(&file, self.text()).with_context(|| format!("cannot write {}", file.display()))?;
        let mut command = self.host.command(binary::agent()?);
        command
            .env_remove("SSH_CONNECTION")
            .arg("--config")
            .arg(file)
            .args(arguments);
        Ok(command)
    }

    fn text(&self) -> String {
        let Config {
            interfaces,
            protect,
            bpffs,
            state,
            more,
        } = &self.config;
        format!(
            "mode = \"enforce\"\ninterfaces = {interfaces:?}\nprotect = {protect:?}\n[control]\nsocket = {:?}\n\
             [state]\ndirectory = {state:?}\n\
             [kernel]\nbpffs = {bpffs:?}\n{more}\n",
            self.path("agent.sock")
        )
    }

    /// Asks the doctor.
    pub fn examine(&self, arguments: &[&str]) -> Result<Said> {
        said(&mut self.agent(&[&["--json", "doctor"], arguments].concat())?)
    }

    /// Runs a command of the doctor as root does at a shell of this host; `outside` of the namespace where it mounts something,
    /// because what is mounted inside goes with the command.
    pub fn obey(&self, command: &str, outside: bool) -> Result<()> {
        let mut shell = if outside {
            Command::new("sh")
        } else {
            self.host.command("sh")
        };
        output(shell.args(["-c", command])).map(drop)
    }

    /// Makes sure that something wrong is found as exactly these findings beyond `before`, does what the doctor says, and makes
    /// sure that all is as before.
    pub fn heal(&self, before: &Said, ids: &[&str], outside: bool) -> Result<Said> {
        let sick = self.examine(&[])?;
        let found: BTreeSet<String> = sick.ids().difference(&before.ids()).cloned().collect();
        let wanted: BTreeSet<String> = ids.iter().map(ToString::to_string).collect();
        ensure!(found == wanted, "found {found:?}, not {wanted:?}: {:#}", sick.report);
        for id in ids {
            for command in sick.commands(id) {
                self.obey(&command, outside)
                    .with_context(|| format!("the way out of {id}: {command}"))?;
            }
        }
        let healed = self.examine(&[])?;
        ensure!(healed.ids() == before.ids(), "after {:?}: {:#}", ids, healed.report);
        Ok(sick)
    }
}

/// What a command of the doctor printed.
pub fn said(command: &mut Command) -> Result<Said> {
    let output = command.output().context("cannot run the agent")?;
    let text = String::from_utf8_lossy(&output.stdout);
    let report = serde_json::from_str(&text)
        .with_context(|| format!("it printed {text:?}, {}", String::from_utf8_lossy(&output.stderr)))?;
    Ok(Said {
        report,
        code: output.status.code(),
    })
}

impl Said {
    fn findings(&self) -> &[Value] {
        self.report["findings"].as_array().map_or(&[], Vec::as_slice)
    }

    /// What is not as it should be.
    #[must_use]
    pub fn ids(&self) -> BTreeSet<String> {
        let wrong = self
            .findings()
            .iter()
            .filter(|finding| finding["severity"] != "ok" && finding["unseen"] != true);
        wrong
            .filter_map(|finding| Some(finding["id"].as_str()?.to_owned()))
            .collect()
    }

    /// What could not be looked at.
    #[must_use]
    pub fn unseen(&self) -> BTreeSet<String> {
        let unseen = self.findings().iter().filter(|finding| finding["unseen"] == true);
        unseen
            .filter_map(|finding| Some(finding["id"].as_str()?.to_owned()))
            .collect()
    }

    /// Commands that put a finding right.
    #[must_use]
    pub fn commands(&self, id: &str) -> Vec<String> {
        let of_it = self.findings().iter().filter(|finding| finding["id"] == *id);
        let commands = of_it.filter_map(|finding| finding["commands"].as_array()).flatten();
        commands
            .filter_map(|command| Some(command.as_str()?.to_owned()))
            .collect()
    }

    /// What was seen by a check, the first time that it told.
    #[must_use]
    pub fn seen(&self, id: &str) -> Option<&str> {
        self.findings().iter().find(|finding| finding["id"] == *id)?["seen"].as_str()
    }

    /// The advice of a finding.
    #[must_use]
    pub fn advice(&self, id: &str) -> Option<&str> {
        self.findings().iter().find(|finding| finding["id"] == *id)?["advice"].as_str()
    }
}
