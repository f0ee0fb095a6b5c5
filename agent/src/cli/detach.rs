//! `agent detach`.

use reqwest::Method;

use super::{context::Context, print};
use crate::{control::api::Done, engine, kernel::Kernel, lock::Lock, tables::KernelTables as _};

/// Take protection off: the one way to remove the program from the interfaces
///
/// Removes the program from every interface, and every pinned map; a running agent stops. Blocks, allows and thresholds stay in
/// the ledger and are put back by the next `agent run`. Works while the agent is dead.
#[derive(Debug, clap::Args)]
pub(super) struct Args {}

pub(super) async fn run(Args {}: Args, context: &Context) -> anyhow::Result<()> {
    let done: Done = match context.agent_if_running().await? {
        Some(agent) => agent.send_json(Method::POST, "/v1/detach", &()).await?,
        None => without_agent(context)?,
    };
    print::done(&done, context.json)
}

fn without_agent(context: &Context) -> anyhow::Result<Done> {
    let bpffs = context.file_or_defaults().kernel.bpffs;
    let mut kernel = Kernel::open(&bpffs)?;
    let _lock = Lock::on(&Lock::directory_of_maps(&bpffs))?;
    let interfaces: Vec<String> = kernel.links()?.into_iter().map(|link| link.interface).collect();
    kernel.detach_all()?;
    Ok(engine::detached(&interfaces))
}
