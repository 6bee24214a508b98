//! Snowflake's official clients, unmodified, as witnesses against the emulator.
//!
//! A witness is a program of `tests/clients`, written in the client's language, that runs one cell of the matrix after
//! another and says of each whether it [holds](Outcome::Holds), [differs](Outcome::Differs) from Snowflake, or is
//! [absent](Outcome::Absent) from the client. Each has its own emulator, its own home, and an environment that is
//! installed once from pinned versions. [`report`] reads what it says, [`page`] writes the matrix.

pub mod page;
pub mod report;

use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

use crate::process::Running;
use crate::stage::Stage;
use crate::{emulator, java, node, python};

pub use report::{Outcome, Report};

/// Longest run of a witness, on a busy machine.
const WITNESS_DEADLINE: Duration = Duration::from_mins(5);

/// What every witness is asked, in the page's order: the name in its report, and what it means.
pub const CELLS: [(&str, &str); 17] = [
    ("login", "log in"),
    ("types_json", "every type over JSON"),
    ("types_arrow", "every type over Arrow"),
    ("large_result", "a result in many chunks"),
    ("binds", "bound values"),
    ("array_binds", "arrays of bound values"),
    ("asynchronous", "statements that nobody waits for"),
    ("cancel", "cancel, and time limits"),
    ("multi_statement", "several statements in one request"),
    ("transaction", "transactions"),
    ("contexts", "query contexts that go back as they came"),
    ("metadata", "descriptions and lists of objects"),
    ("everyday", "the client's own job"),
    ("files", "files into stages and out of them"),
    ("renewal", "an expired token in the middle of work"),
    ("errors", "errors with code and SQLSTATE"),
    ("close", "log out"),
];

/// A client that bears witness.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Client {
    /// The Python connector's last generation written in Python.
    Connector4,
    /// The Python connector on a Rust core.
    Connector5,
    /// The Node SDK.
    Node,
    /// The JDBC driver.
    Jdbc,
    /// ADBC, with the Go driver inside.
    Adbc,
    /// SQLAlchemy with Snowflake's dialect.
    SqlAlchemy,
    /// dbt with Snowflake's adapter.
    Dbt,
    /// Snowflake's command line.
    Cli,
}

/// All clients, in the page's order.
pub const CLIENTS: [Client; 8] = [
    Client::Connector4,
    Client::Connector5,
    Client::Node,
    Client::Jdbc,
    Client::Adbc,
    Client::SqlAlchemy,
    Client::Dbt,
    Client::Cli,
];

impl Client {
    /// What it found, asked once in this process.
    ///
    /// # Panics
    ///
    /// When it cannot be installed or does not come to its end.
    pub fn report(self) -> &'static Report {
        static REPORTS: [OnceLock<Report>; CLIENTS.len()] = [const { OnceLock::new() }; CLIENTS.len()];
        REPORTS[self as usize].get_or_init(|| self.run())
    }

    fn run(self) -> Report {
        let stage = Stage::new();
        let server = emulator::start(&stage, &["--fault-control", "--metrics"]);
        let command = self.command(&stage, &server.port.to_string());
        let ran = Running::start(command, None).wait(WITNESS_DEADLINE);
        let said = ran.to_string();
        Report::read(&ran.ok()).unwrap_or_else(|wrong| panic!("{wrong}\n{said}"))
    }

    fn command(self, stage: &Stage, port: &str) -> Command {
        let python =
            |environment, script| python::command(stage, &python::pinned(environment), script, &[port]);
        match self {
            Self::Connector4 => python("connector4", "connector.py"),
            Self::Connector5 => python("connector5", "connector.py"),
            Self::Node => node::command(stage, port),
            Self::Jdbc => java::command(stage, port),
            Self::Adbc => python("adbc", "adbc.py"),
            Self::SqlAlchemy => python("sqlalchemy", "orm.py"),
            Self::Dbt => python("dbt", "transform.py"),
            Self::Cli => python("cli", "cli.py"),
        }
    }
}
