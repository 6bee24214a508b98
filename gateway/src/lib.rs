//! The one way to Snowflake: an in-process HTTP gateway that speaks the connector protocol on both sides.

mod config;
mod secret;

pub use config::{ClientIdentity, GatewayConfig, ProxySettings, RetryLimits};
pub use secret::Secret;
