//! What would become of a packet: the judge is asked beside the engine, which must not wait for the verifier.

use std::sync::Arc;

use axum::{Json, extract::State};

use super::{Answer, Body, Handle};
use crate::{
    clock::Now,
    control::{
        api::{ExplainRequest, ExplainView},
        view::CONFIGURATION,
    },
    decide::Refusal,
    explain::{Facts, probe, story},
    tables::ListHead,
};

pub(super) async fn explain(State(handle): State<Handle>, Body(request): Body<ExplainRequest>) -> Answer<ExplainView> {
    let snapshot = handle.snapshot();
    let probe = probe::of(&request, |address| snapshot.kernel.addresses.contains_key(&address))?;
    let frame = probe.frame(probe::sequence()?);
    let explainer = Arc::clone(&handle.explainer);
    let asked = tokio::task::spawn_blocking(move || explainer.explain(&frame))
        .await
        .map_err(|error| Refusal::failed(format!("the question was not answered: {error}")))?;
    let explanations = asked.map_err(Refusal::from)?;
    let lists: Vec<ListHead> = snapshot.list_packets.iter().map(|list| list.head.clone()).collect();
    let facts = Facts {
        now: Now::read(),
        kernel: &snapshot.kernel,
        overrides: &snapshot.overrides,
        otherwise: CONFIGURATION,
        meter: Some(&snapshot.meter),
        lists: &lists,
        links: &snapshot.links,
    };
    Ok(Json(story(
        &probe,
        &explanations,
        request.interface.as_deref(),
        &facts,
    )?))
}
