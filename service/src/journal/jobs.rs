//! The file of submitted queries, `jobs.json`: where to find them again at Snowflake, and nothing of what they say.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::domain::history::{JobStore, KeptJob, KeptJobs, QueryState};

/// The version that is written, and the only one that is read.
const VERSION: u32 = 1;
/// Largest file that is read. A query takes about 400 bytes, and how many are kept is limited.
const BYTES_MAX: u64 = 16 * 1024 * 1024;

#[derive(Serialize, Deserialize)]
struct Text {
    version: u32,
    jobs: Vec<Entry>,
}

#[derive(Serialize, Deserialize)]
struct Entry {
    query_id: String,
    request_id: String,
    session: String,
    connection: String,
    /// `succeeded`, `failed` or `cancelled`; anything else had not ended.
    state: String,
    /// Milliseconds since 1970, as all times here.
    create_time: u64,
    #[serde(default)]
    start_time: Option<u64>,
    #[serde(default)]
    end_time: Option<u64>,
}

/// Reads the queries that the file keeps; one that cannot be understood is set aside and told in the log.
pub fn open_jobs(path: &Path) -> KeptJobs {
    let jobs = match load(path) {
        Ok(jobs) => jobs,
        Err(why) => {
            let mut aside = path.to_owned().into_os_string();
            aside.push(".bad");
            let moved = fs::rename(path, &aside);
            tracing::warn!(
                file = %path.display(),
                why,
                set_aside = moved.is_ok(),
                "the kept queries cannot be read; going on without them"
            );
            Vec::new()
        }
    };
    KeptJobs {
        store: Arc::new(JobFile {
            path: path.to_owned(),
        }),
        jobs,
    }
}

fn load(path: &Path) -> Result<Vec<KeptJob>, String> {
    let file = match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        opened => opened.map_err(|error| error.to_string())?,
    };
    let mut text = Vec::new();
    let read = file.take(BYTES_MAX + 1).read_to_end(&mut text);
    read.map_err(|error| error.to_string())?;
    if text.len() as u64 > BYTES_MAX {
        return Err(format!("it is larger than {BYTES_MAX} bytes"));
    }
    let text: Text = serde_json::from_slice(&text).map_err(|error| error.to_string())?;
    if text.version != VERSION {
        return Err(format!("it has version {}, not {VERSION}", text.version));
    }
    text.jobs.into_iter().map(read_entry).collect()
}

fn read_entry(entry: Entry) -> Result<KeptJob, String> {
    let time = |ms: u64| UNIX_EPOCH + Duration::from_millis(ms);
    let wrong = |error: crate::domain::error::Error| error.to_string();
    Ok(KeptJob {
        query_id: entry.query_id,
        request_id: entry.request_id.parse().map_err(wrong)?,
        session: entry.session.parse().map_err(wrong)?,
        connection: entry.connection.parse().map_err(wrong)?,
        state: match entry.state.as_str() {
            "succeeded" => QueryState::Succeeded,
            "failed" => QueryState::Failed,
            "cancelled" => QueryState::Cancelled,
            _ => QueryState::Unknown,
        },
        create_time: time(entry.create_time),
        start_time: entry.start_time.map(time),
        end_time: entry.end_time.map(time),
    })
}

fn write_entry(job: &KeptJob) -> Entry {
    let ms = |time: SystemTime| {
        let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    };
    Entry {
        query_id: job.query_id.clone(),
        request_id: job.request_id.to_string(),
        session: job.session.to_string(),
        connection: job.connection.to_string(),
        state: match job.state {
            QueryState::Succeeded => "succeeded",
            QueryState::Failed => "failed",
            QueryState::Cancelled => "cancelled",
            QueryState::Waiting | QueryState::Queued | QueryState::Running | QueryState::Unknown => "open",
        }
        .to_owned(),
        create_time: ms(job.create_time),
        start_time: job.start_time.map(ms),
        end_time: job.end_time.map(ms),
    }
}

struct JobFile {
    path: PathBuf,
}

#[async_trait]
impl JobStore for JobFile {
    async fn save(&self, jobs: Vec<KeptJob>) {
        let path = self.path.clone();
        let written = tokio::task::spawn_blocking(move || replace(&path, &jobs)).await;
        if let Ok(Err(error)) = written {
            tracing::warn!(
                file = %self.path.display(),
                %error,
                "the submitted queries could not be kept; only Snowflake will know them after a restart"
            );
        }
    }
}

/// Writes a file beside the old one and puts it in its place, so that a crash leaves one of the two.
fn replace(path: &Path, jobs: &[KeptJob]) -> io::Result<()> {
    let text = serde_json::to_vec(&Text {
        version: VERSION,
        jobs: jobs.iter().map(write_entry).collect(),
    })?;
    let mut beside = path.to_owned().into_os_string();
    beside.push(".tmp");
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&beside)?;
    file.write_all(&text)?;
    file.sync_all()?;
    fs::rename(&beside, path)?;
    match path.parent() {
        Some(folder) => File::open(folder)?.sync_all(),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;
    use crate::domain::names::{ConnectionName, RequestId};

    fn job(number: u128, state: QueryState) -> KeptJob {
        let time = |second| UNIX_EPOCH + Duration::from_secs(second);
        KeptJob {
            query_id: format!("q-{number}"),
            request_id: RequestId::new(uuid::Uuid::from_u128(number)),
            session: "etl".parse().unwrap(),
            connection: ConnectionName::local(),
            state,
            create_time: time(10),
            start_time: Some(time(11)),
            end_time: state.is_settled().then(|| time(12)),
        }
    }

    #[tokio::test]
    async fn queries_are_kept_for_the_next_run_and_for_nobody_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("jobs.json");
        let kept = open_jobs(&path);
        assert_eq!(kept.jobs, []);
        let jobs = [
            job(1, QueryState::Succeeded),
            job(2, QueryState::Failed),
            job(3, QueryState::Cancelled),
            job(4, QueryState::Unknown),
        ];
        kept.store.save(jobs.to_vec()).await;
        assert_eq!(open_jobs(&path).jobs, jobs);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        kept.store.save(vec![job(5, QueryState::Running)]).await;
        assert_eq!(open_jobs(&path).jobs, [job(5, QueryState::Unknown)]);
        assert_eq!(
            fs::read_dir(folder.path()).unwrap().count(),
            1,
            "nothing is left beside it"
        );
    }

    #[test]
    fn what_cannot_be_read_is_set_aside() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("jobs.json");
        for text in ["{", r#"{"version":2,"jobs":[]}"#, r#"{"version":1,"jobs":[{}]}"#] {
            fs::write(&path, text).unwrap();
            assert_eq!(open_jobs(&path).jobs, []);
            assert!(!path.exists(), "{text}");
            assert_eq!(
                fs::read_to_string(folder.path().join("jobs.json.bad")).unwrap(),
                text
            );
        }
    }
}
