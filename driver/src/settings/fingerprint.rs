//! Telling whether two logins would be the same login, without comparing secrets.

use std::hash::{BuildHasher, Hash, Hasher};

use super::connection::{ConnectionSettings, Credential};
use crate::{Secret, SessionContext};

impl ConnectionSettings {
    /// A number that changes when anything changes that a login sends or where it goes: two equal settings have equal
    /// numbers. Where the values came from does not count.
    ///
    /// With `keys` that are random and stay in memory (as [`RandomState`](std::hash::RandomState) has them), the number
    /// says nothing about the secrets that went into it.
    pub fn fingerprint(&self, keys: &impl BuildHasher) -> u64 {
        // Taken apart whole, so that a new field cannot be forgotten here.
        let Self {
            name,
            account,
            user,
            credential,
            endpoint,
            context:
                SessionContext {
                    database,
                    schema,
                    warehouse,
                    role,
                },
            session_parameters,
            keep_alive,
            sources: _,
        } = self;
        let mut hasher = keys.build_hasher();
        (name, account, user, endpoint, keep_alive).hash(&mut hasher);
        (database, schema, warehouse, role).hash(&mut hasher);
        for (name, value) in session_parameters {
            (name, value.to_json().to_string()).hash(&mut hasher);
        }
        credential.hash_into(&mut hasher);
        hasher.finish()
    }
}

impl Credential {
    /// True when a login uses it up or asks a person, so that a second login needs somebody to act first.
    pub fn is_one_time(&self) -> bool {
        match self {
            Self::Password {
                passcode,
                passcode_in_password,
                ..
            } => passcode.is_some() || *passcode_in_password,
            Self::ProgrammaticAccessToken(_) | Self::KeyPair { .. } | Self::OAuth(_) => false,
        }
    }

    fn hash_into(&self, hasher: &mut impl Hasher) {
        std::mem::discriminant(self).hash(hasher);
        match self {
            Self::Password {
                password,
                passcode,
                passcode_in_password,
            } => {
                password.expose().hash(hasher);
                passcode.as_ref().map(Secret::expose).hash(hasher);
                passcode_in_password.hash(hasher);
            }
            Self::ProgrammaticAccessToken(token) | Self::OAuth(token) => token.expose().hash(hasher),
            Self::KeyPair { pem, passphrase } => {
                pem.expose().hash(hasher);
                passphrase.as_ref().map(Secret::expose).hash(hasher);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::hash::RandomState;

    use super::*;
    use crate::{ParameterValue, ValueSource};

    fn password(text: &str, passcode: Option<&str>) -> Credential {
        Credential::Password {
            password: Secret::new(text),
            passcode: passcode.map(Secret::new),
            passcode_in_password: false,
        }
    }

    fn settings() -> ConnectionSettings {
        let endpoint = "https://acme.test".parse().unwrap();
        ConnectionSettings::new("dev", "acme", "me", password("a", None), endpoint)
    }

    #[test]
    fn everything_that_a_login_sends_counts() {
        let keys = RandomState::new();
        let changes: [fn(&mut ConnectionSettings); 10] = [
            |settings| settings.account = "other".into(),
            |settings| settings.user = "other".into(),
            |settings| settings.credential = password("b", None),
            |settings| settings.credential = password("a", Some("123456")),
            |settings| settings.credential = Credential::OAuth(Secret::new("a")),
            |settings| settings.credential = Credential::ProgrammaticAccessToken(Secret::new("a")),
            |settings| settings.endpoint = "https://acme.test:444".parse().unwrap(),
            |settings| settings.context.role = Some("R".into()),
            |settings| settings.context.schema = Some("R".into()),
            |settings| {
                settings
                    .session_parameters
                    .insert("QUERY_TAG".into(), ParameterValue::from("t"));
            },
        ];
        let mut seen = vec![settings().fingerprint(&keys)];
        for (number, change) in changes.into_iter().enumerate() {
            let mut changed = settings();
            change(&mut changed);
            let fingerprint = changed.fingerprint(&keys);
            assert!(!seen.contains(&fingerprint), "change {number} does not count");
            seen.push(fingerprint);
        }
    }

    #[test]
    fn equal_settings_from_elsewhere_are_equal() {
        let keys = RandomState::new();
        let mut moved = settings();
        moved
            .sources
            .insert("user".into(), ValueSource::Environment("SNOWFLAKE_USER".into()));
        assert_eq!(moved.fingerprint(&keys), settings().fingerprint(&keys));
        assert_ne!(
            settings().fingerprint(&RandomState::new()),
            settings().fingerprint(&keys),
            "other keys make other numbers"
        );
    }

    #[test]
    fn passcodes_are_good_for_one_login() {
        assert!(!password("a", None).is_one_time());
        assert!(password("a", Some("123456")).is_one_time());
        let appended = Credential::Password {
            password: Secret::new("a123456"),
            passcode: None,
            passcode_in_password: true,
        };
        assert!(appended.is_one_time());
    }
}
