//! Several statements in one request, and what Snowflake says when one of them fails.

use super::worker::{Done, Worker};
use super::{QueryId, SqlError, Submission};
use crate::front::Piece;
use crate::plan::{kind, shape};

/// Characters of a statement that the message repeats.
const SHOWN_CHARACTERS: usize = 30;

/// End of the message: Snowflake runs several statements in a procedure of its own, which shows.
const TRAILER: &str = " in SYSTEM$MULTISTMT at '    throw `Execution of multiple statements failed on statement {0} \
                       (at line {1}, position {2}).`.replace('{1}', LINES[i])' position 4\nstackstrace: \n\
                       SYSTEM$MULTISTMT line: 10";

impl Worker {
    /// Runs the statements of one request, one after another; the first that fails ends them.
    pub(super) fn several(
        &mut self,
        pieces: &[Piece<'_>],
        submission: &Submission,
    ) -> Result<Done, SqlError> {
        let mut children = Vec::with_capacity(pieces.len());
        for piece in pieces {
            self.control.check()?;
            // Their rows have been read.
            self.clear_sources();
            let query_id = QueryId::new_v4();
            let child = self.with_parameters(submission, |worker| {
                worker.statement(piece, submission, query_id, &mut None)
            });
            let child = child.map_err(|error| failed(error, piece))?;
            self.state.remember(query_id);
            if let Done::Answer(output) = child {
                children.push(*output);
            }
        }
        let mut output = self.shaped(
            kind::MULTI_STATEMENT,
            shape::multiple(),
            submission.query_id,
            None,
        );
        output.children = children;
        Ok(Done::answer(output))
    }
}

/// The failure of a request whose statement `piece` failed; one that was stopped says only that.
fn failed(error: SqlError, piece: &Piece<'_>) -> SqlError {
    if error.code == SqlError::canceled().code {
        return error;
    }
    let mut shown: String = piece.text.chars().take(SHOWN_CHARACTERS).collect();
    if shown.len() < piece.text.len() {
        shown.push_str("...");
    }
    let (line, position) = piece.origin;
    let message = format!(
        "JavaScript execution error: Uncaught Execution of multiple statements failed on statement \"{shown}\" (at line \
         {line}, position {position}).\n{}{TRAILER}",
        error.message
    );
    SqlError {
        position: Some(piece.origin),
        ..SqlError::new("100132", "P0000", message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::front::split;

    #[test]
    fn the_statement_is_named_with_its_place() {
        let text =
            "create or replace table table1 (i int); insert into table1 (i) values ('This is not one');";
        let pieces = split(text).unwrap();
        let error = failed(SqlError::new("100038", "22018", "Numeric value …"), &pieces[1]);
        assert_eq!((error.code, error.sql_state), ("100132", "P0000"));
        assert!(
            error.message.contains(
                "on statement \"insert into table1 (i) values ...\" (at line 1, position 40).\nNumeric value …"
            ),
            "{}",
            error.message
        );
        assert_eq!(failed(SqlError::canceled(), &pieces[0]), SqlError::canceled());
    }
}
