//! Thresholds in force, and where they come from.

use ipnet::IpNet;

use super::{not_protected, origin};
use crate::{
    config::{groups::Group, resolve::ProtectedAddress},
    control::api::ThresholdView,
    decide::{
        Refusal,
        state::{
            address_limit, address_vectors, common_limit, common_vectors, group_limit, group_vectors, source_limit,
        },
    },
    overrides::{NoSuchTarget, ThresholdTarget},
    snapshot::Snapshot,
    tables::Limit,
};

/// Every threshold that somebody could want to know: the two common ones, and each address that differs.
#[must_use]
pub fn thresholds(snapshot: &Snapshot) -> Vec<ThresholdView> {
    let (config, overrides) = (&snapshot.config, &snapshot.overrides);
    let (common, vectors) = (common_limit(config, overrides), common_vectors(config, overrides));
    let every_address = ThresholdView {
        vectors: Some(vectors),
        configured_vectors: Some(config.vectors),
        configured: Some(config.address_limit),
        ..bare(ThresholdTarget::EveryAddress, Some(common), snapshot)
    };
    let every_source = ThresholdView {
        configured: Some(config.source_limit),
        ..bare(ThresholdTarget::Source, Some(source_limit(config, overrides)), snapshot)
    };
    let mut views = vec![every_source, every_address];
    for (address, protected) in &config.protected {
        let target = ThresholdTarget::Address(*address);
        let differs = address_limit(config, overrides, *address) != common
            || address_vectors(config, overrides, *address) != vectors;
        if differs || overrides.thresholds.contains_key(&target) {
            views.push(of_address(*address, protected, snapshot));
        }
    }
    views.extend(
        config
            .groups
            .iter()
            .map(|(prefix, group)| of_group(*prefix, group, snapshot)),
    );
    views
}

/// The threshold of one target, also where it is the common one.
///
/// # Errors
/// If the target has no threshold.
pub fn threshold(snapshot: &Snapshot, target: &str) -> Result<ThresholdView, Refusal> {
    let target: ThresholdTarget = target.parse().map_err(|error: NoSuchTarget| {
        Refusal::invalid(error.to_string(), "`agent threshold get` shows all of them")
    })?;
    let found = match target {
        ThresholdTarget::Address(address) => {
            let protected = snapshot.config.protected.get(&address);
            protected.map(|protected| of_address(address, protected, snapshot))
        }
        ThresholdTarget::Group(prefix) => {
            let group = snapshot.config.groups.get(&prefix);
            let found = group.map(|group| of_group(prefix, group, snapshot));
            return found.ok_or_else(|| {
                let hint = "`agent groups` shows them".to_owned();
                Refusal::not_found(format!("{prefix} is not a group"), Some(hint))
            });
        }
        ThresholdTarget::Source | ThresholdTarget::EveryAddress => thresholds(snapshot)
            .into_iter()
            .find(|view| view.target == target.to_string()),
    };
    found.ok_or_else(|| not_protected(&target.to_string()))
}

fn of_address(address: std::net::IpAddr, protected: &ProtectedAddress, snapshot: &Snapshot) -> ThresholdView {
    let (config, overrides) = (&snapshot.config, &snapshot.overrides);
    let limit = address_limit(config, overrides, address);
    ThresholdView {
        configured: Some(protected.limit),
        vectors: Some(address_vectors(config, overrides, address)),
        configured_vectors: Some(protected.vectors),
        ..bare(ThresholdTarget::Address(address), Some(limit), snapshot)
    }
}

fn of_group(prefix: IpNet, group: &Group, snapshot: &Snapshot) -> ThresholdView {
    let (config, overrides) = (&snapshot.config, &snapshot.overrides);
    let limit = group_limit(config, overrides, prefix);
    ThresholdView {
        configured: group.limit,
        vectors: Some(group_vectors(config, overrides, prefix)),
        configured_vectors: Some(group.vectors),
        ..bare(ThresholdTarget::Group(prefix), limit, snapshot)
    }
}

fn bare(target: ThresholdTarget, limit: Option<Limit>, snapshot: &Snapshot) -> ThresholdView {
    ThresholdView {
        target: target.to_string(),
        limit,
        configured: limit,
        vectors: None,
        configured_vectors: None,
        set_by: snapshot
            .overrides
            .thresholds
            .get(&target)
            .map(|set| origin(&set.origin)),
    }
}
