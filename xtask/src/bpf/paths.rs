//! Keeps the paths of the machine that compiles out of what is compiled: they are nobody's business, and without them two
//! machines make the same bytes.

use std::{
    env,
    path::{Path, PathBuf},
};

/// Flags of rustc that rename the workspace and cargo's home in debug information, panics and the like.
#[must_use]
pub fn path_flags(workspace: &Path) -> Vec<String> {
    flags(workspace, cargo_home().as_deref())
}

/// The directories that [`path_flags`] renames.
#[must_use]
pub fn renamed_paths(workspace: &Path) -> Vec<PathBuf> {
    std::iter::once(workspace.to_path_buf()).chain(cargo_home()).collect()
}

fn flags(workspace: &Path, cargo_home: Option<&Path>) -> Vec<String> {
    let flag = |from: &Path, to: &str| format!("--remap-path-prefix={}={to}", from.display());
    let home = cargo_home.map(|home| flag(home, "cargo"));
    home.into_iter().chain([flag(workspace, "levee")]).collect()
}

/// Where cargo keeps the sources of dependencies.
fn cargo_home() -> Option<PathBuf> {
    let named = env::var_os("CARGO_HOME").map(PathBuf::from);
    named.or_else(|| Some(Path::new(&env::var_os("HOME")?).join(".cargo")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_of_this_machine_are_renamed() {
        assert_eq!(
            flags(Path::new("/src/levee"), Some(Path::new("/cargo-home"))),
            [
                "--remap-path-prefix=/cargo-home=cargo",
                "--remap-path-prefix=/src/levee=levee"
            ]
        );
    }
}
