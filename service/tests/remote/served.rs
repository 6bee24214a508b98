//! A service for other machines in a home of its own.

use std::net::SocketAddr;
use std::time::Duration;

use snowflake_session_proto::v1;
use snowflake_session_proto::v1::lifecycle_service_client::LifecycleServiceClient;
use tokio::io::AsyncReadExt as _;

use crate::authority::{Authority, Signed};
use crate::home::{Home, Running};

/// Years of a revocation list that counts.
pub(crate) const NOW: (i32, i32) = (2024, 3000);

/// How long a machine at work may take for what happens at once.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// A service for other machines, and the authority of both sides.
pub(crate) struct Served {
    pub(crate) home: Home,
    pub(crate) authority: Authority,
    pub(crate) running: Option<Running>,
    pub(crate) port: u16,
}

impl Served {
    /// With files for TLS, and these settings beside them.
    pub(crate) fn prepared(settings: &str) -> Self {
        let (home, authority) = (Home::new(), Authority::new("ours"));
        authority
            .server()
            .write(&home.path().join("certificate.pem"), &home.path().join("key.pem"));
        std::fs::write(home.path().join("authorities.pem"), authority.pem()).unwrap();
        let served = Self {
            home,
            authority,
            running: None,
            port: 0,
        };
        served.configure(settings);
        served
    }

    pub(crate) fn configure(&self, settings: &str) {
        let folder = self.home.path().join(".config/snowflake-session");
        std::fs::create_dir_all(&folder).unwrap();
        let home = self.home.path().display();
        let text = format!(
            "[tcp]\ncertificate = \"{home}/certificate.pem\"\nkey = \"{home}/key.pem\"\n\
             client_authorities = \"{home}/authorities.pem\"\n{settings}\n"
        );
        std::fs::write(folder.join("config.toml"), text).unwrap();
    }

    pub(crate) async fn start(settings: &str) -> Self {
        let mut served = Self::prepared(&format!("listen = \"127.0.0.1:0\"\n{settings}"));
        served.serve().await;
        served
    }

    /// One that asks whether certificates were taken back, with these lists.
    pub(crate) async fn start_revoking(lists: impl FnOnce(&Authority) -> Vec<String>) -> Self {
        let mut served = Self::prepared("");
        served.configure_revoking();
        served.write_lists(&lists(&served.authority));
        served.serve().await;
        served
    }

    pub(crate) fn configure_revoking(&self) {
        let lists = self.home.path().join("lists.pem");
        self.configure(&format!(
            "listen = \"127.0.0.1:0\"\nallow = [\"*\"]\nrevocation_lists = \"{}\"",
            lists.display()
        ));
    }

    pub(crate) fn write_lists(&self, lists: &[String]) {
        std::fs::write(self.home.path().join("lists.pem"), lists.concat()).unwrap();
    }

    /// Lets the service read its configuration again.
    pub(crate) async fn reload(&self) -> v1::ReloadResponse {
        let channel = crate::support::connect(&self.home.socket()).await;
        let reloaded = LifecycleServiceClient::new(channel)
            .reload(v1::ReloadRequest {})
            .await;
        reloaded.unwrap().into_inner()
    }

    /// Starts the service and learns where it listens.
    pub(crate) async fn serve(&mut self) {
        self.running = Some(self.home.serve());
        let address: SocketAddr = self.home.status().await.tcp_address.parse().unwrap();
        self.port = address.port();
    }

    /// Stops the service; what it has said.
    pub(crate) fn log_at_end(mut self) -> String {
        let running = self.running.take().unwrap();
        running.signal(rustix::process::Signal::TERM);
        running.end().1
    }

    /// What a client hears at its first call.
    pub(crate) async fn status(&self, client: &Signed) -> v1::GetStatusResponse {
        let channel = self.authority.channel(self.port, client).await;
        let mut lifecycle = LifecycleServiceClient::new(channel);
        let asked = lifecycle.get_status(v1::GetStatusRequest {});
        let answer = tokio::time::timeout(PATIENCE, asked).await;
        answer.expect("an answer").unwrap().into_inner()
    }

    /// Why a client is refused. In TLS 1.3 it hears of that after its side of the handshake, when it reads.
    pub(crate) async fn refused(&self, authority: &Authority, client: Option<&Signed>) -> String {
        let greeted = authority.greet(self.port, client).await;
        let heard = match greeted {
            Ok(mut stream) => stream.read(&mut [0; 64]).await.map(drop),
            Err(error) => Err(error),
        };
        heard.expect_err("an alert").to_string()
    }
}
