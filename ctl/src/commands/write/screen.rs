//! A write as people are told of it: what it changed, what may be thought of, and how to go on.

use snowflake_session_proto::v1::{DmlStats, Write, WriteState};

use super::super::{Run, invocation, result};
use super::{Aim, Written, record};
use crate::failure::Failure;
use crate::render::{Clock, Deeds, Sample, measured};

/// What a write changed: a line, and some of the rows.
pub(super) fn data(written: &Written, run: &Run) -> Result<Vec<u8>, Failure> {
    let write = &written.write;
    let mut out = Vec::new();
    if let Some(dml) = &write.dml {
        out.extend_from_slice(headline(dml, &write.target).as_bytes());
        out.push(b'\n');
    }
    if let Some(rows) = &written.result {
        append(&mut out, None, rows, run)?;
    }
    let (before, after) = (
        record::read(write.before.as_ref())?,
        record::read(write.after.as_ref())?,
    );
    let deeds = write.dml.map_or(
        Deeds {
            inserted: true,
            updated: true,
            deleted: true,
        },
        |dml| Deeds {
            inserted: dml.rows_inserted > 0,
            updated: dml.rows_updated > 0,
            deleted: dml.rows_deleted > 0,
        },
    );
    let compared = match (&before, &after) {
        (Some(before), Some(after)) if before.rows() > 0 && after.rows() > 0 => {
            Sample::compare(before, after, &write.key_columns, deeds)
        }
        _ => None,
    };
    if let Some(compared) = compared {
        append(&mut out, Some("changes"), &compared, run)?;
    } else {
        for (name, sample) in [("before", before), ("after", after)] {
            if let Some(sample) = sample.filter(|sample| sample.rows() > 0) {
                append(&mut out, Some(name), &sample, run)?;
            }
        }
    }
    Ok(out)
}

/// Says on stderr what came of a write and how to go on.
pub(super) fn say(written: &Written, run: &Run) {
    let write = &written.write;
    let ui = run.ui;
    let elapsed = measured(record::elapsed(write));
    match (write.state(), written.aim) {
        (WriteState::Committed, _) => ui.note(&format!("committed ({elapsed})")),
        (WriteState::Joined, _) => ui.note(&format!(
            "done in the open transaction, which is not committed ({elapsed})"
        )),
        (WriteState::Held, _) => ui.must_be_known("held", "the write is not committed"),
        (WriteState::Waiting, _) => ui.must_be_known("waiting", "the statement has not run"),
        (WriteState::RolledBack, Aim::DryRun) => {
            ui.note(&format!("rolled back, it was a dry run ({elapsed})"));
        }
        (WriteState::RolledBack, Aim::Abandon) => ui.note("the write is rolled back"),
        (WriteState::RolledBack, Aim::Effect) => ui.must_be_known("rolled back", "the write does not count"),
        (WriteState::Abandoned, Aim::Abandon) => ui.note("the write is abandoned, it has not run"),
        (WriteState::Abandoned, _) => ui.must_be_known("abandoned", "the statement has not run and will not"),
        (WriteState::Unspecified, _) => {}
    }
    for concern in &write.concerns {
        let rule = Some(concern.rule.as_str()).filter(|rule| !rule.is_empty());
        ui.must_be_known(rule.unwrap_or("because"), &concern.message);
    }
    for notice in &write.notices {
        ui.advice(notice);
    }
    // Of what counts already, nobody decides anything by a sample.
    let is_open = matches!(write.state(), WriteState::Held | WriteState::RolledBack);
    if is_open && !write.sample_omitted.is_empty() {
        ui.advice(&format!("no sample of the changes: {}", write.sample_omitted));
    }
    if written.aim == Aim::Abandon && write.transaction_joined && write.state() == WriteState::RolledBack {
        ui.warning("the transaction that was open before the write was rolled back with it");
    }
    ways_on(write, run);
    if let Some(undo) = record::undo(write, run) {
        ui.note(&format!("undo with `{undo}`; by hand:\n{}", write.undo_sql));
    }
}

/// The token and the commands that take it, said however quiet we are: without it the write is lost.
fn ways_on(write: &Write, run: &Run) {
    if write.token.is_empty() {
        return;
    }
    let ui = run.ui;
    ui.must_be_known("token", &write.token);
    ui.must_be_known("confirm", &invocation(run, &["write", "--confirm", &write.token]));
    ui.must_be_known("abandon", &invocation(run, &["write", "--abandon", &write.token]));
    if let Some(end) = &write.expire_time {
        let clock = Clock::read();
        let what = if write.state() == WriteState::Held {
            "it is rolled back"
        } else {
            "it is forgotten"
        };
        ui.must_be_known(
            "until",
            &format!(
                "{} ({}), then {what} by itself",
                clock.local(end),
                clock.relative(end)
            ),
        );
    }
}

fn headline(dml: &DmlStats, target: &str) -> String {
    let changes = result::changes(dml);
    let what = if changes.is_empty() {
        "no row changed".to_owned()
    } else {
        changes.join(", ")
    };
    match target {
        "" => what,
        target => format!("{what} in {target}"),
    }
}

/// Appends rows under their name, and says when they are not all.
fn append(out: &mut Vec<u8>, name: Option<&str>, rows: &Sample, run: &Run) -> Result<(), Failure> {
    if !out.is_empty() {
        out.push(b'\n');
    }
    if let Some(name) = name {
        let part = if rows.truncated { " (a part)" } else { "" };
        out.extend_from_slice(format!("{name}{part}:\n").as_bytes());
    }
    out.extend_from_slice(&rows.text(run.format(), run.settings.screen)?);
    if name.is_none() && rows.truncated {
        out.extend_from_slice("…\n".as_bytes());
    }
    Ok(())
}
