//! Writes the example configuration from the documentation of the settings: what `agent config example` prints is what
//! `file.rs` says, and cannot fall behind it.

use serde_json::{Map, Value as Schema};

/// First lines of the example.
const HEADING: &str = "\
# Configuration of Levee's agent. Every setting is here with its default; a line that begins with
# a setting behind a bare # shows the default, and changes something only once the # is removed.
# Check a change with `agent check-config`, apply it with `agent reload`: no restart, nothing lost.
# A rate is SYNs per second: 20000, \"20k\" or \"1.5M/s\". A duration has its unit: 30s, 15m, 2h, 1d.
";

/// The example configuration as TOML.
#[must_use]
pub fn example() -> String {
    let mut out = HEADING.to_owned();
    write_table(&super::schema(), "", &mut out);
    out
}

/// The settings of one table, then its sections: TOML wants them in that order.
fn write_table(schema: &Schema, path: &str, out: &mut String) {
    let Some(properties) = schema.get("properties").and_then(Schema::as_object) else {
        return;
    };
    let (sections, settings): (Vec<_>, Vec<_>) = properties
        .iter()
        .partition(|(_, property)| property.get("properties").is_some() || is_section_list(property));
    for (key, property) in settings {
        out.push('\n');
        write_setting(key, property, "#", out);
    }
    for (key, property) in sections {
        let section = if path.is_empty() {
            key.clone()
        } else {
            format!("{path}.{key}")
        };
        out.push('\n');
        write_doc(property, out);
        if is_section_list(property) {
            write_section_list(&section, property, out);
            continue;
        }
        let only_sections =
            properties_of(property).is_some_and(|inner| inner.values().all(|v| v.get("properties").is_some()));
        if !only_sections {
            out.push_str(&format!("[{section}]\n"));
        }
        write_table(property, &section, out);
    }
}

/// A list of sections is shown once, all of it behind a `#`: an empty list is the default.
fn write_section_list(section: &str, property: &Schema, out: &mut String) {
    out.push_str(&format!("#[[{section}]]\n"));
    let Some(properties) = property.get("items").and_then(properties_of) else {
        return;
    };
    for (key, item) in properties {
        write_setting(key, item, "#", out);
    }
}

fn write_setting(key: &str, property: &Schema, comment: &str, out: &mut String) {
    write_doc(property, out);
    let example = property.get("examples").and_then(|examples| examples.get(0));
    let default = property.get("default").filter(|value| !value.is_null());
    let must_set = property.get("x-must-set").is_some();
    let shown = if must_set { example } else { default.or(example) };
    let comment = if must_set { "" } else { comment };
    // A setting with neither default nor example would be invisible here: the test below finds it.
    let value = shown.map(toml_value).unwrap_or_default();
    out.push_str(&format!("{comment}{key} = {value}\n"));
}

fn write_doc(property: &Schema, out: &mut String) {
    for line in property
        .get("description")
        .and_then(Schema::as_str)
        .unwrap_or_default()
        .lines()
    {
        out.push_str(format!("# {line}").trim_end());
        out.push('\n');
    }
}

fn properties_of(schema: &Schema) -> Option<&Map<String, Schema>> {
    schema.get("properties").and_then(Schema::as_object)
}

fn is_section_list(property: &Schema) -> bool {
    property
        .get("items")
        .is_some_and(|items| items.get("properties").is_some())
}

fn toml_value(value: &Schema) -> String {
    toml::Value::try_from(value)
        .map(|value| value.to_string())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::file::ConfigFile;

    /// Settings without a default: what is shown of them is an example.
    const OPTIONAL: [&str; 12] = [
        "group",
        "view_group",
        "token",
        "next_hop4",
        "next_hop6",
        "flowspec_rate",
        "node",
        "ca",
        "cert",
        "key",
        "user",
        "password",
    ];

    /// The example with every setting but the optional sections taken out of its comment.
    fn uncommented() -> String {
        let mut in_optional_section = false;
        let mut lines = Vec::new();
        for line in example().lines() {
            in_optional_section |= line.starts_with("#[[");
            in_optional_section &= !line.is_empty();
            let optional = in_optional_section || OPTIONAL.iter().any(|key| line.starts_with(&format!("#{key} ")));
            match line.strip_prefix('#') {
                Some(setting) if !setting.starts_with(' ') && !optional => lines.push(setting.to_owned()),
                _ => lines.push(line.to_owned()),
            }
        }
        lines.join("\n")
    }

    fn with_interface() -> ConfigFile {
        ConfigFile {
            interfaces: vec!["eth0".to_owned()],
            ..ConfigFile::default()
        }
    }

    #[test]
    fn the_example_is_the_defaults() {
        assert_eq!(toml::from_str::<ConfigFile>(&example()), Ok(with_interface()));
    }

    #[test]
    fn so_is_every_default_that_it_shows() {
        let text = uncommented();
        assert!(text.contains("\nmode = ") && text.contains("\nsyn_rate = "), "{text}");
        assert_eq!(toml::from_str::<ConfigFile>(&text), Ok(with_interface()), "{text}");
    }

    #[test]
    fn every_setting_is_documented_and_shown() {
        let text = example();
        assert!(
            !text.contains("= \n"),
            "a setting has neither default nor example:\n{text}"
        );
        let documented = |at: usize, lines: &[&str]| at > 0 && lines[at - 1].starts_with("# ");
        let lines: Vec<&str> = text.lines().collect();
        for (at, line) in lines
            .iter()
            .enumerate()
            .filter(|(_, line)| line.contains(" = ") && !line.starts_with("# "))
        {
            assert!(documented(at, &lines), "{line} has no documentation");
        }
        assert!(lines.iter().all(|line| line.len() <= 100), "too wide for a terminal");
    }

    #[test]
    fn optional_sections_parse_when_they_are_taken_out_of_their_comments() {
        let text: String = example()
            .lines()
            .map(|line| {
                line.strip_prefix('#')
                    .filter(|rest| !rest.starts_with(' '))
                    .unwrap_or(line)
            })
            .collect::<Vec<_>>()
            .join("\n");
        let file: ConfigFile = toml::from_str(&text).expect("parses");
        assert_eq!(
            (file.address.len(), file.list.len(), file.group.len(), file.notify.len()),
            (1, 1, 1, 1)
        );
        assert_eq!(file.control.group.as_deref(), Some("levee"));
    }
}
