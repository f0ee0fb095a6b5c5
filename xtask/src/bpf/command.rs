//! The one cargo command that compiles or lints a BPF package.

use std::{
    env,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context, Result, bail};

use super::{Origin, Package, Toolchain, path_flags};

/// The instruction set. `v3` has atomic compare-and-exchange, which the rate buckets need, and 32-bit comparisons;
/// every kernel since 5.12 runs it.
const INSTRUCTION_SET: &str = "v3";

/// Separates flags in CARGO_ENCODED_RUSTFLAGS.
const SEPARATOR: &str = "\x1f";

/// What to do with a package.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Task {
    /// Compile and link its binaries.
    Build,
    /// Run clippy on it, any warning being an error.
    Clippy,
}

/// The machine that will load the objects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Machine {
    /// Its architecture as rustc names it; decides the layout of `pt_regs` and the like.
    pub arch: String,
    /// Its byte order, which is also the byte order of its BPF programs.
    pub little_endian: bool,
}

impl Machine {
    /// The machine that runs this code.
    pub fn host() -> Self {
        Self {
            arch: env::consts::ARCH.to_owned(),
            little_endian: cfg!(target_endian = "little"),
        }
    }

    /// The machine that cargo builds for, as told to a build script.
    ///
    /// # Errors
    ///
    /// When not called from a build script.
    pub fn of_build_script() -> Result<Self> {
        let variable = |name: &str| env::var(name).with_context(|| format!("{name}: cargo sets it for build scripts"));
        Ok(Self {
            arch: variable("CARGO_CFG_TARGET_ARCH")?,
            little_endian: variable("CARGO_CFG_TARGET_ENDIAN")? == "little",
        })
    }

    fn target(&self) -> &'static str {
        if self.little_endian {
            "bpfel-unknown-none"
        } else {
            "bpfeb-unknown-none"
        }
    }
}

/// The directory that `target_directory` keeps BPF builds in: one for all callers and profiles, so that each package is
/// compiled once.
pub(super) fn build_directory(inside_target: &Path) -> PathBuf {
    inside_target
        .ancestors()
        .find(|directory| directory.join("CACHEDIR.TAG").is_file())
        .unwrap_or(inside_target)
        .join("bpf")
}

/// Runs `task` on `package` of the workspace at `root`; returns the binaries made. `inside_target` is any path in cargo's
/// target directory. Progress and diagnostics go to standard error.
///
/// # Errors
///
/// When the command cannot be started or fails.
pub fn compile(
    toolchain: &Toolchain,
    task: Task,
    package: Package,
    machine: &Machine,
    root: &Path,
    inside_target: &Path,
) -> Result<Vec<PathBuf>> {
    let mut command = command(toolchain, task, machine);
    command
        .env(
            "CARGO_ENCODED_RUSTFLAGS",
            [flags(machine), path_flags(root)].concat().join(SEPARATOR),
        )
        .arg("--manifest-path")
        .arg(root.join("Cargo.toml"))
        .arg("--target-dir")
        .arg(build_directory(inside_target))
        .args(["--package", package.name, "--features", package.feature]);
    if task == Task::Clippy {
        command.args(["--", "--deny", "warnings"]);
    }
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot start {}", command.get_program().display()))?;
    let messages = child.stdout.take().context("the pipe of the child's output is gone")?;
    let mut objects = Vec::new();
    for line in BufReader::new(messages).lines() {
        objects.extend(executable(&line.context("reading cargo's messages")?));
    }
    let status = child.wait().context("waiting for cargo")?;
    if !status.success() {
        bail!(
            "package {}: {} failed ({status})",
            package.name,
            toolchain.compiler.bin.join("cargo").display()
        );
    }
    Ok(objects)
}

/// The command without what names the package.
fn command(toolchain: &Toolchain, task: Task, machine: &Machine) -> Command {
    let bin = &toolchain.compiler.bin;
    let mut command = match task {
        Task::Build => Command::new(bin.join("cargo")),
        Task::Clippy => Command::new(bin.join("cargo-clippy")),
    };
    command.arg(match task {
        Task::Build => "build",
        Task::Clippy => "clippy",
    });
    let linker_variable = format!(
        "CARGO_TARGET_{}_LINKER",
        machine.target().replace('-', "_").to_uppercase()
    );
    command
        .args([
            "-Z",
            "build-std=core",
            "--profile",
            "bpf",
            "--bins",
            "--target",
            machine.target(),
        ])
        .arg("--message-format=json-render-diagnostics")
        .env("CARGO", bin.join("cargo"))
        .env("RUSTC", bin.join("rustc"))
        .env(linker_variable, &toolchain.linker.path);
    // What the cargo that started us told its own children, which is about another compiler.
    for variable in [
        "RUSTC_WORKSPACE_WRAPPER",
        "RUSTDOC",
        "RUSTFLAGS",
        "RUSTUP_TOOLCHAIN",
        "CLIPPY_ARGS",
    ] {
        command.env_remove(variable);
    }
    if toolchain.compiler.origin == Origin::System {
        // A stable compiler refuses `-Z build-std` and unstable features without it. For this process tree alone.
        command.env("RUSTC_BOOTSTRAP", "1");
    }
    command
}

fn flags(machine: &Machine) -> Vec<String> {
    // aya-ebpf picks register layouts by `bpf_target_arch`. The linker makes BTF from debug information, and the kernel
    // wants it for every function, those of `core` too, which a profile does not reach.
    let arch = if machine.arch.starts_with("riscv64") {
        "riscv64"
    } else {
        &machine.arch
    };
    vec![
        format!("--cfg=bpf_target_arch=\"{arch}\""),
        format!("-Ctarget-cpu={INSTRUCTION_SET}"),
        "-Cdebuginfo=2".to_owned(),
        "-Clink-arg=--btf".to_owned(),
    ]
}

/// The executable that one of cargo's JSON messages announces.
fn executable(message: &str) -> Option<PathBuf> {
    let message: serde_json::Value = serde_json::from_str(message).ok()?;
    message.get("executable")?.as_str().map(PathBuf::from)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bpf::{Compiler, Linker, Version};

    fn toolchain(origin: Origin) -> Toolchain {
        Toolchain {
            compiler: Compiler {
                origin,
                bin: PathBuf::from("/prefix/bin"),
                version: Version::minimum(),
                llvm: 22,
            },
            linker: Linker {
                path: PathBuf::from("/somewhere/bpf-linker"),
                llvm: None,
            },
        }
    }

    fn variable(command: &Command, name: &str) -> Option<String> {
        let (_, value) = command.get_envs().find(|(variable, _)| *variable == name)?;
        value.map(|value| value.to_string_lossy().into_owned())
    }

    #[test]
    fn a_stable_compiler_is_told_to_accept_unstable_features_and_a_nightly_is_not() {
        let system = command(&toolchain(Origin::System), Task::Build, &Machine::host());
        assert_eq!(variable(&system, "RUSTC_BOOTSTRAP").as_deref(), Some("1"));
        let nightly = command(
            &toolchain(Origin::Nightly("nightly".into())),
            Task::Build,
            &Machine::host(),
        );
        assert_eq!(variable(&nightly, "RUSTC_BOOTSTRAP"), None);
    }

    #[test]
    fn names_the_linker_for_the_byte_order() {
        let big = Machine {
            arch: "s390x".into(),
            little_endian: false,
        };
        let command = command(&toolchain(Origin::System), Task::Build, &big);
        assert_eq!(
            variable(&command, "CARGO_TARGET_BPFEB_UNKNOWN_NONE_LINKER").as_deref(),
            Some("/somewhere/bpf-linker")
        );
    }

    #[test]
    fn reads_executables_from_messages() {
        let message = r#"{"reason":"compiler-artifact","executable":"/t/levee","target":{"name":"levee"}}"#;
        assert_eq!(executable(message), Some(PathBuf::from("/t/levee")));
        assert_eq!(executable(r#"{"reason":"compiler-artifact","executable":null}"#), None);
        assert_eq!(executable("not json"), None);
    }

    #[test]
    fn builds_under_the_directory_that_cargo_tagged() {
        let target = tempfile::tempdir().expect("temporary directory");
        std::fs::write(target.path().join("CACHEDIR.TAG"), "").expect("tag");
        let inside = target.path().join("debug/build/agent-1/out");
        assert_eq!(build_directory(&inside), target.path().join("bpf"));
    }
}
