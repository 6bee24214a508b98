//! Function calls: which engine function stands for which of Snowflake's.
//!
//! A name is looked for in four places: the session's functions, aggregates and windows, calls with a form
//! of their own ([`forms`]), and the tables of plain calls ([`table`]). What is in none of them is refused;
//! no name reaches the engine because it happens to exist there.

mod aggregates;
mod dates;
mod forms;
mod refused;
mod table;
mod text;
mod windows;

use sqlparser::ast::{
    CeilFloorKind, DateTimeField, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments,
    ObjectName, ObjectNamePart, TrimWhereField,
};

use super::build::{call, null, raw, text as literal};
use super::expressions::Work;
use super::refuse::{argument_count, invalid_identifier, unknown_function, unsupported};
use super::{lambdas, session_functions};
use crate::catalog::names;
use crate::contract::SqlError;

/// A call whose arguments are lowered already.
pub(super) struct Call {
    /// Name in upper case.
    pub(super) name: String,
    /// Positional arguments.
    pub(super) args: Vec<Expr>,
    /// The whole call, without its arguments.
    pub(super) function: Function,
}

impl Call {
    /// The call's arguments, which must be `N`.
    fn exactly<const N: usize>(&mut self) -> Result<[Expr; N], SqlError> {
        let args = std::mem::take(&mut self.args);
        let got = args.len();
        <[Expr; N]>::try_from(args).map_err(|_| argument_count(&self.name, N, got))
    }

    /// Fails unless the number of arguments is in the range.
    fn expect(&self, least: usize, most: usize) -> Result<(), SqlError> {
        match self.args.len() {
            got if got < least => Err(argument_count(&self.name, least, got)),
            got if got > most => Err(argument_count(&self.name, most, got)),
            _ => Ok(()),
        }
    }

    fn has_window_or_filter(&self) -> bool {
        self.function.over.is_some()
            || self.function.filter.is_some()
            || !self.function.within_group.is_empty()
    }
}

/// Lowers a call or one of the forms with a syntax of their own.
pub(super) fn apply(expr: &mut Expr, work: &mut Work<'_>) -> Result<(), SqlError> {
    let operand = |expr: &mut Box<Expr>| std::mem::replace(&mut **expr, null());
    let lowered = match expr {
        Expr::Function(function) => match windows::frame(function).and_then(|()| read(function))? {
            Some(call) => lower_call(call, work)?,
            None => return Ok(()),
        },
        Expr::Extract { field, expr, .. } => dates::extract(&field.to_string(), operand(expr))?,
        Expr::Ceil { expr, field } => rounding("ceil", operand(expr), field)?,
        Expr::Floor { expr, field } => rounding("floor", operand(expr), field)?,
        Expr::Position { expr, r#in } => call("sf_charindex", vec![operand(expr), operand(r#in)]),
        Expr::Substring {
            expr,
            substring_from,
            substring_for,
            ..
        } => {
            let mut args = vec![operand(expr)];
            args.extend(substring_from.take().map(|from| *from));
            args.extend(substring_for.take().map(|length| *length));
            text::substr(args)?
        }
        Expr::Trim {
            expr,
            trim_where,
            trim_what,
            trim_characters,
        } => {
            let name = match trim_where {
                Some(TrimWhereField::Leading) => "ltrim",
                Some(TrimWhereField::Trailing) => "rtrim",
                _ => "trim",
            };
            let mut args = vec![operand(expr)];
            args.extend(trim_what.take().map(|what| *what));
            args.extend(trim_characters.take().unwrap_or_default());
            text::trim(name, args)
        }
        Expr::Overlay { .. } => return Err(unknown_function("OVERLAY")),
        _ => return Ok(()),
    };
    *expr = lowered;
    Ok(())
}

fn rounding(name: &str, value: Expr, field: &CeilFloorKind) -> Result<Expr, SqlError> {
    let name = format!("sf_{name}");
    match field {
        CeilFloorKind::DateTimeField(DateTimeField::NoDateTime) => Ok(call(&name, vec![value])),
        CeilFloorKind::Scale(scale) => Ok(call(&name, vec![value, Expr::Value(scale.clone())])),
        CeilFloorKind::DateTimeField(_) => Err(unsupported("CEIL or FLOOR TO")),
    }
}

/// The parts of a call; `None` when an earlier rewrite made it.
fn read(function: &mut Function) -> Result<Option<Call>, SqlError> {
    let [ObjectNamePart::Identifier(ident)] = function.name.0.as_slice() else {
        return Err(unknown_function(&function.name.to_string().replace('"', "")));
    };
    if ident.quote_style.is_none() {
        return Ok(None);
    }
    let name = ident.value.clone();
    let mut args = Vec::new();
    if let FunctionArguments::List(list) = &mut function.args {
        let star = matches!(
            list.args.as_slice(),
            [FunctionArg::Unnamed(FunctionArgExpr::Wildcard)]
        );
        if star && name != "COUNT" {
            return Err(unsupported(&format!("{name}(*)")));
        }
        if !star {
            for argument in std::mem::take(&mut list.args) {
                match argument {
                    FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => args.push(expr),
                    FunctionArg::Unnamed(
                        FunctionArgExpr::QualifiedWildcard(_)
                        | FunctionArgExpr::Wildcard
                        | FunctionArgExpr::WildcardWithOptions(_),
                    ) => {
                        return Err(unsupported(&format!("{name}(*)")));
                    }
                    FunctionArg::Named { .. } | FunctionArg::ExprNamed { .. } => {
                        return Err(unsupported(&format!("named arguments of {name}")));
                    }
                }
            }
        }
    } else if let FunctionArguments::Subquery(query) = &function.args {
        args.push(Expr::Subquery(query.clone()));
        function.args = FunctionArguments::None;
    }
    Ok(Some(Call {
        name,
        args,
        function: function.clone(),
    }))
}

fn lower_call(mut call: Call, work: &mut Work<'_>) -> Result<Expr, SqlError> {
    if let Some(value) = session_functions::value(&call.name, &call.args, work)? {
        return Ok(value);
    }
    if let Some(window) = windows::lower(&mut call)? {
        return Ok(window);
    }
    if let Some(aggregate) = aggregates::lower(&mut call, work)? {
        return Ok(aggregate);
    }
    if call.has_window_or_filter() {
        return Err(unsupported(&format!("{} as a window function", call.name)));
    }
    if let Some(lowered) = lambdas::lower(&call.name, &mut call.args)? {
        return Ok(lowered);
    }
    if let Some(form) = dates::lower(&mut call, work)? {
        return Ok(form);
    }
    if let Some(form) = forms::lower(&mut call, work)? {
        return Ok(form);
    }
    if let Some(form) = text::lower(&mut call)? {
        return Ok(form);
    }
    table::lower(call)
}

/// `sequence.NEXTVAL`.
pub(super) fn sequence_value(expr: &mut Expr, work: &mut Work<'_>) -> Result<(), SqlError> {
    let Expr::CompoundIdentifier(parts) = expr else {
        return Ok(());
    };
    let Some((last, name)) = parts.split_last() else {
        return Ok(());
    };
    if last.value != "NEXTVAL" {
        return Ok(());
    }
    if name.is_empty() {
        return Err(invalid_identifier("NEXTVAL"));
    }
    let name = ObjectName(name.iter().cloned().map(ObjectNamePart::Identifier).collect());
    let path = work.scope.names.object(&name, "SELECT")?;
    *expr = raw(format!("nextval({})", names::literal(&path.physical())));
    work.sequences.push(path);
    Ok(())
}

/// A date part given as a word or as text, normalised by `normalise`.
fn part_argument(
    call: &str,
    argument: &Expr,
    normalise: impl Fn(&str) -> Option<&'static str>,
) -> Result<Expr, SqlError> {
    super::build::word(argument)
        .as_deref()
        .and_then(normalise)
        .map(literal)
        .ok_or_else(|| {
            super::refuse::compilation(
                "001035",
                "22023",
                &format!("{argument} is not a valid date/time component for function {call}."),
            )
        })
}
