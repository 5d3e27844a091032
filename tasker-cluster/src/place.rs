//! Where a cluster lives on disk, and the lock that says whose it is.
//!
//! ```text
//! <base>/lock              held by the owning process for as long as it lives
//! <base>/location          only when the data had to go elsewhere: their <base>
//! <base>/postgresql.conf   written at every start, includes data/postgresql.conf
//! <base>/pg_hba.conf       written at every start
//! <base>/postgres.log      the server's log; .old is the one before
//! <base>/data/             made by initdb; mode 0700, owned by the server's account
//! <base>/socket/           likewise
//! ```
//!
//! INVARIANT: `data` exists completely or not at all (initdb works in `data.new`).

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use nix::unistd::geteuid;
use tempfile::TempDir;

use crate::account::Account;
use crate::error::{io_error, ClusterError};

/// The shortest limit among supported systems for the path of a socket, less its NUL.
const SOCKET_PATH_MAX: usize = 103;

/// A cluster's directories, locked for this process.
#[derive(Debug)]
pub(crate) struct Place {
    pub(crate) base: PathBuf,
    pub(crate) socket: PathBuf,
    pub(crate) account: Account,
    _lock: Lock,
    /// Directories that go away with the cluster.
    temporary: Vec<TempDir>,
}

impl Place {
    /// A new directory that is removed with the cluster.
    pub(crate) fn temporary() -> Result<Self, ClusterError> {
        let account = Account::choose(Path::new(""))?;
        let home = new_directory(
            account,
            &[std::env::temp_dir(), "/tmp".into(), "/var/tmp".into()],
        )?;
        let base = canonical(home.path())?;
        let lock = Lock::take(&base)?;
        Self::furnish(base, account, lock, vec![home])
    }

    /// A directory that stays, made if it does not exist.
    pub(crate) fn persistent(named: &Path) -> Result<Self, ClusterError> {
        fs::create_dir_all(named).map_err(io_error("create", named))?;
        let named = canonical(named)?;
        refuse_foreign(&named)?;
        let lock = Lock::take(&named)?;
        let account = Account::choose(&named.join("data"))?;
        set_mode(&named, base_mode(account))?;
        let base = if account == Account::Own || account.can_enter(&named) {
            named
        } else {
            elsewhere(&named, account)?
        };
        let account = Account::choose(&base.join("data"))?;
        Self::furnish(base, account, lock, Vec::new())
    }

    fn furnish(
        base: PathBuf,
        account: Account,
        lock: Lock,
        mut temporary: Vec<TempDir>,
    ) -> Result<Self, ClusterError> {
        let mut socket = base.join("socket");
        if socket.join(".s.PGSQL.65535").as_os_str().len() > SOCKET_PATH_MAX {
            let short = new_directory(account, &["/tmp".into(), "/var/tmp".into()])?;
            socket = short.path().join("socket");
            temporary.push(short);
        }
        if !socket.is_dir() {
            private_directory(&socket, account)?;
        }
        Ok(Self {
            base,
            socket,
            account,
            _lock: lock,
            temporary,
        })
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.base.join("data")
    }

    pub(crate) fn log(&self) -> PathBuf {
        self.base.join("postgres.log")
    }

    pub(crate) fn pid_file(&self) -> PathBuf {
        self.data().join("postmaster.pid")
    }

    /// The directories that whoever cleans up in our stead has to remove.
    pub(crate) fn temporary_paths(&self) -> Vec<&Path> {
        self.temporary.iter().map(TempDir::path).collect()
    }

    /// Major version of the data, if there are any.
    pub(crate) fn made_by(&self) -> Option<u32> {
        let text = fs::read_to_string(self.data().join("PG_VERSION")).ok()?;
        text.trim().parse().ok()
    }

    /// An empty `data.new` for initdb; whatever an interrupted one left is removed.
    pub(crate) fn new_data(&self) -> Result<PathBuf, ClusterError> {
        let path = self.base.join("data.new");
        match fs::remove_dir_all(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(io_error("remove", &path)(error))
            }
            _ => private_directory(&path, self.account).map(|()| path),
        }
    }

    /// Makes a finished `data.new` the data of this cluster.
    pub(crate) fn adopt_data(&self, new: &Path) -> Result<(), ClusterError> {
        fs::rename(new, self.data()).map_err(io_error("rename", new))
    }

    /// Writes a file that the server's account may read.
    pub(crate) fn write(&self, name: &str, text: &str) -> Result<(), ClusterError> {
        let path = self.base.join(name);
        fs::write(&path, text).map_err(io_error("write", &path))?;
        set_mode(&path, 0o644)
    }

    /// Starts a new log, keeping the one before.
    pub(crate) fn new_log(&self) -> Result<File, ClusterError> {
        let path = self.log();
        if path.exists() {
            let old = self.base.join("postgres.log.old");
            fs::rename(&path, &old).map_err(io_error("rename", &path))?;
        }
        // Appending, so that the two descriptors given to the server do not overwrite
        // each other.
        let file = OpenOptions::new().create(true).append(true).open(&path);
        file.map_err(io_error("create", &path))
    }
}

/// Nobody but the server's account gets in; that account must be able to pass through.
fn base_mode(account: Account) -> u32 {
    match account {
        Account::Own => 0o700,
        Account::Other { .. } => 0o711,
    }
}

fn canonical(path: &Path) -> Result<PathBuf, ClusterError> {
    fs::canonicalize(path).map_err(io_error("resolve", path))
}

fn set_mode(path: &Path, mode: u32) -> Result<(), ClusterError> {
    fs::set_permissions(path, Permissions::from_mode(mode))
        .map_err(io_error("change the mode of", path))
}

fn private_directory(path: &Path, account: Account) -> Result<(), ClusterError> {
    DirBuilder::new()
        .mode(0o700)
        .create(path)
        .map_err(io_error("create", path))?;
    account.give(path)
}

/// A cluster directory of somebody else is not ours to write into, even as root.
fn refuse_foreign(directory: &Path) -> Result<(), ClusterError> {
    let owner = fs::metadata(directory)
        .map_err(io_error("look at", directory))?
        .uid();
    if owner == geteuid().as_raw() {
        return Ok(());
    }
    Err(ClusterError::ForeignDirectory {
        directory: directory.to_owned(),
        owner,
    })
}

/// A locked file, unlocked on drop. Closing it is not enough: a child that another
/// thread is just starting holds a copy of the descriptor until it runs its program.
#[derive(Debug)]
struct Lock(File);

impl Lock {
    fn take(directory: &Path) -> Result<Self, ClusterError> {
        let path = directory.join("lock");
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path)
            .map_err(io_error("open", &path))?;
        // The kernel releases it when this process ends, however it ends.
        match file.try_lock() {
            Ok(()) => Ok(Self(file)),
            Err(TryLockError::WouldBlock) => Err(ClusterError::InUse {
                directory: directory.to_owned(),
            }),
            Err(TryLockError::Error(error)) => Err(io_error("lock", &path)(error)),
        }
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // It fails only for what is no lock.
        let _ = self.0.unlock();
    }
}

/// A new directory in the first of `parents` where the server's account gets in.
fn new_directory(account: Account, parents: &[PathBuf]) -> Result<TempDir, ClusterError> {
    let mut last = None;
    for parent in parents {
        match tempfile::Builder::new()
            .prefix("tasker-pg-")
            .tempdir_in(parent)
        {
            Ok(directory) => {
                set_mode(directory.path(), base_mode(account))?;
                if account == Account::Own || account.can_enter(directory.path()) {
                    return Ok(directory);
                }
            }
            Err(error) => last = Some(io_error("create a directory in", parent)(error)),
        }
    }
    Err(last.unwrap_or(match account {
        Account::Other { uid, .. } => ClusterError::NoReachableDirectory { uid },
        Account::Own => ClusterError::NoReachableDirectory {
            uid: geteuid().as_raw(),
        },
    }))
}

/// The base for a cluster whose named directory the server's account can not enter,
/// for instance one below /root. The named directory remembers it.
fn elsewhere(named: &Path, account: Account) -> Result<PathBuf, ClusterError> {
    let pointer = named.join("location");
    if let Ok(text) = fs::read_to_string(&pointer) {
        let base = PathBuf::from(text.trim_end());
        // Not following links: anybody may make one in /var/tmp.
        let ours = fs::symlink_metadata(&base)
            .is_ok_and(|found| found.is_dir() && found.uid() == geteuid().as_raw());
        if ours {
            return Ok(base);
        }
    }
    let base = new_directory(account, &["/var/tmp".into(), "/tmp".into()])?.keep();
    fs::write(&pointer, format!("{}\n", base.display())).map_err(io_error("write", &pointer))?;
    Ok(base)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_is_locked_while_it_is_held() {
        let home = tempfile::tempdir().unwrap();
        let first = Place::persistent(home.path()).unwrap();
        let error = Place::persistent(home.path()).unwrap_err();
        assert!(matches!(error, ClusterError::InUse { .. }), "{error}");
        drop(first);
        Place::persistent(home.path()).unwrap();
    }

    #[test]
    fn a_long_path_gets_its_socket_in_a_short_directory() {
        let home = tempfile::tempdir().unwrap();
        let place = Place::persistent(&home.path().join("d".repeat(120))).unwrap();
        assert!(place.socket.as_os_str().len() < SOCKET_PATH_MAX);
        let short = place.socket.clone();
        drop(place);
        assert!(!short.exists());
    }

    #[test]
    fn an_interrupted_initdb_leaves_nothing_behind() {
        let home = tempfile::tempdir().unwrap();
        let place = Place::persistent(home.path()).unwrap();
        let new = place.new_data().unwrap();
        fs::write(new.join("PG_VERSION"), "15\n").unwrap();
        assert_eq!(place.made_by(), None);
        let new = place.new_data().unwrap();
        assert!(!new.join("PG_VERSION").exists());
    }
}
