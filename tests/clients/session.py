"""What the scripts here share: a connection to a server on this machine, and values as text."""

import datetime
import decimal

import snowflake.connector


def connect(port, **more):
    """Logs in through the official connector, unmodified."""
    return snowflake.connector.connect(
        user="tester",
        password="secret",
        account="local",
        host="127.0.0.1",
        port=port,
        protocol="http",
        **more,
    )


def text(value):
    """A value as `sfctl` writes it in CSV; None stays None."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, decimal.Decimal)):
        return format(value, "f") if isinstance(value, decimal.Decimal) else str(value)
    if isinstance(value, float):
        return repr(value)
    if isinstance(value, (datetime.date, datetime.time)):
        return value.isoformat()
    raise TypeError(f"{type(value).__name__} in an answer")
