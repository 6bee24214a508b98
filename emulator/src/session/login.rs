//! What a session begins with.

use std::collections::{BTreeMap, BTreeSet};

use snowflake_emulator_engine::{EngineConnection, EngineError};

use super::state::State;
use super::told;
use super::{Parameters, SessionSpec, SqlError, from_engine};
use crate::catalog::Catalog;
use crate::catalog::names::{Name, PUBLIC, SchemaPath, parse_dotted};
use crate::catalog::tables::{ACCOUNTADMIN, COMPUTE_WH};

/// State after a login. Objects that do not exist are left unset, as Snowflake does.
pub(super) fn state(
    id: u64,
    spec: SessionSpec,
    connection: &mut dyn EngineConnection,
) -> Result<State, SqlError> {
    let parameters = Parameters::from_login(&spec.parameters)?;
    told::tell(connection, None, &parameters).map_err(|error| from_engine(&error))?;
    let mut catalog = Catalog::new(connection);
    let context = context(&spec, &mut catalog).map_err(|error| from_engine(&error))?;
    Ok(State {
        id,
        shown_id: id,
        user: spec.user.to_uppercase(),
        database: context.database,
        schema: context.schema,
        warehouse: context.warehouse,
        role: context.role,
        parameters,
        variables: BTreeMap::new(),
        temporary: BTreeMap::new(),
        temporary_paths: BTreeSet::new(),
        files: crate::plan::TemporaryFiles::default(),
        temporary_loads: BTreeMap::new(),
        query_ids: Vec::new(),
    })
}

struct Context {
    database: Option<Name>,
    schema: Option<Name>,
    warehouse: Option<Name>,
    role: Option<Name>,
}

fn context(spec: &SessionSpec, catalog: &mut Catalog<'_>) -> Result<Context, EngineError> {
    let mut context = Context {
        database: None,
        schema: None,
        warehouse: None,
        role: None,
    };
    if let Some(database) = asked(spec.database.as_deref())
        && catalog.database(&database)?.is_some()
    {
        let wanted = asked(spec.schema.as_deref()).unwrap_or_else(|| Name::exact(PUBLIC));
        let path = SchemaPath::new(database.clone(), wanted);
        context.schema = catalog.schema(&path)?.map(|_| path.schema);
        context.database = Some(database);
    }
    let warehouse = asked(spec.warehouse.as_deref()).unwrap_or_else(|| Name::exact(COMPUTE_WH));
    if catalog.has_account_object("warehouses", &warehouse)? {
        context.warehouse = Some(warehouse);
    }
    let role = asked(spec.role.as_deref());
    let role = match role {
        Some(role) if catalog.has_account_object("roles", &role)? => role,
        _ => Name::exact(ACCOUNTADMIN),
    };
    context.role = Some(role);
    Ok(context)
}

/// A name as clients give it: with quotes it is exact, without it is upper-cased; empty is none.
fn asked(text: Option<&str>) -> Option<Name> {
    let text = text.filter(|text| !text.trim().is_empty())?;
    match parse_dotted(text).ok().as_deref() {
        Some([name]) => Some(name.clone()),
        _ => Some(Name::unquoted(text)),
    }
}
