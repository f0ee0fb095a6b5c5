//! Links between documents: the file is there, and the heading too.

use std::{fs, path::Path};

use super::Problem;

pub(super) fn check(root: &Path, document: &Path, text: &str) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (index, target) in targets(text) {
        if target.contains("://") || target.starts_with("mailto:") {
            continue;
        }
        if let Err(message) = resolve(root, document, text, target) {
            problems.push(Problem::at(index, message));
        }
    }
    problems
}

/// Looks a relative target up; a leading `/` means the root of the repository.
fn resolve(root: &Path, document: &Path, text: &str, target: &str) -> Result<(), String> {
    let (path, heading) = target.split_once('#').unwrap_or((target, ""));
    let file = match path.strip_prefix('/') {
        Some(from_root) => root.join(from_root),
        None => root.join(document).with_file_name("").join(path),
    };
    if !path.is_empty() && !file.exists() {
        return Err(format!("link to `{target}`: there is no such file"));
    }
    if heading.is_empty() {
        return Ok(());
    }
    let there = if path.is_empty() {
        text.to_owned()
    } else {
        fs::read_to_string(&file).unwrap_or_default()
    };
    // `#L12` points at a line of a source.
    if path.ends_with(".md") || path.is_empty() {
        let found = prose(&there).any(|(_, line)| line.starts_with('#') && slug(line) == heading);
        return found
            .then_some(())
            .ok_or_else(|| format!("link to `{target}`: there is no such heading"));
    }
    Ok(())
}

/// The targets of `[text](target)` and `[label]: target`, with the index of their line.
fn targets(text: &str) -> impl Iterator<Item = (usize, &str)> {
    prose(text).flat_map(|(index, line)| {
        let inline = line.match_indices("](").filter_map(move |(at, opening)| {
            if line[..at].matches('`').count() % 2 == 1 {
                return None;
            }
            let rest = &line[at + opening.len()..];
            rest.split([')', ' ']).next()
        });
        let definition = line
            .strip_prefix('[')
            .and_then(|rest| rest.split_once("]: "))
            .map(|(_, target)| target.trim());
        inline.chain(definition).map(move |target| (index, target))
    })
}

/// Lines outside fenced code, with their index.
fn prose(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut fenced = false;
    text.lines().enumerate().filter(move |(_, line)| {
        let fence = line.trim_start().starts_with("```");
        fenced ^= fence;
        !fenced && !fence
    })
}

/// The anchor that GitHub makes of a heading: words in small letters, joined by hyphens.
fn slug(heading: &str) -> String {
    heading
        .trim_start_matches('#')
        .trim()
        .to_lowercase()
        .chars()
        .filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'))
        .map(|c| if c == ' ' { '-' } else { c })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(text: &str) -> Vec<Problem> {
        let root = tempfile::tempdir().expect("temporary directory");
        fs::create_dir(root.path().join("docs")).expect("directory");
        fs::write(root.path().join("docs/there.md"), "# There it is\n").expect("file");
        fs::write(root.path().join("LICENSE"), "").expect("file");
        check(root.path(), Path::new("docs/this.md"), text)
    }

    #[test]
    fn files_resolve_from_the_document_and_from_the_root() {
        assert_eq!(
            problems("[a](there.md), [b](../LICENSE), [c](/docs/there.md), ![d](/LICENSE)\n"),
            []
        );
        assert_eq!(
            problems("fine\n\n[a](gone.md)\n").first().map(|problem| problem.line),
            Some(3)
        );
        assert_eq!(problems("[label]: gone.md\n").len(), 1);
    }

    #[test]
    fn headings_resolve_here_and_there() {
        assert_eq!(
            problems("# My `code`, here\n[a](#my-code-here) [b](there.md#there-it-is)\n"),
            []
        );
        assert_eq!(problems("[a](#nowhere)\n").len(), 1);
        assert_eq!(problems("[a](there.md#nowhere)\n").len(), 1);
    }

    #[test]
    fn other_hosts_and_code_are_not_followed() {
        assert_eq!(problems("[a](https://example.org/x) [m](mailto:a@example.org)\n"), []);
        assert_eq!(problems("```\n[a](gone.md)\n```\n"), []);
        assert_eq!(problems("in code: `[a](gone.md)`\n"), []);
    }
}
