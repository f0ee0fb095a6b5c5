//! A message for Slack's incoming webhooks: a plain text for notifications, and blocks for the channel. Limits and escapes:
//! Slack's reference of Block Kit ("section": 3,000 characters, "header": 150) and "Formatting text for app surfaces".

use serde_json::{Value, json};

use super::message::Message;
use crate::detect::Severity;

/// Characters of a section's text.
const SECTION: usize = 2_900;
/// Characters of a header.
const HEADER: usize = 140;

/// What Slack takes.
#[must_use]
pub(super) fn body(message: &Message) -> Value {
    let mark = match message.severity {
        Severity::Critical => ":rotating_light:",
        Severity::Warning => ":warning:",
        Severity::Info => ":information_source:",
    };
    let heading = if message.test { "Test" } else { &*spoken(&message.event) };
    let text = cut(&escaped(&message.text), SECTION);
    let mut facts = vec![format!("host {}", message.host), message.at.to_string()];
    facts.extend(message.subject.map(|subject| subject.to_string()));
    facts.extend(
        message
            .attack
            .map(|number| format!("attack {number}: `agent attacks show {number}`")),
    );
    json!({
        "text": format!("{mark} {text}"),
        "blocks": [
            {
                "type": "header",
                "text": { "type": "plain_text", "emoji": true, "text": cut(&format!("{mark} {heading}"), HEADER) },
            },
            { "type": "section", "text": { "type": "mrkdwn", "text": text } },
            {
                "type": "context",
                "elements": [{ "type": "mrkdwn", "text": cut(&escaped(&facts.join(" · ")), SECTION) }],
            },
        ],
    })
}

/// `attack_started` as `Attack started`.
fn spoken(event: &str) -> String {
    let (first, rest) = event.split_at(event.len().min(1));
    format!("{}{}", first.to_uppercase(), rest.replace('_', " "))
}

/// Slack's three control characters: without them a text can neither link nor call anybody.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// So many characters at most, and never half an escape.
fn cut(text: &str, at_most: usize) -> String {
    let Some((end, _)) = text.char_indices().nth(at_most) else {
        return text.to_owned();
    };
    let mut kept = &text[..end];
    if let Some(at) = kept.rfind('&')
        && !kept[at..].contains(';')
    {
        kept = &kept[..at];
    }
    format!("{kept}…")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect::{Event, What};

    fn message(text: &str) -> Message {
        let event = Event {
            at: "2026-03-14T11:08:02Z".parse().expect("time"),
            subject: Some("203.0.113.7".parse().expect("subject")),
            attack: Some(3),
            what: What::Notice { text: text.to_owned() },
        };
        Message::of(&event, "lb1")
    }

    #[test]
    fn nobody_is_called_by_what_a_text_says() {
        let body = body(&message("<!channel> <https://example.com|a> & b"));
        let text = body["blocks"][1]["text"]["text"].as_str().expect("text");
        assert_eq!(text, "&lt;!channel&gt; &lt;https://example.com|a&gt; &amp; b");
        assert!(!body["text"].as_str().expect("text").contains('<'));
        assert_eq!(body["blocks"][0]["text"]["text"], ":information_source: Notice");
        let facts = body["blocks"][2]["elements"][0]["text"].as_str().expect("text");
        assert!(facts.contains("203.0.113.7") && facts.contains("attack 3"), "{facts}");
    }

    #[test]
    fn long_texts_are_cut_between_escapes() {
        let body = body(&message(&"<".repeat(5_000)));
        let text = body["blocks"][1]["text"]["text"].as_str().expect("text");
        assert!(
            text.chars().count() <= 3_000 && text.ends_with("&lt;…"),
            "{}",
            text.len()
        );
    }
}
