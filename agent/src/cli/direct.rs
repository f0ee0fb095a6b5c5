//! What works without a daemon: straight to the pinned maps, by the same decisions. The daemon takes over what it finds
//! there when it is back.

use std::net::IpAddr;

use ipnet::IpNet;

use super::context::Context;
use crate::{
    apply::apply,
    clock::Now,
    config::{Config, ConfigFile, fleet::Scope, load_text, prefix},
    control::{
        api::{
            BlockRequest, Done, ExplainRequest, ExplainView, GroupView, LargeListView, ListView, ListenersView,
            RemoveRequest, RungRequest, RungView, StatusView,
        },
        view,
    },
    decide::{
        KernelState, Refusal, World,
        block::{self, Effect},
        rung, unblock,
    },
    explain::{Facts, probe, story},
    fleet,
    host::{HostFacts, Sysctls},
    kernel::{Explainer, Kernel},
    lock::Lock,
    overrides::Overrides,
    tables::{Blackhole, Explains as _, KernelTables as _, ListAction, ListEntry, ListHead},
};

/// What everybody must know who gets an answer without a daemon.
pub(super) const NOT_RUNNING: &str = "the agent is not running: this comes straight from the kernel's maps";

/// What a change without a daemon means.
const WRITTEN: &str = "the agent is not running: written straight to the kernel's maps; it holds now, and the agent takes it \
     over into its ledger, without the reason, when it is back";

/// What a change without a daemon means in a fleet whose commands are for all nodes.
const HERE_ALONE: &str =
    "it holds on this node alone, although fleet.commands says \"fleet\": only a running agent tells the others";

/// The pinned maps, and what is known besides.
pub(super) struct Direct {
    kernel: Kernel,
    host: HostFacts,
    file: ConfigFile,
    list: std::collections::BTreeMap<IpNet, ListAction>,
    /// Who asked for what is not known here.
    nothing: Overrides,
    /// Where the fleet's etcd is.
    stores: Vec<IpAddr>,
    now: Now,
    /// Held while maps are written, so that no daemon starts in between.
    _lock: Option<Lock>,
}

impl Direct {
    /// Opens the maps to read them.
    pub(super) async fn to_read(context: &Context) -> anyhow::Result<Self> {
        Self::open(context, false).await
    }

    /// Opens the maps to change them.
    pub(super) async fn to_write(context: &Context) -> anyhow::Result<Self> {
        Self::open(context, true).await
    }

    async fn open(context: &Context, write: bool) -> anyhow::Result<Self> {
        let file = context.file_or_defaults();
        let kernel = Kernel::open(&file.kernel.bpffs).map_err(|error| {
            let doubt = context.doubt().map(|doubt| format!("{doubt}: ")).unwrap_or_default();
            let user = if nix::unistd::geteuid().is_root() {
                ""
            } else {
                " (only root can look there: run this as root)"
            };
            anyhow::anyhow!(
                "{doubt}no agent answers at {}, and {error}{user}",
                context.socket().display()
            )
        })?;
        // A daemon that runs elsewhere would not notice what is written behind its back.
        let lock = write
            .then(|| Lock::on(&Lock::directory_of_maps(&file.kernel.bpffs)))
            .transpose()?;
        let host = HostFacts::read().await?;
        let list = configured_list(context, &host);
        let stores = fleet::stores::addresses(&file.fleet.endpoints).await;
        Ok(Self {
            kernel,
            host,
            file,
            list,
            nothing: Overrides::default(),
            stores,
            now: Now::read(),
            _lock: lock,
        })
    }

    /// `status`.
    pub(super) fn status(&self) -> Result<StatusView, Refusal> {
        view::status_of_kernel(&self.kernel, self.now)
    }

    /// `list`.
    pub(super) fn list(&self) -> Result<ListView, Refusal> {
        Ok(ListView {
            lists: self.large_lists()?,
            ..view::list_of_kernel(&KernelState::read(&self.kernel)?, self.now)
        })
    }

    /// `lists`.
    pub(super) fn large_lists(&self) -> Result<Vec<LargeListView>, Refusal> {
        view::large_lists_of_kernel(&self.kernel, self.now)
    }

    /// `rung` without arguments.
    pub(super) fn rungs(&self) -> Result<Vec<RungView>, Refusal> {
        view::rungs_of_kernel(&self.kernel, self.now)
    }

    /// Groups, without rates.
    pub(super) fn groups(&self) -> Result<Vec<GroupView>, Refusal> {
        view::groups_of_kernel(&self.kernel, self.now)
    }

    /// `listeners`.
    pub(super) fn listeners(&self) -> ListenersView {
        view::listeners_of(self.kernel.listeners(), &Sysctls::read())
    }

    /// `explain`.
    pub(super) fn explain(&self, request: &ExplainRequest) -> Result<ExplainView, Refusal> {
        let kernel = KernelState::read(&self.kernel)?;
        let probe = probe::of(request, |address| kernel.addresses.contains_key(&address))?;
        let explainer = Explainer::at(&self.file.kernel.bpffs);
        let explanations = explainer.explain(&probe.frame(probe::sequence()?))?;
        let lists: Vec<ListHead> = self.kernel.lists()?.into_iter().map(|list| list.head).collect();
        let facts = Facts {
            now: self.now,
            kernel: &kernel,
            overrides: &self.nothing,
            otherwise: view::UNKNOWN,
            meter: None,
            lists: &lists,
            links: &self.kernel.links()?,
        };
        story(&probe, &explanations, request.interface.as_deref(), &facts)
    }

    /// What a change comes with that went straight to the maps.
    fn with_warning(&self, mut done: Done) -> Done {
        done.warnings.push(WRITTEN.to_owned());
        let fleet = &self.file.fleet;
        if !fleet.endpoints.is_empty() && fleet.commands == Scope::Fleet {
            done.warnings.push(HERE_ALONE.to_owned());
        }
        done
    }

    /// `rung`.
    pub(super) fn set_rung(&mut self, request: &RungRequest) -> Result<Done, Refusal> {
        let before = KernelState::read(&self.kernel)?;
        let decision = rung::force(request, &self.world(&before))?;
        let mut after = before.clone();
        for address in &decision.addresses {
            if let Some(state) = after.addresses.get_mut(address) {
                state.rung = decision.forced();
            }
        }
        apply(&mut self.kernel, &before, &after)?;
        Ok(self.with_warning(decision.done))
    }

    /// `block-ip`.
    pub(super) fn block(&mut self, request: &BlockRequest) -> Result<Done, Refusal> {
        let before = KernelState::read(&self.kernel)?;
        let decision = block::block(request, &self.world(&before))?;
        let until = decision.until.map(|until| until.mono);
        let mut after = before.clone();
        match decision.effect {
            Effect::Entry { prefix, action } => drop(after.entries.insert(prefix, ListEntry { prefix, action, until })),
            Effect::Blackhole { addresses, all } => {
                let blackhole = Some(Blackhole { until, all });
                set_blackholes(&mut after, &addresses, blackhole);
            }
        }
        apply(&mut self.kernel, &before, &after)?;
        Ok(self.with_warning(decision.done))
    }

    /// `unblock-ip`.
    pub(super) fn unblock(&mut self, request: &RemoveRequest) -> Result<Done, Refusal> {
        let before = KernelState::read(&self.kernel)?;
        let removal = unblock::unblock(request, &self.world(&before))?;
        let mut after = before.clone();
        if let Some(prefix) = removal.entry {
            after.entries.remove(&prefix);
            // A run-time entry lay over the configuration's: that one holds again.
            let configured = self.list.get(&prefix).map(|action| ListEntry {
                prefix,
                action: *action,
                until: None,
            });
            after.entries.extend(configured.map(|entry| (prefix, entry)));
        }
        set_blackholes(&mut after, &removal.blackholes, None);
        apply(&mut self.kernel, &before, &after)?;
        Ok(self.with_warning(removal.done))
    }

    fn world<'a>(&'a self, kernel: &'a KernelState) -> World<'a> {
        World {
            now: self.now,
            kernel,
            host: &self.host,
            config_list: &self.list,
            block_ttl: self.file.block_ttl,
            overrides: &self.nothing,
            upstream: None,
            elsewhere: &[],
            stores: &self.stores,
        }
    }
}

/// The source list of the configuration, where it can be read.
fn configured_list(context: &Context, host: &HostFacts) -> std::collections::BTreeMap<IpNet, ListAction> {
    let config: Option<Config> = std::fs::read_to_string(&context.config)
        .ok()
        .and_then(|text| load_text(&text, &context.config, host).ok());
    config.map(|config| config.list).unwrap_or_default()
}

fn set_blackholes(state: &mut KernelState, addresses: &[IpAddr], blackhole: Option<Blackhole>) {
    for address in addresses {
        if let Some(state) = state.addresses.get_mut(address) {
            state.blackhole = blackhole;
        }
    }
}

/// A prefix as a request carries it.
pub(super) fn as_target(net: IpNet) -> String {
    prefix::display(net)
}
