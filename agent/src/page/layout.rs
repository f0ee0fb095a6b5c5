//! What is around every page: head, navigation, mode, who is logged in, and where the script says how live it is.

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::{
    assets, banner,
    session::Said,
    view::Nav,
    viewer::{Rights, Viewer},
    words,
};
use crate::{snapshot::Snapshot, tables::Mode};

/// Parts of a page that change by themselves, by name.
#[derive(Debug, Default)]
pub(super) struct Parts(Vec<(&'static str, String)>);

impl Parts {
    /// Notes a part, and gives the element that it stands in.
    pub(super) fn put(&mut self, name: &'static str, part: &Markup) -> Markup {
        self.0.push((name, part.0.clone()));
        html! { div data-part=(name) { (part) } }
    }

    /// All of them.
    pub(super) fn into_inner(self) -> Vec<(&'static str, String)> {
        self.0
    }
}

/// A page as it is now.
#[derive(Debug)]
pub(super) struct Shown {
    pub(super) title: String,
    pub(super) nav: Nav,
    pub(super) body: Markup,
    pub(super) parts: Parts,
    /// Nothing on it changes by itself.
    pub(super) still: bool,
    /// What became of what somebody has just asked for.
    pub(super) said: Option<Said>,
}

impl Shown {
    pub(super) fn live(title: impl Into<String>, nav: Nav, body: Markup, parts: Parts) -> Self {
        Self {
            title: title.into(),
            nav,
            body,
            parts,
            still: false,
            said: None,
        }
    }

    pub(super) fn still(title: impl Into<String>, nav: Nav, body: Markup) -> Self {
        Self {
            still: true,
            ..Self::live(title, nav, body, Parts::default())
        }
    }
}

/// Parts that every live page has.
pub(super) fn common(snapshot: &Snapshot) -> [(&'static str, Markup); 3] {
    [
        ("mode", mode(snapshot)),
        ("alarms", banner::alarms(snapshot)),
        ("clock", words::clock(snapshot.meter.at.wall)),
    ]
}

/// The whole page; `here` is its path and query.
pub(super) fn page(snapshot: &Snapshot, viewer: &Viewer, shown: &Shown, here: &str) -> Markup {
    let [mode, alarms, clock] = common(snapshot).map(|(name, part)| Parts::default().put(name, &part));
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (shown.title) " · Levee" }
                link rel="icon" href=(assets::ICON.path());
                link rel="stylesheet" href=(assets::STYLE.path());
                script src=(assets::SCRIPT.path()) defer {}
            }
            body data-build=(assets::build()) data-live=[(!shown.still).then(|| live(here))] data-attacks=(banner::open(snapshot)) {
                a.skip href="#main" { "Skip to the content" }
                (header(snapshot, viewer, shown, (here, &clock)))
                section #stale.stale hidden aria-label="Connection to the agent" { (icon("warn")) span #stale-text {} }
                (mode)
                main #main tabindex="-1" {
                    @if let Some(said) = &shown.said { (said_of(said)) }
                    (alarms)
                    (shown.body)
                }
                (footer(snapshot))
                div #said.unseen aria-live="polite" {}
                (PreEscaped(SYMBOLS))
            }
        }
    }
}

/// Where a page's events are.
fn live(here: &str) -> String {
    if here == "/" {
        "/live".to_owned()
    } else if here.starts_with("/?") {
        format!("/live{}", &here[1..])
    } else {
        format!("/live{here}")
    }
}

fn header(snapshot: &Snapshot, viewer: &Viewer, shown: &Shown, (here, clock): (&str, &Markup)) -> Markup {
    html! {
        header.top {
            a.brand href="/" aria-label="Levee, overview" { (icon("levee")) span { "Levee" } }
            nav aria-label="Pages" {
                ul { @for nav in Nav::of(snapshot) {
                    @let (name, path) = nav.link();
                    li { a href=(path) aria-current=[(nav == shown.nav).then_some("page")] { (name) } }
                } }
            }
            div.state {
                @if !shown.still {
                    p.link { span #link { "as of" } " " (clock) }
                    button #pause type="button" hidden aria-pressed="false" { "Pause" }
                }
                (who(viewer, here))
            }
        }
    }
}

fn who(viewer: &Viewer, here: &str) -> Markup {
    match &viewer.rights {
        Rights::ReadOnly(_) => html! { a.quiet href="/login" { "Read-only" } },
        Rights::LoggedOut => html! { a.quiet href={ "/login?next=" (encoded(here)) } { "Log in" } },
        Rights::Acts(known) => html! {
            form method="post" action="/logout" {
                input type="hidden" name="form" value=(known.form);
                button.quiet type="submit" { "Log out" }
            }
        },
    }
}

/// A path as the value of a query.
pub(super) fn encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

/// The mode. What is only counted must not look like what is done.
fn mode(snapshot: &Snapshot) -> Markup {
    match snapshot.kernel.settings.mode {
        Mode::Enforce => html! {},
        Mode::Monitor => html! {
            section.monitor aria-label="Mode" {
                (icon("warn"))
                p {
                    strong { "Mode monitor: nothing is dropped." }
                    " What is counted as dropped or answered here did pass. "
                    code { "agent mode set enforce" } " on the host turns protection on."
                }
            }
        },
    }
}

fn said_of(said: &Said) -> Markup {
    match said {
        Said::Done(done) => html! {
            div.done role="status" {
                p { (icon("yes")) (words::foreign(&done.message)) }
                @for warning in &done.warnings { p.soft { (words::foreign(warning)) } }
            }
        },
        Said::Refused(why) => {
            html! { div.refused role="alert" { p { (icon("warn")) "Not done: " (words::foreign(why)) } } }
        }
    }
}

fn footer(snapshot: &Snapshot) -> Markup {
    html! {
        footer {
            p {
                "Levee " (env!("CARGO_PKG_VERSION")) ", running since " (words::instant(snapshot.started))
                ". Times are in " (words::zone(snapshot.now.wall)) "."
            }
            noscript { p { "Without JavaScript this page does not change by itself: load it again for newer numbers." } }
        }
    }
}

/// One of the symbols of the page: never alone, always beside its word.
pub(super) fn icon(name: &str) -> Markup {
    html! { svg.icon aria-hidden="true" { use href={ "#i-" (name) } {} } }
}

/// Everything that is drawn more than once.
const SYMBOLS: &str = include_str!("assets/symbols.svg");
