// The official JDBC driver as a witness; what it prints is described in ../cells.py.
//
//   java --class-path snowflake-jdbc.jar Witness.java PORT

import java.io.*;
import java.math.BigDecimal;
import java.net.URI;
import java.net.http.*;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.file.*;
import java.sql.*;
import java.sql.Date;
import java.time.Instant;
import java.util.*;
import java.util.concurrent.atomic.AtomicReference;
import java.util.logging.*;
import java.util.regex.Pattern;
import net.snowflake.client.api.connection.*;
import net.snowflake.client.api.datasource.*;
import net.snowflake.client.api.resultset.*;
import net.snowflake.client.api.statement.SnowflakeStatement;

public final class Witness {
  private static String port;

  /** One cell of the matrix. */
  private interface Cell {
    void run() throws Exception;
  }

  public static void main(String[] arguments) throws Exception {
    port = arguments[0];
    Logger.getLogger("").setLevel(Level.OFF);
    try (Connection connection = connect()) {
      String version = connection.getMetaData().getDriverVersion();
      System.out.println("{\"client\": \"snowflake-jdbc\", \"version\": " + json(version) + "}");
    }
    cell("login", Witness::login);
    cell("types_json", () -> types("JSON"));
    cell("types_arrow", () -> types("ARROW"));
    cell("large_result", Witness::large);
    cell("binds", Witness::binds);
    cell("array_binds", Witness::arrayBinds);
    cell("asynchronous", Witness::asynchronous);
    cell("cancel", Witness::cancel);
    cell("multi_statement", Witness::multiStatement);
    cell("transaction", Witness::transaction);
    cell("contexts", Witness::contexts);
    cell("metadata", Witness::metadata);
    cell("everyday", Witness::everyday);
    cell("files", Witness::files);
    cell("renewal", Witness::renewal);
    cell("errors", Witness::errors);
    cell("close", Witness::close);
    // The driver's own threads do not end the program.
    System.exit(0);
  }

  private static void login() throws Exception {
    try (Connection connection = connect()) {
      check(connection.isValid(10), true);
      check(texts(connection, "select current_user()"), List.of("TESTER"));
      int major = connection.getMetaData().getDatabaseMajorVersion();
      if (major < 9) {
        throw new AssertionError("server version " + major);
      }
    }
  }

  private static void types(String format) throws Exception {
    try (Connection connection = connect();
        Statement statement = connection.createStatement()) {
      statement.execute("alter session set jdbc_query_result_format = '" + format + "'");
      ResultSet row = statement.executeQuery(
          "select 1, 1.50, 1 / 3, 99999999999999999999999999999999999999, 1.5e10::float, 'text ü', true, null,"
              + " '2024-02-29'::date, '12:34:56.789'::time, '2024-02-29 12:34:56.789'::timestamp_ntz,"
              + " '2024-02-29 12:34:56.789 +02:30'::timestamp_tz, '2024-07-01 12:00:00 +0000'::timestamp_ltz,"
              + " to_binary('00FFAB', 'HEX'), parse_json('{\"a\": [1, 2.5, null]}'), array_construct(1, 'x'),"
              + " object_construct('k', true), '1969-12-31 23:59:59 -0800'::timestamp_tz(0)");
      check(row.next(), true);
      check(row.getLong(1), 1L);
      check(row.getBigDecimal(2), new BigDecimal("1.50"));
      check(row.getBigDecimal(3), new BigDecimal("0.333333"));
      check(row.getBigDecimal(4), new BigDecimal("99999999999999999999999999999999999999"));
      check(row.getDouble(5), 1.5e10);
      check(row.getString(6), "text ü");
      check(row.getBoolean(7), true);
      check(row.getObject(8), null);
      check(row.wasNull(), true);
      check(row.getDate(9), Date.valueOf("2024-02-29"));
      check(row.getTime(10).toLocalTime().toString().substring(0, 8), "12:34:56");
      check(row.getTimestamp(11), Timestamp.valueOf("2024-02-29 12:34:56.789"));
      check(row.getTimestamp(12).toInstant(), Instant.parse("2024-02-29T10:04:56.789Z"));
      check(row.getTimestamp(13).toInstant(), Instant.parse("2024-07-01T12:00:00Z"));
      check(Arrays.equals(row.getBytes(14), new byte[] {0, (byte) 255, (byte) 171}), true);
      check(row.getString(15).replaceAll("\\s", ""), "{\"a\":[1,2.5,null]}");
      check(row.getString(16).replaceAll("\\s", ""), "[1,\"x\"]");
      check(row.getString(17).replaceAll("\\s", ""), "{\"k\":true}");
      check(row.getTimestamp(18).toInstant(), Instant.parse("1970-01-01T07:59:59Z"));
      check(row.getObject(1).getClass(), Long.class);
      ResultSetMetaData columns = row.getMetaData();
      check(columns.getColumnType(2), Types.DECIMAL);
      check(List.of(columns.getPrecision(2), columns.getScale(2)), List.of(3, 2));
      check(columns.getColumnType(5), Types.DOUBLE);
      check(columns.getColumnType(9), Types.DATE);
      check(columns.getColumnTypeName(15), "VARIANT");
      check(row.next(), false);
    }
  }

  private static void large() throws Exception {
    try (Connection connection = connect();
        Statement statement = connection.createStatement()) {
      statement.execute("create database many_rows");
      statement.execute(
          "create table t as select seq8() as n, repeat('x', 200) as s from table(generator(rowcount => 200000))");
      for (String format : List.of("ARROW", "JSON")) {
        statement.execute("alter session set jdbc_query_result_format = '" + format + "'");
        ResultSet rows = statement.executeQuery("select n, s from t order by n");
        long count = 0;
        while (rows.next()) {
          check(rows.getLong(1), count++);
        }
        check(count, 200000L);
      }
    }
  }

  private static void binds() throws Exception {
    try (Connection connection = connect();
        Statement statement = connection.createStatement()) {
      statement.execute("create database bound");
      statement.execute("create table t (a int, b number(10, 2), c float, d varchar, e varchar, f boolean, g date,"
          + " h time, i timestamp_ntz, j binary)");
      Timestamp instant = Timestamp.valueOf("2024-02-29 01:02:03.456");
      try (PreparedStatement insert =
          connection.prepareStatement("insert into t values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)")) {
        insert.setInt(1, 7);
        insert.setBigDecimal(2, new BigDecimal("1.25"));
        insert.setDouble(3, 0.5);
        insert.setString(4, "it's ?");
        insert.setNull(5, Types.VARCHAR);
        insert.setBoolean(6, true);
        insert.setDate(7, Date.valueOf("2024-02-29"));
        insert.setTime(8, Time.valueOf("01:02:03"));
        insert.setTimestamp(9, instant);
        insert.setBytes(10, new byte[] {1, (byte) 255});
        check(insert.getParameterMetaData().getParameterCount(), 10);
        check(insert.executeUpdate(), 1);
      }
      try (PreparedStatement select = connection.prepareStatement("select * from t where a = ? and d = ?")) {
        select.setLong(1, 7);
        select.setString(2, "it's ?");
        check(select.getMetaData().getColumnCount(), 10);
        ResultSet row = select.executeQuery();
        check(row.next(), true);
        check(row.getBigDecimal(2), new BigDecimal("1.25"));
        check(row.getDouble(3), 0.5);
        check(row.getString(5), null);
        check(row.getBoolean(6), true);
        check(row.getDate(7), Date.valueOf("2024-02-29"));
        check(row.getTime(8), Time.valueOf("01:02:03"));
        check(row.getTimestamp(9), instant);
        check(Arrays.equals(row.getBytes(10), new byte[] {1, (byte) 255}), true);
      }
    }
  }

  private static void arrayBinds() throws Exception {
    try (Connection connection = connect();
        Statement statement = connection.createStatement()) {
      statement.execute("create database arrays");
      statement.execute("create table t (a int, b varchar)");
      try (PreparedStatement insert = connection.prepareStatement("insert into t values (?, ?)")) {
        for (int n = 0; n < 1000; n++) {
          insert.setInt(1, n);
          insert.setString(2, n % 10 == 0 ? null : String.valueOf(n));
          insert.addBatch();
        }
        check(Arrays.stream(insert.executeBatch()).sum(), 1000);
      }
      check(texts(connection, "select count(*), count(b) from t"), List.of("1000", "900"));
    }
  }

  private static void asynchronous() throws Exception {
    try (Connection connection = connect();
        Statement statement = connection.createStatement()) {
      SnowflakeConnection snowflake = connection.unwrap(SnowflakeConnection.class);
      SnowflakeStatement submitting = statement.unwrap(SnowflakeStatement.class);
      String slow = submitting.executeAsyncQuery("call system$wait(1, 'hours')").unwrap(SnowflakeResultSet.class).getQueryID();
      check(snowflake.getQueryStatus(slow).isStillRunning(), true);
      String fast = submitting.executeAsyncQuery("select 42").unwrap(SnowflakeResultSet.class).getQueryID();
      ResultSet row = snowflake.createResultSet(fast);
      check(row.next(), true);
      check(row.getInt(1), 42);
      check(snowflake.getQueryStatus(fast).isSuccess(), true);
      String failing = submitting.executeAsyncQuery("select no_such_column").unwrap(SnowflakeResultSet.class).getQueryID();
      QueryStatus status = snowflake.getQueryStatus(failing);
      while (status.isStillRunning()) {
        status = snowflake.getQueryStatus(failing);
      }
      check(status.isAnError(), true);
      check(texts(connection, "select system$cancel_query('" + slow + "')"),
          List.of("query [" + slow + "] terminated."));
      while (snowflake.getQueryStatus(slow).isStillRunning()) {
        Thread.onSpinWait();
      }
    }
  }

  private static void cancel() throws Exception {
    try (Connection connection = connect();
        Statement statement = connection.createStatement()) {
      AtomicReference<SQLException> refusal = new AtomicReference<>();
      Thread running = new Thread(() -> {
        try {
          statement.execute("call system$wait(1, 'hours')");
        } catch (SQLException exception) {
          refusal.set(exception);
        }
      });
      running.start();
      while (running.isAlive()) {
        running.join(50);
        try {
          statement.cancel();
        } catch (SQLException exception) {
          // The statement is not there yet, or not any more.
          check(exception.getErrorCode(), 605);
        }
      }
      check(List.of(refusal.get().getErrorCode(), refusal.get().getSQLState()), List.of(604, "57014"));
      statement.setQueryTimeout(1);
      refused(statement, "call system$wait(1, 'hours')", 604, "57014");
      // Another one: the driver's own timer may still be at work on the one that it stopped.
      texts(connection, "alter session set statement_timeout_in_seconds = 1");
      refused(connection.createStatement(), "call system$wait(1, 'hours')", 630, "57014");
      check(texts(connection, "select 1"), List.of("1"));
    }
  }

  private static void multiStatement() throws Exception {
    try (Connection connection = connect();
        Statement statement = connection.createStatement()) {
      statement.execute("create database several");
      statement.execute("create table t (a int)");
      statement.unwrap(SnowflakeStatement.class).setParameter("MULTI_STATEMENT_COUNT", 3);
      check(statement.execute("select 1; insert into t values (1), (2); select 'x'"), true);
      check(first(statement.getResultSet()), "1");
      // What the next call answers for a count is the driver's own affair: what counts is the count.
      statement.getMoreResults();
      check(statement.getUpdateCount(), 2);
      check(statement.getMoreResults(), true);
      check(first(statement.getResultSet()), "x");
      check(statement.getMoreResults(), false);
      check(statement.getUpdateCount(), -1);
      try (Statement one = connection.createStatement()) {
        refused(one, "select 1; select 2", 8, "0A000");
      }
    }
  }

  private static void transaction() throws Exception {
    try (Connection connection = connect();
        Statement statement = connection.createStatement()) {
      statement.execute("create database transactional");
      statement.execute("create table t (a int)");
      connection.setAutoCommit(false);
      check(statement.executeUpdate("insert into t values (1)"), 1);
      refused(statement, "insert into nowhere values (1)", 2003, "42S02");
      connection.rollback();
      check(texts(connection, "select count(*) from t"), List.of("0"));
      statement.executeUpdate("insert into t values (1)");
      connection.commit();
      connection.rollback();
      check(texts(connection, "select count(*) from t"), List.of("1"));
      connection.setAutoCommit(true);
      check(connection.getAutoCommit(), true);
    }
  }

  private static void metadata() throws Exception {
    try (Connection connection = connect();
        Statement statement = connection.createStatement()) {
      statement.execute("create database described");
      statement.execute("create table t (id int not null primary key, name varchar(20), price number(10, 2))");
      statement.execute("create view v as select name from t");
      statement.execute("create table u (t_id int references t (id))");
      var metadata = connection.getMetaData();
      check(column(metadata.getCatalogs(), "TABLE_CAT").contains("DESCRIBED"), true);
      check(column(metadata.getSchemas("DESCRIBED", "PUB%"), "TABLE_SCHEM"), List.of("PUBLIC"));
      check(column(metadata.getTables("DESCRIBED", "PUBLIC", "%", null), "TABLE_NAME"), List.of("T", "U", "V"));
      check(column(metadata.getTables("DESCRIBED", "PUBLIC", "%", new String[] {"VIEW"}), "TABLE_NAME"), List.of("V"));
      check(column(metadata.getColumns("DESCRIBED", "PUBLIC", "T", "%"), "COLUMN_NAME"), List.of("ID", "NAME", "PRICE"));
      check(column(metadata.getColumns("DESCRIBED", "PUBLIC", "T", "%"), "IS_NULLABLE"), List.of("NO", "YES", "YES"));
      check(column(metadata.getColumns("DESCRIBED", "PUBLIC", "T", "%"), "COLUMN_SIZE"), List.of("38", "20", "10"));
      check(column(metadata.getPrimaryKeys("DESCRIBED", "PUBLIC", "T"), "COLUMN_NAME"), List.of("ID"));
      check(column(metadata.getImportedKeys("DESCRIBED", "PUBLIC", "U"), "FKCOLUMN_NAME"), List.of("T_ID"));
      check(column(metadata.getExportedKeys("DESCRIBED", "PUBLIC", "T"), "FKTABLE_NAME"), List.of("U"));
      check(column(metadata.getFunctions("DESCRIBED", "PUBLIC", "%"), "FUNCTION_NAME"), List.of());
      check(column(metadata.getProcedures("DESCRIBED", "PUBLIC", "%"), "PROCEDURE_NAME"), List.of());
      ResultSetMetaData columns = statement.executeQuery("select id, name, price, price * 2 as p from t").getMetaData();
      check(List.of(columns.isNullable(1), columns.isNullable(2)),
          List.of(ResultSetMetaData.columnNoNulls, ResultSetMetaData.columnNullable));
      check(List.of(columns.getTableName(1), columns.getSchemaName(1), columns.getCatalogName(1)),
          List.of("T", "PUBLIC", "DESCRIBED"));
      check(columns.getPrecision(2), 20);
      check(columns.getTableName(4), "");
    }
  }

  /** A data source, and one prepared statement many times. */
  private static void everyday() throws Exception {
    SnowflakeDataSource source = SnowflakeDataSourceFactory.createDataSource();
    source.setUrl("jdbc:snowflake://127.0.0.1:" + port + "/");
    source.setUser("tester");
    source.setPassword("secret");
    source.setAccount("local");
    source.setSsl(false);
    try (Connection connection = source.getConnection();
        PreparedStatement select = connection.prepareStatement(
            "select n_name from snowflake_sample_data.tpch_sf001.nation where n_nationkey = ?")) {
      select.setInt(1, 6);
      check(first(select.executeQuery()), "FRANCE");
      select.setInt(1, 7);
      check(first(select.executeQuery()), "GERMANY");
      connection.setCatalog("SNOWFLAKE_SAMPLE_DATA");
      connection.setSchema("TPCH_SF001");
      check(texts(connection, "select count(*) from region"), List.of("5"));
    }
  }

  /** By statements and as streams. */
  private static void files() throws Exception {
    try (Connection connection = connect();
        Statement statement = connection.createStatement()) {
      statement.execute("create database staged");
      statement.execute("create stage s");
      statement.execute("create table t (id int, name varchar)");
      Path folder = Files.createTempDirectory("witness");
      Files.writeString(folder.resolve("a.csv"), "1,a\n");
      Files.writeString(folder.resolve("b.csv"), "1,b\n");
      String put = "put file://" + folder + "/*.csv @s/in";
      check(column(statement.executeQuery(put), "status"), List.of("UPLOADED", "UPLOADED"));
      check(column(statement.executeQuery("copy into t from @s/in"), "file"),
          List.of("s/in/a.csv.gz", "s/in/b.csv.gz"));
      check(texts(connection, "select listagg(name) within group (order by name) from t"), List.of("ab"));
      statement.execute("copy into @s/out/ from (select * from t order by name) file_format = (compression = none)");
      check(column(statement.executeQuery("get @s/out file://" + folder), "status"), List.of("DOWNLOADED"));
      check(Files.readString(folder.resolve("data_0_0_0.csv")), "1,a\n1,b\n");
      SnowflakeConnection snowflake = connection.unwrap(SnowflakeConnection.class);
      snowflake.uploadStream("s", "c.csv", new ByteArrayInputStream("streamed".getBytes()));
      try (var stream = snowflake.downloadStream("s", "c.csv.gz", DownloadStreamConfig.builder().setDecompress(true).build())) {
        check(new String(stream.readAllBytes()), "streamed");
      }
    }
  }

  private static void contexts() throws Exception {
    try (Connection connection = connect()) {
      check(texts(connection, "select 1"), List.of("1"));
      List<Integer> before = contextsSent();
      check(texts(connection, "select 2"), List.of("2"));
      check(texts(connection, "select 3"), List.of("3"));
      check(contextsSent(), List.of(before.get(0), before.get(1) + 2, before.get(2), before.get(3)));
    }
  }

  private static void renewal() throws Exception {
    try (Connection connection = connect();
        Statement statement = connection.createStatement()) {
      statement.execute("create database renewed");
      statement.execute("create table t (a int)");
      connection.setAutoCommit(false);
      statement.execute("insert into t values (1)");
      ask("PUT", "/faults", "code=390112,on=query,times=1\ndelay=1ms,on=renew");
      statement.execute("insert into t values (2)");
      check(numbers(ask("GET", "/faults", ""), "\"fired\":"), List.of(1, 1));
      check(texts(connection, "select count(*) from t"), List.of("2"));
      connection.rollback();
      check(texts(connection, "select count(*) from t"), List.of("0"));
    }
  }

  private static void errors() throws Exception {
    try (Connection connection = connect();
        Statement statement = connection.createStatement()) {
      statement.execute("create database wrong");
      String message = refused(statement, "select * from no_such_table", 2003, "42S02");
      check(message.contains("Object 'NO_SUCH_TABLE' does not exist or not authorized"), true);
      refused(statement, "select no_such_column", 904, "42000");
      refused(statement, "selec 1", 1003, "42000");
      refused(statement, "select 'x'::int", 100038, "22018");
      statement.execute("create table t (a int not null)");
      statement.addBatch("insert into t values (1)");
      statement.addBatch("insert into t values (null)");
      try {
        statement.executeBatch();
        throw new AssertionError("a bad batch was not refused");
      } catch (BatchUpdateException exception) {
        check(exception.getErrorCode(), 100072);
      }
      check(texts(connection, "select count(*) from t"), List.of("1"));
    }
  }

  private static void close() throws Exception {
    int before = sessions();
    Connection connection = connect();
    check(sessions(), before + 1);
    connection.close();
    check(sessions(), before);
    check(connection.isClosed(), true);
  }

  private static Connection connect() throws SQLException {
    String place = "jdbc:snowflake://127.0.0.1:" + port + "/?account=local&user=tester&password=secret";
    return DriverManager.getConnection(place + "&ssl=off&TIMEZONE=UTC");
  }

  private static String refused(Statement statement, String sql, int code, String sqlState) {
    try {
      statement.execute(sql);
    } catch (SQLException exception) {
      check(List.of(exception.getErrorCode(), exception.getSQLState()), List.of(code, sqlState));
      return exception.getMessage();
    }
    throw new AssertionError("not refused: " + sql);
  }

  /** The only row of a query. */
  private static List<String> texts(Connection connection, String sql) throws SQLException {
    try (Statement statement = connection.createStatement();
        ResultSet row = statement.executeQuery(sql)) {
      check(row.next(), true);
      List<String> values = new ArrayList<>();
      for (int index = 1; index <= row.getMetaData().getColumnCount(); index++) {
        values.add(row.getString(index));
      }
      return values;
    }
  }

  private static String first(ResultSet rows) throws SQLException {
    check(rows.next(), true);
    return rows.getString(1);
  }

  private static List<String> column(ResultSet rows, String name) throws SQLException {
    List<String> values = new ArrayList<>();
    while (rows.next()) {
      values.add(rows.getString(name));
    }
    return values;
  }

  private static String ask(String method, String path, String body) throws Exception {
    var publisher = HttpRequest.BodyPublishers.ofString(body);
    var request = HttpRequest.newBuilder(URI.create("http://127.0.0.1:" + port + path)).method(method, publisher);
    return HttpClient.newHttpClient().send(request.build(), BodyHandlers.ofString()).body();
  }

  private static int sessions() throws Exception {
    return numbers(ask("GET", "/health", ""), "\"sessions\":").get(0);
  }

  /** How many statements came with no query contexts, with those of the last answer, without their core, with others. */
  private static List<Integer> contextsSent() throws Exception {
    return numbers(ask("GET", "/metrics", ""), "query_contexts_total.sent=\"\\w+\".");
  }

  private static List<Integer> numbers(String text, String before) {
    var found = Pattern.compile(before + "\\s*(\\d+)").matcher(text);
    return found.results().map(match -> Integer.valueOf(match.group(1))).toList();
  }

  private static void check(Object found, Object expected) {
    if (!Objects.equals(found, expected)) {
      throw new AssertionError(found + " instead of " + expected);
    }
  }

  private static void cell(String name, Cell cell) {
    String outcome = "\"holds\"";
    try {
      cell.run();
    } catch (Throwable thrown) {
      var why = new StringWriter();
      thrown.printStackTrace(new PrintWriter(why));
      outcome = "\"differs\", \"why\": " + json(why.toString());
    }
    System.out.println("{\"cell\": \"" + name + "\", \"outcome\": " + outcome + "}");
  }

  private static String json(String text) {
    String escaped = text.replace("\\", "\\\\").replace("\"", "\\\"");
    return '"' + escaped.replace("\n", "\\n").replace("\r", "\\r").replace("\t", "\\t") + '"';
  }
}
