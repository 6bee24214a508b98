//! The keys of a connection: their names, other names, and which of them are secret.

/// Keys that Snowflake's tools know. Needed to split `SNOWFLAKE_CONNECTIONS_<NAME>_<KEY>`, where both parts may contain
/// underscores, and to pick ours from `SNOWFLAKE_<KEY>`.
const KNOWN: [&str; 47] = [
    "account",
    "authenticator",
    "client_session_keep_alive",
    "client_store_temporary_credential",
    "database",
    "external_session_id",
    "host",
    "master_token",
    "oauth_authorization_url",
    "oauth_client_id",
    "oauth_client_secret",
    "oauth_disable_pkce",
    "oauth_enable_pkce",
    "oauth_enable_refresh_tokens",
    "oauth_enable_single_use_refresh_tokens",
    "oauth_redirect_uri",
    "oauth_scope",
    "oauth_token_request_url",
    "passcode",
    "passcode_in_password",
    "password",
    "port",
    "private_key_file",
    "private_key_passphrase",
    "private_key_raw",
    "protocol",
    "query_tag",
    "region",
    "role",
    "schema",
    "secondary_roles",
    "server_session_keep_alive",
    "session_token",
    "token",
    "token_file_path",
    "user",
    "warehouse",
    "workload_identity_entra_resource",
    "workload_identity_provider",
    // Other names for the keys above.
    "accountname",
    "dbname",
    "private_key_file_pwd",
    "private_key_path",
    "rolename",
    "schemaname",
    "username",
    "warehousename",
];

/// The one name of a key that has several.
pub(crate) fn canonical(key: &str) -> String {
    let key = key.to_ascii_lowercase();
    match key.as_str() {
        "accountname" => "account",
        "username" | "uid" => "user",
        "pwd" => "password",
        "dbname" => "database",
        "schemaname" => "schema",
        "warehousename" => "warehouse",
        "rolename" => "role",
        "server" => "host",
        "private_key_path" | "priv_key_file" => "private_key_file",
        "private_key_file_pwd" | "priv_key_file_pwd" | "private_key_password" => "private_key_passphrase",
        other => other,
    }
    .to_owned()
}

pub(crate) fn is_known(key: &str) -> bool {
    KNOWN.contains(&key)
}

/// Splits `<NAME>_<KEY>`, in capitals, into the name and the canonical key. The longest key that fits wins, so that
/// `DEV_PRIVATE_KEY_FILE` is not a key `file` of a connection `dev_private_key`.
pub(crate) fn split_name_and_key(text: &str) -> Option<(String, String)> {
    let lower = text.to_ascii_lowercase();
    let key = KNOWN
        .iter()
        .filter(|key| {
            lower
                .strip_suffix(**key)
                .is_some_and(|rest| rest.len() > 1 && rest.ends_with('_'))
        })
        .max_by_key(|key| key.len())?;
    let name = &lower[..lower.len() - key.len() - 1];
    Some((name.to_owned(), canonical(key)))
}

/// Whether the value of a key must not be shown. Paths to secrets may.
pub(crate) fn is_secret(key: &str) -> bool {
    const MARKS: [&str; 7] = [
        "password",
        "pwd",
        "token",
        "secret",
        "private_key",
        "passphrase",
        "passcode",
    ];
    let is_path = key.ends_with("_file") || key.ends_with("_path") || key.ends_with("_url");
    let is_switch = key == "passcode_in_password" || key.starts_with("oauth_enable_");
    !is_path && !is_switch && MARKS.iter().any(|mark| key.contains(mark))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_keys_may_both_have_underscores() {
        let check = |text, name: &str, key: &str| {
            assert_eq!(
                split_name_and_key(text),
                Some((name.to_owned(), key.to_owned())),
                "{text}"
            );
        };
        check("DEV_USER", "dev", "user");
        check("MY_DEV_PRIVATE_KEY_FILE", "my_dev", "private_key_file");
        check("DEV_PRIVATE_KEY_PATH", "dev", "private_key_file");
        check("DEV_TOKEN_FILE_PATH", "dev", "token_file_path");
        assert_eq!(split_name_and_key("DEV_SOMETHING"), None);
        assert_eq!(split_name_and_key("_USER"), None);
    }

    #[test]
    fn secrets_are_known_by_their_names() {
        for key in [
            "password",
            "token",
            "private_key_raw",
            "oauth_client_secret",
            "passcode",
            "private_key_passphrase",
        ] {
            assert!(is_secret(key), "{key}");
        }
        for key in [
            "private_key_file",
            "token_file_path",
            "passcode_in_password",
            "user",
            "oauth_token_request_url",
        ] {
            assert!(!is_secret(key), "{key}");
        }
    }
}
