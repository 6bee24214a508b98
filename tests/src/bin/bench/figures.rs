//! Samples, their medians, and the pages of the report.

use std::fmt::Write;

/// Figures of one thing, one a round.
#[derive(Clone, Debug, Default)]
pub(crate) struct Samples(Vec<f64>);

impl Samples {
    /// Adds a figure.
    pub(crate) fn push(&mut self, figure: f64) {
        self.0.push(figure);
    }

    /// Figures that were collected elsewhere.
    pub(crate) fn of(figures: impl IntoIterator<Item = f64>) -> Self {
        Self(figures.into_iter().collect())
    }

    /// The middle one; not a number when there is none.
    pub(crate) fn median(&self) -> f64 {
        self.at(0.5)
    }

    /// The one below which this share lies.
    pub(crate) fn at(&self, share: f64) -> f64 {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        let index = ((sorted.len() as f64 * share) as usize).min(sorted.len().saturating_sub(1));
        sorted.get(index).copied().unwrap_or(f64::NAN)
    }

    /// Median and range, for a table.
    pub(crate) fn show(&self, decimals: usize) -> String {
        let (low, high) = (self.at(0.0), self.at(1.0));
        format!(
            "{:.decimals$} [{low:.decimals$}–{high:.decimals$}]",
            self.median()
        )
    }
}

/// Whether a target is met.
#[derive(Clone, Debug)]
pub(crate) struct Verdict {
    /// The target in words, with the figure found.
    pub(crate) text: String,
    /// Met or not.
    pub(crate) met: bool,
}

/// One page of the report: a table and the targets it decides.
#[derive(Clone, Debug, Default)]
pub(crate) struct Page {
    title: String,
    about: String,
    header: Vec<String>,
    rows: Vec<Vec<String>>,
    verdicts: Vec<Verdict>,
}

impl Page {
    /// Begins a page.
    pub(crate) fn new(title: &str, about: &str, header: &[&str]) -> Self {
        let header = header.iter().map(|cell| (*cell).to_owned()).collect();
        Self {
            title: title.to_owned(),
            about: about.to_owned(),
            header,
            ..Self::default()
        }
    }

    /// Adds a row.
    pub(crate) fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().collect());
    }

    /// Decides a target: `found` must be at most `limit`.
    pub(crate) fn at_most(&mut self, what: &str, found: f64, limit: f64, unit: &str) {
        let text = format!("{what}: {found:.2} {unit}, at most {limit} {unit}");
        self.verdicts.push(Verdict {
            text,
            met: found <= limit,
        });
    }

    /// Decides a target: `found` must be at least `limit`.
    pub(crate) fn at_least(&mut self, what: &str, found: f64, limit: f64, unit: &str) {
        let text = format!("{what}: {found:.1} {unit}, at least {limit} {unit}");
        self.verdicts.push(Verdict {
            text,
            met: found >= limit,
        });
    }

    /// The page in Markdown.
    pub(crate) fn render(&self) -> String {
        let mut text = format!("## {}\n\n{}\n\n", self.title, self.about);
        let line = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
        text.push_str(&line(&self.header));
        let rule: Vec<String> = (0..self.header.len())
            .map(|at| if at == 0 { "---" } else { "---:" }.into())
            .collect();
        text.push_str(&line(&rule));
        for row in &self.rows {
            text.push_str(&line(row));
        }
        text.push('\n');
        for verdict in &self.verdicts {
            let mark = if verdict.met { "met" } else { "**missed**" };
            let _ = writeln!(text, "- {mark}: {}", verdict.text);
        }
        text
    }
}
