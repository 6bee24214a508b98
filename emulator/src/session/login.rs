//! What a session begins with.

use std::collections::{BTreeMap, BTreeSet};

use snowflake_emulator_engine::{EngineConnection, EngineError};

use super::instance::Shared;
use super::logins::{Asked, Beginning};
use super::state::State;
use super::told;
use super::{ParameterValue, Parameters, Roles, SessionSpec, SqlError, facts, from_engine};
use crate::catalog::Catalog;
use crate::catalog::names::{Name, PUBLIC, SchemaPath, parse_dotted};
use crate::catalog::tables::{ACCOUNTADMIN, COMPUTE_WH};

/// The parameter of a login that must find its database, schema and warehouse. Go's driver sends it unless it is told
/// otherwise, the others when they are asked to.
pub(crate) const VALIDATES: &str = "CLIENT_VALIDATE_DEFAULT_PARAMETERS";

/// State after a login. As with Snowflake, a role must be there; what else is not there is left unset, unless the login
/// wants it validated.
pub(super) fn state(
    shared: &Shared,
    id: u64,
    spec: SessionSpec,
    connection: &mut dyn EngineConnection,
) -> Result<State, SqlError> {
    let parameters = Parameters::from_login(&spec.parameters)?;
    told::tell(connection, None, &parameters).map_err(|error| from_engine(&error))?;
    let wanted = Asked {
        database: asked(spec.database.as_deref()),
        schema: asked(spec.schema.as_deref()),
        warehouse: asked(spec.warehouse.as_deref()),
        role: role(asked(spec.role.as_deref()), &spec.roles)?,
    };
    // Counted before the catalog is read: what changes meanwhile makes what is found old at once.
    let definitions = shared.versions.definitions();
    let context = if let Some(known) = shared.logins.get(&wanted, definitions) {
        known
    } else {
        let found = look(&wanted, &mut Catalog::new(connection)).map_err(|error| from_engine(&error))?;
        shared.logins.keep(wanted.clone(), definitions, found.clone());
        found
    };
    check(&wanted, &context, validates(&spec.parameters))?;
    // As accounts compare names: other letters do not change with their case.
    let user = spec.user.to_ascii_uppercase();
    shared.logins.seen(&user, facts::now_ms());
    Ok(State {
        id,
        shown_id: id,
        user,
        database: context.database,
        schema: context.schema,
        warehouse: context.warehouse,
        role: context.role,
        role_is_fixed: matches!(spec.roles, Roles::Only(_)),
        parameters,
        variables: BTreeMap::new(),
        temporary: BTreeMap::new(),
        temporary_paths: BTreeSet::new(),
        files: crate::plan::TemporaryFiles::default(),
        temporary_loads: BTreeMap::new(),
        query_ids: Vec::new(),
    })
}

/// Finds out where a login begins.
fn look(wanted: &Asked, catalog: &mut Catalog<'_>) -> Result<Beginning, EngineError> {
    let mut context = Beginning::default();
    if let Some(database) = &wanted.database
        && catalog.database(database)?.is_some()
    {
        let schema = wanted.schema.clone().unwrap_or_else(|| Name::exact(PUBLIC));
        let path = SchemaPath::new(database.clone(), schema);
        context.schema = catalog.schema(&path)?.map(|_| path.schema);
        context.database = Some(database.clone());
    }
    let warehouse = wanted
        .warehouse
        .clone()
        .unwrap_or_else(|| Name::exact(COMPUTE_WH));
    if catalog.has_account_object("warehouses", &warehouse)? {
        context.warehouse = Some(warehouse);
    }
    context.role = Some(match &wanted.role {
        Some(role) if catalog.has_account_object("roles", role)? => role.clone(),
        _ => Name::exact(ACCOUNTADMIN),
    });
    Ok(context)
}

/// The role that a login is to begin with, if it may have that one.
fn role(asked_for: Option<Name>, roles: &Roles) -> Result<Option<Name>, SqlError> {
    let Roles::Only(listed) = roles else {
        return Ok(asked_for);
    };
    let mut listed = listed.iter().filter_map(|role| asked(Some(role)));
    let admitted = match &asked_for {
        None => listed.next(),
        Some(role) => listed.find(|listed| listed == role),
    };
    if admitted.is_some() {
        return Ok(admitted);
    }
    let shown = asked_for.unwrap_or_else(|| Name::exact(ACCOUNTADMIN));
    Err(rejected(
        "390317",
        format!(
            "The role requested in the connection, or the default role if none was requested in the connection \
             ('{}'), is not listed in the Access Token or was filtered. Please specify another role, or contact your \
             OAuth Authorization server administrator.",
            shown.as_str()
        ),
    ))
}

fn rejected(code: &'static str, message: String) -> SqlError {
    SqlError {
        code,
        sql_state: "08004",
        message,
        position: None,
    }
}

fn validates(parameters: &BTreeMap<String, ParameterValue>) -> bool {
    match parameters.get(VALIDATES) {
        Some(ParameterValue::Bool(truth)) => *truth,
        Some(ParameterValue::Text(text)) => text.eq_ignore_ascii_case("true"),
        Some(ParameterValue::Integer(_)) | None => false,
    }
}

/// Fails when a login does not begin where it must.
fn check(wanted: &Asked, found: &Beginning, validates: bool) -> Result<(), SqlError> {
    let differs = |wanted: &Option<Name>, found: &Option<Name>| wanted.is_some() && wanted != found;
    if let Some(role) = &wanted.role
        && differs(&wanted.role, &found.role)
    {
        let message = format!(
            "Role '{}' specified in the connect string does not exist or not authorized. Contact your local system \
             administrator, or attempt to login with another role, e.g. PUBLIC.",
            role.as_str()
        );
        return Err(rejected("390189", message));
    }
    for (kind, wanted, found) in [
        ("database", &wanted.database, &found.database),
        ("schema", &wanted.schema, &found.schema),
        ("warehouse", &wanted.warehouse, &found.warehouse),
    ] {
        if validates && differs(wanted, found) {
            let message = format!("The requested {kind} does not exist or not authorized.");
            return Err(rejected("390201", message));
        }
    }
    Ok(())
}

/// A name as clients give it: with quotes it is exact, without it is upper-cased; empty is none.
fn asked(text: Option<&str>) -> Option<Name> {
    let text = text.filter(|text| !text.trim().is_empty())?;
    match parse_dotted(text).ok().as_deref() {
        Some([name]) => Some(name.clone()),
        _ => Some(Name::unquoted(text)),
    }
}
