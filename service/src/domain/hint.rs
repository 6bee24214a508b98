//! What usually helps when Snowflake rejects a statement.
//!
//! One table, by Snowflake's code, else by SQLSTATE, else by words of the message. A hint names what is in force where
//! that is the question: the role, the database and schema in which names are looked for. Where a name was not found,
//! [`Wanted`] says which names can be asked for, and which of them is near.

use crate::domain::context::Context;
use crate::domain::error::{Error, Facts, Reason};
use crate::domain::names::ObjectName;
use crate::domain::statement::class::{Object, Statement};

/// What to look at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Advice {
    /// The name, the context and the role.
    Missing,
    /// The role.
    Privilege,
    /// The columns of the tables.
    Column,
    /// Nothing that is in force matters.
    Plain(&'static str),
}

/// A class of failures.
struct Class {
    /// Snowflake's codes.
    codes: &'static [&'static str],
    /// SQLSTATEs, for codes that are not listed.
    states: &'static [&'static str],
    /// Words of the message in lower case, for what has neither.
    says: &'static [&'static str],
    advice: Advice,
}

const CLASSES: &[Class] = &[
    Class {
        codes: &["002003", "002043", "002037", "002149"],
        states: &["42S02"],
        says: &[
            "does not exist or not authorized",
            "does not exist, or operation cannot be performed",
        ],
        advice: Advice::Missing,
    },
    Class {
        codes: &["000606"],
        states: &["57P03"],
        says: &["no active warehouse"],
        advice: Advice::Plain(
            "choose a warehouse: `sfctl use warehouse NAME`; `sfctl warehouse list` shows them",
        ),
    },
    Class {
        codes: &["090105"],
        states: &[],
        says: &["does not have a current database"],
        advice: Advice::Plain("choose a database: `sfctl use database NAME`, or write DATABASE.SCHEMA.NAME"),
    },
    Class {
        codes: &["090106"],
        states: &[],
        says: &["does not have a current schema"],
        advice: Advice::Plain("choose a schema: `sfctl use schema NAME`, or write SCHEMA.NAME"),
    },
    Class {
        codes: &["003001", "003041"],
        states: &["42501"],
        says: &["insufficient privileges"],
        advice: Advice::Privilege,
    },
    Class {
        codes: &["000904"],
        states: &[],
        says: &["invalid identifier"],
        advice: Advice::Column,
    },
    Class {
        codes: &["002028"],
        states: &["42702"],
        says: &["ambiguous column"],
        advice: Advice::Plain(
            "several tables have a column of this name: write TABLE.COLUMN, or ALIAS.COLUMN",
        ),
    },
    Class {
        codes: &["001003", "001005", "001007"],
        states: &["42601"],
        says: &["syntax error"],
        advice: Advice::Plain(
            "look at the place that is named and right before it: a comma, a parenthesis or a quote; a name that is a keyword needs double quotes",
        ),
    },
    Class {
        codes: &["002140", "002141"],
        states: &["42601"],
        says: &["unknown function"],
        advice: Advice::Plain(
            "look at the function's name and its arguments; one of your own needs its schema before it",
        ),
    },
    Class {
        codes: &["100038", "100039", "100046"],
        states: &["22018"],
        says: &["numeric value", "is not recognized"],
        advice: Advice::Plain(
            "a text is no number: TRY_TO_NUMBER gives NULL instead, and shows which rows with WHERE … IS NULL",
        ),
    },
    Class {
        codes: &["100035", "100040", "100108"],
        states: &["22007"],
        says: &["date '", "timestamp '", "can't parse"],
        advice: Advice::Plain(
            "a text is no date in the expected format: name the format, TO_DATE(x, 'YYYY-MM-DD'), or use TRY_TO_DATE",
        ),
    },
    Class {
        codes: &["100078", "100074"],
        states: &["22001"],
        says: &["is too long and would be truncated"],
        advice: Advice::Plain(
            "the column is shorter than the value: LEFT(x, n) cuts it, ALTER TABLE … ALTER COLUMN makes room",
        ),
    },
    Class {
        codes: &["100051"],
        states: &["22012"],
        says: &["division by zero"],
        advice: Advice::Plain("DIV0(x, y) gives 0, x / NULLIF(y, 0) gives NULL"),
    },
    Class {
        codes: &["100072", "100071"],
        states: &["23502"],
        says: &["null result in a non-nullable column"],
        advice: Advice::Plain(
            "a column that must not be NULL gets no value: name it in the statement, or give it a default",
        ),
    },
    Class {
        codes: &["000630", "000631"],
        states: &[],
        says: &["statement or warehouse timeout"],
        advice: Advice::Plain(
            "Snowflake's own limit passed: a larger warehouse, less work, or ALTER SESSION SET STATEMENT_TIMEOUT_IN_SECONDS",
        ),
    },
    Class {
        codes: &["000625", "000639", "000642"],
        states: &["40001"],
        says: &["has locked table", "waiters for this lock", "deadlock"],
        advice: Advice::Plain(
            "another transaction holds the table: SHOW LOCKS says which; wait and run it again, or end that transaction",
        ),
    },
    Class {
        codes: &["000666", "390195"],
        states: &[],
        says: &["account is suspended", "account is locked"],
        advice: Advice::Plain("the account itself is suspended: its administrator can say why"),
    },
    Class {
        codes: &["090073", "000610"],
        states: &[],
        says: &[
            "resource monitor",
            "cannot be resumed",
            "warehouse is suspended",
            "is suspended",
        ],
        advice: Advice::Plain(
            "the warehouse does not run: `sfctl warehouse resume NAME`, or choose another one; a resource monitor that used up its quota must be raised",
        ),
    },
    Class {
        codes: &["003540", "091066"],
        states: &["25006"],
        says: &["read-only", "read only", "secondary database", "shared database"],
        advice: Advice::Plain(
            "it can only be read here: a share, a replica or a read-only transaction; write where it comes from",
        ),
    },
    Class {
        codes: &["000603"],
        states: &["25P02"],
        says: &["transaction was aborted", "transaction aborted"],
        advice: Advice::Plain("Snowflake has ended the transaction: begin again with its first statement"),
    },
];

/// The class of a failure: the code decides, else the SQLSTATE, else the words.
fn class_of(facts: &Facts, message: &str) -> Option<Advice> {
    let by = |is: &dyn Fn(&Class) -> bool| CLASSES.iter().find(|class| is(class)).map(|class| class.advice);
    let code = facts.snowflake_code.as_deref();
    let state = facts.sql_state.as_deref();
    let message = message.to_lowercase();
    by(&|class| code.is_some_and(|code| class.codes.contains(&code)))
        .or_else(|| by(&|class| class.says.iter().any(|words| message.contains(words))))
        .or_else(|| by(&|class| state.is_some_and(|state| class.states.contains(&state))))
}

/// What usually helps with a rejection; `context` is what was in force, if that is known.
pub fn hint(facts: &Facts, message: &str, context: Option<&Context>) -> Option<String> {
    let name = |part: &Option<String>| {
        part.as_deref()
            .map(|stored| ObjectName::from_stored(stored).as_sql().to_owned())
    };
    let role = context
        .and_then(|context| name(&context.role))
        .map(|role| format!("role {role} is in force"));
    Some(match class_of(facts, message)? {
        Advice::Plain(text) => text.to_owned(),
        Advice::Privilege => match role {
            Some(role) => format!("{role} and may not do this: choose another with `sfctl use role NAME`, or have it granted"),
            None => "another role may be needed: `sfctl use role NAME`".to_owned(),
        },
        Advice::Missing => {
            let place = context.map(|context| match (name(&context.database), name(&context.schema)) {
                (Some(database), Some(schema)) => {
                    format!("names without a schema are looked for in {database}.{schema}")
                }
                (Some(database), None) => {
                    format!("no schema is chosen in database {database}: `sfctl use schema NAME`")
                }
                (None, _) => "no database is chosen: `sfctl use database NAME`".to_owned(),
            });
            let mut parts = vec!["look at the spelling".to_owned()];
            parts.extend(place);
            parts.push(match role {
                Some(role) => format!("{role}, and another may see it"),
                None => "another role may see it; `sfctl context` shows what is in force".to_owned(),
            });
            parts.join("; ")
        }
        Advice::Column => "look at the columns with `sfctl query \"describe table NAME\"`; a text stands in single quotes, a name in lower case in double ones".to_owned(),
    })
}

/// Gives a rejection the hint that fits what was in force.
pub fn explain(error: Error, context: &Context) -> Error {
    if error.reason() != Reason::SqlRejected {
        return error;
    }
    match hint(error.facts(), &error.to_string(), Some(context)) {
        Some(hint) => error.with_hint(hint),
        None => error,
    }
}

/// Names that may be near the one that was not found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// The name that was not found, its last part.
    name: String,
    /// Asks for names.
    pub queries: Vec<String>,
    /// The column of the answers in which they stand.
    pub column: &'static str,
}

/// Tables whose columns are asked for.
const TABLES_MAX: usize = 3;

/// Which names are to be asked for after a rejection, if that can help.
pub fn wanted(error: &Error, statements: &[Statement], context: &Context) -> Option<Wanted> {
    if error.reason() != Reason::SqlRejected {
        return None;
    }
    let message = error.to_string();
    match class_of(error.facts(), &message)? {
        Advice::Missing => missing_object(&message, context),
        Advice::Column => missing_column(&message, statements),
        Advice::Privilege | Advice::Plain(_) => None,
    }
}

/// The parts of the first name in single quotes, and the word before it.
fn quoted(message: &str) -> Option<(String, Vec<String>)> {
    let (before, behind) = message.split_once('\'')?;
    let (name, _) = behind.split_once('\'')?;
    let word = before
        .split_whitespace()
        .last()
        .unwrap_or_default()
        .to_lowercase();
    let mut parts = vec![String::new()];
    let mut in_quotes = false;
    for character in name.chars() {
        match character {
            '"' => in_quotes = !in_quotes,
            '.' if !in_quotes => parts.push(String::new()),
            _ => parts.last_mut()?.push(character),
        }
    }
    parts.iter().all(|part| !part.is_empty()).then_some((word, parts))
}

fn missing_object(message: &str, context: &Context) -> Option<Wanted> {
    let (word, parts) = quoted(message)?;
    let sql = |name: &str| ObjectName::from_stored(name).as_sql().to_owned();
    let name = parts.last()?.clone();
    let query = match (word.as_str(), parts.as_slice()) {
        ("database", _) => "SHOW TERSE DATABASES".to_owned(),
        ("schema", [database, _]) => format!("SHOW TERSE SCHEMAS IN DATABASE {}", sql(database)),
        ("schema", _) => format!(
            "SHOW TERSE SCHEMAS IN DATABASE {}",
            sql(context.database.as_deref()?)
        ),
        ("object" | "table" | "view", [database, schema, _]) => {
            format!("SHOW TERSE OBJECTS IN SCHEMA {}.{}", sql(database), sql(schema))
        }
        ("object" | "table" | "view", [schema, _]) => format!(
            "SHOW TERSE OBJECTS IN SCHEMA {}.{}",
            sql(context.database.as_deref()?),
            sql(schema)
        ),
        ("object" | "table" | "view", [_]) => format!(
            "SHOW TERSE OBJECTS IN SCHEMA {}.{}",
            sql(context.database.as_deref()?),
            sql(context.schema.as_deref()?)
        ),
        _ => return None,
    };
    Some(Wanted {
        name,
        queries: vec![query],
        column: "name",
    })
}

fn missing_column(message: &str, statements: &[Statement]) -> Option<Wanted> {
    let (_, parts) = quoted(message)?;
    let queries: Vec<String> = statements
        .iter()
        .flat_map(|statement| &statement.links)
        .flat_map(|link| link.targets.iter().chain(&link.sources))
        .filter_map(|object| match object {
            Object::Name(name) => Some(format!("DESCRIBE TABLE {name}")),
            Object::Stage(_) | Object::Dynamic => None,
        })
        .take(TABLES_MAX)
        .collect();
    (!queries.is_empty()).then_some(Wanted {
        name: parts.last()?.clone(),
        queries,
        column: "name",
    })
}

impl Wanted {
    /// Names that are near, the nearest first, at most three.
    pub fn nearest<'a>(&self, names: impl Iterator<Item = &'a str>) -> Vec<String> {
        const NAMED_MAX: usize = 3;
        let wanted = self.name.to_uppercase();
        // One slip for a short name, one more for every four letters.
        let slips = 1 + wanted.chars().count() / 4;
        let mut near: Vec<(usize, String)> = names
            .filter_map(|name| {
                let upper = name.to_uppercase();
                let distance = strsim::damerau_levenshtein(&wanted, &upper);
                let contains = wanted.len() >= 3
                    && (upper.contains(&wanted) || wanted.contains(&upper) && upper.len() >= 3);
                (distance <= slips || contains)
                    .then(|| (distance, ObjectName::from_stored(name).as_sql().to_owned()))
            })
            .collect();
        near.sort();
        near.dedup();
        near.into_iter().take(NAMED_MAX).map(|(_, name)| name).collect()
    }
}

/// A hint that names what may have been meant.
pub fn naming(hint: Option<&str>, near: &[String]) -> Option<String> {
    let meant = match near {
        [] => return hint.map(str::to_owned),
        [one] => format!("perhaps {one} is meant"),
        [first @ .., last] => format!("perhaps {} or {last} is meant", first.join(", ")),
    };
    Some(match hint {
        Some(hint) => format!("{meant}; {hint}"),
        None => meant,
    })
}

#[cfg(test)]
#[path = "hint_tests.rs"]
mod tests;
