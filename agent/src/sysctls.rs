//! Puts back the sysctls that the agent set: when it is detached, by the daemon or without it.

use crate::{
    clock::boot_id,
    host::{Host, Sysctl, Sysctls},
    ledger::{FormerSysctls, Ledger},
};

/// What came of it.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct PutBack {
    /// What changed, one line each.
    pub changes: Vec<String>,
    /// What could not be put back, and why.
    pub warnings: Vec<String>,
}

/// Puts back what was set in this boot and is still as it was set.
pub fn put_back(ledger: &mut Ledger, host: &dyn Host, now: &Sysctls) -> PutBack {
    let mut outcome = PutBack::default();
    let former = match ledger.former_sysctls() {
        Ok(former) => former,
        Err(error) => {
            outcome.warnings.push(error.to_string());
            return outcome;
        }
    };
    for (sysctl, value) in former.to_put_back(&boot_id(), now) {
        match host.set_sysctl(sysctl, value) {
            Ok(()) => outcome.changes.push(format!("{sysctl}: {} -> {value}", Sysctl::WANTED)),
            Err(error) => outcome
                .warnings
                .push(format!("{sysctl} cannot be put back to {value}: {error}")),
        }
    }
    if outcome.warnings.is_empty()
        && former != FormerSysctls::default()
        && let Err(error) = ledger.set_former_sysctls(&FormerSysctls::default())
    {
        outcome.warnings.push(error.to_string());
    }
    outcome
}
