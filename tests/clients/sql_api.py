"""A client of the SQL API that believes its OpenAPI description and nothing else.

    sql_api.py keys FOLDER               makes a key pair
    sql_api.py journey PORT FOLDER USER  asks as the user with that key

Every request and every answer is held against sql_api.yaml; tokens are signed by PyJWT.
"""

import base64
import hashlib
import pathlib
import sys
import time
import uuid
from datetime import datetime, timedelta, timezone

import jwt
import requests
import yaml
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from openapi_core import OpenAPI
from openapi_core.contrib.requests import RequestsOpenAPIRequest, RequestsOpenAPIResponse

ACCOUNT = "ORG-ONE"
PRIVATE = "rsa_key.p8"
PUBLIC = "rsa_key.pub"
PATIENCE = 60


def make_keys(folder):
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    (folder / PRIVATE).write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    (folder / PUBLIC).write_bytes(
        key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
    )


def sign(folder, user, issued=None, life=timedelta(minutes=10)):
    """A token as Snowflake's documentation says how to make one."""
    key = serialization.load_pem_private_key((folder / PRIVATE).read_bytes(), password=None)
    der = key.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    fingerprint = base64.b64encode(hashlib.sha256(der).digest()).decode()
    name = f"{ACCOUNT}.{user.upper()}"
    issued = issued or datetime.now(timezone.utc)
    claims = {"iss": f"{name}.SHA256:{fingerprint}", "sub": name, "iat": issued, "exp": issued + life}
    return jwt.encode(claims, key, algorithm="RS256")


class Client:
    def __init__(self, port, token):
        self.base = f"http://127.0.0.1:{port}"
        self.session = requests.Session()
        self.session.headers.update(
            {
                "Authorization": f"Bearer {token}",
                "Accept": "application/json",
                "User-Agent": "witness/1.0",
                "X-Snowflake-Authorization-Token-Type": "KEYPAIR_JWT",
            }
        )
        text = pathlib.Path(__file__).with_suffix(".yaml").read_text()
        spec = yaml.safe_load(text)
        spec["servers"] = [{"url": self.base}]
        self.description = OpenAPI.from_dict(spec)

    def call(self, method, path, status, json=None, params=None):
        request = requests.Request(method, self.base + path, json=json, params=params)
        prepared = self.session.prepare_request(request)
        described = RequestsOpenAPIRequest(prepared)
        self.description.validate_request(described)
        answer = self.session.send(prepared)
        assert answer.status_code == status, (method, path, answer.status_code, answer.text)
        self.description.validate_response(described, RequestsOpenAPIResponse(answer))
        return answer

    def submit(self, statement, status=200, params=None, **body):
        json = {"statement": statement, **body}
        return self.call("POST", "/api/v2/statements", status, json=json, params=params).json()

    def fetch(self, handle, status=200, **params):
        return self.call("GET", f"/api/v2/statements/{handle}", status, params=params)

    def cancel(self, handle, status=200):
        return self.call("POST", f"/api/v2/statements/{handle}/cancel", status).json()

    def ended(self, handle):
        """Polls with growing pauses, as the documentation advises."""
        deadline = time.monotonic() + PATIENCE
        pause = 0.01
        while time.monotonic() < deadline:
            answer = self.session.get(f"{self.base}/api/v2/statements/{handle}")
            if answer.status_code != 202:
                return answer.status_code
            time.sleep(pause)
            pause = min(pause * 2, 1)
        raise AssertionError(f"{handle} never ended")


def journey(port, folder, user):
    client = Client(port, sign(folder, user))
    assert client.submit("select current_user()")["data"] == [[user.upper()]]

    # Where things are, what they hold.
    client.submit("create database witness")
    here = {"database": "WITNESS", "schema": "PUBLIC"}
    client.submit("create table t (id int, name varchar, day date, at timestamp_ntz, ok boolean)", **here)
    inserted = client.submit(
        "insert into t values (?, ?, ?, ?, ?)",
        bindings={
            "1": {"type": "FIXED", "value": "1"},
            "2": {"type": "TEXT", "value": "Zoë"},
            "3": {"type": "DATE", "value": "1553644800000"},
            "4": {"type": "TIMESTAMP_NTZ", "value": "1611871777123456789"},
            "5": {"type": "BOOLEAN", "value": "true"},
        },
        **here,
    )
    assert inserted["stats"]["numRowsInserted"] == 1, inserted
    plain = client.submit("select * from t", **here)
    assert plain["data"] == [["1", "Zoë", "17982", "1611871777.123456789", "true"]], plain["data"]
    types = [column["type"] for column in plain["resultSetMetaData"]["rowType"]]
    assert types == ["fixed", "text", "date", "timestamp_ntz", "boolean"], types
    formatted = client.submit(
        "select day, at from t", parameters={"DATE_OUTPUT_FORMAT": "DD.MM.YYYY", "timestamp_output_format": "HH24:MI"}, **here
    )
    assert formatted["data"] == [["27.03.2019", "22:09"]], formatted["data"]

    # A large result comes in partitions.
    large = client.submit("select seq4() as n, uuid_string() as id from table(generator(rowcount => 200000))")
    partitions = large["resultSetMetaData"]["partitionInfo"]
    assert len(partitions) > 1, partitions
    rows = large["data"]
    for number in range(1, len(partitions)):
        rows += client.fetch(large["statementHandle"], partition=number).json()["data"]
    assert [int(row[0]) for row in rows] == list(range(200000))
    assert len({row[1] for row in rows}) == 200000

    # Several statements, and what fails in them.
    several = client.submit(
        "begin; insert into t (id) values (2); commit; select count(*) from t",
        parameters={"MULTI_STATEMENT_COUNT": "4"},
        **here,
    )
    assert len(several["statementHandles"]) == 4
    assert client.fetch(several["statementHandles"][3]).json()["data"] == [["2"]]
    failed = client.submit("select 1; select nope", 422, parameters={"MULTI_STATEMENT_COUNT": 0})
    assert (failed["code"], failed["sqlState"]) == ("100132", "P0000"), failed
    failed = client.submit("select nope", 422)
    assert failed["code"] == "000904", failed

    # Asked for again, it runs once.
    request_id = str(uuid.uuid4())
    first = client.submit("insert into t (id) values (3)", params={"requestId": request_id}, **here)
    again = client.submit(
        "insert into t (id) values (3)", params={"requestId": request_id, "retry": "true"}, **here
    )
    assert first["statementHandle"] == again["statementHandle"]
    assert client.submit("select count(*) from t where id = 3", **here)["data"] == [["1"]]

    # Not waited for, stopped, over its time.
    later = client.submit("select 5", 202, params={"async": "true"})
    assert client.ended(later["statementHandle"]) == 200
    assert client.fetch(later["statementHandle"]).json()["data"] == [["5"]]
    long = client.submit("call system$wait(120)", 202, params={"async": "true"})
    assert client.cancel(long["statementHandle"])["code"] == "000604"
    assert client.ended(long["statementHandle"]) == 422
    assert client.submit("call system$wait(120)", 408, timeout=1)["code"] == "000630"
    assert client.fetch(str(uuid.uuid4()), 422).json()["code"] == "000709"

    # Tokens that are not good.
    for token in [
        sign(folder, user, issued=datetime.now(timezone.utc) - timedelta(hours=2), life=timedelta(days=1)),
        sign(folder, user, issued=datetime.now(timezone.utc) - timedelta(hours=1)),
        sign(folder, "somebody-else"),
        sign(folder, user)[:-8] + "AAAAAAAA",
    ]:
        refused = Client(port, token).submit("select 1", 401)
        assert refused["code"] == "390144", refused
    print("is content")


if __name__ == "__main__":
    command, *arguments = sys.argv[1:]
    if command == "keys":
        make_keys(pathlib.Path(arguments[0]))
    else:
        journey(int(arguments[0]), pathlib.Path(arguments[1]), arguments[2])
