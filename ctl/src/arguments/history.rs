//! The command line of `job history`.

use std::time::Duration;

use clap::{Args, ValueEnum};
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use super::values::{RowLimit, parse_duration};

/// Which statements to find in the audit log.
#[derive(Debug, Args)]
pub(crate) struct HistoryArguments {
    /// Only statements of the session in use; else of --session if it is given, or of all
    #[arg(long)]
    pub(crate) session_only: bool,
    /// Only those with this text in query id, error, objects, or SQL where that is kept; case does not matter
    #[arg(long, value_name = "TEXT")]
    pub(crate) text: Option<String>,
    /// Only those that the policy decided so
    #[arg(long, value_enum, value_name = "DECISION")]
    pub(crate) decision: Option<Decision>,
    /// Only those that ended so
    #[arg(long, value_enum, value_name = "STATE")]
    pub(crate) state: Option<EndState>,
    /// Only those of this time or later: `2h` for two hours ago, or a date or time such as `2024-01-31T08:00`
    #[arg(long, value_name = "TIME")]
    pub(crate) since: Option<Moment>,
    /// Only those before this time, written as for --since
    #[arg(long, value_name = "TIME")]
    pub(crate) until: Option<Moment>,
    /// Only those of this agent session
    #[arg(long, value_name = "ID")]
    pub(crate) agent: Option<String>,
    /// Most statements to show, the latest first, or `all`
    #[arg(long, value_name = "N", default_value = "100", allow_negative_numbers = true)]
    pub(crate) limit: RowLimit,
}

/// What the policy decided about a statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Decision {
    Allowed,
    Confirmed,
    Held,
    Refused,
}

/// How a statement ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum EndState {
    Running,
    Succeeded,
    Failed,
    Cancelled,
    Unknown,
}

/// A moment, as it is typed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Moment {
    /// So long ago.
    Ago(Duration),
    /// At this time.
    At(jiff::Timestamp),
}

impl std::str::FromStr for Moment {
    type Err = String;

    /// Reads a duration, or a date or time by ISO 8601; without an offset it is the user's own time.
    fn from_str(text: &str) -> Result<Self, String> {
        if let Ok(ago) = parse_duration(text) {
            return Ok(Moment::Ago(ago));
        }
        if let Ok(moment) = text.parse() {
            return Ok(Moment::At(moment));
        }
        text.parse::<DateTime>()
            .and_then(|time| time.to_zoned(TimeZone::system()))
            .map(|time| Moment::At(time.timestamp()))
            .map_err(|_| {
                "it takes a time such as `2h` for two hours ago, `2024-01-31`, `2024-01-31T08:00` or \
                 `2024-01-31T08:00:00Z`"
                    .to_owned()
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments() {
        let at = |text: &str| Ok(Moment::At(text.parse().unwrap()));
        assert_eq!("2h".parse(), Ok(Moment::Ago(Duration::from_hours(2))));
        assert_eq!("2024-01-31T08:00:00Z".parse(), at("2024-01-31T08:00:00Z"));
        assert_eq!("2024-01-31T08:00:00+02:00".parse(), at("2024-01-31T06:00:00Z"));
        for local in ["2024-01-31", "2024-01-31T08:00", "2024-01-31 08:00:30"] {
            assert!(matches!(local.parse::<Moment>(), Ok(Moment::At(_))), "{local}");
        }
        for wrong in ["", "yesterday", "2024-13-01", "08:00"] {
            assert!(wrong.parse::<Moment>().is_err(), "{wrong}");
        }
    }
}
