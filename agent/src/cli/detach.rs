//! `agent detach`.

use std::path::Path;

use reqwest::Method;

use super::{context::Context, print};
use crate::{
    clock::Now,
    control::api::Done,
    engine,
    host::{Sysctls, ThisHost},
    kernel,
    ledger::Ledger,
    lock::Lock,
    sysctls::{self, PutBack},
};

/// Take protection off: the one way to remove the program from the interfaces
///
/// Removes the programs from every interface and from the kernel's tracepoint, and every pinned map; a running agent stops.
/// Sysctls that the agent set (verify.set_sysctls) are put back as they were. Blocks, allows, thresholds and rungs stay in the
/// ledger and are put back by the next `agent run`. Works while the agent is dead.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  agent detach
  agent detach --if-attached             in scripts: where nothing is attached, all is well

Exit codes: 0 taken off, 1 nothing was attached (not with --if-attached), or it failed.")]
pub(super) struct Args {
    /// Nothing to take off is no failure
    #[arg(long)]
    if_attached: bool,
}

pub(super) async fn run(args: Args, context: &Context) -> anyhow::Result<()> {
    let done: Done = match context.agent_if_running().await? {
        Some(agent) => agent.send_json(Method::POST, "/v1/detach", &()).await?,
        None if args.if_attached && kernel::anything_pinned(&context.file_or_defaults().kernel.bpffs).is_err() => {
            Done {
                message: "nothing was attached".to_owned(),
                ..Done::default()
            }
        }
        None => without_agent(context)?,
    };
    print::done(&done, context.json)
}

fn without_agent(context: &Context) -> anyhow::Result<Done> {
    let file = context.file_or_defaults();
    kernel::anything_pinned(&file.kernel.bpffs)?;
    let _lock = Lock::on(&Lock::directory_of_maps(&file.kernel.bpffs))?;
    let interfaces = kernel::take_off(&file.kernel.bpffs)?;
    let mut done = engine::detached(&interfaces);
    let put_back = put_sysctls_back(&file.state.directory)?;
    done.changes.extend(put_back.changes);
    done.warnings.extend(put_back.warnings);
    Ok(done)
}

/// Where there is a ledger, it knows what was set.
fn put_sysctls_back(directory: &Path) -> anyhow::Result<PutBack> {
    if !directory.exists() {
        return Ok(PutBack::default());
    }
    let _lock = Lock::on(directory)?;
    let (mut ledger, warnings) = Ledger::open(directory, Now::read().wall);
    let put_back = sysctls::put_back(&mut ledger, &ThisHost, &Sysctls::read());
    Ok(PutBack {
        warnings: warnings.into_iter().chain(put_back.warnings).collect(),
        ..put_back
    })
}
