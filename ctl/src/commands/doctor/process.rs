//! What the system shows of the service's process. Only Linux does; elsewhere nothing is known.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

/// What is known of a process.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Process {
    /// Mode of its system call filter; 2 is a filter.
    pub(super) seccomp: Option<u32>,
    /// It cannot gain privileges.
    pub(super) no_new_privileges: Option<bool>,
    /// It sees file systems of its own.
    pub(super) own_mounts: Option<bool>,
    /// It has a user namespace of its own.
    pub(super) own_users: Option<bool>,
    /// Most files that it may have open.
    pub(super) files_max: Option<u64>,
    /// Files that it has open.
    pub(super) files: Option<u64>,
    /// How often its group was slowed down for its memory, and how often something of it was killed.
    pub(super) memory: Option<MemoryEvents>,
    /// Its variables about proxies, without user names and passwords.
    pub(super) proxies: Option<BTreeMap<String, String>>,
}

/// Events of a control group.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct MemoryEvents {
    pub(super) high: u64,
    pub(super) killed: u64,
}

impl Process {
    /// Looks at a process.
    pub(super) fn look(pid: i64) -> Self {
        let read = |file: &str| fs::read_to_string(format!("/proc/{pid}/{file}")).unwrap_or_default();
        let status = read("status");
        let other = |kind: &str| {
            let link = |who: &str| fs::read_link(format!("/proc/{who}/ns/{kind}")).ok();
            Some(link(&pid.to_string())? != link("self")?)
        };
        let environment = fs::read(format!("/proc/{pid}/environ")).ok();
        Self {
            seccomp: field(&status, "Seccomp:"),
            no_new_privileges: field::<u32>(&status, "NoNewPrivs:").map(|flag| flag == 1),
            own_mounts: other("mnt"),
            own_users: other("user"),
            files_max: field(&read("limits"), "Max open files"),
            files: fs::read_dir(format!("/proc/{pid}/fd"))
                .ok()
                .map(|entries| entries.count() as u64),
            memory: group(&read("cgroup"))
                .and_then(|folder| fs::read_to_string(folder.join("memory.events")).ok())
                .map(|events| memory_events(&events)),
            proxies: environment.map(|bytes| proxies(&bytes)),
        }
    }
}

/// The first word behind a label at the beginning of a line.
fn field<T: std::str::FromStr>(text: &str, label: &str) -> Option<T> {
    let rest = text.lines().find_map(|line| line.strip_prefix(label))?;
    rest.split_whitespace().next()?.parse().ok()
}

/// Folder of the unified control group in `/proc/PID/cgroup`.
fn group(text: &str) -> Option<PathBuf> {
    let path = text.lines().find_map(|line| line.strip_prefix("0::/"))?;
    Some(PathBuf::from("/sys/fs/cgroup").join(path))
}

fn memory_events(text: &str) -> MemoryEvents {
    MemoryEvents {
        high: field(text, "high ").unwrap_or_default(),
        killed: field(text, "oom_kill ").unwrap_or_default(),
    }
}

/// Variables about proxies in a process's environment.
fn proxies(environment: &[u8]) -> BTreeMap<String, String> {
    let text = String::from_utf8_lossy(environment);
    text.split('\0')
        .filter_map(|entry| entry.split_once('='))
        .filter(|(name, value)| is_proxy(name) && !value.is_empty())
        .map(|(name, value)| (name.to_ascii_lowercase(), super::redact::redact(value)))
        .collect()
}

/// Whether a variable is about proxies.
pub(super) fn is_proxy(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    matches!(
        name.as_str(),
        "http_proxy" | "https_proxy" | "all_proxy" | "no_proxy"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_systems_files_are_read() {
        assert_eq!(field::<u32>("Name:\tx\nSeccomp:\t2\n", "Seccomp:"), Some(2));
        let limits = "Max open files            65536                65536                files     \n";
        assert_eq!(field::<u64>(limits, "Max open files"), Some(65536));
        assert_eq!(
            group("1:name=systemd:/x\n0::/user.slice/a.service\n"),
            Some("/sys/fs/cgroup/user.slice/a.service".into())
        );
        assert_eq!(group("1:name=systemd:/x\n"), None);
        assert_eq!(
            memory_events("low 0\nhigh 7\nmax 0\noom 1\noom_kill 2\n"),
            MemoryEvents { high: 7, killed: 2 }
        );
    }

    #[test]
    fn of_the_environment_only_proxies_are_kept_and_not_their_passwords() {
        let kept = proxies(b"A=secret\0HTTPS_PROXY=http://u:s3same@proxy.example.com:3128\0no_proxy=\0");
        assert_eq!(
            kept.into_iter().collect::<Vec<_>>(),
            [(
                "https_proxy".to_owned(),
                "http://****@proxy.example.com:3128".to_owned()
            )]
        );
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_process_can_look_at_itself() {
        let own = Process::look(i64::from(std::process::id()));
        assert!(
            own.files_max.is_some_and(|max| max > 0) && own.files.is_some_and(|files| files > 0),
            "{own:?}"
        );
        assert_eq!((own.own_mounts, own.own_users), (Some(false), Some(false)));
    }
}
