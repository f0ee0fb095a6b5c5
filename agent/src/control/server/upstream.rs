//! The network above: how things stand, and an answer to who asks for it once BIRD announces it, or does not.

use std::{net::IpAddr, time::Duration};

use axum::{Json, extract::State};
use ipnet::IpNet;

use super::Handle;
use crate::{
    command::Command,
    control::{
        api::{Done, UpstreamView},
        view,
    },
    decide::Refusal,
    ladder::Rung,
    upstream::{RouteState, UpstreamState},
};

/// Who asks waits for so long until BIRD announces it.
const PATIENCE: Duration = Duration::from_secs(8);

pub(super) async fn upstream(State(handle): State<Handle>) -> Json<UpstreamView> {
    Json(view::upstream(&handle.snapshot()))
}

impl Handle {
    /// Has a command carried out as [`Self::order`] does; where it puts something on the rung `upstream`, the answer comes once BIRD
    /// announces it.
    ///
    /// # Errors
    /// The command is refused. Or BIRD does not announce it: the addresses stay on the rung, nothing new gets in here, and it is
    /// tried again.
    pub async fn order_until_announced(&self, command: Command, actor: String) -> Result<Done, Refusal> {
        let is_upstream = matches!(&command, Command::SetRung(request) if request.rung == Some(Rung::Upstream));
        let done = self.order(command, actor).await?;
        // Another node may protect it, and its own BIRD is asked.
        let snapshot = self.snapshot();
        let is_here = |net: &IpNet| snapshot.kernel.addresses.contains_key(&net.addr());
        if is_upstream && done.targets.iter().all(is_here) {
            return self.until_announced(done).await;
        }
        Ok(done)
    }

    async fn until_announced(&self, done: Done) -> Result<Done, Refusal> {
        let mut snapshots = self.snapshots.clone();
        let addresses: Vec<IpAddr> = done.targets.iter().map(IpNet::addr).collect();
        let is_settled = |state: &UpstreamState| addresses.iter().all(|address| is_settled(state, *address));
        let waited = tokio::time::timeout(PATIENCE, snapshots.wait_for(|snapshot| is_settled(&snapshot.upstream)));
        // Late, or the agent is stopping: what is known now is the answer.
        let _ = waited.await;
        let state = self.snapshot().upstream.clone();
        match addresses.iter().find_map(|address| missing(&state, *address)) {
            None => Ok(done),
            Some(why) => Err(Refusal::failed(format!(
                "{} Yet the network above is not asked: {why}. It is tried again and again; `agent upstream` shows how it stands, \
                 `agent rung ADDR auto` takes it back",
                done.message
            ))),
        }
    }
}

fn is_settled(state: &UpstreamState, address: IpAddr) -> bool {
    let route = state.routes.get(&address);
    route.is_some_and(|route| route.state != RouteState::Asked || state.problem.is_some())
}

/// Why an address is not announced.
fn missing(state: &UpstreamState, address: IpAddr) -> Option<String> {
    match state.routes.get(&address).map(|route| &route.state) {
        Some(RouteState::Announced { .. }) => None,
        Some(RouteState::Refused(why)) => Some(why.clone()),
        Some(RouteState::Asked) | None => Some(state.problem.clone().unwrap_or_else(|| {
            let sessions = match state.sessions.len() {
                0 => "none of its BGP sessions is up".to_owned(),
                _ => format!(
                    "of its sessions, {}, none that counts exports it",
                    state.sessions.join(", ")
                ),
            };
            format!("BIRD has the route, and {sessions}")
        })),
    }
}
