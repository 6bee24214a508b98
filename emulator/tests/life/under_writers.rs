//! Snapshots that are taken while several sessions change two tables together: each is one state of both.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Instant;

use super::{Client, Folder, PATIENCE};

/// Snapshots that are taken.
const SNAPSHOTS: usize = 4;
/// Sessions that move amounts from one table to the other.
const MOVERS: usize = 3;

/// A session that writes until it is told to stop, and counts what was confirmed to it.
struct Writer {
    confirmed: Arc<AtomicI64>,
    thread: JoinHandle<()>,
}

/// What every state has: amounts of both tables together are none, and no row of one is without its other half.
const BALANCE: &str = "select (select coalesce(sum(amount), 0) from one.public.a) + (select coalesce(sum(amount), 0) from two.public.b)";
const HALVES: &str = "select count(*) from one.public.a full join two.public.b on a.mover = b.mover and a.n = b.n \
                      where a.n is null or b.n is null or a.amount + b.amount <> 0";

impl Writer {
    /// Carries out what `round` says for 1, 2 and so on.
    fn start(
        address: &str,
        stop: &Arc<AtomicBool>,
        mut round: impl FnMut(&Client, i64) + Send + 'static,
    ) -> Self {
        let client = Client::log_in(address);
        let (stop, confirmed) = (Arc::clone(stop), Arc::new(AtomicI64::new(0)));
        let count = Arc::clone(&confirmed);
        let thread = thread::spawn(move || {
            for n in 1.. {
                if stop.load(Ordering::SeqCst) {
                    return;
                }
                round(&client, n);
                count.store(n, Ordering::SeqCst);
            }
        });
        Self { confirmed, thread }
    }

    fn confirmed(&self) -> i64 {
        self.confirmed.load(Ordering::SeqCst)
    }
}

/// Adds a pair of rows and removes an older one, changes another; now and then it thinks better of it.
fn move_amounts(client: &Client, mover: usize, n: i64) {
    if n % 3 == 0 {
        client.run("begin");
        client.run(&format!(
            "insert into one.public.a values ({mover}, -{n}, 1000, '')"
        ));
        client.run(&format!("delete from two.public.b where mover = {mover}"));
        client.run("rollback");
    }
    client.run("begin");
    client.run(&format!(
        "insert into one.public.a select {mover}, {n}, {n}, repeat('x', 2000)"
    ));
    client.run(&format!("insert into two.public.b values ({mover}, {n}, -{n})"));
    if n > 5 {
        let old = format!("mover = {mover} and n = {}", n - 5);
        client.run(&format!("delete from one.public.a where {old}"));
        client.run(&format!("delete from two.public.b where {old}"));
    }
    let recent = format!("mover = {mover} and n = {}", n - 1);
    client.run(&format!(
        "update one.public.a set amount = amount + 7 where {recent}"
    ));
    client.run(&format!(
        "update two.public.b set amount = amount - 7 where {recent}"
    ));
    client.run("commit");
}

/// Fills the log, so that the engine folds it into the database again and again, and changes definitions.
fn fill(client: &Client, n: i64) {
    client.run(
        "create or replace table one.public.filling as select seq4() as n, randstr(1000, random()) as pad \
         from table(generator(rowcount => 4000))",
    );
    client.run("delete from one.public.filling where n % 2 = 0");
    if n % 2 == 0 {
        client.run("drop table one.public.filling");
    }
}

#[test]
fn each_snapshot_is_one_state_of_everything() {
    let folder = Folder::new();
    let client = folder.start();
    client.run("create database one");
    client.run("create database two");
    client.run("create table one.public.a (mover int, n int, amount int, pad varchar)");
    client.run("create table two.public.b (mover int, n int, amount int)");
    let stop = Arc::new(AtomicBool::new(false));
    let movers: Vec<Writer> = (0..MOVERS)
        .map(|mover| {
            Writer::start(&client.address, &stop, move |client, n| {
                move_amounts(client, mover, n);
            })
        })
        .collect();
    let filler = Writer::start(&client.address, &stop, fill);

    // What was confirmed before a snapshot was begun, and after it was made.
    let confirmed = || movers.iter().map(Writer::confirmed).collect::<Vec<_>>();
    let mut taken = Vec::new();
    for number in 0..SNAPSHOTS {
        let (before, filled) = (confirmed(), filler.confirmed());
        let deadline = Instant::now() + PATIENCE;
        while filler.confirmed() == filled
            || confirmed().iter().zip(&before).any(|(now, before)| now <= before)
        {
            assert!(Instant::now() < deadline, "nobody writes");
            thread::yield_now();
        }
        let name = format!("s{number}");
        let before = confirmed();
        folder.done(&["snapshot", "create", &name]);
        taken.push((name, before, confirmed()));
    }
    stop.store(true, Ordering::SeqCst);
    for writer in movers.into_iter().chain([filler]) {
        writer.thread.join().unwrap();
    }

    for (name, before, after) in &taken {
        folder.done(&["restore", name, "--restart"]);
        let client = Client::log_in(&client.address);
        assert_eq!(client.number(BALANCE), 0, "{name}");
        assert_eq!(client.number(HALVES), 0, "{name}");
        for (mover, (before, after)) in before.iter().zip(after).enumerate() {
            let last = format!("select coalesce(max(n), 0) from one.public.a where mover = {mover}");
            let found = client.number(&last);
            // One more may have been committed whose answer was on its way.
            assert!(
                (*before..=*after + 1).contains(&found),
                "{name}: {found} of {mover}, which had {before} before and {after} after it"
            );
            let rows = client.number(&format!(
                "select count(*) from two.public.b where mover = {mover}"
            ));
            assert_eq!(rows, found.min(5), "{name}: rows of {mover}");
        }
        // It can be written again.
        move_amounts(&client, MOVERS, 1);
        assert_eq!(client.number(HALVES), 0, "{name}");
    }
}
