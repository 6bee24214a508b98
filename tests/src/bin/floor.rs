//! The least that a command over gRPC can cost: it reads its arguments, makes one unary call over a Unix socket, and ends.
//!
//!   floor --socket PATH
//!
//! `cargo xtask bench` measures `sfctl` against it.

use std::path::PathBuf;

use anyhow::Result;
use clap::Parser;
use hyper_util::rt::TokioIo;
use snowflake_session_proto::v1::GetStatusRequest;
use snowflake_session_proto::v1::lifecycle_service_client::LifecycleServiceClient;
use snowflake_session_proto::{BUILD_ID, BUILD_ID_KEY};
use tokio::net::UnixStream;
use tonic::Request;
use tonic::transport::{Endpoint, Uri};
use tower::service_fn;

/// Ask the service how it is and say nothing
#[derive(Debug, Parser)]
struct Arguments {
    /// Socket of the service
    #[arg(long)]
    socket: PathBuf,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let Arguments { socket } = Arguments::parse();
    // The address is never looked up: the connector below dials the socket.
    let endpoint = Endpoint::from_static("http://localhost");
    let channel = endpoint
        .connect_with_connector(service_fn(move |_: Uri| {
            let socket = socket.clone();
            async move { UnixStream::connect(socket).await.map(TokioIo::new) }
        }))
        .await?;
    let mut request = Request::new(GetStatusRequest {});
    request.metadata_mut().insert(BUILD_ID_KEY, BUILD_ID.parse()?);
    LifecycleServiceClient::new(channel).get_status(request).await?;
    Ok(())
}
