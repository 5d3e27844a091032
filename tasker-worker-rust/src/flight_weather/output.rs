//! Where reports go, and how they get there.
//!
//! INVARIANT: a reader sees the whole report or none: it is written beside its
//! place and then renamed. The name is the workflow's own, only the directory
//! comes from the request; it must not climb (`..`), and where the template
//! names an `output_root` it must stay below that, links followed.

use std::fmt::Write as _;
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write as _};
use std::path::{Component, Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::json;
use sha2::{Digest, Sha256};
use tasker_shared::domain::StepError;

static WRITES: AtomicU64 = AtomicU64::new(0);

/// The directory for the report; made if it is not there.
pub(super) fn directory(output_dir: &str, output_root: Option<&str>) -> Result<PathBuf, StepError> {
    let wanted = Path::new(output_dir);
    let climbs = wanted.components().any(|part| part == Component::ParentDir);
    if output_dir.is_empty() || output_dir.contains('\0') || climbs {
        return Err(unsafe_path(
            output_dir,
            "it must name a directory without `..`",
        ));
    }
    let Some(root) = output_root else {
        return make(wanted);
    };
    let root = make(Path::new(root))?;
    // An absolute path replaces the root, a relative one goes below it.
    let target = root.join(wanted);
    let below = existing_ancestor(&target).is_some_and(|ancestor| ancestor.starts_with(&root));
    if !below {
        return Err(unsafe_path(
            output_dir,
            "it must stay below the output_root of the template",
        ));
    }
    make(&target)
}

fn make(directory: &Path) -> Result<PathBuf, StepError> {
    fs::create_dir_all(directory)
        .and_then(|()| directory.canonicalize())
        .map_err(|error| failure("make", directory, &error))
}

/// The part of the path that is there already, with links followed.
fn existing_ancestor(path: &Path) -> Option<PathBuf> {
    path.ancestors()
        .find_map(|ancestor| ancestor.canonicalize().ok())
}

fn unsafe_path(output_dir: &str, rule: &str) -> StepError {
    let message = format!("output_dir {output_dir:?} is refused: {rule}");
    StepError::permanent(message).with_code("UNSAFE_OUTPUT_DIR")
}

/// Writes the file beside its place, makes it durable, and renames it.
pub(super) fn write_atomically(
    directory: &Path,
    name: &str,
    content: &[u8],
) -> Result<PathBuf, StepError> {
    let place = directory.join(name);
    // Two executions of a step may overlap for a moment: each has its own file.
    let count = WRITES.fetch_add(1, Ordering::Relaxed);
    let beside = directory.join(format!(".{name}.{}.{count}.tmp", std::process::id()));
    let written = write_new(&beside, content)
        .and_then(|()| fs::rename(&beside, &place))
        .and_then(|()| File::open(directory)?.sync_all());
    if let Err(error) = written {
        // What is left of the attempt is of no use; the first error counts.
        let _ = fs::remove_file(&beside);
        return Err(failure("write", &place, &error));
    }
    Ok(place)
}

/// Never follows a link that somebody put there: the file must be new.
fn write_new(path: &Path, content: &[u8]) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).open(path)?;
    file.write_all(content)?;
    file.sync_all()
}

/// A fault of the file system: a full disk may be emptied, a wrong path stays wrong.
pub(super) fn failure(verb: &str, path: &Path, error: &io::Error) -> StepError {
    let message = format!("cannot {verb} {}: {error}", path.display());
    let for_good = matches!(
        error.kind(),
        ErrorKind::PermissionDenied
            | ErrorKind::NotADirectory
            | ErrorKind::IsADirectory
            | ErrorKind::ReadOnlyFilesystem
            | ErrorKind::InvalidInput
            | ErrorKind::InvalidFilename
            | ErrorKind::AlreadyExists
    );
    let error = if for_good {
        StepError::permanent(message)
    } else {
        StepError::retryable(message)
    };
    error
        .with_code("OUTPUT_FAILED")
        .with_context(json!({ "path": path.to_string_lossy() }))
}

pub(super) fn sha256_hex(content: &[u8]) -> String {
    Sha256::digest(content)
        .iter()
        .fold(String::with_capacity(64), |mut hex, byte| {
            // Writing to a string cannot fail.
            let _ = write!(hex, "{byte:02x}");
            hex
        })
}

#[cfg(test)]
mod tests {
    use super::{directory, sha256_hex, write_atomically};

    #[test]
    fn a_directory_that_climbs_or_is_none_is_refused_for_good() {
        for wrong in ["", "..", "/tmp/../etc", "a/..", "a\0b"] {
            let error = directory(wrong, None).unwrap_err();
            assert_eq!(
                error.error_code.as_deref(),
                Some("UNSAFE_OUTPUT_DIR"),
                "{wrong:?}"
            );
        }
    }

    #[test]
    fn nothing_leaves_the_output_root_not_even_through_a_link() {
        let root = tempfile::tempdir().unwrap();
        let elsewhere = tempfile::tempdir().unwrap();
        let root_text = root.path().to_str().unwrap();
        let inside = directory("reports/2013", Some(root_text)).unwrap();
        assert!(inside.starts_with(root.path().canonicalize().unwrap()) && inside.is_dir());

        std::os::unix::fs::symlink(elsewhere.path(), root.path().join("link")).unwrap();
        for outside in [elsewhere.path().to_str().unwrap(), "link", "link/deeper"] {
            let error = directory(outside, Some(root_text)).unwrap_err();
            assert_eq!(
                error.error_code.as_deref(),
                Some("UNSAFE_OUTPUT_DIR"),
                "{outside}"
            );
        }
        assert!(!elsewhere.path().join("deeper").exists());
    }

    #[test]
    fn a_second_write_replaces_the_first_and_leaves_nothing_beside() {
        let place = tempfile::tempdir().unwrap();
        write_atomically(place.path(), "report.html", b"one").unwrap();
        let path = write_atomically(place.path(), "report.html", b"two").unwrap();
        assert_eq!(std::fs::read(path).unwrap(), b"two");
        assert_eq!(std::fs::read_dir(place.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_file_in_the_way_is_refused_for_good() {
        let place = tempfile::tempdir().unwrap();
        let file = place.path().join("file");
        std::fs::write(&file, "").unwrap();
        let error = directory(file.join("sub").to_str().unwrap(), None).unwrap_err();
        assert_eq!(error.kind.as_str(), "permanent");
    }

    #[test]
    fn sha256_is_written_in_hexadecimal() {
        assert!(sha256_hex(b"").starts_with("e3b0c44298fc1c149afbf4c8996fb924"));
    }
}
