//! The container file and the Kubernetes example: well-formed, with fields that exist, and without more rights than the
//! agent needs.

use std::{collections::BTreeMap, fs, process::Command};

use anyhow::{Context as _, Result, bail};
use lab::{
    binary,
    command::{output, output_with_input},
};
use serde::Deserialize;
use serde_json::Value;

use crate::unit::packaging;

/// Reads YAML as JSON, one value for each document.
const YAML_AS_JSON: &str = "import json, sys, yaml; print(json.dumps(list(yaml.safe_load_all(sys.stdin))))";

/// Fields of a DaemonSet (Kubernetes API, apps/v1), as far as the example has them: any other name is a mistake in it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct DaemonSet {
    api_version: String,
    #[serde(rename = "kind")]
    _kind: String,
    metadata: Metadata,
    spec: Spec,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Metadata {
    name: Option<String>,
    namespace: Option<String>,
    labels: Option<BTreeMap<String, String>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Spec {
    selector: Selector,
    #[serde(rename = "updateStrategy")]
    _update_strategy: UpdateStrategy,
    template: Template,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Selector {
    match_labels: BTreeMap<String, String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct UpdateStrategy {
    #[serde(rename = "type")]
    _type: String,
    #[serde(rename = "rollingUpdate")]
    _rolling_update: RollingUpdate,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct RollingUpdate {
    #[serde(rename = "maxUnavailable")]
    _max_unavailable: u32,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Template {
    metadata: Metadata,
    spec: Pod,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Pod {
    #[serde(rename = "nodeSelector")]
    _node_selector: BTreeMap<String, String>,
    #[serde(rename = "tolerations")]
    _tolerations: Vec<Value>,
    #[serde(rename = "priorityClassName")]
    _priority_class_name: String,
    host_network: bool,
    #[serde(rename = "dnsPolicy")]
    _dns_policy: String,
    automount_service_account_token: bool,
    #[serde(rename = "terminationGracePeriodSeconds")]
    _termination_grace_period_seconds: u32,
    containers: Vec<Container>,
    volumes: Vec<Volume>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Container {
    #[serde(rename = "name")]
    _name: String,
    image: String,
    args: Vec<String>,
    security_context: SecurityContext,
    #[serde(rename = "resources")]
    _resources: Resources,
    startup_probe: Probe,
    liveness_probe: Probe,
    volume_mounts: Vec<VolumeMount>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct SecurityContext {
    privileged: bool,
    allow_privilege_escalation: bool,
    read_only_root_filesystem: bool,
    run_as_user: u32,
    capabilities: Capabilities,
    seccomp_profile: BTreeMap<String, String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Capabilities {
    drop: Vec<String>,
    add: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Resources {
    #[serde(rename = "requests")]
    _requests: BTreeMap<String, String>,
    #[serde(rename = "limits")]
    _limits: BTreeMap<String, String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Probe {
    exec: BTreeMap<String, Vec<String>>,
    #[serde(rename = "periodSeconds")]
    _period_seconds: u32,
    #[serde(rename = "timeoutSeconds")]
    _timeout_seconds: Option<u32>,
    #[serde(rename = "failureThreshold")]
    _failure_threshold: u32,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct VolumeMount {
    name: String,
    mount_path: String,
    #[serde(rename = "readOnly", default)]
    _read_only: bool,
    #[serde(rename = "mountPropagation")]
    _mount_propagation: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Volume {
    name: String,
    config_map: Option<BTreeMap<String, String>>,
    host_path: Option<HostPath>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct HostPath {
    path: String,
    #[serde(rename = "type")]
    _type: String,
}

fn documents() -> Result<Vec<Value>> {
    let text = fs::read_to_string(packaging("kubernetes/daemonset.yaml"))?;
    // Debian's, which has the module: yamllint brings it.
    let json = output_with_input(Command::new("/usr/bin/python3").args(["-c", YAML_AS_JSON]), &text)?;
    Ok(serde_json::from_str(&json)?)
}

fn daemon_set() -> Result<DaemonSet> {
    let found = documents()?
        .into_iter()
        .find(|document| document["kind"] == "DaemonSet");
    serde_json::from_value(found.context("there is no DaemonSet")?).context("the DaemonSet")
}

#[test]
fn the_kubernetes_example_is_clean_yaml() -> Result<()> {
    output(
        Command::new("yamllint")
            .args([
                "--strict",
                "--config-data",
                "{extends: default, rules: {line-length: {max: 140}}}",
            ])
            .arg(packaging("kubernetes/daemonset.yaml")),
    )?;
    Ok(())
}

#[test]
fn the_daemon_set_fits_together() -> Result<()> {
    let set = daemon_set()?;
    assert_eq!(set.api_version, "apps/v1");
    assert_eq!(
        set.template_labels(),
        Some(&set.spec.selector.match_labels),
        "it selects its own pods"
    );
    assert!(set.metadata.name.is_some() && set.metadata.namespace.is_some());
    let pod = &set.spec.template.spec;
    assert!(pod.host_network, "the program belongs on the node's interfaces");
    assert!(
        !pod.automount_service_account_token,
        "the agent asks nothing of the cluster"
    );
    let [container] = &pod.containers[..] else {
        bail!("one container")
    };
    assert_eq!(container.image, format!("levee:{}", env!("CARGO_PKG_VERSION")));
    for mount in &container.volume_mounts {
        let volume = pod.volumes.iter().find(|volume| volume.name == mount.name);
        let volume = volume.with_context(|| format!("there is no volume {}", mount.name))?;
        match (&volume.host_path, &volume.config_map) {
            (Some(host), None) => assert_eq!(host.path, mount.mount_path, "the agent finds it where the node has it"),
            (None, Some(map)) => assert_eq!(map.get("name").map(String::as_str), Some("levee")),
            _ => bail!("{} is a path of the node or a map", volume.name),
        }
    }
    let mounted: Vec<&str> = container
        .volume_mounts
        .iter()
        .map(|mount| mount.mount_path.as_str())
        .collect();
    for needed in [
        "/sys/fs/bpf",
        "/sys/kernel/tracing",
        "/var/lib/levee",
        "/run/levee",
        "/etc/levee",
    ] {
        assert!(mounted.contains(&needed), "{needed} is not mounted");
    }
    // Verbs that exist.
    for (what, verb) in [
        ("args", &container.args[0]),
        ("startup", verb_of(&container.startup_probe)?),
        ("liveness", verb_of(&container.liveness_probe)?),
    ] {
        let done = Command::new(binary::agent()?).args([verb, "--help"]).output()?;
        assert!(done.status.success(), "{what}: {verb}");
    }
    Ok(())
}

fn verb_of(probe: &Probe) -> Result<&String> {
    let command = probe.exec.get("command").context("a probe has a command")?;
    command.get(1).context("and the command a verb")
}

impl DaemonSet {
    fn template_labels(&self) -> Option<&BTreeMap<String, String>> {
        self.spec.template.metadata.labels.as_ref()
    }
}

#[test]
fn the_pod_has_no_more_rights_than_the_agent_needs() -> Result<()> {
    let set = daemon_set()?;
    let context = &set.spec.template.spec.containers[0].security_context;
    assert!(!context.privileged && !context.allow_privilege_escalation && context.read_only_root_filesystem);
    assert_eq!(context.run_as_user, 0, "only root keeps capabilities in a pod");
    assert_eq!(context.capabilities.drop, ["ALL"]);
    // What agent/src/capabilities.rs asks for.
    assert_eq!(context.capabilities.add, ["BPF", "PERFMON", "NET_ADMIN"]);
    assert_eq!(
        context.seccomp_profile.get("type").map(String::as_str),
        Some("RuntimeDefault")
    );
    Ok(())
}

#[test]
fn the_configuration_of_the_map_is_sound() -> Result<()> {
    let found = documents()?
        .into_iter()
        .find(|document| document["kind"] == "ConfigMap")
        .context("no map")?;
    let text = found["data"]["agent.toml"].as_str().context("no configuration")?;
    let directory = tempfile::tempdir()?;
    let file = directory.path().join("agent.toml");
    // The one thing that only the node has.
    fs::write(&file, text.replace("[\"eth0\"]", "[\"lo\"]"))?;
    output(Command::new(binary::agent()?).arg("check-config").arg(&file))?;
    Ok(())
}

/// Instructions of a container file, with continued lines joined.
fn instructions() -> Result<Vec<(String, String)>> {
    let text = fs::read_to_string(packaging("container/Containerfile"))?;
    let joined = text
        .lines()
        .filter(|line| !line.trim_start().starts_with('#'))
        .collect::<Vec<_>>()
        .join("\n")
        .replace("\\\n", " ");
    let split = |line: &str| {
        let (name, rest) = line.split_once(' ').unwrap_or((line, ""));
        (name.to_owned(), rest.trim().to_owned())
    };
    Ok(joined
        .lines()
        .filter(|line| !line.trim().is_empty())
        .map(split)
        .collect())
}

#[test]
fn the_container_file_is_sound() -> Result<()> {
    let instructions = instructions()?;
    for (name, rest) in &instructions {
        match name.as_str() {
            "FROM" => assert!(rest == "scratch" || rest.contains(':'), "a base with a version: {rest}"),
            "RUN" => {
                output(Command::new("sh").args(["-n", "-c", rest]))?;
                let fetches = rest.contains("apt-get install");
                assert!(
                    !fetches
                        || (rest.contains("--no-install-recommends") && rest.contains("rm -rf /var/lib/apt/lists")),
                    "{rest}"
                );
            }
            // The archive's name, as `cargo xtask dist` gives it.
            "ADD" => assert_eq!(rest, "levee-*-linux.tar.gz /levee/"),
            "COPY" => assert!(rest.starts_with("--from=parts "), "{rest}"),
            "USER" => assert_eq!(rest, "0:0"),
            // In JSON: signals reach the agent, and no shell is needed.
            "ENTRYPOINT" | "CMD" => drop(serde_json::from_str::<Vec<String>>(rest).with_context(|| rest.clone())?),
            other => bail!("{other} is no instruction that this file should need"),
        }
    }
    let last_base = instructions
        .iter()
        .rposition(|(name, _)| name == "FROM")
        .context("no FROM")?;
    assert!(
        instructions[last_base..].iter().all(|(name, _)| name != "RUN"),
        "the image has no shell"
    );
    assert_eq!(
        instructions.last().map(|(name, rest)| (name.as_str(), rest.as_str())),
        Some(("CMD", "[\"run\"]"))
    );
    Ok(())
}
