//! What an outside service remembers of the requests it has served.
//!
//! INVARIANT: a token is served once. A request that comes again, because its
//! answer was lost or the step runs a second time, gets the first answer.
//! Memory is bounded: the oldest entries go first. Identifiers are derived from
//! the token, so that another process, which has another ledger, answers the
//! same: a real service would keep its ledger in a database instead.

use std::collections::{HashMap, VecDeque};
use std::fmt::Write;
use std::sync::{Mutex, PoisonError};

use sha2::{Digest, Sha256};

/// Far more than any worker has under way.
const ENTRIES: usize = 10_000;

#[derive(Debug)]
pub(super) struct Ledger<T>(Mutex<Entries<T>>);

#[derive(Debug)]
struct Entries<T> {
    by_token: HashMap<String, T>,
    oldest_first: VecDeque<String>,
}

impl<T> Default for Ledger<T> {
    fn default() -> Self {
        Self(Mutex::new(Entries {
            by_token: HashMap::new(),
            oldest_first: VecDeque::new(),
        }))
    }
}

impl<T: Clone> Ledger<T> {
    /// The entry of `token`, made by `make` if there is none.
    pub(super) fn once(&self, token: &str, make: impl FnOnce() -> T) -> T {
        let mut entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(entry) = entries.by_token.get(token) {
            return entry.clone();
        }
        if entries.oldest_first.len() == ENTRIES {
            if let Some(oldest) = entries.oldest_first.pop_front() {
                entries.by_token.remove(&oldest);
            }
        }
        let entry = make();
        entries.by_token.insert(token.to_owned(), entry.clone());
        entries.oldest_first.push_back(token.to_owned());
        entry
    }
}

/// An identifier that is the same for the same token and part.
pub(super) fn stable_id(prefix: &str, token: &str, part: usize) -> String {
    let hash = Sha256::digest(format!("{prefix}/{token}/{part}"));
    hash.iter()
        .take(8)
        .fold(format!("{prefix}-"), |mut id, byte| {
            // Writing to a string cannot fail.
            let _ = write!(id, "{byte:02x}");
            id
        })
}

#[cfg(test)]
mod tests {
    use super::{stable_id, Ledger, ENTRIES};

    #[test]
    fn a_token_is_served_once() {
        let ledger = Ledger::default();
        assert_eq!(ledger.once("a", || 1), 1);
        assert_eq!(ledger.once("a", || 2), 1);
        assert_eq!(ledger.once("b", || 3), 3);
    }

    #[test]
    fn memory_is_bounded_and_the_oldest_goes_first() {
        let ledger = Ledger::default();
        for token in 0..=ENTRIES {
            ledger.once(&token.to_string(), || 1);
        }
        assert_eq!(ledger.0.lock().unwrap().by_token.len(), ENTRIES);
        assert_eq!(ledger.once("1", || 2), 1);
        assert_eq!(ledger.once("0", || 2), 2);
    }

    #[test]
    fn identifiers_depend_on_prefix_token_and_part_only() {
        let id = stable_id("ch", "tasker-1-2", 0);
        assert_eq!(id, stable_id("ch", "tasker-1-2", 0));
        assert_eq!(id.len(), "ch-".len() + 16);
        assert_ne!(id, stable_id("ch", "tasker-1-2", 1));
        assert_ne!(id[3..], stable_id("rs", "tasker-1-2", 0)[3..]);
    }
}
