//! Whether the sandbox that a unit asks for is in effect, as the kernel shows it: some managers leave parts out and say
//! nothing.

use super::check::Check;
use super::process::Process;
use super::units::Unit;

/// What it means for the process of a unit, if one runs.
pub(super) fn judge(service: &Unit, process: Option<&Process>) -> Check {
    const ID: &str = "units.sandbox";
    let Some(process) = process else {
        return Check::skip(ID, "the service does not run");
    };
    let (Some(seccomp), Some(no_new_privileges)) = (process.seccomp, process.no_new_privileges) else {
        return Check::skip(ID, "the system does not show the service's process");
    };
    if !service.wants_sandbox {
        return Check::warn(ID, format!("{} asks for no sandbox", service.name))
            .repair("sfctl service install");
    }
    let missing: Vec<&str> = [
        (seccomp != 2, "system calls are not filtered"),
        (!no_new_privileges, "it can gain privileges"),
        (
            service.wants_users && process.own_users == Some(false),
            "it has no user namespace of its own, which the strict sandbox asks for",
        ),
    ]
    .into_iter()
    .filter_map(|(is_missing, told)| is_missing.then_some(told))
    .collect();
    if !missing.is_empty() {
        return Check::fail(
            ID,
            format!("the unit's sandbox is not in effect: {}", missing.join(", ")),
        )
        .repair("sfctl service restart");
    }
    let check = Check::ok(ID, "system calls are filtered, no privileges can be gained");
    match process.own_mounts {
        Some(true) => check.and("it sees file systems of its own"),
        // Older managers of users need a user namespace for that, which the portable sandbox does without.
        Some(false) => {
            check.and("file systems are not protected: this manager cannot, without user namespaces")
        }
        None => check,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::doctor::check::State;

    #[track_caller]
    fn check(change: impl FnOnce(&mut Unit, &mut Process), state: State, told: &str) {
        let mut unit = Unit {
            wants_sandbox: true,
            ..Unit::default()
        };
        let mut process = Process {
            seccomp: Some(2),
            no_new_privileges: Some(true),
            own_mounts: Some(true),
            ..Process::default()
        };
        change(&mut unit, &mut process);
        let found = judge(&unit, Some(&process));
        assert_eq!(found.state, state, "{found:?}");
        assert!(found.seen.join("\n").contains(told), "{found:?}");
    }

    #[test]
    fn a_sandbox_that_is_not_in_effect_is_found() {
        check(|_, _| {}, State::Ok, "file systems of its own");
        check(
            |_, process| process.seccomp = Some(0),
            State::Fail,
            "not filtered",
        );
        check(
            |_, process| process.no_new_privileges = Some(false),
            State::Fail,
            "gain privileges",
        );
        check(
            |_, process| process.own_mounts = Some(false),
            State::Ok,
            "not protected",
        );
        let strict = |unit: &mut Unit, process: &mut Process| {
            unit.wants_users = true;
            process.own_users = Some(false);
        };
        check(strict, State::Fail, "user namespace");
        check(|unit, _| unit.wants_sandbox = false, State::Warn, "no sandbox");
        check(|_, process| process.seccomp = None, State::Skip, "does not show");
        assert_eq!(judge(&Unit::default(), None).state, State::Skip);
    }
}
