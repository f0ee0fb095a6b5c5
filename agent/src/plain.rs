//! How text from elsewhere and numbers come before people's eyes: without what a terminal would obey, in three digits and a scale.

/// Text from elsewhere, without what a terminal would obey: control characters, and those that are not seen and turn the
/// direction of writing (UAX #9), by which a text can pretend to be another.
#[must_use]
pub fn clean(text: &str) -> String {
    text.chars()
        .map(|c| {
            if c.is_control() || is_invisible(c) {
                '\u{fffd}'
            } else {
                c
            }
        })
        .collect()
}

/// The text with everything in it to be seen: what [`clean`] takes out stands there by its number. For where nothing obeys it, and people
/// should know that it is there.
#[must_use]
pub fn visible(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() || is_invisible(c) {
            shown.push_str(&format!("⟨U+{:04X}⟩", u32::from(c)));
        } else {
            shown.push(c);
        }
    }
    shown
}

const fn is_invisible(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{e0000}'..='\u{e007f}')
}

/// A rate for people: three digits and a scale.
#[must_use]
pub fn rate(per_second: f64) -> String {
    match per_second {
        rate if rate >= 999_500_000.0 => format!("{:.2}G", rate / 1e9),
        rate if rate >= 999_500.0 => format!("{:.2}M", rate / 1e6),
        rate if rate >= 999.5 => format!("{:.1}k", rate / 1e3),
        rate if rate >= 9.95 || rate == 0.0 => format!("{rate:.0}"),
        rate => format!("{rate:.1}"),
    }
}

/// A share (0 to 1) for people.
#[must_use]
pub fn share(share: f64) -> String {
    // Nothing of nothing can be minus zero.
    format!("{:.1} %", share * 100.0 + 0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_short() {
        for (value, text) in [
            (0.0, "0"),
            (0.5, "0.5"),
            (12.3, "12"),
            (999.0, "999"),
            (1234.0, "1.2k"),
            (99_960.0, "100.0k"),
            (1.5e6, "1.50M"),
            (2.5e9, "2.50G"),
        ] {
            assert_eq!(rate(value), text);
        }
    }

    #[test]
    fn no_escape_sequence_reaches_the_terminal() {
        assert_eq!(clean("a\u{1b}[31mb\nc"), "a\u{fffd}[31mb\u{fffd}c");
        assert_eq!(clean("\u{9b}31m"), "\u{fffd}31m", "the one-byte form of the sequence");
        assert_eq!(
            clean("limit\u{202e}kcolb"),
            "limit\u{fffd}kcolb",
            "text that runs backwards"
        );
        assert_eq!(clean("héllo → 世界"), "héllo → 世界");
    }

    #[test]
    fn everything_is_visible_and_the_rest_stays() {
        assert_eq!(visible("a\u{1b}[31m\u{202e}b\n"), "a⟨U+001B⟩[31m⟨U+202E⟩b⟨U+000A⟩");
        assert_eq!(
            visible("zero\u{200b}width \u{2066}isolate"),
            "zero⟨U+200B⟩width ⟨U+2066⟩isolate"
        );
        assert_eq!(visible("Grüße, 東京 🌊 <b>&amp;"), "Grüße, 東京 🌊 <b>&amp;");
    }
}
