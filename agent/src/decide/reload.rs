//! What changes between two configurations, in words, and what of it needs a restart.

use std::{collections::BTreeSet, time::Duration};

use serde::Serialize;
use xdp_common::Vector;

use crate::{
    config::{Config, captures::Captures, groups::Group, ladder::LadderPolicy, prefix},
    ladder::{MethodChoice, Rung},
};

/// The difference.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Difference {
    /// One line for each change that a reload makes.
    pub changes: Vec<String>,
    /// Keys whose change needs a restart.
    pub needs_restart: Vec<&'static str>,
}

/// Compares two configurations.
#[must_use]
pub fn difference(old: &Config, new: &Config) -> Difference {
    let mut difference = Difference::default();
    let mut note = |key: &str, old: String, new: String| {
        if old != new {
            difference.changes.push(format!("{key}: {old} -> {new}"));
        }
    };
    keys(old, new, &mut note);
    ladder(&old.ladder, &new.ladder, &mut note);
    let [above, above_now] = [old, new].map(|config| config.upstream.as_ref().map(|policy| &policy.section));
    section("upstream", above, above_now, &mut note);
    let [others, others_now] = [old, new].map(|config| config.fleet.as_ref().map(|policy| &policy.section));
    section("fleet", others, others_now, &mut note);
    if old.page.token != new.page.token {
        // Where it is may be told, but a token that stands in the file itself may not: neither is.
        difference.changes.push("page.token: changed".to_owned());
    }
    difference.changes.extend(interfaces(old, new));
    difference.changes.extend(addresses(old, new));
    difference.changes.extend(groups(old, new));
    difference.changes.extend(lists(old, new));
    difference.changes.extend(large_lists(old, new));
    difference.changes.extend(endpoints(old, new));
    difference.needs_restart = needs_restart(old, new);
    difference
}

/// Keys whose value is one.
fn keys(old: &Config, new: &Config, note: &mut impl FnMut(&str, String, String)) {
    for (key, text) in KEYS {
        note(key, text(old), text(new));
    }
    for vector in Vector::ALL {
        note(
            &format!("thresholds.{}", vector.name()),
            old.vectors.of(vector).to_string(),
            new.vectors.of(vector).to_string(),
        );
    }
    for ((key, old), (_, new)) in old.detect.named().into_iter().zip(new.detect.named()) {
        note(key, old, new);
    }
}

/// How a key's value is told.
type Told = fn(&Config) -> String;

/// Keys that have one value.
const KEYS: [(&str, Told); 16] = [
    ("mode", |config| config.mode.to_string()),
    ("block_ttl", |config| config.block_ttl.to_string()),
    ("thresholds.address", |config| config.address_limit.to_string()),
    ("thresholds.source", |config| config.source_limit.to_string()),
    ("amplification", |config| config.amplification.to_string()),
    ("resolvers (resolv.conf)", |config| format!("{:?}", config.resolvers)),
    ("samples.per_second", |config| config.samples_per_second.to_string()),
    ("captures", |config| captures(&config.captures)),
    ("poll.interval", |config| config.poll_interval.to_string()),
    ("log.level", |config| format!("{:?}", config.log.level).to_lowercase()),
    ("verify.hold", |config| config.verify.hold.to_string()),
    ("verify.answers_per_second", |config| {
        config.verify.answers_per_second.to_string()
    }),
    ("verify.known_for", |config| config.verify.known_for.to_string()),
    ("verify.method", |config| config.verify.method.to_string()),
    ("verify.set_sysctls", |config| config.verify.set_sysctls.to_string()),
    ("page.hosts", |config| format!("{:?}", config.page.hosts)),
];

fn captures(bounds: &Captures) -> String {
    format!(
        "{} headers, {} files, {} MiB",
        bounds.headers, bounds.files, bounds.mebibytes
    )
}

fn ladder(old: &LadderPolicy, new: &LadderPolicy, note: &mut impl FnMut(&str, String, String)) {
    let dry = |policy: &LadderPolicy| {
        policy
            .dry_from
            .map_or("nothing".to_owned(), |rung| format!("from {rung} on"))
    };
    let span = |duration: Duration| humantime::format_duration(duration).to_string();
    note("ladder.highest", old.highest.to_string(), new.highest.to_string());
    note("ladder.dry_run", dry(old), dry(new));
    note("ladder.calm", span(old.calm), span(new.calm));
    note("ladder.hold_max", span(old.hold_max), span(new.hold_max));
    note("ladder.ttl", span(old.ttl), span(new.ttl));
    for rung in [Rung::Known, Rung::Blackhole, Rung::Upstream] {
        note(
            &format!("ladder.{rung}.after"),
            span(old.after(rung)),
            span(new.after(rung)),
        );
        note(
            &format!("ladder.{rung}.hold"),
            span(old.hold(rung)),
            span(new.hold(rung)),
        );
    }
}

/// Every key of a section as it is written.
fn section<T: Serialize + Default>(
    name: &str,
    old: Option<&T>,
    new: Option<&T>,
    note: &mut impl FnMut(&str, String, String),
) {
    let written = |section: Option<&T>| {
        let value = section.map_or_else(|| serde_json::to_value(T::default()), serde_json::to_value);
        match value {
            Ok(serde_json::Value::Object(keys)) => keys,
            _ => serde_json::Map::new(),
        }
    };
    let (old, new) = (written(old), written(new));
    let show = |value: Option<&serde_json::Value>| value.map_or_else(|| "-".to_owned(), ToString::to_string);
    let all: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    for key in all {
        note(&format!("{name}.{key}"), show(old.get(key)), show(new.get(key)));
    }
}

fn interfaces(old: &Config, new: &Config) -> Vec<String> {
    let set = |config: &Config| config.interfaces.iter().cloned().collect::<BTreeSet<_>>();
    let (old, new) = (set(old), set(new));
    let removed = old.difference(&new).map(|name| format!("interfaces: - {name}"));
    removed
        .chain(new.difference(&old).map(|name| format!("interfaces: + {name}")))
        .collect()
}

fn addresses(old: &Config, new: &Config) -> Vec<String> {
    let mut changes = Vec::new();
    for address in old
        .protected
        .keys()
        .filter(|address| !new.protected.contains_key(address))
    {
        changes.push(format!("protect: - {address}"));
    }
    for (address, protected) in &new.protected {
        match old.protected.get(address) {
            None => changes.push(format!("protect: + {address}")),
            Some(before) => {
                // The common threshold has its own line; here are the addresses that differ from it.
                let own = |config: &Config, limit| {
                    if limit == config.address_limit {
                        None
                    } else {
                        Some(limit)
                    }
                };
                let (was, is) = (own(old, before.limit), own(new, protected.limit));
                if was != is {
                    let show = |limit: Option<crate::tables::Limit>| {
                        limit.map_or("thresholds.address".to_owned(), |limit| limit.to_string())
                    };
                    changes.push(format!("address {address}: {} -> {}", show(was), show(is)));
                }
                let own = |config: &Config, method| (method != config.verify.method).then_some(method);
                let (was, is) = (own(old, before.method), own(new, protected.method));
                if was != is {
                    let show = |method: Option<MethodChoice>| {
                        method.map_or("verify.method".to_owned(), |method| method.to_string())
                    };
                    changes.push(format!("address {address}: verify by {} -> {}", show(was), show(is)));
                }
                let own = |config: &Config, ladder: LadderPolicy| (ladder != config.ladder).then_some(ladder);
                let (was, is) = (own(old, before.ladder), own(new, protected.ladder));
                if before.ladder.highest != protected.ladder.highest && was != is {
                    changes.push(format!(
                        "address {address}: rung at most {} -> {}",
                        before.ladder.highest, protected.ladder.highest
                    ));
                } else if was != is {
                    changes.push(format!("address {address}: ladder changed"));
                }
                for vector in Vector::ALL {
                    let (was, is) = (before.own_vectors.of(vector), protected.own_vectors.of(vector));
                    if was != is {
                        let (was, is) = (before.vectors.of(vector), protected.vectors.of(vector));
                        changes.push(format!("address {address}: {} {was} -> {is}", vector.name()));
                    }
                }
                let own = |config: &Config, set| (set != config.amplification).then_some(set);
                if own(old, before.amplification) != own(new, protected.amplification) {
                    changes.push(format!(
                        "address {address}: amplification {} -> {}",
                        before.amplification, protected.amplification
                    ));
                }
                if before.local != protected.local {
                    let whose = if protected.local {
                        "this host's own now"
                    } else {
                        "forwarded now"
                    };
                    changes.push(format!("address {address}: {whose}"));
                }
            }
        }
    }
    changes
}

fn groups(old: &Config, new: &Config) -> Vec<String> {
    let show = |group: &Group| {
        let syn = group
            .limit
            .map_or_else(|| "no SYN rate".to_owned(), |limit| limit.to_string());
        format!("{syn}, {}", group.vectors)
    };
    let removed = old.groups.keys().filter(|prefix| !new.groups.contains_key(prefix));
    let removed = removed.map(|prefix| format!("group: - {prefix}"));
    let changed = new
        .groups
        .iter()
        .filter_map(|(prefix, group)| match old.groups.get(prefix) {
            None => Some(format!("group: + {prefix} ({})", show(group))),
            Some(before) if before != group => Some(format!("group {prefix}: {} -> {}", show(before), show(group))),
            Some(_) => None,
        });
    removed.chain(changed).collect()
}

fn lists(old: &Config, new: &Config) -> Vec<String> {
    let removed = old
        .list
        .iter()
        .filter(|(net, action)| new.list.get(net) != Some(action))
        .map(|(net, action)| format!("{action}: - {}", prefix::display(*net)));
    let added = new
        .list
        .iter()
        .filter(|(net, action)| old.list.get(net) != Some(action))
        .map(|(net, action)| format!("{action}: + {}", prefix::display(*net)));
    removed.chain(added).collect()
}

fn large_lists(old: &Config, new: &Config) -> Vec<String> {
    let named = |config: &Config, name: &str| config.lists.iter().find(|list| list.name == name).cloned();
    let removed = old.lists.iter().filter(|list| named(new, &list.name).is_none());
    let mut changes: Vec<String> = removed.map(|list| format!("list: - {}", list.name)).collect();
    for list in &new.lists {
        match named(old, &list.name) {
            None => changes.push(format!("list: + {} ({} {})", list.name, list.action, list.from)),
            Some(before) if before != *list => changes.push(format!("list {}: changed", list.name)),
            Some(_) => {}
        }
    }
    let order = |config: &Config| config.lists.iter().map(|list| list.name.clone()).collect::<Vec<_>>();
    if changes.is_empty() && order(old) != order(new) {
        changes.push("list: the order of the lists has changed".to_owned());
    }
    changes
}

fn endpoints(old: &Config, new: &Config) -> Vec<String> {
    let named = |config: &Config, name: &str| config.notify.iter().find(|one| one.name == name).cloned();
    let removed = old.notify.iter().filter(|one| named(new, &one.name).is_none());
    let mut changes: Vec<String> = removed.map(|one| format!("notify: - {}", one.name)).collect();
    for one in &new.notify {
        match named(old, &one.name) {
            None => changes.push(format!("notify: + {} ({} {})", one.name, one.kind.name(), one.place())),
            // What changed may be a secret.
            Some(before) if before != *one => changes.push(format!("notify {}: changed", one.name)),
            Some(_) => {}
        }
    }
    changes
}

fn needs_restart(old: &Config, new: &Config) -> Vec<&'static str> {
    let fixed = [
        ("control.socket", old.socket == new.socket),
        ("control.group", old.socket_group == new.socket_group),
        ("control.view_group", old.view_group == new.view_group),
        ("privileges.drop", old.privileges.drop == new.privileges.drop),
        (
            "privileges.writable",
            old.privileges.writable == new.privileges.writable,
        ),
        ("metrics.listen", old.metrics == new.metrics),
        ("page.listen", old.page.listen == new.page.listen),
        ("state.directory", old.state_directory == new.state_directory),
        ("kernel.bpffs", old.bpffs == new.bpffs),
        ("kernel.xdp_mode", old.xdp_mode == new.xdp_mode),
        ("limits.addresses", old.capacity.addresses == new.capacity.addresses),
        ("limits.groups", old.capacity.groups == new.capacity.groups),
        (
            "limits.list_entries",
            old.capacity.list_entries == new.capacity.list_entries,
        ),
        (
            "limits.list_prefixes",
            old.capacity.list_prefixes == new.capacity.list_prefixes,
        ),
        ("limits.sources", old.capacity.sources == new.capacity.sources),
        (
            "limits.known_sources",
            old.capacity.known_sources == new.capacity.known_sources,
        ),
        (
            "limits.retry_memory",
            old.capacity.retry_lines == new.capacity.retry_lines,
        ),
        ("limits.listeners", old.capacity.listeners == new.capacity.listeners),
        ("log.format", old.log.format == new.log.format),
    ];
    fixed
        .into_iter()
        .filter(|(_, same)| !same)
        .map(|(key, _)| key)
        .collect()
}
