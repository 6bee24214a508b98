//! `COPY INTO` a table.
//!
//! All files are loaded in one transaction, each by an INSERT of its own. A plain CSV file is read by the engine's
//! own reader first; when that meets anything it does not like, the whole statement is done again with our
//! reader, which knows what Snowflake would say. With `ON_ERROR` other than ABORT_STATEMENT records are checked
//! before they are inserted, because the engine has no way back from a failed INSERT but the transaction's start.

use std::collections::BTreeSet;

use sqlparser::ast::Statement;

use super::copy_columns::{FileFacts, LoadedColumn, loaded_columns, quoted, quoted_path, typed_by_reader};
use super::copy_options::{CopyOptions, OnError, Validation};
use super::copy_outcome::{Outcome, answer_rows};
use super::dml::{is_conflict, refuse_built_in};
use super::sources::{physical, unreadable};
use super::stage_place::StageAt;
use super::stage_read::{Fault, Raw, Shape};
use super::transaction::{Effect, Write};
use super::worker::{Work, Worker};
use super::{DmlStats, SqlError, StatementOutput, from_engine};
use crate::catalog::Catalog;
use crate::catalog::files::record_load;
use crate::catalog::names::{ObjectPath, literal};
use crate::catalog::records::{Column, ObjectKind};
use crate::front::{CopyIn, CopySource, Location, Parsed, StageTable};
use crate::lower::{Lowered, Scope, Source, SourceKind, lower, source_requests};
use crate::plan::{Failure, stored_copy_options};
use crate::stages::plain::PlainCsv;
use crate::stages::{Compression, FileFormat, FileKind, StageFile};

/// How often a COPY is tried again after another session was first.
const ATTEMPTS_MAX: u32 = 20;

/// Where a generated statement reads the file that is loaded.
pub(super) const FILE: &str = "@~/copy";

/// A COPY, understood.
pub(super) struct CopyJob<'a> {
    pub(super) target: ObjectPath,
    /// 0 for a temporary table.
    pub(super) object_id: i64,
    /// Columns that are loaded, by position.
    pub(super) columns: Vec<Column>,
    /// The query with the name of its stage in the tree.
    pub(super) query: Option<(&'a Statement, String)>,
    pub(super) stage: StageAt,
    pub(super) format: FileFormat,
    pub(super) options: CopyOptions,
    pub(super) files: Vec<StageFile>,
    pub(super) now_ms: i64,
}

/// What one way through the files gave.
#[derive(Default)]
struct Pass {
    outcomes: Vec<Outcome>,
    writes: Vec<Write>,
    loaded: Vec<StageFile>,
    /// The engine's reader was used.
    used_reader: bool,
}

impl Worker {
    /// Runs a `COPY INTO` a table.
    pub(super) fn copy_in(&mut self, copy: &CopyIn, work: &Work<'_>) -> Result<StatementOutput, SqlError> {
        if self.transaction.is_none() && !self.state.parameters.truth("AUTOCOMMIT") {
            self.begin(None, &work.moment)?;
        }
        let job = self.copy_job(copy, work)?;
        match job.options.validation {
            Some(Validation::Errors) => return self.validate_errors(&job, work),
            Some(Validation::Rows(rows)) => return self.validate_rows(&job, rows, work),
            None => {}
        }
        let before = self.before_write(work, &job.target)?;
        let result = self.load(&job, work);
        let stats = result.is_ok().then(DmlStats::default);
        self.after_write(before, work.query_id, stats);
        let pass = result?;
        if job.options.purge {
            for file in &pass.loaded {
                // Loaded all the same; what stays can be removed by hand.
                if let Err(error) = self.shared.store.remove(file) {
                    tracing::warn!(%error, "a loaded file could not be removed");
                }
            }
        }
        let inserted = pass.outcomes.iter().map(|outcome| outcome.loaded).sum();
        let stats = DmlStats {
            inserted,
            ..DmlStats::default()
        };
        let shaped = answer_rows(&pass.outcomes, job.options.return_failed_only);
        Ok(self.answer(work, shaped, Some(stats)))
    }

    fn copy_job<'a>(&mut self, copy: &'a CopyIn, work: &Work<'_>) -> Result<CopyJob<'a>, SqlError> {
        let target = self.state.names().object_of_parts(&copy.target, "COPY")?;
        refuse_built_in(&target)?;
        self.prepare(&Lowered {
            tables: BTreeSet::from([target.clone()]),
            ..Lowered::default()
        })?;
        let (object_id, all) = self.columns_of_target(&target)?;
        let columns = if copy.columns.is_empty() {
            all
        } else {
            let find = |name: &crate::catalog::names::Name| {
                let found = all.iter().find(|column| column.name == *name).cloned();
                found.ok_or_else(|| {
                    let detail = format!("invalid identifier '{}'", name.as_str());
                    SqlError::compilation("000904", "42000", detail)
                })
            };
            copy.columns.iter().map(find).collect::<Result<_, _>>()?
        };
        let (location, query, inner) = match &copy.source {
            CopySource::Stage(location) => (location.clone(), None, None),
            CopySource::Query(statement) => {
                let (name, table) = only_stage(statement)?;
                (
                    table.location.clone(),
                    Some((statement.as_ref(), name)),
                    Some(table),
                )
            }
        };
        let stage = self.stage_at(&location)?;
        let own = stage
            .stage
            .as_ref()
            .map(|stage| stored_copy_options(&stage.copy_options));
        let settings = [own.unwrap_or_default(), copy.settings.clone()].concat();
        let options = CopyOptions::read(&settings)?;
        let format = match (
            &options.format,
            inner.as_ref().and_then(|table| table.format.clone()),
        ) {
            (Some(format), _) => self.file_scope().format(format),
            (None, Some(name)) => self.file_scope().named_format(&name),
            (None, None) => self.file_scope().format_of(stage.stage.as_ref()),
        };
        let format = format.map_err(|failure| self.in_words(failure))?;
        let pattern = options.pattern.clone().or(inner.and_then(|table| table.pattern));
        let files = self.files_to_load(
            &location,
            &stage,
            &options,
            pattern.as_deref(),
            object_id,
            &target,
        )?;
        Ok(CopyJob {
            target,
            object_id,
            columns,
            query,
            stage,
            format,
            options,
            files,
            now_ms: work.moment.ms(),
        })
    }

    /// Number and columns of the table that is loaded.
    fn columns_of_target(&mut self, target: &ObjectPath) -> Result<(i64, Vec<Column>), SqlError> {
        if let Some(temporary) = self.state.temporary.get(target) {
            return Ok((0, temporary.columns.clone()));
        }
        let mut catalog = Catalog::new(self.connection.as_mut());
        let engine = |error| from_engine(&error);
        let object = catalog.object(target).map_err(engine)?;
        match object {
            Some(object) if object.kind == ObjectKind::Table => {
                let columns = catalog.columns(object.id).map_err(engine)?;
                Ok((object.id, columns))
            }
            _ => {
                let detail = format!(
                    "Table '{}' does not exist or not authorized.",
                    target.name.as_str()
                );
                Err(SqlError::compilation("002003", "42S02", detail))
            }
        }
    }

    fn files_to_load(
        &mut self,
        location: &Location,
        stage: &StageAt,
        options: &CopyOptions,
        pattern: Option<&str>,
        object_id: i64,
        target: &ObjectPath,
    ) -> Result<Vec<StageFile>, SqlError> {
        let mut files = self.files_at(location, pattern)?;
        if !options.files.is_empty() {
            let path = location.path.as_str();
            let joined = |name: &str| [format!("{path}{name}"), format!("{path}/{name}")];
            for name in &options.files {
                let names = joined(name);
                if !files
                    .iter()
                    .any(|file| names.iter().any(|name| name == file.key.as_str()))
                {
                    let text = format!(
                        "Remote file '{}' was not found. There are several potential causes. The file might not exist. \
                         The required credentials may be missing or invalid.",
                        stage.shown(names[0].as_str())
                    );
                    return Err(SqlError::new("091016", "22000", text));
                }
            }
            files.retain(|file| {
                let mut names = options.files.iter().flat_map(|name| joined(name));
                names.any(|name| name == file.key.as_str())
            });
        }
        if options.force || options.validation.is_some() || files.is_empty() {
            return Ok(files);
        }
        let loaded: BTreeSet<(String, String)> = if object_id == 0 {
            self.state
                .temporary_loads
                .get(target)
                .cloned()
                .unwrap_or_default()
        } else {
            let loads = Catalog::new(self.connection.as_mut()).loads(object_id);
            loads.map_err(|error| from_engine(&error))?.into_iter().collect()
        };
        if loaded.is_empty() {
            return Ok(files);
        }
        let mut fresh = Vec::with_capacity(files.len());
        for file in files {
            let digest = self
                .shared
                .store
                .digest(&file)
                .map_err(|error| unreadable(&error))?;
            if !loaded.contains(&(load_name(stage, &file), digest)) {
                fresh.push(file);
            }
        }
        Ok(fresh)
    }

    fn load(&mut self, job: &CopyJob<'_>, work: &Work<'_>) -> Result<Pass, SqlError> {
        let (mut reader, mut attempts) = (true, 0);
        loop {
            let mut pass = Pass::default();
            let result = if self.transaction.is_some() {
                self.load_files(job, work, reader, &mut pass)
            } else {
                self.load_alone(job, work, reader, &mut pass)
            };
            let failure = match result {
                Ok(()) => {
                    self.loaded(job, &mut pass)?;
                    return Ok(pass);
                }
                Err(failure) => failure,
            };
            attempts += 1;
            let conflicts = is_conflict(&failure) && attempts < ATTEMPTS_MAX;
            let had_transaction = self.transaction.is_some();
            let error = self.in_words(failure);
            let error = self.mend(error, true);
            if self.control.is_stopped() || (had_transaction && self.transaction.is_none()) {
                return Err(error);
            }
            if conflicts {
                self.pause(attempts)?;
            } else if reader && pass.used_reader {
                reader = false;
            } else {
                return Err(self
                    .first_fault(job, work)?
                    .map_or(error, |fault| fault.refusal()));
            }
        }
    }

    fn load_alone(
        &mut self,
        job: &CopyJob<'_>,
        work: &Work<'_>,
        reader: bool,
        pass: &mut Pass,
    ) -> Result<(), Failure> {
        self.connection.execute("BEGIN TRANSACTION")?;
        let result = self.load_files(job, work, reader, pass).and_then(|()| {
            self.connection.execute("COMMIT")?;
            Ok(())
        });
        if result.is_err() {
            self.rollback();
        }
        result
    }

    /// What a success leaves behind.
    fn loaded(&mut self, job: &CopyJob<'_>, pass: &mut Pass) -> Result<(), SqlError> {
        if job.object_id == 0 {
            let loads = self.state.temporary_loads.entry(job.target.clone()).or_default();
            for file in &pass.loaded {
                let digest = self
                    .shared
                    .store
                    .digest(file)
                    .map_err(|error| unreadable(&error))?;
                loads.insert((load_name(&job.stage, file), digest));
            }
        }
        match &mut self.transaction {
            Some(transaction) => pass.writes.drain(..).for_each(|write| transaction.record(write)),
            None => self.shared.versions.committed([&job.target]),
        }
        Ok(())
    }

    fn load_files(
        &mut self,
        job: &CopyJob<'_>,
        work: &Work<'_>,
        reader: bool,
        pass: &mut Pass,
    ) -> Result<(), Failure> {
        let mut bytes = 0;
        for file in &job.files {
            self.control.check()?;
            let outcome = self.load_file(job, work, file, reader, pass)?;
            if outcome.is_loaded() {
                pass.loaded.push(file.clone());
            }
            pass.outcomes.push(outcome);
            bytes += file.bytes;
            if job.options.size_limit.is_some_and(|limit| bytes >= limit) {
                break;
            }
        }
        Ok(())
    }

    fn load_file(
        &mut self,
        job: &CopyJob<'_>,
        work: &Work<'_>,
        file: &StageFile,
        reader: bool,
        pass: &mut Pass,
    ) -> Result<Outcome, Failure> {
        let mut outcome = Outcome::new(job.stage.shown(file.key.as_str()), job.options.on_error);
        if reader
            && job.query.is_none()
            && job.options.match_by_name.is_none()
            && let Some(unpacked) = self.plain_file(job, file)?
        {
            pass.used_reader = true;
            let columns = self.columns_for(
                job,
                FileFacts {
                    is_typed: true,
                    ..FileFacts::default()
                },
            )?;
            let source = engine_reader(job, &columns, unpacked.path());
            outcome.loaded = self.insert_file(job, work, &columns, &source, file, pass)?;
            outcome.parsed = outcome.loaded;
            return Ok(outcome);
        }
        let (source, columns) = match job.format.kind() {
            FileKind::Parquet => {
                let files = std::slice::from_ref(file);
                let fields = self.parquet_fields(files)?;
                let columns = self.columns_for(
                    job,
                    FileFacts {
                        fields: &fields,
                        ..FileFacts::default()
                    },
                )?;
                (self.parquet_source(files, &job.format)?, columns)
            }
            FileKind::Csv | FileKind::Json => {
                let raw = self.read_raw(std::slice::from_ref(file), &job.format, self.shape_of(job))?;
                let columns = self.columns_for(
                    job,
                    FileFacts {
                        names: raw.names.as_deref(),
                        ..FileFacts::default()
                    },
                )?;
                outcome.parsed = raw.parsed;
                let faults = self.faults_of(job, work, file, &raw, &columns)?;
                outcome.note(&faults);
                if let (OnError::Abort, Some(fault)) = (job.options.on_error, faults.first.as_ref()) {
                    return Err(fault.refusal().into());
                }
                if outcome.is_skipped() {
                    return Ok(outcome);
                }
                (raw.source(job.format.kind()), columns)
            }
        };
        outcome.loaded = self.insert_file(job, work, &columns, &source, file, pass)?;
        outcome.parsed = outcome.parsed.max(outcome.loaded);
        Ok(outcome)
    }

    pub(super) fn shape_of(&self, job: &CopyJob<'_>) -> Shape {
        match &job.query {
            Some((statement, _)) => Shape {
                width: crate::lower::column_count(statement).max(1),
                is_exact: false,
            },
            None => Shape {
                width: job.columns.len(),
                is_exact: job.options.match_by_name.is_none(),
            },
        }
    }

    pub(super) fn columns_for(
        &self,
        job: &CopyJob<'_>,
        facts: FileFacts<'_>,
    ) -> Result<Vec<LoadedColumn>, SqlError> {
        if job.query.is_some() {
            return Ok(Vec::new());
        }
        loaded_columns(&job.columns, &job.format, &job.options, facts)
    }

    /// A file as the engine's reader can have it; none when it is not plain.
    fn plain_file(&mut self, job: &CopyJob<'_>, file: &StageFile) -> Result<Option<Unpacked>, SqlError> {
        let Some(plain) = PlainCsv::of(&job.format) else {
            return Ok(None);
        };
        let compression = Compression::of(&job.format, &file.path, file.key.as_str())?;
        let io = |error| unreadable(&error);
        let unpacked = if compression == Compression::None {
            Unpacked::AsItIs(file.path.clone())
        } else {
            let mut scratch = self.shared.store.scratch().map_err(io)?;
            let mut input = compression.open(&file.path).map_err(io)?;
            let copied = scratch.fill(&mut *input);
            if copied.is_err() {
                // Not what its name says: our reader tells what is wrong with it.
                return Ok(None);
            }
            Unpacked::Scratch(scratch)
        };
        let fits = plain.fits(unpacked.path()).map_err(io)?;
        Ok(fits.then_some(unpacked))
    }

    /// Inserts what a source gives, and notes that the file was loaded.
    fn insert_file(
        &mut self,
        job: &CopyJob<'_>,
        work: &Work<'_>,
        columns: &[LoadedColumn],
        source: &Source,
        file: &StageFile,
        pass: &mut Pass,
    ) -> Result<u64, Failure> {
        let lowered = self.lowered_insert(job, columns, source, work)?;
        super::dml::run_guards(self.connection.as_mut(), &lowered.guards)?;
        let mut noted = Vec::new();
        if job.object_id != 0 {
            let digest = self
                .shared
                .store
                .digest(file)
                .map_err(|error| unreadable(&error))?;
            noted.push(record_load(
                job.object_id,
                &load_name(&job.stage, file),
                &digest,
                job.now_ms,
            ));
        }
        for statement in &noted {
            self.connection.execute(statement)?;
        }
        if self.transaction.is_none() {
            return Ok(self.connection.execute(&lowered.sql)?);
        }
        let (inserted, effect) = self.inserted_rows(&lowered.sql, &job.target)?;
        let is_whole = matches!(effect, Effect::Rows { .. });
        pass.writes.push(Write {
            statements: if is_whole { noted } else { Vec::new() },
            change: effect,
            changed: inserted,
            reads: BTreeSet::new(),
            reads_view: false,
            target: job.target.clone(),
        });
        Ok(inserted)
    }

    fn lowered_insert(
        &mut self,
        job: &CopyJob<'_>,
        columns: &[LoadedColumn],
        source: &Source,
        work: &Work<'_>,
    ) -> Result<Lowered, SqlError> {
        let target = quoted_path(&job.target);
        if let Some((query, name)) = &job.query {
            return self.lowered_query_insert(job, query, name, source, work);
        }
        let names: Vec<String> = columns.iter().map(|loaded| quoted(&loaded.column.name)).collect();
        let values: Vec<&str> = columns.iter().map(|loaded| loaded.value.as_str()).collect();
        let sql = format!(
            "INSERT INTO {target} ({}) SELECT {} FROM {FILE}",
            names.join(", "),
            values.join(", ")
        );
        self.lower_generated(&sql, source, work)
    }

    /// Lowers a statement of our own that reads from [`FILE`].
    pub(super) fn lower_generated(
        &mut self,
        sql: &str,
        source: &Source,
        work: &Work<'_>,
    ) -> Result<Lowered, SqlError> {
        let pieces = crate::front::split(sql)?;
        let [piece] = pieces.as_slice() else {
            return Err(SqlError::internal("a generated statement is not one"));
        };
        let Parsed::Sql(statement) = crate::front::parse(piece)? else {
            return Err(SqlError::internal("a generated statement is a command"));
        };
        let sources = [(StageTable::name(FILE, None, None), source.clone())].into();
        let scope = Scope {
            sources: &sources,
            source: None,
            ..self.scope(work)
        };
        lower(&statement, &scope)
    }
}

/// A file that the engine's reader can have.
enum Unpacked {
    AsItIs(std::path::PathBuf),
    Scratch(crate::stages::store::Scratch),
}

impl Unpacked {
    fn path(&self) -> &std::path::Path {
        match self {
            Self::AsItIs(path) => path,
            Self::Scratch(scratch) => scratch.path(),
        }
    }
}

/// The name under which the catalog knows a file that was loaded.
fn load_name(stage: &StageAt, file: &StageFile) -> String {
    format!("{}/{}", stage.area.folder(), file.key.as_str())
}

/// The one stage that a query reads.
fn only_stage(statement: &Statement) -> Result<(String, StageTable), SqlError> {
    let refused = || SqlError::unsupported("COPY with a query that reads anything but one stage");
    let mut requests = source_requests(statement);
    let (Some(request), true) = (requests.pop(), requests.is_empty()) else {
        return Err(refused());
    };
    let SourceKind::Stage(name) = request.kind else {
        return Err(refused());
    };
    let table = StageTable::of_name(&name).ok_or_else(refused)??;
    Ok((name, table))
}

/// The engine's own reader of a plain file, with columns as [`loaded_columns`] expects them.
fn engine_reader(job: &CopyJob<'_>, columns: &[LoadedColumn], path: &std::path::Path) -> Source {
    let plain = PlainCsv::of(&job.format);
    let plain = plain.as_ref();
    let types: Vec<String> = columns
        .iter()
        .zip(1..)
        .map(|(loaded, number)| {
            let engine_type = typed_by_reader(&loaded.column, &job.format);
            format!(
                "'COLUMN{number}': '{}'",
                engine_type.unwrap_or_else(|| "VARCHAR".to_owned())
            )
        })
        .collect();
    let null_if = plain.map(|plain| plain.null_if.clone()).unwrap_or_default();
    let texts: Vec<String> = null_if.iter().map(|text| literal(text)).collect();
    let values: Vec<String> = columns
        .iter()
        .zip(1..)
        .filter(|(loaded, _)| !texts.is_empty() && typed_by_reader(&loaded.column, &job.format).is_none())
        .map(|(_, number)| {
            let column = format!("\"COLUMN{number}\"");
            format!(
                "CASE WHEN {column} IN ({}) THEN NULL ELSE {column} END AS {column}",
                texts.join(", ")
            )
        })
        .collect();
    let replace = if values.is_empty() {
        String::new()
    } else {
        format!(" REPLACE ({})", values.join(", "))
    };
    let mut nulls = vec!["''".to_owned()];
    nulls.extend(texts.iter().filter(|text| *text != "''").cloned());
    let quote = if plain.is_some_and(|plain| plain.quoted) {
        "\""
    } else {
        ""
    };
    let sql = format!(
        "(SELECT *{replace} FROM read_csv({}, columns={{{}}}, auto_detect=false, header=false, skip={}, delim={}, \
         quote='{quote}', escape='{quote}', nullstr=[{}], allow_quoted_nulls=false))",
        literal(&path.to_string_lossy()),
        types.join(", "),
        plain.map_or(0, |plain| plain.skip),
        literal(&plain.map_or(',', |plain| plain.delimiter).to_string()),
        nulls.join(", ")
    );
    Source { sql, fields: None }
}

/// What is wrong with the records of a file.
#[derive(Debug, Default)]
pub(super) struct Faults {
    pub(super) count: u64,
    pub(super) first: Option<Fault>,
}

/// The raw table's engine name.
pub(super) fn raw_name(raw: &Raw) -> String {
    physical(&raw.table)
}
