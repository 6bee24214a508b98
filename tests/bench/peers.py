"""Connections of the peers to a server on this machine."""


def connect(peer, port):
    if peer == "connector":
        import snowflake.connector

        return snowflake.connector.connect(
            user="tester", password="secret", account="local", host="127.0.0.1", port=port, protocol="http"
        )
    import adbc_driver_snowflake.dbapi

    settings = {
        "adbc.snowflake.sql.account": "local",
        "username": "tester",
        "password": "secret",
        "adbc.snowflake.sql.uri.protocol": "http",
        "adbc.snowflake.sql.uri.host": "127.0.0.1",
        "adbc.snowflake.sql.uri.port": str(port),
    }
    return adbc_driver_snowflake.dbapi.connect(db_kwargs=settings, autocommit=True)


def fetch_arrow(peer, cursor):
    """The whole result as an Arrow table."""
    return cursor.fetch_arrow_all() if peer == "connector" else cursor.fetch_arrow_table()
