//! A function as the engine wants it.

use std::panic::{AssertUnwindSafe, catch_unwind};

use duckdb_neo::{
    DuckDBType, Error,
    bind_arguments::BindArguments,
    connection::{Connection, Context},
    data_chunk::VectorCollection,
    enums::{FunctionProperty, FunctionPropertyStability},
    logical_type::LogicalType,
    scalar::{ScalarBindCallbacks, ScalarCallbacks, ScalarFunctionBuilder, ScalarResolveTypesCallbacks},
    signature::{FunctionParameter, FunctionParameterKind, SignatureBuilder},
    types::Any,
    vector::{Unknown, Vector},
};

use super::{
    Argument, Bind, Bound, Call, FunctionError, FunctionType, JudgedColumn, Nulls, NumberColumns,
    ScalarFunction, Settings, Stability, Value,
    input::{self, Column, Shape},
    output,
};
use crate::duckdb::{function_type, logical_type};

/// Makes a function known to all connections of the connection's database.
pub(crate) fn register(connection: &Connection, function: &'static ScalarFunction) -> duckdb_neo::Result<()> {
    let mut signature = SignatureBuilder::new().return_type(Any::logical_type(connection)?);
    for position in 0..*function.arguments.start() {
        let parameter = FunctionParameter::new::<Any>(format!("argument_{}", position + 1));
        signature = signature.param(parameter.kind(FunctionParameterKind::PositionalOnly));
    }
    if function.arguments.end() > function.arguments.start() {
        signature = signature.param(FunctionParameter::vararg::<Any>("more"));
    }
    let stability = match function.stability {
        Stability::Consistent => FunctionPropertyStability::Consistent,
        Stability::Volatile => FunctionPropertyStability::Volatile,
    };
    ScalarFunctionBuilder::new(function.name, signature, Adapter { function })
        .set_property(FunctionProperty::Stability(stability))
        .set_property(FunctionProperty::HasSpecialNullHandling(true))
        .with_resolve_types()
        .with_bind()
        .register(connection)
}

/// Carries one of our errors through the engine's.
pub(crate) fn engine_error(error: &FunctionError) -> Error {
    Error::invalid_input(error.to_engine_text())
}

struct Adapter {
    function: &'static ScalarFunction,
}

impl Adapter {
    fn bind_call(&self, context: &Context, call: &BindArguments<'_>) -> duckdb_neo::Result<BoundCall> {
        let count = call.len()?;
        let expected = &self.function.arguments;
        if !expected.contains(&count) {
            let nearest = count.clamp(*expected.start(), *expected.end());
            return Err(engine_error(&FunctionError::argument_count(
                self.function.name,
                nearest,
                count,
            )));
        }
        let mut shapes = Vec::with_capacity(count);
        let arguments = (0..count)
            .map(|index| {
                let logical_type = call.logical_type(index)?;
                shapes.push(Shape::of(&logical_type)?);
                let sql_type = function_type(&logical_type)?;
                let constant = match call.value(index)? {
                    Some(value) => input::constant(&value)?,
                    None => None,
                };
                Ok(Argument { sql_type, constant })
            })
            .collect::<duckdb_neo::Result<Vec<_>>>()?;
        if arguments
            .iter()
            .any(|argument| matches!(argument.sql_type, FunctionType::Foreign(_)))
        {
            let types: Vec<_> = arguments.iter().map(|argument| &argument.sql_type).collect();
            let refusal = FunctionError::argument_types(self.function.name, &types);
            return Err(engine_error(&refusal));
        }
        // A panic that reaches the engine would close the database.
        let bound = catch_unwind(AssertUnwindSafe(|| match self.function.bind {
            Bind::Arguments(bind) => bind(&arguments),
            Bind::Session(bind) => bind(&arguments, Settings::new(context)),
        }))
        .unwrap_or_else(|_| Err(self.panicked()));
        Ok(BoundCall {
            bound: bound.map_err(|error| engine_error(&error))?,
            arguments,
            shapes,
        })
    }

    fn panicked(&self) -> FunctionError {
        FunctionError::defect(format_args!("{} panicked", self.function.name))
    }
}

/// A bound call; two are equal when their arguments are, as the binding is a function of these.
struct BoundCall {
    arguments: Vec<Argument>,
    shapes: Vec<Shape>,
    bound: Bound,
}

impl PartialEq for BoundCall {
    fn eq(&self, other: &Self) -> bool {
        self.arguments == other.arguments
    }
}

impl ScalarResolveTypesCallbacks for Adapter {
    fn resolve_types(
        &self,
        context: &Context,
        arguments: BindArguments<'_>,
    ) -> duckdb_neo::Result<LogicalType> {
        logical_type(context, &self.bind_call(context, &arguments)?.bound.returns)
    }
}

impl ScalarBindCallbacks for Adapter {
    fn bind(&self, context: &Context, arguments: BindArguments<'_>) -> duckdb_neo::Result<BoundCall> {
        self.bind_call(context, &arguments)
    }
}

impl ScalarCallbacks for Adapter {
    type BindData = BoundCall;
    type InitData = ();

    fn exec(
        &self,
        bind_data: Option<&BoundCall>,
        _init_data: Option<&mut ()>,
        _context: &Context,
        vectors: &mut VectorCollection,
        output: Vector<'_, Unknown>,
    ) -> duckdb_neo::Result<()> {
        let call = bind_data.ok_or_else(|| Error::api_error("the call was not bound"))?;
        input::flatten(vectors)?;
        let rows = vectors.row_count()?;
        let takes_numbers = call.bound.call.takes_numbers();
        let arguments = call.arguments.iter().zip(&call.shapes).enumerate();
        let columns = arguments
            .map(|(index, (argument, shape))| match argument.constant {
                Some(Value::Number(number)) if takes_numbers => Ok(Column::Known(number)),
                _ => Column::read(vectors, index, shape),
            })
            .collect::<duckdb_neo::Result<Vec<_>>>()?;
        catch_unwind(AssertUnwindSafe(|| {
            self.compute(&call.bound, &columns, rows, output)
        }))
        .unwrap_or_else(|_| Err(engine_error(&self.panicked())))
    }
}

impl Adapter {
    fn compute(
        &self,
        bound: &Bound,
        columns: &[Column<'_>],
        rows: usize,
        output: Vector<'_, Unknown>,
    ) -> duckdb_neo::Result<()> {
        match &bound.call {
            Call::Rows(call) => {
                let propagate = self.function.nulls == Nulls::Propagate;
                let mut arguments = Vec::with_capacity(columns.len());
                output::write(output, &bound.returns, rows, &mut |row, write| {
                    arguments.clear();
                    for column in columns {
                        arguments.push(column.value(row)?);
                    }
                    if propagate && arguments.iter().any(Value::is_null) {
                        return write(Value::Null);
                    }
                    write(call(&arguments).map_err(|error| engine_error(&error))?)
                })
            }
            Call::Numbers(call) => {
                let [left, right] = columns else {
                    return Err(engine_error(&FunctionError::defect(
                        "arithmetic has two arguments",
                    )));
                };
                let mut valid = None;
                let left = left.numbers(rows, &mut valid)?;
                let right = right.numbers(rows, &mut valid)?;
                let valid = valid.as_deref();
                output::write_unscaled(output, &bound.returns, rows, valid, |result| {
                    call(NumberColumns {
                        left,
                        right,
                        valid,
                        result,
                    })
                    .map_err(|error| engine_error(&error))
                })
            }
            Call::Truths(call) => {
                let [column, ..] = columns else {
                    return Err(engine_error(&FunctionError::defect(
                        "a condition has something to judge",
                    )));
                };
                let mut valid = None;
                let numbers = column.numbers(rows, &mut valid)?;
                output::write_truths(output, rows, valid.as_deref(), |result| {
                    call(JudgedColumn { numbers, result })
                })
            }
        }
    }
}
