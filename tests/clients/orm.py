"""SQLAlchemy with Snowflake's dialect: tables made from classes, objects written and read, tables read back as classes.

  python orm.py PORT
"""

import datetime
import decimal
import json
import pathlib
import sys
import tempfile
from importlib.metadata import version

import cells
import sqlalchemy as sa
from cells import equal
from snowflake.sqlalchemy import ARRAY, OBJECT, TIMESTAMP_LTZ, TIMESTAMP_NTZ, TIMESTAMP_TZ, URL, VARIANT
from sqlalchemy.exc import DatabaseError, ProgrammingError
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, relationship

PORT = int(sys.argv[1])
SERVER = cells.Server(PORT)
UTC = datetime.timezone.utc


class Base(DeclarativeBase):
    pass


class Customer(Base):
    __tablename__ = "customer"

    id: Mapped[int] = mapped_column(sa.Integer, sa.Sequence("customer_id"), primary_key=True)
    name: Mapped[str] = mapped_column(sa.String(40))
    orders: Mapped[list["Order"]] = relationship(back_populates="customer")


class Order(Base):
    __tablename__ = "order_line"

    id: Mapped[int] = mapped_column(sa.Integer, sa.Sequence("order_id"), primary_key=True)
    customer_id: Mapped[int] = mapped_column(sa.ForeignKey("customer.id"))
    price: Mapped[decimal.Decimal] = mapped_column(sa.Numeric(10, 2))
    ordered: Mapped[datetime.date]
    paid: Mapped[bool | None]
    customer: Mapped[Customer] = relationship(back_populates="orders")


def engine(database=None):
    place = {"database": database, "schema": "public"} if database else {}
    return sa.create_engine(
        URL(account="local", user="tester", password="secret", **place),
        connect_args={"host": "127.0.0.1", "port": PORT, "protocol": "http", "session_parameters": {"TIMEZONE": "UTC"}},
    )


def fresh(name):
    """An engine with an empty database of this name."""
    outside = engine()
    with outside.begin() as connection:
        connection.exec_driver_sql(f"create database {name}")
    outside.dispose()
    return engine(name)


def login():
    with engine().connect() as connection:
        equal(connection.scalar(sa.text("select current_user()")), "TESTER")
        assert connection.dialect.server_version_info is None or connection.dialect.server_version_info[0] >= 9


def types():
    database = fresh("typed")
    table = sa.Table(
        "typed",
        sa.MetaData(),
        sa.Column("i", sa.Integer),
        sa.Column("n", sa.Numeric(20, 5)),
        sa.Column("f", sa.Float),
        sa.Column("s", sa.String(10)),
        sa.Column("b", sa.Boolean),
        sa.Column("d", sa.Date),
        sa.Column("t", sa.Time),
        sa.Column("ntz", TIMESTAMP_NTZ),
        sa.Column("tz", TIMESTAMP_TZ),
        sa.Column("ltz", TIMESTAMP_LTZ),
        sa.Column("y", sa.LargeBinary),
        sa.Column("v", VARIANT),
        sa.Column("a", ARRAY),
        sa.Column("o", OBJECT),
    )
    values = {
        "i": 1,
        "n": decimal.Decimal("123456789012345.12345"),
        "f": 0.5,
        "s": "text ü",
        "b": True,
        "d": datetime.date(2024, 2, 29),
        "t": datetime.time(1, 2, 3),
        "ntz": datetime.datetime(2024, 2, 29, 1, 2, 3, 456000),
        "tz": datetime.datetime(2024, 2, 29, 1, 2, 3, tzinfo=datetime.timezone(datetime.timedelta(hours=5))),
        "ltz": datetime.datetime(2024, 2, 29, 1, 2, 3, tzinfo=UTC),
        "y": b"\x00\xff",
    }
    with database.begin() as connection:
        table.create(connection)
        connection.execute(sa.insert(table).values(values))
        row = connection.execute(sa.select(table)).mappings().one()
        equal({name: row[name] for name in values}, values)
        equal((row["v"], row["a"], row["o"]), (None, None, None))
        connection.execute(sa.text("update typed set v = parse_json('{\"k\": 1}'), a = array_construct(1), o = object_construct('k', 1)"))
        row = connection.execute(sa.select(table.c.v, table.c.a, table.c.o)).one()
        plain = [json.loads(value) if isinstance(value, str) else value for value in row]
        equal(plain, [{"k": 1}, [1], {"k": 1}])


def large():
    with engine("SNOWFLAKE_SAMPLE_DATA").connect() as connection:
        query = sa.text("select o_orderkey, o_comment from tpch_sf001.orders order by 1")
        keys = [row[0] for row in connection.execution_options(stream_results=True).execute(query)]
        assert len(keys) == 15000 and keys == sorted(set(keys)), len(keys)


def binds():
    with engine().connect() as connection:
        row = connection.execute(sa.text("select :a, :b, :c"), {"a": 7, "b": "it's :x", "c": None}).one()
        equal(tuple(row), (7, "it's :x", None))


def array_binds():
    database = fresh("arrays")
    table = sa.Table("t", sa.MetaData(), sa.Column("a", sa.Integer), sa.Column("b", sa.String))
    with database.begin() as connection:
        table.create(connection)
        connection.execute(sa.insert(table), [{"a": n, "b": None if n % 10 == 0 else str(n)} for n in range(1000)])
        equal(tuple(connection.execute(sa.select(sa.func.count(), sa.func.count(table.c.b)).select_from(table)).one()), (1000, 900))


def transaction():
    database = fresh("transactional")
    with database.begin() as connection:
        connection.exec_driver_sql("create table t (a int)")
    with database.connect() as connection:
        connection.exec_driver_sql("insert into t values (1)")
        connection.rollback()
        equal(connection.scalar(sa.text("select count(*) from t")), 0)
        connection.exec_driver_sql("insert into t values (1)")
        connection.commit()
    with database.connect() as connection:
        equal(connection.scalar(sa.text("select count(*) from t")), 1)


def everyday():
    """Tables are made from classes and used as objects."""
    database = fresh("mapped")
    Base.metadata.create_all(database)
    with Session(database) as session:
        customer = Customer(name="Ada")
        customer.orders = [
            Order(price=decimal.Decimal("1.25"), ordered=datetime.date(2024, 2, 29), paid=True),
            Order(price=decimal.Decimal("2.50"), ordered=datetime.date(2024, 3, 1)),
        ]
        session.add(customer)
        session.commit()
        equal(customer.id, 1)
        found = session.scalars(sa.select(Order).join(Customer).where(Customer.name == "Ada").order_by(Order.price)).all()
        equal([(order.price, order.paid) for order in found], [(decimal.Decimal("1.25"), True), (decimal.Decimal("2.50"), None)])
        found[0].paid = False
        session.delete(found[1])
        session.commit()
        equal(session.scalar(sa.select(sa.func.sum(Order.price))), decimal.Decimal("1.25"))


def metadata():
    """Reflection finds what was made."""
    database = fresh("reflected")
    Base.metadata.create_all(database)
    with database.begin() as connection:
        connection.exec_driver_sql("create view cheap as select * from order_line where price < 2")
        connection.exec_driver_sql("comment on table customer is 'who buys'")
    inspector = sa.inspect(database)
    equal(sorted(inspector.get_table_names()), ["customer", "order_line"])
    equal(inspector.get_view_names(), ["cheap"])
    assert "order_line" in inspector.get_view_definition("cheap"), inspector.get_view_definition("cheap")
    assert {"information_schema", "public"} <= set(inspector.get_schema_names()), inspector.get_schema_names()
    assert inspector.has_table("customer") and not inspector.has_table("nobody")
    assert inspector.has_sequence("order_id") and not inspector.has_sequence("nobody")
    # What is there is not made again.
    Base.metadata.create_all(database)
    columns = {column["name"]: column for column in inspector.get_columns("order_line")}
    equal([columns[name]["nullable"] for name in ("id", "price", "paid")], [False, False, True])
    equal((columns["price"]["type"].precision, columns["price"]["type"].scale), (10, 2))
    equal(inspector.get_columns("customer")[1]["type"].length, 40)
    equal(inspector.get_pk_constraint("customer")["constrained_columns"], ["id"])
    (key,) = inspector.get_foreign_keys("order_line")
    equal((key["constrained_columns"], key["referred_table"]), (["customer_id"], "customer"))
    equal(inspector.get_unique_constraints("customer"), [])
    equal(inspector.get_indexes("customer"), [])
    equal(inspector.get_table_comment("customer")["text"], "who buys")
    reflected = sa.MetaData()
    reflected.reflect(database)
    equal(sorted(reflected.tables), ["customer", "order_line"])
    Base.metadata.drop_all(database)


def files():
    """PUT, COPY and GET are statements that give rows."""
    database = fresh("staged")
    with database.begin() as connection, tempfile.TemporaryDirectory() as folder:
        run = lambda sql: [tuple(row) for row in connection.exec_driver_sql(sql)]
        source = pathlib.Path(folder) / "a.csv"
        source.write_text("1,one\n2,two\n")
        run("create stage s")
        run("create table t (id int, name varchar)")
        (put,) = run(f"put file://{source} @s/in")
        equal((put[1], put[6]), ("a.csv.gz", "UPLOADED"))
        (copied,) = run("copy into t from @s/in")
        equal(copied[:3], ("s/in/a.csv.gz", "LOADED", 2))
        equal(run("select * from t order by id"), [(1, "one"), (2, "two")])
        run("copy into @s/out/ from t file_format = (type = csv compression = none)")
        (got,) = run(f"get @s/out file://{folder}")
        equal((got[0], got[2]), ("data_0_0_0.csv", "DOWNLOADED"))
        equal((pathlib.Path(folder) / "data_0_0_0.csv").read_text(), "1,one\n2,two\n")


def contexts():
    with fresh("remembered").connect() as connection:
        connection.exec_driver_sql("create table t (a int)")

        def statements():
            connection.exec_driver_sql("insert into t values (1)")
            equal(connection.scalar(sa.text("select a from t")), 1)
            connection.rollback()

        SERVER.contexts_go_back(statements)


def renewal():
    database = fresh("renewed")
    with database.begin() as connection:
        connection.exec_driver_sql("create table t (a int)")
    with database.connect() as connection:
        connection.exec_driver_sql("insert into t values (1)")
        SERVER.expire_next_statement()
        connection.exec_driver_sql("insert into t values (2)")
        equal(SERVER.expirations_and_renewals(), [1, 1])
        equal(connection.scalar(sa.text("select count(*) from t")), 2)
        connection.rollback()
        equal(connection.scalar(sa.text("select count(*) from t")), 0)


def errors():
    with fresh("wrong").connect() as connection:
        try:
            connection.execute(sa.text("select * from no_such_table"))
        except ProgrammingError as error:
            equal((error.orig.errno, error.orig.sqlstate), (2003, "42S02"))
        else:
            raise AssertionError("not refused")
        connection.rollback()
        connection.exec_driver_sql("create table t (a int not null)")
        try:
            connection.execute(sa.text("insert into t values (null)"))
        except DatabaseError as error:
            equal((error.orig.errno, error.orig.sqlstate), (100072, "22000"))
        else:
            raise AssertionError("not refused")


def close():
    before = SERVER.sessions()
    database = engine()
    with database.connect():
        equal(SERVER.sessions(), before + 1)
    database.dispose()
    equal(SERVER.sessions(), before)


cells.announce("snowflake-sqlalchemy", version("snowflake-sqlalchemy"))
cells.run(
    login=login,
    types_json=cells.absent("it reads what the connector reads, which is Arrow"),
    types_arrow=types,
    large_result=large,
    binds=binds,
    array_binds=array_binds,
    asynchronous=cells.absent("SQLAlchemy waits for every statement"),
    cancel=cells.absent("SQLAlchemy has no call for it"),
    multi_statement=cells.absent("SQLAlchemy runs one statement at a time"),
    transaction=transaction,
    contexts=contexts,
    metadata=metadata,
    everyday=everyday,
    files=files,
    renewal=renewal,
    errors=errors,
    close=close,
)
