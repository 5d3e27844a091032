//! What the kernel says of a process: CPU time and memory, from `/proc`.
//!
//! Every answer is `None` where there is no such file, so that the bench runs on
//! other systems and leaves those figures out.

use std::fs;

/// Ticks of `/proc/<pid>/stat` in a second: `USER_HZ`, 100 on every Linux we run on.
const TICKS_PER_SECOND: f64 = 100.0;

struct Stat {
    parent: u32,
    own_ticks: u64,
    /// Of children that ended and were waited for.
    reaped_ticks: u64,
}

/// CPU seconds of a process so far, user and system.
pub(crate) fn cpu_seconds(pid: u32) -> Option<f64> {
    Some(stat(pid)?.own_ticks as f64 / TICKS_PER_SECOND)
}

/// CPU seconds of a process and its children, living and ended. For a postmaster:
/// all there is of the server, because its backends are its direct children.
pub(crate) fn family_cpu_seconds(pid: u32) -> Option<f64> {
    let head = stat(pid)?;
    let living: u64 = fs::read_dir("/proc")
        .ok()?
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter_map(stat)
        .filter(|stat| stat.parent == pid)
        .map(|stat| stat.own_ticks)
        .sum();
    Some((head.own_ticks + head.reaped_ticks + living) as f64 / TICKS_PER_SECOND)
}

/// Resident memory now, in MB of 10^6 bytes.
pub(crate) fn rss_mb(pid: u32) -> Option<f64> {
    memory(pid, "VmRSS:")
}

/// The most it ever was.
pub(crate) fn peak_rss_mb(pid: u32) -> Option<f64> {
    memory(pid, "VmHWM:")
}

/// Makes what a process occupies now the most it ever did, and says how much that is.
pub(crate) fn forget_peak(pid: u32) -> Option<f64> {
    // Any other number would forget which pages were used, not their greatest number.
    fs::write(format!("/proc/{pid}/clear_refs"), "5").ok()?;
    peak_rss_mb(pid)
}

/// Processes that ran or waited for a core, on average over the last minute.
pub(crate) fn load_1m() -> Option<f64> {
    fs::read_to_string("/proc/loadavg")
        .ok()?
        .split(' ')
        .next()?
        .parse()
        .ok()
}

/// The model of the processor, as it calls itself.
pub(crate) fn cpu_model() -> Option<String> {
    let text = fs::read_to_string("/proc/cpuinfo").ok()?;
    let line = text.lines().find(|line| line.starts_with("model name"))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

/// Memory of the machine in GiB.
pub(crate) fn memory_gib() -> Option<f64> {
    let text = fs::read_to_string("/proc/meminfo").ok()?;
    let kib = parse_kib(&text, "MemTotal:")?;
    Some((kib / 1024.0 / 1024.0 * 10.0).round() / 10.0)
}

/// The system and the release of its kernel.
pub(crate) fn kernel() -> Option<String> {
    let read = |name| fs::read_to_string(format!("/proc/sys/kernel/{name}")).ok();
    let text = format!("{} {}", read("ostype")?.trim(), read("osrelease")?.trim());
    Some(text)
}

fn stat(pid: u32) -> Option<Stat> {
    parse_stat(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

fn parse_stat(text: &str) -> Option<Stat> {
    // The name of the program may hold blanks and brackets; the numbers follow it.
    let fields: Vec<&str> = text.rsplit_once(')')?.1.split_whitespace().collect();
    let number = |index: usize| fields.get(index)?.parse::<u64>().ok();
    Some(Stat {
        parent: u32::try_from(number(1)?).ok()?,
        own_ticks: number(11)? + number(12)?,
        reaped_ticks: number(13)? + number(14)?,
    })
}

fn memory(pid: u32, key: &str) -> Option<f64> {
    parse_memory(
        &fs::read_to_string(format!("/proc/{pid}/status")).ok()?,
        key,
    )
}

fn parse_memory(text: &str, key: &str) -> Option<f64> {
    Some((parse_kib(text, key)? * 1.024).round() / 1000.0)
}

fn parse_kib(text: &str, key: &str) -> Option<f64> {
    let line = text.lines().find_map(|line| line.strip_prefix(key))?;
    line.trim().strip_suffix(" kB")?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_brackets_does_not_shift_the_fields() {
        let text = "12 (a (b) c) S 7 12 12 0 -1 4194560 100 0 0 0 30 12 400 58 20 0 1 0 5 6 7";
        let stat = parse_stat(text).unwrap();
        assert_eq!(
            (stat.parent, stat.own_ticks, stat.reaped_ticks),
            (7, 42, 458)
        );
        assert!(parse_stat("12 (a) S 7").is_none());
    }

    #[test]
    fn memory_is_read_in_units_of_1024_bytes() {
        let text = "Name:\tx\nVmHWM:\t   20000 kB\nVmRSS:\t   10000 kB\n";
        assert_eq!(parse_memory(text, "VmRSS:"), Some(10.24));
        assert_eq!(parse_memory(text, "VmHWM:"), Some(20.48));
        assert_eq!(parse_memory(text, "VmSwap:"), None);
    }
}
