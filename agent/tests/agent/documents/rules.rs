//! The recording and alert rules: what they are about exists, and whoever is woken finds a section of the runbook.

use std::collections::BTreeSet;

use yaml_rust2::{Yaml, YamlLoader};

use super::{metrics, promql, read};

/// The runbook's section of an alert has its name.
const RUNBOOK: &str = "docs/runbook.md#";

fn rules(file: &str) -> Vec<Yaml> {
    let text = read(&format!("observability/rules/{file}"));
    let parsed = YamlLoader::load_from_str(&text).unwrap_or_else(|error| panic!("{file}: {error}"));
    let groups = parsed[0]["groups"].as_vec().expect("groups").clone();
    groups
        .iter()
        .flat_map(|group| group["rules"].as_vec().expect("rules").clone())
        .collect()
}

fn expression(rule: &Yaml) -> &str {
    rule["expr"].as_str().expect("an expression")
}

/// What the agent exports, what Prometheus knows of its targets, and what the recording rules make of it.
pub(super) async fn known() -> promql::Known {
    let mut known = metrics::exported().await;
    // Prometheus's own.
    known.insert("up".to_owned(), BTreeSet::new());
    for rule in rules("recording.yaml") {
        let name = rule["record"].as_str().expect("a name").to_owned();
        let (problems, labels) = promql::problems(expression(&rule), &known);
        assert!(problems.is_empty(), "{name}: {problems:?}");
        // A name says by which labels it is: `level:metric:operation`.
        let level = name.split(':').next().expect("a level");
        let level: BTreeSet<String> = level.split('_').map(str::to_owned).collect();
        assert!(level.is_subset(&labels), "{name}: its expression has {labels:?}");
        known.insert(name, level);
    }
    known
}

/// Anchors of a document's headings, as GitHub makes them.
fn anchors(document: &str) -> BTreeSet<String> {
    let headings = document.lines().filter(|line| line.starts_with('#'));
    let slug = |heading: &str| -> String {
        let words = heading.trim_start_matches('#').trim().to_lowercase();
        let kept = words
            .chars()
            .filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
        kept.map(|c| if c == ' ' { '-' } else { c }).collect()
    };
    headings.map(slug).collect()
}

#[tokio::test]
async fn rules_are_about_what_is_exported() {
    let known = known().await;
    let wrong: Vec<String> = rules("alerts.yaml")
        .iter()
        .flat_map(|rule| promql::problems(expression(rule), &known).0)
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn each_alert_says_what_it_is_and_leads_to_its_section_of_the_runbook() {
    let anchors = anchors(&read("docs/runbook.md"));
    let tested = read("observability/rules/tests/alerts.yaml");
    let alerts = rules("alerts.yaml");
    assert!(alerts.len() >= 15);
    for alert in alerts {
        let name = alert["alert"].as_str().expect("a name");
        let severity = alert["labels"]["severity"].as_str().unwrap_or_default();
        assert!(
            ["critical", "warning", "info"].contains(&severity),
            "{name}: {severity}"
        );
        for annotation in ["summary", "description"] {
            let text = alert["annotations"][annotation].as_str().unwrap_or_default();
            assert!(text.len() > 20, "{name} has no {annotation}");
        }
        let link = alert["annotations"]["runbook_url"].as_str().unwrap_or_default();
        let (_, anchor) = link.split_once(RUNBOOK).unwrap_or_else(|| panic!("{name}: {link}"));
        assert_eq!(anchor, name.to_lowercase());
        assert!(
            anchors.contains(anchor),
            "{name}: docs/runbook.md has no section {anchor}"
        );
        // Once where it fires, once where it does not.
        assert!(
            tested.matches(&format!("alertname: {name}\n")).count() >= 2,
            "{name} is not tested both ways"
        );
    }
}
