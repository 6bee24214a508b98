//! The archive for a report: what the checks found and what a helper asks for next, without secrets.

use std::fmt::Write as _;
use std::fs::{self, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::time::Duration;

use flate2::Compression;
use flate2::write::GzEncoder;
use tokio::time::Instant;

use super::check::Check;
use super::redact::redact;
use super::scene::{Scene, output_of};
use super::{report, version};
use crate::commands::log_files::{FILE, Log};
use crate::failure::Failure;
use crate::launch::{Manager, run_program};

/// Records of the log that go along.
const RECORDS: usize = 500;

/// Most time for one command.
const COMMAND_WAIT_MAX: Duration = Duration::from_secs(10);

/// One text of the archive.
struct Text {
    name: String,
    text: String,
}

/// Writes the archive, for its owner alone. A file of that name is replaced.
pub(super) async fn write(
    path: &Path,
    checks: &[Check],
    repaired: &[String],
    versions: &version::Facts,
    scene: &Scene<'_>,
) -> Result<(), Failure> {
    let mut texts = vec![
        text(
            "doctor.json",
            format!("{:#}\n", report::document(checks, repaired)),
        ),
        text("versions.txt", told_versions(versions)),
    ];
    if let Some(program) = &scene.program {
        for what in ["config", "connections"] {
            let said = output_of(program, &[what]).await.unwrap_or_default();
            if !said.is_empty() {
                texts.push(text(
                    &format!("{what}.json"),
                    String::from_utf8_lossy(&said).into_owned(),
                ));
            }
        }
    }
    if let Some(answer) = scene.answer() {
        // Everything that it holds is also shown by `sfctl service status`.
        texts.push(text("status.txt", format!("{:#?}\n", answer.status)));
    }
    texts.extend(of_manager(scene).await);
    archive(path, &texts)
        .map_err(|error| Failure::usage(format!("cannot write {}", path.display())).caused_by(error))
}

fn text(name: &str, text: String) -> Text {
    Text {
        name: name.to_owned(),
        text,
    }
}

fn told_versions(versions: &version::Facts) -> String {
    let mut told = format!(
        "sfctl {}\nservice {}\n{} {}\n",
        versions.own,
        versions.service.as_deref().unwrap_or("does not answer"),
        std::env::consts::OS,
        std::env::consts::ARCH,
    );
    for program in &versions.programs {
        let version = program.version.as_deref().unwrap_or("?");
        let _ = writeln!(told, "{} {version}", program.path.display());
    }
    told
}

/// Units, what the manager shows of them, and the log.
async fn of_manager(scene: &Scene<'_>) -> Vec<Text> {
    let lines = format!("--lines={RECORDS}");
    let mut texts = Vec::new();
    match &scene.manager {
        Manager::Systemd(unit) => {
            let user: &[&str] = match unit.scope {
                crate::launch::Scope::User => &["--user"],
                crate::launch::Scope::System => &[],
            };
            for name in [&unit.socket, &unit.service] {
                let ask = |verb| [user, &[verb, "--no-pager", name.as_str()]].concat();
                texts.push(text(
                    &format!("{name}.cat.txt"),
                    command("systemctl", &ask("cat")).await,
                ));
                let shown = command("systemctl", &ask("show")).await;
                texts.push(text(&format!("{name}.show.txt"), without_environment(&shown)));
            }
            let journal = unit.journal_arguments();
            let mut arguments: Vec<&str> = journal.iter().map(String::as_str).collect();
            arguments.extend([
                "--quiet",
                "--no-pager",
                "--no-hostname",
                "--output=short-iso",
                &lines,
            ]);
            texts.push(text("log.txt", command("journalctl", &arguments).await));
        }
        Manager::Launchd(_) | Manager::Nobody => {
            if let Some(folder) = &scene.state_directory {
                texts.push(text("log.jsonl", last_records(&folder.join(FILE))));
            }
        }
    }
    texts
}

async fn command(program: &str, arguments: &[&str]) -> String {
    match run_program(program, arguments, Instant::now() + COMMAND_WAIT_MAX).await {
        Ok(output) => {
            let said = String::from_utf8_lossy(&output.stdout);
            format!("{said}{}", String::from_utf8_lossy(&output.stderr))
        }
        Err(failure) => format!("{}\n", super::scene::told(failure)),
    }
}

/// What a manager shows of a unit, without the values of its variables.
fn without_environment(shown: &str) -> String {
    shown
        .lines()
        .map(|line| match line.split_once('=') {
            Some((name @ ("Environment" | "SetCredential" | "SetCredentialEncrypted"), value))
                if !value.is_empty() =>
            {
                format!("{name}=****\n")
            }
            _ => format!("{line}\n"),
        })
        .collect()
}

/// The last records of a log in files, or why there are none.
fn last_records(path: &Path) -> String {
    let last = Log::open(path).and_then(|mut log| log.last(RECORDS, |line| Some(line.to_owned())));
    match last {
        Ok(lines) => lines
            .into_iter()
            .fold(String::new(), |text, line| text + &line + "\n"),
        Err(error) => format!("{}: {error}\n", path.display()),
    }
}

fn archive(path: &Path, texts: &[Text]) -> io::Result<()> {
    // A file that is there may be one that others can read.
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    let mut archive = tar::Builder::new(GzEncoder::new(file, Compression::default()));
    for Text { name, text } in texts {
        let text = redact(text);
        let mut header = tar::Header::new_gnu();
        header.set_size(text.len() as u64);
        header.set_mode(0o600);
        archive.append_data(
            &mut header,
            format!("snowflake-session-doctor/{name}"),
            text.as_bytes(),
        )?;
    }
    archive.into_inner()?.finish()?.sync_all()
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn what_is_packed_has_no_secrets_and_is_private() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("b.tar.gz");
        fs::write(&path, "older, open to all").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        archive(&path, &[text("a.txt", "password = \"s3same\"\n".to_owned())]).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let mut read = tar::Archive::new(flate2::read::GzDecoder::new(fs::File::open(&path).unwrap()));
        let mut entry = read.entries().unwrap().next().unwrap().unwrap();
        let mut text = String::new();
        entry.read_to_string(&mut text).unwrap();
        assert_eq!(text, "password = \"****\"\n");
    }

    #[test]
    fn variables_of_units_are_not_shown() {
        assert_eq!(
            without_environment("Id=x\nEnvironment=A=b C=d\nEnvironmentFiles=/e\n"),
            "Id=x\nEnvironment=****\nEnvironmentFiles=/e\n"
        );
    }

    #[test]
    fn the_last_records_span_files() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(FILE);
        // Named as the service names those that are full.
        fs::write(
            path.with_added_extension("20261129T080000.000Z"),
            "1\n".repeat(400),
        )
        .unwrap();
        fs::write(&path, "2\n".repeat(200)).unwrap();
        let text = last_records(&path);
        assert_eq!((text.matches('1').count(), text.matches('2').count()), (300, 200));
    }
}
