//! Which stage a location means, and what format its files have.

use super::worker::Worker;
use super::{SqlError, from_engine};
use crate::catalog::Catalog;
use crate::catalog::files::Stage;
use crate::catalog::names::Name;
use crate::front::{Location, Place};
use crate::plan::FileScope;
use crate::stages::{Area, FileFormat};

/// A stage that is there.
pub(super) struct StageAt {
    pub(super) area: Area,
    /// Named ones only.
    pub(super) stage: Option<Stage>,
}

impl StageAt {
    /// What stands before a file's name in lists: the name of a named stage.
    pub(super) fn shown(&self, key: &str) -> String {
        match &self.stage {
            Some(stage) => format!("{}/{key}", stage.path.name.as_str().to_lowercase()),
            None => key.to_owned(),
        }
    }
}

impl Worker {
    pub(super) fn file_scope(&mut self) -> FileScope<'_> {
        FileScope {
            catalog: Catalog::new(self.connection.as_mut()),
            names: self.state.names(),
            temporary: &self.state.files,
        }
    }

    /// The stage of a location.
    pub(super) fn stage_at(&mut self, location: &Location) -> Result<StageAt, SqlError> {
        match &location.place {
            Place::User => Ok(StageAt {
                area: Area::user(&self.state.user),
                stage: None,
            }),
            Place::Table(parts) => self.table_stage(parts),
            Place::Named(parts) => self.named_stage(parts),
        }
    }

    fn named_stage(&mut self, parts: &[Name]) -> Result<StageAt, SqlError> {
        let path = self.state.names().object_of_parts(parts, "SELECT")?;
        self.refuse_buried(&path)?;
        let found = self.file_scope().stage(&path);
        let found = found.map_err(|failure| self.in_words(failure))?;
        let Some(stage) = found else {
            return Err(SqlError::no_such("Stage", &path));
        };
        let area = self.area_of(&stage);
        Ok(StageAt {
            area,
            stage: Some(stage),
        })
    }

    /// Where the files of a named stage lie.
    pub(super) fn area_of(&self, stage: &Stage) -> Area {
        if stage.is_temporary {
            Area::temporary(self.state.id, stage.id.unsigned_abs())
        } else {
            Area::named(stage.id)
        }
    }

    fn table_stage(&mut self, parts: &[Name]) -> Result<StageAt, SqlError> {
        let path = self.state.names().object_of_parts(parts, "SELECT")?;
        self.refuse_buried(&path)?;
        if self.state.temporary_paths.contains(&path) {
            return Err(SqlError::unsupported("stage of a temporary table"));
        }
        let object = Catalog::new(self.connection.as_mut()).object(&path);
        let object = object.map_err(|error| from_engine(&error))?;
        let object = object.ok_or_else(|| SqlError::no_such("Table", &path))?;
        Ok(StageAt {
            area: Area::table(object.id),
            stage: None,
        })
    }

    fn refuse_buried(&self, path: &crate::catalog::names::ObjectPath) -> Result<(), SqlError> {
        match self.shared.buried.find(std::iter::once(path)) {
            Some(table) => Err(SqlError::no_such("Schema", &table.schema)),
            None => Ok(()),
        }
    }

    /// The format of the stage at a location.
    pub(super) fn format_at(&mut self, location: &Location) -> Result<FileFormat, SqlError> {
        let found = self.stage_at(location)?;
        let format = self.file_scope().format_of(found.stage.as_ref());
        format.map_err(|failure| self.in_words(failure))
    }
}
