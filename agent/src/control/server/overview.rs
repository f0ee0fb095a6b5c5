//! What a person looks at, and what a command would do. The page asks the same of the [`Handle`] as others do by the socket.

use std::net::IpAddr;

use axum::{
    Extension, Json,
    extract::{Path, State},
};

use super::{Answer, Asked, Body, Handle, attacks::ask};
use crate::{
    clock::Now,
    command::Command,
    config::fleet::Scope,
    control::{
        api::{AddressView, AttacksQuery, OverviewQuery, OverviewView, PreviewRequest, PreviewView},
        peer::Actor,
        view,
    },
    decide::{
        Refusal, Upward, World,
        changes::{Case, changes},
    },
    host::HostFacts,
};

/// Attacks of an address that are told.
const ATTACKS: usize = 10;

pub(super) async fn overview(State(handle): State<Handle>, Asked(query): Asked<OverviewQuery>) -> Answer<OverviewView> {
    Ok(Json(view::overview(&handle.snapshot(), &query)?))
}

pub(super) async fn address(State(handle): State<Handle>, Path(address): Path<String>) -> Answer<AddressView> {
    let address = address.parse().map_err(|_| {
        Refusal::invalid(
            format!("\"{address}\" is not an address"),
            "give one address, such as 203.0.113.7 or 2001:db8::7",
        )
    })?;
    Ok(Json(handle.address(address).await?))
}

pub(super) async fn preview(
    State(handle): State<Handle>,
    Extension(Actor(actor)): Extension<Actor>,
    Body(request): Body<PreviewRequest>,
) -> Answer<PreviewView> {
    Ok(Json(handle.preview(request, &actor).await?))
}

impl Handle {
    /// One address closely.
    ///
    /// # Errors
    /// If it is not protected, or the history cannot be read.
    pub async fn address(&self, address: IpAddr) -> Result<AddressView, Refusal> {
        let address = address.to_canonical();
        let attacks = ask(&self.history, move |reader| {
            let mut attacks = view::latest_attacks(reader, AttacksQuery::default())?;
            attacks.retain(|attack| view::suffers(attack, address));
            attacks.truncate(ATTACKS);
            Ok(attacks)
        });
        // Protection matters more than its history: without it the address is still told.
        let attacks = attacks.await.unwrap_or_default();
        view::address(&self.snapshot(), address, attacks)
    }

    /// What a command would do, without doing it.
    ///
    /// # Errors
    /// The refusal that the command itself would have.
    pub async fn preview(&self, request: PreviewRequest, actor: &str) -> Result<PreviewView, Refusal> {
        let failed = |error: anyhow::Error| Refusal::failed(format!("{error:#}"));
        let host = HostFacts::read().await.map_err(failed)?;
        let snapshot = self.snapshot();
        let command = Command::from(request);
        let scope = self.scope(command.whom().and_then(|(asked, _)| asked))?;
        let elsewhere = match scope {
            Scope::Node => Vec::new(),
            Scope::Fleet => self.elsewhere().await,
        };
        let case = Case {
            actor,
            world: World {
                now: Now::read(),
                kernel: &snapshot.kernel,
                host: &host,
                config_list: &snapshot.config.list,
                block_ttl: snapshot.config.block_ttl,
                overrides: &snapshot.overrides,
                upstream: Some(Upward {
                    config: &snapshot.config,
                    state: &snapshot.upstream,
                }),
                elsewhere: &elsewhere,
                stores: &snapshot.fleet.stores,
            },
            config: &snapshot.config,
            watched: &snapshot.watched,
        };
        let (changes, mut done) = changes(&command, &case)?;
        if scope == Scope::Fleet {
            let warning = "it holds on all nodes of the fleet; whom it reaches is told of this node alone";
            done.warnings.insert(0, warning.to_owned());
        }
        let asked = snapshot.clone();
        let reach = tokio::task::spawn_blocking(move || view::reach(&asked, &changes));
        let reach = reach.await.map_err(|error| failed(error.into()))?;
        Ok(PreviewView {
            command: command.describe(),
            done,
            reach: reach
                .map_err(|error| Refusal::failed(format!("cannot see the open connections of this host: {error}")))?,
        })
    }
}

impl From<PreviewRequest> for Command {
    fn from(request: PreviewRequest) -> Self {
        match request {
            PreviewRequest::Block(request) => Self::Block(request),
            PreviewRequest::Unblock(request) => Self::Unblock(request),
            PreviewRequest::Allow(request) => Self::Allow(request),
            PreviewRequest::Unallow(request) => Self::Unallow(request),
            PreviewRequest::Rung(request) => Self::SetRung(request),
            PreviewRequest::Mode(request) => Self::SetMode(request),
        }
    }
}
