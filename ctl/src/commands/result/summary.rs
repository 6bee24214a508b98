//! What is said about a finished query: rows, whether it was cut, statistics.

use std::time::Duration;

use serde_json::json;
use snowflake_session_proto::v1::{DmlStats, QuerySummary};

use super::super::Run;
use super::output::{Output, Target};
use crate::render::measured;
use crate::ui::say;

/// Says what is to be said on stderr.
pub(super) fn report(query: &QuerySummary, output: &Output, run: &Run) {
    if query.truncated {
        say(&cut_note(query));
    } else if output.format.is_for_screens() || matches!(output.target, Target::File(_)) {
        run.ui.note(&rows_note(query));
    }
    say_besides(query, output, run);
}

/// Says what is to be said however the rows are printed.
pub(super) fn say_besides(query: &QuerySummary, output: &Output, run: &Run) {
    for notice in &query.notices {
        run.ui.advice(notice);
    }
    run.ui.detail(&format!(
        "query id {}, session {}, connection {}",
        query.query_id, query.session, query.connection
    ));
    if output.stats {
        say(&statistics(query));
    }
}

fn cut_note(query: &QuerySummary) -> String {
    let total = if query.row_count_total > query.row_count {
        format!(" of {}", grouped(query.row_count_total))
    } else {
        String::new()
    };
    format!(
        "result cut at {}{total} rows; `--limit all` fetches every row",
        grouped(query.row_count)
    )
}

fn rows_note(query: &QuerySummary) -> String {
    format!("{} ({})", rows(query.row_count), measured(elapsed(query)))
}

fn statistics(query: &QuerySummary) -> String {
    let context = query.context.clone().unwrap_or_default();
    let set = |text: &str| {
        if text.is_empty() {
            None
        } else {
            Some(text.to_owned())
        }
    };
    json!({
        "query_id": query.query_id,
        "rows": query.row_count,
        "truncated": query.truncated,
        "elapsed_ms": elapsed(query).as_millis() as u64,
        "session": query.session,
        "context": {
            "connection": set(&query.connection),
            "role": set(&context.role),
            "warehouse": set(&context.warehouse),
            "database": set(&context.database),
            "schema": set(&context.schema),
        },
        "transaction_open": query.transaction_open,
        "notices": query.notices,
    })
    .to_string()
}

fn elapsed(query: &QuerySummary) -> Duration {
    query
        .elapsed
        .and_then(|elapsed| Duration::try_from(elapsed).ok())
        .unwrap_or_default()
}

/// What a statement changed, in words.
pub(crate) fn changes(dml: &DmlStats) -> Vec<String> {
    [
        (dml.rows_inserted, "inserted"),
        (dml.rows_updated, "updated"),
        (dml.rows_deleted, "deleted"),
    ]
    .into_iter()
    .filter(|(count, _)| *count > 0)
    .map(|(count, done)| format!("{} {done}", rows(count)))
    .collect()
}

/// A count of rows in words.
pub(crate) fn rows(count: i64) -> String {
    format!("{} {}", grouped(count), if count == 1 { "row" } else { "rows" })
}

/// A count with commas between its thousands.
fn grouped(count: i64) -> String {
    let digits = count.to_string();
    let mut grouped = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_grouped() {
        assert_eq!(grouped(0), "0");
        assert_eq!(grouped(999), "999");
        assert_eq!(grouped(1000), "1,000");
        assert_eq!(grouped(1_234_567), "1,234,567");
    }

    #[test]
    fn changes_are_counted_by_what_was_done() {
        let dml = DmlStats {
            rows_inserted: 1_200,
            rows_updated: 0,
            rows_deleted: 1,
        };
        assert_eq!(changes(&dml), ["1,200 rows inserted", "1 row deleted"]);
        assert!(changes(&DmlStats::default()).is_empty());
    }

    #[test]
    fn a_cut_result_says_of_how_many() {
        let mut query = QuerySummary {
            row_count: 500,
            row_count_total: 60_175,
            ..QuerySummary::default()
        };
        assert_eq!(
            cut_note(&query),
            "result cut at 500 of 60,175 rows; `--limit all` fetches every row"
        );
        query.row_count_total = 0;
        assert_eq!(
            cut_note(&query),
            "result cut at 500 rows; `--limit all` fetches every row"
        );
    }
}
