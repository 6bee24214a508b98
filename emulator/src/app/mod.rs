//! Puts the emulator together, runs it, and takes it apart again.

mod ready;
mod stop;

use std::io::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::net::TcpListener;

use crate::config::ServeConfig;
use crate::folder::{DataFolder, Serving};
use crate::protocol::{Backend, Connector, Server};
use crate::results::Spool;
use crate::session::{Instance, InstanceError};
use crate::stages::FileStore;

/// Why the emulator did not run, or did not end well.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    /// The address cannot be listened on.
    #[error("failed to listen on {address}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why.
        source: std::io::Error,
    },
    /// The databases cannot be opened; most often another emulator has them.
    #[error("failed to open the databases")]
    Open(#[source] InstanceError),
    /// The folder for results cannot be used.
    #[error("failed to use {path:?} for results")]
    Results {
        /// The folder.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The ready file cannot be written.
    #[error("failed to write the ready file {path:?}")]
    ReadyFile {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Signals cannot be received.
    #[error("failed to receive signals")]
    Signals(#[source] std::io::Error),
    /// What was committed could not be flushed into the database file; it is still in its log.
    #[error("failed to flush the databases")]
    Flush(#[source] InstanceError),
    /// A second signal came before the emulator had stopped.
    #[error("stopped at once by a second signal")]
    Interrupted,
}

/// Serves until told to stop.
pub async fn serve(config: ServeConfig) -> Result<(), AppError> {
    // Before anything else is touched: a taken port is the likeliest failure.
    let address = config.listen;
    let listener = TcpListener::bind(address)
        .await
        .map_err(|source| AppError::Listen { address, source })?;
    let address = listener
        .local_addr()
        .map_err(|source| AppError::Listen { address, source })?;
    let stop = stop::Stop::watch(config.stop_with_stdin).map_err(AppError::Signals)?;

    let data = config.instance.data.clone().map(DataFolder::new);
    let instance = aside(move || Instance::open(&config.instance))
        .await
        .map_err(AppError::Open)?;
    let instance = Arc::new(instance);
    let results_folder = match &data {
        Some(folder) => folder.results(),
        None => std::env::temp_dir(),
    };
    let spool = Spool::open(&results_folder, config.spool_limits).map_err(|source| AppError::Results {
        path: results_folder,
        source,
    })?;
    let backend: Arc<dyn Backend> = Arc::new(Arc::clone(&instance));
    let scheme = if config.settings.tls.is_some() {
        "https"
    } else {
        "http"
    };
    instance.expect_users(config.accounts.names());
    let connector = Connector::new(config.settings, config.accounts, backend, spool);
    instance.give_results(connector.results());
    let _ending = EndOfStore(Instance::store(&instance));
    let server = Server::new(listener, connector);

    let _announced = data.as_ref().map(|folder| Announced(folder.clone()));
    if let Some(folder) = &data {
        let serving = Serving {
            address,
            scheme: scheme.to_owned(),
            pid: std::process::id(),
            supervised: config.stop_with_stdin,
            directory: std::env::current_dir().unwrap_or_default(),
            arguments: config.command_line,
            version: env!("CARGO_PKG_VERSION").to_owned(),
        };
        folder.announce(&serving).map_err(|source| AppError::ReadyFile {
            path: folder.path().to_owned(),
            source,
        })?;
    }
    if let Some(path) = &config.ready_file {
        ready::write(path, address).map_err(|source| AppError::ReadyFile {
            path: path.clone(),
            source,
        })?;
    }
    announce(scheme, address, data.as_ref().map(DataFolder::path));
    tokio::select! {
        () = server.serve(stop.requested()) => {}
        () = stop.repeated() => return Err(AppError::Interrupted),
    }
    tokio::select! {
        flushed = aside(move || instance.checkpoint()) => flushed.map_err(AppError::Flush),
        () = stop.repeated() => Err(AppError::Interrupted),
    }
}

/// Takes back who serves a folder, when serving ends in whichever way.
struct Announced(DataFolder);

impl Drop for Announced {
    fn drop(&mut self) {
        self.0.retract();
    }
}

/// Ends the store of files when serving ends, in whichever way.
struct EndOfStore(Arc<FileStore>);

impl Drop for EndOfStore {
    fn drop(&mut self) {
        self.0.end();
    }
}

/// Works where blocking is allowed.
async fn aside<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(broken) => std::panic::resume_unwind(broken.into_panic()),
    }
}

/// The one line that a person at a terminal waits for.
fn announce(scheme: &str, address: SocketAddr, data: Option<&Path>) {
    let version = env!("CARGO_PKG_VERSION");
    let place = data.map_or_else(|| "memory".to_owned(), |folder| folder.display().to_string());
    // Nobody may be reading; that is no reason not to serve.
    let _ = writeln!(
        std::io::stderr(),
        "snowflake-emulator {version} listening on {scheme}://{address}, data in {place}"
    );
}
