//! The replay against a model: whatever the order of writes, errors and other sessions' commits, the
//! rows are those of a database that undoes failed statements only.

use std::collections::BTreeMap;

use snowflake_emulator_engine::EngineErrorKind;

use super::*;
use crate::catalog::names::Name;

type Tables = BTreeMap<ObjectPath, Vec<i64>>;

fn table(name: &str) -> ObjectPath {
    ObjectPath::new(Name::exact("D"), Name::exact("S"), Name::exact(name))
}

/// An engine with snapshots and without savepoints, whose statements are words.
#[derive(Default)]
struct FakeEngine {
    committed: Tables,
    open: Option<Tables>,
    broken: bool,
}

impl FakeEngine {
    fn run(&mut self, sql: &str) -> Result<u64, EngineError> {
        assert!(!self.broken, "a statement in a broken transaction");
        let tables = self.open.as_mut().expect("a transaction is open");
        let changed = apply(tables, sql);
        self.broken = changed.is_none();
        changed.ok_or_else(failure)
    }

    fn commit(&mut self) {
        assert!(!self.broken, "a commit of a broken transaction");
        self.committed = self.open.take().expect("a transaction is open");
    }
}

/// `insert T n`, `delete T n` (values at most n), `copy T U` (all of U into T), anything else fails.
fn apply(tables: &mut Tables, sql: &str) -> Option<u64> {
    let words: Vec<&str> = sql.split(' ').collect();
    match words.as_slice() {
        ["insert", to, value] => {
            tables.entry(table(to)).or_default().push(value.parse().ok()?);
            Some(1)
        }
        ["delete", from, most] => {
            let most: i64 = most.parse().ok()?;
            let rows = tables.entry(table(from)).or_default();
            let before = rows.len();
            rows.retain(|value| *value > most);
            Some((before - rows.len()) as u64)
        }
        ["copy", to, from] => {
            let rows = tables.entry(table(from)).or_default().clone();
            tables.entry(table(to)).or_default().extend(&rows);
            Some(rows.len() as u64)
        }
        _ => None,
    }
}

fn failure() -> EngineError {
    EngineError {
        kind: EngineErrorKind::Conversion,
        message: "no number".to_owned(),
        position: None,
        code: None,
    }
}

impl Replayer for FakeEngine {
    fn begin(&mut self) -> Result<(), EngineError> {
        assert!(self.open.is_none(), "begin in a transaction");
        self.open = Some(self.committed.clone());
        Ok(())
    }

    fn rollback(&mut self) {
        self.open = None;
        self.broken = false;
    }

    fn replay(&mut self, write: &Write) -> Result<u64, EngineError> {
        let mut changed = 0;
        for sql in &write.statements {
            changed = self.run(sql)?;
        }
        Ok(changed)
    }
}

fn write(sql: &str, changed: u64) -> Write {
    let words: Vec<&str> = sql.split(' ').collect();
    let reads = match words[0] {
        "copy" => BTreeSet::from([table(words[2])]),
        "delete" => BTreeSet::from([table(words[1])]),
        _ => BTreeSet::new(),
    };
    Write {
        statements: vec![sql.to_owned()],
        change: Effect::Counted,
        changed,
        reads,
        target: table(words[1]),
    }
}

/// A small generator of numbers, so that a failing case can be run again.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % sides
    }

    /// A write of A or B, which may read A, B or, if `others`, C.
    fn statement(&mut self, others: bool) -> String {
        let to = ["A", "B"][self.roll(2) as usize];
        let from = ["A", "B", "C"][self.roll(if others { 3 } else { 2 }) as usize];
        match self.roll(4) {
            0 | 1 => format!("insert {to} {}", self.roll(10)),
            2 => format!("delete {to} {}", self.roll(5)),
            _ => format!("copy {to} {from}"),
        }
    }
}

/// One transaction of random statements and failures, with others who write C if `others`; true when it
/// came to its end.
fn one_transaction(seed: u64, others: bool) -> bool {
    let mut dice = Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let (mut engine, versions) = (FakeEngine::default(), Versions::default());
    for start in ["insert A 1", "insert B 2", "insert B 7", "insert C 3"] {
        apply(&mut engine.committed, start);
    }
    let mut model = engine.committed.clone();
    let mut transaction = Transaction::begin(1, &mut engine, &versions).unwrap();
    for _ in 0..25 {
        match dice.roll(6) {
            0 => {
                engine.run("fail").unwrap_err();
                if transaction.restore(&mut engine, &versions).is_err() {
                    assert!(engine.open.is_none(), "seed {seed}: a lost transaction is open");
                    return false;
                }
                // What others have committed is visible now; what this transaction wrote is as it was.
                model.insert(table("C"), engine.committed[&table("C")].clone());
            }
            1 if others => {
                apply(&mut engine.committed, &format!("insert C {}", dice.roll(9)));
                versions.committed([&table("C")]);
            }
            _ => {
                let sql = dice.statement(others);
                let changed = engine.run(&sql).unwrap();
                assert_eq!(Some(changed), apply(&mut model, &sql), "seed {seed}: {sql}");
                transaction.record(write(&sql, changed));
            }
        }
        let mut expected = model.clone();
        expected.entry(table("A")).or_default();
        expected.entry(table("B")).or_default();
        assert_eq!(engine.open.as_ref().unwrap(), &expected, "seed {seed}");
    }
    engine.commit();
    true
}

#[test]
fn failed_statements_undo_themselves_only() {
    assert!((0..2000).all(|seed| one_transaction(seed, false)));
}

#[test]
fn commits_of_others_lose_a_transaction_or_leave_its_rows() {
    let finished = (0..2000).filter(|seed| one_transaction(*seed, true)).count();
    // Both ends must have been seen, or the test says nothing.
    assert!(
        (100..1900).contains(&finished),
        "{finished} of 2000 came to their end"
    );
}

#[test]
fn a_refresh_shows_what_others_committed() {
    let (mut engine, versions) = (FakeEngine::default(), Versions::default());
    let mut transaction = Transaction::begin(1, &mut engine, &versions).unwrap();
    apply(&mut engine.committed, "insert A 5");
    versions.committed([&table("A")]);
    transaction
        .refresh(&mut engine, &versions, &BTreeSet::from([table("A")]), false)
        .unwrap();
    assert_eq!(engine.open.as_ref().unwrap()[&table("A")], [5]);

    let changed = engine.run("insert B 1").unwrap();
    transaction.record(write("insert B 1", changed));
    apply(&mut engine.committed, "insert A 6");
    versions.committed([&table("A")]);
    transaction
        .refresh(&mut engine, &versions, &BTreeSet::from([table("A")]), false)
        .unwrap();
    assert_eq!(engine.open.as_ref().unwrap()[&table("A")], [5, 6]);
    assert_eq!(engine.open.as_ref().unwrap()[&table("B")], [1]);
}

#[test]
fn a_log_that_is_too_long_loses_the_transaction_at_the_first_error() {
    let (mut engine, versions) = (FakeEngine::default(), Versions::default());
    let mut transaction = Transaction::begin(1, &mut engine, &versions).unwrap();
    let mut huge = write("insert A 1", 1);
    huge.statements[0] = "x".repeat(LOG_BYTES_MAX + 1);
    transaction.record(huge);
    let error = transaction.restore(&mut engine, &versions).unwrap_err();
    assert_eq!(error.sql_state, "40001");
}
