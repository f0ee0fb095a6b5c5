//! `agent listeners`.

use super::{
    context::Context,
    direct::{Direct, NOT_RUNNING},
    print,
};
use crate::{control::api::ListenersView, tables::Listener};

/// Show what the XDP program believes of this host's listeners: what its SYN-ACKs say for them
///
/// The agent looks at the sockets and sysctls of its network namespace each second. Only listeners of protected addresses
/// that this host has are shown. Works while the agent is dead, from the kernel's maps; then they may be old.
#[derive(Debug, clap::Args)]
pub(super) struct Args {}

pub(super) async fn run(Args {}: Args, context: &Context) -> anyhow::Result<()> {
    let view: ListenersView = match context.agent_if_running().await? {
        Some(agent) => agent.get("/v1/listeners", &()).await?,
        None => {
            let view = Direct::to_read(context).await?.listeners();
            eprintln!("warning: {NOT_RUNNING}");
            view
        }
    };
    if context.json {
        return print::json(&view);
    }
    show(&view);
    Ok(())
}

fn show(view: &ListenersView) {
    if view.listeners.is_empty() {
        println!("Nobody listens on a protected address of this host.");
    } else {
        let headings = ["ADDRESS", "PORT", "MSS", "WINDOW", "SCALE", "TIMESTAMPS", "SACK", "ECN"];
        let mut table = print::table(&headings, &[1, 2, 3, 4]);
        for listener in &view.listeners {
            table.add_row(row(listener));
        }
        print::print(&table);
    }
    for (name, value) in &view.sysctls {
        println!("{name} = {value}");
    }
}

fn row(listener: &Listener) -> [String; 8] {
    let facts = &listener.facts;
    let yes = |taken: bool| if taken { "yes" } else { "no" }.to_owned();
    // A cookie has room for these three in its timestamp only.
    let with_timestamps = |taken: bool| yes(facts.timestamps && taken);
    let scale = if facts.timestamps && facts.window_scaling {
        facts.window_scale.to_string()
    } else {
        "-".to_owned()
    };
    [
        listener.address.to_string(),
        listener.port.to_string(),
        facts.mss.to_string(),
        facts.window.to_string(),
        scale,
        yes(facts.timestamps),
        with_timestamps(facts.sack),
        with_timestamps(facts.ecn),
    ]
}
