//! Running a program to its end, or to a deadline: nothing that hangs may hang the test run.

use std::fmt;
use std::io::{Read, Write};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::wait::until;

/// Longest run of a command that is not told otherwise; far more than any needs, far less than a hung CI job.
pub const PATIENCE: Duration = Duration::from_mins(2);

/// What a program did.
#[derive(Clone, Debug)]
pub struct Ran {
    /// The command, as typed.
    pub command: String,
    /// Exit code; a signal's number plus 128, as a shell says it.
    pub code: i32,
    /// Everything on standard output.
    pub stdout: Vec<u8>,
    /// Everything on standard error.
    pub stderr: String,
    /// From start to end.
    pub elapsed: Duration,
}

impl Ran {
    /// Standard output as text.
    pub fn out(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }

    /// Checks that the program succeeded, and returns its output.
    #[track_caller]
    pub fn ok(self) -> String {
        assert_eq!(self.code, 0, "{self}");
        self.out()
    }

    /// Checks that the program failed with this code and without output, and that its message has all of `parts`.
    #[track_caller]
    pub fn fails(self, code: i32, parts: &[&str]) -> Self {
        assert_eq!(self.code, code, "{self}");
        assert!(self.stdout.is_empty(), "output on failure: {self}");
        for part in parts {
            assert!(self.stderr.contains(part), "no {part:?} in the message: {self}");
        }
        self
    }
}

impl fmt::Display for Ran {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let out = String::from_utf8_lossy(&self.stdout[..self.stdout.len().min(2000)]);
        let command: String = self.command.chars().take(300).collect();
        write!(
            formatter,
            "`{command}` ended with {} after {:?}",
            self.code, self.elapsed
        )?;
        write!(formatter, "\n-- stdout\n{out}\n-- stderr\n{}", self.stderr)
    }
}

/// A program on its way.
#[derive(Debug)]
pub struct Running {
    command: String,
    child: Child,
    stdout: Option<JoinHandle<Vec<u8>>>,
    stderr: Option<JoinHandle<Vec<u8>>>,
    start: Instant,
}

impl Running {
    /// Starts a command; `input` becomes its standard input, which is empty otherwise.
    pub fn start(mut command: Command, input: Option<Vec<u8>>) -> Self {
        let text = typed(&command);
        command.stdin(if input.is_some() {
            Stdio::piped()
        } else {
            Stdio::null()
        });
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command
            .spawn()
            .unwrap_or_else(|error| panic!("start `{text}`: {error}"));
        if let (Some(input), Some(mut stdin)) = (input, child.stdin.take()) {
            // The program may close its input early; what it then says is the test's business.
            thread::spawn(move || stdin.write_all(&input));
        }
        let stdout = child.stdout.take().map(collect);
        let stderr = child.stderr.take().map(collect);
        Self {
            command: text,
            child,
            stdout,
            stderr,
            start: Instant::now(),
        }
    }

    /// The process.
    pub fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    /// Whether it has not ended.
    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().is_ok_and(|status| status.is_none())
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) {
        kill_process(self.pid(), signal).expect("the process has not been waited for");
    }

    /// Waits for its end.
    ///
    /// # Panics
    ///
    /// When it does not end within `deadline` from now; the process is killed then.
    pub fn wait(mut self, deadline: Duration) -> Ran {
        // How long it ran before is its own affair: some run beside a whole test.
        let since = Instant::now();
        let status = loop {
            match self.child.try_wait() {
                Ok(Some(status)) => break status,
                Ok(None) if since.elapsed() < deadline => thread::sleep(Duration::from_millis(2)),
                other => {
                    let _ = self.child.kill();
                    panic!("`{}` did not end within {deadline:?} ({other:?})", self.command);
                }
            }
        };
        let elapsed = self.start.elapsed();
        let stderr = take(self.stderr.take());
        Ran {
            command: self.command.clone(),
            code: code(status),
            stdout: take(self.stdout.take()),
            stderr: String::from_utf8_lossy(&stderr).into_owned(),
            elapsed,
        }
    }
}

/// Runs a command to its end.
pub fn run(command: Command, input: Option<Vec<u8>>) -> Ran {
    Running::start(command, input).wait(PATIENCE)
}

fn collect(mut from: impl Read + Send + 'static) -> JoinHandle<Vec<u8>> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        // A read error ends the output as its closing does.
        let _ = from.read_to_end(&mut bytes);
        bytes
    })
}

/// A program that was started in the background may keep the pipe open, so its end is not waited for for ever.
fn take(reader: Option<JoinHandle<Vec<u8>>>) -> Vec<u8> {
    let Some(reader) = reader else { return Vec::new() };
    until("end of a program's output", Duration::from_secs(10), || {
        reader.is_finished().then_some(())
    });
    reader.join().expect("the reader does not panic")
}

fn code(status: ExitStatus) -> i32 {
    use std::os::unix::process::ExitStatusExt;

    status
        .code()
        .unwrap_or_else(|| 128 + status.signal().unwrap_or_default())
}

fn typed(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words
        .map(|word| word.to_string_lossy())
        .collect::<Vec<_>>()
        .join(" ")
}
