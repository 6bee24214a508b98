//! EXPLAIN: the engine's plan of a statement as Snowflake shows plans.
//!
//! [`operators`] turns the engine's tree into one of Snowflake's operators: what only moves columns about is left
//! out, names and expressions ([`expressions`]) are Snowflake's. [`Explained::shaped`] writes it in the form that
//! was asked for. How many partitions a table has is the caller's to find out.

mod expressions;
mod operators;
mod render;

pub use render::columns;

use std::collections::BTreeMap;

use snowflake_emulator_engine::PlanNode;

use crate::catalog::names::ObjectPath;

/// Rows in a partition: as many as the engine keeps together and leaves out together.
pub const PARTITION_ROWS: u64 = 122_880;

/// What a statement means besides its plan.
#[derive(Clone, Debug, Default)]
pub struct Meaning {
    /// Names of the columns that the statement answers with.
    pub columns: Vec<String>,
    /// It changes a table, and answers with counts.
    pub changes: bool,
    /// Name of the table that it changes.
    pub target: Option<ObjectPath>,
    /// The tables that its text names.
    pub tables: Vec<ObjectPath>,
    /// The aliases that its text gives to tables, for each place where one stands.
    pub aliases: BTreeMap<ObjectPath, Vec<Option<String>>>,
}

/// A plan in Snowflake's terms.
#[derive(Clone, Debug)]
pub struct Explained {
    root: Operator,
}

/// One operator.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Operator {
    name: String,
    object: Option<Object>,
    alias: Option<String>,
    expressions: Vec<String>,
    children: Vec<Operator>,
}

/// A table that an operator is about.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Object {
    path: ObjectPath,
    /// None for a table that is written.
    scan: Option<Scan>,
}

/// What is read of a table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Scan {
    partitions: u64,
    /// The engine knows that no row fits.
    reads_nothing: bool,
}

impl Scan {
    fn assigned(&self) -> u64 {
        if self.reads_nothing { 0 } else { self.partitions }
    }
}

impl Explained {
    /// Reads the engine's plan of a statement.
    pub fn new(plan: &PlanNode, meaning: &Meaning) -> Self {
        Self {
            root: operators::read(plan, meaning),
        }
    }

    /// The tables that are read, each once.
    pub fn tables(&self) -> Vec<ObjectPath> {
        let mut found = Vec::new();
        self.root.visit(&mut |operator| {
            if let Some(object) = &operator.object
                && object.scan.is_some()
                && !found.contains(&object.path)
            {
                found.push(object.path.clone());
            }
        });
        found
    }

    /// Takes the numbers of rows of tables.
    pub fn count(&mut self, rows: &BTreeMap<ObjectPath, u64>) {
        self.root.count(rows);
    }
}

impl Operator {
    fn visit(&self, see: &mut impl FnMut(&Self)) {
        see(self);
        for child in &self.children {
            child.visit(see);
        }
    }

    fn count(&mut self, rows: &BTreeMap<ObjectPath, u64>) {
        if let Some(object) = &mut self.object
            && let Some(scan) = &mut object.scan
        {
            let rows = rows.get(&object.path).copied().unwrap_or(0);
            scan.partitions = rows.div_ceil(PARTITION_ROWS);
        }
        for child in &mut self.children {
            child.count(rows);
        }
    }
}
