//! The table in `docs/doctor.md`, made of the checks.

use std::fmt::Write as _;

use super::checks::{SECTIONS, all};

/// Every check, a table for each section.
#[must_use]
pub fn table() -> String {
    let mut out = String::new();
    for (section, heading) in SECTIONS {
        write!(
            out,
            "\n## {heading}\n\n| finding | severity | what is found | why it matters | the way out |\n| --- | --- | --- | --- | --- |\n"
        )
        .expect("a string takes everything");
        for check in all().into_iter().filter(|check| check.section() == section) {
            writeln!(
                out,
                "| `{}` | {} | {} | {} | {} |",
                check.id, check.severity, check.about, check.why, check.fix
            )
            .expect("a string takes everything");
        }
    }
    out.push('\n');
    out
}
