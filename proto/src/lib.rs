//! The gRPC contract of snowflake-session, generated from `snowflake_session/v1/*.proto`.
//!
//! This crate holds nothing but the generated code, its descriptor set (for reflection) and the few
//! names that both ends must spell the same. It must not know what a service or a client does.

/// Package `snowflake_session.v1`.
#[allow(
    missing_docs,
    unreachable_pub,
    clippy::all,
    clippy::pedantic,
    clippy::allow_attributes_without_reason,
    reason = "generated code"
)]
pub mod v1 {
    tonic::include_proto!("snowflake_session.v1");
}

mod protocol;

pub use protocol::{PROTOCOL, ProtocolRange};

/// Encoded `FileDescriptorSet` of the package, for server reflection.
pub const FILE_DESCRIPTOR_SET: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/snowflake_session.v1.bin"));

/// Metadata key with which a client names its build on each request.
pub const BUILD_ID_KEY: &str = "snowflake-session-build";

/// Metadata key with which a client says which protocols it speaks, as `MIN-MAX`, on each request.
pub const PROTOCOL_KEY: &str = "snowflake-session-protocol";

/// Metadata key with which a client names itself and its version, for the audit log and the query tag.
pub const CLIENT_KEY: &str = "snowflake-session-client";

/// Metadata key with which a client names the session of the agent that it works for, if it does.
pub const AGENT_KEY: &str = "snowflake-session-agent";

/// Build of this crate. Different builds understand each other where their protocols meet.
pub const BUILD_ID: &str = env!("CARGO_PKG_VERSION");

/// Domain of the `google.rpc.ErrorInfo` in every error status.
pub const ERROR_DOMAIN: &str = "snowflake-session";
