//! Runs the loaded program on a given frame, without a wire.

use std::time::Duration;

use aya::{
    TestRunOptions,
    programs::{TestRun as _, Xdp},
};
use xdp_common::Action;

use super::load::with_causes;
use crate::tables::{Result, TableError};

/// What became of the frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Run {
    /// What the kernel would have done with it.
    pub action: Action,
    /// Mean time of one run.
    pub duration: Duration,
}

pub(super) fn run(program: &Xdp, frame: &[u8], repeat: u32) -> Result<Run> {
    let options = TestRunOptions {
        data_in: Some(frame),
        repeat,
        ..TestRunOptions::default()
    };
    let result = program
        .test_run(options)
        .map_err(|error| TableError::Kernel(format!("cannot run the program on a frame: {}", with_causes(&error))))?;
    // enum xdp_action (include/uapi/linux/bpf.h).
    let action = match result.return_value {
        1 => Action::Drop,
        2 => Action::Pass,
        3 => Action::Reply,
        other => {
            return Err(TableError::Kernel(format!(
                "the program answered {other}, which is no verdict of Levee"
            )));
        }
    };
    Ok(Run {
        action,
        duration: result.duration,
    })
}
