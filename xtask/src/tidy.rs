//! `cargo xtask tidy`: the rules of this repository that no other tool knows, as code.

mod links;
mod rust;
mod text;
mod threats;

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};
use xtask::bpf;

/// Check the rules of this repository that no other tool knows.
///
/// Every source file says what it is for; every `unsafe` says why it is sound; no exception from a lint without a
/// reason; no unfinished code; links between documents resolve; the tests that the threat model names are there; no paths of one particular machine.
#[derive(Debug, Default, clap::Args)]
pub(crate) struct Args {
    /// Print how many places of each package say `unsafe`, each of which says why, and check nothing
    #[arg(long)]
    count_unsafe: bool,
}

/// A broken rule.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Problem {
    /// Counted from 1.
    line: usize,
    /// What is wrong and what to do.
    message: String,
}

impl Problem {
    /// On the line with this index, counted from 0.
    fn at(index: usize, message: impl Into<String>) -> Self {
        Self {
            line: index + 1,
            message: message.into(),
        }
    }
}

pub(crate) fn main(args: &Args) -> Result<()> {
    let root = bpf::workspace_root();
    if args.count_unsafe {
        return count_unsafe(&root);
    }
    let mut problems = 0;
    for file in files(&root)? {
        let relative = file.strip_prefix(&root).unwrap_or(&file);
        // Not text: nothing to say about it.
        let Ok(text) = fs::read_to_string(&file) else {
            continue;
        };
        for Problem { line, message } in check(&root, relative, &text) {
            eprintln!("{}:{line}: {message}", relative.display());
            problems += 1;
        }
    }
    if problems > 0 {
        bail!("{problems} rules of this repository broken");
    }
    Ok(())
}

/// Prints a table for docs/reliability.md.
fn count_unsafe(root: &Path) -> Result<()> {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for file in files(root)? {
        let relative = file.strip_prefix(root).unwrap_or(&file);
        let is_rust = relative.extension().is_some_and(|extension| extension == "rs");
        let Some(package) = relative.iter().next().filter(|_| is_rust) else {
            continue;
        };
        let text = fs::read_to_string(&file).with_context(|| format!("reading {}", file.display()))?;
        *counts.entry(package.to_string_lossy().into_owned()).or_default() += rust::unsafe_places(&text);
    }
    println!("| directory | places that say `unsafe` |\n| --- | --- |");
    for (package, count) in counts {
        println!("| `{package}` | {count} |");
    }
    Ok(())
}

/// All problems of one file, in the order of its lines.
fn check(root: &Path, relative: &Path, text: &str) -> Vec<Problem> {
    let mut problems = text::check(text);
    match relative.extension().and_then(|extension| extension.to_str()) {
        Some("rs") => problems.extend(rust::check(text)),
        Some("md") => problems.extend(links::check(root, relative, text)),
        _ => {}
    }
    if relative == Path::new(threats::DOCUMENT) {
        problems.extend(threats::check(root, text));
    }
    problems.sort_by_key(|problem| problem.line);
    problems
}

/// Every file of the repository, sorted: not what cargo makes, not git's own.
fn files(root: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut directories = vec![root.to_path_buf()];
    while let Some(directory) = directories.pop() {
        let entries = fs::read_dir(&directory).with_context(|| format!("reading {}", directory.display()))?;
        for entry in entries {
            let entry = entry.with_context(|| format!("reading {}", directory.display()))?;
            let kind = entry
                .file_type()
                .with_context(|| format!("reading {}", entry.path().display()))?;
            let name = entry.file_name();
            if kind.is_dir() && name != ".git" && !entry.path().join("CACHEDIR.TAG").is_file() {
                directories.push(entry.path());
            } else if kind.is_file() && name != "Cargo.lock" {
                found.push(entry.path());
            }
        }
    }
    found.sort();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn looks_at_sources_and_documents_but_not_at_what_cargo_made() {
        let root = tempfile::tempdir().expect("temporary directory");
        for directory in [".git", "target/debug", "agent/src"] {
            fs::create_dir_all(root.path().join(directory)).expect("directory");
        }
        for file in [
            ".git/HEAD",
            "target/CACHEDIR.TAG",
            "target/debug/x.rs",
            "agent/src/lib.rs",
            "README.md",
        ] {
            fs::write(root.path().join(file), "").expect("file");
        }
        let found = files(root.path()).expect("readable");
        assert_eq!(
            found,
            [root.path().join("README.md"), root.path().join("agent/src/lib.rs")]
        );
    }

    #[test]
    fn orders_problems_by_line() {
        let text = "fn f() {\n    unsafe { g() }\n}\n";
        let lines: Vec<_> = check(Path::new("/"), Path::new("a.rs"), text)
            .into_iter()
            .map(|problem| problem.line)
            .collect();
        assert_eq!(lines, [1, 2]);
    }
}
