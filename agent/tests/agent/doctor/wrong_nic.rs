//! Wrong interfaces and others who use XDP on them.

use agent::{
    doctor::facts::{Attached, Facts, Nic},
    tables::XdpMode,
};

use super::{
    Row,
    healthy::{configure, healthy, switch},
    hold, wrong,
};

fn nic(facts: &mut Facts) -> &mut Nic {
    &mut facts.nics[0]
}

fn attach(facts: &mut Facts, mode: XdpMode, name: Option<&str>, link: Option<u32>) {
    nic(facts).programs = vec![Attached {
        id: 17,
        mode,
        name: name.map(str::to_owned),
        link: Ok(link),
    }];
}

const ROWS: &[Row] = &[
    ("down", |f| nic(f).up = false, "nic.down", "ip link set dev eth0 up"),
    ("no carrier", |f| nic(f).carrier = false, "nic.down", "cable"),
    (
        "a VLAN",
        |f| {
            nic(f).kind = Some("vlan".to_owned());
            nic(f).lower = Some("bond0".to_owned());
            nic(f).xdp_features = Ok(0);
        },
        "nic.stacked",
        "interfaces = [\"bond0\"]",
    ),
    (
        "no native XDP",
        |f| nic(f).xdp_features = Ok(0),
        "nic.native",
        "virtio_net",
    ),
    (
        "native XDP is wanted and is not there",
        |f| {
            configure(f, "[kernel]\nxdp_mode = 'native'");
            nic(f).xdp_features = Ok(0);
        },
        "nic.native_required",
        "xdp_mode = \"auto\"",
    ),
    (
        "a kernel that does not tell, of a driver that nobody knows",
        |f| {
            nic(f).xdp_features = Err("this kernel does not tell".to_owned());
            nic(f).driver = Some("e1000".to_owned());
        },
        "nic.native",
        "",
    ),
    (
        "a veth with too few queues",
        |f| {
            nic(f).driver = Some("veth".to_owned());
            nic(f).xdp_features = Ok(0);
            nic(f).queues = Ok((2, 4));
            f.cpus.online = 2;
            nic(f).indirection = Ok([].into());
        },
        "nic.veth_queues",
        "ethtool -L eth0 rx 4",
    ),
    (
        "a jumbo MTU, and one page for XDP",
        |f| {
            nic(f).mtu = 9_000;
            nic(f).xdp_features = Ok(0b11);
        },
        "nic.mtu",
        "ip link set dev eth0 mtu 3498",
    ),
    (
        "a jumbo MTU on a kernel that does not tell",
        |f| {
            nic(f).mtu = 9_000;
            nic(f).xdp_features = Err("this kernel does not tell".to_owned());
        },
        "nic.mtu",
        "ip link set dev eth0 mtu 3498",
    ),
    (
        "too small for IPv6",
        |f| nic(f).mtu = 1_279,
        "nic.mtu_small",
        "ip link set dev eth0 mtu 1500",
    ),
    (
        "LRO",
        |f| switch(nic(f), "rx-lro", true, true),
        "nic.lro",
        "ethtool -K eth0 lro off",
    ),
    (
        "LRO that stays",
        |f| switch(nic(f), "rx-lro", true, false),
        "nic.lro",
        "virtual machine",
    ),
    (
        "hardware GRO",
        |f| switch(nic(f), "rx-gro-hw", true, true),
        "nic.gro_hw",
        "ethtool -K eth0 rx-gro-hw off",
    ),
    (
        "tags are taken off, and there are VLANs",
        |f| nic(f).vlans = vec!["eth0.100".to_owned()],
        "nic.rxvlan",
        "ethtool -K eth0 rxvlan off",
    ),
    (
        "idle queues",
        |f| {
            nic(f).queues = Ok((2, 16));
            nic(f).indirection = Ok([0, 1].into());
        },
        "nic.queues",
        "ethtool -L eth0 combined 8",
    ),
    (
        "idle queues of another kind",
        |f| {
            nic(f).queues = Ok((2, 4));
            nic(f).combined = false;
            nic(f).indirection = Ok([0, 1].into());
            f.cpus.online = 4;
        },
        "nic.queues",
        "ethtool -L eth0 rx 4",
    ),
    (
        "fewer queues than CPUs",
        |f| f.cpus.online = 16,
        "nic.queues_max",
        "queues=N",
    ),
    (
        "queues without packets",
        |f| nic(f).indirection = Ok([0, 1, 2].into()),
        "nic.rss",
        "ethtool -X eth0 default",
    ),
    (
        "all interrupts to one CPU",
        |f| {
            for (_, cpus) in &mut nic(f).interrupts {
                *cpus = "0".to_owned();
            }
        },
        "nic.irq",
        "echo 3 > /proc/irq/43/smp_affinity_list",
    ),
    (
        "virtio without queues to answer by",
        |f| nic(f).driver = Some("virtio_net".to_owned()),
        "nic.tx_queues",
        "twice as many",
    ),
    (
        "a small ring",
        |f| nic(f).ring = Ok((256, 8_192)),
        "nic.ring",
        "ethtool -G eth0 rx 4096",
    ),
    (
        "somebody's program",
        |f| attach(f, XdpMode::Native, Some("drop_all"), None),
        "xdp.foreign",
        "ip link set dev eth0 xdpdrv off",
    ),
    (
        "somebody's generic program",
        |f| attach(f, XdpMode::Generic, None, None),
        "xdp.foreign",
        "ip link set dev eth0 xdpgeneric off",
    ),
    (
        "somebody's program, held by a link",
        |f| attach(f, XdpMode::Native, Some("cil_xdp_entry"), Some(5)),
        "xdp.foreign",
        "bpftool link detach id 5",
    ),
    (
        "libxdp",
        |f| attach(f, XdpMode::Native, Some("xdp_dispatcher"), Some(5)),
        "xdp.dispatcher",
        "xdp-loader unload eth0 --all",
    ),
    (
        "another Levee",
        |f| attach(f, XdpMode::Native, Some("levee"), Some(5)),
        "xdp.other_levee",
        "detach",
    ),
    (
        "a program whose owner cannot be seen",
        |f| {
            attach(f, XdpMode::Native, None, None);
            f.xdp.pinned = Err("only root may read it".to_owned());
        },
        "xdp.foreign",
        "",
    ),
    (
        "another version",
        |f| f.xdp.other_versions = vec!["/sys/fs/bpf/levee/v1".into()],
        "xdp.other_version",
        "agent detach",
    ),
    (
        "another agent's lock",
        |f| f.xdp.locks = vec![("/var/lib/levee".into(), 4_242), ("/sys/fs/bpf/levee".into(), 17)],
        "xdp.lock",
        "kill 17",
    ),
];

#[test]
fn wrong_interfaces() {
    hold(ROWS);
}

#[test]
fn what_looks_wrong_and_is_not() {
    type Odd = (&'static str, fn(&mut Facts));
    let rows: [Odd; 8] = [
        ("a jumbo MTU where XDP gets frames of several pages", |f| {
            nic(f).mtu = 9_000;
        }),
        ("tun hands long frames on", |f| {
            nic(f).mtu = 9_000;
            nic(f).xdp_features = Ok(0b11);
            nic(f).driver = Some("tun".to_owned());
        }),
        ("a kernel that does not tell, of a driver that is known", |f| {
            nic(f).xdp_features = Err("this kernel does not tell".to_owned());
        }),
        ("LRO, in generic mode", |f| {
            configure(f, "[kernel]\nxdp_mode = 'generic'");
            switch(nic(f), "rx-lro", true, true);
        }),
        ("hardware GRO of virtio", |f| {
            switch(nic(f), "rx-gro-hw", true, false);
            nic(f).driver = Some("virtio_net".to_owned());
            nic(f).queues = Ok((8, 16));
        }),
        ("our own program", |f| {
            attach(f, XdpMode::Native, Some("levee"), Some(5));
            f.xdp.pinned = Ok([("eth0".to_owned(), Some(17))].into());
        }),
        ("our own lock", |f| f.xdp.locks = vec![("/var/lib/levee".into(), 4_242)]),
        ("a ring that cannot grow", |f| nic(f).ring = Ok((256, 256))),
    ];
    for (name, change) in rows {
        let mut facts = healthy();
        change(&mut facts);
        assert!(wrong(&facts).is_empty(), "{name}: {:#?}", wrong(&facts));
    }
}

#[test]
fn one_queue_for_several_cpus_is_worth_two_notes() {
    let mut facts = healthy();
    nic(&mut facts).queues = Ok((1, 1));
    nic(&mut facts).indirection = Err("the driver does not tell".to_owned());
    nic(&mut facts).interrupts.clear();
    nic(&mut facts).rps = (0, 1);
    let ids: Vec<&str> = wrong(&facts).iter().map(|finding| finding.check.id).collect();
    assert_eq!(ids, ["nic.queues_max", "nic.rps"]);
    assert_eq!(
        wrong(&facts)[1].commands,
        ["echo ff > /sys/class/net/eth0/queues/rx-0/rps_cpus"]
    );
}
