//! A result for an agent: one JSON object that costs no more tokens than were asked for.

use snowflake_session_proto::v1::QuerySummary;

use super::super::Run;
use super::output::Output;
use super::transfer::{Outcome, Shown, Source, Transfer};
use super::{summary, there};
use crate::client::Client;
use crate::failure::Failure;
use crate::interrupt::Interrupts;
use crate::render::{BYTES_PER_TOKEN, Budget, Budgeted, RenderError, write_json_text, write_stdout};

/// Shortest row that there is, in bytes with its separator: how many rows could fit at all.
const ROW_BYTES_MIN: i64 = 5;

/// Most rows fetched, whatever the budget: nobody reads more.
const ROWS_MAX: i64 = 10_000;

/// Stands for a query id while room for it is set aside.
const LONGEST_ID: &str = "00000000-0000-0000-0000-000000000000";

/// Rows to fetch for a budget, if the user named at most `row_limit`; 0 means that no limit was named.
pub(super) fn row_limit(tokens: u32, row_limit: i64) -> i64 {
    let fitting = (bytes(tokens) as i64 / ROW_BYTES_MIN).min(ROWS_MAX);
    if row_limit == 0 {
        fitting
    } else {
        fitting.min(row_limit)
    }
}

/// Prints as much of the result as the budget allows.
pub(super) async fn print(
    client: Client,
    source: Source,
    tokens: u32,
    output: &Output,
    interrupts: Interrupts,
    run: &Run,
) -> Result<(), Failure> {
    let row_offset = source.row_offset();
    let frame = document(&Budgeted::default(), &Facts::longest(), tokens, run);
    let budget = Budget::new(bytes(tokens).saturating_sub(frame.len()));
    let transfer = Transfer {
        client,
        source,
        interrupts,
        shown: Shown { bytes: None },
    };
    let Outcome::Finished(query, kept) = transfer.carry_out(budget, run).await? else {
        return Ok(());
    };
    let facts = Facts::of(&query, row_offset, &kept);
    write_stdout(&document(&kept, &facts, tokens, run)).map_err(RenderError::Output)?;
    summary::say_besides(&query, output, run);
    Ok(())
}

fn bytes(tokens: u32) -> usize {
    tokens as usize * BYTES_PER_TOKEN
}

/// What is said about the rows beside themselves.
struct Facts {
    query_id: String,
    row_offset: i64,
    /// Rows of the whole result, where that is known.
    row_count_total: Option<i64>,
    /// Whether there are rows after those that are shown.
    has_more: bool,
    /// Whether there is more of the rows that are shown.
    is_cut: bool,
    row_count: i64,
}

impl Facts {
    fn of(query: &QuerySummary, row_offset: i64, kept: &Budgeted) -> Self {
        let seen = row_offset + query.row_count;
        // A cut result of which no more is known than what was sent has an unknown length.
        let known = !query.truncated || query.row_count_total > seen;
        Self {
            query_id: query.query_id.clone(),
            row_offset,
            row_count_total: known.then_some(query.row_count_total.max(seen)),
            has_more: query.truncated || kept.row_count < query.row_count,
            is_cut: kept.cells_cut > 0 || kept.columns_omitted > 0,
            row_count: kept.row_count,
        }
    }

    /// Facts that take as much room as any can.
    fn longest() -> Self {
        Self {
            query_id: LONGEST_ID.to_owned(),
            row_offset: i64::MAX / 2,
            row_count_total: Some(i64::MAX / 2),
            has_more: true,
            is_cut: true,
            row_count: i64::MAX / 2,
        }
    }
}

/// The whole object, on several lines: a row each.
fn document(kept: &Budgeted, facts: &Facts, tokens: u32, run: &Run) -> Vec<u8> {
    let text = |text: Option<&str>| {
        let mut json = Vec::new();
        match text {
            Some(text) => write_json_text(text, &mut json),
            None => json.extend_from_slice(b"null"),
        }
        json
    };
    let id = Some(facts.query_id.as_str()).filter(|id| !id.is_empty());
    let total = facts
        .row_count_total
        .map_or_else(|| "null".to_owned(), |total| total.to_string());
    let mut out = b"{\"query_id\":".to_vec();
    out.extend(text(id));
    out.extend_from_slice(b",\"columns\":[");
    out.extend_from_slice(&kept.columns);
    out.extend_from_slice(
        format!(
            "],\"columns_omitted\":{},\"rows_total\":{total},\"row_offset\":{},\"rows_shown\":{},\"cells_cut\":{},\n\"rows\":[\n",
            kept.columns_omitted, facts.row_offset, facts.row_count, kept.cells_cut,
        )
        .as_bytes(),
    );
    out.extend_from_slice(&kept.rows);
    let following = (facts.row_offset + facts.row_count).to_string();
    let more = |words: &[&str]| {
        let id = id.filter(|_| facts.has_more)?;
        let mut all = vec!["job", "result", id, "--offset", &following];
        all.extend(words);
        Some(there(run, all))
    };
    let budget = tokens.to_string();
    let whole = id.filter(|_| facts.is_cut).map(|id| {
        let (offset, count) = (facts.row_offset.to_string(), facts.row_count.max(1).to_string());
        let words = [
            "job", "result", id, "--offset", &offset, "--limit", &count, "--format", "json",
        ];
        there(run, words.to_vec())
    });
    for (name, command) in [
        (
            "],\n\"next\":",
            // Where not even one row fits, the next page would be this one again.
            more(&["--budget", &budget]).filter(|_| facts.row_count > 0),
        ),
        (",\n\"rest\":", more(&["--limit", "all", "--format", "jsonl"])),
        (",\n\"whole\":", whole),
    ] {
        // The array of rows ends on a line of its own.
        if name.starts_with(']') && facts.row_count > 0 {
            out.push(b'\n');
        }
        out.extend_from_slice(name.as_bytes());
        out.extend(text(command.as_deref()));
    }
    out.extend_from_slice(b"}\n");
    out
}
