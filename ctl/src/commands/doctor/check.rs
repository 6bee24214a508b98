//! What a check found.

use std::path::PathBuf;

use crate::exit_code::Exit;

/// How something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// As it should be.
    Ok,
    /// It works, but somebody should look at it.
    Warn,
    /// It does not work.
    Fail,
    /// It could not be looked at here, or does not apply.
    Skip,
}

impl State {
    /// As it is printed.
    pub(super) fn word(self) -> &'static str {
        match self {
            State::Ok => "ok",
            State::Warn => "warn",
            State::Fail => "fail",
            State::Skip => "skip",
        }
    }
}

/// One finding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Check {
    /// Its name: the group, a dot, what was looked at. It stays the same over versions.
    pub(super) id: &'static str,
    pub(super) state: State,
    /// What was seen, a line each.
    pub(super) seen: Vec<String>,
    /// Commands that repair it, or what a person has to do, a line each.
    pub(super) repair: Vec<String>,
    /// What of it `--fix` may do.
    pub(super) fixes: Vec<Fix>,
}

/// A repair that cannot do any harm.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Fix {
    /// Give a file or folder of the user's this mode.
    Mode { path: PathBuf, mode: u32 },
    /// Remove a socket that nobody listens on.
    StaleSocket(PathBuf),
    /// Let the user's manager read its units again.
    ReadUnits,
}

impl Check {
    fn new(id: &'static str, state: State, seen: impl Into<String>) -> Self {
        Self {
            id,
            state,
            seen: vec![seen.into()],
            repair: Vec::new(),
            fixes: Vec::new(),
        }
    }

    pub(super) fn ok(id: &'static str, seen: impl Into<String>) -> Self {
        Self::new(id, State::Ok, seen)
    }

    pub(super) fn warn(id: &'static str, seen: impl Into<String>) -> Self {
        Self::new(id, State::Warn, seen)
    }

    pub(super) fn fail(id: &'static str, seen: impl Into<String>) -> Self {
        Self::new(id, State::Fail, seen)
    }

    pub(super) fn skip(id: &'static str, seen: impl Into<String>) -> Self {
        Self::new(id, State::Skip, seen)
    }

    /// Adds something that was seen.
    pub(super) fn and(mut self, seen: impl Into<String>) -> Self {
        self.seen.push(seen.into());
        self
    }

    /// Adds what repairs it.
    pub(super) fn repair(mut self, command: impl Into<String>) -> Self {
        self.repair.push(command.into());
        self
    }

    /// Adds what `--fix` may do.
    pub(super) fn fix(mut self, fix: Fix) -> Self {
        self.fixes.push(fix);
        self
    }

    /// One check of several findings about the same: the worst counts, and only what is not well is told unless all is.
    pub(super) fn of_all(id: &'static str, findings: Vec<Check>, otherwise: &str) -> Self {
        let worst = [State::Fail, State::Warn]
            .into_iter()
            .find(|state| findings.iter().any(|finding| finding.state == *state));
        let Some(state) = worst else {
            let seen: Vec<String> = findings.into_iter().flat_map(|finding| finding.seen).collect();
            return if seen.is_empty() {
                Self::skip(id, otherwise)
            } else {
                Self {
                    seen,
                    ..Self::ok(id, "")
                }
            };
        };
        let mut all = Self::new(id, state, "");
        all.seen.clear();
        for finding in findings {
            if matches!(finding.state, State::Fail | State::Warn) {
                all.seen.extend(finding.seen);
                all.repair.extend(finding.repair);
                all.fixes.extend(finding.fixes);
            }
        }
        all
    }
}

/// How the command ends.
pub(super) fn exit(checks: &[Check]) -> Exit {
    let any = |state| checks.iter().any(|check| check.state == state);
    if any(State::Fail) {
        Exit::Ailing
    } else if any(State::Warn) {
        Exit::Warnings
    } else {
        Exit::Done
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_decides_how_it_ends() {
        let (ok, warn, fail, skip) = (
            Check::ok("a", ""),
            Check::warn("b", ""),
            Check::fail("c", ""),
            Check::skip("d", ""),
        );
        let check = |checks: &[&Check], number| {
            let checks: Vec<Check> = checks.iter().map(|check| (*check).clone()).collect();
            assert_eq!(exit(&checks).number(), number);
        };
        check(&[], 0);
        check(&[&ok, &skip], 0);
        check(&[&ok, &warn, &skip], 1);
        check(&[&warn, &fail, &ok], 2);
    }

    #[test]
    fn several_findings_are_as_bad_as_the_worst_of_them() {
        let both = vec![
            Check::ok("x", "one"),
            Check::warn("x", "two").repair("mend two"),
            Check::fail("x", "three"),
        ];
        let all = Check::of_all("x", both, "none");
        assert_eq!(
            (all.state, all.seen),
            (State::Fail, vec!["two".to_owned(), "three".to_owned()])
        );
        assert_eq!(all.repair, ["mend two"]);
        assert_eq!(Check::of_all("x", Vec::new(), "none"), Check::skip("x", "none"));
    }
}
