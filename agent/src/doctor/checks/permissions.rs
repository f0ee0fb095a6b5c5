//! What the agent may do, and the places that it writes to.

use std::path::Path;

use crate::doctor::{
    facts::{Bpffs, ControlGroup, Facts, Obstacle, Place},
    finding::{
        Check, Finding,
        Severity::{Note, Problem, Warning},
    },
};

pub(super) const ALL: &[&Check] = &[
    &USER,
    &CAPABILITIES,
    &BPFFS,
    &BPFFS_READ_ONLY,
    &STATE,
    &STATE_OPEN,
    &STATE_SPACE,
    &SOCKET,
    &GROUP,
    &GROUP_EMPTY,
    &GROUPS_SAME,
    &LOCKDOWN,
    &SELINUX,
    &UNPRIVILEGED,
];

static USER: Check = Check {
    id: "permissions.user",
    severity: Note,
    about: "The doctor runs without root's rights.",
    why: "What needs them was not looked at, and says so.",
    fix: "sudo agent doctor",
};
static CAPABILITIES: Check = Check {
    id: "permissions.capabilities",
    severity: Problem,
    about: "Root lacks capabilities here, as in a container.",
    why: "The kernel refuses to load the program or to attach it.",
    fix: "--cap-add NET_ADMIN --cap-add BPF --cap-add PERFMON for a container, AmbientCapabilities= in a unit",
};
static BPFFS: Check = Check {
    id: "permissions.bpffs",
    severity: Warning,
    about: "The BPF file system is not mounted at kernel.bpffs.",
    why: "Maps and links are pinned there, so that protection outlives the agent. `agent run` mounts it where it may, which a \
          service without CAP_SYS_ADMIN may not.",
    fix: "mount -t bpf bpf /sys/fs/bpf",
};
static BPFFS_READ_ONLY: Check = Check {
    id: "permissions.bpffs_read_only",
    severity: Problem,
    about: "The BPF file system at kernel.bpffs is mounted read-only.",
    why: "Nothing can be pinned, so the agent does not start.",
    fix: "mount -o remount,rw /sys/fs/bpf",
};
static STATE: Check = Check {
    id: "permissions.state",
    severity: Problem,
    about: "The state directory cannot be written to.",
    why: "The agent runs without a ledger: blocks, thresholds and history are gone with it, and so is who did what.",
    fix: "mount -o remount,rw MOUNT, or another state.directory",
};
static STATE_OPEN: Check = Check {
    id: "permissions.state_open",
    severity: Warning,
    about: "Everybody may write to the state directory.",
    why: "Whoever has an account here can put blocks and allows into the ledger.",
    fix: "chmod 750 DIRECTORY",
};
static STATE_SPACE: Check = Check {
    id: "permissions.state_space",
    severity: Warning,
    about: "There are less than 256 MiB free for the state directory.",
    why: "A month of history of 4,096 addresses takes 100 MB, captures 64 MiB. On a full disk nothing of an attack is kept.",
    fix: "free some, or another state.directory",
};
static SOCKET: Check = Check {
    id: "permissions.socket",
    severity: Problem,
    about: "The control socket cannot be made.",
    why: "The agent does not start without it.",
    fix: "another control.socket, in a directory that can be written to",
};
static GROUP: Check = Check {
    id: "permissions.group",
    severity: Problem,
    about: "A group of the section control does not exist.",
    why: "The agent does not start: nobody would have the role that the group is to have.",
    fix: "groupadd --system GROUP",
};
static GROUP_EMPTY: Check = Check {
    id: "permissions.group_empty",
    severity: Note,
    about: "A group of the section control lists no members.",
    why: "Only root, and whose primary group it is, has its role. Whoever is added has to log in anew.",
    fix: "usermod --append --groups GROUP USER",
};
static GROUPS_SAME: Check = Check {
    id: "permissions.groups_same",
    severity: Warning,
    about: "control.group and control.view_group name the same group.",
    why: "Its members may operate: nobody is held to viewing.",
    fix: "another control.view_group",
};
static LOCKDOWN: Check = Check {
    id: "permissions.lockdown",
    severity: Warning,
    about: "The kernel is locked down to confidentiality.",
    why: "Tracefs is closed then: completed handshakes are neither counted nor remembered, and under attack every client must \
          prove itself anew. Integrity, which secure boot sets, costs nothing.",
    fix: "lockdown=integrity on the kernel's command line",
};
static SELINUX: Check = Check {
    id: "permissions.selinux",
    severity: Note,
    about: "SELinux enforces.",
    why: "Its policy may refuse bpf(2) to a service; to root at a shell it rarely does.",
    fix: "ausearch -m avc -c agent shows what it refused",
};
static UNPRIVILEGED: Check = Check {
    id: "permissions.unprivileged_bpf",
    severity: Note,
    about: "Users without privileges may load BPF programs (kernel.unprivileged_bpf_disabled is 0).",
    why: "Levee does not need it, and side channels of CPUs have been used that way.",
    fix: "sysctl -w kernel.unprivileged_bpf_disabled=2",
};

/// For a month of history, captures, and the ledger.
const SPACE_ENOUGH: u64 = 256 << 20;
/// Permission to write for others.
const WRITABLE_BY_ALL: u32 = 0o002;
/// In such a directory nobody removes what is another's.
const STICKY: u32 = 0o1000;

pub(super) fn check(facts: &Facts) -> Vec<Finding> {
    let seen = &facts.permissions;
    let mut findings = Vec::new();
    if seen.root {
        findings.push(USER.ok("root"));
        findings.push(if seen.missing.is_empty() {
            CAPABILITIES.ok("every capability that `agent run` needs")
        } else {
            CAPABILITIES
                .found(format!("missing {}", seen.missing.join(", ")))
                .advise(CAPABILITIES.fix)
        });
    } else {
        findings.push(USER.found("not root").run(USER.fix));
        findings.push(match &seen.missing[..] {
            [] => CAPABILITIES.ok("every capability that `agent run` needs"),
            missing => CAPABILITIES.unseen(format!(
                "this user has no {}; root or a service may",
                missing.join(", ")
            )),
        });
    }
    findings.push(bpffs(facts));
    findings.extend(state(&seen.state, seen.root));
    findings.push(socket(facts));
    findings.extend(groups(&seen.groups));
    findings.push(match seen.lockdown.as_deref() {
        Some("confidentiality") => LOCKDOWN
            .found("the kernel is locked down to confidentiality")
            .advise(LOCKDOWN.fix),
        Some(other) => LOCKDOWN.ok(format!("lockdown: {other}")),
        None => LOCKDOWN.ok("the kernel is not locked down, or does not show it"),
    });
    findings.push(if seen.selinux {
        SELINUX.found("SELinux enforces").advise(SELINUX.fix)
    } else {
        SELINUX.ok("SELinux does not enforce")
    });
    findings.push(match seen.unprivileged_bpf {
        Some(0) => UNPRIVILEGED
            .found("kernel.unprivileged_bpf_disabled is 0")
            .run(UNPRIVILEGED.fix),
        Some(value) => UNPRIVILEGED.ok(format!(
            "kernel.unprivileged_bpf_disabled is {value}, which Levee does not mind"
        )),
        None => UNPRIVILEGED.ok("kernel.unprivileged_bpf_disabled is not there"),
    });
    findings
}

fn bpffs(facts: &Facts) -> Finding {
    let (path, state) = &facts.permissions.bpffs;
    let shown = path.display();
    match state {
        Bpffs::Mounted => BPFFS.ok(format!("mounted at {shown}")),
        Bpffs::Unknown(why) => BPFFS.unseen(why),
        Bpffs::ReadOnly => BPFFS_READ_ONLY
            .found(format!("it is mounted read-only at {shown}"))
            .run(format!("mount -o remount,rw {}", quoted(path))),
        Bpffs::Missing => {
            let who = if facts.permissions.may_mount {
                "`agent run` as root mounts it"
            } else {
                "this process may not mount it"
            };
            let directory = quoted(path);
            BPFFS
                .found(format!("it is not mounted at {shown}; {who}"))
                .run(format!("mkdir -p {directory} && mount -t bpf bpf {directory}"))
        }
    }
}

fn state(place: &Place, root: bool) -> Vec<Finding> {
    let shown = place.path.display();
    let mut findings = vec![match &place.obstacle {
        None => STATE.ok(format!("{shown} can be written to")),
        Some(Obstacle::Forbidden(at)) if !root => STATE.unseen(format!("this user may not write to {}", at.display())),
        Some(obstacle) => in_the_way(&STATE, obstacle, "state.directory"),
    }];
    findings.push(match place.mode {
        Some(mode) if mode & WRITABLE_BY_ALL != 0 => STATE_OPEN
            .found(format!("the permissions of {shown} are {:o}", mode & 0o7777))
            .run(format!("chmod 750 {}", quoted(&place.path))),
        _ => STATE_OPEN.ok("not everybody may write to it"),
    });
    if place.obstacle.is_none() {
        findings.push(match place.free {
            Some(free) if free < SPACE_ENOUGH => STATE_SPACE
                .found(format!("{} MiB are free for {shown}", free >> 20))
                .advise(STATE_SPACE.fix),
            Some(free) => STATE_SPACE.ok(format!("{} MiB are free for {shown}", free >> 20)),
            None => STATE_SPACE.unseen("the file system does not tell"),
        });
    }
    findings
}

fn socket(facts: &Facts) -> Finding {
    let place = &facts.permissions.socket;
    if facts.permissions.socket_taken {
        return SOCKET
            .found("something that is no socket is at the path of control.socket")
            .advise("move it away, or name another control.socket");
    }
    match &place.obstacle {
        Some(Obstacle::Forbidden(at)) if !facts.permissions.root => {
            SOCKET.unseen(format!("this user may not write to {}", at.display()))
        }
        Some(obstacle) => in_the_way(&SOCKET, obstacle, "control.socket"),
        None if place
            .mode
            .is_some_and(|mode| mode & WRITABLE_BY_ALL != 0 && mode & STICKY == 0) =>
        {
            SOCKET
                .found(format!(
                    "everybody may write to {}, and so put a socket of their own there",
                    place.path.display()
                ))
                .run(format!("chmod o-w {}", quoted(&place.path)))
        }
        None => SOCKET.ok(format!("{} can be written to", place.path.display())),
    }
}

fn groups(groups: &[ControlGroup]) -> Vec<Finding> {
    let mut findings: Vec<Finding> = Vec::new();
    for ControlGroup { key, name, members } in groups {
        findings.push(match members {
            None => GROUP
                .found(format!("{key} = \"{name}\": there is no such group"))
                .run(format!("groupadd --system {name}")),
            Some(0) => GROUP_EMPTY
                .found(format!("{key} = \"{name}\": the group lists no members"))
                .advise(format!("usermod --append --groups {name} USER")),
            Some(count) => GROUP.ok(format!("{key} = \"{name}\": {count} members are listed")),
        });
    }
    if let [operate, view] = groups
        && operate.name == view.name
    {
        let said = format!("both are \"{}\", whose members may operate", operate.name);
        findings.push(GROUPS_SAME.found(said).advise(GROUPS_SAME.fix));
    }
    findings
}

fn in_the_way(check: &'static Check, obstacle: &Obstacle, key: &str) -> Finding {
    match obstacle {
        Obstacle::NoDirectory(path) => check
            .found(format!("{} is no directory", path.display()))
            .advise(format!("move it away, or name another {key}")),
        Obstacle::ReadOnly(path) => check
            .found(format!("the file system of {} is read-only", path.display()))
            .run(format!("mount -o remount,rw {}", quoted(path))),
        Obstacle::Forbidden(path) => check
            .found(format!(
                "{} cannot be written to, even by root (chattr +i, or a policy)",
                path.display()
            ))
            .run(format!("chattr -i {}", quoted(path))),
    }
}

/// A path as a shell takes it.
pub(super) fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-:@+".contains(c);
    if text.chars().all(plain) {
        text
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::quoted;

    #[test]
    fn paths_are_quoted_where_a_shell_needs_it() {
        assert_eq!(quoted(Path::new("/var/lib/levee")), "/var/lib/levee");
        assert_eq!(quoted(Path::new("/srv/a b")), "'/srv/a b'");
        assert_eq!(quoted(Path::new("/srv/it's;")), r"'/srv/it'\''s;'");
    }
}
