//! Runs the loaded program on a given frame, without a wire.

use std::time::Duration;

use aya::{
    TestRunOptions,
    programs::{TestRun as _, Xdp},
};
use xdp_common::Action;

use super::load::with_causes;
use crate::tables::{Result, TableError};

/// An answer is at most so much longer than what it answers, bytes.
const GROWTH: usize = 64;

/// What became of the frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// What the kernel would have done with it.
    pub action: Action,
    /// The frame as the program left it.
    pub frame: Vec<u8>,
    /// Mean time of one run.
    pub duration: Duration,
}

pub(super) fn run(program: &Xdp, frame: &[u8], repeat: u32) -> Result<Run> {
    let mut left = vec![0; frame.len() + GROWTH];
    let options = TestRunOptions {
        data_in: Some(frame),
        data_out: Some(&mut left),
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
    left.truncate(result.data_size_out as usize);
    Ok(Run {
        action,
        frame: left,
        duration: result.duration,
    })
}
