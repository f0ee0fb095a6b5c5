//! Gathers the facts that [`decide`](super::decide) judges: reads directories, asks each candidate compiler its version.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use super::{Compiler, Facts, Linker, Origin};

/// Where a toolchain keeps the sources of its `core`, relative to its prefix.
const CORE: &str = "lib/rustlib/src/rust/library/core";

impl Facts {
    /// Looks at rustup's nightlies, at `/usr` and for bpf-linker. Starts one process per compiler that has sources.
    pub fn gather() -> Self {
        let mut compilers = nightlies();
        compilers.extend(compiler(Path::new("/usr"), Origin::System));
        Self {
            compilers,
            linker: linker(),
        }
    }
}

/// Rustup's nightlies that have the `rust-src` component.
fn nightlies() -> Vec<Compiler> {
    let Some(home) = home_directory("RUSTUP_HOME", ".rustup") else {
        return Vec::new();
    };
    let Ok(toolchains) = fs::read_dir(home.join("toolchains")) else {
        return Vec::new();
    };
    toolchains
        .flatten()
        .filter_map(|toolchain| {
            let name = toolchain.file_name().into_string().ok()?;
            name.starts_with("nightly")
                .then(|| compiler(&toolchain.path(), Origin::Nightly(name)))?
        })
        .collect()
}

/// The compiler under `prefix`, if it is complete: `rustc`, `cargo` and the sources of `core`.
fn compiler(prefix: &Path, origin: Origin) -> Option<Compiler> {
    let bin = prefix.join("bin");
    if !prefix.join(CORE).is_dir() || !bin.join("cargo").is_file() {
        return None;
    }
    let output = Command::new(bin.join("rustc")).arg("-vV").output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let field = |name: &str| text.lines().find_map(|line| line.strip_prefix(name));
    Some(Compiler {
        origin,
        bin,
        version: field("release: ")?.parse().ok()?,
        llvm: field("LLVM version: ")?.split('.').next()?.parse().ok()?,
    })
}

/// The first bpf-linker on PATH, else the one in cargo's own directory; none if it does not start, as after its LLVM
/// library was removed.
fn linker() -> Option<Linker> {
    let path = find_program("bpf-linker")?;
    let answer = Command::new(&path).arg("--version").output().ok()?;
    if !answer.status.success() {
        return None;
    }
    let llvm = fs::read(&path).ok().and_then(|program| linked_llvm(&program));
    Some(Linker { path, llvm })
}

/// The absolute path of `program`: on PATH, in the directories for administrators, or where `cargo install` puts it.
pub fn find_program(program: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let cargo_bin = home_directory("CARGO_HOME", ".cargo").map(|home| home.join("bin"));
    env::split_paths(&path)
        .chain(["/usr/local/sbin", "/usr/sbin", "/sbin"].map(PathBuf::from))
        .chain(cargo_bin)
        .map(|directory| directory.join(program))
        .find(|candidate| candidate.is_absolute() && candidate.is_file())
}

/// The directory that `variable` names, else `fallback` in the user's home.
fn home_directory(variable: &str, fallback: &str) -> Option<PathBuf> {
    let named = env::var_os(variable).filter(|value| !value.is_empty());
    named
        .map(PathBuf::from)
        .or_else(|| Some(env::home_dir()?.join(fallback)))
}

/// The major version in the name of the LLVM library that a program asks the dynamic loader for, as in
/// `libLLVM.so.22.1` and `libLLVM-19.so`. bpf-linker does not print it; a statically linked one names none.
fn linked_llvm(program: &[u8]) -> Option<u32> {
    const PREFIX: &[u8] = b"libLLVM";
    let start = program.windows(PREFIX.len()).position(|window| window == PREFIX)? + PREFIX.len();
    let name = program[start..].split(|&byte| byte == 0).next()?;
    let digits: String = name
        .iter()
        .map(|&byte| char::from(byte))
        .skip_while(|c| !c.is_ascii_digit())
        .take_while(char::is_ascii_digit)
        .collect();
    digits.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_llvm_that_a_program_links() {
        assert_eq!(linked_llvm(b"\x7fELF..libc.so.6\0libLLVM.so.22.1\0libgcc"), Some(22));
        assert_eq!(linked_llvm(b"libLLVM-19.so\0"), Some(19));
        assert_eq!(linked_llvm(b"libLLVM.so\0 12"), None);
        assert_eq!(linked_llvm(b"a static program"), None);
    }

    #[test]
    fn a_prefix_without_sources_is_no_bpf_compiler() {
        let empty = tempfile::tempdir().expect("temporary directory");
        assert_eq!(compiler(empty.path(), Origin::System), None);
    }

    #[test]
    fn finds_programs_that_every_machine_has() {
        assert!(find_program("sh").is_some());
        assert_eq!(find_program("no-such-program-anywhere"), None);
    }
}
