//! Date functions whose first argument is a word: `DATEADD(day, ..)`, `EXTRACT(year FROM ..)`.

use sqlparser::ast::Expr;

use super::super::build::{call, literal_text, text, word};
use super::super::expressions::Work;
use super::super::parts::{addable, extractable};
use super::super::refuse::compilation;
use super::{Call, part_argument};
use crate::contract::SqlError;

/// Lowers a date function; `None` when it is none of these.
pub(super) fn lower(function: &mut Call, _work: &mut Work<'_>) -> Result<Option<Expr>, SqlError> {
    let name = function.name.clone();
    Ok(Some(match name.as_str() {
        "DATEADD" | "TIMEADD" | "TIMESTAMPADD" => three(function, "sf_dateadd")?,
        "DATEDIFF" | "TIMEDIFF" | "TIMESTAMPDIFF" => three(function, "sf_datediff")?,
        "DATE_TRUNC" => {
            let [part, value] = function.exactly()?;
            // Snowflake takes the two arguments in either order.
            if word(&part).as_deref().and_then(addable).is_some() {
                call(
                    "sf_date_trunc",
                    vec![part_argument(&name, &part, addable)?, value],
                )
            } else {
                call(
                    "sf_date_trunc",
                    vec![part_argument(&name, &value, addable)?, part],
                )
            }
        }
        "TRUNC" => match function.args.as_slice() {
            [_, part] if literal_text(part).is_some() => {
                let [value, part] = function.exactly()?;
                call(
                    "sf_date_trunc",
                    vec![part_argument(&name, &part, addable)?, value],
                )
            }
            _ => {
                function.expect(1, 2)?;
                call("sf_trunc", std::mem::take(&mut function.args))
            }
        },
        "DATE_PART" | "DATEPART" => {
            let [part, value] = function.exactly()?;
            let part = part_argument(&name, &part, extractable)?;
            call("sf_date_part", vec![part, value])
        }
        "LAST_DAY" => {
            function.expect(1, 2)?;
            let mut args = std::mem::take(&mut function.args);
            let part = match args.get(1) {
                Some(part) => part_argument(&name, part, addable)?,
                None => text("month"),
            };
            args.truncate(1);
            args.push(part);
            call("sf_last_day", args)
        }
        "TIME_SLICE" => {
            function.expect(3, 4)?;
            let mut args = std::mem::take(&mut function.args);
            args[2] = part_argument(&name, &args[2], addable)?;
            call("sf_time_slice", args)
        }
        "YEAR" | "QUARTER" | "MONTH" | "WEEK" | "DAY" | "HOUR" | "MINUTE" | "SECOND" | "DAYOFMONTH"
        | "DAYOFWEEK" | "DAYOFWEEKISO" | "DAYOFYEAR" | "WEEKOFYEAR" | "WEEKISO" | "YEAROFWEEK"
        | "YEAROFWEEKISO" => {
            let [value] = function.exactly()?;
            extract(&name, value)?
        }
        _ => return Ok(None),
    }))
}

/// `EXTRACT(part FROM value)`.
pub(super) fn extract(part: &str, value: Expr) -> Result<Expr, SqlError> {
    let part = extractable(part.trim_matches('"')).ok_or_else(|| {
        compilation(
            "001035",
            "22023",
            &format!("{part} is not a valid date/time component for function EXTRACT."),
        )
    })?;
    Ok(call("sf_date_part", vec![text(part), value]))
}

fn three(function: &mut Call, engine: &str) -> Result<Expr, SqlError> {
    let name = function.name.clone();
    let [part, second, third] = function.exactly()?;
    Ok(call(
        engine,
        vec![part_argument(&name, &part, addable)?, second, third],
    ))
}

#[cfg(test)]
mod tests {
    use super::super::super::check::{check, lowered};

    #[test]
    fn parts_are_normalised() {
        check(
            lowered,
            &[
                (
                    "select dateadd(mons, 2, a) b",
                    r#"SELECT sf_dateadd('month', 2, "A") AS "B""#,
                ),
                (
                    "select datediff('hh', a, b) c",
                    r#"SELECT sf_datediff('hour', "A", "B") AS "C""#,
                ),
                (
                    "select date_trunc('MONTH', a) b, trunc(a, 'year') c, trunc(a, 2) d",
                    r#"SELECT sf_date_trunc('month', "A") AS "B", sf_date_trunc('year', "A") AS "C", sf_trunc("A", 2) AS "D""#,
                ),
                (
                    "select extract(year from a) b, year(a) c, date_part(epoch_second, a) d",
                    r#"SELECT sf_date_part('year', "A") AS "B", sf_date_part('year', "A") AS "C", sf_date_part('epoch_second', "A") AS "D""#,
                ),
                (
                    "select last_day(a) b",
                    r#"SELECT sf_last_day("A", 'month') AS "B""#,
                ),
                (
                    "select dateadd(fortnight, 2, a) b",
                    "001035 22023: SQL compilation error: \"FORTNIGHT\" is not a valid date/time component for function DATEADD.",
                ),
            ],
        );
    }
}
