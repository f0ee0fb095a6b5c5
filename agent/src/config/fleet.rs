//! `[fleet]`: the etcd in which many nodes agree. Written here as in the file, and as the policy that it comes to.

use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Problem, resolve::quoted, secret::Secret};
use crate::fleet::is_node;

/// Of how many addresses a node reports rates, at most.
const TOP: std::ops::RangeInclusive<usize> = 1..=256;
/// The longest prefix of keys and the longest site, characters.
const LONGEST: usize = 128;

/// Makes one of many load balancers: what is decided for the fleet holds on every node, and an attack that is thin on each node
/// and large in sum is seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(inline)]
pub struct FleetSection {
    /// etcd's client URLs, such as "https://etcd1.example:2379". Empty: this node is alone.
    #[schemars(extend("examples" = [["https://etcd1.example:2379", "https://etcd2.example:2379"]]))]
    pub endpoints: Vec<String>,
    /// This node's name, different from all others': letters, digits, ".", "-" and "_". The host's
    /// name when left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = ["lb1"]))]
    pub node: Option<String>,
    /// Where it stands, for people.
    pub site: String,
    /// What all keys begin with; it begins and ends with "/". One that already holds something else
    /// is not touched.
    pub prefix: String,
    /// The certificate authority of etcd's certificates, as a PEM file; whom this host trusts when
    /// left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = ["/etc/levee/etcd-ca.pem"]))]
    pub ca: Option<PathBuf>,
    /// This node's certificate and its key, as PEM files, where etcd asks for one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = ["/etc/levee/etcd-client.pem"]))]
    pub cert: Option<PathBuf>,
    /// See cert.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = ["/etc/levee/etcd-client.key"]))]
    pub key: Option<PathBuf>,
    /// Name and password at etcd, where it asks for them; the password as "file:/path", "env:NAME" or
    /// itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = ["levee"]))]
    pub user: Option<String>,
    /// See user.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = ["file:/etc/levee/etcd-password"]))]
    pub password: Option<Secret>,
    /// For whom a command decides that says neither --fleet nor --local: "node" or "fleet".
    pub commands: Scope,
    /// Of how many addresses this node reports rates, the most attacked ones: 1 to 256.
    pub top: usize,
}

impl Default for FleetSection {
    fn default() -> Self {
        Self {
            endpoints: Vec::new(),
            node: None,
            site: String::new(),
            prefix: "/levee/".to_owned(),
            ca: None,
            cert: None,
            key: None,
            user: None,
            password: None,
            commands: Scope::Node,
            top: 64,
        }
    }
}

/// For whom a command decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub enum Scope {
    /// This node alone.
    Node,
    /// All nodes.
    Fleet,
}

/// The fleet of this node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FleetPolicy {
    /// This node's name.
    pub node: String,
    /// As it is written, but for that.
    pub section: FleetSection,
}

/// The policy, and everything that is wrong with the section.
pub(super) fn resolve(section: &FleetSection, problems: &mut Vec<Problem>) -> Option<FleetPolicy> {
    if section.endpoints.is_empty() {
        return None;
    }
    check_endpoints(section, problems);
    check_names(section, problems);
    for (key, path) in [
        ("fleet.ca", &section.ca),
        ("fleet.cert", &section.cert),
        ("fleet.key", &section.key),
    ] {
        if let Some(path) = path.as_deref().filter(|path| !Path::is_absolute(path)) {
            let message = "is not an absolute path; begin it with /";
            problems.push(Problem::new(key, quoted(&path.to_string_lossy()), message));
        }
    }
    let pairs = [
        ("fleet.cert", section.cert.is_some(), "fleet.key", section.key.is_some()),
        (
            "fleet.user",
            section.user.is_some(),
            "fleet.password",
            section.password.is_some(),
        ),
    ];
    for (one, has_one, other, has_other) in pairs {
        if has_one != has_other {
            let (is, lacks) = if has_one { (one, other) } else { (other, one) };
            problems.push(Problem::without_value(lacks, format!("is missing: {is} needs it")));
        }
    }
    if let Some(wrong) = section.password.as_ref().and_then(Secret::wrong) {
        problems.push(Problem::without_value("fleet.password", wrong));
    }
    if !TOP.contains(&section.top) {
        problems.push(Problem::new(
            "fleet.top",
            section.top,
            "is out of range; write a number from 1 to 256",
        ));
    }
    let node = section.node.clone().or_else(host_name).unwrap_or_default();
    if !is_node(&node) {
        let message = "cannot name a node: 1 to 64 letters, digits, \".\", \"-\" or \"_\"; write fleet.node where the host's name is not such a one";
        problems.push(Problem::new("fleet.node", quoted(&node), message));
    }
    Some(FleetPolicy {
        node,
        section: section.clone(),
    })
}

fn check_endpoints(section: &FleetSection, problems: &mut Vec<Problem>) {
    let is_secure = |endpoint: &String| endpoint.starts_with("https://");
    for endpoint in &section.endpoints {
        let url = reqwest::Url::parse(endpoint).ok();
        let sound = url.is_some_and(|url| {
            matches!(url.scheme(), "http" | "https")
                && url.has_host()
                && url.username().is_empty()
                && url.password().is_none()
                && matches!(url.path(), "" | "/")
                && url.query().is_none()
        });
        if !sound {
            let message =
                "is no URL of etcd; write it as https://HOST:2379, with user and password in keys of their own";
            problems.push(Problem::new("fleet.endpoints", quoted(endpoint), message));
        }
    }
    let has_tls = section.ca.is_some() || section.cert.is_some();
    if let Some(plain) = section
        .endpoints
        .iter()
        .find(|endpoint| !is_secure(endpoint))
        .filter(|_| has_tls)
    {
        let message = "is not secured, although fleet.ca or fleet.cert is given; write https://";
        problems.push(Problem::new("fleet.endpoints", quoted(plain), message));
    }
}

fn check_names(section: &FleetSection, problems: &mut Vec<Problem>) {
    let prefix = &section.prefix;
    let sound = prefix.starts_with('/') && prefix.ends_with('/') && prefix.len() <= LONGEST && prefix.len() > 1;
    if !sound || prefix.chars().any(|char| char.is_control() || char.is_whitespace()) {
        let message = "is no prefix of keys; write it as in \"/levee/\", with a / at both ends";
        problems.push(Problem::new("fleet.prefix", quoted(prefix), message));
    }
    if section.site.chars().count() > LONGEST || section.site.chars().any(char::is_control) {
        let message = "is too long or holds control characters; write up to 128 of plain text";
        problems.push(Problem::new("fleet.site", quoted(&section.site), message));
    }
}

fn host_name() -> Option<String> {
    nix::unistd::gethostname().ok()?.into_string().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn section() -> FleetSection {
        FleetSection {
            endpoints: vec!["https://etcd1.example:2379".to_owned()],
            node: Some("lb1".to_owned()),
            ..FleetSection::default()
        }
    }

    fn keys(section: &FleetSection) -> Vec<String> {
        let mut problems = Vec::new();
        resolve(section, &mut problems);
        problems.into_iter().map(|problem| problem.key).collect()
    }

    #[test]
    fn without_endpoints_there_is_no_fleet() {
        assert_eq!(resolve(&FleetSection::default(), &mut Vec::new()), None);
        let policy = resolve(&section(), &mut Vec::new()).expect("a fleet");
        assert_eq!(policy.node, "lb1");
    }

    #[test]
    fn everything_wrong_is_named_at_once() {
        assert_eq!(keys(&section()), Vec::<String>::new());
        let wrong = FleetSection {
            endpoints: vec!["etcd1:2379".to_owned(), "http://root:secret@etcd1:2379".to_owned()],
            node: Some("lb 1".to_owned()),
            prefix: "levee".to_owned(),
            ca: Some("ca.pem".into()),
            cert: Some("/etc/levee/cert.pem".into()),
            user: Some("levee".to_owned()),
            top: 0,
            ..FleetSection::default()
        };
        assert_eq!(
            keys(&wrong),
            [
                "fleet.endpoints",
                "fleet.endpoints",
                "fleet.endpoints",
                "fleet.prefix",
                "fleet.ca",
                "fleet.key",
                "fleet.password",
                "fleet.top",
                "fleet.node"
            ]
        );
    }
}
