//! Too little room, wrong clocks and wrong places.

use std::time::Duration;

use agent::doctor::facts::{Bpffs, ControlGroup, Obstacle};

use super::{
    Row,
    healthy::{configure, healthy},
    hold, wrong,
};

fn group(key: &'static str, name: &str, members: Option<usize>) -> ControlGroup {
    ControlGroup {
        key,
        name: name.to_owned(),
        members,
    }
}

const MEMORY: &[Row] = &[
    (
        "no memory",
        |f| f.memory.available = Ok(50 << 20),
        "memory.maps",
        "smaller limits",
    ),
    (
        "little memory",
        |f| f.memory.available = Ok(100 << 20),
        "memory.tight",
        "smaller limits",
    ),
    (
        "lists too large",
        |f| f.memory.lists = 32 << 30,
        "memory.maps",
        "smaller limits",
    ),
    (
        "a memlock limit of old",
        |f| f.memory.memlock = Some(65_536),
        "memory.memlock",
        "ulimit -l unlimited",
    ),
    (
        "a small cgroup",
        |f| f.memory.cgroup = Some(("/sys/fs/cgroup/a".into(), 1 << 20)),
        "memory.cgroup",
        "echo max > /sys/fs/cgroup/a/memory.max",
    ),
    (
        "CPUs that never come",
        |f| f.cpus.possible = 128,
        "memory.cpus",
        "nr_cpus=8",
    ),
    (
        "maps of other sizes",
        |f| f.xdp.other_sizes = vec!["map SOURCES stays at 1024 entries, not 65536".to_owned()],
        "limits.pinned",
        "agent detach && agent run",
    ),
    (
        "a full address table",
        |f| configure(f, "[limits]\naddresses = 2"),
        "limits.addresses",
        "limits.addresses = 4",
    ),
    (
        "a full list",
        |f| {
            let block: Vec<String> = (0..15).map(|at| format!("'198.51.100.{at}'")).collect();
            configure(
                f,
                &format!("block = [{}]\n[limits]\nlist_entries = 17", block.join(",")),
            );
        },
        "limits.list_entries",
        "limits.list_entries = 32",
    ),
    (
        "full large lists",
        |f| {
            configure(
                f,
                "[[list]]\nname = 'drop'\nfrom = '/x'\naction = 'block'\n[limits]\nlist_prefixes = 1000",
            );
            f.config.lists = vec![("drop".to_owned(), 950)];
        },
        "limits.list_prefixes",
        "limits.list_prefixes = 2048",
    ),
    (
        "more listeners than fit",
        |f| f.config.listening = 20_000,
        "limits.listeners",
        "limits.listeners = 65536",
    ),
    (
        "few files",
        |f| f.memory.open_files = 64,
        "limits.files",
        "ulimit -n 1024",
    ),
];

const PLACES: &[Row] = &[
    (
        "not root",
        |f| f.permissions.root = false,
        "permissions.user",
        "sudo agent doctor",
    ),
    (
        "a container",
        |f| f.permissions.missing = vec!["CAP_BPF".to_owned()],
        "permissions.capabilities",
        "--cap-add BPF",
    ),
    (
        "no BPF file system",
        |f| f.permissions.bpffs.1 = Bpffs::Missing,
        "permissions.bpffs",
        "mount -t bpf bpf /sys/fs/bpf",
    ),
    (
        "a read-only one",
        |f| f.permissions.bpffs.1 = Bpffs::ReadOnly,
        "permissions.bpffs_read_only",
        "mount -o remount,rw /sys/fs/bpf",
    ),
    (
        "a read-only state directory",
        |f| f.permissions.state.obstacle = Some(Obstacle::ReadOnly("/var".into())),
        "permissions.state",
        "mount -o remount,rw /var",
    ),
    (
        "a file in its place",
        |f| f.permissions.state.obstacle = Some(Obstacle::NoDirectory("/var/lib/levee".into())),
        "permissions.state",
        "another state.directory",
    ),
    (
        "an immutable one",
        |f| f.permissions.state.obstacle = Some(Obstacle::Forbidden("/var/lib/levee".into())),
        "permissions.state",
        "chattr -i /var/lib/levee",
    ),
    (
        "one that is everybody's",
        |f| f.permissions.state.mode = Some(0o40_777),
        "permissions.state_open",
        "chmod 750 /var/lib/levee",
    ),
    (
        "a full disk",
        |f| f.permissions.state.free = Some(1 << 20),
        "permissions.state_space",
        "free some",
    ),
    (
        "a file in the socket's place",
        |f| f.permissions.socket_taken = true,
        "permissions.socket",
        "move it away",
    ),
    (
        "the socket in everybody's directory",
        |f| f.permissions.socket.mode = Some(0o40_777),
        "permissions.socket",
        "chmod o-w /run/levee",
    ),
    (
        "a kernel that tells nothing",
        |f| f.permissions.lockdown = Some("confidentiality".to_owned()),
        "permissions.lockdown",
        "lockdown=integrity",
    ),
    (
        "SELinux",
        |f| f.permissions.selinux = true,
        "permissions.selinux",
        "ausearch",
    ),
    (
        "a group of nobody",
        |f| f.permissions.groups = vec![group("control.group", "keepers", None)],
        "permissions.group",
        "groupadd --system keepers",
    ),
    (
        "a group without members",
        |f| f.permissions.groups = vec![group("control.view_group", "watchers", Some(0))],
        "permissions.group_empty",
        "usermod --append --groups watchers USER",
    ),
    (
        "one group for both roles",
        |f| {
            f.permissions.groups = vec![
                group("control.group", "keepers", Some(2)),
                group("control.view_group", "keepers", Some(2)),
            ];
        },
        "permissions.groups_same",
        "another control.view_group",
    ),
    (
        "BPF for everybody",
        |f| f.permissions.unprivileged_bpf = Some(0),
        "permissions.unprivileged_bpf",
        "kernel.unprivileged_bpf_disabled=2",
    ),
];

const CLOCKS: &[Row] = &[
    (
        "no NTP",
        |f| f.clock.synchronised = Ok(false),
        "clock.synchronised",
        "timedatectl set-ntp true",
    ),
    (
        "a slow clock",
        |f| f.clock.source = Ok(("hpet".to_owned(), vec!["hpet".to_owned(), "tsc".to_owned()])),
        "clock.source",
        "echo tsc > /sys/devices/system/clocksource/clocksource0/current_clocksource",
    ),
    (
        "no other clock",
        |f| f.clock.source = Ok(("acpi_pm".to_owned(), vec!["acpi_pm".to_owned()])),
        "clock.source",
        "dmesg",
    ),
    (
        "a clock that went back",
        |f| f.clock.behind_ledger = Some(Duration::from_secs(3_600)),
        "clock.back",
        "chrony",
    ),
    (
        "a laptop",
        |f| f.clock.suspended = Duration::from_secs(90),
        "clock.suspended",
        "should not be suspended",
    ),
];

#[test]
fn too_little_room() {
    hold(MEMORY);
}

#[test]
fn wrong_places() {
    hold(PLACES);
}

#[test]
fn wrong_clocks() {
    hold(CLOCKS);
}

#[test]
fn without_root_the_doctor_says_what_it_did_not_see() {
    let mut facts = healthy();
    facts.permissions.root = false;
    facts.permissions.missing = vec!["CAP_BPF".to_owned()];
    facts.kernel.probed = Err("bpf(2) is refused to this process; root may".to_owned());
    facts.permissions.state.obstacle = Some(Obstacle::Forbidden("/var/lib".into()));
    let found = wrong(&facts);
    let unseen: Vec<&str> = found
        .iter()
        .filter(|finding| finding.unseen)
        .map(|finding| finding.check.id)
        .collect();
    for id in ["kernel.helpers", "permissions.capabilities", "permissions.state"] {
        assert!(unseen.contains(&id), "{unseen:?}");
    }
    assert!(
        found
            .iter()
            .all(|finding| finding.unseen || finding.check.id == "permissions.user"),
        "{found:#?}"
    );
}
