//! Where a result goes, in which format, and how much of it.

use std::path::{Path, PathBuf};

use super::super::Run;
use super::{SCREEN_ROWS, budget};
use crate::arguments::{OutputArguments, RowLimit};
use crate::config::Screen;
use crate::failure::Failure;
use crate::render::Format;

/// Checked options about the output.
pub(crate) struct Output {
    pub(super) format: Format,
    pub(super) target: Target,
    /// The screen to fit, as far as the target is one.
    pub(super) screen: Screen,
    /// Whether the names of the columns are written.
    pub(super) with_header: bool,
    /// Most tokens to print, where an agent reads.
    pub(super) budget_tokens: Option<u32>,
    /// Whether `--stats` was given.
    pub(super) stats: bool,
    /// Most rows to fetch; 0 means all.
    pub(crate) row_limit: i64,
}

/// Where the result goes.
pub(super) enum Target {
    Stdout,
    File(PathBuf),
}

impl Output {
    /// Checks the options.
    pub(crate) fn plan(arguments: OutputArguments, run: &Run) -> Result<Self, Failure> {
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
            None if arguments.budget.is_some() => 0,
            None if format.is_for_screens() || screen.terminal => SCREEN_ROWS,
            None => 0,
        };
        format.fits(screen)?;
        if arguments.no_header && !format.is_delimited() {
            return Err(
                Failure::usage(format!("`--no-header` means nothing for {}", format.name()))
                    .hint("it is for csv and tsv"),
            );
        }
        let row_limit = match arguments.budget {
            None => row_limit,
            Some(_) if !matches!(run.settings.format, None | Some(Format::Json)) => {
                return Err(
                    Failure::usage(format!("`--budget` prints JSON, not {}", format.name()))
                        .hint("leave `--format` out, or say `--format json`"),
                );
            }
            Some(tokens) => budget::row_limit(tokens, row_limit),
        };
        Ok(Self {
            format,
            target,
            screen,
            with_header: !arguments.no_header,
            budget_tokens: arguments.budget,
            stats: arguments.stats,
            row_limit,
        })
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
