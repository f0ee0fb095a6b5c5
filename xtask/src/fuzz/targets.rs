//! What targets there are: read from their table in tests/src/fuzz.rs, so that none is named twice.

use std::{fs, path::PathBuf};

use anyhow::{Context as _, Result, bail, ensure};
use xtask::bpf;

/// A target.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Target {
    pub(super) name: String,
    pub(super) about: String,
    /// The longest input, bytes.
    pub(super) most: usize,
    /// Only root can run it.
    pub(super) root: bool,
}

/// The fuzzer's workspace.
pub(super) fn directory() -> PathBuf {
    bpf::workspace_root().join("tests/fuzz")
}

/// All of them, in order.
pub(super) fn known() -> Result<Vec<Target>> {
    let path = bpf::workspace_root().join("tests/src/fuzz.rs");
    let text = fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
    let known = read(&text);
    ensure!(!known.is_empty(), "{} has no table of targets", path.display());
    Ok(known)
}

fn read(table: &str) -> Vec<Target> {
    let mut known: Vec<Target> = Vec::new();
    for line in table.lines().map(str::trim) {
        if let Some(name) = value(line, "name: \"") {
            known.push(Target {
                name,
                ..Target::default()
            });
        }
        let Some(last) = known.last_mut() else { continue };
        if let Some(about) = value(line, "about: \"") {
            last.about = about;
        }
        if let Some(most) = line.strip_prefix("most: ").and_then(|rest| rest.strip_suffix(',')) {
            last.most = most.replace('_', "").parse().unwrap_or_default();
        }
        last.root |= line == "root: true,";
    }
    known
}

fn value(line: &str, before: &str) -> Option<String> {
    Some(line.strip_prefix(before)?.strip_suffix("\",")?.to_owned())
}

/// Says what there is.
pub(super) fn tell(known: &[Target]) {
    for target in known {
        let kept = directory().join(format!("corpus/{}.txt", target.name));
        let kept = fs::read_to_string(kept).unwrap_or_default();
        let kept = kept.lines().filter(|line| !line.starts_with('#')).count();
        let root = if target.root { " (root)" } else { "" };
        println!("{:8} {}{root}; {kept} inputs kept", target.name, target.about);
    }
}

/// A name that there is.
pub(super) fn named(name: &str) -> Result<String, String> {
    let known = known().map_err(|error| format!("{error:#}"))?;
    if known.iter().any(|target| target.name == name) {
        return Ok(name.to_owned());
    }
    let names: Vec<&str> = known.iter().map(|target| target.name.as_str()).collect();
    Err(format!("there are {}", names.join(", ")))
}

/// The names that were asked for; all that can be run, when none was.
pub(super) fn chosen(known: &[Target], asked: &[String], is_root: bool) -> Result<Vec<String>> {
    for name in asked {
        let of_root = known.iter().any(|target| target.name == *name && target.root);
        if of_root && !is_root {
            bail!("{name} loads programs into the kernel: run it as root");
        }
    }
    if !asked.is_empty() {
        return Ok(asked.to_vec());
    }
    let (can, cannot): (Vec<_>, Vec<_>) = known.iter().partition(|target| is_root || !target.root);
    for target in cannot {
        eprintln!(
            "{} is left out: it loads programs into the kernel, which only root can",
            target.name
        );
    }
    Ok(can.into_iter().map(|target| target.name.clone()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "    Target {\n        name: \"a\",\n        about: \"one: it holds\",\n        most: 1_024,\n        root: false,\n    },\n    Target {\n        \
                         name: \"b\",\n        about: \"two\",\n        root: true,\n";

    #[test]
    fn the_table_is_read() {
        let known = read(TABLE);
        assert_eq!(known.len(), 2);
        assert_eq!(
            (known[0].about.as_str(), known[0].most, known[0].root),
            ("one: it holds", 1_024, false)
        );
        assert_eq!((known[1].name.as_str(), known[1].root), ("b", true));
    }

    #[test]
    fn the_tree_has_targets() {
        let known = known().expect("the table");
        assert!(
            known.iter().all(|target| !target.about.is_empty() && target.most > 0),
            "{known:?}"
        );
        assert!(known.iter().any(|target| target.root), "one loads programs");
    }

    #[test]
    fn only_root_fuzzes_the_kernel() {
        let known = read(TABLE);
        assert_eq!(chosen(&known, &[], false).expect("one"), ["a"]);
        assert_eq!(chosen(&known, &[], true).expect("both"), ["a", "b"]);
        assert!(
            chosen(&known, &["b".to_owned()], false)
                .expect_err("root")
                .to_string()
                .contains("as root")
        );
    }

    #[test]
    fn who_names_no_target_hears_which_there_are() {
        assert_eq!(named("parse"), Ok("parse".to_owned()));
        let error = named("c").expect_err("none");
        assert!(error.contains("parse, options"), "{error}");
    }
}
