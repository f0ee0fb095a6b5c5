//! Which compiler and which linker build the BPF programs: a pure decision over what a machine has.

use std::{fmt, path::PathBuf, str::FromStr};

/// The LLVM that `cargo xtask setup` builds bpf-linker with: the one of Debian's `rustc-web`.
pub const LLVM_MAJOR: u32 = 22;

/// A version of rustc, without the channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version {
    /// The first number.
    pub major: u32,
    /// The second number.
    pub minor: u32,
}

impl Version {
    /// The oldest rustc that may compile this workspace (`rust-version` in its Cargo.toml).
    ///
    /// # Panics
    ///
    /// When cargo hands over a `rust-version` that is not one.
    pub fn minimum() -> Self {
        env!("CARGO_PKG_RUST_VERSION")
            .parse()
            .expect("cargo checked rust-version")
    }
}

impl FromStr for Version {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let mut numbers = text.split(['.', '-']).map(|part| part.parse().map_err(drop));
        let (Some(major), Some(minor)) = (numbers.next(), numbers.next()) else {
            return Err(());
        };
        Ok(Self {
            major: major?,
            minor: minor?,
        })
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

/// Where a compiler comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A rustup nightly of this name.
    Nightly(String),
    /// The one in `/usr`, such as Debian's `rustc-web` and `cargo-web`.
    System,
}

/// A compiler that has the sources of `core`, which the BPF target has no prebuilt copy of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Compiler {
    /// Where it comes from.
    pub origin: Origin,
    /// The directory with its `rustc` and `cargo`.
    pub bin: PathBuf,
    /// Its version.
    pub version: Version,
    /// The major version of the LLVM whose bitcode it writes.
    pub llvm: u32,
}

/// An installed bpf-linker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Linker {
    /// The program.
    pub path: PathBuf,
    /// The major version of the LLVM it reads bitcode with; none where it does not tell.
    pub llvm: Option<u32>,
}

/// What a machine has for building BPF programs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// Compilers that have the sources of `core`, in no order.
    pub compilers: Vec<Compiler>,
    /// The bpf-linker found first.
    pub linker: Option<Linker>,
}

/// A compiler and a linker that fit together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Toolchain {
    /// The compiler.
    pub compiler: Compiler,
    /// The linker.
    pub linker: Linker,
}

impl fmt::Display for Toolchain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.compiler.origin {
            Origin::Nightly(name) => write!(f, "rustup's {name} with rust-src")?,
            Origin::System => write!(f, "/usr/bin/rustc {} with its sources", self.compiler.version)?,
        }
        write!(f, ", {}", self.linker.path.display())
    }
}

/// Why there is no toolchain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Missing {
    /// No compiler with the sources of `core`, new enough.
    pub compiler: bool,
    /// No bpf-linker, or none that reads what the compiler writes.
    pub linker: bool,
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("cannot build the BPF programs:")?;
        if self.compiler {
            write!(
                f,
                " no rustc {} or newer with the sources of `core`{}",
                Version::minimum(),
                if self.linker { "," } else { "" }
            )?;
        }
        if self.linker {
            write!(f, " no bpf-linker for its LLVM")?;
        }
        write!(
            f,
            "\n  `cargo xtask setup` installs both (Debian: rustc-web, cargo-web, rust-web-src, llvm-{LLVM_MAJOR}-dev; \
             crates.io: bpf-linker).\n  By hand: `rustup toolchain install nightly --component rust-src` and `cargo \
             install bpf-linker`."
        )
    }
}

impl std::error::Error for Missing {}

/// Picks a toolchain: a nightly before the compiler of the system, the newest nightly first, never one whose bitcode the linker
/// cannot read.
///
/// # Errors
///
/// What is missing, when no compiler and linker fit together.
pub fn decide(facts: &Facts) -> Result<Toolchain, Missing> {
    let mut usable: Vec<&Compiler> = facts
        .compilers
        .iter()
        .filter(|compiler| compiler.version >= Version::minimum())
        .collect();
    usable.sort_by_key(|compiler| {
        let nightly = matches!(compiler.origin, Origin::Nightly(_));
        std::cmp::Reverse((nightly, compiler.version))
    });
    let fits = |compiler: &&&Compiler| {
        facts
            .linker
            .as_ref()
            .is_some_and(|linker| linker.llvm.is_none_or(|llvm| llvm >= compiler.llvm))
    };
    match (usable.iter().find(fits), &facts.linker) {
        (Some(&compiler), Some(linker)) => Ok(Toolchain {
            compiler: compiler.clone(),
            linker: linker.clone(),
        }),
        _ => Err(Missing {
            compiler: usable.is_empty(),
            linker: !usable.is_empty() || facts.linker.is_none(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nightly(minor: u32, llvm: u32) -> Compiler {
        Compiler {
            origin: Origin::Nightly(format!("nightly-1.{minor}")),
            bin: PathBuf::from("/nightly/bin"),
            version: Version { major: 1, minor },
            llvm,
        }
    }

    fn system() -> Compiler {
        Compiler {
            origin: Origin::System,
            bin: PathBuf::from("/usr/bin"),
            version: Version { major: 1, minor: 96 },
            llvm: 22,
        }
    }

    fn facts(compilers: &[Compiler], linker_llvm: Option<Option<u32>>) -> Facts {
        Facts {
            compilers: compilers.to_vec(),
            linker: linker_llvm.map(|llvm| Linker {
                path: PathBuf::from("bpf-linker"),
                llvm,
            }),
        }
    }

    #[test]
    fn prefers_a_nightly_with_sources() {
        let found = decide(&facts(&[system(), nightly(97, 22)], Some(Some(22)))).expect("both usable");
        assert_eq!(found.compiler, nightly(97, 22));
    }

    #[test]
    fn prefers_the_newest_nightly() {
        let found = decide(&facts(&[nightly(97, 22), nightly(98, 22)], Some(None))).expect("both usable");
        assert_eq!(found.compiler, nightly(98, 22));
    }

    #[test]
    fn passes_over_a_nightly_whose_bitcode_the_linker_cannot_read() {
        let found = decide(&facts(&[nightly(99, 23), system()], Some(Some(22)))).expect("the system's fits");
        assert_eq!(found.compiler, system());
    }

    #[test]
    fn refuses_a_compiler_older_than_the_workspace_asks_for() {
        let missing = decide(&facts(&[nightly(60, 14)], Some(Some(22)))).expect_err("too old");
        assert_eq!(
            missing,
            Missing {
                compiler: true,
                linker: false
            }
        );
    }

    #[test]
    fn names_what_is_missing() {
        let both = decide(&Facts::default()).expect_err("nothing there");
        assert!(both.compiler && both.linker);
        assert!(both.to_string().contains("cargo xtask setup"), "{both}");

        let linker = decide(&facts(&[system()], None)).expect_err("no linker");
        assert!(!linker.compiler && linker.linker);

        let stale = decide(&facts(&[system()], Some(Some(19)))).expect_err("linker too old");
        assert!(!stale.compiler && stale.linker);
    }

    #[test]
    fn reads_versions() {
        assert_eq!("1.96.0".parse(), Ok(Version { major: 1, minor: 96 }));
        assert_eq!("1.99.0-nightly".parse(), Ok(Version { major: 1, minor: 99 }));
        assert_eq!("1.95".parse(), Ok(Version { major: 1, minor: 95 }));
        assert_eq!(Version::from_str("stable"), Err(()));
    }
}
