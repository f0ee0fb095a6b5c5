//! What a guest has on its disk, which is its memory: test programs with the libraries they ask for, the programs of this
//! machine that they start, modules, and process 1.

use std::{
    collections::BTreeSet,
    fs,
    io::Write as _,
    os::unix::fs::{PermissionsExt as _, symlink},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context, Result, bail};
use xtask::bpf::find_program;

use super::fetch::Kernel;
use crate::run::run;

/// Programs of the machine that tests start.
const PROGRAMS: &[&str] = &[
    "ip", "ethtool", "nginx", "haproxy", "curl", "wrk", "nft", "tcpdump", "tc", "ss", "nstat",
];

/// What the kernel is asked for by path.
const INIT: &str = include_str!("init.sh");

/// Below a kernel's modules: what a load balancer in a guest may need.
const MODULES: &[&str] = &["arch", "crypto", "drivers/net", "drivers/virtio", "lib", "net"];

/// Where test programs are in the guest.
pub(super) const HOME: &str = "/levee";

/// Users and what reads them, without which servers do not start.
const FILES: [(&str, &str); 4] = [
    (
        "etc/passwd",
        "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\nwww-data:x:33:33::/:/bin/false\n",
    ),
    ("etc/group", "root:x:0:\nnogroup:x:65534:\nwww-data:x:33:\n"),
    ("etc/nsswitch.conf", "passwd: files\ngroup: files\nhosts: files\n"),
    ("etc/hosts", "127.0.0.1 localhost\n::1 localhost\n"),
];

/// The archive of everything but modules and steps.
///
/// # Errors
///
/// When a program is missing or nothing can be written.
pub(super) fn programs(binaries: &[(String, PathBuf)], directory: &Path) -> Result<PathBuf> {
    let root = directory.join("root");
    if root.exists() {
        fs::remove_dir_all(&root).context("removing the last guest's files")?;
    }
    let mut tree = Tree::new(root)?;
    for (path, text) in FILES {
        tree.write(path, text.as_bytes(), 0o644)?;
    }
    tree.write("init", INIT.as_bytes(), 0o755)?;
    let busybox = find_program("busybox").context("there is no busybox: install busybox-static")?;
    tree.copy(&busybox, Path::new("/bin/busybox"))?;
    symlink("../bin/busybox", tree.root.join("usr/sbin/modprobe")).context("linking modprobe")?;
    // Its own shell would take its own `ip` before the machine's.
    let dash = find_program("dash").context("there is no dash")?;
    tree.copy(&dash, Path::new("/usr/bin/sh"))?;
    for name in PROGRAMS {
        let program =
            find_program(name).with_context(|| format!("there is no {name}: `cargo xtask setup` installs it"))?;
        tree.copy(&program, &program)?;
    }
    for (name, binary) in binaries {
        let stripped = Path::new(HOME).join(name);
        let to = tree.inside(&stripped);
        run(Command::new("strip")
            .arg("--strip-debug")
            .arg("-o")
            .args([to.as_path(), binary]))?;
        tree.libraries(binary)?;
    }
    let archive = directory.join("programs.cpio");
    tree.archive(&archive)?;
    Ok(archive)
}

/// The archive of a kernel's modules.
///
/// # Errors
///
/// When they cannot be read, or `busybox depmod` fails.
pub(super) fn modules(kernel: &Kernel, directory: &Path) -> Result<PathBuf> {
    let archive = directory.join(format!("modules-{}.cpio", kernel.release));
    if archive.is_file() {
        return Ok(archive);
    }
    let root = directory.join("modules");
    if root.exists() {
        fs::remove_dir_all(&root).context("removing the last kernel's modules")?;
    }
    let tree = Tree::new(root)?;
    let to = Path::new("/lib/modules").join(&kernel.release);
    for part in MODULES {
        let from = kernel.modules.join("kernel").join(part);
        let below = tree.inside(&to.join("kernel").join(part));
        fs::create_dir_all(below.parent().unwrap_or(&below)).context("making directories for modules")?;
        if from.is_dir() {
            run(Command::new("cp").arg("-r").args([&from, &below]))?;
        }
    }
    for list in ["modules.builtin", "modules.order"] {
        fs::copy(kernel.modules.join(list), tree.inside(&to.join(list))).with_context(|| format!("copying {list}"))?;
    }
    // busybox loads no compressed ones.
    let unpack = "find . -name '*.ko.xz' -exec xz -d {} + && busybox depmod -b \"$PWD\" \"$1\"";
    run(Command::new("sh")
        .args(["-euc", unpack, "modules", &kernel.release])
        .current_dir(&tree.root))?;
    tree.archive(&archive)?;
    fs::remove_dir_all(&tree.root).context("removing the unpacked modules")?;
    Ok(archive)
}

/// One initial RAM disk of several archives, and the steps of this boot. The kernel unpacks them one after the other.
///
/// # Errors
///
/// When nothing can be written.
pub(super) fn disk(archives: &[&Path], steps: &str, attach: &str, directory: &Path) -> Result<PathBuf> {
    let root = directory.join("steps");
    if root.exists() {
        fs::remove_dir_all(&root).context("removing the last steps")?;
    }
    fs::create_dir_all(&root).context("making a directory for steps")?;
    fs::write(root.join("steps.sh"), steps).context("writing the steps")?;
    fs::write(root.join("attach.sh"), attach).context("writing the steps")?;
    let own = directory.join("steps.cpio");
    Tree { root }.archive(&own)?;
    let disk = directory.join("disk");
    let mut to = fs::File::create(&disk).context("making the guest's disk")?;
    for archive in archives.iter().copied().chain([own.as_path()]) {
        let mut from = fs::File::open(archive).with_context(|| format!("reading {}", archive.display()))?;
        std::io::copy(&mut from, &mut to).context("writing the guest's disk")?;
    }
    to.flush().context("writing the guest's disk")?;
    Ok(disk)
}

/// A directory that becomes an archive.
struct Tree {
    root: PathBuf,
}

impl Tree {
    fn new(root: PathBuf) -> Result<Self> {
        for directory in [
            "usr/bin",
            "usr/sbin",
            "usr/lib",
            "usr/lib64",
            "usr/local/bin",
            "proc",
            "sys",
            "dev",
            "tmp",
            "run",
            "etc",
            "root",
            "levee",
        ] {
            fs::create_dir_all(root.join(directory)).with_context(|| format!("making {}", root.display()))?;
        }
        // As on Debian: libraries are asked for by either path.
        for name in ["bin", "sbin", "lib", "lib64"] {
            symlink(format!("usr/{name}"), root.join(name)).with_context(|| format!("linking {name}"))?;
        }
        Ok(Self { root })
    }

    fn inside(&self, path: &Path) -> PathBuf {
        self.root.join(path.strip_prefix("/").unwrap_or(path))
    }

    fn write(&mut self, path: &str, bytes: &[u8], mode: u32) -> Result<()> {
        let to = self.root.join(path);
        fs::write(&to, bytes).with_context(|| format!("writing {path} of the guest"))?;
        fs::set_permissions(&to, fs::Permissions::from_mode(mode)).with_context(|| format!("permissions of {path}"))
    }

    /// A program with its libraries.
    fn copy(&mut self, from: &Path, to: &Path) -> Result<()> {
        self.copy_file(from, to)?;
        self.libraries(from)
    }

    fn copy_file(&self, from: &Path, to: &Path) -> Result<()> {
        let to = self.inside(to);
        fs::create_dir_all(to.parent().unwrap_or(&to)).with_context(|| format!("making room for {}", to.display()))?;
        fs::copy(from, &to).with_context(|| format!("copying {} into the guest", from.display()))?;
        Ok(())
    }

    fn libraries(&mut self, program: &Path) -> Result<()> {
        let output = Command::new("ldd").arg(program).output().context("cannot start ldd")?;
        for library in libraries(&String::from_utf8_lossy(&output.stdout)) {
            if !self.inside(&library).exists() {
                self.copy_file(&library, &library)?;
            }
        }
        Ok(())
    }

    /// Packs everything in the format of initial RAM disks (Documentation/driver-api/early-userspace/buffer-format.rst).
    fn archive(&self, to: &Path) -> Result<()> {
        let file = fs::File::create(to).with_context(|| format!("making {}", to.display()))?;
        let status = Command::new("sh")
            .args(["-euc", "find . | busybox cpio --quiet -o -H newc"])
            .current_dir(&self.root)
            .stdout(Stdio::from(file))
            .stderr(Stdio::null())
            .status()
            .context("cannot start busybox")?;
        if !status.success() {
            bail!("packing {} failed ({status})", to.display());
        }
        Ok(())
    }
}

/// The libraries that ldd names, by path.
fn libraries(ldd: &str) -> BTreeSet<PathBuf> {
    ldd.split_whitespace()
        .filter(|word| word.starts_with('/'))
        .map(PathBuf::from)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libraries_are_found_by_their_paths() {
        let ldd =
            "\tlinux-vdso.so.1 (0x00007ffe)\n\tlibm.so.6 => /lib/x/libm.so.6 (0x00007f)\n\t/lib64/ld.so.2 (0x1)\n";
        let expected = ["/lib/x/libm.so.6", "/lib64/ld.so.2"].map(PathBuf::from);
        assert_eq!(libraries(ldd), BTreeSet::from(expected));
        assert!(libraries("\tnot a dynamic executable\n").is_empty());
    }
}
