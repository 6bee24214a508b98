//! Stages and file formats: made, changed, dropped; which format a statement means.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::ddl::{DdlPlan, Effect, Failure, Planner, dropped_already, exists_already};
use super::tables::dotted;
use crate::catalog::Catalog;
use crate::catalog::files::{Format, Stage};
use crate::catalog::names::{NameScope, ObjectPath, parse_dotted};
use crate::contract::SqlError;
use crate::front::{
    AlterFileObject, CreateFileObject, DropObject, FileObjectChange, Setting, SettingValue, StageCommand,
};
use crate::stages::{FileFormat, FileKind};

/// Stages and file formats that only one session knows.
#[derive(Clone, Debug, Default)]
pub struct TemporaryFiles {
    /// Stages.
    pub stages: BTreeMap<ObjectPath, Stage>,
    /// File formats.
    pub formats: BTreeMap<ObjectPath, Format>,
    /// Stages so far.
    pub made: i64,
}

/// Where stages and file formats are looked for.
pub struct FileScope<'a> {
    /// The catalog.
    pub catalog: Catalog<'a>,
    /// Current database and schema.
    pub names: NameScope<'a>,
    /// The session's own.
    pub temporary: &'a TemporaryFiles,
}

/// Copy options, with the values that are done; a stage may have them, too.
const COPY_OPTIONS: [&str; 7] = [
    "ON_ERROR",
    "SIZE_LIMIT",
    "PURGE",
    "RETURN_FAILED_ONLY",
    "ENFORCE_LENGTH",
    "TRUNCATECOLUMNS",
    "FORCE",
];

/// Plans a statement that makes, changes or drops a stage or file format.
pub(super) fn plan(planner: &mut Planner<'_>, command: &StageCommand) -> Result<DdlPlan, Failure> {
    match command {
        StageCommand::CreateStage(made) => create_stage(planner, made),
        StageCommand::AlterStage(altered) => alter_stage(planner, altered),
        StageCommand::DropStage(dropped) => drop_stage(planner, dropped),
        StageCommand::CreateFormat(made) => create_format(planner, made),
        StageCommand::AlterFormat(altered) => alter_format(planner, altered),
        StageCommand::DropFormat(dropped) => drop_format(planner, dropped),
        _ => Err(SqlError::internal("a statement that changes no stage was planned as one that does").into()),
    }
}

fn create_stage(planner: &mut Planner<'_>, made: &CreateFileObject) -> Result<DdlPlan, Failure> {
    let path = planner.scope.names.object_of_parts(&made.path, "CREATE STAGE")?;
    planner.writable_schema(&path.schema)?;
    let existing = if made.temporary {
        planner.files.stages.get(&path).cloned()
    } else {
        planner.catalog.stage(&path)?
    };
    let mut plan = DdlPlan::default();
    if let Some(existing) = existing {
        if made.if_not_exists {
            return Ok(exists_already(&path.name));
        }
        if !made.or_replace {
            return Err(SqlError::already_exists(path.name.as_str()).into());
        }
        forget_stage(&existing, &mut plan);
    }
    let mut stage = Stage {
        id: if made.temporary {
            planner.files.made + 1
        } else {
            planner.catalog.new_id()?
        },
        path: path.clone(),
        owner: planner.owner.to_owned(),
        comment: String::new(),
        created_ms: planner.now_ms,
        is_temporary: made.temporary,
        format: None,
        copy_options: "[]".to_owned(),
    };
    set_stage(planner, &mut stage, &made.settings)?;
    plan.status = format!("Stage area {} successfully created.", path.name.as_str());
    keep_stage(stage, &mut plan);
    Ok(plan)
}

fn keep_stage(stage: Stage, plan: &mut DdlPlan) {
    if stage.is_temporary {
        plan.effects.push(Effect::KeepStage(Box::new(stage)));
    } else {
        plan.sql(stage.record());
    }
}

fn forget_stage(stage: &Stage, plan: &mut DdlPlan) {
    if !stage.is_temporary {
        plan.sql(Stage::forget(&stage.path));
    }
    plan.effects.push(Effect::DropStage(Box::new(stage.clone())));
}

fn set_stage(planner: &mut Planner<'_>, stage: &mut Stage, settings: &[Setting]) -> Result<(), Failure> {
    for setting in settings {
        match (setting.name.as_str(), &setting.value) {
            ("COMMENT", SettingValue::One { text, .. }) => stage.comment.clone_from(text),
            ("FILE_FORMAT", value) => stage.format = Some(format_of_stage(planner, value)?),
            ("COPY_OPTIONS", SettingValue::Group(group)) => stage.copy_options = copy_options(group)?,
            ("URL" | "STORAGE_INTEGRATION" | "CREDENTIALS", _) => {
                return Err(SqlError::unsupported("external stage").into());
            }
            ("ENCRYPTION", SettingValue::Group(group)) => {
                let known = group.iter().all(|setting| {
                    setting.name == "TYPE"
                        && matches!(&setting.value, SettingValue::One { text, .. }
                            if ["SNOWFLAKE_SSE", "SNOWFLAKE_FULL"].contains(&text.to_uppercase().as_str()))
                });
                if !known {
                    return Err(SqlError::unsupported("ENCRYPTION of a stage").into());
                }
            }
            ("DIRECTORY", SettingValue::Group(group)) => {
                let is_off = |setting: &Setting| {
                    setting.name != "ENABLE"
                        || matches!(&setting.value, SettingValue::One { text, .. } if text.eq_ignore_ascii_case("FALSE"))
                };
                if !group.iter().all(is_off) {
                    return Err(SqlError::unsupported("DIRECTORY of a stage").into());
                }
            }
            (name, _) => return Err(invalid_property(name, "STAGE").into()),
        }
    }
    Ok(())
}

/// The format of a stage as the catalog keeps it; a name is made complete.
fn format_of_stage(planner: &mut Planner<'_>, value: &SettingValue) -> Result<String, Failure> {
    let names = planner.scope.names;
    if let Some(name) = format_name(value) {
        let path = names.object_of_parts(&parse_dotted(name)?, "CREATE STAGE")?;
        let known =
            planner.files.formats.contains_key(&path) || planner.catalog.file_format(&path)?.is_some();
        if !known {
            return Err(no_format(&path).into());
        }
        return Ok(json!(path.to_string()).to_string());
    }
    let SettingValue::Group(group) = value else {
        return Err(invalid_property("FILE_FORMAT", "STAGE").into());
    };
    Ok(format_of_settings(group)?.to_json())
}

fn copy_options(settings: &[Setting]) -> Result<String, SqlError> {
    let mut list = Vec::new();
    for setting in settings {
        let SettingValue::One { text, .. } = &setting.value else {
            return Err(invalid_property(&setting.name, "COPY_OPTIONS"));
        };
        if !COPY_OPTIONS.contains(&setting.name.as_str()) {
            return Err(invalid_property(&setting.name, "COPY_OPTIONS"));
        }
        list.push(json!([setting.name, text]));
    }
    Ok(Value::Array(list).to_string())
}

/// The copy options that the catalog keeps of a stage.
pub fn stored_copy_options(text: &str) -> Vec<Setting> {
    let list: Vec<(String, String)> = serde_json::from_str(text).unwrap_or_default();
    let settings = list.into_iter().map(|(name, text)| Setting {
        name,
        value: SettingValue::One { text, quoted: true },
    });
    settings.collect()
}

fn alter_stage(planner: &mut Planner<'_>, altered: &AlterFileObject) -> Result<DdlPlan, Failure> {
    let path = planner
        .scope
        .names
        .object_of_parts(&altered.path, "ALTER STAGE")?;
    let existing = match planner.files.stages.get(&path) {
        Some(stage) => Some(stage.clone()),
        None => planner.catalog.stage(&path)?,
    };
    let Some(mut stage) = existing else {
        if altered.if_exists {
            return Ok(DdlPlan::executed());
        }
        return Err(no_stage(&altered.path).into());
    };
    planner.writable_schema(&path.schema)?;
    match &altered.change {
        FileObjectChange::Rename(to) => {
            let to = planner.scope.names.object_of_parts(to, "ALTER STAGE")?;
            if planner.catalog.stage(&to)?.is_some() || planner.files.stages.contains_key(&to) {
                return Err(SqlError::already_exists(to.name.as_str()).into());
            }
            stage.path = to;
        }
        FileObjectChange::Set(settings) => set_stage(planner, &mut stage, settings)?,
        FileObjectChange::Unset(names) => {
            for name in names {
                match name.as_str() {
                    "COMMENT" => stage.comment.clear(),
                    "FILE_FORMAT" => stage.format = None,
                    "COPY_OPTIONS" => "[]".clone_into(&mut stage.copy_options),
                    name => return Err(invalid_property(name, "STAGE").into()),
                }
            }
        }
    }
    let mut plan = DdlPlan::executed();
    if stage.is_temporary {
        plan.effects.push(Effect::ForgetStage(path));
    } else {
        plan.sql(Stage::forget(&path));
    }
    keep_stage(stage, &mut plan);
    Ok(plan)
}

fn drop_stage(planner: &mut Planner<'_>, dropped: &DropObject<()>) -> Result<DdlPlan, Failure> {
    let path = planner.scope.names.object_of_parts(&dropped.path, "DROP STAGE")?;
    let existing = match planner.files.stages.get(&path) {
        Some(stage) => Some(stage.clone()),
        None => planner.catalog.stage(&path)?,
    };
    let Some(stage) = existing else {
        if dropped.if_exists {
            return Ok(dropped_already(&path.name));
        }
        return Err(no_stage(&dropped.path).into());
    };
    let mut plan = DdlPlan::only(format!("{} successfully dropped.", path.name.as_str()));
    forget_stage(&stage, &mut plan);
    Ok(plan)
}

fn create_format(planner: &mut Planner<'_>, made: &CreateFileObject) -> Result<DdlPlan, Failure> {
    let path = planner
        .scope
        .names
        .object_of_parts(&made.path, "CREATE FILE FORMAT")?;
    planner.writable_schema(&path.schema)?;
    let exists = if made.temporary {
        planner.files.formats.contains_key(&path)
    } else {
        planner.catalog.file_format(&path)?.is_some()
    };
    let mut plan = DdlPlan::only(format!(
        "File format {} successfully created.",
        path.name.as_str()
    ));
    if exists {
        if made.if_not_exists {
            return Ok(exists_already(&path.name));
        }
        if !made.or_replace {
            return Err(SqlError::already_exists(path.name.as_str()).into());
        }
        if !made.temporary {
            plan.sql(Format::forget(&path));
        }
    }
    let (comment, settings) = without_comment(&made.settings);
    let format = format_of_settings(&settings)?;
    let record = Format {
        path,
        owner: planner.owner.to_owned(),
        comment: comment.unwrap_or_default(),
        created_ms: planner.now_ms,
        kind: format.kind().word().to_owned(),
        options: format.to_json(),
    };
    if made.temporary {
        plan.effects.push(Effect::KeepFormat(Box::new(record)));
    } else {
        plan.sql(record.record());
    }
    Ok(plan)
}

fn without_comment(settings: &[Setting]) -> (Option<String>, Vec<Setting>) {
    let mut comment = None;
    let mut rest = Vec::new();
    for setting in settings {
        match (setting.name.as_str(), &setting.value) {
            ("COMMENT", SettingValue::One { text, .. }) => comment = Some(text.clone()),
            _ => rest.push(setting.clone()),
        }
    }
    (comment, rest)
}

fn alter_format(planner: &mut Planner<'_>, altered: &AlterFileObject) -> Result<DdlPlan, Failure> {
    let path = planner
        .scope
        .names
        .object_of_parts(&altered.path, "ALTER FILE FORMAT")?;
    let own = planner.files.formats.get(&path).cloned();
    let is_temporary = own.is_some();
    let existing = match own {
        Some(format) => Some(format),
        None => planner.catalog.file_format(&path)?,
    };
    let Some(mut record) = existing else {
        if altered.if_exists {
            return Ok(DdlPlan::executed());
        }
        return Err(no_format(&path).into());
    };
    planner.writable_schema(&path.schema)?;
    match &altered.change {
        FileObjectChange::Rename(to) => {
            let to = planner.scope.names.object_of_parts(to, "ALTER FILE FORMAT")?;
            if planner.catalog.file_format(&to)?.is_some() || planner.files.formats.contains_key(&to) {
                return Err(SqlError::already_exists(to.name.as_str()).into());
            }
            record.path = to;
        }
        FileObjectChange::Set(settings) => {
            let (comment, settings) = without_comment(settings);
            record.comment = comment.unwrap_or(record.comment);
            let mut format = FileFormat::from_json(&record.options)?;
            apply(&mut format, &settings)?;
            record.options = format.to_json();
        }
        FileObjectChange::Unset(names) => {
            let mut format = FileFormat::from_json(&record.options)?;
            for name in names {
                if name == "COMMENT" {
                    record.comment.clear();
                } else {
                    format.unset(name);
                }
            }
            record.options = format.to_json();
        }
    }
    let mut plan = DdlPlan::executed();
    if is_temporary {
        plan.effects.push(Effect::ForgetFormat(path));
        plan.effects.push(Effect::KeepFormat(Box::new(record)));
    } else {
        plan.sql(Format::forget(&path));
        plan.sql(record.record());
    }
    Ok(plan)
}

fn drop_format(planner: &mut Planner<'_>, dropped: &DropObject<()>) -> Result<DdlPlan, Failure> {
    let path = planner
        .scope
        .names
        .object_of_parts(&dropped.path, "DROP FILE FORMAT")?;
    let mut plan = DdlPlan::only(format!("{} successfully dropped.", path.name.as_str()));
    if planner.files.formats.contains_key(&path) {
        plan.effects.push(Effect::ForgetFormat(path));
    } else if planner.catalog.file_format(&path)?.is_some() {
        plan.sql(Format::forget(&path));
    } else if dropped.if_exists {
        return Ok(dropped_already(&path.name));
    } else {
        return Err(no_format(&path).into());
    }
    Ok(plan)
}

/// The format that `(TYPE = … NAME = value …)` describes.
fn format_of_settings(settings: &[Setting]) -> Result<FileFormat, SqlError> {
    let kind = settings.iter().find(|setting| setting.name == "TYPE");
    let kind = match kind.map(|setting| &setting.value) {
        None => FileKind::Csv,
        Some(SettingValue::One { text, .. }) => FileKind::of(text)?,
        Some(_) => return Err(invalid_property("TYPE", "FILE_FORMAT")),
    };
    let mut format = FileFormat::new(kind);
    apply(&mut format, settings)?;
    Ok(format)
}

fn apply(format: &mut FileFormat, settings: &[Setting]) -> Result<(), SqlError> {
    for setting in settings {
        if setting.name == "TYPE" {
            continue;
        }
        let values = match &setting.value {
            SettingValue::One { text, .. } => vec![text.clone()],
            SettingValue::Many(list) => list.clone(),
            SettingValue::Group(_) => return Err(invalid_property(&setting.name, "FILE_FORMAT")),
        };
        format.set(&setting.name, values)?;
    }
    Ok(())
}

/// The name in `FILE_FORMAT = 'f'` or `FILE_FORMAT = (FORMAT_NAME = 'f')`.
fn format_name(value: &SettingValue) -> Option<&str> {
    match value {
        SettingValue::One { text, .. } => Some(text),
        SettingValue::Group(group) => match group.as_slice() {
            [
                Setting {
                    name,
                    value: SettingValue::One { text, .. },
                },
            ] if name == "FORMAT_NAME" => Some(text),
            _ => None,
        },
        SettingValue::Many(_) => None,
    }
}

impl FileScope<'_> {
    /// The format that a `FILE_FORMAT` means.
    pub fn format(&mut self, value: &SettingValue) -> Result<FileFormat, Failure> {
        if let Some(name) = format_name(value) {
            return self.named_format(name);
        }
        match value {
            SettingValue::Group(group) if group.iter().any(|setting| setting.name == "FORMAT_NAME") => {
                let detail = "FORMAT_NAME cannot be given together with other file format options";
                Err(SqlError::compilation("001003", "42000", detail).into())
            }
            SettingValue::Group(group) => Ok(format_of_settings(group)?),
            _ => Err(invalid_property("FILE_FORMAT", "COPY").into()),
        }
    }

    /// The format of a name.
    pub fn named_format(&mut self, name: &str) -> Result<FileFormat, Failure> {
        let path = self.names.object_of_parts(&parse_dotted(name)?, "SELECT")?;
        let record = match self.temporary.formats.get(&path) {
            Some(record) => Some(record.clone()),
            None => self.catalog.file_format(&path)?,
        };
        let record = record.ok_or_else(|| no_format(&path))?;
        Ok(FileFormat::from_json(&record.options)?)
    }

    /// The format of a stage; CSV when it has none.
    pub fn format_of(&mut self, stage: Option<&Stage>) -> Result<FileFormat, Failure> {
        let Some(json) = stage.and_then(|stage| stage.format.as_deref()) else {
            return Ok(FileFormat::new(FileKind::Csv));
        };
        match serde_json::from_str(json) {
            Ok(Value::String(name)) => self.named_format(&name),
            _ => Ok(FileFormat::from_json(json)?),
        }
    }

    /// A stage.
    pub fn stage(&mut self, path: &ObjectPath) -> Result<Option<Stage>, Failure> {
        match self.temporary.stages.get(path) {
            Some(stage) => Ok(Some(stage.clone())),
            None => Ok(self.catalog.stage(path)?),
        }
    }
}

fn no_stage(path: &[crate::catalog::names::Name]) -> SqlError {
    SqlError::no_such("Stage", dotted(path))
}

fn no_format(path: &ObjectPath) -> SqlError {
    SqlError::no_such("File format", path)
}

fn invalid_property(name: &str, of: &str) -> SqlError {
    SqlError::compilation("001420", "22023", format!("invalid property '{name}' for '{of}'"))
}
