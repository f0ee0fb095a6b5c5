//! The interfaces that the running agent attached to: whether each has its program still, and what became of it if not.

use std::collections::BTreeMap;

use nix::{errno::Errno, net::if_::if_nametoindex};

use super::{
    inspect,
    links::{Leads, Link, name_of},
    pins::{Pins, link_state},
};
use crate::tables::{LinkState, Result, Standing, TableError};

/// The links that are pinned, by the name that each was attached under.
pub(super) fn of(pins: &Pins) -> Result<BTreeMap<String, Link>> {
    let links = pins.all_links()?.into_iter();
    Ok(links.map(|link| (link.pinned_as.clone(), link)).collect())
}

/// What people are told of a link; nothing of one that leads nowhere.
pub(super) fn state((attached_as, link): (&String, &Link)) -> Option<LinkState> {
    let to = link.leads().ok()?.to?;
    let now = name_of(to).unwrap_or_else(|| attached_as.clone());
    let mut state = link_state(now.clone(), link.mode);
    if now != *attached_as {
        let renamed = format!(
            "it was called {attached_as} when the program was attached, and is protected as before; name {now} in `interfaces` and \
             reload, or give it its name back"
        );
        state.warning = Some(
            state
                .warning
                .map_or(renamed.clone(), |generic| format!("{generic}; {renamed}")),
        );
    }
    Some(state)
}

/// Whether an interface has program `own`, by the link that was attached under its name.
pub(super) fn standing(link: Option<&Link>, interface: &str, own: u32) -> Result<Standing> {
    let here = match if_nametoindex(interface) {
        Ok(ifindex) => Some(ifindex),
        Err(Errno::ENODEV) => None,
        // Out of file descriptors, for one: that says nothing about the interface.
        Err(error) => {
            return Err(TableError::Kernel(format!(
                "cannot look for the interface {interface}: {error}"
            )));
        }
    };
    let Some(link) = link else {
        return Ok(match here {
            Some(_) => off("the program was never attached to it"),
            None => gone("there is no such interface"),
        });
    };
    let Leads { to, program } = link.leads()?;
    Ok(match (to, here) {
        (Some(to), Some(here)) if to == here && program == own => Standing::On,
        (Some(to), Some(here)) if to == here => Standing::Off(format!(
            "somebody put another program in place of Levee's ({})",
            inspect::program_name(program)
                .map_or_else(|| format!("id {program}"), |name| format!("{name}, id {program}"))
        )),
        (Some(to), None) => match name_of(to) {
            Some(name) => Standing::Renamed(name),
            None => gone("it was moved to another network namespace"),
        },
        (Some(_), Some(_)) => off("it is another interface, which took the name"),
        (None, None) => gone("there is no such interface any more"),
        (None, Some(_)) => off("the interface was made anew, or somebody detached the program"),
    })
}

fn off(why: &str) -> Standing {
    Standing::Off(why.to_owned())
}

fn gone(why: &str) -> Standing {
    Standing::Gone(why.to_owned())
}
