//! The matrix of `docs/compatibility.md`, as the run found it.

use super::{CELLS, Outcome, Report};

/// Between these two lines of the page stands what is written here; the rest of it is written by hand.
pub const BEGIN: &str = "<!-- The matrix is written by the tests: see CONTRIBUTING.md. -->";
/// The line after the matrix.
pub const END: &str = "<!-- End of the matrix. -->";

/// The page with the matrix of these reports in its place; `None` when the page has no place for it.
pub fn with_matrix(page: &str, reports: &[&Report]) -> Option<String> {
    let (before, rest) = page.split_once(BEGIN)?;
    let (_, after) = rest.split_once(END)?;
    Some(format!("{before}{BEGIN}\n\n{}\n{END}{after}", matrix(reports)))
}

fn matrix(reports: &[&Report]) -> String {
    let mut reasons: Vec<String> = Vec::new();
    let mut lines = Vec::new();
    let heads = reports
        .iter()
        .map(|report| format!(" {}<br>{} |", report.client, report.version));
    lines.push(format!("| |{}", heads.collect::<String>()));
    lines.push(format!("|---|{}", ":-:|".repeat(reports.len())));
    for (place, (_, meaning)) in CELLS.iter().enumerate() {
        let marks = reports.iter().map(|report| match &report.outcomes[place] {
            Outcome::Holds => " yes |".to_owned(),
            Outcome::Differs(_) => " **differs** |".to_owned(),
            Outcome::Absent(why) => format!(" – {} |", footnote(&mut reasons, why)),
        });
        lines.push(format!("| {meaning} |{}", marks.collect::<String>()));
    }
    let mut text = lines.join("\n");
    text.push('\n');
    if !reasons.is_empty() {
        text.push_str("\nWhy a client does not do something:\n\n");
        let numbered = reasons
            .iter()
            .zip(1..)
            .map(|(why, number)| format!("{number}. {why}\n"));
        text.extend(numbered);
    }
    text
}

/// The number of a reason, the same for the same reason.
fn footnote(reasons: &mut Vec<String>, why: &str) -> usize {
    if let Some(index) = reasons.iter().position(|known| known == why) {
        return index + 1;
    }
    reasons.push(why.to_owned());
    reasons.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_matrix_stands_between_its_lines() {
        let report = |client: &str, outcome: Outcome| Report {
            client: client.to_owned(),
            version: "1".to_owned(),
            outcomes: vec![outcome; CELLS.len()],
        };
        let one = report("one", Outcome::Holds);
        let two = report("two", Outcome::Absent("it has no such call".to_owned()));
        let page = with_matrix(&format!("a\n{BEGIN}\nold\n{END}\nz\n"), &[&one, &two]).unwrap();
        assert!(page.starts_with(&format!(
            "a\n{BEGIN}\n\n| | one<br>1 | two<br>1 |\n|---|:-:|:-:|\n| log in | yes | – 1 |\n"
        )));
        assert!(page.ends_with(&format!("1. it has no such call\n\n{END}\nz\n")));
        assert!(!page.contains("old"));
        // What was written is found again.
        assert_eq!(with_matrix(&page, &[&one, &two]).as_deref(), Some(page.as_str()));
        assert_eq!(with_matrix("nothing", &[&one]), None);
    }
}
