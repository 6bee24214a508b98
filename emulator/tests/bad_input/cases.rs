//! What is sent, and what must come of it.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};

use Outcome::{Answer as Answers, Ends};

pub(crate) const SUBMIT: &str = "/queries/v1/query-request";
pub(crate) const STATEMENTS: &str = "/api/v2/statements";

/// What must come of a case.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Outcome {
    /// An answer of this status, with this code if there is one.
    Answer(u16, &'static str),
    /// An answer that is no failure of the server's own, or the end of the connection.
    Ends,
}

/// What the client does when it has sent everything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Then {
    Reads,
    /// Shuts its side down, and reads.
    HalfCloses,
}

pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) request: Vec<u8>,
    pub(crate) then: Then,
    pub(crate) outcome: Outcome,
}

/// The lines of a request's head that say who asks.
pub(crate) struct Protocol {
    pub(crate) ann: String,
    pub(crate) bob: String,
    pub(crate) path: &'static str,
    /// A body that is as it should be.
    pub(crate) good: Value,
    /// Name of the field that holds the statement.
    pub(crate) statement: &'static str,
    pub(crate) json: &'static str,
}

impl Protocol {
    fn head(&self, method: &str, path: &str, more: &str) -> String {
        format!(
            "{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{}{more}",
            self.ann
        )
    }

    fn with(&self, headers: &str, body: &[u8]) -> Vec<u8> {
        let head = self.head("POST", self.path, headers);
        [
            format!("{head}Content-Length: {}\r\n\r\n", body.len()).as_bytes(),
            body,
        ]
        .concat()
    }

    fn post(&self, body: &[u8]) -> Vec<u8> {
        self.with(self.json, body)
    }

    fn plain(method: &str, path: &str, who: &str) -> Vec<u8> {
        format!(
            "{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{who}Content-Length: 0\r\n\r\n"
        )
        .into_bytes()
    }

    fn good(&self) -> Vec<u8> {
        self.good.to_string().into_bytes()
    }
}

fn gzip(bytes: &[u8], times: usize) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    for _ in 0..times {
        encoder.write_all(bytes).unwrap();
    }
    encoder.finish().unwrap()
}

/// What both protocols answer in the same way.
pub(crate) fn common(protocol: &Protocol) -> Vec<Case> {
    const GZIP: &str = "Content-Encoding: gzip\r\n";
    let invalid = Answers(400, "390142");
    let too_large = Answers(413, "390142");
    let mut cases = Vec::new();
    let mut case = |name, request: Vec<u8>, outcome| {
        cases.push(Case {
            name,
            request,
            then: Then::Reads,
            outcome,
        });
    };
    let (json, good, field) = (protocol.json, protocol.good(), protocol.statement);
    case("malformed JSON", protocol.post(b"{\"x\": "), invalid);
    case("a list", protocol.post(b"[1, 2]"), invalid);
    case("no JSON", protocol.post(b"<xml/>"), invalid);
    case("nothing in it", protocol.post(b"{}"), invalid);
    case(
        "a statement that is a number",
        protocol.post(format!("{{\"{field}\": 7}}").as_bytes()),
        invalid,
    );
    case(
        "invalid UTF-8",
        protocol.post(&[format!("{{\"{field}\": \"").as_bytes(), b"\xff\xc0\"}"].concat()),
        invalid,
    );
    case(
        "half a surrogate",
        protocol.post(format!("{{\"{field}\": \"\\ud800\"}}").as_bytes()),
        invalid,
    );
    case(
        "nested beyond reason",
        protocol.post("[".repeat(1_000_000).as_bytes()),
        invalid,
    );
    let nested = format!("{{\"{field}\": {}{}}}", "[".repeat(100_000), "]".repeat(100_000));
    case("a nested statement", protocol.post(nested.as_bytes()), invalid);
    case(
        "another media type",
        protocol.with("Content-Type: text/plain\r\n", &good),
        Answers(415, "390142"),
    );
    case(
        "an unknown encoding",
        protocol.with(&format!("{json}Content-Encoding: br\r\n"), &good),
        Answers(415, "390142"),
    );
    let packed = |body: &[u8]| protocol.with(&format!("{json}{GZIP}"), body);
    case("no gzip", packed(b"no gzip"), invalid);
    let half = gzip(&good, 1);
    case("half a gzip", packed(&half[..half.len() / 2]), invalid);
    case(
        "a gzip bomb",
        packed(&gzip(&vec![b' '; 1 << 20], 1024)),
        too_large,
    );
    case("a large body", protocol.post(&vec![b' '; 100 << 20]), too_large);
    let head = protocol.head("POST", protocol.path, json);
    let lying = format!("{head}Content-Length: 18446744073709551615\r\n\r\n{{");
    case("a length beyond reason", lying.into_bytes(), Ends);
    case(
        "a negative length",
        format!("{head}Content-Length: -1\r\n\r\n").into_bytes(),
        Answers(400, ""),
    );
    let both = format!("{head}Content-Length: 3\r\nContent-Length: 5\r\n\r\n{{}}   ");
    case("two lengths", both.into_bytes(), Answers(400, ""));
    let chunked = format!("{head}Transfer-Encoding: chunked\r\n\r\nzz\r\n{{}}\r\n0\r\n\r\n");
    case("a chunk of no length", chunked.into_bytes(), invalid);
    case(
        "a name with a space",
        format!("{head}X Y: 1\r\n\r\n").into_bytes(),
        Answers(400, ""),
    );
    case(
        "a value with a NUL",
        format!("{head}X: a\0b\r\n\r\n").into_bytes(),
        Answers(400, ""),
    );
    case(
        "a large header",
        format!("{head}X: {}\r\n\r\n", "x".repeat(1 << 20)).into_bytes(),
        Answers(431, ""),
    );
    let many: Vec<String> = (0..500).map(|number| format!("X-{number}: 1\r\n")).collect();
    case(
        "many headers",
        format!("{head}{}\r\n", many.concat()).into_bytes(),
        Answers(431, ""),
    );
    let long = protocol.head(
        "POST",
        &format!("{}?x={}", protocol.path, "x".repeat(70_000)),
        json,
    );
    case(
        "a long URI",
        format!("{long}Content-Length: 0\r\n\r\n").into_bytes(),
        Answers(414, ""),
    );
    case(
        "no HTTP",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".to_vec(),
        Ends,
    );
    case(
        "a slow body",
        format!("{head}Content-Length: 100\r\n\r\n{{").into_bytes(),
        Answers(408, "390142"),
    );
    cases.push(Case {
        name: "a body that breaks off",
        request: format!("{head}Content-Length: 100\r\n\r\n{{").into_bytes(),
        then: Then::HalfCloses,
        outcome: Ends,
    });
    cases.push(Case {
        name: "a client that says no more",
        request: protocol.post(&good),
        then: Then::HalfCloses,
        outcome: Ends,
    });
    cases
}

/// What is the connector protocol's own: `query` is a statement of Ann's.
pub(crate) fn of_connector(protocol: &Protocol, query: &str) -> Vec<Case> {
    let unknown = "00000000-0000-4000-8000-000000000000";
    let (ann, bob) = (protocol.ann.as_str(), protocol.bob.as_str());
    let get = |path: &str, who: &str| Protocol::plain("GET", path, who);
    let post = |path: &str, who: &str| Protocol::plain("POST", path, who);
    let result = |id: &str| format!("/queries/{id}/result");
    let body = |json: Value| protocol.post(json.to_string().as_bytes());
    let parameters = |text: &str| {
        protocol.post(format!("{{\"sqlText\": \"select 1\", \"parameters\": {text}}}").as_bytes())
    };
    let binding =
        |text: &str| protocol.post(format!("{{\"sqlText\": \"select ?\", \"bindings\": {text}}}").as_bytes());
    let zeros = "0,".repeat(5_000_000);
    let many: Vec<String> = (0..2000).map(|number| format!("\"P{number}\": 1,")).collect();
    let cases: Vec<(&'static str, Vec<u8>, Outcome)> = vec![
        (
            "an unknown endpoint",
            post("/queries/v2/query-request", ann),
            Answers(404, "390142"),
        ),
        ("the root", get("/", ann), Answers(404, "390142")),
        (
            "a path that climbs",
            get("/results/../../etc/passwd", ann),
            Answers(404, "390142"),
        ),
        ("another method", get(SUBMIT, ann), Answers(405, "390142")),
        (
            "a method of nobody",
            Protocol::plain("BREW", "/session", ann),
            Answers(405, "390142"),
        ),
        ("no token", post(SUBMIT, ""), Answers(200, "390103")),
        (
            "a wrong token",
            post(SUBMIT, "Authorization: Snowflake Token=\"nonsense\"\r\n"),
            Answers(200, "390104"),
        ),
        (
            "a token in another scheme",
            post(SUBMIT, "Authorization: Basic bm9uc2Vuc2U=\r\n"),
            Answers(200, "390103"),
        ),
        (
            "a handle of nobody",
            get(&result(unknown), ann),
            Answers(200, "000612"),
        ),
        (
            "a handle that is none",
            get(&result("nonsense"), ann),
            Answers(200, "000612"),
        ),
        (
            "a long handle",
            get(&result(&"x".repeat(10_000)), ann),
            Answers(200, "000612"),
        ),
        (
            "another user's handle",
            get(&result(query), bob),
            Answers(200, "000612"),
        ),
        (
            "to stop another user's",
            post(&format!("/queries/{query}/abort-request"), bob),
            Answers(200, "000605"),
        ),
        (
            "a chunk of nobody",
            get(&format!("/results/{}/0", "0".repeat(64)), ""),
            Answers(403, "390142"),
        ),
        ("a stage of nobody", get("/stages/nonsense", ""), Answers(403, "")),
        (
            "an injected header",
            post(&format!("{SUBMIT}?requestId=%0d%0aX-Injected:%201"), ann),
            Answers(400, "390142"),
        ),
        (
            "SQL that is none",
            body(json!({ "sqlText": "selec \u{0} 1" })),
            Answers(200, "001003"),
        ),
        (
            "SQL nested beyond reason",
            body(json!({ "sqlText": format!("select {}", "(".repeat(100_000)) })),
            Answers(200, "001003"),
        ),
        (
            "parameters that are a list",
            parameters("[]"),
            Answers(400, "390142"),
        ),
        (
            "too many parameters",
            parameters(&format!("{{{}\"Q\": 1}}", many.concat())),
            Answers(400, "390142"),
        ),
        (
            "a nested parameter",
            parameters(&format!(
                "{{\"P\": {}{}}}",
                "[".repeat(100_000),
                "]".repeat(100_000)
            )),
            Answers(200, ""),
        ),
        (
            "a parameter of many values",
            parameters(&format!("{{\"P\": [{zeros}0]}}")),
            Answers(200, ""),
        ),
        (
            "a negative number",
            parameters("{\"STATEMENT_TIMEOUT_IN_SECONDS\": -1}"),
            Ends,
        ),
        (
            "a huge number",
            parameters(
                "{\"STATEMENT_TIMEOUT_IN_SECONDS\": 1e999, \"MULTI_STATEMENT_COUNT\": 99999999999999999999}",
            ),
            Ends,
        ),
        (
            "many bound values",
            binding(&format!(
                "{{\"1\": {{\"type\": \"FIXED\", \"value\": [{zeros}0]}}}}"
            )),
            Answers(400, "390142"),
        ),
        (
            "bindings without type",
            binding("{\"1\": {\"value\": \"1\"}}"),
            Answers(400, "390142"),
        ),
        (
            "a binding of half a surrogate",
            binding("{\"1\": {\"type\": \"TEXT\", \"value\": \"\\ud800\"}}"),
            Answers(400, "390142"),
        ),
        (
            "a binding that is no number",
            binding("{\"1\": {\"type\": \"FIXED\", \"value\": \"nonsense\"}}"),
            Answers(200, "100038"),
        ),
        (
            "a binding of a huge number",
            binding("{\"1\": {\"type\": \"DATE\", \"value\": \"99999999999999999999999\"}}"),
            Answers(200, "002010"),
        ),
        (
            "a login of nobody",
            post("/session/v1/login-request", ""),
            Answers(400, "390142"),
        ),
    ];
    reading(cases)
}

/// What is the SQL API's own: `handle` is a statement of Ann's.
pub(crate) fn of_api(protocol: &Protocol, handle: &str) -> Vec<Case> {
    let unknown = "00000000-0000-4000-8000-000000000000";
    let (ann, bob) = (protocol.ann.as_str(), protocol.bob.as_str());
    let get = |path: &str, who: &str| Protocol::plain("GET", path, who);
    let post = |path: &str, who: &str| Protocol::plain("POST", path, who);
    let of = |handle: &str| format!("{STATEMENTS}/{handle}");
    let with = |text: &str| protocol.post(format!("{{\"statement\": \"select 1\", {text}}}").as_bytes());
    let cases: Vec<(&'static str, Vec<u8>, Outcome)> = vec![
        (
            "an unknown endpoint",
            post("/api/v2/nonsense", ann),
            Answers(404, "390404"),
        ),
        ("another method", get(STATEMENTS, ann), Answers(405, "")),
        ("no token", post(STATEMENTS, ""), Answers(401, "390101")),
        (
            "a wrong token",
            post(STATEMENTS, "Authorization: Bearer nonsense\r\n"),
            Answers(401, "390303"),
        ),
        (
            "a token cut short",
            post(STATEMENTS, "Authorization: Bearer eyJhbGciOiJSUzI1NiJ9.e30\r\n"),
            Answers(401, "390303"),
        ),
        (
            "a handle of nobody",
            get(&of(unknown), ann),
            Answers(422, "000709"),
        ),
        (
            "a handle that is none",
            get(&of("nonsense"), ann),
            Answers(422, "000709"),
        ),
        (
            "another user's handle",
            get(&of(handle), bob),
            Answers(422, "000709"),
        ),
        (
            "to stop another user's",
            post(&format!("{}/cancel", of(handle)), bob),
            Answers(422, "000709"),
        ),
        (
            "a partition beyond all",
            get(&format!("{}?partition=18446744073709551615", of(handle)), ann),
            Answers(400, "390142"),
        ),
        (
            "a negative partition",
            get(&format!("{}?partition=-1", of(handle)), ann),
            Answers(400, "390142"),
        ),
        (
            "an injected header",
            get(&format!("{}?requestId=%0d%0aX-Injected:%201", of(handle)), ann),
            Answers(400, "390142"),
        ),
        (
            "a negative timeout",
            with("\"timeout\": -1"),
            Answers(400, "390142"),
        ),
        (
            "a huge timeout",
            with("\"timeout\": 99999999999999999999"),
            Answers(400, "390142"),
        ),
        (
            "an unknown parameter",
            with("\"parameters\": {\"nonsense\": 1}"),
            Answers(400, "390142"),
        ),
        (
            "a parameter that is a list",
            with("\"parameters\": {\"rows_per_resultset\": [1]}"),
            Answers(400, "390142"),
        ),
        (
            "a negative parameter",
            with("\"parameters\": {\"rows_per_resultset\": -1}"),
            Answers(400, "390142"),
        ),
        (
            "a huge parameter",
            with("\"parameters\": {\"rows_per_resultset\": 1e999}"),
            Answers(400, "390142"),
        ),
        (
            "bindings that are a list",
            with("\"bindings\": [1]"),
            Answers(400, "390142"),
        ),
        (
            "a binding that is a list",
            with("\"bindings\": {\"1\": {\"type\": \"FIXED\", \"value\": [1]}}"),
            Answers(400, "390142"),
        ),
    ];
    reading(cases)
}

fn reading(cases: Vec<(&'static str, Vec<u8>, Outcome)>) -> Vec<Case> {
    let case = |(name, request, outcome)| Case {
        name,
        request,
        then: Then::Reads,
        outcome,
    };
    cases.into_iter().map(case).collect()
}
