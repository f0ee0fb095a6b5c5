//! The threat model names the test that answers each attack: it is there, by that name; and no attack goes without an answer.

use std::{fs, path::Path};

use super::Problem;

/// The document that this is about.
pub(super) const DOCUMENT: &str = "docs/threat-model.md";
/// Under this heading each heading is an attack.
const ATTACKS: &str = "## The attacker's options";
/// How an item begins that names tests.
const TEST: &str = "- Test:";

pub(super) fn check(root: &Path, text: &str) -> Vec<Problem> {
    let mut problems = unanswered(text);
    for (index, item) in items(text) {
        let mut file = None;
        for name in code(&item) {
            if let Err(message) = look_up(root, name, &mut file) {
                problems.push(Problem::at(index, message));
            }
        }
        if file.is_none() {
            problems.push(Problem::at(index, "this names no file: write `path: test`"));
        }
    }
    problems
}

/// Attacks without an item that names tests.
fn unanswered(text: &str) -> Vec<Problem> {
    let attacks = text
        .lines()
        .enumerate()
        .skip_while(|(_, line)| *line != ATTACKS)
        .skip(1);
    let mut attack: Option<usize> = None;
    let mut problems = Vec::new();
    let missing = |index: usize| {
        Problem::at(
            index,
            format!("this attack has no `{TEST}`: name the test that answers it"),
        )
    };
    for (index, line) in attacks.take_while(|(_, line)| !line.starts_with("## ")) {
        if line.starts_with("### ") {
            problems.extend(attack.replace(index).map(missing));
        } else if line.starts_with(TEST) {
            attack = None;
        }
    }
    problems.extend(attack.map(missing));
    problems
}

/// Items that name tests, each as one line, with the index of its first.
fn items(text: &str) -> Vec<(usize, String)> {
    let mut items: Vec<(usize, String)> = Vec::new();
    let mut open = false;
    for (index, line) in text.lines().enumerate() {
        if line.starts_with(TEST) {
            items.push((index, line.to_owned()));
            open = true;
        } else if open && line.starts_with("  ") {
            if let Some((_, item)) = items.last_mut() {
                item.push(' ');
                item.push_str(line.trim());
            }
        } else {
            open = false;
        }
    }
    items
}

/// What stands between backquotes.
fn code(item: &str) -> impl Iterator<Item = &str> {
    item.split('`').skip(1).step_by(2)
}

/// `path: test`, `path`, or `test` of the file that was named last.
fn look_up(root: &Path, name: &str, file: &mut Option<String>) -> Result<(), String> {
    let (path, test) = match name.split_once(": ") {
        Some((path, test)) => (Some(path), Some(test)),
        None if name.contains('/') => (Some(name), None),
        None => (None, Some(name)),
    };
    if let Some(path) = path {
        if !root.join(path).exists() {
            return Err(format!("`{path}`: there is no such file"));
        }
        *file = Some(path.to_owned());
    }
    let Some(test) = test else { return Ok(()) };
    let Some(path) = file else {
        return Err(format!("`{test}`: of which file?"));
    };
    let source = fs::read_to_string(root.join(&path)).map_err(|error| format!("`{path}`: {error}"))?;
    if source.contains(&format!("fn {}(", test.trim())) {
        Ok(())
    } else {
        Err(format!("`{path}` has no test `{test}`"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(text: &str) -> Vec<(usize, String)> {
        let root = tempfile::tempdir().expect("directory");
        fs::write(root.path().join("a.rs"), "#[test]\nfn one() {}\nasync fn two() {}\n").expect("written");
        fs::create_dir(root.path().join("dir")).expect("directory");
        let found = check(root.path(), text);
        found
            .into_iter()
            .map(|problem| (problem.line, problem.message))
            .collect()
    }

    #[test]
    fn tests_that_are_there_are_found_over_line_ends() {
        let text = "## The attacker's options\n### Steal\n- Answer: no\n- Test: `a.rs: one`, `two`;\n  `dir/`, `a.rs:\n  two`\n- Remains: `x`\n";
        assert_eq!(problems(text), []);
    }

    #[test]
    fn tests_that_are_not_there_are_told() {
        let text = "- Test: `a.rs: three`, `b/b.rs: one`\n- Test: `one`\n";
        let found = problems(text);
        assert_eq!(found.len(), 4, "{found:?}");
        assert!(found[0] == (1, "`a.rs` has no test `three`".to_owned()), "{found:?}");
        assert!(found[1].1.contains("`b/b.rs`: there is no such file"), "{found:?}");
        assert!(
            found[2].1.contains("of which file") && found[3].1.contains("names no file"),
            "{found:?}"
        );
    }

    #[test]
    fn an_attack_without_a_test_is_told() {
        let text =
            "## The attacker's options\n### One\n### Two\n- Test: `a.rs: one`\n### Three\n## Not looked at\n### Four\n";
        let lines: Vec<usize> = problems(text).into_iter().map(|(line, _)| line).collect();
        assert_eq!(lines, [2, 5]);
    }
}
