//! Who may log in: anyone, or the users of the configuration with their passwords, tokens and keys.

use std::fmt;

use rsa::RsaPublicKey;
use rsa::pkcs8::DecodePublicKey as _;
use rsa::sha2::{Digest as _, Sha256};
use uuid::Uuid;

use super::introspection::IntrospectionError;
use super::jwt::{self, JwtFault};
use super::oauth::{self, Authority, OauthFault};
use super::refusal::Refusal;
use crate::session::Roles;

/// The code of logins that cannot be judged here, or not now.
const UNAVAILABLE: &str = "390190";

/// A text that is never shown.
#[derive(Clone)]
pub struct Secret(String);

impl Secret {
    /// Hides a text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text, for where it is sent.
    pub(super) fn reveal(&self) -> &str {
        &self.0
    }

    /// Compares in a time that does not tell where the texts differ.
    fn matches(&self, given: &str) -> bool {
        let (ours, theirs) = (Sha256::digest(&self.0), Sha256::digest(given));
        ours.iter()
            .zip(theirs.iter())
            .fold(0, |difference, (a, b)| difference | (a ^ b))
            == 0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Secret(…)")
    }
}

/// A user of the configuration.
#[derive(Clone, Debug)]
pub struct User {
    name: String,
    password: Option<Secret>,
    tokens: Vec<Token>,
    public_keys: Vec<RsaPublicKey>,
}

/// A token, and how long it is good, in seconds since 1970.
#[derive(Clone, Debug)]
struct Token {
    secret: Secret,
    expires: Option<u64>,
}

impl Token {
    fn is_good(&self, now: u64) -> bool {
        self.expires.is_none_or(|expires| now < expires)
    }
}

/// Why a user of the configuration is not acceptable.
#[derive(Debug, thiserror::Error)]
pub enum AccountsError {
    /// The key is not an RSA public key in PEM.
    #[error("public key of user {user} is not an RSA public key in PEM")]
    PublicKey {
        /// Name of the user.
        user: String,
        /// What the parser says.
        source: rsa::pkcs8::spki::Error,
    },
    /// The key of an authority is not an RSA public key in PEM.
    #[error("public key of the OAuth authority {issuer} is not an RSA public key in PEM")]
    AuthorityKey {
        /// Its issuer.
        issuer: String,
        /// What the parser says.
        source: rsa::pkcs8::spki::Error,
    },
    /// An authority cannot be asked.
    #[error("the OAuth authority {issuer} cannot be asked about tokens")]
    Introspection {
        /// Its issuer.
        issuer: String,
        /// Why.
        source: IntrospectionError,
    },
}

impl User {
    /// A user with nothing to prove its identity by yet; names compare without regard to the case of ASCII letters: of others, case
    /// makes two names one (`ı` and `i`).
    pub fn new(name: &str) -> Self {
        Self {
            name: name.to_ascii_uppercase(),
            password: None,
            tokens: Vec::new(),
            public_keys: Vec::new(),
        }
    }

    /// Lets the user in with a password.
    pub fn with_password(mut self, password: Secret) -> Self {
        self.password = Some(password);
        self
    }

    /// Lets the user in with an OAuth or programmatic access token.
    pub fn with_token(mut self, token: Secret) -> Self {
        self.tokens.push(Token {
            secret: token,
            expires: None,
        });
        self
    }

    /// Lets the user in with such a token until a time, in seconds since 1970.
    pub fn with_token_until(mut self, token: Secret, expires: u64) -> Self {
        self.tokens.push(Token {
            secret: token,
            expires: Some(expires),
        });
        self
    }

    /// Lets the user in with tokens signed by the private half of a key, given in PEM.
    pub fn with_public_key(mut self, pem: &str) -> Result<Self, AccountsError> {
        let key =
            RsaPublicKey::from_public_key_pem(pem.trim()).map_err(|source| AccountsError::PublicKey {
                user: self.name.clone(),
                source,
            })?;
        self.public_keys.push(key);
        Ok(self)
    }
}

/// Who may log in.
#[derive(Clone, Debug)]
pub enum Accounts {
    /// Anyone, whatever they show; for a server that only this machine reaches.
    Anyone,
    /// These users, by what is registered of them, and by what these authorities say of them.
    Listed(Vec<User>, Vec<Authority>),
}

impl From<Vec<User>> for Accounts {
    fn from(users: Vec<User>) -> Self {
        Self::Listed(users, Vec::new())
    }
}

/// Who was let in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Identity {
    /// The user's name, in upper case.
    pub(crate) user: String,
    /// The roles that sessions of this login may take.
    pub(crate) roles: Roles,
}

impl From<String> for Identity {
    fn from(user: String) -> Self {
        Self {
            user,
            roles: Roles::Any,
        }
    }
}

/// What a login shows.
#[derive(Default)]
pub(crate) struct Credentials<'a> {
    pub(crate) authenticator: Option<&'a str>,
    pub(crate) login_name: Option<&'a str>,
    pub(crate) password: Option<&'a str>,
    pub(crate) token: Option<&'a str>,
    /// The account that is logged in to, where it matters.
    pub(crate) account: Option<&'a str>,
}

impl Credentials<'_> {
    /// The token, which may stand where a password is asked for.
    fn shown_token(&self) -> &str {
        self.token.or(self.password).unwrap_or_default()
    }
}

/// Why no registered token is the one that was shown.
enum Unregistered {
    Unknown,
    Expired,
}

impl Accounts {
    /// Names of the users that are listed.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        let users = match self {
            Self::Anyone => [].as_slice(),
            Self::Listed(users, _) => users.as_slice(),
        };
        users.iter().map(|user| user.name.as_str())
    }

    /// Proves who logs in; `now` is in seconds since 1970.
    pub(crate) async fn authenticate(
        &self,
        credentials: &Credentials<'_>,
        now: u64,
    ) -> Result<Identity, Refusal> {
        let authenticator = credentials.authenticator.unwrap_or_default().to_ascii_uppercase();
        match authenticator.as_str() {
            "" | "SNOWFLAKE" | "USERNAME_PASSWORD_MFA" => self.password(credentials, now).map(Identity::from),
            "OAUTH" => self.oauth(credentials, now).await,
            "PROGRAMMATIC_ACCESS_TOKEN" => self.access_token(credentials, now).map(Identity::from),
            "SNOWFLAKE_JWT" => self.key_pair(credentials, now).map(Identity::from),
            other => Err(Refusal::new(
                UNAVAILABLE,
                format!(
                    "Authenticator {other} is not available here. Use a password, an OAuth or programmatic access token, or a key pair."
                ),
            )),
        }
    }

    /// Whether a signed token says that it is of an authority that is trusted; it need not be true.
    pub(crate) fn issue(&self, token: &str) -> bool {
        matches!(self, Self::Listed(_, authorities) if oauth::issuer(token, authorities).is_some())
    }

    fn password(&self, credentials: &Credentials<'_>, now: u64) -> Result<String, Refusal> {
        let named = credentials.login_name.map(str::to_ascii_uppercase);
        let shown = credentials.password.unwrap_or_default();
        let proved = |user: &&User| {
            let tokens = user.tokens.iter().filter(|token| token.is_good(now));
            let mut secrets = user.password.iter().chain(tokens.map(|token| &token.secret));
            named.as_ref() == Some(&user.name) && secrets.any(|secret| secret.matches(shown))
        };
        match self {
            Self::Anyone => Ok(named.unwrap_or_else(nobody)),
            Self::Listed(users, _) => users
                .iter()
                .find(proved)
                .map(|user| user.name.clone())
                .ok_or_else(|| Refusal::new("390100", "Incorrect username or password was specified.")),
        }
    }

    /// The user whose programmatic access token this is.
    pub(super) fn access_token(&self, credentials: &Credentials<'_>, now: u64) -> Result<String, Refusal> {
        self.registered(credentials, now)
            .map_err(|_| Refusal::new("394400", "Programmatic access token is invalid."))
    }

    async fn oauth(&self, credentials: &Credentials<'_>, now: u64) -> Result<Identity, Refusal> {
        let mut expired = match self.registered(credentials, now) {
            Ok(user) => return Ok(user.into()),
            Err(reason) => matches!(reason, Unregistered::Expired),
        };
        let incident = Uuid::new_v4();
        if let Self::Listed(users, authorities) = self
            && !expired
            // What came as a password is shown to nobody.
            && let Some(shown) = credentials.token
        {
            let gate = jwt::Gate {
                account: credentials.account,
                now,
            };
            let named = credentials.login_name.map(str::to_ascii_uppercase);
            match oauth::verify(shown, authorities, &gate).await {
                Ok(identity) if named.as_ref().is_none_or(|named| *named == identity.user) => {
                    if users.iter().any(|user| user.name == identity.user) {
                        return Ok(identity);
                    }
                    tracing::info!(%incident, user = identity.user, "OAuth login refused: the user is not listed");
                }
                Ok(identity) => {
                    tracing::info!(%incident, user = identity.user, "OAuth login refused: the login is for another user");
                    return Err(Refusal::new(
                        "390309",
                        "The user you were trying to authenticate as differs from the user tied to the access token.",
                    ));
                }
                Err(OauthFault::Unknown { issuer, fault }) => {
                    tracing::warn!(%incident, issuer, reason = fault.in_full(), "OAuth authority did not answer");
                    return Err(Refusal::new(
                        UNAVAILABLE,
                        format!(
                            "OAuth access token cannot be judged: the authority {issuer} gave no usable answer. The log says why. [{incident}]"
                        ),
                    ));
                }
                Err(fault) => {
                    tracing::info!(%incident, reason = %fault, "OAuth login refused");
                    expired = matches!(fault, OauthFault::Token(JwtFault::Expired));
                }
            }
        }
        Err(if expired {
            Refusal::new("390318", format!("OAuth access token expired. [{incident}]"))
        } else {
            Refusal::new("390303", format!("Invalid OAuth access token. [{incident}]"))
        })
    }

    /// The user of whom the shown token is registered.
    fn registered(&self, credentials: &Credentials<'_>, now: u64) -> Result<String, Unregistered> {
        let named = credentials.login_name.map(str::to_ascii_uppercase);
        let Self::Listed(users, _) = self else {
            return Ok(named.unwrap_or_else(nobody));
        };
        let mut reason = Unregistered::Unknown;
        for user in users {
            if named.as_ref().is_some_and(|name| *name != user.name) {
                continue;
            }
            let shown = credentials.shown_token();
            for token in user.tokens.iter().filter(|token| token.secret.matches(shown)) {
                if token.is_good(now) {
                    return Ok(user.name.clone());
                }
                reason = Unregistered::Expired;
            }
        }
        Err(reason)
    }

    fn key_pair(&self, credentials: &Credentials<'_>, now: u64) -> Result<String, Refusal> {
        let verdict = match self {
            Self::Anyone => jwt::subject(credentials.token.unwrap_or_default()),
            Self::Listed(users, _) => {
                let gate = jwt::Gate {
                    account: credentials.account,
                    now,
                };
                jwt::verify(credentials.token.unwrap_or_default(), &gate, |name| {
                    users
                        .iter()
                        .find(|user| user.name == name)
                        .map_or(&[], |user| user.public_keys.as_slice())
                })
            }
        };
        verdict.map_err(|fault| {
            // As with Snowflake, the client gets a number and the server's keeper the reason.
            let incident = Uuid::new_v4();
            tracing::info!(%incident, reason = %fault, "key pair login refused");
            Refusal::new("390144", format!("JWT token is invalid. [{incident}]"))
        })
    }
}

/// The user that a login is for when it names none and need not.
pub(crate) fn nobody() -> String {
    "GUEST".to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_do_not_show() {
        let user = User::new("ann")
            .with_password(Secret::new("hunter2"))
            .with_token(Secret::new("pat-1"));
        let shown = format!("{user:?}");
        assert!(!shown.contains("hunter2") && !shown.contains("pat-1"), "{shown}");
    }

    #[tokio::test]
    async fn tokens_end() {
        let ann = User::new("ann").with_token_until(Secret::new("short"), 100);
        let accounts = Accounts::from(vec![ann]);
        let login = async |authenticator: &str, now| {
            let credentials = Credentials {
                authenticator: Some(authenticator),
                token: Some("short"),
                ..Credentials::default()
            };
            let judged = accounts.authenticate(&credentials, now).await;
            judged.map_err(|refusal| refusal.parts().1.to_owned())
        };
        assert_eq!(login("OAUTH", 99).await, Ok("ANN".to_owned().into()));
        assert_eq!(login("OAUTH", 100).await, Err("390318".to_owned()));
        assert_eq!(
            login("PROGRAMMATIC_ACCESS_TOKEN", 100).await,
            Err("394400".to_owned())
        );
    }

    #[tokio::test]
    async fn listed_users_need_their_own_secret() {
        let accounts = Accounts::from(vec![
            User::new("ann").with_password(Secret::new("one")),
            User::new("bob").with_token(Secret::new("two")),
        ]);
        let login = async |authenticator, login_name, password, token| {
            let credentials = Credentials {
                authenticator,
                login_name,
                password,
                token,
                account: None,
            };
            let judged = accounts.authenticate(&credentials, 0).await;
            judged.ok().map(|identity| identity.user)
        };
        assert_eq!(
            login(None, Some("Ann"), Some("one"), None).await,
            Some("ANN".to_owned())
        );
        assert_eq!(login(None, Some("ann"), Some("two"), None).await, None);
        assert_eq!(login(None, Some("ann"), None, None).await, None);
        assert_eq!(
            login(Some("OAUTH"), None, None, Some("two")).await,
            Some("BOB".to_owned())
        );
        assert_eq!(login(Some("OAUTH"), Some("ann"), None, Some("two")).await, None);
        // A programmatic access token may stand where a password is asked for.
        assert_eq!(
            login(None, Some("bob"), Some("two"), None).await,
            Some("BOB".to_owned())
        );
        assert_eq!(
            login(Some("EXTERNALBROWSER"), Some("ann"), Some("one"), None).await,
            None
        );
    }
}
