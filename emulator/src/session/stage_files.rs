//! LIST, REMOVE, PUT and GET, and what DESCRIBE says of stages and file formats.

use jiff::Timestamp;
use jiff::fmt::rfc2822;

use super::copy_options::{invalid, number, truth};
use super::sources::unreadable;
use super::worker::{Work, Worker};
use super::{Download, SqlError, StatementOutput, Transfer, Upload};
use crate::front::{FileSelection, Setting, SettingValue, StageCommand, Transfer as Moved};
use crate::lower::Lowered;
use crate::plan::shape::{ListType, Shaped, list, status};
use crate::stages::{Key, StageFile};

/// Files that a client moves at a time, unless told otherwise.
const PARALLEL: u32 = 4;

/// Most files that a client is told to move at a time.
const PARALLEL_MAX: u64 = 99;

impl Worker {
    /// Runs a statement about stages that changes neither rows nor objects.
    pub(super) fn stage_files(
        &mut self,
        command: &StageCommand,
        work: &Work<'_>,
    ) -> Result<StatementOutput, SqlError> {
        // What others have made in the meantime is there, too.
        self.prepare(&Lowered::default())?;
        let shaped = match command {
            StageCommand::List(selection) => self.list_files(selection)?,
            StageCommand::Remove(selection) => self.remove_files(selection)?,
            StageCommand::Put(put) => {
                let upload = self.upload(put)?;
                return Ok(self.moving(Transfer::Upload(upload), work));
            }
            StageCommand::Get(get) => {
                let download = self.download(get)?;
                return Ok(self.moving(Transfer::Download(download), work));
            }
            StageCommand::DescribeStage(path) => {
                let shaped = self.shower().describe_stage(path);
                shaped.map_err(|failure| self.in_words(failure))?
            }
            StageCommand::DescribeFormat(path) => {
                let shaped = self.shower().describe_format(path);
                shaped.map_err(|failure| self.in_words(failure))?
            }
            _ => return Err(SqlError::internal("a statement that is not about files")),
        };
        Ok(self.answer(work, shaped, None))
    }

    fn moving(&self, transfer: Transfer, work: &Work<'_>) -> StatementOutput {
        let mut output = self.answer(work, status(""), None);
        output.transfer = Some(Box::new(transfer));
        output
    }

    fn selected(&mut self, selection: &FileSelection) -> Result<Vec<(String, StageFile)>, SqlError> {
        let stage = self.stage_at(&selection.location)?;
        let files = self.files_at(&selection.location, selection.pattern.as_deref())?;
        let named = files
            .into_iter()
            .map(|file| (stage.shown(file.key.as_str()), file));
        Ok(named.collect())
    }

    fn list_files(&mut self, selection: &FileSelection) -> Result<Shaped, SqlError> {
        let columns = [
            ("name", ListType::Text),
            ("size", ListType::Number),
            ("md5", ListType::Text),
            ("last_modified", ListType::Text),
        ];
        let mut rows = Vec::new();
        for (name, file) in self.selected(selection)? {
            self.control.check()?;
            let digest = self.shared.store.md5(&file).map_err(|error| unreadable(&error))?;
            rows.push(vec![
                Some(name),
                Some(file.bytes.to_string()),
                Some(digest),
                Some(http_date(file.modified_ms)),
            ]);
        }
        Ok(list(&columns, rows))
    }

    fn remove_files(&mut self, selection: &FileSelection) -> Result<Shaped, SqlError> {
        let mut rows = Vec::new();
        for (name, file) in self.selected(selection)? {
            self.control.check()?;
            self.shared
                .store
                .remove(&file)
                .map_err(|error| unreadable(&error))?;
            rows.push(vec![Some(name), Some("removed".to_owned())]);
        }
        Ok(list(
            &[("name", ListType::Text), ("result", ListType::Text)],
            rows,
        ))
    }

    fn upload(&mut self, put: &Moved) -> Result<Upload, SqlError> {
        let stage = self.stage_at(&put.location)?;
        let path = put.location.path.trim_end_matches('/');
        let prefix = if path.is_empty() {
            String::new()
        } else {
            format!("{path}/")
        };
        checked_key(&format!("{prefix}file"))?;
        let mut upload = Upload {
            source: put.local.clone(),
            area: stage.area.folder().to_owned(),
            prefix,
            parallel: PARALLEL,
            auto_compress: true,
            source_compression: "auto_detect".to_owned(),
            overwrite: false,
        };
        for setting in &put.settings {
            match (setting.name.as_str(), &setting.value) {
                ("PARALLEL", _) => upload.parallel = parallel(setting)?,
                ("AUTO_COMPRESS", _) => upload.auto_compress = truth(setting)?,
                ("OVERWRITE", _) => upload.overwrite = truth(setting)?,
                ("SOURCE_COMPRESSION", SettingValue::One { text, .. }) => {
                    upload.source_compression = text.to_lowercase();
                }
                (name, _) => return Err(invalid(name, "")),
            }
        }
        Ok(upload)
    }

    fn download(&mut self, get: &Moved) -> Result<Download, SqlError> {
        let (mut threads, mut pattern) = (PARALLEL, None);
        for setting in &get.settings {
            match (setting.name.as_str(), &setting.value) {
                ("PARALLEL", _) => threads = parallel(setting)?,
                ("PATTERN", SettingValue::One { text, .. }) => pattern = Some(text.clone()),
                (name, _) => return Err(invalid(name, "")),
            }
        }
        let files = self.files_at(&get.location, pattern.as_deref())?;
        let path = get.location.path.as_str();
        // A folder is left out of the names, the beginning of a name is not.
        let folder = path.rfind('/').map_or(0, |at| at + 1);
        // Of `@s/in` the files in the folder `in` and those that begin so, not what is in a folder `in2`.
        let files = files.into_iter().filter(|file| {
            let key = file.key.as_str();
            path.is_empty()
                || path.ends_with('/')
                || key == path
                || !key[path.len()..].contains('/')
                || key[path.len()..].starts_with('/')
        });
        let files = files
            .map(|file| {
                let key = file.key.as_str();
                // A path that is a whole folder is left out, too.
                let name = match key.strip_prefix(path).and_then(|rest| rest.strip_prefix('/')) {
                    Some(name) if !path.is_empty() => name.to_owned(),
                    _ => key[folder..].to_owned(),
                };
                (name, file.path, file.bytes)
            })
            .collect();
        Ok(Download {
            local: get.local.clone(),
            parallel: threads,
            files,
        })
    }
}

fn parallel(setting: &Setting) -> Result<u32, SqlError> {
    let asked = number(setting)?.unwrap_or(u64::from(PARALLEL));
    Ok(u32::try_from(asked.clamp(1, PARALLEL_MAX)).unwrap_or(PARALLEL))
}

/// A name for a file in a stage.
pub(super) fn checked_key(name: &str) -> Result<Key, SqlError> {
    Key::new(name).map_err(|error| {
        let detail = format!("invalid file name '{name}' in a stage: {error}");
        SqlError::compilation("001003", "42000", detail)
    })
}

/// `Mon, 29 Nov 2026 01:02:03 GMT`.
fn http_date(ms: i64) -> String {
    let time = Timestamp::from_millisecond(ms).unwrap_or_default();
    let printer = rfc2822::DateTimePrinter::new();
    printer
        .timestamp_to_rfc9110_string(&time)
        .unwrap_or_else(|_| time.to_string())
}
