//! Clients that are in when a reload decides that they may not be.

use snowflake_session_proto::v1;
use snowflake_session_proto::v1::lifecycle_service_client::LifecycleServiceClient;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tonic::transport::Channel;
use tonic::{Code, Status, Streaming};
use tonic_health::pb::health_client::HealthClient;
use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse};

use crate::authority::Signed;
use crate::served::{NOW, PATIENCE, Served};
use crate::support;

const INTERN: &str = "spiffe://corp/intern";
const ETL: &str = "spiffe://corp/etl";

/// A client on one connection, with a call that does not end by itself.
struct Client {
    channel: Channel,
    watching: Streaming<HealthCheckResponse>,
}

impl Client {
    async fn of(served: &Served, signed: &Signed) -> Self {
        let channel = served.authority.channel(served.port, signed).await;
        let watched = HealthClient::new(channel.clone())
            .watch(HealthCheckRequest::default())
            .await;
        let mut watching = watched.unwrap().into_inner();
        watching.message().await.unwrap().expect("how it is now");
        Self { channel, watching }
    }

    async fn status(&self) -> Result<v1::GetStatusResponse, Status> {
        let mut lifecycle = LifecycleServiceClient::new(self.channel.clone());
        let answer = lifecycle.get_status(v1::GetStatusRequest {}).await?;
        Ok(answer.into_inner())
    }

    /// Hears why it is dismissed, and that its connection is closed.
    async fn hears_the_end(mut self, why: &str) {
        let heard = tokio::time::timeout(PATIENCE, self.watching.message()).await;
        let status = heard.expect("an end").unwrap_err();
        assert_eq!(status.code(), Code::Unavailable);
        assert_eq!(support::reason(&status).0, "DRAINING");
        assert_eq!(
            status.message(),
            format!("the service does not let this client in any more: {why}")
        );
        // Its channel has nothing but this one connection.
        let mut status = self.status().await;
        let deadline = tokio::time::Instant::now() + PATIENCE;
        while status.is_ok() && tokio::time::Instant::now() < deadline {
            status = self.status().await;
        }
        assert_eq!(status.unwrap_err().code(), Code::Unavailable);
    }

    /// Is served over the connection that it has had all along.
    async fn goes_on(&self) {
        self.status().await.unwrap();
    }
}

#[tokio::test]
async fn a_revoked_certificate_ends_the_connections_that_it_has_opened() {
    let served = Served::start_revoking(|ours| vec![ours.revocations(&[], NOW)]).await;
    let ours = &served.authority;
    let (intern, etl) = (ours.client(INTERN), ours.client(ETL));
    let (dismissed, other) = (
        Client::of(&served, &intern).await,
        Client::of(&served, &etl).await,
    );
    // A reload that changes nothing for them ends nothing.
    assert!(served.reload().await.faults.is_empty());
    dismissed.goes_on().await;
    served.write_lists(&[ours.revocations(&[intern.serial()], NOW)]);
    assert!(served.reload().await.faults.is_empty());
    dismissed.hears_the_end("its certificate was revoked").await;
    other.goes_on().await;
    let said = served.log_at_end();
    assert!(
        said.contains("client over TCP dismissed") && said.contains(&format!("uri:{INTERN}")),
        "{said}"
    );
}

#[tokio::test]
async fn a_name_off_the_list_ends_the_connections_of_its_client() {
    let served = Served::start(&format!("allow = [\"uri:{INTERN}\", \"cn:client\"]")).await;
    let ours = &served.authority;
    let (intern, etl) = (ours.client(INTERN), ours.client(ETL));
    let (dismissed, other) = (
        Client::of(&served, &intern).await,
        Client::of(&served, &etl).await,
    );
    // The name in the audit log is one that may come; under another one it may come again.
    served.configure("listen = \"127.0.0.1:0\"\nallow = [\"cn:client\"]");
    assert!(served.reload().await.faults.is_empty());
    dismissed
        .hears_the_end(&format!("`tcp.allow` no longer names uri:{INTERN}"))
        .await;
    other.goes_on().await;
    served.status(&intern).await;
    served.configure(&format!("listen = \"127.0.0.1:0\"\nallow = [\"uri:{INTERN}\"]"));
    assert!(served.reload().await.faults.is_empty());
    other.hears_the_end("`tcp.allow` no longer names it").await;
}

#[tokio::test]
async fn an_authority_that_is_not_trusted_any_more_takes_its_clients_with_it() {
    let served = Served::start("allow = [\"*\"]").await;
    let client = Client::of(&served, &served.authority.client(ETL)).await;
    let other = crate::authority::Authority::new("other");
    std::fs::write(served.home.path().join("authorities.pem"), other.pem()).unwrap();
    assert!(served.reload().await.faults.is_empty());
    client
        .hears_the_end("the authority of its certificate is no longer trusted")
        .await;
}

#[tokio::test]
async fn one_that_does_not_listen_is_cut_off() {
    let served = Served::start("allow = [\"*\"]\nparting_timeout = \"200ms\"").await;
    let client = served.authority.client(ETL);
    let mut deaf = served.authority.greet(served.port, Some(&client)).await.unwrap();
    // The preface of HTTP/2 and settings without any; from then on it answers nothing, not even a ping.
    deaf.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0")
        .await
        .unwrap();
    // The server speaks as soon as it serves it.
    deaf.read_exact(&mut [0; 9]).await.unwrap();
    served.configure("listen = \"127.0.0.1:0\"\nallow = [\"cn:nobody\"]");
    assert!(served.reload().await.faults.is_empty());
    let mut heard = Vec::new();
    let end = tokio::time::timeout(PATIENCE, deaf.read_to_end(&mut heard)).await;
    let _ = end.expect("the connection is cut");
    // The head of the frame that says goodbye: its type, no flags, no stream.
    let goodbye = |head: &[u8]| head == [7, 0, 0, 0, 0, 0];
    assert!(heard.windows(6).any(goodbye), "{heard:?}");
}
