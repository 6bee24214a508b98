//! How much two texts differ.

use super::{optional_integer, plain};
use crate::functions::framework::{Argument, Bound, FunctionType, Result, ScalarFunction, Value};

pub(super) const FUNCTIONS: &[ScalarFunction] = &[
    ScalarFunction::new("sf_editdistance", 2..=3, edit_distance),
    ScalarFunction::new("sf_jarowinkler_similarity", 2..=2, jaro_winkler_similarity),
];

/// Levenshtein's distance, at most the third argument.
fn edit_distance(arguments: &[Argument]) -> Result<Bound> {
    plain(arguments, FunctionType::number(18, 0), |row| {
        let left: Vec<char> = row[0].to_text()?.chars().collect();
        let right: Vec<char> = row[1].to_text()?.chars().collect();
        let most = optional_integer(row, 2, i64::MAX)?.max(0);
        let mut previous: Vec<usize> = (0..=right.len()).collect();
        for (row_number, character) in left.iter().enumerate() {
            let mut current = vec![row_number + 1];
            for (column, other) in right.iter().enumerate() {
                let substituted = previous[column] + usize::from(character != other);
                current.push(substituted.min(previous[column + 1] + 1).min(current[column] + 1));
            }
            previous = current;
        }
        let distance = previous.last().copied().unwrap_or(0) as i64;
        Ok(Value::integer(distance.min(most)))
    })
}

/// Jaro and Winkler's similarity as a whole number from 0 to 100, blind to case.
fn jaro_winkler_similarity(arguments: &[Argument]) -> Result<Bound> {
    plain(arguments, FunctionType::number(18, 0), |row| {
        let left: Vec<char> = row[0].to_text()?.to_uppercase().chars().collect();
        let right: Vec<char> = row[1].to_text()?.to_uppercase().chars().collect();
        Ok(Value::integer((similarity(&left, &right) * 100.0) as i64))
    })
}

fn similarity(left: &[char], right: &[char]) -> f64 {
    if left.is_empty() || right.is_empty() {
        return 0.0;
    }
    let reach = (left.len().max(right.len()) / 2).saturating_sub(1);
    let mut taken = vec![false; right.len()];
    let mut left_matches = Vec::new();
    for (index, character) in left.iter().enumerate() {
        let low = index.saturating_sub(reach);
        let high = (index + reach + 1).min(right.len());
        if let Some(found) = (low..high).find(|at| !taken[*at] && right[*at] == *character) {
            taken[found] = true;
            left_matches.push(*character);
        }
    }
    if left_matches.is_empty() {
        return 0.0;
    }
    let right_matches = right
        .iter()
        .zip(&taken)
        .filter(|(_, taken)| **taken)
        .map(|(character, _)| character);
    let transposed = left_matches
        .iter()
        .zip(right_matches)
        .filter(|(one, other)| one != other)
        .count()
        / 2;
    let matches = left_matches.len() as f64;
    let jaro = (matches / left.len() as f64
        + matches / right.len() as f64
        + (matches - transposed as f64) / matches)
        / 3.0;
    let prefix = left
        .iter()
        .zip(right)
        .take(4)
        .take_while(|(one, other)| one == other)
        .count() as f64;
    jaro + prefix * 0.1 * (1.0 - jaro)
}

#[cfg(test)]
mod tests {
    use crate::functions::testing::check;

    #[test]
    fn comparing() {
        for (expression, expected) in [
            ("sf_editdistance('future', 'past')", "6"),
            ("sf_editdistance('future', 'past', 2)", "2"),
            ("sf_editdistance('', '')", "0"),
            ("sf_jarowinkler_similarity('snowflake', 'oracle')", "61"),
            ("sf_jarowinkler_similarity('Gute nacht', 'Ich weis nicht')", "56"),
            ("sf_jarowinkler_similarity('', '')", "0"),
        ] {
            check(expression, expected);
        }
    }
}
