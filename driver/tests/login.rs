//! Every way to log in that is supported, as the server sees it, and what a failed login says.

#![allow(clippy::unwrap_used, reason = "a failed step is a failed test")]

#[path = "../../gateway/tests/mock/mod.rs"]
mod mock;
mod support;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use mock::{Mock, Reply, failure};
use rsa::RsaPublicKey;
use rsa::pkcs1v15::{Signature, VerifyingKey};
use rsa::pkcs8::{DecodePublicKey as _, EncodePublicKey as _};
use rsa::sha2::{Digest as _, Sha256};
use rsa::signature::Verifier as _;
use serde_json::{Value, json};
use snowflake_session_driver::{
    ConnectOptions, ConnectionSettings, Credential, Driver, DriverError, Result, Secret, UpstreamSession,
};
use support::{config, settings};

const PLAIN_KEY: &str = include_str!("keys/plain.p8");
const ENCRYPTED_KEY: &str = include_str!("keys/encrypted.p8");
const PUBLIC_KEY: &str = include_str!("keys/public.pem");

async fn log_in(mock: &Mock, credential: Credential) -> Result<UpstreamSession> {
    let mut settings = settings(mock);
    settings.credential = credential;
    (settings.account, settings.user) = ("org-acct".to_owned(), "some_user".to_owned());
    let driver = Driver::start(config()).await.unwrap();
    driver.connect(&settings, &ConnectOptions::default()).await
}

/// Logs in and returns the `data` that the server got.
async fn login_data(credential: Credential) -> Value {
    let mock = Mock::start().await;
    log_in(&mock, credential).await.unwrap();
    let seen = mock.seen("session/v1/login-request");
    assert_eq!(seen.len(), 1);
    seen[0].body["data"].clone()
}

fn password(passcode: Option<&str>, passcode_in_password: bool) -> Credential {
    Credential::Password {
        password: Secret::new("hunter2"),
        passcode: passcode.map(Secret::new),
        passcode_in_password,
    }
}

#[tokio::test]
async fn password_with_and_without_passcode() {
    let data = login_data(password(None, false)).await;
    assert_eq!(
        (&data["LOGIN_NAME"], &data["PASSWORD"]),
        (&json!("some_user"), &json!("hunter2"))
    );
    assert!(data["AUTHENTICATOR"].is_null() && data["EXT_AUTHN_DUO_METHOD"].is_null());
    let data = login_data(password(Some("123456"), false)).await;
    assert_eq!(
        (&data["PASSCODE"], &data["EXT_AUTHN_DUO_METHOD"]),
        (&json!("123456"), &json!("passcode"))
    );
    let data = login_data(password(None, true)).await;
    assert_eq!(
        (&data["PASSCODE"], &data["EXT_AUTHN_DUO_METHOD"]),
        (&Value::Null, &json!("passcode"))
    );
}

#[tokio::test]
async fn tokens_say_what_they_are() {
    let data = login_data(Credential::OAuth(Secret::new("oauth-token"))).await;
    assert_eq!(
        (&data["AUTHENTICATOR"], &data["TOKEN"]),
        (&json!("OAUTH"), &json!("oauth-token"))
    );
    let data = login_data(Credential::ProgrammaticAccessToken(Secret::new("pat"))).await;
    assert_eq!(
        (&data["AUTHENTICATOR"], &data["TOKEN"]),
        (&json!("PROGRAMMATIC_ACCESS_TOKEN"), &json!("pat"))
    );
    assert!(data["PASSWORD"].is_null());
}

#[tokio::test]
async fn key_pairs_sign_a_token_for_account_and_user() {
    let plain = Credential::KeyPair {
        pem: Secret::new(PLAIN_KEY),
        passphrase: None,
    };
    let encrypted = Credential::KeyPair {
        pem: Secret::new(ENCRYPTED_KEY),
        passphrase: Some(Secret::new("open-sesame")),
    };
    for credential in [plain, encrypted] {
        let data = login_data(credential).await;
        assert_eq!(data["AUTHENTICATOR"], "SNOWFLAKE_JWT");
        let claims = verified_claims(data["TOKEN"].as_str().unwrap());
        let public = RsaPublicKey::from_public_key_pem(PUBLIC_KEY).unwrap();
        let fingerprint = STANDARD.encode(Sha256::digest(public.to_public_key_der().unwrap().as_bytes()));
        assert_eq!(claims["sub"], "ORG-ACCT.SOME_USER");
        assert_eq!(claims["iss"], format!("ORG-ACCT.SOME_USER.SHA256:{fingerprint}"));
        let (issued, expires) = (claims["iat"].as_i64().unwrap(), claims["exp"].as_i64().unwrap());
        assert!(expires > issued && expires - issued <= 3600);
    }
}

/// Checks the signature of a JWT and returns its claims.
fn verified_claims(token: &str) -> Value {
    let (signed, signature) = token.rsplit_once('.').unwrap();
    let signature = Signature::try_from(&URL_SAFE_NO_PAD.decode(signature).unwrap()[..]).unwrap();
    let public = RsaPublicKey::from_public_key_pem(PUBLIC_KEY).unwrap();
    VerifyingKey::<Sha256>::new(public)
        .verify(signed.as_bytes(), &signature)
        .unwrap();
    let (header, claims) = signed.split_once('.').unwrap();
    let header: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(header).unwrap()).unwrap();
    assert_eq!(header["alg"], "RS256");
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).unwrap()).unwrap()
}

#[tokio::test]
async fn a_key_that_cannot_be_used_is_found_before_anything_is_sent() {
    let wrong = Some(Secret::new("wrong-passphrase"));
    let keys = [
        Credential::KeyPair {
            pem: Secret::new(ENCRYPTED_KEY),
            passphrase: wrong,
        },
        Credential::KeyPair {
            pem: Secret::new("-----BEGIN PRIVATE KEY-----\nsecret"),
            passphrase: None,
        },
    ];
    for credential in keys {
        let mock = Mock::start().await;
        let error = log_in(&mock, credential).await.unwrap_err();
        assert!(
            matches!(&error, DriverError::Configuration { hint: Some(hint), .. } if hint.contains("PKCS#8"))
        );
        let shown = format!("{error} {error:?}");
        assert!(
            !shown.contains("wrong-passphrase") && !shown.contains("secret"),
            "{shown}"
        );
        assert!(mock.seen("session/v1/login-request").is_empty());
    }
}

#[tokio::test]
async fn a_refusal_keeps_code_and_words_and_never_the_password() {
    let mock = Mock::start().await;
    mock.on("session/v1/login-request", |_| async {
        failure(
            "390100",
            "Incorrect username or password was specified.",
            json!({ "sqlState": "28000" }),
        )
    });
    let error = log_in(&mock, password(None, false)).await.unwrap_err();
    assert!(!format!("{error} {error:?}").contains("hunter2"));
    let DriverError::LoginRefused {
        code,
        sql_state,
        message,
    } = error
    else {
        panic!("{error:?}")
    };
    assert_eq!(
        (code.as_deref(), sql_state.as_deref()),
        (Some("390100"), Some("28000"))
    );
    assert_eq!(message, "Incorrect username or password was specified.");
    assert_eq!(
        mock.seen("session/v1/login-request").len(),
        1,
        "a refusal is not tried again"
    );
}

#[tokio::test]
async fn whoever_answers_for_an_unknown_account_is_not_a_login() {
    let mock = Mock::start().await;
    mock.on("session/v1/login-request", |_| async { Reply::status(403) });
    let error = log_in(&mock, password(None, false)).await.unwrap_err();
    assert!(
        matches!(&error, DriverError::Unreachable { reason, .. } if reason.contains("account")),
        "{error:?}"
    );
}

#[tokio::test]
async fn a_server_that_nobody_runs_is_unreachable_with_its_address() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", free.local_addr().unwrap());
    drop(free);
    let settings = ConnectionSettings::new(
        "test",
        "acct",
        "me",
        password(None, false),
        url::Url::parse(&address).unwrap(),
    );
    let driver = Driver::start(config()).await.unwrap();
    let error = driver
        .connect(&settings, &ConnectOptions::default())
        .await
        .unwrap_err();
    assert!(
        matches!(&error, DriverError::Unreachable { endpoint, .. } if *endpoint == address),
        "{error:?}"
    );
}

#[tokio::test]
async fn a_silent_server_ends_in_a_timeout() {
    let mock = Mock::start().await;
    mock.on("session/v1/login-request", |_| std::future::pending());
    let mut limits = config();
    limits.login_timeout = std::time::Duration::from_millis(50);
    let driver = Driver::start(limits).await.unwrap();
    let error = driver
        .connect(&settings(&mock), &ConnectOptions::default())
        .await
        .unwrap_err();
    assert!(matches!(error, DriverError::Timeout { .. }), "{error:?}");
}
