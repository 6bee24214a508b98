//! A plain HTTP client of the gateway, which stands for snowflake-connector-rs.
#![allow(clippy::unwrap_used, reason = "a failed step is a failed test")]
#![allow(dead_code, reason = "each test binary uses its own part")]
#![allow(unreachable_pub, reason = "a module of test binaries")]

use std::time::Duration;

use serde_json::{Map, Value, json};
use snowflake_session_gateway::{
    CapturedAnswer, Directive, Gateway, GatewayConfig, GatewayError, GatewaySession, LoginFailure, LoginPlan,
    NONCE_PARAMETER,
};
use url::Url;

use crate::mock::Mock;

pub fn config() -> GatewayConfig {
    let mut config = GatewayConfig::default();
    config.retry.pause_first = Duration::from_millis(1);
    config.retry.pause_max = Duration::from_millis(4);
    config
}

pub fn plan(endpoint: Url) -> LoginPlan {
    LoginPlan {
        endpoint,
        authenticator: None,
        application: None,
        keep_alive: false,
        timeout: Duration::from_secs(10),
    }
}

/// A logged-in client of the gateway.
pub struct Client {
    pub gateway: Gateway,
    pub session: GatewaySession,
    pub local_token: String,
    pub http: reqwest::Client,
}

impl Client {
    pub async fn start(mock: &Mock, config: GatewayConfig, plan: LoginPlan) -> Result<Self, LoginFailure> {
        let client = Self::log_in(config, plan).await?;
        assert!(!mock.seen("session/v1/login-request").is_empty());
        Ok(client)
    }

    /// Logs in at whatever answers at the plan's endpoint.
    pub async fn log_in(config: GatewayConfig, plan: LoginPlan) -> Result<Self, LoginFailure> {
        let gateway = Gateway::start(config).await.unwrap();
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let login = gateway.announce_login(plan);
        let body = json!({ "data": {
            "ACCOUNT_NAME": "acct", "LOGIN_NAME": "me", "PASSWORD": "hunter2",
            "SESSION_PARAMETERS": { (NONCE_PARAMETER): login.nonce() },
        }});
        let url = gateway
            .local_url()
            .join("session/v1/login-request?warehouse=WH")
            .unwrap();
        let answer: Value = http
            .post(url)
            .json(&body)
            .send()
            .await
            .unwrap()
            .json()
            .await
            .unwrap();
        let local_token = answer["data"]["token"].as_str().unwrap_or_default().to_owned();
        let session = login.finish()?;
        assert!(
            !local_token.contains("session-0"),
            "the crate never sees the real token"
        );
        Ok(Self {
            gateway,
            session,
            local_token,
            http,
        })
    }

    pub async fn connect(mock: &Mock) -> Self {
        Self::start(mock, config(), plan(mock.url())).await.unwrap()
    }

    /// Announces and sends a statement as the driver and the crate do.
    pub async fn query(&self, sql: &str) -> Result<CapturedAnswer, GatewayError> {
        self.query_within(sql, Duration::from_secs(30)).await
    }

    pub async fn query_within(&self, sql: &str, timeout: Duration) -> Result<CapturedAnswer, GatewayError> {
        let request_id = uuid::Uuid::new_v4().to_string();
        let directive = Directive {
            parameters: Map::new(),
            describe_only: false,
            async_exec: false,
            timeout,
        };
        let pending = self.session.announce_query(&request_id, directive);
        self.post(
            &format!("queries/v1/query-request?requestId={request_id}"),
            json!({ "sqlText": sql }),
        )
        .await;
        pending
            .take()
            .expect("the exchange has ended when the crate has its answer")
    }

    pub async fn post(&self, path: &str, body: Value) -> reqwest::Response {
        let url = self.gateway.local_url().join(path).unwrap();
        let token = format!("Snowflake Token=\"{}\"", self.local_token);
        self.http
            .post(url)
            .header("authorization", token)
            .json(&body)
            .send()
            .await
            .unwrap()
    }
}
