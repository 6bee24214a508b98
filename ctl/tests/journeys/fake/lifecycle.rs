//! The lifecycle of the stand-in.

use snowflake_session_proto::BUILD_ID;
use snowflake_session_proto::v1::lifecycle_service_server::LifecycleService;
use snowflake_session_proto::v1::{
    GetMetricsRequest, GetMetricsResponse, GetStatusRequest, GetStatusResponse, HelloRequest, HelloResponse,
    ReloadRequest, ReloadResponse, ServiceManager, ServiceState, ShutdownRequest, ShutdownResponse,
};
use tonic::{Request, Response, Status};

use super::Stand;

#[tonic::async_trait]
impl LifecycleService for Stand {
    async fn get_metrics(
        &self,
        request: Request<GetMetricsRequest>,
    ) -> Result<Response<GetMetricsResponse>, Status> {
        self.0.check(&request)?;
        Ok(Response::new(GetMetricsResponse {
            text: "# TYPE snowflake_jobs gauge\nsnowflake_jobs 3\n".to_owned(),
            content_type: "text/plain; version=0.0.4".to_owned(),
        }))
    }

    async fn hello(&self, _: Request<HelloRequest>) -> Result<Response<HelloResponse>, Status> {
        let hello = self.0.hello.lock().unwrap().clone();
        hello
            .map(Response::new)
            .ok_or_else(|| Status::unimplemented("an older service knows no hello"))
    }

    async fn get_status(
        &self,
        request: Request<GetStatusRequest>,
    ) -> Result<Response<GetStatusResponse>, Status> {
        self.0.check(&request)?;
        Ok(Response::new(GetStatusResponse {
            tcp_address: String::new(),
            version: "9.9.9".to_owned(),
            build_id: BUILD_ID.to_owned(),
            pid: 4711,
            start_time: Some(prost_types::Timestamp {
                seconds: 1_700_000_000,
                nanos: 0,
            }),
            state: ServiceState::Serving.into(),
            session_count: 2,
            query_count: 1,
            manager: ServiceManager::None.into(),
            socket: "/run/there.sock".to_owned(),
            emulator_address: "127.0.0.1:4000".to_owned(),
            state_directory: "/var/there".to_owned(),
            emulator_data_directory: "/var/there/emulator".to_owned(),
            binary_changed: false,
            pools: self.0.pools.lock().unwrap().clone(),
            held_write_count: 0,
            log_file: String::new(),
        }))
    }

    async fn reload(&self, request: Request<ReloadRequest>) -> Result<Response<ReloadResponse>, Status> {
        self.0.check(&request)?;
        Ok(Response::new(ReloadResponse {
            applied_keys: vec!["log.level".to_owned()],
            restart_keys: vec!["rpc.calls_max".to_owned()],
            warnings: vec!["unknown variable SNOWFLAKE_SESSIOND_X".to_owned()],
            faults: Vec::new(),
        }))
    }

    async fn shutdown(
        &self,
        request: Request<ShutdownRequest>,
    ) -> Result<Response<ShutdownResponse>, Status> {
        self.0.check(&request)?;
        let process = self.0.process.lock().unwrap().take();
        let mut process = process.ok_or_else(|| Status::failed_precondition("the test gave no process"))?;
        let pid = i64::from(process.id());
        // The answer leaves before the process ends, as the service's does.
        tokio::task::spawn_blocking(move || {
            process.kill().unwrap();
            process.wait().unwrap();
        });
        Ok(Response::new(ShutdownResponse { pid }))
    }
}
