//! Grafana's dashboard: every expression is about what the agent exports, and every label in a legend is there.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{promql, promtool, read, rules};

/// What Grafana puts in place of its variables.
fn filled_in(expression: &str) -> String {
    expression
        .replace("$__rate_interval", "1m")
        .replace("$__range", "1h")
        .replace("$__interval", "30s")
}

/// Every panel, those within rows too.
fn panels(value: &Value) -> Vec<&Value> {
    let panels = value["panels"].as_array().into_iter().flatten();
    panels
        .flat_map(|panel| std::iter::once(panel).chain(self::panels(panel)))
        .collect()
}

/// Labels that a legend names: `{{label}}`.
fn legend_labels(legend: &str) -> impl Iterator<Item = &str> {
    legend
        .split("{{")
        .skip(1)
        .filter_map(|rest| Some(rest.split_once("}}")?.0.trim()))
}

fn dashboard() -> Value {
    serde_json::from_str(&read("observability/grafana/levee.json")).expect("JSON")
}

#[tokio::test]
async fn every_expression_is_about_what_is_exported() {
    let known = rules::known().await;
    let dashboard = dashboard();
    let mut expressions = Vec::new();
    for panel in panels(&dashboard) {
        let title = panel["title"].as_str().expect("a title");
        for target in panel["targets"].as_array().into_iter().flatten() {
            let expression = filled_in(target["expr"].as_str().expect("an expression"));
            let (problems, labels) = promql::problems(&expression, &known);
            assert!(problems.is_empty(), "{title}: {problems:?}");
            let legend = target["legendFormat"].as_str().unwrap_or_default();
            let strange: Vec<&str> = legend_labels(legend).filter(|label| !labels.contains(*label)).collect();
            assert!(strange.is_empty(), "{title}: its legend names {strange:?}");
            expressions.push((title.to_owned(), expression));
        }
    }
    assert!(expressions.len() > 40);
    promtool::check_expressions(&expressions);
}

#[test]
fn variables_choose_the_data_source_hosts_and_addresses() {
    let dashboard = dashboard();
    let variables = dashboard["templating"]["list"].as_array().expect("variables");
    let names: Vec<&str> = variables
        .iter()
        .filter_map(|variable| variable["name"].as_str())
        .collect();
    assert_eq!(names, ["datasource", "job", "instance", "address"]);
    for panel in panels(&dashboard)
        .into_iter()
        .filter(|panel| panel["targets"].is_array())
    {
        assert_eq!(panel["datasource"]["uid"], "${datasource}", "{}", panel["title"]);
        assert!(
            panel["description"].as_str().is_some_and(|text| text.len() > 10),
            "{}",
            panel["title"]
        );
        for target in panel["targets"].as_array().into_iter().flatten() {
            let expression = target["expr"].as_str().unwrap_or_default();
            assert!(
                expression.contains("instance=~\"$instance\""),
                "{}: {expression}",
                panel["title"]
            );
        }
    }
}

#[test]
fn panels_are_numbered_once_and_do_not_overlap() {
    let dashboard = dashboard();
    let (mut numbers, mut cells) = (BTreeSet::new(), BTreeSet::new());
    for panel in panels(&dashboard) {
        assert!(
            numbers.insert(panel["id"].as_u64().expect("a number")),
            "{}",
            panel["title"]
        );
        let at = |key: &str| panel["gridPos"][key].as_u64().expect("a place");
        assert!(at("x") + at("w") <= 24, "{} is too wide", panel["title"]);
        for x in at("x")..at("x") + at("w") {
            for y in at("y")..at("y") + at("h") {
                assert!(cells.insert((x, y)), "{} lies over another", panel["title"]);
            }
        }
    }
}

#[test]
fn each_kind_of_question_has_its_row() {
    let dashboard = dashboard();
    let rows: Vec<&str> = panels(&dashboard)
        .into_iter()
        .filter(|panel| panel["type"] == "row")
        .filter_map(|panel| panel["title"].as_str())
        .collect();
    assert_eq!(
        rows,
        [
            "Overview",
            "Attacks",
            "Verdicts by reason",
            "Handshakes against SYNs",
            "Rungs and the ladder",
            "Who sends",
            "Groups",
            "Lists",
            "Kernel side",
            "Agent",
            "Notifications",
            "Fleet",
            "Address $address"
        ]
    );
}
