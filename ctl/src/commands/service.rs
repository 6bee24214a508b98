//! `service`: run, start, stop, restart and inspect the service.

use std::time::Duration;

use rustix::process::{Pid, test_kill_process};
use serde_json::json;
use snowflake_session_proto::v1::{GetStatusResponse, PoolStatus, ServiceManager, ServiceState};
use tokio::time::Instant;

use super::{Run, wait};
use crate::arguments::ServiceVerb;
use crate::client::dial::{DialError, dial};
use crate::exit_code::Exit;
use crate::failure::Failure;
use crate::launch::{self, POLL_INTERVAL, Start, Unit};
use crate::render::Clock;
use crate::render::record::{Record, Value, utc};

/// Most time for a service to end when the user set none. Longer than its own grace period.
const STOP_WAIT_MAX: Duration = Duration::from_mins(1);

/// Time beyond the grace period that the user set for a service to end.
const STOP_MARGIN: Duration = Duration::from_secs(10);

/// Carries out one of the verbs.
pub(super) fn service(verb: ServiceVerb, run: &Run) -> Result<(), Failure> {
    match verb {
        ServiceVerb::Run => Err(launch::run_in_foreground(&run.settings)),
        ServiceVerb::Start => wait(start(run)),
        ServiceVerb::Stop => wait(async {
            if !stop(run).await? {
                run.ui.note("the service does not run");
            }
            Ok(())
        }),
        ServiceVerb::Restart => wait(restart(run)),
        ServiceVerb::Status => wait(async {
            let client = dial(&run.settings).await.map_err(not_running)?;
            run.print(record(&client.status().await?))
        }),
    }
}

async fn start(run: &Run) -> Result<(), Failure> {
    let (client, start) = launch::start(&run.settings, &run.ui).await?;
    // Under systemd this call is what starts the service behind the socket.
    let status = client.status().await?;
    run.ui.note(match start {
        Start::Running => "the service runs already",
        Start::Started => "the service is started",
    });
    run.print(record(&status))
}

/// Stops the service and waits for its end; false if it did not run.
async fn stop(run: &Run) -> Result<bool, Failure> {
    let wait_max = run
        .settings
        .timeout
        .map_or(STOP_WAIT_MAX, |grace| grace + STOP_MARGIN);
    let deadline = Instant::now() + wait_max;
    if let Some(unit) = launch::find_unit(&run.settings).await {
        return stop_unit(unit, run, deadline).await;
    }
    let client = match dial(&run.settings).await {
        Ok(client) => client,
        Err(DialError::NobodyListens(..)) => return Ok(false),
        Err(error) => return Err(error.into()),
    };
    let stopping = client.shutdown(run.settings.timeout).await?;
    drop(client);
    wait_for_end(stopping.pid, deadline).await?;
    run.ui.note("the service is stopped");
    Ok(true)
}

async fn stop_unit(unit: Unit, run: &Run, deadline: Instant) -> Result<bool, Failure> {
    unit.stop(deadline).await?;
    run.ui
        .note(&format!("the service and {} are stopped", Unit::SOCKET_NAME));
    Ok(true)
}

async fn restart(run: &Run) -> Result<(), Failure> {
    if let Some(unit) = launch::find_unit(&run.settings).await {
        unit.restart(Instant::now() + STOP_WAIT_MAX).await?;
    } else {
        stop(run).await?;
    }
    start(run).await
}

/// Waits until the process is gone.
async fn wait_for_end(pid: i64, deadline: Instant) -> Result<(), Failure> {
    let process = i32::try_from(pid)
        .ok()
        .and_then(Pid::from_raw)
        .filter(|_| pid > 1)
        .ok_or_else(|| Failure::new(Exit::Defect, format!("the service named {pid} as its process")))?;
    // A process of another user still exists; only "no such process" is the end.
    while test_kill_process(process) != Err(rustix::io::Errno::SRCH) {
        if Instant::now() >= deadline {
            return Err(Failure::new(
                Exit::Timeout,
                format!("the service (process {pid}) has not ended yet"),
            )
            .hint("it finishes running queries first; `--timeout` sets how long it may take"));
        }
        tokio::time::sleep(POLL_INTERVAL).await;
    }
    Ok(())
}

fn not_running(error: DialError) -> Failure {
    let nobody = matches!(error, DialError::NobodyListens(..));
    let mut failure = Failure::from(error);
    if nobody {
        "the service does not run".clone_into(&mut failure.what);
    }
    failure
}

fn record(status: &GetStatusResponse) -> Record {
    let state = match status.state() {
        ServiceState::Unspecified => "",
        ServiceState::Serving => "serving",
        ServiceState::Draining => "stopping",
    };
    let manager = match status.manager() {
        ServiceManager::Unspecified => "",
        ServiceManager::None => "none",
        ServiceManager::Systemd => "systemd",
        ServiceManager::Launchd => "launchd",
    };
    vec![
        ("state", Value::text(state)),
        ("version", Value::text(&status.version)),
        ("build", Value::text(&status.build_id)),
        ("pid", Value::Number(status.pid)),
        ("manager", Value::text(manager)),
        ("started", status.start_time.map_or(Value::Nothing, Value::Time)),
        ("sessions", Value::Number(status.session_count.into())),
        ("queries", Value::Number(status.query_count.into())),
        ("spare_logins", pools(&status.pools)),
        ("socket", Value::text(&status.socket)),
        ("emulator", Value::text(&status.emulator_address)),
        ("state_directory", Value::text(&status.state_directory)),
    ]
}

fn pools(pools: &[PoolStatus]) -> Value {
    let clock = Clock::read();
    let document = pools.iter().map(|pool| {
        json!({
            "connection": pool.connection,
            "spare_count": pool.spare_count,
            "logging_in": pool.logging_in,
            "blocked_by": Some(&pool.blocked_by).filter(|reason| !reason.is_empty()),
            "retry_time": pool.retry_time.as_ref().map(utc),
        })
    });
    Value::Several {
        lines: pools.iter().map(|pool| pool_line(pool, clock)).collect(),
        document: document.collect(),
    }
}

fn pool_line(pool: &PoolStatus, clock: Clock) -> String {
    let mut line = format!("{}: {}", pool.connection, pool.spare_count);
    if pool.logging_in {
        line.push_str(", logging in");
    }
    if !pool.blocked_by.is_empty() {
        line.push_str(", logins are held back: ");
        line.push_str(&pool.blocked_by);
    }
    if let Some(retry) = &pool.retry_time {
        line.push_str("; tried again ");
        line.push_str(&clock.relative(retry));
    }
    line
}
