//! What the kernel's tables hold, or are to hold: read from them, or derived from the configuration and what people
//! asked for over it. Two of these make a plan.

use std::{collections::BTreeMap, net::IpAddr};

use ipnet::IpNet;

use crate::{
    config::{Config, units::Burst},
    host::TcpFacts,
    ladder::Rung,
    overrides::{Origin, Overrides, ThresholdTarget},
    tables::{
        self, AddressState, Blackhole, ForcedRung, GroupState, KernelSettings, KernelTables, KnownFor, Ladder, Limit,
        ListEntry, Vectors,
    },
};

/// The kernel's tables.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KernelState {
    /// What holds for all addresses.
    pub settings: KernelSettings,
    /// Protected addresses.
    pub addresses: BTreeMap<IpAddr, AddressState>,
    /// Groups of them.
    pub groups: BTreeMap<IpNet, GroupState>,
    /// Source list.
    pub entries: BTreeMap<IpNet, ListEntry>,
}

impl KernelState {
    /// Reads what the tables hold.
    ///
    /// # Errors
    /// If the kernel refuses a read.
    pub fn read(tables: &dyn KernelTables) -> tables::Result<Self> {
        Ok(Self {
            settings: tables.settings()?,
            addresses: tables
                .addresses()?
                .into_iter()
                .map(|state| (state.address, state))
                .collect(),
            groups: tables
                .groups()?
                .into_iter()
                .map(|group| (group.prefix, group))
                .collect(),
            entries: tables
                .entries()?
                .into_iter()
                .map(|entry| (entry.prefix, entry))
                .collect(),
        })
    }

    /// True for a protected address whose connections end at this host.
    #[must_use]
    pub fn terminates(&self, address: IpAddr) -> bool {
        self.addresses.get(&address).is_some_and(|state| state.local)
    }

    /// What the tables are to hold: the configuration, with what was asked for at run time over it, on this host.
    #[must_use]
    pub fn wanted(config: &Config, overrides: &Overrides, tcp: &TcpFacts) -> Self {
        let settings = KernelSettings {
            mode: overrides.mode.as_ref().map_or(config.mode, |set| set.mode),
            source_limit: source_limit(config, overrides),
            samples_per_second: config.samples_per_second,
            syncookies: tcp.sysctls.syncookies,
            answers_per_second: Some(config.verify.answers_per_second),
            known_for: KnownFor::new(config.verify.known_for.duration()),
            resolvers: std::array::from_fn(|index| config.resolvers.get(index).map(IpAddr::to_canonical)),
        };
        let own = tcp.own_addresses();
        let addresses = config
            .protected
            .iter()
            .map(|(address, protected)| {
                let (rung, blackhole) = rung_of(overrides, *address);
                let local = own.contains(address);
                let state = AddressState {
                    address: *address,
                    limit: address_limit(config, overrides, *address),
                    blackhole,
                    local,
                    rung,
                    ladder: Ladder {
                        most: protected.ladder.kernel_most(),
                        method: protected.method.resolve(local, tcp.sysctls.syncookies),
                        hold: config.verify.hold.duration(),
                    },
                    vectors: address_vectors(config, overrides, *address),
                    amplification: protected.amplification,
                    group: group_of(config, *address),
                };
                (*address, state)
            })
            .collect();
        let configured = config.list.iter().map(|(prefix, action)| {
            (
                *prefix,
                ListEntry {
                    prefix: *prefix,
                    action: *action,
                    until: None,
                },
            )
        });
        let asked = overrides.list.iter().map(|(prefix, entry)| {
            let until = entry.origin.until.map(|until| until.mono);
            (
                *prefix,
                ListEntry {
                    prefix: *prefix,
                    action: entry.action,
                    until,
                },
            )
        });
        let groups = config.groups.keys().map(|prefix| {
            let group = GroupState {
                prefix: *prefix,
                limit: group_limit(config, overrides, *prefix),
                vectors: group_vectors(config, overrides, *prefix),
                hold: config.verify.hold.duration(),
            };
            (*prefix, group)
        });
        Self {
            settings,
            groups: groups.collect(),
            addresses,
            entries: configured.chain(asked).collect(),
        }
    }
}

/// The rung that an address is put on and its blackhole: what people asked for, and only where nobody asked for anything, what
/// the ladder took.
fn rung_of(overrides: &Overrides, address: IpAddr) -> (Option<ForcedRung>, Option<Blackhole>) {
    let end = |origin: &Origin| origin.until.map(|until| until.mono);
    let blackhole = overrides.blackholes.get(&address).map(|hole| Blackhole {
        until: end(&hole.origin),
        all: hole.all,
    });
    let forced = overrides.rungs.get(&address).map(|forced| ForcedRung {
        rung: forced.rung,
        until: end(&forced.origin),
    });
    if let Some(until) = forced
        .filter(|forced| forced.rung >= Rung::Blackhole)
        .map(|forced| forced.until)
    {
        // The network above drops what it can; what comes through all the same is dropped here.
        return (None, blackhole.or(Some(Blackhole { until, all: false })));
    }
    match overrides.taken.get(&address) {
        Some(taken) if blackhole.is_none() && forced.is_none() => {
            let until = end(&taken.origin);
            if taken.rung >= Rung::Blackhole {
                (None, Some(Blackhole { until, all: false }))
            } else {
                (
                    Some(ForcedRung {
                        rung: taken.rung,
                        until,
                    }),
                    None,
                )
            }
        }
        _ => (forced, blackhole),
    }
}

/// The threshold of every source.
#[must_use]
pub fn source_limit(config: &Config, overrides: &Overrides) -> Limit {
    let set = overrides.thresholds.get(&ThresholdTarget::Source);
    set.map_or(config.source_limit, |set| set.over(config.source_limit))
}

/// The threshold of an address without one of its own.
#[must_use]
pub fn common_limit(config: &Config, overrides: &Overrides) -> Limit {
    let set = overrides.thresholds.get(&ThresholdTarget::EveryAddress);
    set.map_or(config.address_limit, |set| set.over(config.address_limit))
}

/// The rates of vectors of an address without any of its own.
#[must_use]
pub fn common_vectors(config: &Config, overrides: &Overrides) -> Vectors {
    let set = overrides.thresholds.get(&ThresholdTarget::EveryAddress);
    set.map_or(config.vectors, |set| set.vectors.over(config.vectors))
}

/// The rates of vectors of one address: the common ones, what differs in its section, what was set at run time.
#[must_use]
pub fn address_vectors(config: &Config, overrides: &Overrides, address: IpAddr) -> Vectors {
    let common = common_vectors(config, overrides);
    let own = config
        .protected
        .get(&address)
        .map_or(common, |protected| protected.own_vectors.over(common));
    let set = overrides.thresholds.get(&ThresholdTarget::Address(address));
    set.map_or(own, |set| set.vectors.over(own))
}

/// The group that an address belongs to; groups do not overlap.
#[must_use]
pub fn group_of(config: &Config, address: IpAddr) -> Option<IpNet> {
    config.groups.keys().find(|prefix| prefix.contains(&address)).copied()
}

/// The SYN threshold of a group: what was set at run time, else the configured one, if it has any.
#[must_use]
pub fn group_limit(config: &Config, overrides: &Overrides, prefix: IpNet) -> Option<Limit> {
    let configured = config.groups.get(&prefix).and_then(|group| group.limit);
    let Some(set) = overrides.thresholds.get(&ThresholdTarget::Group(prefix)) else {
        return configured;
    };
    let syn_rate = set.syn_rate.or(configured.map(|limit| limit.syn_rate))?;
    let syn_burst = set.syn_burst.or(configured.map(|limit| limit.syn_burst));
    Some(Limit {
        syn_rate,
        syn_burst: syn_burst.unwrap_or_else(|| Burst::of_a_second(syn_rate)),
    })
}

/// The rates of vectors of a group.
#[must_use]
pub fn group_vectors(config: &Config, overrides: &Overrides, prefix: IpNet) -> Vectors {
    let configured = config
        .groups
        .get(&prefix)
        .map(|group| group.vectors)
        .unwrap_or_default();
    let set = overrides.thresholds.get(&ThresholdTarget::Group(prefix));
    set.map_or(configured, |set| set.vectors.over(configured))
}

/// The threshold of one address: its own run-time one, else its own configured one, else the common one.
#[must_use]
pub fn address_limit(config: &Config, overrides: &Overrides, address: IpAddr) -> Limit {
    let configured = config
        .protected
        .get(&address)
        .map_or(config.address_limit, |protected| protected.limit);
    let base = if configured == config.address_limit {
        common_limit(config, overrides)
    } else {
        configured
    };
    overrides
        .thresholds
        .get(&ThresholdTarget::Address(address))
        .map_or(base, |set| set.over(base))
}
