//! Tokens of authorities: signed ones, those that the authority is asked about, and the roles that they give.

use std::collections::HashMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use http::{Method, Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use snowflake_emulator::protocol::{Accounts, Authority, BELIEVED_USUAL, Introspection, Secret, User};
use tokio::net::TcpListener;
use url::form_urlencoded;

use super::authentication::{Key, ask};
use super::client::{Call, Fixture, STATEMENTS};

const ISSUER: &str = "https://idp.example.com/tenant";

#[tokio::test]
async fn tokens_of_a_trusted_authority_are_judged_by_its_keys() {
    let (key, next, stranger) = (Key::new(), Key::new(), Key::new());
    let fixture = Fixture::with(|setup| {
        let authority = Authority::new(ISSUER)
            .with_audience("api://snowflake")
            .with_user_claim("upn")
            .with_any_role();
        let authority = [&key, &next].into_iter().try_fold(authority, |authority, key| {
            authority.with_public_key(&key.public_pem)
        });
        // Neither has anything registered.
        let users = vec![User::new("ann"), User::new("bob")];
        setup.accounts = Accounts::Listed(users, vec![authority.unwrap()]);
        setup.settings.account = Some("org-one".to_owned());
    })
    .await;
    let token = |key: &Key, change: &dyn Fn(&mut Value)| {
        key.sign(|claims| {
            claims["iss"] = json!(ISSUER);
            claims["sub"] = json!("0a1b");
            claims["scp"] = json!("session:role-any");
            claims["upn"] = json!("ann");
            claims["aud"] = json!("api://snowflake");
            change(claims);
        })
    };
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    for (good, user) in [
        (token(&key, &|_| {}), "ANN"),
        (token(&next, &|claims| claims["upn"] = json!("Bob")), "BOB"),
        (
            token(&key, &|claims| {
                claims["aud"] = json!(["other", "https://org-one.snowflakecomputing.com"]);
            }),
            "ANN",
        ),
        // Longer than key pair tokens may be.
        (token(&key, &|claims| claims["exp"] = json!(now + 86_400)), "ANN"),
    ] {
        for kind in [Some("OAUTH"), None] {
            assert_eq!(
                ask(&fixture, &good, kind).await.with(200)["data"],
                json!([[user]])
            );
        }
    }
    for (what, token, code) in [
        (
            "expired",
            token(&key, &|claims| claims["exp"] = json!(now - 1)),
            "390318",
        ),
        (
            "for another audience",
            token(&key, &|claims| claims["aud"] = json!("api://other")),
            "390303",
        ),
        (
            "of an unknown user",
            token(&key, &|claims| claims["upn"] = json!("eve")),
            "390303",
        ),
        (
            "without the claim",
            token(&key, &|claims| claims["upn"] = json!(null)),
            "390303",
        ),
        (
            "of another issuer",
            token(&key, &|claims| claims["iss"] = json!("https://idp.example.com")),
            "390303",
        ),
        ("signed with another key", token(&stranger, &|_| {}), "390303"),
    ] {
        let json = ask(&fixture, &token, Some("OAUTH")).await.with(401);
        assert_eq!(json["code"], code, "{what}: {json}");
    }
}

/// The line of a request with its headers, and its form.
type Question = (String, HashMap<String, String>);

/// A stand-in for an authority that is asked, and what it was asked.
struct StandIn {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<Question>>>,
}

impl StandIn {
    /// One that answers about a token with whatever `tell` says.
    async fn start(tell: impl Fn(&str) -> (u16, String) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (tell, seen) = (Arc::new(tell), Arc::clone(&asked));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (tell, seen) = (Arc::clone(&tell), Arc::clone(&seen));
                let answer = service_fn(move |request: Request<Incoming>| {
                    let (tell, seen) = (Arc::clone(&tell), Arc::clone(&seen));
                    async move {
                        let header = |name| request.headers().get(name).map(|value| value.to_str().unwrap());
                        let line = format!(
                            "{} {} {} {}",
                            request.method(),
                            request.uri(),
                            header("content-type").unwrap_or_default(),
                            header("authorization").unwrap_or_default()
                        );
                        let body = request.into_body().collect().await.unwrap().to_bytes();
                        let form: HashMap<_, _> = form_urlencoded::parse(&body).into_owned().collect();
                        let (status, text) = tell(&form["token"]);
                        seen.lock().unwrap().push((line, form));
                        let answer = Response::builder().status(status);
                        Ok::<_, Infallible>(answer.body(Full::new(Bytes::from(text))).unwrap())
                    }
                });
                tokio::spawn(
                    hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), answer),
                );
            }
        });
        Self { address, asked }
    }

    fn asked(&self) -> usize {
        self.asked.lock().unwrap().len()
    }
}

/// How to ask at an address.
fn introspection(address: SocketAddr, believed_for: Duration) -> Introspection {
    let url = format!("http://{address}/introspect").parse().unwrap();
    Introspection::new(url, "us: them", Secret::new("a b&c"), believed_for).unwrap()
}

/// An emulator that asks at these addresses about tokens of ann and bob.
async fn asking(authorities: Vec<Authority>) -> Fixture {
    Fixture::with(|setup| {
        let users = vec![User::new("ann").with_token(Secret::new("own")), User::new("bob")];
        setup.accounts = Accounts::Listed(users, authorities);
    })
    .await
}

fn authority(address: SocketAddr) -> Authority {
    Authority::new(ISSUER).with_introspection(introspection(address, BELIEVED_USUAL))
}

fn told(claims: &Value) -> (u16, String) {
    (200, claims.to_string())
}

#[tokio::test]
async fn an_authority_is_asked_about_tokens_once_in_a_while() {
    let stand_in = StandIn::start(|token| match token {
        "of ann+" => told(&json!({ "active": true, "sub": "ann", "scope": "session:role:public" })),
        "of eve" => told(&json!({ "active": true, "sub": "eve", "scope": "session:role:public" })),
        "over" => told(&json!({ "active": true, "sub": "ann", "exp": 1 })),
        _ => told(&json!({ "active": false })),
    })
    .await;
    let fixture = asking(vec![authority(stand_in.address)]).await;
    let answers = tokio::join!(
        ask(&fixture, "of ann+", Some("OAUTH")),
        ask(&fixture, "of ann+", None),
        ask(&fixture, "of ann+", Some("OAUTH")),
    );
    for answer in [answers.0, answers.1, answers.2] {
        assert_eq!(answer.with(200)["data"], json!([["ANN"]]));
    }
    assert_eq!(stand_in.asked(), 1);
    {
        let asked = stand_in.asked.lock().unwrap();
        // Name and secret are encoded before they are joined: us%3A+them and a+b%26c.
        let line = "POST /introspect application/x-www-form-urlencoded Basic dXMlM0ErdGhlbTphK2IlMjZj";
        assert_eq!(asked[0].0, line);
        assert_eq!(asked[0].1["token"], "of ann+");
        assert_eq!(asked[0].1["token_type_hint"], "access_token");
    }
    for (token, code) in [("of eve", "390303"), ("over", "390318"), ("stolen", "390303")] {
        ask(&fixture, token, Some("OAUTH")).await.refused(401, code);
        ask(&fixture, token, Some("OAUTH")).await.refused(401, code);
    }
    assert_eq!(stand_in.asked(), 4);
    // What is registered or of another kind is nobody else's business.
    ask(&fixture, "own", None).await.with(200);
    ask(&fixture, "pat", Some("PROGRAMMATIC_ACCESS_TOKEN"))
        .await
        .refused(401, "394400");
    let signed = Key::new().sign(|_| {});
    ask(&fixture, &signed, Some("OAUTH")).await.refused(401, "390303");
    assert_eq!(stand_in.asked(), 4);
    // A signed one goes to the authority that it names.
    let signed = Key::new().sign(|claims| claims["iss"] = json!(ISSUER));
    ask(&fixture, &signed, None).await.refused(401, "390303");
    assert_eq!(stand_in.asked(), 5);
}

#[tokio::test]
async fn without_a_time_to_believe_each_login_asks() {
    let stand_in =
        StandIn::start(|_| told(&json!({ "active": true, "sub": "bob", "scope": "session:role-any" }))).await;
    let authority = Authority::new(ISSUER)
        .with_any_role()
        .with_introspection(introspection(stand_in.address, Duration::ZERO));
    let fixture = asking(vec![authority]).await;
    for asked in 1..=2 {
        let answer = ask(&fixture, "t", Some("OAUTH")).await;
        assert_eq!(answer.with(200)["data"], json!([["BOB"]]));
        assert_eq!(stand_in.asked(), asked);
    }
}

#[tokio::test]
async fn an_authority_that_does_not_answer_is_no_verdict() {
    let unreachable = {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        listener.local_addr().unwrap()
    };
    let answers = [
        (401, "{}"),
        (500, "{}"),
        (302, "{}"),
        (200, "no JSON"),
        (200, "[]"),
        (200, r#"{"active": "true", "sub": "ann"}"#),
    ];
    let mut addresses = vec![unreachable];
    for (status, text) in answers {
        let stand_in = StandIn::start(move |_| (status, text.to_owned())).await;
        addresses.push(stand_in.address);
    }
    let long = StandIn::start(|_| {
        (
            200,
            format!("{{\"active\": true, \"x\": \"{}\"}}", "x".repeat(70_000)),
        )
    })
    .await;
    addresses.push(long.address);
    for address in addresses {
        let fixture = asking(vec![authority(address)]).await;
        for kind in [Some("OAUTH"), None] {
            let json = ask(&fixture, "secret-token", kind).await.refused(401, "390190");
            let message = json["message"].as_str().unwrap();
            assert!(
                message.contains(ISSUER) && message.contains("gave no usable answer"),
                "{message}"
            );
            assert!(
                !message.contains("secret-token") && !message.contains("a b&c"),
                "{message}"
            );
        }
        let login = login(&fixture, "secret-token", "").await;
        assert_eq!(login["code"], "390190", "{login}");
        ask(&fixture, "own", Some("OAUTH")).await.with(200);
        // Where another authority knows the token, nobody is kept out.
        let good = json!({ "active": true, "sub": "ann", "scope": "session:role-any" });
        let good = StandIn::start(move |_| told(&good)).await;
        let other = Authority::new("other")
            .with_any_role()
            .with_introspection(introspection(good.address, BELIEVED_USUAL));
        let fixture = asking(vec![authority(address), other]).await;
        ask(&fixture, "secret-token", Some("OAUTH")).await.with(200);
    }
}

/// Logs in over the connector protocol.
async fn login(fixture: &Fixture, token: &str, query: &str) -> Value {
    let body = json!({ "data": { "AUTHENTICATOR": "OAUTH", "TOKEN": token, "CLIENT_APP_ID": "Go" } });
    let path = format!("/session/v1/login-request{query}");
    let call = Call::new(Method::POST, &path, body.to_string()).without("authorization");
    fixture.send(call).await.with(200)
}

/// Runs a statement over the connector protocol.
async fn run(fixture: &Fixture, token: &Value, sql: &str) -> Value {
    let header = format!("Snowflake Token=\"{}\"", token.as_str().unwrap());
    let call = Call::new(
        Method::POST,
        "/queries/v1/query-request",
        json!({ "sqlText": sql }).to_string(),
    );
    fixture.send(call.with("authorization", &header)).await.with(200)
}

#[tokio::test]
async fn scopes_say_which_role_a_session_has() {
    let stand_in = StandIn::start(|token| {
        told(&json!({ "active": true, "sub": "ann", "scp": token.split(';').collect::<Vec<_>>() }))
    })
    .await;
    let fixture = asking(vec![authority(stand_in.address)]).await;
    let two = "session:role:public;session:role:sysadmin";
    for (token, query, role) in [
        (two, "", "PUBLIC"),
        (two, "?roleName=sysadmin", "SYSADMIN"),
        ("SESSION:ROLE:Public", "?roleName=public", "PUBLIC"),
    ] {
        let login = login(&fixture, token, query).await;
        assert_eq!(login["data"]["sessionInfo"]["roleName"], role, "{login}");
        let session = &login["data"]["token"];
        for sql in ["use role sysadmin", "use role public"] {
            let refused = run(&fixture, session, sql).await;
            assert_eq!(refused["code"], "003107", "{refused}");
            assert_eq!(refused["data"]["sqlState"], "42501");
        }
        // A session that is cloned is no way around it.
        let header = format!(
            "Snowflake Token=\"{}\"",
            login["data"]["masterToken"].as_str().unwrap()
        );
        let body = json!({ "requestType": "CLONE" }).to_string();
        let call = Call::new(Method::POST, "/session/token-request", body).with("authorization", &header);
        let cloned = fixture.send(call).await.with(200);
        let refused = run(&fixture, &cloned["data"]["sessionToken"], "use role sysadmin").await;
        assert_eq!(refused["code"], "003107", "{refused}");
        let shown = run(&fixture, &cloned["data"]["sessionToken"], "select current_role()").await;
        assert_eq!(shown["data"]["finalRoleName"], role, "{shown}");
    }
    for (token, query, role) in [
        (two, "?roleName=accountadmin", "ACCOUNTADMIN"),
        ("openid;session:role-any", "?roleName=public", "PUBLIC"),
        ("openid", "", "ACCOUNTADMIN"),
    ] {
        let refused = login(&fixture, token, query).await;
        assert_eq!(refused["code"], "390317", "{refused}");
        assert!(
            refused["message"]
                .as_str()
                .unwrap()
                .contains(&format!("('{role}')")),
            "{refused}"
        );
    }
    // A role that is not there cannot be given.
    assert_eq!(login(&fixture, "session:role:nobody", "").await["code"], "390189");

    let submit = async |role: Option<&str>, sql: &str| {
        let body = json!({ "statement": sql, "role": role });
        let call = Call::new(Method::POST, STATEMENTS, body.to_string());
        fixture
            .send(call.with("authorization", &format!("Bearer {two}")))
            .await
    };
    let role = "select current_role()";
    assert_eq!(submit(None, role).await.with(200)["data"], json!([["PUBLIC"]]));
    assert_eq!(
        submit(Some("SYSADMIN"), role).await.with(200)["data"],
        json!([["SYSADMIN"]])
    );
    submit(Some("ACCOUNTADMIN"), role).await.refused(422, "390317");
}

#[tokio::test]
async fn any_role_may_be_taken_where_the_authority_is_trusted_with_it() {
    let free = json!({ "active": true, "sub": "ann", "scope": "session:role-any" });
    let stand_in = StandIn::start(move |_| told(&free)).await;
    let fixture = asking(vec![authority(stand_in.address).with_any_role()]).await;
    let login = login(&fixture, "t", "?roleName=public").await;
    assert_eq!(login["data"]["sessionInfo"]["roleName"], "PUBLIC", "{login}");
    let used = run(&fixture, &login["data"]["token"], "use role sysadmin").await;
    assert_eq!(used["success"], true, "{used}");
}
