//! What a witness says: one line of JSON for itself, and one for each cell.

use serde_json::Value;

use super::CELLS;

/// What a witness found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// The client's package.
    pub client: String,
    /// Its version.
    pub version: String,
    /// One outcome for each of [`CELLS`], in their order.
    pub outcomes: Vec<Outcome>,
}

/// How a cell came out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// As with Snowflake.
    Holds,
    /// The client does not do this, for the reason given.
    Absent(String),
    /// Not as with Snowflake: what the client met.
    Differs(String),
}

impl Report {
    /// Reads a witness's output; every cell must be there once, and nothing else.
    pub fn read(output: &str) -> Result<Self, String> {
        let mut lines = output.lines().filter(|line| !line.trim().is_empty()).map(|line| {
            serde_json::from_str::<Value>(line)
                .map_err(|error| format!("not a line of a report: {line} ({error})"))
        });
        let first = lines.next().ok_or("the report is empty")??;
        let text = |value: &Value, key: &str| {
            let found = value[key].as_str().map(str::to_owned);
            found.ok_or_else(|| format!("a line without {key}: {value}"))
        };
        let mut found: Vec<Option<Outcome>> = vec![None; CELLS.len()];
        for line in lines {
            let line = line?;
            let cell = text(&line, "cell")?;
            let place = CELLS
                .iter()
                .position(|(name, _)| *name == cell)
                .ok_or_else(|| format!("there is no cell {cell}"))?;
            let outcome = match line["outcome"].as_str() {
                Some("holds") => Outcome::Holds,
                Some("absent") => Outcome::Absent(text(&line, "why")?),
                Some("differs") => Outcome::Differs(text(&line, "why")?),
                _ => return Err(format!("a cell without outcome: {line}")),
            };
            if found[place].replace(outcome).is_some() {
                return Err(format!("the cell {cell} is there twice"));
            }
        }
        let outcomes = found
            .into_iter()
            .zip(CELLS)
            .map(|(outcome, (cell, _))| outcome.ok_or_else(|| format!("the cell {cell} is missing")));
        Ok(Self {
            client: text(&first, "client")?,
            version: text(&first, "version")?,
            outcomes: outcomes.collect::<Result<_, _>>()?,
        })
    }

    /// What differs, a paragraph for each cell.
    pub fn differences(&self) -> String {
        let cells = self.outcomes.iter().zip(CELLS);
        let differences = cells.filter_map(|(outcome, (cell, _))| match outcome {
            Outcome::Differs(why) => Some(format!("{cell}: {why}")),
            Outcome::Holds | Outcome::Absent(_) => None,
        });
        differences.collect::<Vec<_>>().join("\n\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(change: impl Fn(&str) -> Vec<String>) -> String {
        let mut lines = vec![r#"{"client": "c", "version": "1"}"#.to_owned()];
        lines.extend(CELLS.iter().flat_map(|(cell, _)| change(cell)));
        lines.join("\n")
    }

    fn held(cell: &str) -> String {
        format!(r#"{{"cell": "{cell}", "outcome": "holds"}}"#)
    }

    #[test]
    fn every_cell_is_there_once() {
        let read = |change: &dyn Fn(&str) -> Vec<String>| Report::read(&lines(change));
        let whole = read(&|cell| vec![held(cell)]).unwrap();
        assert!(whole.outcomes.iter().all(|outcome| *outcome == Outcome::Holds));
        assert_eq!(whole.differences(), "");
        let missing = read(&|cell| if cell == "login" { vec![] } else { vec![held(cell)] });
        assert_eq!(missing.unwrap_err(), "the cell login is missing");
        let twice = read(&|cell| vec![held(cell), held(cell)]);
        assert_eq!(twice.unwrap_err(), "the cell login is there twice");
        let unknown = read(&|cell| vec![held(cell), held("dance")]);
        assert_eq!(unknown.unwrap_err(), "there is no cell dance");
        assert!(Report::read("noise").is_err());
        let differs = read(&|cell| {
            vec![format!(
                r#"{{"cell": "{cell}", "outcome": "differs", "why": "w"}}"#
            )]
        });
        assert!(differs.unwrap().differences().starts_with("login: w\n\n"));
    }
}
