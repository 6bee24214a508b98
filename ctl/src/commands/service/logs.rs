//! `service logs`: what the service has logged, from the journal or from its file.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Seek as _, SeekFrom};
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;

use super::Run;
use crate::arguments::LogsArguments;
use crate::failure::Failure;
use crate::launch::Manager;
use crate::render::write_stdout;

/// Name of the log of a service without a journal, in its state folder.
const FILE: &str = "snowflake-session/service.log";

/// Pause between two looks at a file that is followed.
const FOLLOW_PAUSE: Duration = Duration::from_millis(200);

/// Longest line that is printed, in bytes; a longer one is cut.
const LINE_BYTES_MAX: usize = 64 << 10;

/// Prints the log, of one session if it is named.
pub(super) async fn logs(arguments: LogsArguments, run: &Run) -> Result<(), Failure> {
    let session = Some(run.settings.session.as_str()).filter(|session| !session.is_empty());
    match Manager::find(&run.settings).await {
        Manager::Systemd(unit) => {
            let mut command = std::process::Command::new("journalctl");
            command
                .args(unit.journal_arguments())
                .arg(format!("--lines={}", arguments.lines));
            command.args(["--quiet", "--no-pager"]);
            if arguments.follow {
                command.arg("--follow");
            }
            if let Some(session) = session {
                command.arg(format!("SNOWFLAKE_SESSION={session}"));
            }
            run.ui.detail("reading the journal of systemd");
            Err(Failure::usage("cannot run journalctl").caused_by(command.exec()))
        }
        Manager::Launchd(_) | Manager::Nobody => {
            let folder = run.settings.state_directory.as_deref();
            let path = folder
                .map(|folder| folder.join(FILE))
                .ok_or_else(|| Failure::usage("neither XDG_STATE_HOME nor HOME is set"))?;
            run.ui.detail(&format!("reading {}", path.display()));
            print_file(&path, arguments, session).await
        }
    }
}

async fn print_file(path: &Path, arguments: LogsArguments, session: Option<&str>) -> Result<(), Failure> {
    let failed = |error: io::Error| {
        let failure = Failure::usage(format!("cannot read {}", path.display()));
        match error.kind() {
            io::ErrorKind::NotFound => failure.caused_by("nothing was logged there yet"),
            _ => failure.caused_by(error),
        }
    };
    let mut last = VecDeque::new();
    let mut keep = |line: String| {
        if last.len() == arguments.lines.max(1) {
            last.pop_front();
        }
        last.push_back(line);
    };
    // What was rotated away comes before what is there now.
    if let Ok(mut older) = Follower::open(&rotated(path)) {
        older.each(session, &mut keep).map_err(failed)?;
    }
    let mut follower = Follower::open(path).map_err(failed)?;
    follower.each(session, &mut keep).map_err(failed)?;
    print(last)?;
    if !arguments.follow {
        return Ok(());
    }
    loop {
        tokio::time::sleep(FOLLOW_PAUSE).await;
        let mut news = VecDeque::new();
        follower
            .each(session, &mut |line| news.push_back(line))
            .map_err(failed)?;
        print(news)?;
        if follower.was_rotated(path) {
            follower = Follower::open(path).map_err(failed)?;
        }
    }
}

fn rotated(path: &Path) -> PathBuf {
    path.with_added_extension("1")
}

fn print(lines: VecDeque<String>) -> Result<(), Failure> {
    let text: String = lines.into_iter().map(|line| line + "\n").collect();
    write_stdout(text.as_bytes()).map_err(|error| Failure::usage("cannot write to stdout").caused_by(error))
}

/// Reads a log on and on.
struct Follower {
    reader: BufReader<File>,
    inode: u64,
}

impl Follower {
    fn open(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        let inode = file.metadata()?.ino();
        Ok(Self {
            reader: BufReader::new(file),
            inode,
        })
    }

    /// Hands over every whole line that is there, as text for people.
    fn each(&mut self, session: Option<&str>, hand: &mut impl FnMut(String)) -> io::Result<()> {
        loop {
            let mut line = Vec::new();
            let read = self.reader.read_until(b'\n', &mut line)?;
            if line.last() != Some(&b'\n') {
                // Half a line is read again when the rest of it is there.
                let half = i64::try_from(read).unwrap_or_default();
                self.reader.seek(SeekFrom::Current(-half))?;
                return Ok(());
            }
            line.pop();
            line.truncate(LINE_BYTES_MAX);
            if let Some(text) = readable(&String::from_utf8_lossy(&line), session) {
                hand(text);
            }
        }
    }

    fn was_rotated(&self, path: &Path) -> bool {
        std::fs::metadata(path).is_ok_and(|found| found.ino() != self.inode)
    }
}

/// A record of the log as a line for people; `None` when it is about another session.
fn readable(line: &str, session: Option<&str>) -> Option<String> {
    let Ok(Value::Object(record)) = serde_json::from_str(line) else {
        // A line of something else, of a panic for example.
        return session.is_none().then(|| line.to_owned());
    };
    let spans = record
        .get("spans")
        .and_then(Value::as_array)
        .map_or(&[][..], Vec::as_slice);
    let named = spans
        .iter()
        .filter_map(|span| span.get("session")?.as_str())
        .next_back();
    if session.is_some() && session != named {
        return None;
    }
    let text = |key: &str| record.get(key).and_then(Value::as_str).unwrap_or_default();
    let mut parts = vec![format!("{} {:>5}", text("timestamp"), text("level"))];
    parts.extend(named.map(|named| format!("session={named}")));
    parts.push(text("message").to_owned());
    for (key, value) in &record {
        if !matches!(
            key.as_str(),
            "timestamp" | "level" | "message" | "target" | "spans"
        ) {
            parts.push(match value {
                Value::String(value) => format!("{key}={value}"),
                value => format!("{key}={value}"),
            });
        }
    }
    Some(parts.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    const RECORD: &str = r#"{"timestamp":"2026-01-02T03:04:05Z","level":"INFO","message":"logged in","user":"ME","target":"t","spans":[{"session":"etl","name":"session"}]}"#;

    #[test]
    fn a_record_is_shown_with_its_session_and_fields() {
        assert_eq!(
            readable(RECORD, None).as_deref(),
            Some("2026-01-02T03:04:05Z  INFO session=etl logged in user=ME")
        );
        assert!(readable(RECORD, Some("etl")).is_some());
        assert_eq!(readable(RECORD, Some("other")), None);
        assert_eq!(
            readable("thread panicked", None).as_deref(),
            Some("thread panicked")
        );
        assert_eq!(readable("thread panicked", Some("etl")), None);
    }

    #[test]
    fn a_line_is_read_when_it_is_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        std::fs::write(&path, "one\ntw").unwrap();
        let mut follower = Follower::open(&path).unwrap();
        let mut lines = Vec::new();
        follower.each(None, &mut |line| lines.push(line)).unwrap();
        assert_eq!(lines, ["one"]);
        std::fs::write(&path, "one\ntwo\n").unwrap();
        follower.each(None, &mut |line| lines.push(line)).unwrap();
        assert_eq!(lines, ["one", "two"]);
        std::fs::rename(&path, folder.path().join("log.1")).unwrap();
        assert!(!follower.was_rotated(&path));
        std::fs::write(&path, "").unwrap();
        assert!(follower.was_rotated(&path));
    }
}
