//! SHOW of grants and users.

use super::ddl::Failure;
use super::shape::{ListType, Shaped};
use super::show::{Listing, Shower};
use super::{account, tables::dotted};
use crate::catalog::names::{Name, NameScope, literal};
use crate::catalog::privileges;
use crate::catalog::tables::CATALOG_SCHEMA;
use crate::contract::SqlError;
use crate::front::{Path, Show, ShowScope};

/// A user that SHOW USERS lists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownUser {
    /// Name.
    pub name: String,
    /// Since when it is known, milliseconds since 1970.
    pub known_ms: i64,
    /// Its latest login, milliseconds since 1970; none yet.
    pub login_ms: Option<i64>,
}

impl Shower<'_> {
    /// `SHOW USERS`, of those that the instance knows.
    pub fn users(&mut self, show: &Show, users: &[KnownUser]) -> Result<Shaped, Failure> {
        use ListType::{Text, Time};
        let rows: Vec<String> = users
            .iter()
            .map(|user| {
                let login = user
                    .login_ms
                    .map_or_else(|| "NULL".to_owned(), |ms| ms.to_string());
                format!("({}, {}, {login})", literal(&user.name), user.known_ms)
            })
            .collect();
        let from = if rows.is_empty() {
            "(SELECT NULL AS name, NULL AS known_ms, NULL AS login_ms) u WHERE false".to_owned()
        } else {
            format!("(VALUES {}) u(name, known_ms, login_ms)", rows.join(", "))
        };
        let listing = Listing::new(
            &[
                ("name", Text, "u.name"),
                ("created_on", Time, "u.known_ms"),
                ("login_name", Text, "u.name"),
                ("display_name", Text, "u.name"),
                ("first_name", Text, "NULL"),
                ("last_name", Text, "NULL"),
                ("email", Text, "NULL"),
                ("mins_to_unlock", Text, "NULL"),
                ("days_to_expiry", Text, "NULL"),
                ("comment", Text, "''"),
                ("disabled", Text, "'false'"),
                ("must_change_password", Text, "'false'"),
                ("snowflake_lock", Text, "'false'"),
                ("default_warehouse", Text, "NULL"),
                ("default_namespace", Text, "NULL"),
                ("default_role", Text, "NULL"),
                ("default_secondary_roles", Text, "NULL"),
                ("ext_authn_duo", Text, "'false'"),
                ("ext_authn_uid", Text, "NULL"),
                ("mins_to_bypass_mfa", Text, "NULL"),
                ("owner", Text, "'ACCOUNTADMIN'"),
                ("last_success_login", Time, "u.login_ms"),
                ("expires_at_time", Time, "NULL"),
                ("locked_until_time", Time, "NULL"),
                ("has_password", Text, "NULL"),
                ("has_rsa_public_key", Text, "NULL"),
                ("type", Text, "NULL"),
                ("has_mfa", Text, "'false'"),
                ("has_pat", Text, "NULL"),
                ("has_workload_identity", Text, "'false'"),
            ],
            &from,
            &[
                "name",
                "created_on",
                "display_name",
                "first_name",
                "last_name",
                "email",
                "comment",
                "has_password",
                "has_rsa_public_key",
                "type",
                "has_mfa",
                "has_pat",
                "has_workload_identity",
            ],
            "u.name",
        );
        self.run(show, listing)
    }

    /// `SHOW GRANTS`: what is on a thing, what a role has, and who has a role.
    pub(super) fn grants(&mut self, show: &Show) -> Result<Listing, Failure> {
        let own = literal(self.user);
        let ShowScope::Grants { relation, kind, path } = &show.scope else {
            return match show.scope {
                ShowScope::Unsaid => Ok(holders(&format!("g.grantee_kind = 'USER' AND g.grantee = {own}"))),
                _ => Err(SqlError::unsupported("SHOW GRANTS IN").into()),
            };
        };
        match (relation.as_str(), kind.as_str()) {
            ("TO", "USER") => {
                let name = literal(account::last(path)?.as_str());
                Ok(holders(&format!(
                    "g.grantee_kind = 'USER' AND g.grantee = {name}"
                )))
            }
            ("OF", "ROLE") => {
                let name = literal(&self.role_of(path)?.to_string());
                Ok(holders(&format!("g.on_name = {name}")))
            }
            ("TO", "ROLE") => {
                let name = literal(self.role_of(path)?.as_str());
                Ok(privileges(&format!(
                    "g.grantee_kind = 'ROLE' AND g.grantee = {name}"
                )))
            }
            ("TO", _) => {
                let (kind, name) = (literal(kind), literal(account::last(path)?.as_str()));
                Ok(privileges(&format!(
                    "g.grantee_kind = {kind} AND g.grantee = {name}"
                )))
            }
            ("ON", kind) => {
                let name = full_name(&self.names, kind, path)?;
                let kinds = match kind {
                    "" => "g.on_kind IN ('TABLE', 'VIEW')".to_owned(),
                    kind => format!("g.on_kind = {}", literal(kind)),
                };
                let is_object = matches!(kind, "" | "TABLE" | "VIEW");
                let object = self.names.object_of_parts(path, "SHOW GRANTS");
                if let (true, Ok(object)) = (is_object, object)
                    && self.catalog.object(&object)?.is_none()
                    && !self.temporary.contains_key(&object)
                {
                    return Err(SqlError::no_object(dotted(path)).into());
                }
                Ok(privileges(&format!("{kinds} AND g.on_name = {}", literal(&name))))
            }
            (relation, kind) => Err(SqlError::unsupported(format!("SHOW GRANTS {relation} {kind}")).into()),
        }
    }

    /// `SHOW FUTURE GRANTS`.
    pub(super) fn future_grants(&mut self, show: &Show) -> Result<Listing, Failure> {
        use ListType::{Text, Time};
        let condition = match &show.scope {
            ShowScope::Grants { path, .. } => {
                let name = literal(self.role_of(path)?.as_str());
                format!("g.grantee_kind = 'ROLE' AND g.grantee = {name}")
            }
            ShowScope::Database(Some(path)) => {
                let name = full_name(&self.names, "DATABASE", path)?;
                format!(
                    "g.on_kind LIKE '% IN DATABASE' AND g.on_name = {}",
                    literal(&name)
                )
            }
            ShowScope::Schema(Some(path)) => {
                let name = full_name(&self.names, "SCHEMA", path)?;
                format!("g.on_kind LIKE '% IN SCHEMA' AND g.on_name = {}", literal(&name))
            }
            _ => return Err(SqlError::cannot_perform().into()),
        };
        // `FUTURE TABLES IN SCHEMA` is told as TABLE.
        let kind = "replace(regexp_extract(g.on_kind, '^FUTURE (.*?)S IN ', 1), ' ', '_')";
        let name = format!("g.on_name || '.<' || {kind} || '>'");
        Ok(Listing::new(
            &[
                ("created_on", Time, "g.created_ms"),
                ("privilege", Text, "g.privilege"),
                ("grant_on", Text, kind),
                ("name", Text, &name),
                ("grant_to", Text, "g.grantee_kind"),
                ("grantee_name", Text, "g.grantee"),
                ("grant_option", Text, TRUTH),
            ],
            &format!("{CATALOG_SCHEMA}.grants g WHERE g.on_kind LIKE 'FUTURE %' AND {condition}"),
            &[],
            "g.created_ms, g.privilege",
        ))
    }

    fn role_of(&mut self, path: &Path) -> Result<Name, Failure> {
        let name = account::last(path)?;
        if self.catalog.has_account_object("roles", &name)? {
            Ok(name)
        } else {
            Err(SqlError::no_such("Role", name).into())
        }
    }
}

const TRUTH: &str = "CASE WHEN g.grant_option THEN 'true' ELSE 'false' END";

/// Privileges, with those that come with owning a thing.
fn privileges(condition: &str) -> Listing {
    use ListType::{Text, Time};
    let from = format!("({}) g WHERE {condition}", privileges::privileges());
    Listing::new(
        &[
            ("created_on", Time, "g.created_ms"),
            ("privilege", Text, "g.privilege"),
            ("granted_on", Text, "replace(g.on_kind, ' ', '_')"),
            ("name", Text, "g.on_name"),
            ("granted_to", Text, "replace(g.grantee_kind, ' ', '_')"),
            ("grantee_name", Text, "g.grantee"),
            ("grant_option", Text, TRUTH),
            ("granted_by", Text, "g.granted_by"),
        ],
        &from,
        &[],
        "g.created_ms, g.on_kind, g.on_name, g.privilege",
    )
}

/// Who has roles.
fn holders(condition: &str) -> Listing {
    use ListType::{Text, Time};
    Listing::new(
        &[
            ("created_on", Time, "g.created_ms"),
            ("role", Text, "g.on_name"),
            ("granted_to", Text, "g.grantee_kind"),
            ("grantee_name", Text, "g.grantee"),
            ("granted_by", Text, "g.granted_by"),
        ],
        &format!("{CATALOG_SCHEMA}.grants g WHERE g.on_kind = 'ROLE' AND {condition}"),
        &[],
        "g.created_ms, g.on_name",
    )
    .named_by("role")
}

/// The name of what grants are on as it is recorded: with its database and schema.
pub(super) fn full_name(names: &NameScope<'_>, kind: &str, path: &Path) -> Result<String, SqlError> {
    const OF_ACCOUNT: [&str; 8] = [
        "ACCOUNT",
        "DATABASE",
        "INTEGRATION",
        "RESOURCE MONITOR",
        "ROLE",
        "USER",
        "WAREHOUSE",
        "NETWORK POLICY",
    ];
    if OF_ACCOUNT.contains(&kind) || kind.ends_with(" IN DATABASE") || kind.ends_with(" IN ACCOUNT") {
        let parts: Vec<String> = path.iter().map(ToString::to_string).collect();
        return Ok(parts.join("."));
    }
    if kind == "SCHEMA" || kind.ends_with(" IN SCHEMA") {
        return names.schema_of_parts(path, "GRANT").map(|path| path.to_string());
    }
    names.object_of_parts(path, "GRANT").map(|path| path.to_string())
}
