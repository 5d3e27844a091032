//! The account that PostgreSQL runs under.
//!
//! An ordinary user runs it as itself. PostgreSQL refuses root, so root runs it as
//! the owner of existing data, else as `postgres`, else as `nobody`; the standard
//! library drops the supplementary groups when it changes the uid of a child.
//!
//! INVARIANT: root never writes into a directory that the other account owns, so a
//! symbolic link planted there can not lead root anywhere.

use std::os::unix::fs::{chown, MetadataExt as _};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

use nix::unistd::{geteuid, User};

use crate::error::{io_error, ClusterError};

/// Who runs the PostgreSQL programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Account {
    /// The calling user.
    Own,
    /// Another account, because the caller is root.
    Other { uid: u32, gid: u32 },
}

impl Account {
    /// Chooses the account; `data` is the data directory, which need not exist.
    pub(crate) fn choose(data: &Path) -> Result<Self, ClusterError> {
        if !geteuid().is_root() {
            return Ok(Self::Own);
        }
        if let Ok(found) = std::fs::metadata(data) {
            if found.uid() != 0 {
                return Ok(Self::Other {
                    uid: found.uid(),
                    gid: found.gid(),
                });
            }
        }
        ["postgres", "nobody"]
            .into_iter()
            .find_map(|name| User::from_name(name).ok().flatten())
            .filter(|user| !user.uid.is_root())
            .map(|user| Self::Other {
                uid: user.uid.as_raw(),
                gid: user.gid.as_raw(),
            })
            .ok_or(ClusterError::NoUnprivilegedAccount)
    }

    /// Makes `command` run under this account.
    pub(crate) fn apply(self, command: &mut Command) {
        if let Self::Other { uid, gid } = self {
            command.uid(uid).gid(gid);
        }
    }

    /// Hands a directory that the caller just made to this account.
    pub(crate) fn give(self, directory: &Path) -> Result<(), ClusterError> {
        match self {
            Self::Own => Ok(()),
            Self::Other { uid, gid } => chown(directory, Some(uid), Some(gid))
                .map_err(io_error("change the owner of", directory)),
        }
    }

    /// Whether this account can enter `directory`, found out by doing it: that
    /// honours every parent, access list and mount there is.
    pub(crate) fn can_enter(self, directory: &Path) -> bool {
        let mut command = Command::new("/bin/sh");
        command
            .args(["-c", "cd -- \"$1\"", "sh"])
            .arg(directory)
            .current_dir("/")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        self.apply(&mut command);
        command.status().is_ok_and(|status| status.success())
    }
}
