//! The source list of the configuration: `allow` and `block` as one, without duplicates, contradictions and entries that
//! cannot matter.

use std::{collections::BTreeMap, net::IpAddr};

use ipnet::IpNet;

use super::{
    ConfigFile, Problem, prefix,
    resolve::{ProtectedAddress, quoted},
};
use crate::{lists, tables::ListAction};

/// Resolves both lists; what is wrong and what is odd is added to the two vectors.
pub(super) fn resolve(
    file: &ConfigFile,
    protected: &BTreeMap<IpAddr, ProtectedAddress>,
    problems: &mut Vec<Problem>,
    warnings: &mut Vec<Problem>,
) -> BTreeMap<IpNet, ListAction> {
    let mut keys: BTreeMap<IpNet, (String, ListAction)> = BTreeMap::new();
    for (action, texts) in [(ListAction::Allow, &file.allow), (ListAction::Block, &file.block)] {
        for (index, text) in texts.iter().enumerate() {
            let key = format!("{action}[{index}]");
            match prefix::parse(text) {
                Err(error) => problems.push(Problem::new(key, quoted(text), error.to_string())),
                Ok(net) => match keys.get(&net) {
                    Some((first, _)) => {
                        let message = format!("is there already as {first}; remove one");
                        problems.push(Problem::new(key, quoted(text), message));
                    }
                    None => {
                        problems.extend(own_address(&key, net, action, protected));
                        warnings.extend(too_wide(&key, net));
                        keys.insert(net, (key, action));
                    }
                },
            }
        }
    }
    problems.extend(pointless_entries(&keys));
    let most = file.limits.list_entries as usize;
    if keys.len() > most {
        let message = format!(
            "`allow` and `block` have {} entries, and this is {most}: raise it",
            keys.len()
        );
        problems.push(Problem::without_value("limits.list_entries", message));
    }
    keys.into_iter().map(|(net, (_, action))| (net, action)).collect()
}

fn own_address(
    key: &str,
    net: IpNet,
    action: ListAction,
    protected: &BTreeMap<IpAddr, ProtectedAddress>,
) -> Option<Problem> {
    let own = protected
        .keys()
        .find(|address| action == ListAction::Block && net.contains(*address))?;
    let message = format!("holds {own}, which is protected: a source list drops what comes *from* an address");
    Some(Problem::new(key, quoted(&prefix::display(net)), message))
}

fn too_wide(key: &str, net: IpNet) -> Option<Problem> {
    let message = "is a very large part of the internet; is that meant?";
    lists::is_too_wide(net).then(|| Problem::new(key, quoted(&prefix::display(net)), message))
}

/// An entry inside another of the same kind decides nothing: one of the two is not what somebody meant.
fn pointless_entries(keys: &BTreeMap<IpNet, (String, ListAction)>) -> Vec<Problem> {
    let problem = |(net, (key, action)): (&IpNet, &(String, ListAction))| {
        let (outer, (outer_key, _)) = lists::nearest_covering(keys, *net).filter(|(_, (_, outer))| outer == action)?;
        let message = format!("overlaps {outer_key} ({outer}), which holds it already; remove one");
        Some(Problem::new(key.clone(), quoted(&prefix::display(*net)), message))
    };
    keys.iter().filter_map(problem).collect()
}
