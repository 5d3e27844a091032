//! How a connection wakes others for what it commits.

use crate::messaging::{Channel, WakeHub};

/// Whether a connection wakes others for what it commits.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Wakes {
    No,
    /// After the commit, for nothing was committed yet. A NOTIFY that the server refuses,
    /// as it does when a listener has not read for 8 GB, fails the commit it rides with;
    /// the connection is opened anew then, and what failed goes through without.
    After,
    /// With the commit, if they are few.
    With,
}

impl Wakes {
    /// After a commit.
    pub(super) fn proven(self) -> Self {
        match self {
            Self::No => Self::No,
            Self::After | Self::With => Self::With,
        }
    }

    /// What a commit notifies of, of those who have `reasons` to wake.
    pub(super) fn ride(self, hub: &WakeHub, reasons: &[Channel]) -> Vec<String> {
        match self {
            Self::No | Self::After => Vec::new(),
            Self::With => hub.ride(reasons),
        }
    }

    /// After the commit.
    pub(super) fn tell(self, hub: &WakeHub, reasons: &[Channel], rode: bool) {
        if self != Self::No {
            hub.tell(reasons, rode);
        }
    }
}
