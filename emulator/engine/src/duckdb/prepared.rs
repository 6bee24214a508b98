//! A connection, with the statements that are kept on it for when they come again.
//!
//! Of a statement its syntax tree is kept, and of one that promises to mean the same each time its plan too.
//! A plan depends on the connection's settings and on nothing else ([`Repeat::Planned`]), so it goes with the
//! next statement that could set one. A syntax tree depends on nothing and stays.
//!
//! A plan of the binding borrows its connection. The borrow is made to last by keeping both here, which is
//! what the unsafe code of this file is about; no other file sees a plan.

#![allow(
    unsafe_code,
    reason = "a plan and the connection it borrows are kept together, which the borrow checker cannot express"
)]

use std::collections::HashMap;
use std::rc::Rc;

use duckdb_neo::{
    Parameters,
    connection::Connection,
    query_result::ArrowQueryResult,
    statement::{PreparedStatement, Statement},
};

use crate::{EngineColumn, Repeat};

/// Most statements that a connection keeps.
const STATEMENTS_MAX: usize = 64;

/// Longest text of a statement that is kept, in bytes: its tree takes a multiple.
const TEXT_BYTES_MAX: usize = 4096;

/// A connection and what is kept on it.
pub(super) struct Prepared {
    // Declared before the connection, and so dropped before it.
    statements: HashMap<String, Kept>,
    connection: Rc<Connection>,
    clock: u64,
}

// SAFETY: what is not `Send` here are counted references to the connection and DuckDB's handles made on it.
// All of them are inside this struct: none is handed out but for the time of a borrow of it, so they move to
// another thread together or not at all. DuckDB's handles belong to no thread, and `Connection` is `Send`.
unsafe impl Send for Prepared {}

/// A statement that came before.
pub(super) struct Kept {
    // Declared before the connection, and so dropped before it.
    plan: Plan,
    statement: Statement<'static>,
    connection: Rc<Connection>,
    used: u64,
}

/// A plan, from not being worth the work to being there.
enum Plan {
    /// The statement has not run since plans were last forgotten.
    Unseen,
    /// It has run once: the next time pays for a plan.
    Seen,
    Made(Box<Planned>),
    /// The engine makes this plan anew each time.
    Refused,
}

/// A plan that runs again as it is, and its columns.
pub(super) struct Planned {
    // Lives no longer than `Kept::connection`, which it borrows.
    statement: PreparedStatement<'static>,
    pub(super) columns: Vec<EngineColumn>,
}

impl Prepared {
    pub(super) fn new(connection: Connection) -> Self {
        Self {
            statements: HashMap::new(),
            connection: Rc::new(connection),
            clock: 0,
        }
    }

    pub(super) fn connection(&self) -> &Connection {
        &self.connection
    }

    /// Forgets all plans: a statement is about to run that may change a setting.
    pub(super) fn forget_plans(&mut self) {
        for kept in self.statements.values_mut() {
            if !matches!(kept.plan, Plan::Refused) {
                kept.plan = Plan::Unseen;
            }
        }
    }

    /// Whether statements of this text are kept; long ones are not.
    pub(super) fn keeps(sql: &str) -> bool {
        sql.len() <= TEXT_BYTES_MAX
    }

    /// The kept statement of this text, which `parse` makes the first time.
    pub(super) fn statement<E>(
        &mut self,
        sql: &str,
        parse: impl FnOnce(&Connection) -> Result<Statement<'static>, E>,
    ) -> Result<&mut Kept, E> {
        self.clock += 1;
        if !self.statements.contains_key(sql) {
            let kept = Kept {
                plan: Plan::Unseen,
                statement: parse(&self.connection)?,
                connection: Rc::clone(&self.connection),
                used: self.clock,
            };
            self.make_room();
            self.statements.insert(sql.to_owned(), kept);
        }
        let kept = self
            .statements
            .get_mut(sql)
            .expect("it was there or has just been put there");
        kept.used = self.clock;
        Ok(kept)
    }

    /// Gives up the statement unused for longest, if there are too many for another one.
    fn make_room(&mut self) {
        if self.statements.len() < STATEMENTS_MAX {
            return;
        }
        let oldest = self.statements.iter().min_by_key(|(_, kept)| kept.used);
        if let Some(oldest) = oldest.map(|(sql, _)| sql.clone()) {
            self.statements.remove(&oldest);
        }
    }
}

impl Kept {
    pub(super) fn statement(&self) -> &Statement<'static> {
        &self.statement
    }

    pub(super) fn connection(&self) -> &Connection {
        &self.connection
    }

    /// The statement's plan, if it has one that may be used.
    pub(super) fn planned(&self, repeat: Repeat) -> Option<&Planned> {
        match &self.plan {
            Plan::Made(planned) if repeat == Repeat::Planned => Some(planned),
            _ => None,
        }
    }

    /// Makes the statement's plan when it is worth it, with what `columns` gives.
    ///
    /// A statement whose plan fails has none: running it tells why.
    pub(super) fn make_plan<E>(
        &mut self,
        columns: impl FnOnce(&Connection, &Statement<'static>) -> Result<Vec<EngineColumn>, E>,
    ) -> Result<(), E> {
        self.plan = match std::mem::replace(&mut self.plan, Plan::Seen) {
            Plan::Unseen => Plan::Seen,
            Plan::Seen => {
                let columns = columns(&self.connection, &self.statement)?;
                match Planned::make(&self.connection, &self.statement, columns) {
                    Ok(planned) => Plan::Made(Box::new(planned)),
                    Err(error) => {
                        tracing::debug!(error = %error.message, "a statement's plan cannot be kept");
                        Plan::Refused
                    }
                }
            }
            other => other,
        };
        Ok(())
    }
}

impl Planned {
    fn make(
        connection: &Rc<Connection>,
        statement: &Statement<'static>,
        columns: Vec<EngineColumn>,
    ) -> duckdb_neo::Result<Self> {
        // SAFETY: the reference must not outlive the connection. It goes into the plan alone, the plan into a
        // `Kept` only, and that holds a count of the same connection, drops it after the plan, and gives
        // neither away. A counted value does not move.
        let lasting: &'static Connection = unsafe { &*Rc::as_ptr(connection) };
        let statement = statement.prepare(lasting, true)?;
        Ok(Self { statement, columns })
    }

    /// Runs the plan.
    pub(super) fn run(&self, batch_rows: usize) -> duckdb_neo::Result<ArrowQueryResult<'_>> {
        self.statement.execute_arrow(Parameters::None, Some(batch_rows))
    }
}
