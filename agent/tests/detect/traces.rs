//! Every trace is found, or left alone, as it should be.

use std::collections::BTreeSet;

use crate::{run::runs, scenarios::Wanted};

#[test]
fn every_trace_is_told_as_it_should_be() {
    let mut wrong = Vec::new();
    for (scenario, run) in runs() {
        let mut complain = |what: String| wrong.push(format!("{}: {what}: {:?}", scenario.name, run.events));
        match (scenario.wanted, &run.found[..]) {
            (Wanted::Nothing, []) => {}
            (Wanted::Attack { vectors, within }, [found]) => {
                if found.subject.to_string() != scenario.target {
                    complain(format!("it is {} that is attacked", scenario.target));
                }
                if found.vectors != BTreeSet::from_iter(vectors.iter().copied()) {
                    complain(format!("it is made of {vectors:?}"));
                }
                if !(0.0..=within).contains(&found.after) {
                    complain(format!("found after {:.1} s, not within {within}", found.after));
                }
                if found.over_after.is_none() {
                    complain("its end was not told".to_owned());
                }
            }
            (wanted, found) => complain(format!("wanted {wanted:?}, found {found:?}")),
        }
        if run.warned_after().is_some() != scenario.warned {
            complain(format!("a warning of falling handshakes: {}", scenario.warned));
        }
        if run.busy_after().is_some() != scenario.busy {
            complain(format!("that there is much to do: {}", scenario.busy));
        }
        if (run.impact_seconds > 10.0) != scenario.hurt {
            complain(format!("customers were hurt for {} s", run.impact_seconds));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}
