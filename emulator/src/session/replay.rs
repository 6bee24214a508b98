//! How a transaction's log does its writes again.

use snowflake_emulator_engine::{EngineConnection, EngineError};

use super::transaction::{Effect, Replayer, Write};

/// The engine as a transaction's log sees it.
pub(super) struct Replay<'a>(pub(super) &'a mut dyn EngineConnection);

impl Replayer for Replay<'_> {
    fn begin(&mut self) -> Result<(), EngineError> {
        self.0.execute("BEGIN TRANSACTION").map(|_| ())
    }

    fn rollback(&mut self) {
        if let Err(error) = self.0.execute("ROLLBACK") {
            tracing::debug!(%error, "the engine had no transaction to roll back");
        }
    }

    fn replay(&mut self, write: &Write) -> Result<u64, EngineError> {
        let (last, before) = match &write.change {
            Effect::Rows { .. } => (None, write.statements.as_slice()),
            _ => match write.statements.split_last() {
                Some((last, before)) => (Some(last), before),
                None => (None, [].as_slice()),
            },
        };
        for sql in before {
            self.0.execute(sql)?;
        }
        let mut changed = 0;
        match (&write.change, last) {
            (
                Effect::Rows {
                    schema,
                    table,
                    batches,
                },
                _,
            ) => {
                for batch in batches {
                    changed += self.0.append(schema, table, batch)?;
                }
            }
            (Effect::Answered, Some(sql)) => {
                let mut reader = self.0.query(sql, 1024)?;
                while let Some(batch) = reader.next_batch()? {
                    changed += batch.num_rows() as u64;
                }
            }
            (_, Some(sql)) => changed = self.0.execute(sql)?,
            (_, None) => {}
        }
        Ok(changed)
    }
}
