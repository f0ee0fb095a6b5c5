//! What a build script calls to have a BPF package's objects in its `OUT_DIR`.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::exit,
};

use anyhow::{Context, Result, bail};

use super::{Facts, Machine, Package, Task, compile, decide};

/// Compiles `package` and copies each of its binaries to `OUT_DIR` under its own name. Prints what went wrong and ends the
/// build script when it cannot.
pub fn embed(package: Package) {
    if let Err(error) = try_embed(package) {
        eprintln!("error: {error:#}");
        exit(1);
    }
}

fn try_embed(package: Package) -> Result<()> {
    let root = workspace_root();
    // Cargo watches the library of a build dependency by itself, but not the binaries of other packages.
    for path in ["Cargo.toml", "Cargo.lock", "xdp-common", package.directory] {
        println!("cargo::rerun-if-changed={}", root.join(path).display());
    }
    for variable in ["CARGO_HOME", "RUSTUP_HOME"] {
        println!("cargo::rerun-if-env-changed={variable}");
    }
    let out = PathBuf::from(env::var_os("OUT_DIR").context("OUT_DIR: cargo sets it for build scripts")?);
    let toolchain = decide(&Facts::gather())?;
    for tool in [&toolchain.linker.path, &toolchain.compiler.bin.join("rustc")] {
        println!("cargo::rerun-if-changed={}", tool.display());
    }
    let objects = compile(
        &toolchain,
        Task::Build,
        package,
        &Machine::of_build_script()?,
        &root,
        &out,
    )?;
    if objects.is_empty() {
        bail!("package {} has no binary to embed", package.name);
    }
    for object in objects {
        let name = object
            .file_name()
            .with_context(|| format!("{} names no file", object.display()))?;
        let copy = out.join(name);
        fs::copy(&object, &copy).with_context(|| format!("copying {} to {}", object.display(), copy.display()))?;
    }
    Ok(())
}

/// The root of the workspace: the directory above this package.
pub fn workspace_root() -> PathBuf {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    package.parent().unwrap_or(package).to_path_buf()
}
