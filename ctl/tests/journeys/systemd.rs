//! Where systemd's user manager holds the socket: its units are started and stopped, not our program.

use std::path::Path;

use crate::arrow::{events, two_rows};
use crate::fake::{Fake, Script};
use crate::harness::{Ran, ran};
use crate::launching::Installed;

/// Answers like `systemctl --user` for an installed socket unit, and notes what it was asked to do.
const SYSTEMCTL: &str = r#"
case "$2" in
  show) printf 'LoadState=loaded\nListen=%s (Stream)\nActiveState=%s\nResult=trigger-limit-hit\n' "$LISTEN" "$(cat STATE 2>/dev/null)" ;;
  *) echo "$@" >> calls ;;
esac
case "$2 $3" in
  "start snowflake-session.socket") ln -sf ../../real/grpc.sock "$XDG_RUNTIME_DIR/snowflake-session/grpc.sock" ;;
  "stop snowflake-session.socket") rm -f "$XDG_RUNTIME_DIR/snowflake-session/grpc.sock" ;;
esac
"#;

struct Managed {
    installed: Installed,
    _fake: Fake,
}

impl Managed {
    fn new() -> Self {
        let installed = Installed::new()
            .with_program("systemctl", SYSTEMCTL)
            .with_program("snowflake-session", "echo 'started by hand' >&2; exit 1");
        let path = installed.path();
        for folder in ["real", "runtime/systemd/private", "runtime/snowflake-session"] {
            std::fs::create_dir_all(path.join(folder)).unwrap();
        }
        let fake = Fake::start(&path.join("real"), Script::Events(events(&[two_rows()])));
        Self {
            installed,
            _fake: fake,
        }
    }

    /// Runs sfctl with its usual socket, under a manager whose unit listens on this one.
    fn run_listening(&self, listen: &Path, arguments: &[&str]) -> Ran {
        let path = self.installed.path();
        let mut command = self.installed.command(arguments);
        command
            .env_remove("SFCTL_SOCKET")
            .env("PATH", format!("{}:/usr/bin:/bin", path.display()))
            .env("XDG_RUNTIME_DIR", path.join("runtime"))
            .env("LISTEN", listen);
        ran(command)
    }

    fn run(&self, arguments: &[&str]) -> Ran {
        let usual = self.installed.path().join("runtime/snowflake-session/grpc.sock");
        self.run_listening(&usual, arguments)
    }

    /// Says something about the units from now on.
    fn set(&self, name: &str, value: &str) {
        std::fs::write(self.installed.path().join(name), value).unwrap();
    }

    fn calls(&self) -> String {
        std::fs::read_to_string(self.installed.path().join("calls")).unwrap_or_default()
    }
}

#[test]
fn a_verb_starts_the_socket_unit() {
    let managed = Managed::new();
    assert_eq!(
        managed.run(&["query", "--format", "csv", "select 1"]).ok(),
        "N,T\n1,one\n2,\n"
    );
    assert_eq!(managed.calls(), "--user start snowflake-session.socket\n");
}

#[test]
fn a_socket_that_was_given_up_is_reset_by_those_who_ask_for_it_only() {
    let managed = Managed::new();
    managed.set("STATE", "failed");
    let ran = managed.run(&["context"]);
    let stderr = ran.failed(3);
    assert!(
        stderr.contains("snowflake-session.socket has failed\n"),
        "{stderr}"
    );
    assert!(stderr.contains("trigger-limit-hit"), "{stderr}");
    assert!(
        stderr.contains("systemctl --user reset-failed snowflake-session.socket"),
        "{stderr}"
    );
    assert_eq!(managed.calls(), "");
    managed.run(&["service", "start"]).ok();
    assert_eq!(
        managed.calls(),
        "--user reset-failed snowflake-session.socket snowflake-session.service\n\
         --user start snowflake-session.socket\n"
    );
}

#[test]
fn a_unit_for_another_socket_is_left_alone() {
    let managed = Managed::new();
    let ran = managed.run_listening(Path::new("/run/other.sock"), &["context"]);
    assert!(ran.failed(3).contains("started by hand"), "{ran:?}");
    assert_eq!(managed.calls(), "");
}

#[test]
fn stop_and_restart_go_through_the_manager() {
    let managed = Managed::new();
    managed.run(&["service", "start"]).ok();
    let stopped = managed.run(&["service", "stop"]);
    assert_eq!(stopped.ok(), "");
    assert!(
        managed
            .calls()
            .ends_with("--user stop snowflake-session.socket snowflake-session.service\n")
    );
    managed.run(&["--no-autostart", "context"]).failed(3);
    managed.run(&["service", "restart"]).ok();
    assert!(
        managed
            .calls()
            .ends_with("--user start snowflake-session.socket\n--user restart snowflake-session.service\n")
    );
}
