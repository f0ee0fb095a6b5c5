//! What the kernel can do.

use crate::doctor::{
    facts::{Facts, Seen},
    finding::{
        Check, Finding,
        Severity::{Note, Problem, Warning},
    },
};

pub(super) const ALL: &[&Check] = &[
    &VERSION,
    &PROGRAMS,
    &HELPERS,
    &MAPS,
    &FRAGS,
    &LINK,
    &TRACEPOINT,
    &BTF,
    &JIT,
    &JIT_HARDEN,
];

static VERSION: Check = Check {
    id: "kernel.version",
    severity: Problem,
    about: "The kernel is older than 6.0.",
    why: "The program is refused: SYN cookies from XDP, multi-buffer frames and other things it is made of are missing.",
    fix: "apt-get install --yes linux-image-amd64 && reboot (Debian 12 has 6.1)",
};
static PROGRAMS: Check = Check {
    id: "kernel.programs",
    severity: Problem,
    about: "The kernel has no XDP or no tracepoint programs.",
    why: "Nothing can be protected without XDP (CONFIG_BPF_SYSCALL, CONFIG_NET).",
    fix: "A distribution's kernel has them: apt-get install --yes linux-image-amd64 && reboot",
};
static HELPERS: Check = Check {
    id: "kernel.helpers",
    severity: Problem,
    about: "The kernel lacks functions that the programs call.",
    why: "The kernel refuses the program that calls them. The SYN cookie functions need CONFIG_SYN_COOKIES and CONFIG_INET.",
    fix: "A distribution's kernel has them: apt-get install --yes linux-image-amd64 && reboot",
};
static MAPS: Check = Check {
    id: "kernel.maps",
    severity: Problem,
    about: "The kernel lacks types of maps that the programs use.",
    why: "The agent cannot make its tables.",
    fix: "A distribution's kernel has them: apt-get install --yes linux-image-amd64 && reboot",
};
static FRAGS: Check = Check {
    id: "kernel.xdp_frags",
    severity: Problem,
    about: "The kernel has no XDP on frames of several pages.",
    why: "The program says that it can take such frames, which large MTUs need, and a kernel before 5.18 refuses to load it.",
    fix: "apt-get install --yes linux-image-amd64 && reboot",
};
static LINK: Check = Check {
    id: "kernel.xdp_link",
    severity: Problem,
    about: "The kernel has no BPF links for XDP.",
    why: "Protection that outlives the agent, and take-over without a gap, are made of pinned links.",
    fix: "apt-get install --yes linux-image-amd64 && reboot",
};
static TRACEPOINT: Check = Check {
    id: "kernel.tracepoint",
    severity: Warning,
    about: "The tracepoint sock:inet_sock_set_state is not there.",
    why: "Completed handshakes are then neither counted nor remembered: under attack every client must prove itself anew.",
    fix: "A kernel with CONFIG_FTRACE and CONFIG_TRACEPOINTS: apt-get install --yes linux-image-amd64 && reboot",
};
static BTF: Check = Check {
    id: "kernel.btf",
    severity: Note,
    about: "The kernel does not describe its own types (/sys/kernel/btf/vmlinux).",
    why: "Levee does not need it; bpftool and other tools that look into it show less.",
    fix: "A kernel with CONFIG_DEBUG_INFO_BTF: apt-get install --yes linux-image-amd64 && reboot",
};
static JIT: Check = Check {
    id: "kernel.jit",
    severity: Problem,
    about: "BPF programs are interpreted (net.core.bpf_jit_enable is 0).",
    why: "Interpreters refuse programs that call functions and go on to other programs, as Levee's do in steps: the agent does not \
          start then. Where it does, each packet costs several times as much.",
    fix: "sysctl -w net.core.bpf_jit_enable=1",
};
static JIT_HARDEN: Check = Check {
    id: "kernel.jit_harden",
    severity: Warning,
    about: "Constants are blinded in root's programs too (net.core.bpf_jit_harden is 2).",
    why: "The program becomes larger and slower; blinding is meant for programs of users without privileges, for which 1 is enough.",
    fix: "sysctl -w net.core.bpf_jit_harden=1",
};

pub(super) fn check(facts: &Facts) -> Vec<Finding> {
    let kernel = &facts.kernel;
    let mut findings = vec![match &kernel.too_old {
        None => VERSION.ok(format!("Linux {}", kernel.release)),
        Some(sentence) => VERSION
            .found(sentence)
            .run("apt-get install --yes linux-image-amd64 && reboot"),
    }];
    findings.extend(probed(facts));
    findings.push(match &kernel.tracepoint {
        Err(why) => TRACEPOINT.unseen(why),
        Ok(Some(true)) => TRACEPOINT.ok("sock:inet_sock_set_state is there"),
        Ok(None) => {
            TRACEPOINT.ok("tracefs is not mounted; the agent mounts it for itself while it looks for the tracepoint")
        }
        Ok(Some(false)) => TRACEPOINT
            .found("there is no tracepoint sock:inet_sock_set_state")
            .advise(TRACEPOINT.fix),
    });
    findings.push(if kernel.btf {
        BTF.ok("/sys/kernel/btf/vmlinux is there")
    } else {
        BTF.found("there is no /sys/kernel/btf/vmlinux").advise(BTF.fix)
    });
    findings.push(match &kernel.jit {
        Err(why) => JIT.unseen(why),
        Ok(0) => JIT
            .found("net.core.bpf_jit_enable is 0: BPF programs are interpreted")
            .run(JIT.fix),
        Ok(value) => JIT.ok(format!("net.core.bpf_jit_enable is {value}")),
    });
    findings.push(match &kernel.jit_harden {
        Err(why) => JIT_HARDEN.unseen(why),
        Ok(value) if *value >= 2 => JIT_HARDEN
            .found(format!("net.core.bpf_jit_harden is {value}"))
            .run(JIT_HARDEN.fix),
        Ok(value) => JIT_HARDEN.ok(format!("net.core.bpf_jit_harden is {value}")),
    });
    findings
}

fn probed(facts: &Facts) -> Vec<Finding> {
    let probed = match &facts.kernel.probed {
        Ok(probed) => probed,
        Err(why) => {
            return [&PROGRAMS, &HELPERS, &MAPS, &FRAGS, &LINK]
                .map(|check| check.unseen(why))
                .into();
        }
    };
    let list = |check: &'static Check, missing: &Seen<Vec<String>>, what: &str| match missing {
        Err(why) => check.unseen(why),
        Ok(missing) if missing.is_empty() => check.ok(format!("all {what} that the programs need are there")),
        Ok(missing) => check
            .found(format!("missing {what}: {}", missing.join(", ")))
            .advise(check.fix),
    };
    let one = |check: &'static Check, there: &Seen<bool>, what: &str| match there {
        Err(why) => check.unseen(why),
        Ok(true) => check.ok(format!("{what}: a probe worked")),
        Ok(false) => check
            .found(format!("{what}: the kernel refused a probe"))
            .run(check.fix),
    };
    vec![
        list(&PROGRAMS, &probed.missing_programs, "types of programs"),
        list(&HELPERS, &probed.missing_helpers, "functions"),
        list(&MAPS, &probed.missing_maps, "types of maps"),
        one(&FRAGS, &probed.frags, "XDP on frames of several pages"),
        one(&LINK, &probed.link, "BPF links for XDP"),
    ]
}
