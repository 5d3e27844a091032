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
    path.extension().is_some_and(|e| e.eq_ignore_ascii_case("yaml") || e.eq_ignore_ascii_case("yml"))
}

/// The file of one template version, if there is one.
pub fn locate(
    directory: &Path,
    namespace: &Namespace,
    name: &TemplateName,
    version: &Version,
) -> Option<PathBuf> {
    let stems = [
        format!("{namespace}/{name}/{version}"),
        format!("{name}/{version}"),
        name.to_string(),
    ];
    let candidates = stems.iter().flat_map(|stem| {
        ["yaml", "yml"].map(|extension| directory.join(format!("{stem}.{extension}")))
    });
    candidates.into_iter().find(|path| path.is_file())
}
