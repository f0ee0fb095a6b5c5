//! The two forms in which metrics are read: OpenMetrics 1.0 (<https://prometheus.io/docs/specs/om/open_metrics_spec/>), and Prometheus's
//! own text format 0.0.4 (<https://prometheus.io/docs/instrumenting/exposition_formats/>), which curl, older scrapers and `promtool
//! check metrics` read. prometheus-client writes the first only; the second differs in comments alone.

use axum::http::{HeaderMap, header::ACCEPT};

/// A form of metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// OpenMetrics 1.0.
    OpenMetrics,
    /// Prometheus's text format 0.0.4.
    Text,
}

impl Form {
    /// The form that a reader prefers: OpenMetrics for whoever names it, else the one that everybody reads.
    pub(super) fn wanted(headers: &HeaderMap) -> Self {
        let accepted = headers.get_all(ACCEPT).iter();
        let accepted: Vec<&str> = accepted.filter_map(|value| value.to_str().ok()).collect();
        let weight = |media| {
            let ranges = accepted.iter().flat_map(|value| value.split(','));
            ranges.filter_map(|range| weight_of(range, media)).fold(0.0, f32::max)
        };
        let openmetrics = weight("application/openmetrics-text");
        if openmetrics > 0.0 && openmetrics >= weight("text/plain") {
            Self::OpenMetrics
        } else {
            Self::Text
        }
    }

    /// Its content type.
    pub(super) const fn content_type(self) -> &'static str {
        match self {
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Self::Text => "text/plain; version=0.0.4; charset=utf-8",
        }
    }

    /// What OpenMetrics says, in this form.
    pub(super) fn of(self, openmetrics: String) -> String {
        match self {
            Self::OpenMetrics => openmetrics,
            Self::Text => text(&openmetrics),
        }
    }
}

/// The weight that a media range of an Accept header gives to a media type (RFC 9110, section 12.5.1); `None` for another type.
fn weight_of(range: &str, media: &str) -> Option<f32> {
    let mut parts = range.split(';').map(str::trim);
    if !parts.next()?.eq_ignore_ascii_case(media) {
        return None;
    }
    let weight = parts.find_map(|parameter| parameter.strip_prefix("q="));
    Some(weight.map_or(1.0, |weight| weight.parse().unwrap_or(0.0)))
}

/// In the text format a counter is described by the name of its samples, and there are neither units nor an end.
fn text(openmetrics: &str) -> String {
    let mut out = String::with_capacity(openmetrics.len());
    let mut lines = openmetrics.lines().peekable();
    while let Some(line) = lines.next() {
        if line.starts_with("# UNIT ") || line == "# EOF" {
            continue;
        }
        let describes = line.strip_prefix("# HELP ").and_then(|rest| rest.split_once(' '));
        let Some((name, help)) = describes else {
            out.extend([line, "\n"]);
            continue;
        };
        let kind = lines.next_if(|next| next.starts_with("# TYPE ")).unwrap_or_default();
        let kind = kind.rsplit(' ').next().unwrap_or_default();
        let suffix = if kind == "counter" { "_total" } else { "" };
        out.push_str(&format!("# HELP {name}{suffix} {help}\n# TYPE {name}{suffix} {kind}\n"));
    }
    out
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn wanted(accept: &'static str) -> Form {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, HeaderValue::from_static(accept));
        Form::wanted(&headers)
    }

    #[test]
    fn who_asks_for_openmetrics_gets_it_and_everybody_else_reads_the_text() {
        let prometheus = "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,\
                          text/plain;version=0.0.4;q=0.5,*/*;q=0.1";
        assert_eq!(wanted(prometheus), Form::OpenMetrics);
        assert_eq!(wanted("application/openmetrics-text"), Form::OpenMetrics);
        assert_eq!(wanted("text/plain"), Form::Text);
        assert_eq!(wanted("*/*"), Form::Text);
        assert_eq!(wanted("text/plain, application/openmetrics-text;q=0.5"), Form::Text);
        assert_eq!(wanted("application/openmetrics-text;q=0"), Form::Text);
        assert_eq!(wanted("application/openmetrics-text; q=nonsense"), Form::Text);
        assert_eq!(Form::wanted(&HeaderMap::new()), Form::Text);
    }

    #[test]
    fn the_text_describes_counters_by_their_samples_and_has_no_end() {
        let openmetrics = "# HELP a_seconds What it is\n# TYPE a_seconds counter\n# UNIT a_seconds seconds\na_seconds_total{l=\"# EOF\"} 1\n\
                           # HELP b And that\n# TYPE b gauge\nb 2.0\n# EOF\n";
        assert_eq!(
            text(openmetrics),
            "# HELP a_seconds_total What it is\n# TYPE a_seconds_total counter\na_seconds_total{l=\"# EOF\"} 1\n\
             # HELP b And that\n# TYPE b gauge\nb 2.0\n"
        );
    }
}
