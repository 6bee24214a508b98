//! EXECUTE IMMEDIATE: a statement whose text is a value runs as if it had been sent by itself.

use std::collections::BTreeMap;

use snowflake_emulator_engine::SqlType;

use super::handle::Reply;
use super::query::{count_placeholders, with_unset};
use super::worker::{Done, Work, Worker};
use super::{Binding, SqlError};
use crate::front::{Command, Immediate, Parsed, Piece, StageCommand, parse_bound, split};
use crate::lower::Constant;
use crate::plan::shape;

/// How deep an EXECUTE IMMEDIATE may stand in another one; a variable may hold one that names the variable.
const DEPTH_MAX: u32 = 8;

/// First words of statements that Snowflake runs here as a script.
const SCRIPTING: [&str; 14] = [
    "LET", "IF", "CASE", "FOR", "WHILE", "LOOP", "REPEAT", "RETURN", "RAISE", "OPEN", "FETCH", "CLOSE",
    "AWAIT", "CANCEL",
];

impl Worker {
    /// Runs or describes what the text says.
    pub(super) fn execute_immediate(
        &mut self,
        written: &Immediate,
        work: &Work<'_>,
        reply: &mut Option<Reply>,
    ) -> Result<Done, SqlError> {
        if work.depth >= DEPTH_MAX {
            let what = format!("EXECUTE IMMEDIATE more than {DEPTH_MAX} deep");
            return Err(SqlError::unsupported(what));
        }
        let located = |error| super::locate::locate(error, work.piece);
        let (text, bindings) = self.immediate_text(written, work).map_err(located)?;
        let Some(text) = text else {
            if !work.describe_only {
                return Err(SqlError::empty_statement());
            }
            // It is said when it runs.
            let mut output = self.answer(work, shape::status(""), None);
            output.bind_count = count_placeholders(work.piece);
            return Ok(Done::answer(output));
        };
        let pieces = split(&text)?;
        refuse_script(&pieces[0])?;
        let [piece] = pieces.as_slice() else {
            return Err(SqlError::statement_count(pieces.len(), 1));
        };
        let parsed = parse_bound(piece, &bindings)?;
        if let Parsed::Command(Command::Stage(StageCommand::Put(_) | StageCommand::Get(_))) = parsed {
            return Err(SqlError::unsupported("PUT or GET in EXECUTE IMMEDIATE"));
        }
        let mut done = self.run_piece(
            &Work {
                piece,
                parsed: &parsed,
                bindings: &bindings,
                bind_stage: None,
                depth: work.depth + 1,
                moment: work.moment.clone(),
                ..*work
            },
            None,
            reply,
        )?;
        if let (true, Done::Answer(output)) = (work.describe_only, &mut done) {
            output.bind_count = count_placeholders(work.piece);
        }
        Ok(done)
    }

    /// The statement, none for NULL, and what is bound to it.
    fn immediate_text(
        &mut self,
        written: &Immediate,
        work: &Work<'_>,
    ) -> Result<(Option<String>, BTreeMap<String, Binding>), SqlError> {
        let Some(query) = &written.values else {
            return Ok((written.literal.clone(), BTreeMap::new()));
        };
        if work.bind_stage.is_some() || work.bindings.values().any(|binding| binding.is_array) {
            return Err(SqlError::unsupported(
                "arrays of bound values in EXECUTE IMMEDIATE",
            ));
        }
        let bindings = if work.describe_only {
            with_unset(work.bindings.clone(), count_placeholders(work.piece))
        } else {
            work.bindings.clone()
        };
        let lowered = self.lower(
            query,
            &Work {
                bindings: &bindings,
                moment: work.moment.clone(),
                ..*work
            },
        )?;
        self.prepare(&lowered)?;
        let values = self
            .constants(&lowered.sql)
            .map_err(|failure| self.in_words(failure))?;
        let mut values = values.into_iter();
        let text = match &written.literal {
            Some(text) => Some(text.clone()),
            None => values.next().and_then(|value| value.text),
        };
        let bound = values
            .zip(1..)
            .map(|(value, position): (_, u32)| (position.to_string(), bound(value)));
        Ok((text, bound.collect()))
    }
}

/// A value as clients bind it.
fn bound(constant: Constant) -> Binding {
    let type_name = match constant.sql_type {
        SqlType::Number { .. } => "FIXED",
        SqlType::Float => "REAL",
        SqlType::DecFloat => "DECFLOAT",
        SqlType::Boolean => "BOOLEAN",
        SqlType::Date => "DATE",
        SqlType::Time { .. } => "TIME",
        SqlType::TimestampNtz { .. } => "TIMESTAMP_NTZ",
        SqlType::TimestampLtz { .. } => "TIMESTAMP_LTZ",
        SqlType::TimestampTz { .. } => "TIMESTAMP_TZ",
        SqlType::Binary { .. } => "BINARY",
        _ => "TEXT",
    };
    Binding {
        type_name: type_name.to_owned(),
        values: vec![constant.text],
        is_array: false,
    }
}

fn refuse_script(piece: &Piece<'_>) -> Result<(), SqlError> {
    let first = piece.tokens.first();
    let word = SCRIPTING
        .iter()
        .find(|word| first.is_some_and(|token| token.is(piece.text, word)));
    match word {
        Some(word) => Err(SqlError::unsupported(format!(
            "Snowflake Scripting statement {word}"
        ))),
        None => Ok(()),
    }
}
