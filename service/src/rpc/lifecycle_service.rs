//! Tells how the service is, and passes on the wish to stop it. Works across builds.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use snowflake_session_proto::v1;
use snowflake_session_proto::v1::lifecycle_service_server::LifecycleService;
use snowflake_session_proto::{BUILD_ID, PROTOCOL, ProtocolRange};
use tokio::sync::{mpsc, oneshot, watch};
use tonic::{Request, Response, Status};

use super::convert;
use super::status::status;
use crate::domain::error::{Error, Reason};
use crate::sessions::Sessions;

/// What the service says of itself; fixed while it runs.
#[derive(Debug, Clone)]
pub struct About {
    /// Process id.
    pub pid: u32,
    /// When it started.
    pub start_time: SystemTime,
    /// Who runs it.
    pub manager: Manager,
    /// Path of the socket it serves.
    pub socket: PathBuf,
    /// Where clients of other machines are served, if they are.
    pub tcp_address: Option<SocketAddr>,
    /// Folder of its state.
    pub state_directory: PathBuf,
    /// File that it logs to, if it does.
    pub log_file: Option<PathBuf>,
    /// Folder with the data of the local emulator.
    pub emulator_data_directory: PathBuf,
    /// True once another program was found in the place of the one that runs.
    pub program_replaced: watch::Receiver<bool>,
}

/// Most open sessions that a hello names.
const SESSIONS_NAMED_MAX: usize = 20;

/// Who runs the service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manager {
    /// Nobody: started by hand or by `sfctl`.
    None,
    /// systemd.
    Systemd,
    /// launchd.
    Launchd,
}

/// What the service has counted, as it is when asked.
#[derive(Clone)]
pub struct Counted {
    /// Writes it down.
    pub text: Arc<dyn Fn() -> String + Send + Sync>,
    /// Type of the text.
    pub content_type: &'static str,
}

/// Wishes to stop, each with its grace period if the caller named one. One waiting wish is enough.
pub type ShutdownRequests = mpsc::Sender<Option<Duration>>;

/// Wishes to have the configuration read again, each with the place for what came of it.
pub type ReloadRequests = mpsc::Sender<oneshot::Sender<Reloaded>>;

/// What came of reading the configuration again.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reloaded {
    /// Keys whose new values count from now on.
    pub applied: Vec<String>,
    /// Keys whose new values count after a restart.
    pub needs_restart: Vec<String>,
    /// Things worth telling, whole sentences.
    pub warnings: Vec<String>,
    /// What is wrong with it, each with its place; then nothing has changed.
    pub faults: Vec<(String, String)>,
}

/// Tells how the service is and what it counted, and stops it.
pub(super) struct Lifecycle {
    pub(super) about: About,
    pub(super) sessions: Sessions,
    pub(super) counted: Counted,
    pub(super) shutdown: ShutdownRequests,
    pub(super) reload: ReloadRequests,
}

#[tonic::async_trait]
impl LifecycleService for Lifecycle {
    async fn hello(&self, request: Request<v1::HelloRequest>) -> Result<Response<v1::HelloResponse>, Status> {
        let asked = request.into_inner();
        let theirs = ProtocolRange {
            min: asked.protocol_min,
            max: asked.protocol_max,
        };
        let mut open_sessions = self.sessions.running_names();
        let open_session_count = i32::try_from(open_sessions.len()).unwrap_or(i32::MAX);
        open_sessions.truncate(SESSIONS_NAMED_MAX);
        Ok(Response::new(v1::HelloResponse {
            service_version: env!("CARGO_PKG_VERSION").to_owned(),
            protocol: PROTOCOL.agreed_with(theirs).unwrap_or_default(),
            protocol_min: PROTOCOL.min,
            protocol_max: PROTOCOL.max,
            build_id: BUILD_ID.to_owned(),
            start_time: Some(convert::timestamp(self.about.start_time)),
            features: Vec::new(),
            binary_changed: *self.about.program_replaced.borrow(),
            open_sessions,
            open_session_count,
        }))
    }

    async fn get_status(
        &self,
        _: Request<v1::GetStatusRequest>,
    ) -> Result<Response<v1::GetStatusResponse>, Status> {
        let (session_count, query_count) = self.sessions.counts();
        let state = if self.sessions.is_draining() {
            v1::ServiceState::Draining
        } else {
            v1::ServiceState::Serving
        };
        let manager = match self.about.manager {
            Manager::None => v1::ServiceManager::None,
            Manager::Systemd => v1::ServiceManager::Systemd,
            Manager::Launchd => v1::ServiceManager::Launchd,
        };
        let (now, date) = (Instant::now(), SystemTime::now());
        let pools = self.sessions.pools().into_iter();
        let pools = pools.map(|pool| convert::pool(pool, now, date)).collect();
        Ok(Response::new(v1::GetStatusResponse {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            build_id: BUILD_ID.to_owned(),
            pid: i64::from(self.about.pid),
            start_time: Some(convert::timestamp(self.about.start_time)),
            state: state.into(),
            session_count: i32::try_from(session_count).unwrap_or(i32::MAX),
            query_count: i32::try_from(query_count).unwrap_or(i32::MAX),
            manager: manager.into(),
            socket: self.about.socket.display().to_string(),
            tcp_address: self
                .about
                .tcp_address
                .map_or_else(String::new, |address| address.to_string()),
            emulator_address: self.sessions.emulator_address().unwrap_or_default(),
            state_directory: self.about.state_directory.display().to_string(),
            emulator_data_directory: self.about.emulator_data_directory.display().to_string(),
            pools,
            binary_changed: *self.about.program_replaced.borrow(),
            held_write_count: i32::try_from(self.sessions.writes_waiting()).unwrap_or(i32::MAX),
            log_file: self
                .about
                .log_file
                .as_ref()
                .map(|path| path.display().to_string())
                .unwrap_or_default(),
        }))
    }

    async fn reload(&self, _: Request<v1::ReloadRequest>) -> Result<Response<v1::ReloadResponse>, Status> {
        let (reply, answer) = oneshot::channel();
        let asked = self.reload.send(reply).await;
        // Who stops does not read its configuration any more.
        let gone = || status(&Error::new(Reason::Draining, "the service is stopping"));
        asked.map_err(|_| gone())?;
        let reloaded = answer.await.map_err(|_| gone())?;
        let faults = reloaded.faults.into_iter();
        Ok(Response::new(v1::ReloadResponse {
            applied_keys: reloaded.applied,
            restart_keys: reloaded.needs_restart,
            warnings: reloaded.warnings,
            faults: faults
                .map(|(place, message)| v1::ConfigurationFault { place, message })
                .collect(),
        }))
    }

    async fn get_metrics(
        &self,
        _: Request<v1::GetMetricsRequest>,
    ) -> Result<Response<v1::GetMetricsResponse>, Status> {
        Ok(Response::new(v1::GetMetricsResponse {
            text: (self.counted.text)(),
            content_type: self.counted.content_type.to_owned(),
        }))
    }

    async fn shutdown(
        &self,
        request: Request<v1::ShutdownRequest>,
    ) -> Result<Response<v1::ShutdownResponse>, Status> {
        let grace = request.into_inner().grace_period.map(convert::duration);
        let grace = grace.transpose().map_err(|error| status(&error))?;
        // A full channel means that somebody has asked already, which is just as good.
        let _ = self.shutdown.try_send(grace);
        Ok(Response::new(v1::ShutdownResponse {
            pid: i64::from(self.about.pid),
        }))
    }
}
