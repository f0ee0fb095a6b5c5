//! What came of a fault, and whether that will do.

use std::fmt;

use anyhow::{Result, ensure};

use super::{Held, Served};

/// What came of a fault.
#[derive(Clone, Debug)]
#[must_use = "a siege that nobody judges shows nothing"]
pub struct Outcome {
    /// What was done.
    pub fault: String,
    /// What kept the flood out.
    pub held: Held,
    /// Packets of the flood that reached the load balancer's interface meanwhile.
    pub flood: u64,
    /// Packets of the flood that were seen behind XDP meanwhile.
    pub unprotected: u64,
    /// What customers met meanwhile.
    pub served: Served,
    /// What was seen to be kept.
    pub kept: String,
}

impl Outcome {
    /// Fails unless protection held all the time, and every customer was served.
    ///
    /// # Errors
    /// It lapsed, or a customer was not served.
    pub fn held(&self) -> Result<()> {
        self.protected()?;
        ensure!(self.served.failed == 0, "customers were not served: {self}");
        Ok(())
    }

    /// Fails unless protection held all the time. For faults that customers notice, such as an interface that is down.
    ///
    /// # Errors
    /// It lapsed.
    pub fn protected(&self) -> Result<()> {
        ensure!(self.unprotected == 0, "protection lapsed: {self}");
        ensure!(self.served.served > 0, "no customer was served: {self}");
        Ok(())
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { served, .. } = self;
        write!(
            formatter,
            "{}: {} of {} packets unprotected ({}), customers: {} served, {} failed, the slowest after {} ms, kept: {}",
            self.fault,
            self.unprotected,
            self.flood,
            self.held,
            served.served,
            served.failed,
            served.slowest.as_millis(),
            self.kept
        )
    }
}
