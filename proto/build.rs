//! Compiles the contract in pure Rust: no `protoc` on the machine is needed.

#![expect(
    clippy::disallowed_macros,
    clippy::disallowed_methods,
    reason = "cargo talks to a build script that way"
)]

use std::error::Error;
use std::path::PathBuf;

use prost::Message;

const PROTOS: [&str; 5] = [
    "snowflake_session/v1/common.proto",
    "snowflake_session/v1/lifecycle_service.proto",
    "snowflake_session/v1/query_service.proto",
    "snowflake_session/v1/session_service.proto",
    "snowflake_session/v1/write_service.proto",
];

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=snowflake_session");
    let descriptors = protox::compile(PROTOS, ["."])?;
    let out = PathBuf::from(std::env::var("OUT_DIR")?);
    std::fs::write(out.join("snowflake_session.v1.bin"), descriptors.encode_to_vec())?;
    tonic_prost_build::configure()
        // Batches travel as reference-counted bytes: no copy between socket and reader.
        .bytes(".")
        .compile_fds(descriptors)?;
    Ok(())
}
