//! Logging in, renewing, staying, leaving.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use bytes::Bytes;
use http::{Method, StatusCode};
use rsa::pkcs1v15::SigningKey;
use rsa::pkcs8::{EncodePublicKey as _, LineEnding};
use rsa::rand_core::OsRng;
use rsa::sha2::{Digest as _, Sha256};
use rsa::signature::{SignatureEncoding as _, Signer as _};
use rsa::{RsaPrivateKey, RsaPublicKey};
use serde_json::{Value, json};
use snowflake_emulator::protocol::{Accounts, Secret, User};
use snowflake_emulator::session::ParameterValue;

use super::client::{Fixture, eventually, get, post, send};

fn code(answer: &Value) -> &str {
    assert_eq!(answer["success"], false, "{answer}");
    answer["code"].as_str().unwrap()
}

#[tokio::test]
async fn a_login_gives_all_that_any_client_needs() {
    let fixture = Fixture::start().await;
    let login = fixture
        .login_as(json!({
            "LOGIN_NAME": "ann", "PASSWORD": "x", "ACCOUNT_NAME": "local",
            "SESSION_PARAMETERS": { "query_tag": "t", "AUTOCOMMIT": false, "LOCK_TIMEOUT": 5 },
        }))
        .await;
    let data = &login.data;
    assert!(data["sessionId"].is_u64());
    assert_eq!(data["validityInSeconds"], 3600);
    assert_eq!(data["masterValidityInSeconds"], 14400);
    assert_eq!(data["sessionInfo"]["databaseName"], "DB");
    assert_eq!(data["sessionInfo"]["schemaName"], Value::Null);
    assert_eq!(data["displayUserName"], "ANN");
    let parameters = data["parameters"].as_array().unwrap();
    let value = |name| {
        parameters
            .iter()
            .find(|entry| entry["name"] == name)
            .map(|entry| entry["value"].clone())
    };
    assert_eq!(value("CLIENT_RESULT_CHUNK_SIZE"), Some(json!(160)));
    assert_eq!(value("CLIENT_STAGE_ARRAY_BINDING_THRESHOLD"), Some(json!(65_280)));
    assert_eq!(value("QUERY_TAG"), Some(json!("t")));

    let spec = fixture.backend.specs.lock().unwrap()[0].clone();
    assert_eq!(spec.database, None, "an empty name counts as none");
    assert_eq!(spec.schema.as_deref(), Some("s1"));
    assert_eq!(spec.parameters["AUTOCOMMIT"], ParameterValue::Bool(false));
    assert_eq!(spec.parameters["LOCK_TIMEOUT"], ParameterValue::Integer(5));
}

#[tokio::test]
async fn listed_users_must_prove_themselves() {
    let users = vec![
        User::new("ann")
            .with_password(Secret::new("right"))
            .with_token(Secret::new("pat")),
    ];
    let fixture = Fixture::with(|_| {}, Accounts::from(users)).await;
    let attempt = async |data| fixture.try_login(data).await;
    assert_eq!(
        code(&attempt(json!({ "LOGIN_NAME": "ann", "PASSWORD": "wrong" })).await),
        "390100"
    );
    assert_eq!(
        code(&attempt(json!({ "LOGIN_NAME": "bob", "PASSWORD": "right" })).await),
        "390100"
    );
    let oauth = json!({ "AUTHENTICATOR": "OAUTH", "TOKEN": "stolen" });
    assert_eq!(code(&attempt(oauth).await), "390303");
    let browser = attempt(json!({ "LOGIN_NAME": "ann", "AUTHENTICATOR": "EXTERNALBROWSER" })).await;
    assert_eq!(code(&browser), "390190");
    assert!(browser["message"].as_str().unwrap().contains("EXTERNALBROWSER"));
    for accepted in [
        json!({ "LOGIN_NAME": "ANN", "PASSWORD": "right" }),
        json!({ "LOGIN_NAME": "ann", "PASSWORD": "pat" }),
        json!({ "AUTHENTICATOR": "OAUTH", "TOKEN": "pat" }),
        json!({ "AUTHENTICATOR": "PROGRAMMATIC_ACCESS_TOKEN", "LOGIN_NAME": "ann", "TOKEN": "pat" }),
    ] {
        let answer = attempt(accepted).await;
        assert_eq!(answer["data"]["displayUserName"], "ANN", "{answer}");
    }
}

/// Seconds since 1970.
fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

/// Signs as the drivers do.
fn jwt(key: &RsaPrivateKey, algorithm: &str, issuer: &str, expires: u64) -> String {
    let part = |value: Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let signed = format!(
        "{}.{}",
        part(json!({ "alg": algorithm, "typ": "JWT" })),
        part(json!({ "iss": issuer, "sub": "LOCAL.ANN", "iat": now(), "exp": expires }))
    );
    let signature = SigningKey::<Sha256>::new(key.clone()).sign(signed.as_bytes());
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature.to_bytes()))
}

#[tokio::test]
async fn a_key_pair_opens_only_for_its_own_user_and_time() {
    let key = RsaPrivateKey::new(&mut OsRng, 1024).unwrap();
    let public = RsaPublicKey::from(&key);
    let pem = public.to_public_key_pem(LineEnding::LF).unwrap();
    let digest = Sha256::digest(public.to_public_key_der().unwrap().as_bytes());
    let fingerprint = format!("SHA256:{}", STANDARD.encode(digest));
    let users = vec![User::new("ann").with_public_key(&pem).unwrap()];
    let fixture = Fixture::with(|_| {}, Accounts::from(users)).await;
    let attempt = async |token: String| {
        // Go sends no LOGIN_NAME with a key pair.
        fixture
            .try_login(json!({ "AUTHENTICATOR": "SNOWFLAKE_JWT", "TOKEN": token }))
            .await
    };
    let issuer = format!("LOCAL.ANN.{fingerprint}");
    let future = u64::from(u32::MAX);
    let good = attempt(jwt(&key, "RS256", &issuer, future)).await;
    assert_eq!(good["data"]["displayUserName"], "ANN", "{good}");

    let mut forged = jwt(&key, "RS256", &issuer, future);
    let last = if forged.pop() == Some('A') { 'Q' } else { 'A' };
    forged.push(last);
    let other_user = format!("LOCAL.BOB.{fingerprint}");
    for bad in [
        forged,
        jwt(&key, "RS256", &issuer, 1000),
        jwt(&key, "none", &issuer, future),
        jwt(&key, "RS256", &other_user, future),
        jwt(&key, "RS256", "LOCAL.ANN.SHA256:AAAA", future),
        "not.a.token".to_owned(),
        String::new(),
    ] {
        assert_eq!(code(&attempt(bad).await), "390144");
    }
}

#[tokio::test]
async fn an_expired_token_is_renewed_and_the_session_stays() {
    let fixture = Fixture::start().await;
    let mut login = fixture.login().await;
    assert_eq!(login.query("set MARK here").await["success"], true);
    fixture.skip(Duration::from_secs(3601));
    assert_eq!(code(&login.query("select 1").await), "390112");

    let renewed = login.renew("RENEW").await;
    let data = &renewed["data"];
    assert_eq!(data["sessionId"], login.data["sessionId"]);
    assert_eq!(data["validityInSecondsST"], 3600);
    let old = std::mem::replace(
        &mut login.token,
        data["sessionToken"].as_str().unwrap().to_owned(),
    );
    assert_eq!(login.query("select 1").await["success"], true);
    // Another thread of the client may renew with the master token that it still has.
    assert_eq!(login.renew("RENEW").await["success"], true);
    assert_eq!(
        code(&login.query("select 1").await),
        "390112",
        "a renewal ends the older token"
    );
    login.token = old;
    assert_eq!(code(&login.query("select 1").await), "390112");

    fixture.skip(Duration::from_secs(14_401));
    assert_eq!(code(&login.renew("RENEW").await), "390114");
}

#[tokio::test]
async fn issue_adds_a_token_and_clone_adds_a_session() {
    let fixture = Fixture::start().await;
    let login = fixture.login().await;
    let issued = login.renew("ISSUE").await;
    assert_eq!(issued["data"]["sessionId"], login.data["sessionId"]);
    assert_eq!(login.query("select 1").await["success"], true);
    let cloned = login.renew("CLONE").await;
    assert_ne!(cloned["data"]["sessionId"], login.data["sessionId"]);
    assert_eq!(
        fixture.backend.specs.lock().unwrap()[1].database.as_deref(),
        Some("\"DB\"")
    );
    assert_eq!(code(&login.renew("BORROW").await), "390400");
}

#[tokio::test]
async fn tokens_that_open_nothing_say_why() {
    let fixture = Fixture::start().await;
    let login = fixture.login().await;
    let ask = async |token: Option<&str>| {
        let answer = post(fixture.address, "/session/heartbeat", token, &json!({})).await;
        assert_eq!(answer.status, StatusCode::OK);
        answer.json()
    };
    assert_eq!(
        ask(Some(&login.token)).await,
        json!({
            "data": null, "code": null, "message": null, "success": true, "headers": null,
        })
    );
    assert_eq!(code(&ask(None).await), "390103");
    assert_eq!(code(&ask(Some("None")).await), "390103");
    assert_eq!(code(&ask(Some("guess")).await), "390104");
    assert_eq!(code(&ask(Some(&login.master)).await), "390104");

    let out = login.post("/session?delete=true", &json!({})).await;
    assert_eq!(out["success"], true);
    assert_eq!(code(&ask(Some(&login.token)).await), "390111");
    assert_eq!(code(&login.renew("RENEW").await), "390111");
    assert_eq!(fixture.connector.session_count(), 0);
}

#[tokio::test]
async fn an_idle_session_is_ended() {
    let fixture = Fixture::with(
        |settings| settings.session_idle_max = Duration::from_secs(100),
        Accounts::Anyone,
    )
    .await;
    let (idle, busy) = (fixture.login().await, fixture.login().await);
    let waiting = busy
        .request(&json!({ "sqlText": "wait", "asyncExec": true }))
        .await;
    assert_eq!(waiting["code"], "333334");
    fixture.skip(Duration::from_secs(101));
    fixture.connector.sweep().await;
    assert_eq!(code(&idle.query("select 1").await), "390111");
    assert_eq!(
        busy.query("select 1").await["success"],
        true,
        "a session with a running statement is not idle"
    );
}

#[tokio::test]
async fn the_end_of_the_server_ends_statements_and_sessions() {
    let fixture = Fixture::start().await;
    let login = fixture.login().await;
    let waiting = tokio::spawn(async move { login.query("wait").await });
    eventually("the statement runs", async || {
        fixture.backend.runs.load(std::sync::atomic::Ordering::SeqCst) == 1
    })
    .await;
    fixture.stop();
    assert_eq!(code(&waiting.await.unwrap()), "000604");
    eventually("the session is closed", async || {
        fixture.backend.closed.load(std::sync::atomic::Ordering::SeqCst) == 1
    })
    .await;
}

#[tokio::test]
async fn what_is_not_served_is_said() {
    let fixture = Fixture::start().await;
    let unknown = get(fixture.address, "/api/nothing").await;
    assert_eq!(unknown.status, StatusCode::NOT_FOUND);
    assert_eq!(unknown.json()["success"], false);
    let sso = post(
        fixture.address,
        "/session/authenticator-request",
        None,
        &json!({}),
    )
    .await;
    assert_eq!(code(&sso.json()), "390190");
    for path in ["/telemetry/send", "/telemetry/send/sessionless"] {
        let answer = post(fixture.address, path, None, &json!({ "logs": [] })).await;
        assert_eq!(answer.json()["success"], true);
    }
    let broken = send(
        fixture.address,
        Method::POST,
        "/session/v1/login-request",
        &[],
        Bytes::from_static(b"{\"data\": {\"PASSWORD\": \"hush\", "),
    )
    .await;
    assert_eq!(broken.status, StatusCode::BAD_REQUEST);
    let text = String::from_utf8(broken.body.to_vec()).unwrap();
    assert!(!text.contains("hush"), "{text}");
}
