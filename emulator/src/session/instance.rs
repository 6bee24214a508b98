//! An instance: one database file, and all sessions on it.

use std::collections::{BTreeMap, HashSet};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::Duration;

use snowflake_emulator_engine::{Engine, EngineConfig, EngineConnection, EngineError, Storage};

use super::control::Control;
use super::history::{History, HistoryLimits};
use super::locks::Locks;
use super::logins::Logins;
use super::samples::Samples;
use super::turns::Turns;
use super::versions::Versions;
use super::{KeptResults, Session, SessionSpec, SqlError, facts};
use crate::catalog::Catalog;
use crate::catalog::information_schema;
use crate::catalog::names::{Name, ObjectPath, SchemaPath, literal};
use crate::catalog::records::where_sequence;
use crate::catalog::tables::{CATALOG_SCHEMA, VERSION, migrations};
use crate::folder::{DataFolder, FolderLock};
use crate::stages::{FileStore, StoreLimits};

/// How an instance is opened.
#[derive(Clone, Debug)]
pub struct InstanceConfig {
    /// Folder that keeps the data, made when absent; without one, data is in memory and ends with the instance.
    pub data: Option<PathBuf>,
    /// Most memory the engine may use, in bytes.
    pub memory_bytes_max: u64,
    /// Threads of the engine, 1 or more.
    pub threads: usize,
    /// Rows of a result batch, 1 or more.
    pub batch_rows: usize,
    /// Most sessions at a time.
    pub sessions_max: usize,
    /// Statements that the engine works on at a time, 1 or more; the users' other ones wait, in fair order.
    pub statements_running_max: usize,
    /// How much the files in stages take.
    pub stages: StoreLimits,
    /// How far back tables can be read.
    pub history: HistoryLimits,
}

impl InstanceConfig {
    /// In memory, with limits that suit tests.
    pub fn in_memory() -> Self {
        let engine = EngineConfig::in_memory();
        Self {
            data: None,
            memory_bytes_max: engine.memory_bytes_max,
            threads: engine.threads,
            batch_rows: 16_384,
            sessions_max: 1000,
            statements_running_max: 32,
            stages: StoreLimits::default(),
            history: HistoryLimits::default(),
        }
    }
}

/// Longest wait for an emulator that is ending to give up the data folder.
const PREDECESSOR_WAIT_MAX: Duration = Duration::from_secs(10);

/// Why an instance did not open.
#[derive(Debug, thiserror::Error)]
pub enum InstanceError {
    /// The folder cannot be made or used.
    #[error("use the data folder {path}")]
    Folder {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// Another process has the folder.
    #[error("use the data folder {path}: another emulator is running on it")]
    InUse {
        /// The folder.
        path: PathBuf,
    },
    /// The data was written by a newer version of this program.
    #[error("read the catalog: its version {found} is newer than {known}, the newest this program knows")]
    Newer {
        /// Version in the file.
        found: u32,
        /// Version of this program.
        known: u32,
    },
    /// The folder for the files in stages cannot be made or used.
    #[error("use the folder for stages: {0}")]
    Stages(#[from] std::io::Error),
    /// The engine refused.
    #[error("open the database: {0}")]
    Engine(#[from] EngineError),
}

/// An open instance.
pub struct Instance {
    pub(super) shared: Arc<Shared>,
}

/// What all sessions of an instance share.
pub(super) struct Shared {
    pub(super) engine: Arc<dyn Engine>,
    pub(super) locks: Locks,
    pub(super) turns: Arc<Turns>,
    pub(super) versions: Versions,
    pub(super) logins: Logins,
    pub(super) buried: Buried,
    pub(super) samples: Samples,
    pub(super) history: History,
    /// The files in stages.
    pub(super) store: Arc<FileStore>,
    /// Results of earlier statements, when somebody keeps them.
    pub(super) results: OnceLock<Arc<dyn KeptResults>>,
    pub(super) transactions: Mutex<BTreeMap<u64, OpenTransaction>>,
    pub(super) batch_rows: usize,
    sessions: Mutex<BTreeMap<u64, Weak<Control>>>,
    sessions_max: usize,
    next_session: AtomicU64,
    /// Held while the instance lives; the system unlocks it even when the process dies.
    _lock: Option<FolderLock>,
}

/// An open transaction as SHOW TRANSACTIONS lists it.
#[derive(Clone, Debug)]
pub(super) struct OpenTransaction {
    pub(super) id: u64,
    pub(super) user: String,
    pub(super) session: u64,
    pub(super) name: String,
    pub(super) started_ms: i64,
}

impl Instance {
    /// Opens the engine and makes or migrates the catalog in its file.
    pub fn open(config: &InstanceConfig) -> Result<Self, InstanceError> {
        let folder = config.data.as_ref().map(DataFolder::new);
        let lock = folder.as_ref().map(lock_folder).transpose()?;
        let storage = match &folder {
            None => Storage::InMemory,
            Some(folder) => Storage::OnDisk(folder.database()),
        };
        let temp_directory = folder.as_ref().map(DataFolder::spill);
        let engine = snowflake_emulator_engine::open(&EngineConfig {
            storage,
            memory_bytes_max: config.memory_bytes_max,
            threads: config.threads,
            temp_directory,
        })?;
        Self::with_engine(engine, config, folder.as_ref(), lock)
    }

    fn with_engine(
        engine: Arc<dyn Engine>,
        config: &InstanceConfig,
        folder: Option<&DataFolder>,
        lock: Option<FolderLock>,
    ) -> Result<Self, InstanceError> {
        let mut connection = engine.connect()?;
        prepare_catalog(connection.as_mut())?;
        let store = FileStore::open(
            folder.map(DataFolder::stages).as_deref(),
            &std::env::temp_dir(),
            config.stages,
        )?;
        let log = folder.map(DataFolder::log);
        let buried = Buried::default();
        buried.add(&buried_schemas(connection.as_mut())?);
        Ok(Self {
            shared: Arc::new(Shared {
                engine,
                locks: Locks::default(),
                turns: Turns::new(config.statements_running_max),
                versions: Versions::default(),
                logins: Logins::default(),
                buried,
                samples: Samples::default(),
                history: History::new(config.history, log, facts::now_ns()),
                store,
                results: OnceLock::new(),
                transactions: Mutex::default(),
                batch_rows: config.batch_rows.max(1),
                sessions: Mutex::default(),
                sessions_max: config.sessions_max,
                next_session: AtomicU64::new(1),
                _lock: lock,
            }),
        })
    }

    /// Opens a session.
    ///
    /// A database, schema, warehouse or role that does not exist is left unset, as Snowflake does at login.
    pub fn open_session(&self, spec: SessionSpec) -> Result<Arc<Session>, SqlError> {
        Session::open(Arc::clone(&self.shared), spec).map(Arc::new)
    }

    /// Names users that may log in, so that they are listed before they do.
    pub fn expect_users<'a>(&self, names: impl IntoIterator<Item = &'a str>) {
        for name in names {
            self.shared.logins.expected(name, facts::now_ms());
        }
    }

    /// Names where results of earlier statements are kept, for RESULT_SCAN; the first one stays.
    pub fn give_results(&self, results: Arc<dyn KeptResults>) {
        if self.shared.results.set(results).is_err() {
            tracing::warn!("results are kept in more than one place; the first one counts");
        }
    }

    /// The files in stages.
    pub fn store(&self) -> Arc<FileStore> {
        Arc::clone(&self.shared.store)
    }

    /// Writes everything committed into the database file; earlier states of tables are given up for it.
    pub fn checkpoint(&self) -> Result<(), InstanceError> {
        self.shared.history.clear(facts::now_ns());
        Ok(self.shared.engine.checkpoint()?)
    }
}

impl Shared {
    /// A number for a new session.
    pub(super) fn register(&self, control: &Arc<Control>) -> Result<u64, SqlError> {
        let mut sessions = lock(&self.sessions);
        if sessions.len() >= self.sessions_max {
            sessions.retain(|_, control| control.strong_count() > 0);
        }
        if sessions.len() >= self.sessions_max {
            let text = format!("The limit of {} sessions is reached.", self.sessions_max);
            return Err(SqlError::new("390195", "08004", text));
        }
        let id = self.next_session.fetch_add(1, Ordering::Relaxed);
        sessions.insert(id, Arc::downgrade(control));
        Ok(id)
    }

    /// A session is over.
    pub(super) fn unregister(&self, id: u64) {
        lock(&self.sessions).remove(&id);
        lock(&self.transactions).remove(&id);
        self.locks.release(id);
    }

    /// Stops the running statements of all sessions but one.
    pub(super) fn stop_all(&self, but: u64) {
        let controls: Vec<Arc<Control>> = lock(&self.sessions)
            .iter()
            .filter(|(id, _)| **id != but)
            .filter_map(|(_, control)| control.upgrade())
            .collect();
        controls.iter().for_each(Control::stop_running);
        self.locks.wake();
    }
}

/// Schemas that are dropped but still there for UNDROP: no statement may name what is in them.
#[derive(Default)]
pub(super) struct Buried {
    schemas: Mutex<HashSet<SchemaPath>>,
    count: AtomicUsize,
}

impl Buried {
    pub(super) fn add(&self, paths: &[SchemaPath]) {
        let mut schemas = lock(&self.schemas);
        schemas.extend(paths.iter().cloned());
        self.count.store(schemas.len(), Ordering::Release);
    }

    pub(super) fn remove(&self, paths: &[SchemaPath]) {
        let mut schemas = lock(&self.schemas);
        for path in paths {
            schemas.remove(path);
        }
        self.count.store(schemas.len(), Ordering::Release);
    }

    /// The first of the tables that is in a dropped schema.
    pub(super) fn find<'a>(
        &self,
        mut tables: impl Iterator<Item = &'a ObjectPath>,
    ) -> Option<&'a ObjectPath> {
        if self.count.load(Ordering::Acquire) == 0 {
            return None;
        }
        let schemas = lock(&self.schemas);
        tables.find(|table| schemas.contains(&table.schema))
    }
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Takes the folder for this process. An emulator whose parent was killed needs a moment to end, so a folder in use is
/// waited for.
fn lock_folder(folder: &DataFolder) -> Result<FolderLock, InstanceError> {
    let path = || folder.path().to_path_buf();
    folder
        .lock(PREDECESSOR_WAIT_MAX)
        .map_err(|source| InstanceError::Folder { path: path(), source })?
        .ok_or_else(|| InstanceError::InUse { path: path() })
}

/// Brings the catalog to this program's version, and clears away what was dropped long ago.
fn prepare_catalog(connection: &mut dyn EngineConnection) -> Result<(), InstanceError> {
    let found = Catalog::new(connection).version()?;
    if found > VERSION {
        return Err(InstanceError::Newer {
            found,
            known: VERSION,
        });
    }
    let now_ms = facts::now_ms();
    let mut statements = migrations(found, now_ms);
    if found > 0 {
        statements.extend(purge(connection, now_ms)?);
        if found >= 2 {
            statements.push(crate::catalog::files::forget_old_loads(now_ms));
        }
    }
    if statements.is_empty() {
        return Ok(());
    }
    connection.execute("BEGIN")?;
    for statement in &statements {
        connection.execute(statement)?;
    }
    if found > 0 && found < 4 {
        name_engine_sequences(connection)?;
    }
    // The views that older versions made tell less.
    if found > 0 && found < VERSION {
        let databases =
            Catalog::new(connection).rows(&format!("SELECT name FROM {CATALOG_SCHEMA}.databases"))?;
        for database in databases {
            for view in information_schema::views(&Name::exact(database.text(0))) {
                connection.execute(&view)?;
            }
        }
    }
    connection.execute("COMMIT")?;
    Ok(())
}

/// Tells how the engine names the sequences that older versions made.
fn name_engine_sequences(connection: &mut dyn EngineConnection) -> Result<(), EngineError> {
    let rows = Catalog::new(connection).rows(&format!(
        "SELECT database_name, schema_name, name FROM {CATALOG_SCHEMA}.sequences"
    ))?;
    for row in rows {
        let [database, schema, name] = [0, 1, 2].map(|at| Name::exact(row.text(at)));
        let path = ObjectPath::new(database, schema, name);
        connection.execute(&format!(
            "UPDATE {CATALOG_SCHEMA}.sequences SET engine_schema = {}, engine_name = {} WHERE {}",
            literal(&path.schema.mangled()),
            literal(&path.name.mangled()),
            where_sequence(&path)
        ))?;
    }
    Ok(())
}

/// Statements that remove tables whose days of history are over.
fn purge(connection: &mut dyn EngineConnection, now_ms: i64) -> Result<Vec<String>, EngineError> {
    let over = format!(
        "dropped_ms IS NOT NULL AND dropped_ms + retention_days * 86400000 < {now_ms} AND kind = 'TABLE' \
         AND engine_name LIKE '%#%'"
    );
    let dropped = Catalog::new(connection).objects(&over)?;
    Ok(dropped
        .iter()
        .flat_map(|object| {
            let name = crate::catalog::names::quote(&object.dropped_name());
            let mut statements = vec![format!(
                "DROP TABLE IF EXISTS {}.{name}",
                object.path.schema.physical()
            )];
            statements.extend(object.forget());
            statements
        })
        .collect())
}

fn buried_schemas(connection: &mut dyn EngineConnection) -> Result<Vec<SchemaPath>, EngineError> {
    let rows = Catalog::new(connection).rows(&format!(
        "SELECT database_name, name FROM {CATALOG_SCHEMA}.schemas WHERE dropped_ms IS NOT NULL"
    ))?;
    Ok(rows
        .iter()
        .map(|row| SchemaPath::new(Name::exact(row.text(0)), Name::exact(row.text(1))))
        .collect())
}
