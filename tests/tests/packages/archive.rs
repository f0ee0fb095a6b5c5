//! The static archive: complete, installed by its script, and with names that resolve whatever the machine's C library is.

use anyhow::{Context as _, Result};

use crate::machine::{Machine, given, until};

/// Unpacks the archive; gives the directory inside the machine.
fn unpacked(machine: &Machine) -> Result<String> {
    let archive = given("LEVEE_ARCHIVE")?;
    let inside = machine.bring(&archive)?;
    machine.run(&format!("cd /opt; tar -xzf {inside}"))?;
    let directory = inside.strip_suffix(".tar.gz").context("the archive's name")?;
    Ok(directory.to_owned())
}

#[test]
#[ignore = "needs the packages: `cargo xtask dist --check`"]
fn the_archive_is_complete_installs_and_goes_without_a_trace() -> Result<()> {
    let machine = Machine::boot()?;
    let directory = unpacked(&machine)?;
    machine.run(&format!(
        "cd {directory}; sha256sum --check --strict --quiet SHA256SUMS"
    ))?;
    let unlisted = machine.run(&format!(
        "cd {directory}; find . -type f -printf '%P\\n' | while read -r file; do grep -q \"  $file\\$\" SHA256SUMS || echo \"$file\"; done"
    ))?;
    assert_eq!(
        unlisted, "SHA256SUMS\n",
        "everything has its sum but the sums themselves"
    );
    machine.run("touch /opt/before; sleep 1")?;

    let said = machine.run(&format!("{directory}/install.sh"))?;
    assert!(said.contains("systemctl enable --now levee"), "{said}");
    machine.run("man --where agent")?;
    machine.run(
        r#"sed -i 's/^interfaces = .*/interfaces = ["eth0"]/' /etc/levee/agent.toml; systemctl enable --now levee"#,
    )?;
    assert!(machine.attached()?.is_some());
    let (agent, program) = (machine.unit("MainPID")?, machine.attached()?);
    machine.run(&format!("{directory}/install.sh"))?;
    assert_ne!(machine.unit("MainPID")?, agent, "installing again restarts it");
    assert_ne!(machine.attached()?, program, "and takes over");

    machine.run(&format!("{directory}/install.sh --uninstall"))?;
    assert_eq!(machine.attached()?, None);
    let left = machine.run(
        "find /usr /etc /lib -xdev -newer /opt/before \\( -type f -o -type l \\) \\( -name '*levee*' -o -name '*agent*' \\)",
    )?;
    assert_eq!(left, "/etc/levee/agent.toml\n", "only what people made is left");
    Ok(())
}

#[test]
#[ignore = "needs the packages: `cargo xtask dist --check`"]
fn names_resolve_without_the_libraries_of_the_machine() -> Result<()> {
    let machine = Machine::boot()?;
    let directory = unpacked(&machine)?;
    // Modules that a static binary could not load; the name is known by its file alone.
    machine.run(
        "printf 'hosts: resolve mymachines files\\ngroup: systemd files\\npasswd: systemd files\\n' >/etc/nsswitch.conf; \
         echo '127.0.0.1 hook.example.test' >>/etc/hosts",
    )?;
    machine.run(&format!(
        "cp {directory}/agent /usr/bin/agent; mkdir -p /etc/levee; cat >/etc/levee/agent.toml <<'END'\n\
         interfaces = [\"eth0\"]\n[control]\ngroup = \"adm\"\n[[notify]]\nname = \"web\"\nkind = \"json\"\n\
         url = \"http://hook.example.test:9/\"\n\
         [[notify]]\nname = \"nowhere\"\nkind = \"json\"\nurl = \"http://nowhere.example.test:9/\"\nEND\n\
         systemd-run --unit by-hand --collect agent run"
    ))?;
    until("the agent answers", || {
        Ok(machine.succeeds("agent status")?.then_some(()))
    })?;
    assert!(
        machine
            .run("stat --format %G /run/levee/agent.sock")?
            .starts_with("adm"),
        "groups are found"
    );
    let said = machine.run("agent notify test 2>&1 || true")?;
    let line = |name: &str| {
        said.lines()
            .find(|line| line.contains(name))
            .unwrap_or_default()
            .to_lowercase()
    };
    // Nobody listens at port 9: refused is what a name that was resolved gives.
    assert!(line("web").contains("refused"), "{said}");
    assert!(
        !line("nowhere").contains("refused") && !line("nowhere").is_empty(),
        "{said}"
    );
    machine.run("agent detach")?;
    Ok(())
}
