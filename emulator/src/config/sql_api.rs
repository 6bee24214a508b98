//! The limits of the SQL API, from the configuration file's table `sql_api`.

use std::num::NonZeroU32;
use std::time::Duration;

use super::file::SqlApiLimits;
use super::resolve::{ConfigError, positive};
use crate::sql_api::{RateLimit, SqlApiSettings};

const BYTES_PER_MIB: u64 = 1024 * 1024;

/// Lays what was written over the defaults.
pub(super) fn settings(written: &SqlApiLimits) -> Result<SqlApiSettings, ConfigError> {
    let defaults = SqlApiSettings::default();
    let per_second = positive("requests_per_second", written.requests_per_second)?.and_then(NonZeroU32::new);
    let burst = positive("burst", written.burst)?.and_then(NonZeroU32::new);
    if burst.is_some() && per_second.is_none() {
        return Err(ConfigError::BurstWithoutRate);
    }
    Ok(SqlApiSettings {
        enabled: written.enabled.unwrap_or(defaults.enabled),
        statements_max: positive("statements", written.statements)?.unwrap_or(defaults.statements_max),
        statements_per_user_max: positive("statements_per_user", written.statements_per_user)?
            .unwrap_or(defaults.statements_per_user_max),
        statement_time_max: positive("statement_seconds", written.statement_seconds)?
            .map_or(defaults.statement_time_max, Duration::from_secs)
            .min(defaults.statement_time_max),
        result_rows_max: positive("result_rows", written.result_rows)?.or(defaults.result_rows_max),
        rate: per_second.map(|per_second| RateLimit {
            per_second,
            burst: burst.unwrap_or(per_second),
        }),
        body_bytes_max: positive("body_mib", written.body_mib)?.map_or(defaults.body_bytes_max, |mib| {
            usize::try_from(mib.saturating_mul(BYTES_PER_MIB)).unwrap_or(usize::MAX)
        }),
        requests_kept_max: positive("requests_kept", written.requests_kept)?
            .unwrap_or(defaults.requests_kept_max),
        partitions_packed_max: positive("partitions_packed", written.partitions_packed)?
            .unwrap_or(defaults.partitions_packed_max),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<SqlApiSettings, String> {
        let written: SqlApiLimits = toml::from_str(text).map_err(|error| error.message().to_owned())?;
        settings(&written).map_err(|error| error.to_string())
    }

    #[test]
    fn what_is_written_lies_over_the_defaults() {
        let limits =
            read("statements = 5\nstatement_seconds = 60\nrequests_per_second = 2\nbody_mib = 1").unwrap();
        assert_eq!((limits.statements_max, limits.statements_per_user_max), (5, 200));
        assert_eq!(limits.statement_time_max, Duration::from_mins(1));
        assert_eq!(limits.body_bytes_max, 1024 * 1024);
        assert_eq!(limits.rate.map(|rate| rate.burst.get()), Some(2));
        assert!(read("").unwrap().rate.is_none());
    }

    #[test]
    fn mistakes_are_told() {
        assert_eq!(
            read("statements = 0").unwrap_err(),
            "statements must be more than 0"
        );
        assert_eq!(read("burst = 2").unwrap_err(), "burst needs requests_per_second");
        assert!(read("statement = 1").unwrap_err().contains("statement"));
    }
}
