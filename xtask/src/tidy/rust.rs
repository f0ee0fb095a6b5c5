//! Rules for Rust sources. Line by line: rustc and clippy know the grammar better, so this knows only what they do not.

use super::Problem;

/// How far above an `unsafe` its reason may begin.
const REASON_LINES: usize = 12;

pub(super) fn check(text: &str) -> Vec<Problem> {
    let lines: Vec<&str> = text.lines().collect();
    let mut problems = Vec::new();
    if !lines.first().is_some_and(|line| line.starts_with("//! ")) {
        problems.push(Problem::at(
            0,
            "the first line does not say what this file is for (`//! ..`)",
        ));
    }
    for (index, line) in lines.iter().enumerate() {
        let code = code_of(line);
        if has_unsafe(&code) && !has_safety_above(&lines, index) {
            problems.push(Problem::at(
                index,
                "`unsafe` without `// SAFETY:` (or `# Safety`) above it",
            ));
        }
        if (code.contains("#[allow(") || code.contains("#![allow(")) && !has_reason(&lines[index..]) {
            problems.push(Problem::at(
                index,
                "an exception without a reason: `#[expect(.., reason = \"..\")]`",
            ));
        }
    }
    problems
}

/// Places that say `unsafe`: blocks, functions, implementations.
pub(super) fn unsafe_places(text: &str) -> usize {
    text.lines().filter(|line| has_unsafe(&code_of(line))).count()
}

/// The line without strings and line comments. A string over several lines is taken for code, which has been enough.
fn code_of(line: &str) -> String {
    let mut code = String::with_capacity(line.len());
    let mut quoted = false;
    let mut characters = line.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '\\' if quoted => drop(characters.next()),
            '"' => quoted = !quoted,
            '/' if !quoted && characters.peek() == Some(&'/') => break,
            _ if quoted => {}
            other => code.push(other),
        }
    }
    code
}

/// Whether `unsafe` stands there as a keyword, outside an attribute such as `#[unsafe(no_mangle)]`.
fn has_unsafe(code: &str) -> bool {
    const KEYWORD: &str = "unsafe";
    code.match_indices(KEYWORD).any(|(at, _)| {
        let is_word = |c: char| c.is_alphanumeric() || c == '_';
        let after = &code[at + KEYWORD.len()..];
        !code[..at].ends_with(is_word) && !after.starts_with(is_word) && !after.starts_with('(')
    })
}

fn has_safety_above(lines: &[&str], index: usize) -> bool {
    lines[index.saturating_sub(REASON_LINES)..=index]
        .iter()
        .any(|line| line.contains("// SAFETY:") || line.contains("/// # Safety"))
}

/// Whether the attribute that begins on the first line gives a reason before it ends.
fn has_reason(lines: &[&str]) -> bool {
    let end = lines.iter().position(|line| line.contains(")]")).unwrap_or(0);
    lines[..=end].iter().any(|line| line.contains("reason ="))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: &str = "//! A file.\n";

    fn problems(body: &str) -> usize {
        check(&format!("{HEADER}{body}")).len()
    }

    #[test]
    fn a_file_says_what_it_is_for() {
        assert_eq!(check("//! Parses.\n"), []);
        assert_eq!(check("fn main() {}\n").len(), 1);
        assert_eq!(check("").len(), 1);
    }

    #[test]
    fn unsafe_gives_its_reason() {
        assert_eq!(problems("fn f() {\n    unsafe { g() }\n}\n"), 1);
        assert_eq!(
            problems("fn f() {\n    // SAFETY: g is fine.\n    unsafe { g() }\n}\n"),
            0
        );
        assert_eq!(
            problems("/// Reads.\n///\n/// # Safety\n///\n/// Valid.\npub unsafe fn f() {}\n"),
            0
        );
    }

    #[test]
    fn unsafe_elsewhere_than_in_code_is_not_meant() {
        assert_eq!(problems("// unsafe is rare\n"), 0);
        assert_eq!(problems("let a = \"unsafe { }\";\n"), 0);
        assert_eq!(problems("#[unsafe(no_mangle)]\n"), 0);
        assert_eq!(problems("#![deny(unsafe_op_in_unsafe_fn)]\n"), 0);
    }

    #[test]
    fn an_exception_gives_its_reason() {
        let (begin, end) = ("#[al", "low(dead_code");
        assert_eq!(problems(&format!("{begin}{end})]\n")), 1);
        assert_eq!(problems(&format!("{begin}{end}, reason = \"layout\")]\n")), 0);
        assert_eq!(problems(&format!("{begin}{end},\n    reason = \"layout\",\n)]\n")), 0);
    }
}
