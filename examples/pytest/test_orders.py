"""Tests of code that uses Snowflake, without an account."""

import pytest
import snowflake.connector


def place(connection, customer, amounts):
    """The code under test: an order with its lines, or nothing."""
    with connection.cursor() as cursor:
        cursor.execute("begin")
        try:
            cursor.executemany("insert into lines values (%s, %s)", [(customer, amount) for amount in amounts])
            cursor.execute("merge into totals t using (select customer, sum(amount) amount from lines group by 1) s "
                           "on t.customer = s.customer when matched then update set amount = s.amount "
                           "when not matched then insert values (s.customer, s.amount)")
        except snowflake.connector.Error:
            cursor.execute("rollback")
            raise
        cursor.execute("commit")


@pytest.fixture
def shop(snowflake_connection):
    with snowflake_connection.cursor() as cursor:
        cursor.execute("create table lines (customer varchar, amount number(12,2))")
        cursor.execute("create table totals (customer varchar, amount number(12,2))")
    return snowflake_connection


def totals(connection):
    with connection.cursor() as cursor:
        rows = cursor.execute("select customer, amount from totals order by 1").fetchall()
    return [(customer, str(amount)) for customer, amount in rows]


def test_an_order_counts_once(shop):
    place(shop, "ada", ["1.10", "2.20"])
    place(shop, "ada", ["0.70"])
    place(shop, "bob", ["5"])
    assert totals(shop) == [("ada", "4.00"), ("bob", "5.00")]


def test_a_wrong_amount_leaves_nothing(shop):
    place(shop, "ada", ["1"])
    with pytest.raises(snowflake.connector.ProgrammingError) as refused:
        place(shop, "bob", ["2", "not a number"])
    assert refused.value.errno == 100038
    assert totals(shop) == [("ada", "1.00")]


def test_every_test_has_a_database_of_its_own(shop):
    assert totals(shop) == []
