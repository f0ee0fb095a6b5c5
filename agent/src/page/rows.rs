//! What tables of several pages have in common: addresses, rungs, pages of rows.

use std::net::IpAddr;

use maud::{Markup, html};

use super::{layout::encoded, words};
use crate::ladder::Rung;

/// An address as a link to its page.
pub(super) fn address(address: IpAddr) -> Markup {
    html! { a.address href={ "/address/" (address) } { (address) } }
}

/// A rung by its word and its height.
pub(super) fn rung(name: &str) -> Markup {
    let height = Rung::ALL.iter().position(|rung| rung.name() == name).unwrap_or(0);
    html! { span.rung.{ "r" (height) } { svg.ladder aria-hidden="true" { use href={ "#i-rung-" (height) } {} } (name) } }
}

/// Where one is in many rows, and the ways on.
pub(super) struct Pages<'a> {
    /// Rows in all.
    pub(super) matched: usize,
    /// Rows of a page.
    pub(super) size: usize,
    /// The page, from 0.
    pub(super) page: usize,
    /// The path of the page.
    pub(super) path: &'a str,
    /// The rest of its query.
    pub(super) query: &'a [(&'a str, &'a str)],
    /// What the rows are.
    pub(super) what: &'a str,
}

impl Pages<'_> {
    /// The first row of this page.
    pub(super) const fn offset(&self) -> usize {
        self.page.saturating_mul(self.size)
    }

    fn link(&self, page: usize, word: &str, rel: &str) -> Markup {
        let query = self.query.iter().filter(|(_, value)| !value.is_empty());
        let query: Vec<String> = query
            .map(|(name, value)| format!("{name}={}", encoded(value)))
            .chain((page > 0).then(|| format!("page={page}")))
            .collect();
        let query = if query.is_empty() {
            String::new()
        } else {
            format!("?{}", query.join("&"))
        };
        html! { a rel=(rel) href={ (self.path) (query) } { (word) } }
    }

    /// The line below a table.
    pub(super) fn line(&self) -> Markup {
        let first = self.offset().saturating_add(1).min(self.matched);
        let last = self.offset().saturating_add(self.size).min(self.matched);
        html! {
            nav.pages aria-label={ "Pages of " (self.what) } {
                @if self.matched <= self.size && self.page == 0 {
                    span { (words::count(self.matched as u64)) " " (self.what) }
                } @else {
                    span { (first) "–" (last) " of " (words::count(self.matched as u64)) " " (self.what) }
                    @if self.page > 0 { (self.link(self.page - 1, "Previous", "prev")) }
                    @if last < self.matched { (self.link(self.page + 1, "Next", "next")) }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_lead_on_and_keep_what_was_asked() {
        let pages = Pages {
            matched: 120,
            size: 50,
            page: 1,
            path: "/",
            query: &[("sort", "syn"), ("filter", "")],
            what: "addresses",
        };
        let line = pages.line().into_string();
        assert!(line.contains("51–100 of 120 addresses"), "{line}");
        assert!(
            line.contains("href=\"/?sort=syn\"") && line.contains("href=\"/?sort=syn&amp;page=2\""),
            "{line}"
        );
        let last = Pages { page: 2, ..pages }.line().into_string();
        assert!(!last.contains("Next") && last.contains("101–120"), "{last}");
        let beyond = Pages {
            page: usize::MAX,
            ..pages
        }
        .line()
        .into_string();
        assert!(beyond.contains("Previous"), "{beyond}");
    }
}
