//! Rules for every text file.

use super::Problem;

/// Beginnings of paths that exist on one machine only. Put together here so that this file keeps its own rule.
const MACHINE_PATHS: &[&str] = &[concat!("/", "work/"), concat!("/", "root/"), concat!("/", "home/")];

/// Marks of unfinished work.
const UNFINISHED: &[&str] = &[
    concat!("to", "do!("),
    concat!("unimple", "mented!("),
    concat!("FIX", "ME"),
    concat!("TO", "DO"),
];

pub(super) fn check(text: &str) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (index, line) in text.lines().enumerate() {
        for path in MACHINE_PATHS.iter().filter(|path| contains_path(line, path)) {
            problems.push(Problem::at(
                index,
                format!("`{path}` is a path of one machine: make it relative or configurable"),
            ));
        }
        for mark in UNFINISHED.iter().filter(|mark| line.contains(**mark)) {
            problems.push(Problem::at(
                index,
                format!("`{mark}`: finish it, or open an issue and say here what holds today"),
            ));
        }
        if line.starts_with("<<<<<<< ") || line.starts_with(">>>>>>> ") {
            problems.push(Problem::at(index, "an unresolved merge"));
        }
    }
    if !text.is_empty() && !text.ends_with('\n') {
        problems.push(Problem::at(
            text.lines().count().saturating_sub(1),
            "the last line does not end",
        ));
    }
    problems
}

/// Whether `path` begins a path in `line`, rather than being the middle of a longer one.
fn contains_path(line: &str, path: &str) -> bool {
    line.match_indices(path).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        !before.is_some_and(|c| c.is_alphanumeric() || matches!(c, '_' | '.' | '-' | '}' | ')' | '$'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_paths_of_one_machine_but_not_the_middle_of_others() {
        let home = concat!("let p = \"/", "home/someone/x\";\n");
        assert_eq!(check(home).len(), 1);
        assert_eq!(check(concat!("see docs/", "work/plan.md\n")), []);
        assert_eq!(check(concat!("https://example.org/", "home/\n")), []);
    }

    #[test]
    fn finds_unfinished_work() {
        assert_eq!(check(concat!("    to", "do!()\n")).len(), 1);
        assert_eq!(check(concat!("// FIX", "ME later\n")).len(), 1);
        assert_eq!(check("a method\n"), []);
    }

    #[test]
    fn finds_a_last_line_without_end() {
        assert_eq!(check("a\nb"), [Problem::at(1, "the last line does not end")]);
        assert_eq!(check(""), []);
    }
}
