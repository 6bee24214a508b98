//! `COPY INTO` a table.
//!
//! All files are loaded in one transaction, each by an INSERT of its own. A plain CSV file is read by the engine's
//! own reader first; when that meets anything it does not like, the whole statement is done again with our
//! reader, which knows what Snowflake would say. With `ON_ERROR` other than ABORT_STATEMENT records are checked
//! before they are inserted, because the engine has no way back from a failed INSERT but the transaction's start.

use std::collections::BTreeSet;

use super::copy_columns::{FileFacts, LoadedColumn, quoted, quoted_path, typed_by_reader};
use super::copy_job::{CopyJob, FILE, columns_for, load_name, shape_of};
use super::copy_options::{OnError, Validation};
use super::copy_outcome::{Outcome, answer_rows};
use super::dml::is_conflict;
use super::sources::unreadable;
use super::transaction::{Effect, Write};
use super::worker::{Work, Worker};
use super::{DmlStats, SqlError, StatementOutput};
use crate::catalog::files::record_load;
use crate::catalog::names::literal;
use crate::front::{CopyIn, Parsed, StageTable};
use crate::lower::{Lowered, Scope, Source, lower};
use crate::plan::Failure;
use crate::stages::plain::PlainCsv;
use crate::stages::{Compression, FileKind, StageFile};

/// How often a COPY is tried again after another session was first.
const ATTEMPTS_MAX: u32 = 20;

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
                    .load_digest(file)
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
            let columns = columns_for(
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
                let columns = columns_for(
                    job,
                    FileFacts {
                        fields: &fields,
                        ..FileFacts::default()
                    },
                )?;
                (self.parquet_source(files, &job.format)?, columns)
            }
            FileKind::Csv | FileKind::Json => {
                let raw = self.read_raw(std::slice::from_ref(file), &job.format, shape_of(job))?;
                let columns = columns_for(
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
                .load_digest(file)
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
    Scratch(crate::stages::Scratch),
}

impl Unpacked {
    fn path(&self) -> &std::path::Path {
        match self {
            Self::AsItIs(path) => path,
            Self::Scratch(scratch) => scratch.path(),
        }
    }
}

/// The engine's own reader of a plain file, with columns as [`loaded_columns`](super::copy_columns::loaded_columns) expects them.
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
    Source {
        sql,
        fields: None,
        columns: None,
    }
}
