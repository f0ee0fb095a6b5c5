//! Server-sent events: once a second, the parts of the open page that have changed. Nothing is kept for who is slow: the next event is
//! made when the last one was taken.

use std::{
    collections::HashMap,
    convert::Infallible,
    hash::{DefaultHasher, Hash as _, Hasher as _},
    sync::Arc,
    time::Duration,
};

use axum::{
    extract::State,
    http::{HeaderMap, StatusCode, Uri},
    response::{IntoResponse as _, Response, Sse, sse::Event},
};
use futures_util::stream::{self, Stream};
use serde::Serialize;
use tokio::{
    sync::{OwnedSemaphorePermit, watch},
    time::{Instant, sleep_until, timeout},
};

use super::{Site, answer::Failure, assets, banner, layout, view::View, viewer::Viewer};
use crate::{decide::Refusal, snapshot::Snapshot};

/// A page that lost us tries again after so long.
const RETRY: Duration = Duration::from_secs(1);
/// Without news there is a sign of life.
const ALIVE: Duration = Duration::from_secs(2);
/// A stream ends after so long, and the page begins another one: what a proxy or a browser holds open for nobody goes.
const LONGEST: Duration = Duration::from_secs(30 * 60);

/// What an event carries.
#[derive(Debug, Serialize)]
struct News {
    /// The build that made it: a page of another one loads itself anew.
    build: String,
    /// Parts that have changed, by name.
    parts: HashMap<&'static str, String>,
    /// Attacks that go on, by number.
    attacks: String,
    /// How old the numbers are, in seconds.
    age: i64,
    /// Why the page cannot be shown any more.
    gone: Option<String>,
}

/// One page that follows.
struct Follower {
    site: Site,
    view: View,
    headers: HeaderMap,
    snapshots: watch::Receiver<Arc<Snapshot>>,
    /// What it was sent last, by part.
    sent: HashMap<&'static str, u64>,
    /// Not before then.
    next: Instant,
    end: Instant,
    _place: OwnedSemaphorePermit,
}

pub(super) async fn follow(State(site): State<Site>, uri: Uri, headers: HeaderMap) -> Result<Response, Failure> {
    let path = uri.path().strip_prefix("/live").unwrap_or_default();
    let view = View::of(path, &uri)?;
    let place = Arc::clone(&site.live).try_acquire_owned().map_err(|_| {
        let refusal = Refusal::conflict(
            "too many pages follow already",
            "close some; this one still shows, and tries again",
        );
        Failure::later(StatusCode::SERVICE_UNAVAILABLE, refusal, 10)
    })?;
    let now = Instant::now();
    let follower = Follower {
        snapshots: site.handle.snapshots.clone(),
        site,
        view,
        headers,
        sent: HashMap::new(),
        next: now,
        end: now + LONGEST,
        _place: place,
    };
    Ok(Sse::new(events(follower)).into_response())
}

fn events(follower: Follower) -> impl Stream<Item = Result<Event, Infallible>> {
    stream::unfold(follower, |mut follower| async move {
        let event = follower.event().await?;
        Some((Ok(event), follower))
    })
}

impl Follower {
    /// The next event; none once the stream has lasted long enough or the agent stops.
    async fn event(&mut self) -> Option<Event> {
        sleep_until(self.next).await;
        let now = Instant::now();
        if now >= self.end {
            return None;
        }
        if !self.sent.is_empty() {
            match timeout(ALIVE, self.snapshots.changed()).await {
                Ok(Ok(())) => {}
                Ok(Err(_)) => return None,
                // The engine should have had something new: the page hears at least that we are here, and how old the numbers are.
                Err(_) => {}
            }
        }
        self.snapshots.mark_unchanged();
        self.next = Instant::now() + Duration::from_secs(self.view.every());
        let news = self.news().await;
        let event = Event::default().retry(RETRY).json_data(&news);
        // Strings in a map are always JSON.
        Some(event.unwrap_or_default())
    }

    async fn news(&mut self) -> News {
        let viewer = Viewer::of(&self.site, &self.headers, false);
        let snapshot = self.site.snapshot();
        let (own, gone) = match self.view.show(&self.site, &viewer).await {
            Ok(shown) => (shown.parts.into_inner(), None),
            Err(refusal) => (Vec::new(), Some(refusal.to_string())),
        };
        let common = layout::common(&snapshot).map(|(name, part)| (name, part.into_string()));
        let parts = own
            .into_iter()
            .chain(common)
            .filter(|(name, part)| self.is_new(name, part))
            .collect();
        News {
            build: assets::build(),
            parts,
            attacks: banner::open(&snapshot),
            age: jiff::Timestamp::now().duration_since(snapshot.meter.at.wall).as_secs(),
            gone,
        }
    }

    fn is_new(&mut self, name: &'static str, part: &str) -> bool {
        let mut hasher = DefaultHasher::new();
        part.hash(&mut hasher);
        let hash = hasher.finish();
        self.sent.insert(name, hash) != Some(hash)
    }
}
