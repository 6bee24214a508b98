//! Who may log in, as the configuration file says it.

use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;

use super::file::{FileAuthority, FileToken, FileUser};
use super::resolve::{ConfigError, read_text};
use crate::protocol::{
    Accounts, AccountsError, Authority, BELIEVED_MAX, BELIEVED_USUAL, Introspection, Secret, User,
};

/// Anyone where no users are written. Files lie beside the configuration file, in `folder`.
pub(super) fn accounts(
    users: Vec<FileUser>,
    authorities: Vec<FileAuthority>,
    folder: &Path,
) -> Result<Accounts, ConfigError> {
    let authorities = authorities
        .into_iter()
        .map(|written| authority(written, folder))
        .collect::<Result<Vec<_>, _>>()?;
    if users.is_empty() {
        return match authorities.first() {
            None => Ok(Accounts::Anyone),
            Some(authority) => Err(ConfigError::OauthWithoutUsers {
                issuer: authority.to_string(),
            }),
        };
    }
    let may_have_nothing = !authorities.is_empty();
    let listed = users
        .into_iter()
        .map(|user| account(user, may_have_nothing, folder))
        .collect::<Result<_, _>>()?;
    Ok(Accounts::Listed(listed, authorities))
}

fn authority(written: FileAuthority, folder: &Path) -> Result<Authority, ConfigError> {
    let introspection = introspection(&written, folder)?;
    if written.public_key_files.is_empty() && introspection.is_none() {
        return Err(ConfigError::NoAuthorityKeys {
            issuer: written.issuer,
        });
    }
    let mut authority = Authority::new(written.issuer);
    for audience in written.audiences {
        authority = authority.with_audience(audience);
    }
    if let Some(claim) = written.user_claim {
        authority = authority.with_user_claim(claim);
    }
    if written.any_role == Some(true) {
        authority = authority.with_any_role();
    }
    if let Some(introspection) = introspection {
        authority = authority.with_introspection(introspection);
    }
    for path in written.public_key_files {
        authority = authority.with_public_key(&read_text(&folder.join(path))?)?;
    }
    Ok(authority)
}

/// How the authority is asked; all that it takes, or nothing of it.
fn introspection(written: &FileAuthority, folder: &Path) -> Result<Option<Introspection>, ConfigError> {
    let issuer = || written.issuer.clone();
    let (url, client_id, file) = match (
        &written.introspection_url,
        &written.client_id,
        &written.client_secret_file,
    ) {
        (None, None, None) if written.introspection_seconds.is_none() => return Ok(None),
        (Some(url), Some(client_id), Some(file)) => (url, client_id, file),
        _ => return Err(ConfigError::HalfIntrospection { issuer: issuer() }),
    };
    let url = url.parse().map_err(|source| ConfigError::IntrospectionUrl {
        issuer: issuer(),
        source,
    })?;
    let believed_for = written
        .introspection_seconds
        .map_or(BELIEVED_USUAL, Duration::from_secs);
    if believed_for > BELIEVED_MAX {
        return Err(ConfigError::IntrospectionSeconds { issuer: issuer() });
    }
    let secret = read_text(&folder.join(file))?;
    let secret = secret.trim_end_matches(['\r', '\n']);
    if secret.is_empty() {
        return Err(ConfigError::NoClientSecret { issuer: issuer() });
    }
    Introspection::new(url, client_id, Secret::new(secret), believed_for)
        .map(Some)
        .map_err(|source| {
            ConfigError::User(AccountsError::Introspection {
                issuer: issuer(),
                source,
            })
        })
}

fn account(written: FileUser, may_have_nothing: bool, folder: &Path) -> Result<User, ConfigError> {
    let has_nothing =
        written.password.is_none() && written.tokens.is_empty() && written.public_key_files.is_empty();
    if has_nothing && !may_have_nothing {
        return Err(ConfigError::NoCredentials { name: written.name });
    }
    let mut user = User::new(&written.name);
    if let Some(password) = written.password {
        user = user.with_password(Secret::new(password));
    }
    for token in written.tokens {
        user = match token {
            FileToken::Lasting(token) => user.with_token(Secret::new(token)),
            FileToken::Expiring { token, expires } => {
                let expires = expires.to_string().parse::<Timestamp>();
                let expires = expires.map_err(|_| ConfigError::Expiry {
                    name: written.name.clone(),
                })?;
                let seconds = u64::try_from(expires.as_second()).unwrap_or(0);
                user.with_token_until(Secret::new(token), seconds)
            }
        };
    }
    for path in written.public_key_files {
        user = user.with_public_key(&read_text(&folder.join(path))?)?;
    }
    Ok(user)
}

#[cfg(test)]
mod tests {
    use super::super::resolve::tests::resolve;

    #[test]
    fn an_authority_needs_keys_and_users() {
        let refused = |text: &str| resolve(text, |_| {}).err().unwrap();
        let users = "[[users]]\nname = 'ann'\n";
        let keyless = "[[oauth]]\nissuer = 'idp'\npublic_key_files = []\n";
        assert_eq!(
            refused(&format!("{users}{keyless}")),
            "the OAuth authority idp has neither public_key_files nor introspection_url"
        );
        assert_eq!(refused(users), "user ann has no password, token or public key");
        let folder = tempfile::tempdir().unwrap();
        let key = folder.path().join("idp.pem");
        std::fs::write(
            &key,
            "-----BEGIN PUBLIC KEY-----\nMFwwDQYJKoZIhvcNAQEBBQADSwAwSAJBAKj34GkxFhD90vcNLYLInFEX6Ppy1tPf\n\
             9Cnzj4p4WGeKLs1Pt8QuKUpRKfFLfRYC9AIKjbJTWit+CqvjWYzvQwECAwEAAQ==\n-----END PUBLIC KEY-----\n",
        )
        .unwrap();
        let keyed = format!("[[oauth]]\nissuer = 'idp'\npublic_key_files = [{key:?}]\n");
        assert_eq!(
            refused(&keyed),
            "the OAuth authority idp proves who a user is; add [[users]] for those who may log in"
        );
        // A user of whom nothing is registered comes by what the authority says.
        assert!(resolve(&format!("{users}{keyed}"), |_| {}).is_ok());
        std::fs::write(&key, "no key").unwrap();
        assert_eq!(
            refused(&format!("{users}{keyed}")),
            "public key of the OAuth authority idp is not an RSA public key in PEM"
        );
    }

    #[test]
    fn asking_an_authority_takes_all_that_belongs_to_it() {
        let folder = tempfile::tempdir().unwrap();
        let secret = folder.path().join("secret");
        std::fs::write(&secret, "hush\n").unwrap();
        let check = |more: &str| {
            let text = format!("[[users]]\nname = 'ann'\n[[oauth]]\nissuer = 'idp'\n{more}");
            resolve(&text, |_| {}).map(|_| ())
        };
        let url = "introspection_url = 'http://127.0.0.1:9/introspect'\n";
        let client = format!("client_id = 'us'\nclient_secret_file = {secret:?}\n");
        assert_eq!(check(&format!("{url}{client}")), Ok(()));
        assert_eq!(
            check(&format!("{url}{client}introspection_seconds = 0\n")),
            Ok(())
        );
        for half in [url, &client, "introspection_seconds = 9\n"] {
            let error = check(half).unwrap_err();
            assert!(error.contains("client_secret_file"), "{error}");
        }
        for (more, told) in [
            (
                "introspection_url = 'idp'\n",
                "introspection_url of the OAuth authority idp",
            ),
            (
                "introspection_url = 'http://idp.example.com/'\n",
                "cannot be asked",
            ),
        ] {
            let error = check(&format!("{more}{client}")).unwrap_err();
            assert!(error.contains(told), "{error}");
        }
        let error = check(&format!("{url}{client}introspection_seconds = 301\n")).unwrap_err();
        assert!(error.contains("at most 300"), "{error}");
        std::fs::write(&secret, "\n").unwrap();
        let error = check(&format!("{url}{client}")).unwrap_err();
        assert!(error.contains("is empty"), "{error}");
    }
}
