//! Finds the PostgreSQL server programs on this machine.
//!
//! Order: a directory named by the caller or by `TASKER_PG_BIN` (then no other is
//! considered), the directories of PATH, Debian's versioned directories from the
//! newest down, what `pg_config` says, Homebrew and Postgres.app. Only `initdb` and
//! `postgres` are needed; no client program is.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::error::ClusterError;
use crate::OLDEST_SUPPORTED_MAJOR;

/// Environment variable that names the directory of `initdb` and `postgres`.
const BIN_VARIABLE: &str = "TASKER_PG_BIN";

/// One installed set of server programs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Binaries {
    pub(crate) directory: PathBuf,
    pub(crate) major: u32,
}

impl Binaries {
    pub(crate) fn program(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }
}

/// Finds programs for a cluster: of exactly the major version `made_by` when its data
/// already exist, else the first usable ones.
pub(crate) fn find(
    explicit: Option<&Path>,
    made_by: Option<u32>,
    cluster: &Path,
) -> Result<Binaries, ClusterError> {
    let named = explicit.map(Path::to_owned).or_else(|| {
        env::var_os(BIN_VARIABLE)
            .filter(|v| !v.is_empty())
            .map(PathBuf::from)
    });
    let (usable, rejected) = match named {
        Some(path) => {
            let found =
                inspect(&path).map_err(|reason| ClusterError::BadBinDirectory { path, reason })?;
            (vec![found], Vec::new())
        }
        None => survey(candidates()),
    };
    let chosen = match made_by {
        Some(major) => usable.iter().find(|b| b.major == major),
        None => usable.first(),
    };
    if let Some(binaries) = chosen {
        return Ok(binaries.clone());
    }
    match (made_by, usable.is_empty()) {
        (Some(made_by), false) => Err(ClusterError::VersionMismatch {
            directory: cluster.to_owned(),
            made_by,
            found: versions_text(&usable),
        }),
        _ => Err(ClusterError::NotInstalled {
            oldest: OLDEST_SUPPORTED_MAJOR,
            rejected,
        }),
    }
}

fn versions_text(usable: &[Binaries]) -> String {
    let mut majors: Vec<u32> = usable.iter().map(|b| b.major).collect();
    majors.sort_unstable();
    majors.dedup();
    let texts: Vec<String> = majors.iter().map(u32::to_string).collect();
    texts.join(", ")
}

/// Sorts candidates into usable ones, in their order, and reasons against the others.
fn survey(candidates: Vec<PathBuf>) -> (Vec<Binaries>, Vec<String>) {
    let mut usable: Vec<Binaries> = Vec::new();
    let mut rejected = Vec::new();
    for path in candidates {
        if usable.iter().any(|b| b.directory == path) {
            continue;
        }
        match inspect(&path) {
            Ok(binaries) => usable.push(binaries),
            Err(reason) => rejected.push(format!("{}: {reason}", path.display())),
        }
    }
    (usable, rejected)
}

/// Directories that hold at least one of the two programs, in order of preference.
fn candidates() -> Vec<PathBuf> {
    let mut all: Vec<PathBuf> = Vec::new();
    if let Some(path) = env::var_os("PATH") {
        all.extend(env::split_paths(&path).filter(|p| !p.as_os_str().is_empty()));
    }
    all.extend(versioned("/usr/lib/postgresql", "bin"));
    all.extend(versioned_by_prefix("/usr", "pgsql-"));
    all.extend(pg_config());
    for prefix in ["/opt/homebrew/opt", "/usr/local/opt"] {
        all.extend(versioned_by_prefix(prefix, "postgresql@"));
        all.push(Path::new(prefix).join("postgresql/bin"));
    }
    all.extend(versioned(
        "/Applications/Postgres.app/Contents/Versions",
        "bin",
    ));
    all.retain(|p| p.join("initdb").is_file() || p.join("postgres").is_file());
    all
}

/// `root/<number>/tail`, the highest number first.
fn versioned(root: &str, tail: &str) -> Vec<PathBuf> {
    numbered(root, "")
        .into_iter()
        .map(|p| p.join(tail))
        .collect()
}

/// `root/<prefix><number>/bin`, the highest number first.
fn versioned_by_prefix(root: &str, prefix: &str) -> Vec<PathBuf> {
    numbered(root, prefix)
        .into_iter()
        .map(|p| p.join("bin"))
        .collect()
}

fn numbered(root: &str, prefix: &str) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(root) else {
        return Vec::new();
    };
    let mut found: Vec<(u32, PathBuf)> = entries
        .flatten()
        .filter_map(|entry| {
            let name = entry.file_name();
            let number = name.to_str()?.strip_prefix(prefix)?.parse().ok()?;
            Some((number, entry.path()))
        })
        .collect();
    found.sort_by_key(|(number, _)| std::cmp::Reverse(*number));
    found.into_iter().map(|(_, path)| path).collect()
}

fn pg_config() -> Option<PathBuf> {
    let output = Command::new("pg_config").arg("--bindir").output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let path = text.trim();
    (output.status.success() && !path.is_empty()).then(|| PathBuf::from(path))
}

/// Looks whether a directory holds both programs in a version that will do.
fn inspect(directory: &Path) -> Result<Binaries, String> {
    for name in ["initdb", "postgres"] {
        if !directory.join(name).is_file() {
            return Err(format!("`{name}` is not in it"));
        }
    }
    let output = Command::new(directory.join("postgres"))
        .arg("--version")
        .output()
        .map_err(|error| format!("`postgres` can not be run: {error}"))?;
    let text = String::from_utf8_lossy(&output.stdout);
    let major = major_version(&text)
        .ok_or_else(|| "`postgres --version` does not say its version".to_owned())?;
    if major < OLDEST_SUPPORTED_MAJOR {
        return Err(format!(
            "it is PostgreSQL {major}, and {OLDEST_SUPPORTED_MAJOR} or newer is needed"
        ));
    }
    Ok(Binaries {
        directory: directory.to_owned(),
        major,
    })
}

/// The major version out of `postgres (PostgreSQL) 15.18 (Debian ...)` or `... 18beta1`.
fn major_version(text: &str) -> Option<u32> {
    let tail = text.split("(PostgreSQL) ").nth(1)?;
    let digits: String = tail.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_of_releases_and_betas_are_read() {
        let debian = "postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)\n";
        assert_eq!(major_version(debian), Some(15));
        assert_eq!(major_version("postgres (PostgreSQL) 18beta1\n"), Some(18));
        assert_eq!(major_version("something else"), None);
    }

    #[test]
    fn a_named_directory_without_programs_is_refused_and_nothing_else_is_tried() {
        let empty = tempfile::tempdir().unwrap();
        let error = find(Some(empty.path()), None, Path::new("/nowhere")).unwrap_err();
        assert!(
            matches!(error, ClusterError::BadBinDirectory { .. }),
            "{error}"
        );
        assert!(
            error.to_string().contains("`initdb` is not in it"),
            "{error}"
        );
    }

    #[test]
    fn an_old_version_is_refused_by_number() {
        use std::os::unix::fs::PermissionsExt as _;
        let directory = tempfile::tempdir().unwrap();
        for name in ["initdb", "postgres"] {
            let path = directory.path().join(name);
            fs::write(&path, "#!/bin/sh\necho 'postgres (PostgreSQL) 14.2'\n").unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        }
        let error = find(Some(directory.path()), None, Path::new("/nowhere")).unwrap_err();
        assert!(error.to_string().contains("it is PostgreSQL 14"), "{error}");
    }

    #[test]
    fn data_of_another_version_are_refused_by_number() {
        let error = find(None, Some(9), Path::new("/some/cluster")).unwrap_err();
        assert!(
            error.to_string().contains("made by PostgreSQL 9"),
            "{error}"
        );
    }

    #[test]
    fn the_message_for_a_missing_installation_is_one_line() {
        let error = ClusterError::NotInstalled {
            oldest: 15,
            rejected: vec!["/opt/pg: it is PostgreSQL 12".to_owned()],
        };
        let text = error.to_string();
        assert!(
            !text.contains('\n') && text.contains("apt-get install postgresql"),
            "{text}"
        );
    }
}
