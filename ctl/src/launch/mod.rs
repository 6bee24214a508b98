//! The way to a running service: dial, and start it when nobody listens.
//!
//! Where systemd holds the socket, its unit is started; else `snowflake-session start`, which detaches itself
//! and returns when it is ready. A lock beside the socket keeps two commands from starting two services.
//! Every wait has an end.

mod lock;
mod program;
mod systemd;

use std::time::Duration;

use tokio::time::Instant;

use crate::client::Client;
use crate::client::dial::{DialError, dial};
use crate::config::Settings;
use crate::failure::Failure;
use crate::ui::Ui;

pub(crate) use program::{run_in_foreground, service_program};
pub(crate) use systemd::{Unit, find_unit};

/// Most time until a service that is being started must answer.
const START_WAIT_MAX: Duration = Duration::from_secs(30);

/// Time between two looks at something that is about to change.
pub(crate) const POLL_INTERVAL: Duration = Duration::from_millis(10);

/// How a service came to be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Start {
    /// It listened already.
    Running,
    /// It was started.
    Started,
}

/// Dials the service, starting it if nobody listens and the settings allow it.
pub(crate) async fn reach(settings: &Settings, ui: &Ui) -> Result<Client, Failure> {
    match dial(settings).await {
        Ok(client) => Ok(client),
        Err(DialError::NobodyListens(..)) if settings.autostart => Ok(start(settings, ui).await?.0),
        Err(error) => Err(error.into()),
    }
}

/// Dials the service, starting it if nobody listens.
pub(crate) async fn start(settings: &Settings, ui: &Ui) -> Result<(Client, Start), Failure> {
    let deadline = Instant::now() + START_WAIT_MAX;
    match dial(settings).await {
        Ok(client) => return Ok((client, Start::Running)),
        Err(DialError::NobodyListens(..)) => {}
        Err(error) => return Err(error.into()),
    }
    if let Some(unit) = find_unit(settings).await {
        ui.detail(&format!("starting {}", Unit::SOCKET_NAME));
        unit.start(deadline).await?;
        return Ok((dial_until(settings, deadline).await?, Start::Started));
    }
    let program = service_program(settings)?;
    let lock = lock::acquire(&settings.socket, deadline).await?;
    // Whoever held the lock before may have started it.
    if let Ok(client) = dial(settings).await {
        return Ok((client, Start::Running));
    }
    ui.detail(&format!("starting {}", program.display()));
    if let Err(failure) = program::start_detached(&program, settings, deadline).await {
        // Somebody who does not know our lock may have been faster.
        let client = dial(settings).await.map_err(|_| failure)?;
        return Ok((client, Start::Running));
    }
    let client = dial_until(settings, deadline).await?;
    drop(lock);
    Ok((client, Start::Started))
}

/// Dials until somebody listens or the deadline passes.
async fn dial_until(settings: &Settings, deadline: Instant) -> Result<Client, Failure> {
    loop {
        match dial(settings).await {
            Ok(client) => return Ok(client),
            Err(DialError::NobodyListens(..)) if Instant::now() < deadline => {
                tokio::time::sleep(POLL_INTERVAL).await;
            }
            Err(error) => return Err(error.into()),
        }
    }
}
