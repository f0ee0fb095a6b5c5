//! Groups of the file: each a prefix with protected addresses in it, none over another.

use std::{collections::BTreeMap, net::IpAddr};

use ipnet::IpNet;

use super::{
    ConfigFile, Problem,
    file::GroupSection,
    prefix,
    resolve::{ProtectedAddress, quoted},
    units::Burst,
};
use crate::{
    lists,
    tables::{Limit, Vectors},
};

/// The budgets of one group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Group {
    /// SYNs to all of its addresses together; `None` for no limit.
    pub limit: Option<Limit>,
    /// What is not a SYN.
    pub vectors: Vectors,
}

/// Resolves them; what is wrong is told by section.
pub(super) fn resolve(
    file: &ConfigFile,
    protected: &BTreeMap<IpAddr, ProtectedAddress>,
    problems: &mut Vec<Problem>,
) -> BTreeMap<IpNet, Group> {
    let mut groups = BTreeMap::new();
    let mut earlier: Vec<(usize, IpNet)> = Vec::new();
    for (index, section) in file.group.iter().enumerate() {
        let key = format!("group[{index}].prefix");
        let problem = match prefix::parse(&section.prefix) {
            Err(error) => error.to_string(),
            Ok(net) => match complaint(net, section, &earlier, protected) {
                Some(complaint) => complaint,
                None => {
                    earlier.push((index, net));
                    groups.insert(net, group(section));
                    continue;
                }
            },
        };
        problems.push(Problem::new(key, quoted(&section.prefix), problem));
    }
    let most = file.limits.groups as usize;
    if file.group.len() > most {
        let message = format!(
            "there are {} groups, and limits.groups is {most}: merge some, or raise it",
            file.group.len()
        );
        problems.push(Problem::without_value("group", message));
    }
    groups
}

fn complaint(
    net: IpNet,
    section: &GroupSection,
    earlier: &[(usize, IpNet)],
    protected: &BTreeMap<IpAddr, ProtectedAddress>,
) -> Option<String> {
    let overlaps = |(_, other): &&(usize, IpNet)| lists::contains(*other, net) || lists::contains(net, *other);
    if let Some((index, other)) = earlier.iter().find(overlaps) {
        return Some(format!(
            "overlaps group[{index}] ({other}): an address shares the budgets of one group; make the prefixes disjoint"
        ));
    }
    if protected.range(net.network()..=net.broadcast()).next().is_none() {
        return Some("holds no protected address: add addresses of it to `protect`, or remove this section".to_owned());
    }
    if section.syn_rate.is_none() && section.vectors().limited() == 0 {
        let message = match section.syn_burst {
            Some(_) => "has a syn_burst without a syn_rate: add the rate",
            None => "limits nothing: give it a syn_rate, or a rate such as udp = { packets = \"200k/s\" }",
        };
        return Some(message.to_owned());
    }
    None
}

fn group(section: &GroupSection) -> Group {
    let limit = section.syn_rate.map(|syn_rate| Limit {
        syn_rate,
        syn_burst: section.syn_burst.unwrap_or_else(|| Burst::of_a_second(syn_rate)),
    });
    Group {
        limit,
        vectors: section.vectors(),
    }
}
