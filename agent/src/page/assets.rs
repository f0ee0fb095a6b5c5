//! Style, script and icon: files of ours, in the program. Their names carry their content's hash, so a browser asks for each once.

use std::sync::LazyLock;

use axum::{
    extract::Path,
    http::{StatusCode, header},
    response::{IntoResponse as _, Response},
};
use ring::digest::{SHA256, digest};

use super::answer;

/// One file.
pub(super) struct Asset {
    stem: &'static str,
    extension: &'static str,
    content_type: &'static str,
    content: &'static str,
    hash: LazyLock<String>,
}

/// How everything looks.
pub(super) static STYLE: Asset = Asset {
    stem: "page",
    extension: "css",
    content_type: "text/css; charset=utf-8",
    content: concat!(include_str!("assets/page.css"), include_str!("../report/plots.css")),
    hash: LazyLock::new(|| hash(STYLE.content)),
};
/// Keeps the page live.
pub(super) static SCRIPT: Asset = Asset {
    stem: "page",
    extension: "js",
    content_type: "text/javascript; charset=utf-8",
    content: include_str!("assets/page.js"),
    hash: LazyLock::new(|| hash(SCRIPT.content)),
};
/// A levee.
pub(super) static ICON: Asset = Asset {
    stem: "icon",
    extension: "svg",
    content_type: "image/svg+xml",
    content: include_str!("assets/icon.svg"),
    hash: LazyLock::new(|| hash(ICON.content)),
};

impl Asset {
    fn name(&self) -> String {
        format!("{}-{}.{}", self.stem, *self.hash, self.extension)
    }

    /// Where it is.
    pub(super) fn path(&self) -> String {
        format!("/assets/{}", self.name())
    }
}

/// What tells this build of the page from another: a page that meets another one loads itself anew.
pub(super) fn build() -> String {
    format!("{}-{}", *STYLE.hash, *SCRIPT.hash)
}

fn hash(content: &str) -> String {
    let hash = digest(&SHA256, content.as_bytes());
    hash.as_ref().iter().take(6).map(|byte| format!("{byte:02x}")).collect()
}

pub(super) async fn get(Path(name): Path<String>) -> Response {
    match [&STYLE, &SCRIPT, &ICON].into_iter().find(|asset| asset.name() == name) {
        Some(asset) => {
            let headers = [
                (header::CONTENT_TYPE, asset.content_type),
                (header::CACHE_CONTROL, "public, max-age=31536000, immutable"),
            ];
            (headers, asset.content).into_response()
        }
        None => answer::bare(StatusCode::NOT_FOUND, "there is no such file"),
    }
}
