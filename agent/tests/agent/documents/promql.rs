//! What an expression is about: metrics, labels and their values, held against what the agent exports.

use std::collections::{BTreeMap, BTreeSet};

use agent::{detect::AttackVector, ladder::Rung};
use promql_parser::{
    label::{MatchOp, Matcher},
    parser::{self, AggregateExpr, BinaryExpr, Expr, VectorSelector},
    util::{ExprVisitor, walk_expr},
};
use xdp_common::Reason;

use super::{blocks, metrics, promtool};

/// Labels that Prometheus adds to everything that it scrapes.
const TARGET: [&str; 2] = ["instance", "job"];

/// Metrics with their labels: what the agent exports, and what rules record.
pub(super) type Known = BTreeMap<String, BTreeSet<String>>;

/// Everything in an expression that could be wrong.
struct Uses {
    selectors: Vec<VectorSelector>,
    grouped: BTreeSet<String>,
}

impl ExprVisitor for Uses {
    type Error = ();

    fn pre_visit(&mut self, expr: &Expr) -> Result<bool, ()> {
        match expr {
            Expr::VectorSelector(selector) => self.selectors.push(selector.clone()),
            Expr::MatrixSelector(matrix) => self.selectors.push(matrix.vs.clone()),
            Expr::Aggregate(AggregateExpr { modifier: Some(by), .. }) => {
                self.grouped.extend(by.labels().labels.clone());
            }
            Expr::Binary(BinaryExpr { modifier: Some(by), .. }) => {
                let matching = by.matching.iter().flat_map(|matching| matching.labels().labels.clone());
                self.grouped.extend(matching);
            }
            _ => {}
        }
        Ok(true)
    }
}

/// What is wrong with an expression; the labels that its result can have.
pub(super) fn problems(expression: &str, known: &Known) -> (Vec<String>, BTreeSet<String>) {
    let parsed = match parser::parse(expression) {
        Ok(parsed) => parsed,
        Err(error) => return (vec![format!("`{expression}`: {error}")], BTreeSet::new()),
    };
    let mut uses = Uses {
        selectors: Vec::new(),
        grouped: BTreeSet::new(),
    };
    walk_expr(&mut uses, &parsed).expect("it never fails");
    let mut problems = Vec::new();
    let mut labels: BTreeSet<String> = TARGET.map(str::to_owned).into();
    for selector in &uses.selectors {
        let name = selector.name.clone().unwrap_or_default();
        let Some(of) = known.get(&name) else {
            problems.push(format!("`{expression}`: there is no metric `{name}`"));
            continue;
        };
        labels.extend(of.iter().cloned());
        for matcher in &selector.matchers.matchers {
            if !of.contains(&matcher.name) && !TARGET.contains(&matcher.name.as_str()) {
                problems.push(format!("`{expression}`: `{name}` has no label `{}`", matcher.name));
            }
            problems.extend(
                unknown_value(matcher).map(|value| format!("`{expression}`: `{}` is never `{value}`", matcher.name)),
            );
        }
    }
    let strange = uses.grouped.iter().filter(|label| !labels.contains(*label));
    problems.extend(strange.map(|label| format!("`{expression}`: nothing in it has a label `{label}`")));
    (problems, labels)
}

/// A value that the agent never gives to a label of which it knows all values.
fn unknown_value(matcher: &Matcher) -> Option<String> {
    let values: Vec<&str> = match matcher.name.as_str() {
        "reason" => Reason::ALL.iter().map(|reason| reason.name()).collect(),
        "rung" => Rung::ALL.iter().map(|rung| rung.name()).collect(),
        "action" => vec!["pass", "drop", "reply", "allow", "block"],
        "mode" => vec!["monitor", "enforce", "native", "generic"],
        "vector" => AttackVector::ALL.iter().map(|vector| vector.name()).collect(),
        "map" => xdp_common::map_name::ALL.to_vec(),
        "event" => vec![
            "attack_started",
            "vector_added",
            "attack_ended",
            "handshakes_falling",
            "busy",
            "rung_changed",
            "host_saturated",
            "host_recovered",
            "upstream_announced",
            "upstream_withdrawn",
            "upstream_refused",
            "fleet_cut_off",
            "fleet_back",
            "fleet_lost",
            "fleet_garbage",
            "fleet_held_back",
            "fleet_attack",
            "interface_lost",
            "interface_back",
            "notice",
        ],
        _ => return None,
    };
    let several = matches!(matcher.op, MatchOp::Re(_) | MatchOp::NotRe(_));
    let wanted = matcher
        .value
        .split('|')
        .filter(|_| several)
        .chain((!several).then_some(matcher.value.as_str()));
    wanted
        .filter(|value| !value.contains(['.', '*', '$']))
        .find(|value| !values.contains(value))
        .map(str::to_owned)
}

#[tokio::test]
async fn expressions_in_documents_are_about_what_is_exported() {
    let known = super::rules::known().await;
    let found: Vec<(String, String)> = blocks()
        .into_iter()
        .filter(|block| block.info == "promql")
        .map(|block| (block.place, block.text.trim().to_owned()))
        .collect();
    assert!(found.len() > 60, "docs/metrics.md has one for each family");
    let wrong: Vec<String> = found
        .iter()
        .flat_map(|(place, expression)| {
            let (problems, _) = problems(expression, &known);
            problems.into_iter().map(move |problem| format!("{place}: {problem}"))
        })
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    promtool::check_expressions(&found);
}

#[tokio::test]
async fn what_is_not_there_is_found() {
    let known = metrics::exported().await;
    for (expression, complaint) in [
        ("levee_gone", "no metric"),
        ("rate(levee_packets[1m])", "no metric"),
        ("levee_packets_total{adress=\"x\"}", "no label"),
        ("levee_packets_total{reason=\"synn\"}", "is never"),
        ("levee_address_rung{rung=~\"verify|knwon\"}", "is never"),
        ("sum by (reason) (levee_mode)", "nothing in it"),
        ("levee_mode * on (host) levee_detection", "nothing in it"),
        ("sum(", "`sum(`"),
    ] {
        let (problems, _) = problems(expression, &known);
        assert!(
            problems.len() == 1 && problems[0].contains(complaint),
            "{expression}: {problems:?}"
        );
    }
}
