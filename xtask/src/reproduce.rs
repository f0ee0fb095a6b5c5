//! `cargo xtask reproduce`: the BPF objects are the same bytes wherever they are compiled.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context, Result, bail};
use xtask::bpf::{self, Machine, Task};

use crate::{
    run::{announce, binaries},
    setup,
};

/// Compile the BPF objects a second time, from a copy of the sources in another directory, and compare every byte.
///
/// Prints the SHA-256 of each object, which `agent --version` shows too (`levee`). Takes one more build of the BPF programs, half a minute.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {}

pub(crate) fn main(_: &Args) -> Result<()> {
    let toolchain = setup::ensure()?;
    let root = bpf::workspace_root();
    let target = binaries("")?;
    announce(&format!("BPF programs here ({toolchain})"));
    let here = bpf::compile(&toolchain, Task::Build, bpf::LEVEE, &Machine::host(), &root, &target)?;
    // A longer path, deeper in the tree: whatever of it got into an object would change it.
    let elsewhere = target.join("reproduce/a/longer/way/to/the/same/sources");
    copy_sources(&root, &elsewhere)?;
    let built = target.join("reproduce/target");
    fs::create_dir_all(&built).with_context(|| format!("cannot make {}", built.display()))?;
    fs::write(
        built.join("CACHEDIR.TAG"),
        "Signature: 8a477f597d28d172789f06886806bc55\n",
    )?;
    announce("the same from a copy in another directory");
    let there = bpf::compile(
        &toolchain,
        Task::Build,
        bpf::LEVEE,
        &Machine::host(),
        &elsewhere,
        &built,
    )?;
    let compared = compare(&here, &there);
    fs::remove_dir_all(target.join("reproduce")).context("cannot remove the copy")?;
    for (name, sum) in compared? {
        println!("{sum}  {name}");
    }
    announce("the same bytes twice");
    Ok(())
}

/// Copies every file that git knows or would take, as it is now.
///
/// # Errors
///
/// When git does not tell, or a file cannot be copied.
pub(crate) fn copy_sources(root: &Path, to: &Path) -> Result<()> {
    if to.exists() {
        fs::remove_dir_all(to).with_context(|| format!("cannot remove {}", to.display()))?;
    }
    let output = Command::new("git")
        .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
        .current_dir(root)
        .stderr(Stdio::inherit())
        .output()
        .context("cannot start git")?;
    if !output.status.success() {
        bail!("`git ls-files` failed ({})", output.status);
    }
    let names = String::from_utf8(output.stdout).context("a file's name is no text")?;
    for name in names.split_terminator('\0') {
        let (from, to) = (root.join(name), to.join(name));
        // Removed, and not committed yet.
        if !from.is_file() {
            continue;
        }
        if let Some(directory) = to.parent() {
            fs::create_dir_all(directory).with_context(|| format!("cannot make {}", directory.display()))?;
        }
        fs::copy(&from, &to).with_context(|| format!("cannot copy {}", from.display()))?;
    }
    Ok(())
}

/// The sum of each object; an error where two of one name differ.
fn compare(here: &[PathBuf], there: &[PathBuf]) -> Result<Vec<(String, String)>> {
    let summed = |objects: &[PathBuf]| -> Result<Vec<(String, String)>> {
        let mut sums = objects.iter().map(|object| sum(object)).collect::<Result<Vec<_>>>()?;
        sums.sort();
        Ok(sums)
    };
    let (here, there) = (summed(here)?, summed(there)?);
    if here.is_empty() || here != there {
        bail!("the objects differ: {here:?} here, {there:?} from the copy. `llvm-objdump -s` of both shows where");
    }
    Ok(here)
}

/// Name and SHA-256.
fn sum(object: &Path) -> Result<(String, String)> {
    let output = Command::new("sha256sum")
        .arg(object)
        .output()
        .context("cannot start sha256sum")?;
    let text = String::from_utf8_lossy(&output.stdout);
    let sum = text.split_whitespace().next().filter(|_| output.status.success());
    let sum = sum.with_context(|| format!("cannot read {}", object.display()))?;
    let name = object.file_name().unwrap_or_default().to_string_lossy().into_owned();
    Ok((name, sum.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_are_compared_by_their_bytes() {
        let directory = tempfile::tempdir().expect("directory");
        let object = |place: &str, bytes: &str| {
            let file = directory.path().join(place).join("levee");
            fs::create_dir_all(file.parent().expect("parent")).expect("made");
            fs::write(&file, bytes).expect("written");
            file
        };
        let (one, same, other) = (object("1", "bytes"), object("2", "bytes"), object("3", "others"));
        let sums = compare(std::slice::from_ref(&one), std::slice::from_ref(&same)).expect("the same");
        assert_eq!(sums[0].0, "levee");
        assert_eq!(sums[0].1.len(), 64);
        let error = compare(std::slice::from_ref(&one), std::slice::from_ref(&other)).expect_err("different");
        assert!(error.to_string().contains("differ"), "{error}");
        assert!(compare(&[one], &[]).is_err() && compare(&[], &[]).is_err());
    }
}
