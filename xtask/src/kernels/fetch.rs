//! Debian's kernels: found and fetched by apt, which checks them against the signed lists; unpacked, and installed nowhere.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail};

use crate::run::{announce, run};

/// A kernel that is tried.
pub(super) struct Wanted {
    /// As `--only` and the tables name it.
    pub(super) name: &'static str,
    /// Debian's package that depends on the newest one.
    pub(super) package: &'static str,
    /// Suites that have it, and where they are below the mirror.
    suites: &'static [(&'static str, &'static str)],
}

/// What people run: Debian 12 and 13. The kernels for clouds are the same source with fewer drivers, and a third in size.
pub(super) const WANTED: [Wanted; 2] = [
    Wanted {
        name: "6.1",
        package: "linux-image-cloud-amd64",
        suites: &[("debian", "bookworm"), ("debian-security", "bookworm-security")],
    },
    Wanted {
        name: "6.12",
        package: "linux-image-cloud-amd64",
        suites: &[("debian", "trixie"), ("debian-security", "trixie-security")],
    },
];

const MIRROR: &str = "http://deb.debian.org";
const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

/// A kernel that is here.
#[derive(Debug)]
pub(super) struct Kernel {
    /// As [`Wanted::name`].
    pub(super) name: &'static str,
    /// Debian's version.
    pub(super) version: String,
    /// What the kernel calls itself (`uname -r`).
    pub(super) release: String,
    /// The image to boot.
    pub(super) image: PathBuf,
    /// Its modules.
    pub(super) modules: PathBuf,
}

/// The newest that Debian has of it, from `directory` if it is there already.
///
/// # Errors
///
/// When apt cannot fetch it.
pub(super) fn fetch(wanted: &Wanted, directory: &Path) -> Result<Kernel> {
    let apt = Apt::prepare(wanted, &directory.join(wanted.name))?;
    let (package, version) = apt.newest(wanted.package)?;
    let unpacked = apt.root.join(&package);
    if !unpacked.is_dir() {
        announce(&format!("{package} {version} from {MIRROR}"));
        apt.download(&package, &version, &unpacked)?;
    }
    let release = package.trim_start_matches("linux-image-").to_owned();
    let modules = ["lib/modules", "usr/lib/modules"]
        .map(|directory| unpacked.join(directory).join(&release))
        .into_iter()
        .find(|directory| directory.is_dir())
        .with_context(|| format!("{package} has no modules of {release}"))?;
    Ok(Kernel {
        name: wanted.name,
        version,
        image: unpacked.join(format!("boot/vmlinuz-{release}")),
        modules,
        release,
    })
}

/// An apt of its own: other sources and lists than the machine's, which is left as it is.
struct Apt {
    root: PathBuf,
}

impl Apt {
    fn prepare(wanted: &Wanted, root: &Path) -> Result<Self> {
        if !Path::new(KEYRING).is_file() {
            bail!("there is no {KEYRING}, by which Debian's kernels are checked: install debian-archive-keyring");
        }
        for directory in ["lists/partial", "cache/archives/partial"] {
            fs::create_dir_all(root.join(directory)).with_context(|| format!("making {}", root.display()))?;
        }
        let sources: String = wanted
            .suites
            .iter()
            .map(|(archive, suite)| format!("deb [signed-by={KEYRING}] {MIRROR}/{archive} {suite} main\n"))
            .collect();
        fs::write(root.join("sources.list"), sources).context("writing apt's sources")?;
        let apt = Self { root: root.to_owned() };
        run(apt.command("apt-get").args(["--quiet=2", "update"])).context("asking Debian what kernels there are")?;
        Ok(apt)
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        let root = self.root.display();
        for option in [
            format!("Dir::Etc::sourcelist={root}/sources.list"),
            "Dir::Etc::sourceparts=/dev/null".to_owned(),
            format!("Dir::State::lists={root}/lists"),
            format!("Dir::Cache={root}/cache"),
            // Nothing is installed, so nothing is.
            "Dir::State::status=/dev/null".to_owned(),
            "Debug::NoLocking=1".to_owned(),
            "APT::Sandbox::User=root".to_owned(),
            "Acquire::Languages=none".to_owned(),
        ] {
            command.arg("-o").arg(option);
        }
        command.env("LC_ALL", "C");
        command
    }

    /// The image that the package depends on, and its version.
    fn newest(&self, package: &str) -> Result<(String, String)> {
        let output = self
            .command("apt-cache")
            .args(["show", "--no-all-versions", package])
            .output()
            .context("cannot start apt-cache")?;
        let text = String::from_utf8_lossy(&output.stdout);
        dependency(&text).with_context(|| format!("apt knows no image that {package} depends on"))
    }

    fn download(&self, package: &str, version: &str, unpacked: &Path) -> Result<()> {
        let archives = self.root.join("cache/archives");
        run(self
            .command("apt-get")
            .args(["--quiet", "download", &format!("{package}={version}")])
            .current_dir(&archives))?;
        let archive = fs::read_dir(&archives)
            .context("looking for what apt fetched")?
            .flatten()
            .map(|entry| entry.path())
            .find(|path| is_archive_of(path, package))
            .with_context(|| format!("apt fetched {package}, and yet it is not in {}", archives.display()))?;
        // Under another name until it is whole.
        let partial = unpacked.with_extension("partial");
        run(Command::new("dpkg").arg("-x").args([&archive, &partial]))?;
        fs::rename(&partial, unpacked).context("naming the unpacked kernel")?;
        fs::remove_file(&archive).context("removing the archive")
    }
}

fn is_archive_of(path: &Path, package: &str) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    name.strip_prefix(package).is_some_and(|rest| rest.starts_with('_'))
}

/// The first dependency on an image, as `apt-cache show` writes it: `linux-image-6.1.0-1-cloud-amd64 (= 6.1.1-1)`.
fn dependency(show: &str) -> Option<(String, String)> {
    let depends = show.lines().find_map(|line| line.strip_prefix("Depends: "))?;
    depends.split(", ").find_map(|one| {
        let (package, version) = one.split_once(" (= ")?;
        let version = version.strip_suffix(')')?;
        package
            .starts_with("linux-image-")
            .then(|| (package.to_owned(), version.to_owned()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_image_behind_the_package_is_found() {
        let show = "Package: linux-image-cloud-amd64\nVersion: 6.1.192-2\n\
                    Depends: linux-base, linux-image-6.1.0-56-cloud-amd64 (= 6.1.192-2)\n";
        let expected = ("linux-image-6.1.0-56-cloud-amd64".to_owned(), "6.1.192-2".to_owned());
        assert_eq!(dependency(show), Some(expected));
        assert_eq!(dependency("Package: none\n"), None);
    }

    #[test]
    fn an_archive_is_told_by_its_whole_name() {
        assert!(is_archive_of(
            Path::new("a/linux-image-6.1_6.1.2_amd64.deb"),
            "linux-image-6.1"
        ));
        assert!(!is_archive_of(
            Path::new("a/linux-image-6.12_6.12_amd64.deb"),
            "linux-image-6.1"
        ));
    }
}
