//! Decides what to install: a pure function of what a machine has.

use std::{fmt, path::Path};

use anyhow::{Result, bail};
use xtask::bpf::{self, Facts, Origin};

use super::browser;
use crate::run;

/// What a task or a test runs or reads.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Tool {
    /// A program's name, looked for on PATH and in the directories for administrators; or a file's whole path.
    pub(crate) program: &'static str,
    /// The Debian package that has it.
    pub(crate) package: &'static str,
    /// What is done with it.
    pub(crate) reason: &'static str,
}

impl Tool {
    /// Whether it is not there.
    pub(crate) fn is_missing(&self) -> bool {
        let file = Path::new(self.program);
        if file.is_absolute() {
            !file.is_file()
        } else {
            bpf::find_program(self.program).is_none()
        }
    }
}

/// What the lab and the tests run.
const TOOLS: &[Tool] = &[
    tool("ip", "iproute2", "network namespaces"),
    tool("nginx", "nginx-light", "the server under attack"),
    tool("curl", "curl", "a real client"),
    tool("wrk", "wrk", "many real clients"),
    tool("chromium", "chromium", "the browser that looks at the web page"),
    tool("node", "nodejs", "drives the browser"),
    tool("npm", "npm", "installs what drives the browser"),
    tool("hping3", "hping3", "a flood that others know"),
    tool("ethtool", "ethtool", "offloads of the lab's links"),
    tool(
        "bpftool",
        "bpftool",
        "links of XDP programs that a test takes off again",
    ),
    tool(
        "sysctl",
        "procps",
        "settings that a test puts right as an operator would",
    ),
    tool("c++", "g++", "compiles libFuzzer"),
    tool("faketime", "faketime", "a wall clock that jumps, for one process"),
    tool("haproxy", "haproxy", "another server that many have"),
    tool("bird", "bird2", "routes for the network above"),
    tool("protoc", "protobuf-compiler", "compiles the client of etcd"),
    // Debian's compiler only recommends them.
    tool(
        "/usr/include/google/protobuf/descriptor.proto",
        "libprotobuf-dev",
        "messages that the client of etcd is described with",
    ),
    tool("etcd", "etcd-server", "the store of a fleet"),
    tool("etcdctl", "etcd-client", "what an operator asks it with"),
    tool("iptables", "iptables", "what users take against floods, for comparison"),
    tool("nft", "nftables", "customers behind a NAT and behind a firewall"),
    tool(
        "tshark",
        "tshark",
        "checks of every header and checksum that was captured",
    ),
    tool("tcpdump", "tcpdump", "captures for tests that look at the wire"),
    tool("tmux", "tmux", "the terminal in which the live view is tested"),
    tool(
        "xdp-filter",
        "xdp-tools",
        "what users take against floods in XDP, for comparison",
    ),
    tool("promtool", "prometheus", "checks of metrics, rules and their tests"),
    tool("systemd-analyze", "systemd", "checks of the unit"),
    tool("man", "man-db", "checks of the man pages"),
    tool("zsh", "zsh", "checks of its completions"),
    tool("fish", "fish", "checks of its completions"),
    tool("shellcheck", "shellcheck", "checks of the example scripts"),
    tool("jq", "jq", "the example scripts read messages with it"),
    tool("socat", "socat", "the example scripts speak to HAProxy with it"),
    tool("yamllint", "yamllint", "checks of the Kubernetes example"),
];

pub(crate) const fn tool(program: &'static str, package: &'static str, reason: &'static str) -> Tool {
    Tool {
        program,
        package,
        reason,
    }
}

/// The compiler: 1.85 comes from Debian's main suite, newer ones from bookworm-security.
const COMPILER: &[&str] = &["rustc-web", "cargo-web", "rust-web-src", "rust-web-clippy"];

/// What bpf-linker is built with.
const LLVM: &[&str] = &["llvm-22-dev", "libpolly-22-dev", "zlib1g-dev", "libzstd-dev"];

/// What a machine has.
#[derive(Debug)]
pub(crate) struct Machine {
    /// Compilers and linkers for BPF.
    pub(crate) facts: Facts,
    /// Whether the compiler that `facts` lead to has clippy beside it.
    pub(crate) clippy: bool,
    /// Whether LLVM's headers and libraries are there, for building bpf-linker.
    pub(crate) llvm: bool,
    /// Whether what drives the browser is there.
    pub(crate) browser_driver: bool,
    /// The lab's programs that are not there.
    pub(crate) missing_tools: Vec<&'static Tool>,
    /// Whether apt-get is there.
    pub(crate) apt: bool,
    /// Whether we may use it.
    pub(crate) root: bool,
}

impl Machine {
    pub(crate) fn gather() -> Self {
        let facts = Facts::gather();
        let clippy = bpf::decide(&facts).is_ok_and(|found| found.compiler.bin.join("cargo-clippy").is_file());
        Self {
            facts,
            clippy,
            llvm: Path::new(LLVM_PREFIX).join("bin/llvm-config").is_file(),
            missing_tools: TOOLS.iter().filter(|tool| tool.is_missing()).collect(),
            browser_driver: browser::is_there(),
            apt: bpf::find_program("apt-get").is_some(),
            root: run::is_root(),
        }
    }
}

/// Where Debian installs the LLVM that bpf-linker is built with.
pub(crate) const LLVM_PREFIX: &str = "/usr/lib/llvm-22";

/// One thing to install.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Debian packages, with the reason.
    Packages {
        packages: Vec<&'static str>,
        reason: String,
    },
    /// bpf-linker from crates.io.
    BpfLinker,
    /// What drives the browser, from npm.
    BrowserDriver,
}

impl Step {
    /// The Debian packages that it installs.
    fn packages(&self) -> &[&'static str] {
        match self {
            Self::Packages { packages, .. } => packages,
            Self::BpfLinker | Self::BrowserDriver => &[],
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Packages { packages, reason } => {
                write!(f, "Debian packages {} ({reason})", packages.join(" "))
            }
            Self::BpfLinker => f.write_str("bpf-linker from crates.io (links BPF programs; a minute or two to build)"),
            Self::BrowserDriver => {
                f.write_str("playwright-core and axe-core from npm (drive the browser, and look for barriers)")
            }
        }
    }
}

/// What is missing, in the order of installation.
pub(crate) fn wanted(machine: &Machine) -> Vec<Step> {
    let mut steps = Vec::new();
    let toolchain = bpf::decide(&machine.facts);
    let (compiler, linker) = match &toolchain {
        Ok(found) => (!machine.clippy && found.compiler.origin == Origin::System, false),
        Err(_) => (!has_system_compiler(machine), !has_fitting_linker(machine)),
    };
    if compiler {
        steps.push(Step::Packages {
            packages: COMPILER.to_vec(),
            reason: "a Rust compiler with the sources of `core`, which the BPF target has no prebuilt copy of"
                .to_owned(),
        });
    }
    if linker {
        if !machine.llvm {
            steps.push(Step::Packages {
                packages: LLVM.to_vec(),
                reason: "LLVM, to build bpf-linker with".to_owned(),
            });
        }
        steps.push(Step::BpfLinker);
    }
    if !machine.missing_tools.is_empty() {
        let reasons: Vec<_> = machine
            .missing_tools
            .iter()
            .map(|tool| format!("{}: {}", tool.program, tool.reason))
            .collect();
        steps.push(Step::Packages {
            packages: machine.missing_tools.iter().map(|tool| tool.package).collect(),
            reason: format!("the lab and the tests run them: {}", reasons.join(", ")),
        });
    }
    // Behind npm itself.
    if !machine.browser_driver {
        steps.push(Step::BrowserDriver);
    }
    steps
}

fn has_system_compiler(machine: &Machine) -> bool {
    machine
        .facts
        .compilers
        .iter()
        .any(|compiler| compiler.origin == Origin::System && compiler.version >= bpf::Version::minimum())
}

/// Whether the linker reads what Debian's compiler writes.
fn has_fitting_linker(machine: &Machine) -> bool {
    let Some(linker) = &machine.facts.linker else {
        return false;
    };
    linker.llvm.is_none_or(|llvm| llvm >= bpf::LLVM_MAJOR)
}

/// The steps to take.
///
/// # Errors
///
/// When something is missing that this machine or this user cannot install; says what it is.
pub(crate) fn plan(machine: &Machine) -> Result<Vec<Step>> {
    let steps = wanted(machine);
    let packages: Vec<&str> = steps.iter().flat_map(Step::packages).copied().collect();
    if packages.is_empty() || (machine.apt && machine.root) {
        return Ok(steps);
    }
    let list: Vec<String> = steps.iter().map(|step| format!("\n  - {step}")).collect();
    let list = list.concat();
    if !machine.apt {
        let minimum = bpf::Version::minimum();
        bail!(
            "missing, and no apt-get to install it with:{list}\nInstall the like of it from this system's packages. For \
             BPF, either `rustup toolchain install nightly --component rust-src` and `cargo install bpf-linker`, or rustc \
             {minimum} with its sources under /usr/lib/rustlib/src and a bpf-linker for its LLVM."
        );
    }
    bail!(
        "missing, and only root may install it:{list}\nRun `cargo xtask setup` as root, or install {}.",
        packages.join(" ")
    );
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use xtask::bpf::{Compiler, Linker, Version};

    use super::*;

    fn compiler(origin: Origin, llvm: u32) -> Compiler {
        Compiler {
            origin,
            bin: PathBuf::from("/bin"),
            version: Version::minimum(),
            llvm,
        }
    }

    fn linker(llvm: Option<u32>) -> Option<Linker> {
        Some(Linker {
            path: PathBuf::from("/bin/bpf-linker"),
            llvm,
        })
    }

    fn fresh() -> Machine {
        Machine {
            facts: Facts::default(),
            clippy: false,
            llvm: false,
            browser_driver: false,
            missing_tools: vec![],
            apt: true,
            root: true,
        }
    }

    fn installs(machine: &Machine, package: &str) -> bool {
        wanted(machine).iter().any(|step| step.packages().contains(&package))
    }

    #[test]
    fn a_fresh_machine_gets_everything_in_order() {
        let steps = plan(&fresh()).expect("root and apt");
        assert!(matches!(
            steps.as_slice(),
            [
                Step::Packages { .. },
                Step::Packages { .. },
                Step::BpfLinker,
                Step::BrowserDriver
            ]
        ));
    }

    #[test]
    fn a_complete_machine_gets_nothing() {
        let machine = Machine {
            facts: Facts {
                compilers: vec![compiler(Origin::System, 22)],
                linker: linker(Some(22)),
            },
            clippy: true,
            llvm: true,
            browser_driver: true,
            apt: false,
            root: false,
            ..fresh()
        };
        assert_eq!(plan(&machine).expect("nothing to do"), []);
    }

    #[test]
    fn a_nightly_with_sources_and_a_linker_needs_no_debian_compiler() {
        let machine = Machine {
            facts: Facts {
                compilers: vec![compiler(Origin::Nightly("nightly".into()), 23)],
                linker: linker(None),
            },
            browser_driver: true,
            ..fresh()
        };
        assert_eq!(wanted(&machine), []);
    }

    #[test]
    fn a_nightly_without_a_linker_falls_back_to_debian() {
        let machine = Machine {
            facts: Facts {
                compilers: vec![compiler(Origin::Nightly("nightly".into()), 23)],
                linker: None,
            },
            ..fresh()
        };
        assert!(installs(&machine, "rustc-web") && wanted(&machine).contains(&Step::BpfLinker));
    }

    #[test]
    fn a_linker_too_old_is_built_anew_with_the_llvm_that_is_there() {
        let machine = Machine {
            facts: Facts {
                compilers: vec![compiler(Origin::System, 22)],
                linker: linker(Some(19)),
            },
            llvm: true,
            browser_driver: true,
            ..fresh()
        };
        assert_eq!(wanted(&machine), [Step::BpfLinker]);
    }

    #[test]
    fn missing_lab_programs_are_one_step_with_their_reasons() {
        let machine = Machine {
            facts: Facts {
                compilers: vec![compiler(Origin::System, 22)],
                linker: linker(None),
            },
            clippy: true,
            missing_tools: TOOLS.iter().filter(|tool| tool.program != "ip").collect(),
            ..fresh()
        };
        assert!(installs(&machine, "nginx-light") && !installs(&machine, "iproute2"));
        assert!(
            wanted(&machine)[0]
                .to_string()
                .contains("nginx: the server under attack")
        );
    }

    #[test]
    fn programs_are_looked_for_on_the_path_and_files_where_they_are() {
        for (what, is_missing) in [
            ("sh", false),
            ("no-such-program", true),
            ("/proc/self/exe", false),
            ("/proc/self/no-such-file", true),
        ] {
            assert_eq!(tool(what, "package", "reason").is_missing(), is_missing, "{what}");
        }
    }

    #[test]
    fn without_root_or_apt_the_error_says_what_to_install() {
        let user = plan(&Machine { root: false, ..fresh() })
            .expect_err("no root")
            .to_string();
        assert!(user.contains("only root") && user.contains("rustc-web"), "{user}");
        let elsewhere = plan(&Machine { apt: false, ..fresh() })
            .expect_err("no apt")
            .to_string();
        assert!(
            elsewhere.contains("no apt-get") && elsewhere.contains("rust-src"),
            "{elsewhere}"
        );
    }
}
