//! Groups of the file: each a prefix with protected addresses in it, none over another.

use std::{collections::BTreeMap, net::IpAddr};

use ipnet::IpNet;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    ConfigFile, Problem, prefix,
    resolve::{ProtectedAddress, quoted},
    units::{Burst, Rate},
};
use crate::{
    lists,
    tables::Limit,
    vectors::{VectorRates, Vectors},
};

/// Budgets that the addresses of a prefix share.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(inline)]
pub struct GroupSection {
    /// The prefix; at least one protected address must lie in it, and no other group overlap it.
    #[schemars(extend("examples" = ["203.0.113.0/24"]))]
    pub prefix: String,
    /// SYNs per second to all its addresses together. Above it, every SYN to any of them must prove
    /// its source, as above an address's own rate. No limit when left out.
    #[schemars(extend("examples" = ["200k/s"]))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub syn_rate: Option<Rate>,
    /// SYNs at once above that rate; a second's worth when left out.
    #[schemars(extend("examples" = ["200k"]))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub syn_burst: Option<Burst>,
    /// UDP to all its addresses together. Here and below: no limit when left out.
    #[schemars(extend("examples" = [{"packets": "200k/s", "bits": "2G/s"}]))]
    #[serde(default, skip_serializing_if = "VectorRates::is_unlimited")]
    pub udp: VectorRates,
    /// ICMP to all its addresses together.
    #[schemars(extend("examples" = [{"packets": "1k/s"}]))]
    #[serde(default, skip_serializing_if = "VectorRates::is_unlimited")]
    pub icmp: VectorRates,
    /// Other protocols to all its addresses together.
    #[schemars(extend("examples" = [{"packets": "10k/s"}]))]
    #[serde(default, skip_serializing_if = "VectorRates::is_unlimited")]
    pub other: VectorRates,
    /// Fragments to all its addresses together.
    #[schemars(extend("examples" = [{"packets": "10k/s"}]))]
    #[serde(default, skip_serializing_if = "VectorRates::is_unlimited")]
    pub fragments: VectorRates,
    /// TCP other than SYNs to all its addresses together, see thresholds.tcp.
    #[schemars(extend("examples" = [{"packets": "2M/s"}]))]
    #[serde(default, skip_serializing_if = "VectorRates::is_unlimited")]
    pub tcp: VectorRates,
}

impl GroupSection {
    /// The rates of vectors.
    #[must_use]
    pub const fn vectors(&self) -> Vectors {
        Vectors {
            udp: self.udp,
            icmp: self.icmp,
            other: self.other,
            fragments: self.fragments,
            tcp: self.tcp,
        }
    }
}

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
