//! One attempt to hand a parcel over.

use std::time::Duration;

use reqwest::Client;

use super::{hook, message::Parcel, web};
use crate::config::notify::{Endpoint, To};

/// It was taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// What the endpoint said, for people.
    pub answer: String,
}

/// It was not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// Why, for people, without secrets.
    pub why: String,
    /// Another attempt may do better.
    pub again: bool,
    /// The endpoint asked for so much time before it.
    pub after: Option<Duration>,
}

impl Failure {
    /// One that another attempt may mend.
    pub(super) fn passing(why: impl Into<String>) -> Self {
        Self {
            why: why.into(),
            again: true,
            after: None,
        }
    }

    /// One that another attempt meets again.
    pub(super) fn lasting(why: impl Into<String>) -> Self {
        Self {
            why: why.into(),
            again: false,
            after: None,
        }
    }
}

/// Makes one attempt, within the endpoint's time.
///
/// # Errors
/// Why it was not taken.
pub async fn deliver(endpoint: &Endpoint, client: Option<&Client>, parcel: &Parcel) -> Result<Delivery, Failure> {
    match &endpoint.to {
        To::Web { url, bearer, headers } => {
            let client = client.ok_or_else(|| Failure::lasting("TLS cannot be set up on this host"))?;
            let address = web::Address {
                url,
                bearer: bearer.as_ref(),
                headers,
            };
            web::post(endpoint, client, address, parcel).await
        }
        To::Command { command, environment } => hook::run(endpoint, command, environment, parcel).await,
    }
}
