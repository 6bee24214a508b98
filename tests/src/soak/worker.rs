//! One session's life: writes of every kind, and reads that hold the table against the ledger.

use std::time::Duration;

use anyhow::{Result, ensure};
use fastrand::Rng;
use tokio::time::{Instant, sleep};

use super::TABLE;
use super::client::{Client, Told};
use super::ledger::{Fate, Ledger};

/// What a session did.
#[derive(Debug, Default)]
pub(super) struct Done {
    pub(super) ledger: Ledger,
    /// Statements sent.
    pub(super) statements: u64,
    /// Times that the session was begun anew.
    pub(super) resets: u64,
    /// What was told of statements that did not end well, for the report.
    pub(super) complaints: Vec<String>,
}

/// A session at work.
pub(super) struct Worker {
    client: Client,
    number: i64,
    rng: Rng,
    rows: i64,
    done: Done,
}

/// Rows that one session can write.
const ROWS_MAX: i64 = 1_000_000;

impl Worker {
    /// The session with this number.
    pub(super) fn new(client: Client, number: usize, seed: u64) -> Self {
        let number = i64::try_from(number).unwrap_or(i64::MAX);
        Self {
            client,
            number,
            rng: Rng::with_seed(seed ^ number.unsigned_abs()),
            rows: 0,
            done: Done::default(),
        }
    }

    /// Works until then, and until so many statements were sent.
    pub(super) async fn work(mut self, until: Instant, statements_min: u64) -> Result<Done> {
        while Instant::now() < until || self.done.statements < statements_min {
            match self.rng.u8(0..10) {
                0..=3 => self.write().await?,
                4..=6 => self.transaction().await?,
                7 | 8 => self.submit().await?,
                _ => self.read().await?,
            }
            // A person's pace; without it the faults of a second would meet thousands of statements.
            sleep(Duration::from_millis(self.rng.u64(5..150))).await;
        }
        Ok(self.done)
    }

    /// A row that was never written before.
    fn row(&mut self) -> i64 {
        self.rows += 1;
        self.number * ROWS_MAX + self.rows
    }

    fn insert(&self, row: i64) -> String {
        format!("insert into {TABLE} values ({row}, {})", self.number)
    }

    async fn write(&mut self) -> Result<()> {
        let row = self.row();
        let told = self.client.execute(&self.insert(row)).await?;
        self.done.ledger.note(vec![row], told.fate());
        self.heard(told).await
    }

    async fn submit(&mut self) -> Result<()> {
        let row = self.row();
        let told = self.client.submit(&self.insert(row)).await?;
        self.done.ledger.note(vec![row], told.fate());
        self.heard(told).await
    }

    async fn transaction(&mut self) -> Result<()> {
        let told = self.client.begin().await?;
        if !matches!(told, Told::Done(_)) {
            return self.heard(told).await;
        }
        self.done.statements += 1;
        let mut rows = Vec::new();
        for _ in 0..self.rng.u8(1..5) {
            let row = self.row();
            rows.push(row);
            let told = self.client.execute(&self.insert(row)).await?;
            if !matches!(told, Told::Done(_)) {
                // Whatever became of the statement, the transaction is given up.
                self.done.ledger.note(rows, Fate::Absent);
                return self.heard(told).await;
            }
            self.done.statements += 1;
        }
        if self.rng.u8(0..4) == 0 {
            let told = self.client.roll_back().await?;
            // A rollback that did not arrive leaves the transaction to the end of its session.
            self.done.ledger.note(rows, Fate::Absent);
            return self.heard(told).await;
        }
        let told = self.client.commit().await?;
        self.done.ledger.note(rows, told.fate());
        self.heard(told).await
    }

    async fn read(&mut self) -> Result<()> {
        let sql = format!(
            "select row_number from {TABLE} where session_number = {}",
            self.number
        );
        let Some(found) = self.client.number(&sql).await? else {
            return self.heard(Told::NotRun("a read".to_owned())).await;
        };
        self.done.statements += 1;
        let (least, most) = self.done.ledger.bounds();
        ensure!(
            (least..=most).contains(&usize::try_from(found)?),
            "session {} sees {found} rows; {least} to {most} were written",
            self.number
        );
        Ok(())
    }

    /// Goes on after a statement; one that did not end well is followed by a new beginning, as a careful user would do.
    async fn heard(&mut self, told: Told) -> Result<()> {
        self.done.statements += 1;
        let (Told::NotRun(text) | Told::Unknown(text)) = told else {
            return Ok(());
        };
        self.done.complaints.push(text);
        loop {
            match self.client.reset().await? {
                Told::Done(_) => break,
                Told::NotRun(text) if text.starts_with("NOT_FOUND") => break,
                Told::NotRun(_) | Told::Unknown(_) => sleep(Duration::from_millis(200)).await,
            }
        }
        self.done.resets += 1;
        Ok(())
    }

    /// Ends the session.
    pub(super) async fn close(mut client: Client) -> Result<()> {
        client.close().await.map(|_| ())
    }
}
