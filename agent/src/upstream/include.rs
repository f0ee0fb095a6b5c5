//! The file that BIRD includes: written whole from the addresses that are announced, and read back to know which they were.

use std::{collections::BTreeSet, fmt::Write as _, net::IpAddr};

use crate::config::upstream::{AnnounceKind, Community, UpstreamPolicy};

/// BIRD's protocols of this file.
pub(super) const BLACKHOLE4: &str = "levee4";
/// See [`BLACKHOLE4`].
pub(super) const BLACKHOLE6: &str = "levee6";
/// See [`BLACKHOLE4`].
pub(super) const FLOW4: &str = "levee_flow4";
/// See [`BLACKHOLE4`].
pub(super) const FLOW6: &str = "levee_flow6";

/// Begins the line before each route, from which [`announced`] knows it again.
const MARK: &str = "# levee: ";

/// The traffic-rate-bytes action of FlowSpec with the ASN 0 (RFC 8955, section 7.1); its second half is a rate in bytes per second as
/// an IEEE 754 number of 32 bits.
const TRAFFIC_RATE: &str = "0x80060000";

/// The whole file for these addresses. Its protocols and its function are always there, so that BIRD's own configuration can name
/// them.
#[must_use]
pub fn text(addresses: &BTreeSet<IpAddr>, policy: &UpstreamPolicy) -> String {
    let mut text = String::from(
        "# Written by Levee, which writes it anew whenever it likes: do not edit.\n\
         # Addresses that the network above is asked to drop. docs/upstream.md shows how to include it.\n\n",
    );
    let section = &policy.section;
    let is_flowspec = section.announce == AnnounceKind::Flowspec;
    let v4 = addresses.iter().filter(|address| address.is_ipv4());
    let v6 = addresses.iter().filter(|address| address.is_ipv6());
    if is_flowspec {
        protocol(&mut text, FLOW4, "flow4", &section.flow4_table, v4, policy);
        protocol(&mut text, FLOW6, "flow6", &section.flow6_table, v6, policy);
    } else {
        protocol(&mut text, BLACKHOLE4, "ipv4", &section.table4, v4, policy);
        protocol(&mut text, BLACKHOLE6, "ipv6", &section.table6, v6, policy);
    }
    text.push_str(&function(policy));
    text
}

fn protocol<'a>(
    text: &mut String,
    name: &str,
    channel: &str,
    table: &str,
    addresses: impl Iterator<Item = &'a IpAddr>,
    policy: &UpstreamPolicy,
) {
    let _ = writeln!(text, "protocol static {name} {{\n\t{channel} {{ table {table}; }};");
    for address in addresses {
        let _ = writeln!(text, "\t{MARK}{address}\n\t{}", route(*address, policy));
    }
    text.push_str("}\n\n");
}

fn route(address: IpAddr, policy: &UpstreamPolicy) -> String {
    let bits = if address.is_ipv4() { 32 } else { 128 };
    match policy.section.announce {
        AnnounceKind::Blackhole => {
            let communities: Vec<String> = policy.section.communities.iter().map(add).collect();
            format!("route {address}/{bits} blackhole {{ {} }};", communities.join(" "))
        }
        AnnounceKind::Flowspec => {
            let (flow, protocol) = if address.is_ipv4() {
                ("flow4", "proto = 6")
            } else {
                ("flow6", "next header = 6")
            };
            // SYN without ACK, the way that XDP judges them, too.
            format!(
                "route {flow} {{ dst {address}/{bits}; {protocol}; tcp flags 0x02/0x12; }} \
                 {{ bgp_ext_community.add((generic, {TRAFFIC_RATE}, {:#x})); }};",
                bytes_per_second(policy).to_bits()
            )
        }
    }
}

fn add(community: &Community) -> String {
    match community {
        Community::Standard([asn, value]) => format!("bgp_community.add(({asn}, {value}));"),
        Community::Large([asn, first, second]) => format!("bgp_large_community.add(({asn}, {first}, {second}));"),
    }
}

/// What a FlowSpec rule leaves.
#[expect(clippy::cast_precision_loss, reason = "the rule's own number has no more precision")]
fn bytes_per_second(policy: &UpstreamPolicy) -> f32 {
    let bits = policy
        .section
        .flowspec_rate
        .and_then(crate::config::units::BitRate::per_second);
    bits.map_or(0.0, |bits| bits as f32 / 8.0)
}

/// BIRD's protocols that hold the routes.
#[must_use]
pub(super) const fn protocols(policy: &UpstreamPolicy) -> [&'static str; 2] {
    match policy.section.announce {
        AnnounceKind::Blackhole => [BLACKHOLE4, BLACKHOLE6],
        AnnounceKind::Flowspec => [FLOW4, FLOW6],
    }
}

/// What the operator's filters ask: is this route one of ours, to be announced? The next hop is set here, because BIRD keeps one only
/// if an export filter sets it.
fn function(policy: &UpstreamPolicy) -> String {
    let section = &policy.section;
    let mut text = String::from("function levee_announces()\n{\n");
    if section.announce == AnnounceKind::Blackhole {
        let hops = [
            (BLACKHOLE4, section.next_hop4.map(IpAddr::from)),
            (BLACKHOLE6, section.next_hop6.map(IpAddr::from)),
        ];
        for (name, hop) in hops {
            let hop = hop.map_or_else(String::new, |hop| format!("bgp_next_hop = {hop}; "));
            let _ = writeln!(text, "\tif proto = \"{name}\" then {{ {hop}return true; }}");
        }
    } else {
        let _ = writeln!(
            text,
            "\tif proto = \"{FLOW4}\" || proto = \"{FLOW6}\" then return true;"
        );
    }
    text.push_str("\treturn false;\n}\n");
    text
}

/// The addresses of a file that [`text`] wrote.
#[must_use]
pub fn announced(text: &str) -> BTreeSet<IpAddr> {
    let marked = text.lines().filter_map(|line| line.trim_start().strip_prefix(MARK));
    marked.filter_map(|address| address.trim().parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::upstream::UpstreamSection;

    fn policy(announce: AnnounceKind) -> UpstreamPolicy {
        UpstreamPolicy {
            include: "/etc/bird/levee.conf".into(),
            section: UpstreamSection {
                announce,
                communities: vec![Community::BLACKHOLE, Community::Large([64_500, 666, 1])],
                next_hop4: Some("192.0.2.1".parse().expect("address")),
                flowspec_rate: Some("8M/s".parse().expect("rate")),
                ..UpstreamSection::default()
            },
        }
    }

    fn addresses() -> BTreeSet<IpAddr> {
        ["203.0.113.7", "2001:db8::7"]
            .map(|text| text.parse().expect("address"))
            .into()
    }

    #[test]
    fn what_is_written_is_read_back() {
        for announce in [AnnounceKind::Blackhole, AnnounceKind::Flowspec] {
            assert_eq!(announced(&text(&addresses(), &policy(announce))), addresses());
            assert_eq!(announced(&text(&BTreeSet::new(), &policy(announce))), BTreeSet::new());
        }
        assert_eq!(
            announced("# levee: not an address\nroute 203.0.113.7/32 blackhole;"),
            BTreeSet::new()
        );
    }

    #[test]
    fn a_blackhole_has_its_communities_and_a_rule_its_rate() {
        let blackhole = text(&addresses(), &policy(AnnounceKind::Blackhole));
        let route = "route 203.0.113.7/32 blackhole { bgp_community.add((65535, 666)); bgp_large_community.add((64500, 666, 1)); };";
        assert!(blackhole.contains(route), "{blackhole}");
        assert!(blackhole.contains("bgp_next_hop = 192.0.2.1;"), "{blackhole}");
        let rules = text(&addresses(), &policy(AnnounceKind::Flowspec));
        // 8 Mbit/s are 10^6 bytes/s: 0x49742400.
        let rule = "route flow6 { dst 2001:db8::7/128; next header = 6; tcp flags 0x02/0x12; } \
                    { bgp_ext_community.add((generic, 0x80060000, 0x49742400)); };";
        assert!(rules.contains(rule), "{rules}");
    }
}
