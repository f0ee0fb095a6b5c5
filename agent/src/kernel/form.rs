//! The forms in which the object holds the XDP program: the same stages over the same maps, verified in one piece or in steps.

use aya::{Ebpf, programs::Xdp};

use crate::tables::{Result, TableError};

/// A form of the XDP program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// One function: what costs a packet least, and the verifier most.
    Whole,
    /// Each stage a function that the verifier walks by itself, for kernels that refuse the other.
    Steps,
}

impl Form {
    /// All of them, the one that is to be had where the kernel takes it first.
    pub const ALL: [Self; 2] = [Self::Whole, Self::Steps];

    /// Name of its entry point, by which the kernel knows the program.
    #[must_use]
    pub const fn entry(self) -> &'static str {
        match self {
            Self::Whole => "levee",
            Self::Steps => "levee_steps",
        }
    }

    /// The program of the object.
    pub(super) fn program(self, ebpf: &mut Ebpf) -> Result<&mut Xdp> {
        let entry = self.entry();
        ebpf.program_mut(entry)
            .and_then(|program| program.try_into().ok())
            .ok_or_else(|| TableError::Kernel(format!("the agent's own object has no XDP program `{entry}`")))
    }
}

/// Whether this is what the kernel calls Levee's XDP program.
#[must_use]
pub fn is_levee(name: &str) -> bool {
    Form::ALL.iter().any(|form| form.entry() == name)
}
