//! Load balancers that are one fleet: each in a namespace of its own with kernel, state directory and socket of its own, each on a
//! link of its own to the namespace of an etcd, so that each can be cut off, and on another one from which it can be flooded.

mod attacker;

use std::{
    fs,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

use agent::{
    fleet::{By, Content, Decision, Key, Keys, Target},
    kernel::Kernel,
    tables::{KernelTables as _, ListAction},
};
use anyhow::{Context as _, Result, anyhow};
use attacker::Attacker;
use ipnet::IpNet;
use jiff::Timestamp;
use serde_json::Value;

use crate::{
    etcd::{Etcd, PORT, Settings},
    flood::Report,
    guarded::until_within,
    lab::Lab,
    levee::{Agent, Home},
    netns::{Netns, Role},
};

/// How long anything may take that a machine full of other work does late.
pub const PATIENCE: Duration = Duration::from_secs(20);
/// What the fleet's keys begin with.
pub const PREFIX: &str = "/levee/";
/// The address that every node protects.
pub const VIP: &str = "203.0.113.10";
/// The interface of a node to etcd.
const INTERFACE: &str = "up0";

/// One node. Dropping it ends its agent and takes its namespace down.
#[derive(Debug)]
pub struct Node {
    // Dropped in this order.
    agent: Option<Agent>,
    attacker: Attacker,
    home: Home,
    namespace: Netns,
    lab: Lab,
    number: usize,
}

/// All of them.
#[derive(Debug)]
pub struct Fleet {
    /// By number, from 0.
    pub nodes: Vec<Node>,
    /// What they agree by.
    pub etcd: Etcd,
    store: Netns,
    lab: Lab,
}

impl Fleet {
    /// An etcd and nodes whose agents have not begun.
    ///
    /// # Errors
    /// It cannot be made.
    pub fn prepare(nodes: usize, settings: impl FnOnce(&Lab) -> Result<Settings>) -> Result<Self> {
        let lab = Lab::create()?;
        let store = Netns::create(&lab, Role::Wire)?;
        let etcd = Etcd::start(&lab, &store, settings(&lab)?)?;
        let mut fleet = Self {
            nodes: Vec::new(),
            etcd,
            store,
            lab,
        };
        for number in 0..nodes {
            let node = Node::new(&fleet.store, number)?;
            fleet.nodes.push(node);
        }
        Ok(fleet)
    }

    /// An etcd and nodes that follow it.
    ///
    /// # Errors
    /// They do not begin.
    pub fn start(nodes: usize) -> Result<Self> {
        let mut fleet = Self::prepare(nodes, |_| Ok(Settings::default()))?;
        for node in &mut fleet.nodes {
            node.configure("")?;
            node.start()?;
        }
        fleet.until_all_are_up()?;
        Ok(fleet)
    }

    /// Waits until every node sees what the others decide.
    ///
    /// # Errors
    /// One does not in time.
    pub fn until_all_are_up(&self) -> Result<()> {
        for node in &self.nodes {
            until_within(PATIENCE, "the node follows its fleet", || {
                Ok(self.is_there(node)? && node.warnings()?.is_empty())
            })
            .with_context(|| node.trouble())?;
        }
        Ok(())
    }

    /// Waits until the node that adds up has counted all nodes.
    ///
    /// # Errors
    /// It has not in time.
    pub fn until_all_are_counted(&self) -> Result<()> {
        let counted = format!("\"nodes\":{},", self.nodes.len());
        until_within(PATIENCE, "all nodes are counted", || {
            let sums = self.etcd.get(&format!("{PREFIX}sums"))?;
            Ok(sums.is_some_and(|sums| sums.contains(&counted)))
        })
    }

    /// Whether etcd knows a node.
    ///
    /// # Errors
    /// etcd does not answer.
    pub fn is_there(&self, node: &Node) -> Result<bool> {
        Ok(self.etcd.get(&format!("{PREFIX}nodes/{}", node.name()))?.is_some())
    }

    /// Decides past all nodes, as one of them that nobody sees.
    ///
    /// # Errors
    /// etcd does not take it.
    pub fn decide(&self, prefix: &str, content: Option<ListAction>, until: Option<Timestamp>) -> Result<()> {
        let target = Target::Entry(prefix.parse()?);
        let decision = Decision {
            content: content.map(Content::Entry),
            actor: "uid=0 (root)".to_owned(),
            node: "elsewhere".to_owned(),
            reason: Some("a test".to_owned()),
            at: Timestamp::now(),
            until,
            force: false,
        };
        self.etcd.put(
            &Keys::under(PREFIX).name(&Key::Decision(By::Human, target)),
            &decision.write(),
        )
    }

    /// Cuts a node off, or lets it come back.
    ///
    /// # Errors
    /// There is no such link.
    pub fn set_link(&self, number: usize, up: bool) -> Result<()> {
        let state = if up { "up" } else { "down" };
        self.store.ip(&format!("link set node{number} {state}\n"))
    }

    /// Floods the address at some nodes, each with SYNs of sources that are none, while somebody looks. What the floods were comes with
    /// what was seen. No flood is longer than 15 s, however long the look takes.
    ///
    /// # Errors
    /// A flood cannot be made, or the look fails.
    pub fn flooded<T>(
        &self,
        numbers: &[usize],
        rate_pps: u32,
        look: impl FnOnce() -> Result<T>,
    ) -> Result<(T, Vec<Report>)> {
        let stop = AtomicBool::new(false);
        thread::scope(|scope| {
            let floods: Vec<_> = numbers
                .iter()
                .map(|number| {
                    let attacker = &self.nodes[*number].attacker;
                    let stop = &stop;
                    scope.spawn(move || attacker.flood(rate_pps, stop))
                })
                .collect();
            let seen = look();
            stop.store(true, Ordering::Relaxed);
            let reports: Vec<Result<Report>> = floods
                .into_iter()
                .map(|flood| flood.join().unwrap_or_else(|_panic| Err(anyhow!("a flood panicked"))))
                .collect();
            let reports = reports.into_iter().collect::<Result<Vec<Report>>>()?;
            Ok((seen?, reports))
        })
    }

    /// Ends etcd as `kill -9` does.
    ///
    /// # Errors
    /// It was gone before.
    pub fn kill_etcd(&mut self) -> Result<()> {
        self.etcd.kill()
    }

    /// Starts it again with its data.
    ///
    /// # Errors
    /// It does not start.
    pub fn restart_etcd(&mut self) -> Result<()> {
        self.etcd.restart(&self.lab, &self.store)
    }

    /// Waits until every node's kernel does this with sources of a prefix; `None`: nothing.
    ///
    /// # Errors
    /// One does not in time.
    pub fn until_all_hold(&self, prefix: &str, wanted: Option<ListAction>) -> Result<()> {
        self.nodes.iter().try_for_each(|node| node.until_holds(prefix, wanted))
    }
}

impl Node {
    fn new(store: &Netns, number: usize) -> Result<Self> {
        let lab = Lab::create()?;
        let namespace = Netns::create(&lab, Role::Balancer)?;
        store.ip(&format!(
            "link add node{number} type veth peer name {INTERFACE} netns {}\n\
             address add {}/24 dev node{number}\nlink set node{number} up\n",
            namespace.name(),
            store_address(number)
        ))?;
        namespace.ip(&format!(
            "address add 10.77.{number}.2/24 dev {INTERFACE}\nlink set {INTERFACE} up\naddress add {VIP}/32 dev lo\n"
        ))?;
        let attacker = Attacker::join(&lab, &namespace)?;
        let home = Home::in_namespace(&lab, &namespace);
        fs::create_dir_all(home.directory())?;
        Ok(Self {
            agent: None,
            attacker,
            home,
            namespace,
            lab,
            number,
        })
    }

    /// Its name in the fleet.
    #[must_use]
    pub fn name(&self) -> String {
        format!("lb{}", self.number)
    }

    /// The agent's commands.
    #[must_use]
    pub const fn home(&self) -> &Home {
        &self.home
    }

    /// Where it finds etcd.
    #[must_use]
    pub fn endpoint(&self, scheme: &str) -> String {
        format!("{scheme}://{}:{PORT}", store_address(self.number))
    }

    /// Writes its configuration: with more lines of `[fleet]`, which may name other endpoints and another node.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn configure(&self, more: &str) -> Result<()> {
        let mut fleet = String::from("[fleet]\n");
        if !more.contains("endpoints =") {
            fleet += &format!("endpoints = [{:?}]\n", self.endpoint("http"));
        }
        if !more.contains("node =") {
            fleet += &format!("node = {:?}\n", self.name());
        }
        let text = format!(
            "mode = \"enforce\"\ninterfaces = [{INTERFACE:?}, {:?}]\nprotect = [{VIP:?}]\n\n[control]\nsocket = {:?}\n\n\
             [state]\ndirectory = {:?}\n\n[kernel]\nbpffs = {:?}\n\n{fleet}{more}\n",
            attacker::INTERFACE,
            self.home.socket(),
            self.home.directory().join("state"),
            self.lab.bpf_directory()
        );
        fs::write(self.home.config(), text).with_context(|| format!("cannot write {}", self.home.config().display()))
    }

    /// Starts its agent.
    ///
    /// # Errors
    /// It does not start.
    pub fn start(&mut self) -> Result<()> {
        self.agent = Some(Agent::launch(&self.lab, self.home.clone(), false)?);
        Ok(())
    }

    /// Ends it as `kill -9` does.
    ///
    /// # Errors
    /// It was gone before.
    pub fn kill(&mut self) -> Result<()> {
        self.agent.as_mut().context("it runs")?.process().kill().map(drop)
    }

    /// Ends it in an orderly way.
    ///
    /// # Errors
    /// It was gone before.
    pub fn stop(&mut self) -> Result<()> {
        self.agent.as_mut().context("it runs")?.process().stop().map(drop)
    }

    /// What it warns of that is about its fleet.
    ///
    /// # Errors
    /// It does not answer.
    pub fn warnings(&self) -> Result<Vec<String>> {
        let status: Value = self.home.ask_json(&["status"])?;
        let all = status["warnings"].as_array().context("warnings")?;
        let texts = all.iter().filter_map(Value::as_str);
        Ok(texts
            .filter(|text| text.starts_with("fleet: "))
            .map(str::to_owned)
            .collect())
    }

    /// Waits until it warns of something.
    ///
    /// # Errors
    /// It does not in time.
    pub fn until_warns(&self, parts: &[&str]) -> Result<()> {
        let is_it = |text: &String| parts.iter().all(|part| text.contains(part));
        until_within(PATIENCE, &format!("{} warns of {parts:?}", self.name()), || {
            Ok(self.warnings()?.iter().any(is_it))
        })
        .with_context(|| self.trouble())
    }

    /// Waits until it warns of nothing.
    ///
    /// # Errors
    /// It does.
    pub fn until_content(&self) -> Result<()> {
        until_within(PATIENCE, &format!("{} warns of nothing", self.name()), || {
            Ok(self.warnings()?.is_empty())
        })
        .with_context(|| self.trouble())
    }

    /// What its kernel does with sources of a prefix.
    ///
    /// # Errors
    /// The kernel does not tell.
    pub fn held(&self, prefix: &str) -> Result<Option<ListAction>> {
        let prefix: IpNet = prefix.parse()?;
        // Opened each time: what was read from the kernel once is remembered.
        let entries = Kernel::open(&self.lab.bpf_directory())?.entries()?;
        Ok(entries
            .iter()
            .find(|entry| entry.prefix == prefix)
            .map(|entry| entry.action))
    }

    /// Waits until its kernel does this.
    ///
    /// # Errors
    /// It does not in time.
    pub fn until_holds(&self, prefix: &str, wanted: Option<ListAction>) -> Result<()> {
        until_within(PATIENCE, &format!("{} has {prefix} as {wanted:?}", self.name()), || {
            Ok(self.held(prefix)? == wanted)
        })
        .with_context(|| self.trouble())
    }

    /// The end of its log.
    #[must_use]
    pub fn trouble(&self) -> String {
        let text = fs::read_to_string(self.home.log()).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        let warnings = self.warnings().unwrap_or_default();
        format!("{warnings:?}\n{}", lines[lines.len().saturating_sub(12)..].join("\n"))
    }

    /// Its namespace.
    #[must_use]
    pub const fn namespace(&self) -> &Netns {
        &self.namespace
    }
}

fn store_address(number: usize) -> String {
    format!("10.77.{number}.1")
}
