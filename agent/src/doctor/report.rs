//! What was found, as data for machines and as text for people.

use std::fmt::Write as _;

use serde::Serialize;

use super::{
    checks::SECTIONS,
    facts::{Facts, InterfacesFrom},
    finding::{Finding, Severity},
};

/// Everything that was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// The kernel's release.
    pub kernel: String,
    /// Interfaces that were looked at.
    pub interfaces: Vec<String>,
    /// Nobody named them: they are those of the default routes.
    pub interfaces_guessed: bool,
    /// The configuration is of no use: it cannot be read, or is wrong.
    pub config_unusable: bool,
    /// How much of each there is.
    pub counts: Counts,
    /// By section, in each the worst first.
    pub findings: Vec<FindingView>,
}

/// How many findings of each sort there are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Problems.
    pub problem: usize,
    /// Warnings.
    pub warning: usize,
    /// Notes.
    pub note: usize,
    /// As it should be.
    pub ok: usize,
    /// Could not be looked at.
    pub unseen: usize,
}

/// One finding, with what there is to say of its check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FindingView {
    /// Stable name.
    pub id: &'static str,
    /// How bad it is here.
    pub severity: Severity,
    /// The interface that it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interface: Option<String>,
    /// What was seen.
    pub seen: String,
    /// Why it matters.
    pub why: &'static str,
    /// Commands that put it right, to be copied as they are.
    pub commands: Vec<String>,
    /// What to do where no command does, or before one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub advice: Option<String>,
    /// It could not be looked at; `seen` says why.
    pub unseen: bool,
}

impl From<Finding> for FindingView {
    fn from(finding: Finding) -> Self {
        Self {
            id: finding.check.id,
            severity: finding.severity,
            interface: finding.interface,
            seen: finding.seen,
            why: finding.check.why,
            commands: finding.commands,
            advice: finding.advice,
            unseen: finding.unseen,
        }
    }
}

impl Report {
    /// Of what was gathered and judged.
    #[must_use]
    pub fn of(facts: &Facts, findings: Vec<Finding>) -> Self {
        let mut counts = Counts::default();
        for finding in &findings {
            *match (finding.unseen, finding.severity) {
                (true, _) => &mut counts.unseen,
                (_, Severity::Problem) => &mut counts.problem,
                (_, Severity::Warning) => &mut counts.warning,
                (_, Severity::Note) => &mut counts.note,
                (_, Severity::Ok) => &mut counts.ok,
            } += 1;
        }
        Self {
            kernel: facts.kernel.release.clone(),
            interfaces: facts.nics.iter().map(|nic| nic.name.clone()).collect(),
            interfaces_guessed: facts.config.interfaces_from == InterfacesFrom::DefaultRoute,
            config_unusable: facts.config.resolved.is_err(),
            counts,
            findings: findings.into_iter().map(FindingView::from).collect(),
        }
    }

    /// As text, lines of at most `width` columns but for commands, which must stay whole. Sections with problems come first.
    #[must_use]
    pub fn text(&self, verbose: bool, width: usize) -> String {
        let mut out = String::new();
        let mut sections: Vec<(&str, Vec<&FindingView>)> = SECTIONS
            .iter()
            .map(|(section, heading)| (*heading, self.shown(section, verbose)))
            .filter(|(_, findings)| !findings.is_empty())
            .collect();
        sections.sort_by_key(|(_, findings)| findings.first().map(|finding| std::cmp::Reverse(finding.severity)));
        for (heading, findings) in sections {
            writeln!(out, "{heading}").expect("a string takes everything");
            for finding in findings {
                write_finding(finding, width, &mut out);
            }
            out.push('\n');
        }
        self.write_unseen(verbose, width, &mut out);
        self.write_summary(width, &mut out);
        out
    }

    /// What is shown of a section.
    fn shown(&self, section: &str, verbose: bool) -> Vec<&FindingView> {
        let of_section = |finding: &&FindingView| finding.id.split('.').next() == Some(section);
        let shown = |finding: &&FindingView| !finding.unseen && (verbose || finding.severity > Severity::Ok);
        self.findings.iter().filter(of_section).filter(shown).collect()
    }

    /// What could not be looked at: by its reason, in few lines, for most of it has the same.
    fn write_unseen(&self, verbose: bool, width: usize, out: &mut String) {
        let mut reasons: Vec<(&str, Vec<&str>)> = Vec::new();
        for finding in self.findings.iter().filter(|finding| finding.unseen) {
            match reasons.iter_mut().find(|(reason, _)| *reason == finding.seen) {
                Some((_, ids)) => ids.push(finding.id),
                None => reasons.push((&finding.seen, vec![finding.id])),
            }
        }
        if reasons.is_empty() {
            return;
        }
        writeln!(out, "Not looked at").expect("a string takes everything");
        for (reason, mut ids) in reasons {
            ids.dedup();
            let reason = reason.strip_prefix("not looked at: ").unwrap_or(reason);
            let ids = if ids.len() > 4 && !verbose {
                format!("{} and {} more", ids[..3].join(", "), ids.len() - 3)
            } else {
                ids.join(", ")
            };
            wrap(&format!("{ids}: {reason}"), "  ", "    ", width, out);
        }
        out.push('\n');
    }

    fn write_summary(&self, width: usize, out: &mut String) {
        let Counts {
            problem,
            warning,
            note,
            ok,
            unseen,
        } = self.counts;
        let count = |number: usize, word: &str| match number {
            1 => format!("1 {word}"),
            _ => format!("{number} {word}s"),
        };
        let mut counts = vec![
            count(problem, "problem"),
            count(warning, "warning"),
            count(note, "note"),
            format!("{ok} fine"),
        ];
        if unseen > 0 {
            counts.push(format!("{unseen} not looked at"));
        }
        let interfaces = match &self.interfaces[..] {
            [] => "no interface".to_owned(),
            names => names.join(", "),
        };
        let guessed = if self.interfaces_guessed {
            " (the default route's: --interface names others)"
        } else {
            ""
        };
        wrap(
            &format!(
                "{}. Looked at {interfaces}{guessed}, Linux {}.",
                counts.join(", "),
                self.kernel
            ),
            "",
            "",
            width,
            out,
        );
        if self
            .findings
            .iter()
            .any(|finding| finding.commands.iter().any(|command| command.starts_with("sysctl ")))
        {
            wrap(
                "Commands change this host until it is booted: keep sysctls in /etc/sysctl.d/60-levee.conf, and what ethtool sets where \
                 the interface is configured.",
                "",
                "",
                width,
                out,
            );
        }
    }
}

fn write_finding(finding: &FindingView, width: usize, out: &mut String) {
    let about = finding
        .interface
        .as_ref()
        .map(|name| format!("{name}: "))
        .unwrap_or_default();
    let mut lines = finding.seen.lines();
    let seen = lines.next().unwrap_or_default();
    let first = format!("{:<8} {about}{seen} [{}]", finding.severity, finding.id);
    wrap(&first, "  ", "           ", width, out);
    for line in lines {
        // An excerpt of a file keeps its columns.
        writeln!(out, "           {line}").expect("a string takes everything");
    }
    if finding.severity == Severity::Ok {
        return;
    }
    wrap(finding.why, "           ", "           ", width, out);
    if let Some(advice) = &finding.advice {
        wrap(advice, "        -> ", "           ", width, out);
    }
    for command in &finding.commands {
        writeln!(out, "         # {command}").expect("a string takes everything");
    }
}

/// Words in lines of at most so many columns.
fn wrap(text: &str, first: &str, rest: &str, width: usize, out: &mut String) {
    let mut line = first.to_owned();
    let mut is_empty = true;
    // The distance after an id is kept.
    for word in text.split(' ') {
        if !is_empty && line.chars().count() + 1 + word.chars().count() > width {
            out.push_str(line.trim_end());
            out.push('\n');
            rest.clone_into(&mut line);
            is_empty = true;
        }
        if !is_empty {
            line.push(' ');
        }
        line.push_str(word);
        is_empty = false;
    }
    out.push_str(line.trim_end());
    out.push('\n');
}
