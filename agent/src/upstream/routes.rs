//! What BIRD tells of its sessions and routes.

use std::{collections::BTreeSet, net::IpAddr};

use ipnet::IpNet;

use super::Reply;

/// BGP sessions that are up, from `show protocols`.
#[must_use]
pub fn sessions(reply: &Reply) -> Vec<String> {
    let rows = reply
        .lines
        .iter()
        .map(|line| line.split_whitespace().collect::<Vec<_>>());
    rows.filter(|row| row.get(1) == Some(&"BGP") && row.get(3) == Some(&"up") && row.last() == Some(&"Established"))
        .filter_map(|row| Some((*row.first()?).to_owned()))
        .collect()
}

/// Addresses of ours among the routes of `show route .. export SESSION`: host routes, and the destinations of FlowSpec rules.
#[must_use]
pub fn exported(reply: &Reply) -> BTreeSet<IpAddr> {
    reply.lines.iter().filter_map(|line| destination(line)).collect()
}

fn destination(line: &str) -> Option<IpAddr> {
    let text = line.trim_start();
    let prefix = match text.strip_prefix("flow4 {").or_else(|| text.strip_prefix("flow6 {")) {
        Some(rule) => rule.split_once("dst ")?.1.split(';').next()?,
        None => text.split_whitespace().next()?,
    };
    let prefix: IpNet = prefix.trim().parse().ok()?;
    (prefix.prefix_len() == prefix.max_prefix_len()).then(|| prefix.addr())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(text: &str) -> Reply {
        Reply {
            code: 0,
            lines: text.lines().map(str::to_owned).collect(),
        }
    }

    #[test]
    fn only_sessions_that_are_up_count() {
        let protocols = "Name       Proto      Table      State  Since         Info\n\
                         levee4     Static     master4    up     17:39:37.610  \n\
                         up         BGP        ---        up     17:39:41.525  Established   \n\
                         other      BGP        ---        start  17:39:41.525  Connect\n\
                         passive    BGP        ---        up     17:39:41.525  Active";
        assert_eq!(sessions(&reply(protocols)), ["up"]);
    }

    #[test]
    fn destinations_of_routes_and_rules_are_found() {
        let routes = "Table master4:\n\
                      203.0.113.7/32       blackhole [levee4 17:39:37.609] * (200)\n\
                      203.0.113.0/24       blackhole [other 17:39:37.609] * (200)\n\
                      \n\
                      Table flowtab6:\n\
                      flow6 { dst 2001:db8::8/128; next header 6; tcp flags 0x2/0x2 && 0x0/0x10; }  [levee_flow6 17:40:21.343] * (200)";
        let wanted: BTreeSet<IpAddr> = ["203.0.113.7", "2001:db8::8"]
            .map(|text| text.parse().expect("address"))
            .into();
        assert_eq!(exported(&reply(routes)), wanted);
        assert_eq!(exported(&reply("Network not found")), BTreeSet::new());
    }
}
