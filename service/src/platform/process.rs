//! What this process uses: processor, memory, file descriptors.

use std::time::Duration;

/// What this process uses. `None` is what this system does not tell.
#[derive(Debug, Clone, Copy, Default)]
pub struct ProcessFigures {
    /// Time of processors, in user and system mode.
    pub cpu: Option<Duration>,
    /// Memory in use, in bytes.
    pub resident_bytes: Option<u64>,
    /// Address space, in bytes.
    pub virtual_bytes: Option<u64>,
    /// Threads.
    pub threads: Option<u64>,
    /// Open file descriptors.
    pub descriptors: Option<u64>,
    /// Most file descriptors that may be open.
    pub descriptors_max: Option<u64>,
}

/// Reads them from `/proc`; where there is none, only what the system tells otherwise.
pub fn figures() -> ProcessFigures {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    let status = std::fs::read_to_string("/proc/self/stat").ok();
    let known = ProcessFigures {
        // The descriptor that counts them is one of them, and gone again.
        descriptors: std::fs::read_dir("/proc/self/fd")
            .ok()
            .map(|entries| (entries.count() as u64).saturating_sub(1)),
        descriptors_max: limit.current,
        ..ProcessFigures::default()
    };
    status.map_or(known, |status| read(&status, known))
}

/// Reads `/proc/self/stat`. The name in parentheses may hold anything; fields are counted behind it.
fn read(status: &str, known: ProcessFigures) -> ProcessFigures {
    let Some((_, behind)) = status.rsplit_once(')') else {
        return known;
    };
    let fields: Vec<&str> = behind.split_ascii_whitespace().collect();
    // proc(5) counts from 1 and begins with pid and name.
    let field = |number: usize| fields.get(number - 3).and_then(|text| text.parse::<u64>().ok());
    let ticks = field(14).zip(field(15)).map(|(user, system)| user + system);
    ProcessFigures {
        cpu: ticks.map(|ticks| Duration::from_secs_f64(ticks as f64 / clock_ticks() as f64)),
        resident_bytes: field(24).map(|pages| pages * rustix::param::page_size() as u64),
        virtual_bytes: field(23),
        threads: field(20),
        ..known
    }
}

fn clock_ticks() -> u64 {
    rustix::param::clock_ticks_per_second().max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_counted_behind_the_name() {
        let status = "7 (a) b) S 1 7 7 0 -1 4194560 100 0 0 0 150 50 0 0 20 0 9 0 1000 4096000 25 \
                      18446744073709551615 1 1";
        let figures = read(status, ProcessFigures::default());
        assert_eq!(figures.threads, Some(9));
        assert_eq!(figures.virtual_bytes, Some(4_096_000));
        assert_eq!(
            figures.resident_bytes,
            Some(25 * rustix::param::page_size() as u64)
        );
        assert_eq!(
            figures.cpu,
            Some(Duration::from_secs_f64(200.0 / clock_ticks() as f64))
        );
    }

    #[test]
    fn what_is_no_status_tells_nothing() {
        for status in ["", "7 (a)", "7 (a) S x"] {
            assert_eq!(read(status, ProcessFigures::default()).threads, None);
        }
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn this_process_is_told() {
        let figures = figures();
        assert!(figures.resident_bytes.is_some_and(|bytes| bytes > 0));
        assert!(figures.threads.is_some_and(|threads| threads > 0));
        assert!(figures.descriptors.is_some_and(|count| count > 0));
    }
}
