//! A COPY into a table, understood: its table, columns, stage, format, options and files.

use std::collections::BTreeSet;

use sqlparser::ast::Statement;

use super::copy_columns::{FileFacts, LoadedColumn, loaded_columns};
use super::copy_options::CopyOptions;
use super::dml::refuse_built_in;
use super::sources::{physical, unreadable};
use super::stage_place::StageAt;
use super::stage_read::{Fault, Raw, Shape};
use super::worker::{Work, Worker};
use super::{SqlError, from_engine};
use crate::catalog::Catalog;
use crate::catalog::names::ObjectPath;
use crate::catalog::records::{Column, ObjectKind};
use crate::front::{CopyIn, CopySource, Location, StageTable};
use crate::lower::{Lowered, SourceKind, source_requests};
use crate::plan::stored_copy_options;
use crate::stages::{FileFormat, StageFile};

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

impl Worker {
    /// Understands a COPY: its table, columns, stage, format and files.
    pub(super) fn copy_job<'a>(
        &mut self,
        copy: &'a CopyIn,
        work: &Work<'_>,
    ) -> Result<CopyJob<'a>, SqlError> {
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
                        stage.shown(&names[usize::from(!path.is_empty() && !path.ends_with('/'))])
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
            let name = load_name(stage, &file);
            let mut is_fresh = true;
            for (_, digest) in loaded
                .range((name.clone(), String::new())..)
                .take_while(|(loaded, _)| *loaded == name)
            {
                let is_same = self.shared.store.has_digest(&file, digest);
                if is_same.map_err(|error| unreadable(&error))? {
                    is_fresh = false;
                    break;
                }
            }
            if is_fresh {
                fresh.push(file);
            }
        }
        Ok(fresh)
    }
}

/// How many fields the records of a COPY's files have.
pub(super) fn shape_of(job: &CopyJob<'_>) -> Shape {
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

/// The columns that are loaded; none with a query, which says itself.
pub(super) fn columns_for(job: &CopyJob<'_>, facts: FileFacts<'_>) -> Result<Vec<LoadedColumn>, SqlError> {
    if job.query.is_some() {
        return Ok(Vec::new());
    }
    loaded_columns(&job.columns, &job.format, &job.options, facts)
}

/// The name under which the catalog knows a file that was loaded.
pub(super) fn load_name(stage: &StageAt, file: &StageFile) -> String {
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
