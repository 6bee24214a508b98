//! A plain client of the connector protocol on one kept connection: the floor under every client of a server.

use anyhow::{Context, Result, bail, ensure};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{self, SendRequest};
use hyper::{Method, Request};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpStream;

/// A login on its own connection.
pub struct Wire {
    sender: SendRequest<Full<Bytes>>,
    host: String,
    token: String,
    sequence: u64,
}

impl Wire {
    /// Connects without a login.
    ///
    /// # Errors
    ///
    /// When nobody listens.
    pub async fn connect(port: u16) -> Result<Self> {
        let stream = TcpStream::connect(("127.0.0.1", port)).await?;
        stream.set_nodelay(true)?;
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        Ok(Self {
            sender,
            host: format!("127.0.0.1:{port}"),
            token: "None".to_owned(),
            sequence: 0,
        })
    }

    /// Connects and logs in; `application` decides whether the server sends Arrow.
    ///
    /// # Errors
    ///
    /// When nobody listens, or the login is refused.
    pub async fn login(port: u16, application: &str) -> Result<Self> {
        Self::login_as(port, "tester", application).await
    }

    /// The same for another user.
    ///
    /// # Errors
    ///
    /// When nobody listens, or the login is refused.
    pub async fn login_as(port: u16, user: &str, application: &str) -> Result<Self> {
        let mut wire = Self::connect(port).await?;
        let login = json!({"data": {
            "ACCOUNT_NAME": "local", "LOGIN_NAME": user, "PASSWORD": "secret",
            "CLIENT_APP_ID": application, "CLIENT_APP_VERSION": "4.8.1", "CLIENT_ENVIRONMENT": {}, "SESSION_PARAMETERS": {},
        }});
        let answer = wire
            .post("/session/v1/login-request?request_guid=1", &login)
            .await?;
        let token = answer["data"]["token"].as_str().context("a login has a token")?;
        token.clone_into(&mut wire.token);
        Ok(wire)
    }

    /// Runs a statement and returns the answer's `data`.
    ///
    /// # Errors
    ///
    /// The server's message, or that it is gone.
    pub async fn query(&mut self, sql: &str) -> Result<Value> {
        self.sequence += 1;
        let id = uuid::Uuid::new_v4();
        let body =
            json!({"sqlText": sql, "asyncExec": false, "sequenceId": self.sequence, "isInternal": false});
        let mut answer = self
            .post(&format!("/queries/v1/query-request?requestId={id}"), &body)
            .await?;
        ensure!(
            answer["success"].as_bool() == Some(true),
            "{sql}: {}",
            answer["message"]
        );
        Ok(answer["data"].take())
    }

    /// Fetches a chunk by its URL, as it is.
    ///
    /// # Errors
    ///
    /// Any status but success.
    pub async fn get(&mut self, path: &str) -> Result<Bytes> {
        let request = Request::get(path)
            .header("host", &self.host)
            .body(Full::default())?;
        self.send(request).await
    }

    /// Sends text with a method of its own, as a control endpoint wants it.
    ///
    /// # Errors
    ///
    /// Any status but success.
    pub async fn text(&mut self, method: Method, path: &str, text: String) -> Result<Bytes> {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", &self.host)
            .header("content-type", "text/plain")
            .body(Full::new(Bytes::from(text)))?;
        self.send(request).await
    }

    async fn post(&mut self, path: &str, body: &Value) -> Result<Value> {
        let request = Request::builder()
            .method(Method::POST)
            .uri(path)
            .header("host", &self.host)
            .header("content-type", "application/json")
            .header("accept", "application/snowflake")
            .header("authorization", format!("Snowflake Token=\"{}\"", self.token))
            .body(Full::new(Bytes::from(body.to_string())))?;
        Ok(serde_json::from_slice(&self.send(request).await?)?)
    }

    async fn send(&mut self, request: Request<Full<Bytes>>) -> Result<Bytes> {
        self.sender.ready().await?;
        let response = self.sender.send_request(request).await?;
        let status = response.status();
        let body = response.into_body().collect().await?.to_bytes();
        if !status.is_success() {
            bail!("HTTP {status}: {}", String::from_utf8_lossy(&body));
        }
        Ok(body)
    }
}
