//! Runs statements in one session and prints what comes back.
//!
//! ```text
//! cargo run -p snowflake-session-driver --example query -- http://127.0.0.1:8080 user password "select 1" "select 2"
//! ```

use std::io::Write as _;
use std::time::Instant;

use anyhow::{Context as _, bail};
use snowflake_session_driver::{
    ConnectOptions, ConnectionSettings, Credential, Driver, DriverConfig, QueryRequest, Secret,
};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let (Some(address), Some(user), Some(password)) = (arguments.next(), arguments.next(), arguments.next())
    else {
        bail!("usage: query ADDRESS USER PASSWORD SQL…");
    };
    let credential = Credential::Password {
        password: Secret::new(password),
        passcode: None,
        passcode_in_password: false,
    };
    let endpoint = address.parse().context("the address is not an address")?;
    let settings = ConnectionSettings::new("example", "example", user, credential, endpoint);

    let mut out = std::io::stdout();
    let driver = Driver::start(DriverConfig::default()).await?;
    let session = driver.connect(&settings, &ConnectOptions::default()).await?;
    writeln!(out, "{:?}", session.info())?;
    for sql in arguments {
        let started = Instant::now();
        let mut result = match session.execute(QueryRequest::new(&sql)).await {
            Ok(result) => result,
            Err(error) => {
                writeln!(out, "{sql}\n  {error:?}")?;
                continue;
            }
        };
        let answered = started.elapsed();
        let head = result.head().clone();
        let mut first = None;
        while let Some(batch) = result.next_batch().await? {
            first.get_or_insert(batch);
        }
        let (rows, elapsed) = (result.rows_delivered(), started.elapsed());
        writeln!(
            out,
            "{sql}\n  {rows} rows, {answered:?} to the answer, {elapsed:?} in all"
        )?;
        writeln!(
            out,
            "  {:?} {:?} {:?}",
            head.statement_type.kind(),
            head.context,
            head.exchange
        )?;
        if let Some(batch) = first.filter(|batch| batch.num_rows() <= 5) {
            writeln!(out, "  {batch:?}")?;
        }
    }
    writeln!(out, "logout: {:?}", session.close().await)?;
    Ok(())
}
