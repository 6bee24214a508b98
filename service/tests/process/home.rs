//! The shipped binary in a home of its own.

use std::io::Read as _;
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use snowflake_session_proto::v1;
use snowflake_session_proto::v1::lifecycle_service_client::LifecycleServiceClient;

/// A home of its own, and the binary in it with nothing else in its environment.
pub(crate) struct Home {
    folder: tempfile::TempDir,
}

impl Home {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let runtime = folder.path().join("run");
        std::fs::create_dir(&runtime).unwrap();
        std::fs::set_permissions(&runtime, std::fs::Permissions::from_mode(0o700)).unwrap();
        Self { folder }
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.path().join("run/snowflake-session/grpc.sock")
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_snowflake-session"));
        command
            .args(arguments)
            .env_clear()
            .env("HOME", self.path())
            .env("XDG_RUNTIME_DIR", self.path().join("run"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// The binary under a shell that passes it one or two descriptors, with their names, as systemd would.
    pub(crate) fn passing<const N: usize>(&self, passed: [(&str, OwnedFd); N]) -> Command {
        // A command can be given two, and the shell moves them to where systemd has them.
        let moved = ["exec 3<&0 </dev/null", "exec 3<&0 4<&1 </dev/null >/dev/null"][N - 1];
        let names = passed.each_ref().map(|(name, _)| *name).join(":");
        let script = format!("{moved}; LISTEN_PID=$$ LISTEN_FDS={N} LISTEN_FDNAMES={names} exec \"$0\" run");
        let mut command = Command::new("/bin/sh");
        command
            .args(["-c", &script, env!("CARGO_BIN_EXE_snowflake-session")])
            .env_clear()
            .env("HOME", self.path())
            .env("XDG_RUNTIME_DIR", self.path().join("run"))
            .stderr(Stdio::piped());
        let mut descriptors = passed.into_iter().map(|(_, descriptor)| Stdio::from(descriptor));
        if let Some(first) = descriptors.next() {
            command.stdin(first);
        }
        if let Some(second) = descriptors.next() {
            command.stdout(second);
        }
        command
    }

    pub(crate) fn output(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// Starts `run` and waits until it accepts connections.
    pub(crate) fn serve(&self) -> Running {
        let running = Running(self.command(&["run"]).spawn().unwrap());
        wait_until("the service accepts", || {
            std::os::unix::net::UnixStream::connect(self.socket()).is_ok()
        });
        running
    }

    pub(crate) async fn status(&self) -> v1::GetStatusResponse {
        let mut client = LifecycleServiceClient::new(crate::support::connect(&self.socket()).await);
        client
            .get_status(v1::GetStatusRequest {})
            .await
            .unwrap()
            .into_inner()
    }

    pub(crate) async fn shut_down(&self) {
        let mut client = LifecycleServiceClient::new(crate::support::connect(&self.socket()).await);
        client
            .shutdown(v1::ShutdownRequest { grace_period: None })
            .await
            .unwrap();
        wait_until("the socket went", || !self.socket().exists());
    }
}

/// A child that does not outlive its test.
pub(crate) struct Running(pub(crate) Child);

impl Running {
    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.0), signal).unwrap();
    }

    /// Exit code and stderr.
    pub(crate) fn end(mut self) -> (Option<i32>, String) {
        let mut stderr = String::new();
        self.0.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
        (self.0.wait().unwrap().code(), stderr)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

pub(crate) fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !is_so() {
        assert!(Instant::now() < deadline, "still not so: {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

pub(crate) fn stderr_of(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}
