//! `threshold set`, `threshold unset` and `mode set`.

use super::{Refusal, World, block::expiry, check_reason, elsewhere, say};
use crate::{
    clock::Expiry,
    config::units::Ttl,
    control::api::{Done, ModeRequest, ThresholdRequest},
    overrides::{NoSuchTarget, Overrides, ThresholdTarget},
    tables::Mode,
};

/// A decision with its end and the words for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision<T> {
    /// What is set.
    pub what: T,
    /// When it ends by itself.
    pub until: Option<Expiry>,
    /// The answer once it is done.
    pub done: Done,
}

/// Decides what `threshold set` does.
///
/// # Errors
/// A target without a threshold, or nothing to set.
pub fn set(request: &ThresholdRequest, world: &World<'_>) -> Result<Decision<ThresholdTarget>, Refusal> {
    check_reason(request.reason.as_deref())?;
    let target = target(&request.target, world)?;
    if target == ThresholdTarget::Source && !request.vectors.is_empty() {
        return Err(Refusal::invalid(
            "sources have a SYN rate only",
            "give an address, or `address` for every address without rates of its own",
        ));
    }
    if let ThresholdTarget::Group(prefix) = target
        && request.syn_burst.is_some()
        && request.syn_rate.is_none()
        && world
            .kernel
            .groups
            .get(&prefix)
            .is_some_and(|group| group.limit.is_none())
    {
        return Err(Refusal::invalid(
            format!("the group {prefix} has no SYN rate that a burst could be of"),
            "give --syn-rate, too",
        ));
    }
    let what = what(request)?;
    let until = expiry(request.ttl.unwrap_or(Ttl::Never), world);
    let message = format!(
        "Set the threshold of {} to {what} {}.",
        name(target),
        say::until(until, world.now)
    );
    let done = Done {
        message,
        until: until.map(|until| until.wall),
        ..Done::default()
    };
    Ok(Decision {
        what: target,
        until,
        done,
    })
}

/// What is set, in words.
fn what(request: &ThresholdRequest) -> Result<String, Refusal> {
    let syn = match (request.syn_rate, request.syn_burst) {
        (Some(rate), Some(burst)) => Some(format!("{rate} with a burst of {burst}")),
        (Some(rate), None) => Some(format!("{rate}")),
        (None, Some(burst)) => Some(format!("a burst of {burst}")),
        (None, None) => None,
    };
    let vectors = (!request.vectors.is_empty()).then(|| request.vectors.to_string());
    let words: Vec<String> = syn.into_iter().chain(vectors).collect();
    if words.is_empty() {
        return Err(Refusal::invalid(
            "nothing to set",
            "give --syn-rate, such as 20k/s, or --syn-burst, or a rate of a vector, such as --udp-packets 20k/s",
        ));
    }
    Ok(words.join(", "))
}

/// Decides what `threshold unset` does.
///
/// # Errors
/// A target that has no run-time threshold.
pub fn unset(target_text: &str, overrides: &Overrides) -> Result<(ThresholdTarget, Done), Refusal> {
    let target: ThresholdTarget = parse(target_text)?;
    if !overrides.thresholds.contains_key(&target) {
        let error = format!("the threshold of {} was not set at run time", name(target));
        return Err(Refusal::not_found(
            error,
            Some("it is the configuration's already".to_owned()),
        ));
    }
    let message = format!("The threshold of {} is the configuration's again.", name(target));
    Ok((
        target,
        Done {
            message,
            ..Done::default()
        },
    ))
}

/// Decides what `mode set` does; `None` goes back to the configured mode.
///
/// # Errors
/// A reason that cannot be kept.
pub fn mode(request: &ModeRequest, configured: Mode, world: &World<'_>) -> Result<Decision<Option<Mode>>, Refusal> {
    check_reason(request.reason.as_deref())?;
    let until = request
        .mode
        .and_then(|_| expiry(request.ttl.unwrap_or(Ttl::Never), world));
    let effective = request.mode.unwrap_or(configured);
    let meaning = match effective {
        Mode::Enforce => "what breaks a rule is dropped",
        Mode::Monitor => "what breaks a rule is counted and passes",
    };
    let message = match request.mode {
        Some(mode) => format!("The mode is {mode} {}: {meaning}.", say::until(until, world.now)),
        None => format!("The mode is the configuration's again, {configured}: {meaning}."),
    };
    let done = Done {
        message,
        until: until.map(|until| until.wall),
        ..Done::default()
    };
    Ok(Decision {
        what: request.mode,
        until,
        done,
    })
}

fn target(text: &str, world: &World<'_>) -> Result<ThresholdTarget, Refusal> {
    let target: ThresholdTarget = parse(text)?;
    if let ThresholdTarget::Address(address) = target
        && !world.kernel.addresses.contains_key(&address)
        && elsewhere::who_protects(world.elsewhere, address).is_none()
    {
        return Err(Refusal::invalid(
            format!("{address} is not a protected address"),
            "`agent stats` shows the protected ones; add it to `protect` in the configuration to protect it",
        ));
    }
    if let ThresholdTarget::Group(prefix) = target
        && !world.kernel.groups.contains_key(&prefix)
    {
        return Err(Refusal::invalid(
            format!("{prefix} is not a group"),
            "`agent groups` shows them; a [[group]] section in the configuration and `agent reload` make one",
        ));
    }
    Ok(target)
}

fn parse(text: &str) -> Result<ThresholdTarget, Refusal> {
    text.parse().map_err(|error: NoSuchTarget| Refusal {
        kind: super::refusal::Kind::Invalid,
        error: error.to_string(),
        hint: None,
    })
}

fn name(target: ThresholdTarget) -> String {
    match target {
        ThresholdTarget::Source => "every source".to_owned(),
        ThresholdTarget::EveryAddress => "every address without one of its own".to_owned(),
        ThresholdTarget::Address(address) => address.to_string(),
        ThresholdTarget::Group(prefix) => format!("the group {prefix}"),
    }
}
