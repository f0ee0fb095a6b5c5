//! Roles at the control socket: who may look (`view`) and who may change something (`operate`). Groups decide, of the process that
//! connected, as the kernel knows them.

use anyhow::Context as _;
use nix::unistd::{Gid, Group, Uid};

use super::peer::Peer;
use crate::{config::Config, decide::Refusal};

/// The group of everybody whose group is not known here (`/proc/sys/kernel/overflowgid`).
const OVERFLOW: Gid = Gid::from_raw(65_534);

/// What somebody may do; each role includes the ones before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Read what the agent knows.
    View,
    /// Change what it does.
    Operate,
}

impl Role {
    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::View => "view",
            Self::Operate => "operate",
        }
    }

    /// The key of the configuration that names its group.
    const fn key(self) -> &'static str {
        match self {
            Self::View => "control.view_group",
            Self::Operate => "control.group",
        }
    }
}

/// A group of the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    /// Its name.
    pub name: String,
    /// Its number when the agent started.
    pub gid: Gid,
}

/// Who may do what: looked up once, when the agent starts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Access {
    view: Option<Named>,
    operate: Option<Named>,
    /// The agent's own user, whose all of this is.
    own: Uid,
}

impl Access {
    /// Looks up the groups of a configuration.
    ///
    /// # Errors
    /// If there is no such group.
    pub fn of(config: &Config) -> anyhow::Result<Self> {
        Self::new(config.socket_group.as_deref(), config.view_group.as_deref())
    }

    /// Looks up groups by their names; without any, only root and the agent's own user may do anything.
    ///
    /// # Errors
    /// If there is no such group.
    pub fn new(operate: Option<&str>, view: Option<&str>) -> anyhow::Result<Self> {
        let look_up = |role: Role, name: Option<&str>| name.map(|name| Named::find(role, name)).transpose();
        Ok(Self {
            view: look_up(Role::View, view)?,
            operate: look_up(Role::Operate, operate)?,
            own: nix::unistd::geteuid(),
        })
    }

    /// The groups whose members the socket's file lets in.
    #[must_use]
    pub fn groups(&self) -> Vec<Gid> {
        let mut groups: Vec<Gid> = self.operate.iter().chain(&self.view).map(|named| named.gid).collect();
        groups.dedup();
        groups
    }

    /// The most that somebody may do.
    #[must_use]
    pub fn role(&self, peer: &Peer) -> Option<Role> {
        let uid = peer.uid?;
        let is_in = |group: &Option<Named>| {
            let named = group.as_ref();
            named.is_some_and(|named| named.gid != OVERFLOW && peer.groups.contains(&named.gid))
        };
        if uid.is_root() || uid == self.own || is_in(&self.operate) {
            Some(Role::Operate)
        } else {
            is_in(&self.view).then_some(Role::View)
        }
    }

    /// Why somebody may not, and who may.
    #[must_use]
    pub fn refusal(&self, needed: Role, has: Option<Role>) -> Refusal {
        let has = has.map_or_else(
            || "you have no role here".to_owned(),
            |role| format!("your role is \"{}\"", role.name()),
        );
        let group = |role| match role {
            Role::View => self.view.as_ref(),
            Role::Operate => self.operate.as_ref(),
        };
        let enough = [Role::View, Role::Operate].into_iter().filter(|role| *role >= needed);
        let groups: Vec<String> = enough
            .filter_map(|role| group(role).map(|named| format!("\"{}\" ({})", named.name, role.key())))
            .collect();
        let hint = match groups.as_slice() {
            [] => format!("run this as root: {} names no group whose members may", needed.key()),
            some => format!(
                "run this as root, or as a member of the group {} (log in anew after you were added to it)",
                some.join(" or ")
            ),
        };
        Refusal::forbidden(format!("this needs the role \"{}\", and {has}", needed.name()), hint)
    }
}

impl Named {
    fn find(role: Role, name: &str) -> anyhow::Result<Self> {
        let key = role.key();
        let group = Group::from_name(name)?.with_context(|| format!("{key}: there is no group {name:?}"))?;
        Ok(Self {
            name: name.to_owned(),
            gid: group.gid,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(name: &str, gid: u32) -> Option<Named> {
        Some(Named {
            name: name.to_owned(),
            gid: Gid::from_raw(gid),
        })
    }

    fn access() -> Access {
        Access {
            view: named("watchers", 2_000),
            operate: named("keepers", 3_000),
            own: Uid::from_raw(900),
        }
    }

    fn peer(uid: u32, groups: &[u32]) -> Peer {
        Peer {
            uid: Some(Uid::from_raw(uid)),
            groups: groups.iter().copied().map(Gid::from_raw).collect(),
            pid: None,
        }
    }

    #[test]
    fn the_groups_decide_and_root_needs_none() {
        let access = access();
        for (peer, role) in [
            (peer(0, &[0]), Some(Role::Operate)),
            (peer(900, &[900]), Some(Role::Operate)),
            (peer(1_000, &[1_000]), None),
            (peer(1_000, &[1_000, 2_000]), Some(Role::View)),
            (peer(1_000, &[2_000]), Some(Role::View)),
            (peer(1_000, &[1_000, 3_000]), Some(Role::Operate)),
            (peer(1_000, &[2_000, 3_000]), Some(Role::Operate)),
            (
                Peer {
                    uid: None,
                    ..peer(0, &[3_000])
                },
                None,
            ),
        ] {
            assert_eq!(access.role(&peer), role, "{peer:?}");
        }
    }

    #[test]
    fn without_groups_nobody_else_may() {
        let access = Access {
            view: None,
            operate: None,
            ..access()
        };
        assert_eq!(access.role(&peer(1_000, &[0, 2_000, 3_000])), None);
        let refusal = access.refusal(Role::View, None);
        assert!(
            refusal
                .hint
                .expect("hint")
                .contains("control.view_group names no group")
        );
    }

    #[test]
    fn the_group_of_those_who_are_not_known_here_opens_nothing() {
        let access = Access {
            operate: named("nogroup", 65_534),
            ..access()
        };
        assert_eq!(access.role(&peer(65_534, &[65_534])), None);
    }

    #[test]
    fn a_refusal_names_the_groups_that_may() {
        let refusal = access().refusal(Role::Operate, Some(Role::View));
        assert_eq!(
            refusal.error,
            "this needs the role \"operate\", and your role is \"view\""
        );
        let hint = refusal.hint.expect("hint");
        assert!(hint.contains("keepers") && !hint.contains("watchers"), "{hint}");
        let hint = access().refusal(Role::View, None).hint.expect("hint");
        assert!(hint.contains("keepers") && hint.contains("watchers"), "{hint}");
    }
}
