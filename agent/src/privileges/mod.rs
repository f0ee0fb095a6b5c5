//! Rights that the start needed and the rest of the agent's life does not: given up once it protects, by every thread, for ever.
//!
//! Three layers, because each stops what the others let pass:
//! - [`keep`]: capabilities. What is kept is what packets, lists, captures and listeners need.
//! - [`files`]: Landlock. Root without capabilities still owns /etc; this leaves it its own directories to write to.
//! - [`filter`]: seccomp. System calls that neither of the two is about, and what an exploit of the kernel begins with.
//!
//! Commands of `[[notify]]` inherit all of it, and have no capabilities at all: a hook that must do more hands over to a service of
//! its own. A helper that was forked before, with all rights, would have to believe whatever a broken agent tells it.

mod files;
mod filter;
mod keep;
mod threads;

use std::sync::OnceLock;

use crate::{config::Config, control::api::PrivilegesView};

/// What became of it, for who asks.
static OUTCOME: OnceLock<PrivilegesView> = OnceLock::new();

/// What this process gave up; `None` as long as it has not.
#[must_use]
pub fn outcome() -> Option<PrivilegesView> {
    OUTCOME.get().cloned()
}

/// Gives up what is not needed any more. What could not be given up is in the result, in sentences: protection matters more, so the
/// agent runs on.
#[must_use]
pub fn drop(config: &Config) -> Vec<String> {
    if !config.privileges.drop {
        let _ = OUTCOME.set(PrivilegesView::default());
        return vec!["privileges.drop is false: the agent keeps every right that it was started with".to_owned()];
    }
    let (outcome, warnings) = drop_all(config);
    tracing::info!(
        capabilities = outcome.capabilities.join(","),
        "gave up what is not needed any more"
    );
    let _ = OUTCOME.set(outcome);
    warnings
}

fn drop_all(config: &Config) -> (PrivilegesView, Vec<String>) {
    let mut warnings = Vec::new();
    let kept = keep::of(config);
    let ruleset = files::ruleset(config).unwrap_or_else(|why| {
        warnings.push(format!("the agent may still write to every file of its user: {why}"));
        None
    });
    let everywhere = threads::drop(&threads::Order {
        keep: keep::bits(&kept),
        ruleset: ruleset.as_ref(),
    });
    if let Err(why) = &everywhere {
        warnings.push(format!("the agent keeps rights that it does not need: {why}"));
    }
    let filtered = filter::apply(kept.contains(&caps::Capability::CAP_SYS_PTRACE));
    if let Err(why) = &filtered {
        warnings.push(format!("the agent's system calls are not filtered: {why}"));
    }
    let view = PrivilegesView {
        dropped: everywhere.is_ok(),
        capabilities: keep::now(),
        seccomp: filtered.is_ok(),
        landlock: ruleset.is_some() && everywhere.is_ok(),
    };
    (view, warnings)
}
