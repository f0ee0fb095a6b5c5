//! `agent run`.

use super::context::Context;
use crate::daemon;

/// Protect: attach to the interfaces and stay in the foreground
///
/// Loads the XDP program, takes over what an earlier agent left in the kernel, and serves the control socket. Stopping the
/// agent (Ctrl-C, SIGTERM, kill) leaves protection in place; `agent detach` takes it off. SIGHUP reloads the configuration.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  agent run                              with /etc/levee/agent.toml
  agent --config ./agent.toml run        with another configuration

Needs root, or CAP_NET_ADMIN, CAP_BPF and CAP_PERFMON. CAP_SYS_PTRACE tells it more of the listeners of others.")]
pub(super) struct Args {}

pub(super) async fn run(Args {}: Args, context: &Context) -> anyhow::Result<()> {
    daemon::run(&context.config, context.socket.clone()).await
}
