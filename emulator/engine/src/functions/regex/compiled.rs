//! Patterns with their parameters.

use std::borrow::Cow;

use regex::{Regex, RegexBuilder};

use crate::functions::framework::{Argument, FunctionError, Result, Value};

/// A pattern, compiled once when it is constant.
pub(super) struct Pattern {
    constant: Option<Compiled>,
    parameters_at: usize,
    anchored: bool,
}

/// A compiled pattern and what its parameters say besides.
#[derive(Clone)]
pub(super) struct Compiled {
    pub(super) regex: Regex,
    /// Parameter `e`: extract a group.
    pub(super) extracts: bool,
}

impl Pattern {
    /// The pattern in argument 2 with the parameters in argument `parameters_at` (from 0).
    pub(super) fn bind(arguments: &[Argument], parameters_at: usize, anchored: bool) -> Result<Self> {
        let constant_text = |position: usize| match arguments.get(position) {
            None => Some(Cow::Borrowed("")),
            Some(argument) => match &argument.constant {
                Some(Value::Text(text)) if !argument.sql_type.is_semi_structured() => {
                    Some(Cow::Owned(text.clone().into_owned()))
                }
                _ => None,
            },
        };
        let constant = match (constant_text(1), constant_text(parameters_at)) {
            (Some(pattern), Some(parameters)) => Some(compile(&pattern, &parameters, anchored)?),
            _ => None,
        };
        Ok(Self {
            constant,
            parameters_at,
            anchored,
        })
    }

    /// The pattern of a row.
    pub(super) fn of(&self, row: &[Value<'_>]) -> Result<Cow<'_, Compiled>> {
        if let Some(compiled) = &self.constant {
            return Ok(Cow::Borrowed(compiled));
        }
        let parameters = row
            .get(self.parameters_at)
            .map_or(Ok(Cow::Borrowed("")), Value::to_text)?;
        compile(&row[1].to_text()?, &parameters, self.anchored).map(Cow::Owned)
    }
}

fn compile(pattern: &str, parameters: &str, anchored: bool) -> Result<Compiled> {
    let (mut blind, mut multi_line, mut dot_all, mut extracts) = (false, false, false, false);
    for parameter in parameters.chars() {
        match parameter {
            'c' => blind = false,
            'i' => blind = true,
            'm' => multi_line = true,
            's' => dot_all = true,
            'e' => extracts = true,
            _ => {
                return Err(FunctionError::new(
                    100_048,
                    format!(
                        "Invalid parameter value: {parameters}. Reason: Unknown regular expression parameter"
                    ),
                ));
            }
        }
    }
    let whole = if anchored {
        format!(r"\A(?:{pattern})\z")
    } else {
        pattern.to_owned()
    };
    let regex = RegexBuilder::new(&whole)
        .case_insensitive(blind)
        .multi_line(multi_line)
        .dot_matches_new_line(dot_all)
        .build()
        .map_err(|_| FunctionError::new(100_048, format!("Invalid regular expression: '{pattern}'")))?;
    Ok(Compiled { regex, extracts })
}

/// The rest of a text from a position counted in characters from 1, and where it begins in bytes.
pub(super) fn from_position(text: &str, position: i64) -> Result<Option<usize>> {
    if position < 1 {
        return Err(FunctionError::new(
            100_048,
            format!("Invalid parameter value: {position}. Reason: Position must be positive"),
        ));
    }
    let skipped = usize::try_from(position - 1).unwrap_or(usize::MAX);
    Ok(text
        .char_indices()
        .map(|(at, _)| at)
        .chain([text.len()])
        .nth(skipped))
}
