//! Which page a path is, and what is on it.

use std::net::IpAddr;

use axum::{
    extract::{Query, State},
    http::{HeaderMap, Method, StatusCode, Uri},
    response::{Html, IntoResponse as _, Response},
};
use serde::{Deserialize, de::DeserializeOwned};

use super::{
    Site, address,
    answer::Failure,
    attack, attacks, fleet,
    layout::{self, Shown},
    lists, overview, sources,
    viewer::Viewer,
};
use crate::{control::api::OverviewSort, decide::Refusal, snapshot::Snapshot};

/// The pages that the navigation names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Nav {
    /// All addresses.
    Overview,
    /// All attacks.
    Attacks,
    /// Who sends most.
    Sources,
    /// What is blocked and allowed.
    Lists,
    /// The other nodes; only where there is a fleet.
    Fleet,
    /// None of them.
    None,
}

impl Nav {
    /// All that there can be, in order.
    const ALL: [Self; 5] = [Self::Overview, Self::Attacks, Self::Sources, Self::Lists, Self::Fleet];

    /// Those of a node.
    pub(super) fn of(snapshot: &Snapshot) -> impl Iterator<Item = Self> {
        let is_in_fleet = snapshot.config.fleet.is_some();
        Self::ALL
            .into_iter()
            .filter(move |nav| *nav != Self::Fleet || is_in_fleet)
    }

    /// The word for it and where it is.
    pub(super) const fn link(self) -> (&'static str, &'static str) {
        match self {
            Self::Overview | Self::None => ("Overview", "/"),
            Self::Attacks => ("Attacks", "/attacks"),
            Self::Sources => ("Sources", "/sources"),
            Self::Lists => ("Lists", "/lists"),
            Self::Fleet => ("Fleet", "/fleet"),
        }
    }
}

/// What the overview is asked for. A form sends every field, also those that are empty.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub(super) struct OverviewAsked {
    #[serde(default)]
    pub(super) sort: Option<OverviewSort>,
    #[serde(default)]
    pub(super) filter: String,
    #[serde(default)]
    pub(super) page: usize,
}

/// What other long pages are asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub(super) struct PageAsked {
    #[serde(default)]
    pub(super) filter: String,
    #[serde(default)]
    pub(super) page: usize,
}

/// A page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum View {
    /// All addresses.
    Overview(OverviewAsked),
    /// One of them.
    Address(IpAddr),
    /// All attacks.
    Attacks(PageAsked),
    /// One of them.
    Attack(u64),
    /// Who sends most.
    Sources,
    /// What is blocked and allowed.
    Lists(PageAsked),
    /// The other nodes.
    Fleet(PageAsked),
}

impl View {
    /// The page of a path, with its query.
    pub(super) fn of(path: &str, uri: &Uri) -> Result<Self, Refusal> {
        let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
        match parts.as_slice() {
            [] => Ok(Self::Overview(asked(uri)?)),
            ["address", address] => match address.replace("%3A", ":").replace("%3a", ":").parse::<IpAddr>() {
                Ok(address) => Ok(Self::Address(address.to_canonical())),
                Err(_) => Err(missing("this is not an address")),
            },
            ["attacks"] => Ok(Self::Attacks(asked(uri)?)),
            ["attacks", number] => match number.parse() {
                Ok(number) => Ok(Self::Attack(number)),
                Err(_) => Err(missing("this is not the number of an attack")),
            },
            ["sources"] => Ok(Self::Sources),
            ["lists"] => Ok(Self::Lists(asked(uri)?)),
            ["fleet"] => Ok(Self::Fleet(asked(uri)?)),
            _ => Err(missing("there is no such page")),
        }
    }

    /// Everything that is on it now.
    pub(super) async fn show(&self, site: &Site, viewer: &Viewer) -> Result<Shown, Refusal> {
        let snapshot = site.snapshot();
        match self {
            Self::Overview(asked) => overview::show(&snapshot, asked),
            Self::Address(address) => address::show(site, &snapshot, *address, viewer).await,
            Self::Attacks(asked) => attacks::show(site, &snapshot, asked).await,
            Self::Attack(number) => attack::show(site, &snapshot, *number).await,
            Self::Sources => Ok(sources::show(&snapshot)),
            Self::Lists(asked) => Ok(lists::show(&snapshot, asked, viewer)),
            Self::Fleet(asked) => fleet::show(site, &snapshot, asked).await,
        }
    }

    /// Seconds between two of its updates: a report is a question to the history, with plots, and a list of nodes one to etcd.
    pub(super) const fn every(&self) -> u64 {
        match self {
            Self::Attack(_) | Self::Fleet(_) => 5,
            Self::Attacks(_) => 2,
            Self::Overview(_) | Self::Address(_) | Self::Sources | Self::Lists(_) => 1,
        }
    }
}

fn missing(error: &str) -> Refusal {
    Refusal::not_found(error, None)
}

fn asked<T: DeserializeOwned>(uri: &Uri) -> Result<T, Refusal> {
    let Query(asked) = Query::try_from_uri(uri).map_err(|error| {
        Refusal::invalid(
            format!("the address of this page is not understood: {error}"),
            "begin at the overview",
        )
    })?;
    Ok(asked)
}

/// Any page.
pub(super) async fn show(
    State(site): State<Site>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    if !matches!(method, Method::GET | Method::HEAD) {
        let refusal = Refusal::invalid("pages are only read", "forms are sent from pages");
        return Err(Failure::new(StatusCode::METHOD_NOT_ALLOWED, refusal));
    }
    let view = View::of(uri.path(), &uri)?;
    let viewer = Viewer::of(&site, &headers, true);
    let mut shown = view.show(&site, &viewer).await?;
    shown.said = viewer.cookie.as_deref().and_then(|cookie| site.sessions.said(cookie));
    let here = uri.path_and_query().map_or("/", |here| here.as_str());
    let page = layout::page(&site.snapshot(), &viewer, &shown, here);
    Ok(Html(page.into_string()).into_response())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view(uri: &'static str) -> Result<View, Refusal> {
        let uri = Uri::from_static(uri);
        View::of(uri.path(), &uri)
    }

    #[test]
    fn paths_are_pages() {
        let address = |text: &str| Ok(View::Address(text.parse().expect("address")));
        assert_eq!(view("/"), Ok(View::Overview(OverviewAsked::default())));
        assert_eq!(view("/address/203.0.113.7"), address("203.0.113.7"));
        assert_eq!(view("/address/2001:db8::7"), address("2001:db8::7"));
        assert_eq!(view("/address/2001%3Adb8%3A%3A7"), address("2001:db8::7"));
        assert_eq!(view("/attacks/12"), Ok(View::Attack(12)));
        let asked = OverviewAsked {
            sort: Some(OverviewSort::Syn),
            filter: "203.0.113.0/24".to_owned(),
            page: 2,
        };
        assert_eq!(
            view("/?sort=syn&filter=203.0.113.0%2F24&page=2"),
            Ok(View::Overview(asked))
        );
    }

    #[test]
    fn what_is_no_page_is_refused() {
        for uri in [
            "/nothing",
            "/address/x",
            "/attacks/x",
            "/attacks/1/2",
            "/?sort=colour",
            "/?page=-1",
        ] {
            assert!(view(uri).is_err(), "{uri}");
        }
    }
}
