//! Where template files are found on disk.
//!
//! Below `<config_dir>/tasks`: `{namespace}/{name}/{version}.yaml` first, then
//! `{name}/{version}`, then `{name}`; `.yml` is as good as `.yaml`. What a file
//! defines is said inside it, so a start-up takes every file there is; a look-up
//! by name takes the first of the three places that exists.

use std::path::{Path, PathBuf};

use crate::domain::{Namespace, TemplateName, Version};

/// Depth of directories searched: enough for a name with a few slashes.
const MAX_DEPTH: usize = 8;

/// All template files below `directory`, in name order; none if there is no such
/// directory. Symbolic links to directories are not followed.
pub fn find(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    collect(directory, MAX_DEPTH, &mut found);
    found.sort();
    found
}

fn collect(directory: &Path, depth: usize, found: &mut Vec<PathBuf>) {
    let Ok(entries) = std::fs::read_dir(directory) else {
        return;
    };
    for entry in entries.flatten() {
        let path = entry.path();
        let is_directory = entry.file_type().is_ok_and(|kind| kind.is_dir());
        if is_directory && depth > 0 {
            collect(&path, depth - 1, found);
        } else if !is_directory && has_yaml_extension(&path) {
            found.push(path);
        }
    }
}

fn has_yaml_extension(path: &Path) -> bool {
    path.extension()
        .is_some_and(|e| e.eq_ignore_ascii_case("yaml") || e.eq_ignore_ascii_case("yml"))
}

/// The file that counts for one template version, if there is one.
pub fn locate(
    directory: &Path,
    namespace: &Namespace,
    name: &TemplateName,
    version: &Version,
) -> Option<PathBuf> {
    candidates(directory, namespace, name, Some(version))
        .into_iter()
        .next()
}

/// Files in the three places that exist, in the order in which they count;
/// without a version, every version's.
pub fn candidates(
    directory: &Path,
    namespace: &Namespace,
    name: &TemplateName,
    version: Option<&Version>,
) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for place in [format!("{namespace}/{name}"), name.to_string()] {
        match version {
            Some(version) => found.extend(with_extension(directory, &format!("{place}/{version}"))),
            None => collect(&directory.join(place), 0, &mut found),
        }
    }
    found.extend(with_extension(directory, name.as_str()));
    found
}

fn with_extension(directory: &Path, stem: &str) -> Vec<PathBuf> {
    ["yaml", "yml"]
        .iter()
        .map(|extension| directory.join(format!("{stem}.{extension}")))
        .filter(|path| path.is_file())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_specific_place_counts() {
        let directory = tempfile::tempdir().unwrap();
        let names = [
            "ns/order/1.0.0.yml",
            "order/1.0.0.yaml",
            "order.yaml",
            "ns/order/2.0.0.yaml",
        ];
        for name in names {
            let path = directory.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "").unwrap();
        }
        let namespace = Namespace::parse("ns").unwrap();
        let name = TemplateName::parse("order").unwrap();
        let version = Version::parse("1.0.0").unwrap();
        let relative = |paths: Vec<PathBuf>| -> Vec<String> {
            let strip = |p: PathBuf| {
                p.strip_prefix(directory.path())
                    .unwrap()
                    .display()
                    .to_string()
            };
            paths.into_iter().map(strip).collect()
        };
        assert_eq!(
            relative(candidates(
                directory.path(),
                &namespace,
                &name,
                Some(&version)
            )),
            ["ns/order/1.0.0.yml", "order/1.0.0.yaml", "order.yaml"]
        );
        let all = relative(candidates(directory.path(), &namespace, &name, None));
        assert_eq!(all.len(), 4);
        assert_eq!(find(directory.path()).len(), 4);
        assert!(find(&directory.path().join("missing")).is_empty());
    }
}
