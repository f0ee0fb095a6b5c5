//! `agent notify`.

use super::{context::Context, print};
use crate::{
    config,
    control::{
        api::{EndpointView, TestRequest, TestView},
        client::ClientError,
    },
    decide::Refusal,
    host::HostFacts,
    notify::Notifier,
};

/// Show who is told what happens, and whether they take it; send a test
///
/// Each [[notify]] section of the configuration is an endpoint with a queue of its own.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  agent notify                   every endpoint: when it took something last, what waits, what was lost
  agent notify test              send a test to all of them, and tell what each answers
  agent notify test on-call      to one

QUEUED waits or is on its way. FAILED was given up after all attempts. DROPPED was the oldest of a full queue.
REPEATED was not sent, because it said what was said last. `test` makes one attempt each, past the queues, and
exits with 1 if any fails; while the agent is dead it is made from here, with this shell's environment.")]
pub(super) struct Args {
    #[command(subcommand)]
    action: Option<Action>,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Send a test, and tell what the endpoint answers
    Test {
        /// One endpoint; all when left out
        #[arg(value_name = "NAME")]
        name: Option<String>,
    },
}

pub(super) async fn run(args: Args, context: &Context) -> anyhow::Result<()> {
    match args.action {
        Some(Action::Test { name }) => test(name, context).await,
        None => show_all(context).await,
    }
}

async fn show_all(context: &Context) -> anyhow::Result<()> {
    let endpoints: Vec<EndpointView> = context.agent().await?.get("/v1/notify", &()).await?;
    if context.json {
        return print::json(&endpoints);
    }
    if endpoints.is_empty() {
        println!("Nobody is told: the configuration has no [[notify]] section.");
        return Ok(());
    }
    let headings = [
        "ENDPOINT",
        "KIND",
        "FROM",
        "QUEUED",
        "SENT",
        "FAILED",
        "DROPPED",
        "REPEATED",
        "LAST SUCCESS",
        "LAST FAILURE",
        "TO",
    ];
    let mut table = print::table(&headings, &[3, 4, 5, 6, 7]);
    for view in &endpoints {
        table.add_row([
            view.name.clone(),
            view.kind.name().to_owned(),
            view.severity.to_string(),
            view.queued.to_string(),
            view.sent.to_string(),
            view.failed.to_string(),
            view.dropped.to_string(),
            view.repeated.to_string(),
            print::until(view.last_success),
            print::until(view.last_failure),
            print::clean(&view.to),
        ]);
    }
    print::print(&table);
    for view in &endpoints {
        if let Some(problem) = &view.problem {
            println!("{}: the latest attempt failed: it {}", view.name, print::clean(problem));
        }
    }
    Ok(())
}

async fn test(name: Option<String>, context: &Context) -> anyhow::Result<()> {
    let tests = match context.agent_if_running().await? {
        Some(agent) => {
            let request = TestRequest { name };
            let sent = agent.send_json(reqwest::Method::POST, "/v1/notify/test", &request);
            sent.await.map_err(|error: ClientError| anyhow::Error::from(error))?
        }
        None => {
            let config = config::load(&context.config, &HostFacts::read().await?)?;
            eprintln!("warning: the agent is not running: the test is made from here, with this shell's environment");
            Notifier::default().test_each(&config.notify, name.as_deref()).await?
        }
    };
    tell(&tests, context.json)?;
    let failed: Vec<&str> = tests
        .iter()
        .filter(|test| !test.succeeded)
        .map(|test| &*test.name)
        .collect();
    if failed.is_empty() {
        return Ok(());
    }
    let error = format!("{} did not take the test", failed.join(", "));
    let hint = "the answer says why; what is in the configuration holds from `agent reload` on";
    Err(Refusal {
        hint: Some(hint.to_owned()),
        ..Refusal::failed(error)
    }
    .into())
}

fn tell(tests: &[TestView], as_json: bool) -> anyhow::Result<()> {
    if as_json {
        return print::json(&tests);
    }
    let mut table = print::table(&["ENDPOINT", "KIND", "TOOK IT", "MS", "TO", "ANSWER"], &[3]);
    for test in tests {
        table.add_row([
            test.name.clone(),
            test.kind.name().to_owned(),
            if test.succeeded { "yes" } else { "no" }.to_owned(),
            test.milliseconds.to_string(),
            print::clean(&test.to),
            print::clean(&test.answer),
        ]);
    }
    print::print(&table);
    Ok(())
}
