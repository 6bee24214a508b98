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

    /// The same figures in another unit.
    pub(crate) fn map(&self, convert: impl Fn(f64) -> f64) -> Self {
        Self::of(self.0.iter().copied().map(convert))
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

/// How many times slower this run's machine is than the quiet one for which the limits in seconds are set.
///
/// A machine whose processors somebody else uses too makes every peer slower; ratios within the run stay right, figures
/// in seconds do not. A faster machine counts as the quiet one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace(f64);

impl Default for Pace {
    fn default() -> Self {
        Self(1.0)
    }
}

impl Pace {
    /// From what a peer takes now and what it takes on the quiet machine.
    pub(crate) fn of(now: f64, quiet: f64) -> Self {
        Self((now / quiet).max(1.0))
    }

    /// The figure as it would be on the quiet machine.
    fn quiet(self, figure: f64, unit: &str) -> f64 {
        match unit {
            "ms" | "s" => figure / self.0,
            rate if rate.ends_with("/s") => figure * self.0,
            _ => figure,
        }
    }
}

/// Whether a target is met.
#[derive(Clone, Copy, Debug)]
enum Verdict {
    Met,
    /// Met once the machine's pace is taken out.
    MetAtQuietPace,
    Missed,
}

impl Verdict {
    fn of(here: bool, quiet: bool) -> Self {
        match (here, quiet) {
            (true, _) => Self::Met,
            (false, true) => Self::MetAtQuietPace,
            (false, false) => Self::Missed,
        }
    }

    fn words(self) -> &'static str {
        match self {
            Self::Met => "met",
            Self::MetAtQuietPace => "met at the quiet machine's pace",
            Self::Missed => "**missed**",
        }
    }
}

/// One page of the report: a table and the targets it decides.
#[derive(Clone, Debug, Default)]
pub(crate) struct Page {
    title: String,
    about: String,
    header: Vec<String>,
    rows: Vec<Vec<String>>,
    /// Verdicts, each with the target in words and the figure found.
    verdicts: Vec<(Verdict, String)>,
    pace: Pace,
}

impl Page {
    /// Begins a page of a run at this pace.
    pub(crate) fn new(pace: Pace, title: &str, about: &str, header: &[&str]) -> Self {
        let header = header.iter().map(|cell| (*cell).to_owned()).collect();
        Self {
            title: title.to_owned(),
            about: about.to_owned(),
            header,
            pace,
            ..Self::default()
        }
    }

    /// Adds a row.
    pub(crate) fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().collect());
    }

    /// Decides a target: `found` must be at most `limit`.
    pub(crate) fn at_most(&mut self, what: &str, found: f64, limit: f64, unit: &str) {
        let quiet = self.pace.quiet(found, unit);
        let text = format!(
            "{what}: {found:.2} {unit}{}, at most {limit} {unit}",
            beside(found, quiet, unit)
        );
        self.verdicts
            .push((Verdict::of(found <= limit, quiet <= limit), text));
    }

    /// Decides a target: `found` must be at least `limit`.
    pub(crate) fn at_least(&mut self, what: &str, found: f64, limit: f64, unit: &str) {
        let quiet = self.pace.quiet(found, unit);
        let text = format!(
            "{what}: {found:.1} {unit}{}, at least {limit} {unit}",
            beside(found, quiet, unit)
        );
        self.verdicts
            .push((Verdict::of(found >= limit, quiet >= limit), text));
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
        for (verdict, what) in &self.verdicts {
            let _ = writeln!(text, "- {}: {what}", verdict.words());
        }
        text
    }
}

/// The figure on the quiet machine, where it differs.
fn beside(found: f64, quiet: f64, unit: &str) -> String {
    if (found - quiet).abs() < f64::EPSILON {
        String::new()
    } else {
        format!(" (at the quiet machine's pace {quiet:.2} {unit})")
    }
}
