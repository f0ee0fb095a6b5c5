//! The doctor's judgement: one thing wrong on a healthy host, and exactly the finding for it, with the command that puts it
//! right. What is gathered from a real kernel is `tests/tests/doctor.rs`'s affair.

mod healthy;
mod reference;
mod wrong_config;
mod wrong_fleet;
mod wrong_host;
mod wrong_kernel;
mod wrong_nic;

use std::collections::BTreeSet;

use agent::doctor::{Finding, Severity, checks::judge, facts::Facts};
use healthy::healthy;

/// One wrong host: what is wrong, how it came to be, the finding, and the command or advice that it comes with.
type Row = (&'static str, fn(&mut Facts), &'static str, &'static str);

/// Findings that say that something is not as it should be.
fn wrong(facts: &Facts) -> Vec<Finding> {
    let findings = judge(facts).into_iter();
    findings.filter(|finding| finding.severity > Severity::Ok).collect()
}

/// Holds each row against a healthy host: its finding and no other.
fn hold(rows: &[Row]) {
    for (name, spoil, id, way_out) in rows {
        let mut facts = healthy();
        spoil(&mut facts);
        let found = wrong(&facts);
        let ids: BTreeSet<&str> = found.iter().map(|finding| finding.check.id).collect();
        assert_eq!(ids, BTreeSet::from([*id]), "{name}: {found:#?}");
        for finding in &found {
            assert_eq!(
                finding.severity,
                if finding.unseen {
                    Severity::Note
                } else {
                    finding.check.severity
                },
                "{name}"
            );
            let mut ways = finding.commands.clone();
            ways.extend(finding.advice.clone());
            assert!(
                finding.unseen || ways.iter().any(|way| way.contains(way_out)),
                "{name}: no way out has {way_out:?}: {ways:?}"
            );
        }
    }
}

#[test]
fn a_healthy_host_has_nothing_wrong() {
    let found = wrong(&healthy());
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn what_is_fine_is_told_too() {
    let findings = judge(&healthy());
    assert!(findings.len() > 40, "{}", findings.len());
    assert!(findings.iter().all(|finding| !finding.seen.is_empty()));
}
