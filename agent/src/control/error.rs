//! Refusals as HTTP answers: the status says what sort, the body says what and the way out.

use axum::{
    Json,
    http::StatusCode,
    response::{IntoResponse, Response},
};

use super::api::ApiError;
use crate::decide::{Refusal, refusal::Kind};

/// A refusal on its way out of the control socket.
#[derive(Debug)]
pub(super) struct Failure(pub(super) Refusal);

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        Self(refusal)
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let Refusal { kind, error, hint } = self.0;
        (status_of(kind), Json(ApiError { error, hint })).into_response()
    }
}

const fn status_of(kind: Kind) -> StatusCode {
    match kind {
        Kind::Invalid => StatusCode::BAD_REQUEST,
        Kind::Conflict => StatusCode::CONFLICT,
        Kind::Forbidden => StatusCode::FORBIDDEN,
        Kind::NotFound => StatusCode::NOT_FOUND,
        Kind::Failed => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

/// The other way round, for the client.
pub(super) const fn kind_of(status: StatusCode) -> Kind {
    match status {
        StatusCode::BAD_REQUEST => Kind::Invalid,
        StatusCode::CONFLICT => Kind::Conflict,
        StatusCode::FORBIDDEN => Kind::Forbidden,
        StatusCode::NOT_FOUND => Kind::NotFound,
        _ => Kind::Failed,
    }
}
