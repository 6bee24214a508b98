//! What `USE` does to the context of the Snowflake in memory.

use snowflake_session::domain::context::Context;

/// `USE kind name`.
pub(super) trait Used {
    fn used(&mut self, kind: &str, name: &str);
}

impl Used for Context {
    fn used(&mut self, kind: &str, name: &str) {
        let some = |name: &str| Some(name.to_owned());
        match (kind, name.split_once('.')) {
            ("role", _) => self.role = some(name),
            ("warehouse", _) => self.warehouse = some(name),
            ("database", _) => self.database = some(name),
            (_, Some((database, schema))) => {
                (self.database, self.schema) = (some(database), some(schema));
            }
            (_, None) => self.schema = some(name),
        }
    }
}
