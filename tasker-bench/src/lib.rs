//! tasker-bench
