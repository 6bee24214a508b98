//! Reads the log backwards.

use std::fmt;
use std::fs;
use std::io::{self, ErrorKind, Read as _};
use std::path::Path;
use std::str::FromStr;
use std::time::{Duration, Instant};

use super::files;
use super::format::{self, Phase};
use crate::domain::audit::{AuditFilter, AuditPage};
use crate::domain::error::Error;

/// A place in the log: between two lines of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    /// When the file was begun.
    begun: u64,
    /// Bytes before it.
    offset: u64,
}

impl fmt::Display for Place {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}-{}", self.begun, self.offset)
    }
}

impl FromStr for Place {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let read = || {
            let (begun, offset) = text.split_once('-')?;
            Some(Self {
                begun: begun.parse().ok()?,
                offset: offset.parse().ok()?,
            })
        };
        read().ok_or_else(|| Error::invalid("the page token is not from an earlier answer"))
    }
}

/// Lines between two looks at the clock.
const LINES_PER_LOOK: usize = 256;

/// Looks for at most `max` records before a place, or before the end; gives up after `limit` and says where to go on.
/// One file at a time is held in memory.
pub(super) fn search(
    folder: &Path,
    filter: &AuditFilter,
    before: Option<Place>,
    max: usize,
    limit: Duration,
) -> io::Result<AuditPage> {
    let deadline = Instant::now() + limit;
    let mut page = AuditPage::default();
    let begun = files::list(folder)?;
    let older = begun
        .into_iter()
        .rev()
        .filter(|begun| before.is_none_or(|place| *begun <= place.begun));
    for begun in older {
        let end = before
            .filter(|place| place.begun == begun)
            .map(|place| place.offset);
        let Some(text) = read(folder, begun, end, filter)? else {
            continue;
        };
        let mut end = text.len();
        for (number, line) in text.rsplit(|byte| *byte == b'\n').enumerate() {
            let start = end - line.len();
            let place = Place {
                begun,
                offset: start as u64,
            };
            end = start.saturating_sub(1);
            let is_ended = format::head(line).is_some_and(|head| head.phase == Phase::Ended);
            let found = is_ended.then(|| format::read(line)).flatten();
            if let Some(record) = found.filter(|record| filter.finds(record)) {
                page.records.push(record);
            }
            // The first one is empty: every line has its end.
            let is_late = number % LINES_PER_LOOK == 1 && Instant::now() >= deadline;
            if page.records.len() >= max || is_late {
                page.next = Some(place.to_string());
                return Ok(page);
            }
        }
    }
    Ok(page)
}

/// The file up to `end`; `None` for one that has gone, or in which nothing can be that is looked for.
fn read(folder: &Path, begun: u64, end: Option<u64>, filter: &AuditFilter) -> io::Result<Option<Vec<u8>>> {
    let path = files::path(folder, begun);
    let file = match fs::File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let about = file.metadata()?;
    // What was logged last was accepted before that.
    if let (Some(since), Ok(changed)) = (filter.since, about.modified())
        && changed < since
    {
        return Ok(None);
    }
    let length = end.unwrap_or(u64::MAX).min(about.len());
    let mut text = Vec::with_capacity(usize::try_from(length).unwrap_or(0));
    file.take(length).read_to_end(&mut text)?;
    Ok(Some(text))
}
