//! Finds keys that the configuration does not have, by walking the written file beside the schema, and names the key
//! that was probably meant: a misspelt key that is silently ignored is a threshold that is silently not there.

use serde_json::Value as Schema;

use super::problem::Problem;

/// Two names are taken for the same one mistyped from this similarity on (Jaro-Winkler, 1 is equal).
const SIMILAR: f64 = 0.8;

/// Every unknown key of `file`, in the order of the file's sections.
pub(super) fn find(file: &toml::Table, schema: &Schema) -> Vec<Problem> {
    let mut all_keys = Vec::new();
    collect_keys(schema, "", &mut all_keys);
    let mut problems = Vec::new();
    walk_table(file, schema, "", &all_keys, &mut problems);
    problems
}

fn walk_table(table: &toml::Table, schema: &Schema, path: &str, all_keys: &[String], problems: &mut Vec<Problem>) {
    let Some(properties) = schema.get("properties").and_then(Schema::as_object) else {
        return;
    };
    for (key, value) in table {
        let key_path = join(path, key);
        let Some(property) = properties.get(key) else {
            let known: Vec<&str> = properties.keys().map(String::as_str).collect();
            problems.push(Problem::without_value(
                key_path,
                unknown_message(key, path, &known, all_keys),
            ));
            continue;
        };
        match value {
            toml::Value::Table(inner) => walk_table(inner, property, &key_path, all_keys, problems),
            toml::Value::Array(items) => {
                let Some(item_schema) = property.get("items") else {
                    continue;
                };
                for (index, item) in items.iter().enumerate() {
                    if let toml::Value::Table(inner) = item {
                        walk_table(inner, item_schema, &format!("{key_path}[{index}]"), all_keys, problems);
                    }
                }
            }
            _ => {}
        }
    }
}

fn unknown_message(key: &str, path: &str, known: &[&str], all_keys: &[String]) -> String {
    let here = if path.is_empty() {
        "at the top of the file"
    } else {
        "in this section"
    };
    let nearest = known
        .iter()
        .map(|candidate| (strsim::jaro_winkler(key, candidate), *candidate))
        .filter(|(similarity, _)| *similarity >= SIMILAR)
        .max_by(|left, right| left.0.total_cmp(&right.0));
    if let Some((_, candidate)) = nearest {
        return format!("there is no such key; did you mean `{candidate}`?");
    }
    let elsewhere: Vec<&str> = all_keys
        .iter()
        .map(String::as_str)
        .filter(|full| full.rsplit('.').next() == Some(key))
        .collect();
    if !elsewhere.is_empty() {
        return format!("there is no such key {here}; there is `{}`", elsewhere.join("` and `"));
    }
    format!("there is no such key {here}; the keys are {}", known.join(", "))
}

fn collect_keys(schema: &Schema, path: &str, keys: &mut Vec<String>) {
    let Some(properties) = schema.get("properties").and_then(Schema::as_object) else {
        return;
    };
    for (key, property) in properties {
        let key_path = join(path, key);
        collect_keys(property, &key_path, keys);
        if let Some(items) = property.get("items") {
            collect_keys(items, &key_path, keys);
        }
        keys.push(key_path);
    }
}

fn join(path: &str, key: &str) -> String {
    if path.is_empty() {
        key.to_owned()
    } else {
        format!("{path}.{key}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn messages(text: &str) -> Vec<String> {
        let table = text.parse::<toml::Table>().expect("test input is TOML");
        find(&table, &crate::config::schema())
            .iter()
            .map(Problem::to_string)
            .collect()
    }

    #[test]
    fn known_keys_are_silent() {
        assert_eq!(
            messages("mode = 'monitor'\n[thresholds.source]\nsyn_rate = 1\n[[address]]\naddress = 'x'"),
            [""; 0]
        );
    }

    #[test]
    fn a_misspelt_key_gets_the_nearest() {
        assert_eq!(
            messages("interfaces = ['eth0']\nprotekt = []\n[thresholds.address]\nsyn_rte = 5"),
            [
                "protekt: there is no such key; did you mean `protect`?",
                "thresholds.address.syn_rte: there is no such key; did you mean `syn_rate`?"
            ]
        );
        assert_eq!(
            messages("[[address]]\naddress = '192.0.2.1'\nsynrate = 5"),
            ["address[0].synrate: there is no such key; did you mean `syn_rate`?"]
        );
    }

    #[test]
    fn a_key_in_the_wrong_section_is_sent_to_the_right_one() {
        assert_eq!(
            messages("socket = '/x'"),
            ["socket: there is no such key at the top of the file; there is `upstream.socket` and `control.socket`"]
        );
    }

    #[test]
    fn a_key_like_no_other_lists_the_keys_of_its_section() {
        assert_eq!(
            messages("[limits]\nxyzzy = 1"),
            [
                "limits.xyzzy: there is no such key in this section; the keys are addresses, groups, list_entries, list_prefixes, sources, known_sources, retry_memory, listeners"
            ]
        );
    }
}
