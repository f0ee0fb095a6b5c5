//! Lists before the first packet: tables that are new have none, and the task that keeps lists begins only after the program is
//! attached. So what was kept of them is put in place before.

use jiff::Timestamp;

use super::{keeper::Keeper, store::Store};
use crate::{
    clock::Now,
    config::Config,
    tables::{KernelTables, Result},
};

/// Puts the last good versions of the configured lists into tables that no interface uses yet. Tables in use have their lists, whose
/// order and numbers are the task's affair.
///
/// # Errors
/// If the kernel refuses them; the task tries again.
pub fn put_last_good(tables: &mut dyn KernelTables, config: &Config, now: Now) -> Result<()> {
    if config.lists.is_empty() || !tables.links()?.is_empty() {
        return Ok(());
    }
    let installed = tables.lists()?.into_iter().map(|list| list.head).collect();
    let store = Store::new(&config.state_directory);
    let mut keeper = Keeper::new(installed, config.capacity.list_prefixes as usize);
    let last_good = |list: &crate::config::lists::List| {
        // The task reads it again, and says why it cannot.
        store.last_good(&list.name, &list.from.to_string()).ok().flatten()
    };
    keeper.configure(&config.lists, last_good, Timestamp::now());
    if let Some(draft) = keeper.draft(now) {
        let image = draft.flatten().image;
        tables.put_lists(&image)?;
        tracing::info!(lists = image.heads.len(), "the lists are in force as they were kept");
    }
    Ok(())
}
