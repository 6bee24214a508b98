//! What a `query` command line amounts to.

use std::path::{Path, PathBuf};

use snowflake_session_proto::v1::{Binding, ExecuteQueryRequest};

use super::super::Run;
use super::source;
use crate::arguments::{Bind, QueryArguments, RowLimit};
use crate::client;
use crate::config::Screen;
use crate::failure::Failure;
use crate::render::Format;

/// Rows fetched for a format that is read by eye.
const SCREEN_ROWS: i64 = 500;

/// A checked command line.
pub(super) struct Plan {
    /// The statement.
    pub(super) sql: String,
    pub(super) format: Format,
    pub(super) target: Target,
    /// The screen to fit, as far as the target is one.
    pub(super) screen: Screen,
    /// Whether `--stats` was given.
    pub(super) stats: bool,
    /// Most rows to fetch; 0 means all.
    row_limit: i64,
    bindings: Vec<Binding>,
    request_id: String,
}

/// Where the result goes.
pub(super) enum Target {
    Stdout,
    File(PathBuf),
}

impl Plan {
    /// Checks the command line and reads the statement.
    pub(super) fn make(arguments: QueryArguments, run: &Run) -> Result<Self, Failure> {
        let bindings = bindings(arguments.binds)?;
        let target = match arguments.output {
            Some(path) if path.as_os_str() != "-" => Target::File(path),
            _ => Target::Stdout,
        };
        let format = format(run.settings.format, &target);
        let screen = match target {
            Target::Stdout => run.settings.screen,
            Target::File(_) => Screen {
                terminal: false,
                columns: None,
                color: false,
            },
        };
        let row_limit = match arguments.limit {
            Some(RowLimit::All) => 0,
            Some(RowLimit::Rows(rows)) => i64::from(rows.get()),
            None if format.is_for_screens() || screen.terminal => SCREEN_ROWS,
            None => 0,
        };
        if format == Format::Arrow && screen.terminal {
            return Err(Failure::usage("an Arrow stream is not for a terminal")
                .hint("write it to a file with `-o FILE`, or to a pipe"));
        }
        let sql = source::read(arguments.sql, arguments.file)?;
        let request_id = uuid::Uuid::new_v4().to_string();
        Ok(Self {
            sql,
            format,
            target,
            screen,
            stats: arguments.stats,
            row_limit,
            bindings,
            request_id,
        })
    }

    /// The call to make.
    pub(super) fn request(&self, run: &Run) -> ExecuteQueryRequest {
        ExecuteQueryRequest {
            session: run.settings.session.clone(),
            connection: run.settings.connection.clone(),
            sql: self.sql.clone(),
            bindings: self.bindings.clone(),
            row_limit: self.row_limit,
            timeout: run.settings.timeout.and_then(client::duration),
            request_id: self.request_id.clone(),
            accept_loss: false,
        }
    }
}

/// The format that was named, else the one that the file's ending stands for, else a table.
fn format(named: Option<Format>, target: &Target) -> Format {
    let by_name = match target {
        Target::File(path) => extension(path).and_then(Format::of_extension),
        Target::Stdout => None,
    };
    named.or(by_name).unwrap_or(Format::Table)
}

fn extension(path: &Path) -> Option<&str> {
    path.extension().and_then(|extension| extension.to_str())
}

/// Values for the placeholders, all by position or all by name, as Snowflake takes them.
fn bindings(binds: Vec<Bind>) -> Result<Vec<Binding>, Failure> {
    let named = binds.iter().filter(|bind| !bind.name.is_empty()).count();
    if named != 0 && named != binds.len() {
        return Err(
            Failure::usage("some values are bound by name and others by position")
                .hint("name all or none; write `=VALUE` for a value that holds a `=`"),
        );
    }
    let binding = |bind: Bind| Binding {
        name: bind.name,
        r#type: String::new(),
        value: Some(bind.value),
    };
    Ok(binds.into_iter().map(binding).collect())
}
