//! Whether the service manager that stops us is about to start us again, with what we stored.
//!
//! SIGTERM looks the same for a stop and a restart, and it makes a difference: after a stop nobody comes who could go on
//! with what is left open. systemd knows; it has no message for it, but it tells who asks: the job that is under way for
//! our unit, and how many descriptors it keeps for us.

use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;
use tokio::time::timeout;

/// Which manager runs a unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scope {
    System,
    User,
}

/// A unit of systemd.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Unit {
    name: String,
    scope: Scope,
}

/// True when systemd is restarting our unit and holds what we stored. Everything else, no answer within `limit` among
/// it, is false: then what is open is closed, which loses something but blocks nobody.
pub async fn is_under_way(limit: Duration) -> bool {
    let Some(unit) = own_unit() else { return false };
    let asked = async {
        let shown = ask(&unit, &["show", "--property=NFileDescriptorStore", "--value"]).await?;
        let jobs = ask(&unit, &["list-jobs", "--no-legend", "--plain"]).await?;
        Some(keeps_something(&shown) && restarts(&jobs, &unit.name))
    };
    if let Ok(Some(answer)) = timeout(limit, asked).await {
        return answer;
    }
    tracing::warn!(
        unit = unit.name,
        "systemd does not say whether it restarts the service; sessions are logged out"
    );
    false
}

async fn ask(unit: &Unit, question: &[&str]) -> Option<String> {
    let mut command = Command::new("systemctl");
    if unit.scope == Scope::User {
        command.arg("--user");
    }
    command
        .args(question)
        .arg(&unit.name)
        // What it says of itself would be taken for ours.
        .env_remove("NOTIFY_SOCKET")
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true);
    let output = command.output().await.ok()?;
    output
        .status
        .success()
        .then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

fn keeps_something(shown: &str) -> bool {
    shown.trim().parse::<u32>().is_ok_and(|count| count > 0)
}

/// Reads lines of `JOB UNIT TYPE STATE`.
fn restarts(jobs: &str, name: &str) -> bool {
    jobs.lines().any(|line| {
        let mut words = line.split_whitespace().skip(1);
        words.next() == Some(name) && words.next().is_some_and(|kind| kind.contains("restart"))
    })
}

fn own_unit() -> Option<Unit> {
    unit_of(&std::fs::read_to_string("/proc/self/cgroup").ok()?)
}

/// Finds the unit in the control groups of a process: the innermost service that one of them names.
fn unit_of(groups: &str) -> Option<Unit> {
    groups.lines().find_map(|line| {
        let path = line.splitn(3, ':').nth(2)?;
        let mut parts = path.split('/').rev().filter(|part| part.ends_with(".service"));
        let name = parts.next()?.to_owned();
        // A manager of a user is a service of the system itself, so ours is one more level down.
        let is_users = parts.any(|part| part.starts_with("user@"));
        let scope = if is_users { Scope::User } else { Scope::System };
        Some(Unit { name, scope })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_unit_is_read_from_the_control_groups() {
        let check = |groups: &str, expected: Option<(&str, Scope)>| {
            let unit = unit_of(groups);
            let found = unit.as_ref().map(|unit| (unit.name.as_str(), unit.scope));
            assert_eq!(found, expected, "{groups}");
        };
        check(
            "0::/user.slice/user-7.slice/user@7.service/app.slice/snowflake-session.service\n",
            Some(("snowflake-session.service", Scope::User)),
        );
        check(
            "0::/system.slice/system-snowflake\\x2dsession.slice/snowflake-session@ann.service\n",
            Some(("snowflake-session@ann.service", Scope::System)),
        );
        check(
            "4:memory:/\n1:name=systemd:/system.slice/snowflake-session.service\n0::/\n",
            Some(("snowflake-session.service", Scope::System)),
        );
        check("0::/user.slice/user-7.slice/session-3.scope\n", None);
        check("", None);
    }

    #[test]
    fn only_a_restart_of_ours_is_one() {
        let name = "snowflake-session.service";
        assert!(restarts("812 snowflake-session.service restart running\n", name));
        assert!(restarts(
            "1 a.service stop waiting\n2 snowflake-session.service try-restart running\n",
            name
        ));
        assert!(!restarts("812 snowflake-session.service stop running\n", name));
        assert!(!restarts("812 other.service restart running\n", name));
        assert!(!restarts("", name));
    }

    #[test]
    fn without_something_stored_nothing_can_be_gone_on_with() {
        assert!(keeps_something("1\n"));
        assert!(!keeps_something("0\n") && !keeps_something("\n"));
    }
}
