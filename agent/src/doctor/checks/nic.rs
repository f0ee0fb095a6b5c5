//! What an interface can do, and how it is set up.

use crate::{
    doctor::{
        facts::{Facts, Feature, Nic},
        finding::{
            Check, Finding,
            Severity::{Problem, Warning},
        },
    },
    tables::XdpMode,
};

pub(super) const ALL: &[&Check] = &[
    &DOWN,
    &STACKED,
    &NATIVE,
    &NATIVE_REQUIRED,
    &VETH_QUEUES,
    &MTU,
    &MTU_SMALL,
    &LRO,
    &GRO_HW,
    &RXVLAN,
];

static DOWN: Check = Check {
    id: "nic.down",
    severity: Warning,
    about: "The interface is down, or has no carrier.",
    why: "No packet arrives there, so nothing is protected by watching it. Perhaps another interface is meant.",
    fix: "ip link set dev IF up",
};
static STACKED: Check = Check {
    id: "nic.stacked",
    severity: Warning,
    about: "The interface is a VLAN, macvlan, ipvlan, bridge or team on top of another one.",
    why: "XDP there is generic: the packet has been through half of the network stack before it can be dropped. The interface \
          underneath sees the same packets first, and the program looks through VLAN tags.",
    fix: "name the interface underneath in `interfaces`, in IF's place",
};
static NATIVE: Check = Check {
    id: "nic.native",
    severity: Warning,
    about: "The driver has no native XDP.",
    why: "In generic mode each packet costs a socket buffer before it can be dropped: several times the cost.",
    fix: "another interface or driver; in a virtual machine virtio_net, ena, gve, hv_netvsc or mana",
};
static NATIVE_REQUIRED: Check = Check {
    id: "nic.native_required",
    severity: Problem,
    about: "kernel.xdp_mode is \"native\", and the driver has no native XDP.",
    why: "The agent refuses to start: it was told not to fall back.",
    fix: "kernel.xdp_mode = \"auto\" in the configuration, or another interface",
};
static VETH_QUEUES: Check = Check {
    id: "nic.veth_queues",
    severity: Problem,
    about: "A veth has fewer receive queues than its other end has queues to send.",
    why: "The kernel refuses native XDP on it, so the agent does not start.",
    fix: "ethtool -L IF rx N, or fewer queues to send at the other end",
};
static MTU: Check = Check {
    id: "nic.mtu",
    severity: Problem,
    about: "The MTU is over 3498 bytes, and the driver gives XDP one page for a frame.",
    why: "Such a driver refuses native XDP while frames may be longer than a page, so the agent does not start. Levee's \
          program takes frames of several pages where the driver does.",
    fix: "ip link set dev IF mtu 3498",
};
static MTU_SMALL: Check = Check {
    id: "nic.mtu_small",
    severity: Warning,
    about: "The MTU is under 1280 bytes.",
    why: "IPv6 does not work over it (RFC 8200), and answers by cookie offer segments that small.",
    fix: "ip link set dev IF mtu 1500",
};
static LRO: Check = Check {
    id: "nic.lro",
    severity: Problem,
    about: "Large receive offload is on.",
    why: "The interface joins packets before XDP sees them. Most drivers refuse native XDP while it is on, so the agent does \
          not start.",
    fix: "ethtool -K IF lro off",
};
static GRO_HW: Check = Check {
    id: "nic.gro_hw",
    severity: Warning,
    about: "Receive offload in hardware (rx-gro-hw) is on.",
    why: "The interface joins packets before XDP sees them: some drivers refuse native XDP, others count a train of packets as \
          one.",
    fix: "ethtool -K IF rx-gro-hw off",
};
static RXVLAN: Check = Check {
    id: "nic.rxvlan",
    severity: Warning,
    about: "VLAN tags are taken off in hardware (rxvlan), and there are VLANs on the interface.",
    why: "XDP does not see the tag, so what it answers leaves without one and reaches nobody: customers cannot prove \
          themselves while an address is in verify.",
    fix: "ethtool -K IF rxvlan off",
};

/// The largest MTU whose frames fit a page with what XDP and the kernel need beside them: 4,096 bytes less 256 of headroom,
/// 320 of `struct skb_shared_info`, Ethernet header and two VLAN tags.
const ONE_PAGE_MTU: u32 = 3_498;
/// RFC 8200, section 5.
const IPV6_MTU: u32 = 1_280;

/// Bits of `enum netdev_xdp_act` (include/uapi/linux/netdev.h).
const BASIC: u64 = 1;
const RX_SG: u64 = 1 << 5;

/// Sorts of devices that have no native XDP of their own because they are on top of another.
const STACKED_KINDS: [&str; 6] = ["vlan", "macvlan", "ipvlan", "bridge", "team", "macvtap"];

/// Drivers with native XDP in Linux 6.0 and 6.1, by ethtool's name: these kernels do not tell.
const KNOWN_NATIVE: [&str; 30] = [
    "atlantic",
    "bnxt_en",
    "bonding",
    "dpaa2-eth",
    "ena",
    "fec",
    "fsl_dpa",
    "fsl_enetc",
    "gve",
    "hv_netvsc",
    "i40e",
    "ice",
    "igb",
    "igc",
    "ixgbe",
    "ixgbevf",
    "mana",
    "mlx4_en",
    "mlx5_core",
    "mvneta",
    "mvpp2",
    "nfp",
    "nicvf",
    "qede",
    "sfc",
    "st_gmac",
    "tun",
    "veth",
    "virtio_net",
    "vif",
];

pub(super) fn check(facts: &Facts) -> Vec<Finding> {
    facts.nics.iter().flat_map(|nic| one(facts, nic)).collect()
}

fn one(facts: &Facts, nic: &Nic) -> Vec<Finding> {
    let mut findings = vec![down(nic)];
    findings.extend(native(nic, wanted_mode(facts)));
    findings.extend(mtu(nic, wanted_mode(facts)));
    findings.extend(offloads(nic, wanted_mode(facts)));
    let few = findings.iter().any(|finding| finding.check.id == VETH_QUEUES.id);
    // What puts that right puts the number of queues right, too.
    let said_already = |finding: &Finding| few && super::queues::is_about_number(finding);
    findings.extend(
        super::queues::one(facts, nic)
            .into_iter()
            .filter(|finding| !said_already(finding)),
    );
    findings.into_iter().map(|finding| finding.on(&nic.name)).collect()
}

fn wanted_mode(facts: &Facts) -> XdpMode {
    facts
        .config
        .file
        .as_ref()
        .map_or(XdpMode::Auto, |file| file.kernel.xdp_mode)
}

fn down(nic: &Nic) -> Finding {
    if !nic.up {
        DOWN.found("it is down").run(format!("ip link set dev {} up", nic.name))
    } else if !nic.carrier {
        DOWN.found("it is up and has no carrier")
            .advise("look at the cable, the switch's port or the other end")
    } else {
        DOWN.ok("up, with a carrier")
    }
}

fn is_stacked(nic: &Nic) -> bool {
    nic.kind.as_deref().is_some_and(|kind| STACKED_KINDS.contains(&kind))
}

/// Whether its native XDP works, as far as anything tells.
fn has_native(nic: &Nic) -> Option<bool> {
    match (&nic.xdp_features, &nic.driver) {
        (Ok(bits), _) => Some(bits & BASIC != 0),
        (Err(_), Some(driver)) if KNOWN_NATIVE.contains(&&**driver) => Some(true),
        _ => None,
    }
}

fn native(nic: &Nic, wanted: XdpMode) -> Option<Finding> {
    let driver = nic.driver.as_deref().unwrap_or("an unnamed driver");
    if is_stacked(nic) {
        let kind = nic.kind.as_deref().unwrap_or_default();
        let finding = STACKED.found(format!("it is a {kind}"));
        return Some(match &nic.lower {
            Some(lower) => finding.advise(format!(
                "interfaces = [\"{lower}\"] in the configuration, in place of {}",
                nic.name
            )),
            None => finding.advise("name the interfaces underneath in `interfaces` instead"),
        });
    }
    let native = has_native(nic);
    if native == Some(false) && driver == "veth" {
        return Some(veth_queues(nic));
    }
    Some(match (native, wanted) {
        (Some(true), _) => NATIVE.ok(format!("{driver} has native XDP")),
        (Some(false), XdpMode::Generic) => NATIVE.ok(format!("{driver} has no native XDP, and generic is configured")),
        (Some(false), XdpMode::Native) => NATIVE_REQUIRED
            .found(format!("{driver} has no native XDP"))
            .advise(NATIVE_REQUIRED.fix),
        (Some(false), XdpMode::Auto) => NATIVE.found(format!("{driver} has no native XDP")).advise(NATIVE.fix),
        (None, _) => NATIVE.unseen(format!(
            "this kernel does not tell what {driver} can do (6.3 does); `agent status` shows the mode once it is attached"
        )),
    })
}

fn veth_queues(nic: &Nic) -> Finding {
    match &nic.queues {
        Ok((now, most)) if now < most => VETH_QUEUES
            .found(format!(
                "{now} of its {most} receive queues are in use, fewer than its other end sends by"
            ))
            .run(format!("ethtool -L {} rx {most}", nic.name)),
        _ => VETH_QUEUES
            .found("it has fewer receive queues than its other end sends by")
            .advise("at the other end: ethtool -L OTHER tx 1"),
    }
}

fn mtu(nic: &Nic, wanted: XdpMode) -> Vec<Finding> {
    let mut findings = Vec::new();
    let several_pages = match &nic.xdp_features {
        Ok(bits) if bits & BASIC == 0 => None,
        Ok(bits) => Some(bits & RX_SG != 0),
        Err(_) => Some(false),
    };
    // tun hands frames over a page to generic XDP by itself.
    let one_page = several_pages == Some(false) && nic.driver.as_deref() != Some("tun") && wanted != XdpMode::Generic;
    findings.push(if nic.mtu > ONE_PAGE_MTU && one_page && !is_stacked(nic) {
        MTU.found(format!("the MTU is {}", nic.mtu))
            .run(format!("ip link set dev {} mtu {ONE_PAGE_MTU}", nic.name))
    } else {
        let frames = if several_pages == Some(true) {
            ", and XDP gets frames of several pages"
        } else {
            ""
        };
        MTU.ok(format!("the MTU is {}{frames}", nic.mtu))
    });
    findings.push(if nic.mtu < IPV6_MTU {
        MTU_SMALL
            .found(format!("the MTU is {}", nic.mtu))
            .run(format!("ip link set dev {} mtu 1500", nic.name))
    } else {
        MTU_SMALL.ok(format!("the MTU of {} is enough for IPv6", nic.mtu))
    });
    findings
}

fn offloads(nic: &Nic, wanted: XdpMode) -> Vec<Finding> {
    let features = match &nic.features {
        Ok(features) => features,
        Err(why) => return [&LRO, &GRO_HW, &RXVLAN].map(|check| check.unseen(why)).into(),
    };
    let generic = wanted == XdpMode::Generic;
    let on = |name: &str| features.get(name).filter(|feature| feature.active);
    let switch_off = |finding: Finding, feature: &Feature, word: &str| match feature.changeable {
        true => finding.run(format!("ethtool -K {} {word} off", nic.name)),
        false => finding.advise("ethtool cannot switch it here: the driver, or who runs this virtual machine, can"),
    };
    let virtio = nic.driver.as_deref() == Some("virtio_net");
    vec![
        match on("rx-lro") {
            Some(feature) if !generic => switch_off(LRO.found("large receive offload is on"), feature, "lro"),
            Some(_) => LRO.ok("large receive offload is on; the kernel switches it off for generic XDP"),
            None => LRO.ok("large receive offload is off"),
        },
        match on("rx-gro-hw") {
            Some(_) if virtio => GRO_HW.ok("rx-gro-hw is on; virtio_net switches it off itself while XDP is attached"),
            Some(feature) if !generic => switch_off(GRO_HW.found("rx-gro-hw is on"), feature, "rx-gro-hw"),
            Some(_) => GRO_HW.ok("rx-gro-hw is on, and generic XDP comes behind it anyhow"),
            None => GRO_HW.ok("rx-gro-hw is off"),
        },
        match on("rx-vlan-hw-parse") {
            Some(feature) if !generic && !nic.vlans.is_empty() => {
                let seen = format!(
                    "VLAN tags are taken off in hardware, and {} is on it",
                    nic.vlans.join(", ")
                );
                switch_off(RXVLAN.found(seen), feature, "rxvlan")
            }
            Some(_) => RXVLAN.ok("rxvlan is on, and there is no VLAN on it whose answers need a tag"),
            None => RXVLAN.ok("VLAN tags stay in the frame"),
        },
    ]
}
