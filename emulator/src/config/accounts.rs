//! Who may log in, as the configuration file says it.

use std::path::Path;

use jiff::Timestamp;

use super::file::{FileAuthority, FileToken, FileUser};
use super::resolve::{ConfigError, read_text};
use crate::protocol::{Accounts, Authority, Secret, User};

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
    if written.public_key_files.is_empty() {
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
    for path in written.public_key_files {
        authority = authority.with_public_key(&read_text(&folder.join(path))?)?;
    }
    Ok(authority)
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
            "the OAuth authority idp has no public_key_files"
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
}
