//! The one place that writes to the kernel's tables: a plan as a whole, or not at all.

use crate::{
    decide::{
        KernelState,
        plan::{Write, inverse, plan},
    },
    failpoint::{Point, reach},
    tables::{self, KernelTables, TableError},
};

/// Turns what the tables hold (`from`) into `to`. On a failure what was written already is taken back, so that the tables
/// hold `from` again.
///
/// # Errors
/// The write that failed; and, if even the way back failed, what the tables may hold now.
pub fn apply(tables: &mut dyn KernelTables, from: &KernelState, to: &KernelState) -> tables::Result<usize> {
    let writes = plan(from, to);
    for (done, next) in writes.iter().enumerate() {
        if done == 1 {
            reach(Point::TablesHalfFilled);
        }
        if let Err(error) = write(tables, next) {
            return Err(take_back(tables, &writes[..done], from, error));
        }
    }
    Ok(writes.len())
}

fn take_back(tables: &mut dyn KernelTables, done: &[Write], before: &KernelState, cause: TableError) -> TableError {
    let failures: Vec<TableError> = done
        .iter()
        .rev()
        .filter_map(|written| write(tables, &inverse(written, before)).err())
        .collect();
    match failures.first() {
        None => cause,
        Some(first) => TableError::Kernel(format!(
            "{cause}; taking back the {} writes before it failed {} times ({first}): restart the agent to write all tables anew",
            done.len(),
            failures.len()
        )),
    }
}

fn write(tables: &mut dyn KernelTables, write: &Write) -> tables::Result<()> {
    match write {
        Write::PutSettings(settings) => tables.put_settings(settings),
        Write::PutAddress(state) => tables.put_address(state),
        Write::RemoveAddress(address) => tables.remove_address(*address),
        Write::PutGroup(group) => tables.put_group(group),
        Write::RemoveGroup(prefix) => tables.remove_group(*prefix),
        Write::PutEntry(entry) => tables.put_entry(entry),
        Write::RemoveEntry(prefix) => tables.remove_entry(*prefix),
    }
}
