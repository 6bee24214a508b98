// The official Node SDK as a witness; what it prints is described in ../cells.py.
//
//   node witness.js PORT        with NODE_PATH naming the folder that has snowflake-sdk

'use strict';

const assert = require('node:assert/strict');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const snowflake = require('snowflake-sdk');

const port = process.argv[2];
const server = `http://127.0.0.1:${port}`;

snowflake.configure({ logLevel: 'OFF' });

/** Logs in; resolves to the connection. */
function connect(more = {}) {
  const connection = snowflake.createConnection({
    accessUrl: server,
    account: 'local',
    username: 'tester',
    password: 'secret',
    timeout: 60000,
    ...more,
  });
  return new Promise((resolve, reject) => connection.connect((error, up) => (error ? reject(error) : resolve(up))));
}

/** Runs a statement; resolves to it and its rows, as arrays. */
function execute(connection, sqlText, more = {}) {
  return new Promise((resolve, reject) => {
    connection.execute({
      sqlText,
      rowMode: 'array',
      ...more,
      complete: (error, statement, rows) => (error ? reject(error) : resolve({ statement, rows })),
    });
  });
}

async function rows(connection, sqlText, more) {
  return (await execute(connection, sqlText, more)).rows;
}

function destroy(connection) {
  return new Promise((resolve, reject) => connection.destroy((error) => (error ? reject(error) : resolve())));
}

/** Runs `work` with a connection and logs out whatever comes of it. */
function connected(work, more) {
  return async () => {
    const connection = await connect(more);
    try {
      await work(connection);
    } finally {
      await destroy(connection);
    }
  };
}

async function refused(connection, sqlText, code, sqlState) {
  const error = await execute(connection, sqlText).then(
    () => assert.fail(`not refused: ${sqlText}`),
    (error) => error,
  );
  assert.deepEqual([error.code, error.sqlState], [code, sqlState], error.message);
  return error.message;
}

async function ask(method, path, body) {
  return (await fetch(server + path, { method, body })).json();
}

async function sessions() {
  return (await ask('GET', '/health')).sessions;
}

const login = connected(async (connection) => {
  assert.ok(connection.isUp());
  const [[user, version]] = await rows(connection, 'select current_user(), current_version()');
  assert.equal(user, 'TESTER');
  assert.ok(parseInt(version, 10) >= 9, version);
  assert.ok(await connection.isValidAsync());
});

const typesJson = connected(async (connection) => {
  const values = [
    ['1', 1],
    ['1.50', 1.5],
    ['1.5e10::float', 1.5e10],
    ["'text ü'", 'text ü'],
    ["''", ''],
    ['true', true],
    ['false', false],
    ['null', null],
    ["to_binary('00FFAB', 'HEX')", Buffer.from([0, 255, 171])],
    ['parse_json(\'{"a": [1, 2.5, null]}\')', { a: [1, 2.5, null] }],
    ["array_construct(1, 'x')", [1, 'x']],
    ["object_construct('k', true)", { k: true }],
    ["'12:34:56'::time", '12:34:56'],
  ];
  const [row] = await rows(connection, `select ${values.map(([sql]) => sql).join(', ')}`);
  values.forEach(([sql, expected], index) => {
    // The SDK's buffers carry methods of its own.
    const found = Buffer.isBuffer(row[index]) ? Buffer.from(row[index]) : row[index];
    assert.deepEqual(found, expected, sql);
  });
  const instants = [
    ["'2024-02-29'::date", '2024-02-29T00:00:00.000Z'],
    ["'2024-02-29 12:34:56.789'::timestamp_ntz", '2024-02-29T12:34:56.789Z'],
    ["'2024-02-29 12:34:56.789 +02:30'::timestamp_tz", '2024-02-29T10:04:56.789Z'],
    ["'1969-12-31 23:59:59 -0800'::timestamp_tz(0)", '1970-01-01T07:59:59.000Z'],
    ["'2024-07-01 12:00:00 +0000'::timestamp_ltz", '2024-07-01T12:00:00.000Z'],
  ];
  const [dates] = await rows(connection, `select ${instants.map(([sql]) => sql).join(', ')}`);
  instants.forEach(([sql, expected], index) => assert.equal(new Date(+dates[index]).toISOString(), expected, sql));
  const [texts] = await rows(
    connection,
    "select 99999999999999999999999999999999999999, '2024-02-29'::date, '2024-02-29 01:02:03.5'::timestamp_ntz",
    { fetchAsString: ['Number', 'Date'] },
  );
  assert.deepEqual(texts, ['99999999999999999999999999999999999999', '2024-02-29', '2024-02-29 01:02:03.500']);
});

const large = connected(async (connection) => {
  await execute(connection, 'create database many_rows');
  await execute(
    connection,
    "create table t as select seq8() as n, repeat('x', 200) as s from table(generator(rowcount => 200000))",
  );
  const { statement, rows: all } = await execute(connection, 'select n, s from t order by n');
  assert.equal(statement.getNumRows(), 200000);
  assert.equal(all.length, 200000);
  all.forEach(([number], index) => assert.equal(number, index));
  const streamed = await execute(connection, 'select n from t order by n', { streamResult: true });
  let count = 0;
  for await (const [number] of streamed.statement.streamRows({ start: 150000, end: 150009 })) {
    assert.equal(number, 150000 + count);
    count += 1;
  }
  assert.equal(count, 10);
});

const binds = connected(async (connection) => {
  const [row] = await rows(connection, 'select ?, ?, ?, ?, ?', { binds: [7, 1.25, "it's ?", true, null] });
  assert.deepEqual(row.slice(0, 2).map(Number), [7, 1.25]);
  assert.deepEqual(row.slice(2).map(String), ["it's ?", 'true', 'null']);
  await execute(connection, 'create database bound');
  await execute(connection, 'create table t (a int, b number(10, 2), c varchar, d boolean, e date)');
  await execute(connection, 'insert into t values (:1, :2, :3, :4, :5)', { binds: [7, 1.25, 'x', false, '2024-02-29'] });
  const [[a, b, c, d, e]] = await rows(connection, 'select * from t where a = :1', { binds: [7] });
  assert.deepEqual([a, b, c, d, new Date(+e).toISOString().slice(0, 10)], [7, 1.25, 'x', false, '2024-02-29']);
});

const arrayBinds = connected(async (connection) => {
  await execute(connection, 'create database arrays');
  await execute(connection, 'create table t (a int, b varchar)');
  const binds = Array.from({ length: 1000 }, (_, n) => [n, n % 10 === 0 ? null : String(n)]);
  const { statement } = await execute(connection, 'insert into t values (?, ?)', { binds });
  assert.equal(statement.getNumUpdatedRows(), 1000);
  assert.deepEqual(await rows(connection, 'select count(*), count(b) from t'), [[1000, 900]]);
});

const asynchronous = connected(async (connection) => {
  const { statement } = await execute(connection, "call system$wait(1, 'hours')", { asyncExec: true });
  const slow = statement.getQueryId();
  assert.ok(connection.isStillRunning(await connection.getQueryStatus(slow)));
  const fast = (await execute(connection, 'select 42 as a', { asyncExec: true })).statement.getQueryId();
  const result = await connection.getResultsFromQueryId({ queryId: fast, sqlText: '' });
  const found = [];
  for await (const row of result.streamRows()) found.push(row);
  assert.deepEqual(found, [{ A: 42 }]);
  assert.equal(await connection.getQueryStatus(fast), 'SUCCESS');
  await new Promise((resolve, reject) => statement.cancel((error) => (error ? reject(error) : resolve())));
  while (connection.isStillRunning(await connection.getQueryStatus(slow)));
});

const cancel = connected(async (connection) => {
  const error = await new Promise((resolve) => {
    const statement = connection.execute({
      sqlText: "call system$wait(1, 'hours')",
      complete: (error) => resolve(error),
    });
    // The request has to be on its way: the SDK finds nothing to cancel before.
    const attempt = () => statement.cancel((failure) => failure && setTimeout(attempt, 20));
    setTimeout(attempt, 20);
  });
  assert.deepEqual([error.code, error.sqlState], ['000604', '57014'], error.message);
  assert.deepEqual(await rows(connection, 'select 1'), [[1]]);
});

const multiStatement = connected(async (connection) => {
  const results = [];
  await new Promise((resolve, reject) => {
    connection.execute({
      sqlText: "select 1 as a; create database several; select 'x' as b",
      parameters: { MULTI_STATEMENT_COUNT: 3 },
      rowMode: 'array',
      complete: function collect(error, statement, rows) {
        if (error) return reject(error);
        results.push(rows);
        return statement.hasNext() ? statement.NextResult() : resolve();
      },
    });
  });
  assert.deepEqual(results, [[[1]], [['Database SEVERAL successfully created.']], [['x']]]);
  await refused(connection, 'select 1; select 2', '000008', '0A000');
});

const transaction = connected(async (connection) => {
  await execute(connection, 'create database transactional');
  await execute(connection, 'create table t (a int)');
  for (const [end, count] of [['rollback', 0], ['commit', 1]]) {
    await execute(connection, 'begin');
    const { statement } = await execute(connection, 'insert into t values (1)');
    assert.equal(statement.getNumUpdatedRows(), 1);
    await refused(connection, 'insert into nowhere values (1)', '002003', '42S02');
    await execute(connection, end);
    assert.deepEqual(await rows(connection, 'select count(*) from t'), [[count]]);
  }
});

const metadata = connected(async (connection) => {
  await execute(connection, 'create database described');
  await execute(connection, 'create table t (id int not null, name varchar(20), price number(10, 2))');
  const { statement } = await execute(connection, 'select id, name, price from t', { describeOnly: true });
  const columns = statement.getColumns();
  assert.deepEqual(columns.map((column) => column.getName()), ['ID', 'NAME', 'PRICE']);
  assert.deepEqual(columns.map((column) => column.getType()), ['fixed', 'text', 'fixed']);
  assert.deepEqual(columns.map((column) => column.isNullable()), [false, true, true]);
  assert.deepEqual([columns[2].getPrecision(), columns[2].getScale()], [10, 2]);
  const shown = await rows(connection, 'show columns in table described.public.t', { rowMode: 'object' });
  assert.deepEqual(shown.map((row) => row.column_name), ['ID', 'NAME', 'PRICE']);
});

async function everyday() {
  const pool = snowflake.createPool(
    { accessUrl: server, account: 'local', username: 'tester', password: 'secret' },
    { max: 2, min: 0 },
  );
  const count = (table) =>
    pool.use(async (connection) => rows(connection, `select count(*) from snowflake_sample_data.tpch_sf001.${table}`));
  const counts = await Promise.all(['orders', 'nation', 'region'].map(count));
  assert.deepEqual(counts, [[[15000]], [[25]], [[5]]]);
  await pool.drain();
  await pool.clear();
}

const files = connected(async (connection) => {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'witness-'));
  for (const name of ['a', 'b']) fs.writeFileSync(path.join(folder, `${name}.csv`), `1,${name}\n`);
  fs.mkdirSync(path.join(folder, 'out'));
  await execute(connection, 'create database staged');
  await execute(connection, 'create stage s');
  await execute(connection, 'create table t (id int, name varchar)');
  const put = await rows(connection, `put file://${folder}/*.csv @s/in`, { rowMode: 'object' });
  assert.deepEqual(
    put.map((row) => [row.target, row.status]).sort(),
    [['a.csv.gz', 'UPLOADED'], ['b.csv.gz', 'UPLOADED']],
  );
  const copied = await rows(connection, 'copy into t from @s/in');
  assert.deepEqual(copied.map((row) => row.slice(0, 3)), [['s/in/a.csv.gz', 'LOADED', 1], ['s/in/b.csv.gz', 'LOADED', 1]]);
  assert.deepEqual(await rows(connection, 'select name from t order by 1'), [['a'], ['b']]);
  await execute(connection, 'copy into @s/out/ from t file_format = (type = csv compression = none)');
  const got = await rows(connection, `get @s/out file://${folder}/out/`, { rowMode: 'object' });
  assert.deepEqual(got.map((row) => [row.file, row.status]), [['data_0_0_0.csv', 'DOWNLOADED']]);
  assert.equal(fs.readFileSync(path.join(folder, 'out', 'data_0_0_0.csv'), 'utf8'), '1,a\n1,b\n');
  fs.rmSync(folder, { recursive: true });
});

/** How many statements came with what of query contexts: the last answer's is `current`. */
async function contextsSent() {
  const text = await (await fetch(`${server}/metrics`)).text();
  const lines = text.matchAll(/^snowflake_emulator_query_contexts_total\{sent="(\w+)"\} (\d+)$/gm);
  return Object.fromEntries(Array.from(lines, ([, sent, count]) => [sent, Number(count)]));
}

const contexts = connected(async (connection) => {
  await execute(connection, 'create database remembered');
  const before = await contextsSent();
  await execute(connection, 'create table t (a int)');
  await execute(connection, 'insert into t values (1)');
  assert.deepEqual(await rows(connection, 'select a from t'), [[1]]);
  const after = await contextsSent();
  assert.deepEqual(after, { ...before, current: before.current + 3 });
});

const renewal = connected(async (connection) => {
  await execute(connection, 'create database renewed');
  await execute(connection, 'create table t (a int)');
  await execute(connection, 'begin');
  await execute(connection, 'insert into t values (1)');
  await ask('PUT', '/faults', 'code=390112,on=query,times=1\ndelay=1ms,on=renew');
  await execute(connection, 'insert into t values (2)');
  const { faults } = (await ask('GET', '/faults')).data;
  assert.deepEqual(faults.map((fault) => fault.fired), [1, 1]);
  assert.deepEqual(await rows(connection, 'select count(*) from t'), [[2]]);
  await execute(connection, 'rollback');
  assert.deepEqual(await rows(connection, 'select count(*) from t'), [[0]]);
});

const errors = connected(async (connection) => {
  await execute(connection, 'create database wrong');
  const message = await refused(connection, 'select * from no_such_table', '002003', '42S02');
  assert.match(message, /Object 'NO_SUCH_TABLE' does not exist or not authorized/);
  await refused(connection, 'select no_such_column', '000904', '42000');
  await refused(connection, 'selec 1', '001003', '42000');
  await refused(connection, "select 'x'::int", '100038', '22018');
  assert.deepEqual(await rows(connection, 'select 1'), [[1]]);
});

async function close() {
  const before = await sessions();
  const connection = await connect();
  assert.equal(await sessions(), before + 1);
  await destroy(connection);
  assert.equal(await sessions(), before);
  assert.ok(!connection.isUp());
}

/** Why the SDK does not do something at all. */
class Absent extends Error {}

const cells = {
  login,
  types_json: typesJson,
  types_arrow: () => {
    throw new Absent('the SDK reads JSON only');
  },
  large_result: large,
  binds,
  array_binds: arrayBinds,
  asynchronous,
  cancel,
  multi_statement: multiStatement,
  transaction,
  contexts,
  metadata,
  everyday,
  files,
  renewal,
  errors,
  close,
};

async function main() {
  const { version } = require('snowflake-sdk/package.json');
  console.log(JSON.stringify({ client: 'snowflake-sdk', version }));
  for (const [cell, run] of Object.entries(cells)) {
    let said = { cell, outcome: 'holds' };
    try {
      await run();
    } catch (error) {
      said = error instanceof Absent
        ? { cell, outcome: 'absent', why: error.message }
        : { cell, outcome: 'differs', why: String(error.stack) };
    }
    console.log(JSON.stringify(said));
  }
}

main().then(() => process.exit(0));
