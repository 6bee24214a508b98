//! Who may ask: tokens of each kind, good and bad.

use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use http::Method;
use rsa::pkcs1v15::SigningKey;
use rsa::pkcs8::{EncodePublicKey as _, LineEnding};
use rsa::rand_core::OsRng;
use rsa::sha2::{Digest as _, Sha256};
use rsa::signature::{SignatureEncoding as _, Signer as _};
use rsa::{RsaPrivateKey, RsaPublicKey};
use serde_json::{Value, json};
use snowflake_emulator::protocol::{Accounts, Secret, User};

use super::client::{Answer, Call, Fixture, STATEMENTS};

const TOKEN_TYPE: &str = "x-snowflake-authorization-token-type";

/// A user's key pair.
pub(super) struct Key {
    private: RsaPrivateKey,
    pub(super) public_pem: String,
    fingerprint: String,
}

impl Key {
    pub(super) fn new() -> Self {
        let private = RsaPrivateKey::new(&mut OsRng, 1024).unwrap();
        let public = RsaPublicKey::from(&private);
        let der = public.to_public_key_der().unwrap();
        Self {
            public_pem: public.to_public_key_pem(LineEnding::LF).unwrap(),
            fingerprint: format!("SHA256:{}", STANDARD.encode(Sha256::digest(der.as_bytes()))),
            private,
        }
    }

    /// A token with Snowflake's claims, changed.
    pub(super) fn sign(&self, change: impl FnOnce(&mut Value)) -> String {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        let mut claims = json!({
            "iss": format!("ORG-ONE.ANN.{}", self.fingerprint),
            "sub": "ORG-ONE.ANN",
            "iat": now,
            "exp": now + 600,
        });
        change(&mut claims);
        let encode = |json: &Value| URL_SAFE_NO_PAD.encode(json.to_string());
        let text = format!(
            "{}.{}",
            encode(&json!({ "alg": "RS256", "typ": "JWT" })),
            encode(&claims)
        );
        let signature = SigningKey::<Sha256>::new(self.private.clone()).sign(text.as_bytes());
        format!("{text}.{}", URL_SAFE_NO_PAD.encode(signature.to_bytes()))
    }
}

async fn guarded(key: &Key) -> Fixture {
    let ann = User::new("ann")
        .with_public_key(&key.public_pem)
        .unwrap()
        .with_token(Secret::new("token-of-ann"))
        .with_token_until(Secret::new("old-token-of-ann"), 1);
    Fixture::with(|setup| {
        setup.accounts = Accounts::from(vec![ann]);
        setup.settings.account = Some("org-one".to_owned());
    })
    .await
}

pub(super) async fn ask(fixture: &Fixture, token: &str, kind: Option<&str>) -> Answer {
    let body = json!({ "statement": "select current_user()" }).to_string();
    let mut call =
        Call::new(Method::POST, STATEMENTS, body).with("authorization", &format!("Bearer {token}"));
    if let Some(kind) = kind {
        call = call.with(TOKEN_TYPE, kind);
    }
    fixture.send(call).await
}

#[tokio::test]
async fn key_pair_tokens_are_judged_by_the_registered_key() {
    let key = Key::new();
    let fixture = guarded(&key).await;
    let good = key.sign(|_| {});
    for kind in [Some("KEYPAIR_JWT"), None] {
        assert_eq!(
            ask(&fixture, &good, kind).await.with(200)["data"],
            json!([["ANN"]])
        );
    }
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let bad = [
        ("expired", key.sign(|claims| claims["exp"] = json!(now - 10))),
        (
            "issued long ago",
            key.sign(|claims| {
                claims["iat"] = json!(now - 7200);
                claims["exp"] = json!(now + 86_400);
            }),
        ),
        (
            "for another account",
            key.sign(|claims| {
                claims["sub"] = json!("ORG-TWO.ANN");
                claims["iss"] = json!(format!("ORG-TWO.ANN.{}", key.fingerprint));
            }),
        ),
        (
            "for another audience",
            key.sign(|claims| claims["aud"] = json!("https://org-two.example.com")),
        ),
        (
            "with another fingerprint",
            key.sign(|claims| claims["iss"] = json!("ORG-ONE.ANN.SHA256:AAAA")),
        ),
        (
            "of an unknown user",
            key.sign(|claims| {
                claims["sub"] = json!("ORG-ONE.BOB");
                claims["iss"] = json!(format!("ORG-ONE.BOB.{}", key.fingerprint));
            }),
        ),
        (
            "signed with another key",
            Key::new().sign(|claims| {
                claims["iss"] = json!(format!("ORG-ONE.ANN.{}", key.fingerprint));
            }),
        ),
        ("cut", good[..good.len() - 4].to_owned()),
    ];
    for (what, token) in &bad {
        for kind in [Some("KEYPAIR_JWT"), None] {
            let json = ask(&fixture, token, kind).await.with(401);
            assert_eq!(json["code"], "390144", "{what}: {json}");
            assert!(
                json["message"]
                    .as_str()
                    .unwrap()
                    .starts_with("JWT token is invalid. [")
            );
        }
    }
}

#[tokio::test]
async fn registered_tokens_open_the_door() {
    let fixture = guarded(&Key::new()).await;
    for kind in [
        Some("OAUTH"),
        Some("PROGRAMMATIC_ACCESS_TOKEN"),
        Some("oauth"),
        None,
    ] {
        let json = ask(&fixture, "token-of-ann", kind).await.with(200);
        assert_eq!(json["data"], json!([["ANN"]]));
    }
    ask(&fixture, "old-token-of-ann", Some("OAUTH"))
        .await
        .refused(401, "390318");
    ask(&fixture, "old-token-of-ann", None)
        .await
        .refused(401, "390318");
    ask(&fixture, "wrong", Some("OAUTH")).await.refused(401, "390303");
    ask(&fixture, "wrong", None).await.refused(401, "390303");
    ask(&fixture, "wrong", Some("PROGRAMMATIC_ACCESS_TOKEN"))
        .await
        .refused(401, "394400");
    ask(&fixture, "token-of-ann", Some("KEYPAIR_JWT"))
        .await
        .refused(401, "390144");
    ask(&fixture, "token-of-ann", Some("MAGIC"))
        .await
        .refused(401, "390190");
}

#[tokio::test]
async fn without_a_token_nobody_asks() {
    for fixture in [Fixture::start().await, guarded(&Key::new()).await] {
        let call = || Call::new(Method::POST, STATEMENTS, "{}");
        fixture
            .send(call().without("authorization"))
            .await
            .refused(401, "390101");
        for header in ["Basic YTpi", "Bearer", "Snowflake Token=\"x\""] {
            fixture
                .send(call().with("authorization", header))
                .await
                .refused(401, "390101");
        }
    }
}

#[tokio::test]
async fn where_anyone_may_log_in_any_token_will_do() {
    let fixture = Fixture::start().await;
    assert_eq!(
        ask(&fixture, "whatever", None).await.with(200)["data"],
        json!([["GUEST"]])
    );
    assert_eq!(
        ask(&fixture, "whatever", Some("OAUTH")).await.with(200)["data"],
        json!([["GUEST"]])
    );
    // A token that names a user is taken at its word, expired or not.
    let named = Key::new().sign(|claims| claims["exp"] = json!(1));
    assert_eq!(
        ask(&fixture, &named, None).await.with(200)["data"],
        json!([["ANN"]])
    );
}
