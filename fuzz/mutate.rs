//! Fuzzing that a stable compiler can do: seeds of a corpus, mutated by bytes and by the words of a language.
//!
//! A parser's target is a function of bytes that must not panic. Ordinary tests feed it some hundred inputs, always the same ones;
//! `cargo xtask test --only fuzz` feeds all targets for a minute together, from a seed that it prints. What breaks a
//! target is printed with the variables that bring it back. The same corpus is for `cargo fuzz`, which wants a nightly
//! compiler and finds its way by coverage.
//!
//! Included by path into the tests of each crate, since what it feeds is not public.

use std::collections::VecDeque;
use std::io::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::PathBuf;
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread;
use std::time::{Duration, Instant};

/// How long each target is fed; without it, [`CASES`] inputs.
const TIME: &str = "SNOWFLAKE_SESSION_FUZZ_MILLISECONDS";
/// Where the inputs come from.
const SEED: &str = "SNOWFLAKE_SESSION_FUZZ_SEED";
/// The one input to feed.
const CASE: &str = "SNOWFLAKE_SESSION_FUZZ_CASE";

const CASES: u64 = 200;
/// A target that takes longer for one input does not come back.
const CASE_TIME_MAX: Duration = Duration::from_secs(30);
/// Longest input.
const BYTES_MAX: usize = 16 * 1024;
/// Most bytes of an input that are printed; the variables bring back the rest.
const SHOWN_BYTES_MAX: usize = 1024;
/// Inputs that are mutated further.
const POOL_MAX: usize = 64;
/// Numbers at which ranges end.
const NUMBERS: [&str; 14] = [
    "0",
    "-1",
    "1",
    "127",
    "128",
    "255",
    "65536",
    "2147483647",
    "-2147483648",
    "4294967296",
    "9223372036854775807",
    "-9223372036854775808",
    "99999999999999999999999999999999999999",
    "1e999",
];

#[expect(
    clippy::disallowed_methods,
    reason = "how long, and from where, is said from outside the tests"
)]
/// Feeds a target. `words` are what its language knows.
pub(crate) fn fuzz(target: &str, words: &[&str], mut run: impl FnMut(&[u8])) {
    let number = |name: &str| {
        let text = std::env::var(name).ok()?;
        Some(
            text.parse::<u64>()
                .unwrap_or_else(|_| panic!("{name} is a number")),
        )
    };
    let seeds = corpus(target);
    let seed = number(SEED).unwrap_or(7);
    let only = number(CASE);
    let time = number(TIME).map(Duration::from_millis);
    let start = Instant::now();
    let mut case = 0;
    // One after the other in any case: an input may come of those before it.
    let mut pool = VecDeque::new();
    let guard = watch();
    loop {
        let ends = match (only, time) {
            (Some(only), _) => case > only,
            (None, Some(time)) => start.elapsed() >= time,
            (None, None) => case >= CASES,
        };
        if ends {
            return;
        }
        let input = match seeds.get(case as usize) {
            Some(seed) => seed.clone(),
            None => mutated(
                &mut Random(seed ^ case.wrapping_mul(0x9e37_79b9_7f4a_7c15)),
                &seeds,
                &pool,
                words,
            ),
        };
        if only.is_none_or(|only| only == case) {
            let feed = Feed {
                seed,
                case,
                input: input.clone(),
            };
            let _ = guard.send(feed);
            if let Err(panic) = catch_unwind(AssertUnwindSafe(|| run(&input))) {
                let _ = writeln!(
                    std::io::stderr(),
                    "target {target:?} broke; {}",
                    again(seed, case, &input)
                );
                resume_unwind(panic);
            }
        }
        pool.push_back(input);
        if pool.len() > POOL_MAX {
            pool.pop_front();
        }
        case += 1;
    }
}

/// What a target is about to be fed.
struct Feed {
    seed: u64,
    case: u64,
    input: Vec<u8>,
}

/// How an input comes back.
fn again(seed: u64, case: u64, input: &[u8]) -> String {
    let shown = &input[..input.len().min(SHOWN_BYTES_MAX)];
    format!(
        "again with {SEED}={seed} {CASE}={case}\ninput of {} bytes: \"{}\"",
        input.len(),
        shown.escape_ascii()
    )
}

/// Ends the process when a target does not come back from what it was last fed. Whoever drops the sender is done.
fn watch() -> Sender<Feed> {
    let (sender, receiver) = mpsc::channel::<Feed>();
    thread::spawn(move || {
        let mut last = None;
        loop {
            match receiver.recv_timeout(CASE_TIME_MAX) {
                Ok(feed) => last = Some(feed),
                Err(RecvTimeoutError::Disconnected) => return,
                Err(RecvTimeoutError::Timeout) => {
                    if let Some(feed) = last {
                        let again = again(feed.seed, feed.case, &feed.input);
                        // Past the harness, which keeps what a test prints until it ends.
                        let _ = writeln!(std::io::stderr(), "no end after {CASE_TIME_MAX:?}; {again}");
                    }
                    std::process::abort();
                }
            }
        }
    });
    sender
}

/// The seeds of a target: files in its folder of the corpus, by their names.
pub(crate) fn corpus(target: &str) -> Vec<Vec<u8>> {
    let manifest = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let folder = manifest
        .ancestors()
        .map(|folder| folder.join("fuzz/corpus").join(target))
        .find(|folder| folder.is_dir())
        .unwrap_or_else(|| panic!("target {target:?} has no corpus"));
    let entries = std::fs::read_dir(&folder).expect("the corpus is readable");
    let mut paths: Vec<_> = entries
        .map(|entry| entry.expect("the corpus is readable").path())
        .filter(|path| path.is_file())
        .collect();
    paths.sort();
    assert!(!paths.is_empty(), "target {target:?} has no seeds");
    let read = |path: &PathBuf| std::fs::read(path).expect("a seed is readable");
    paths.iter().map(read).collect()
}

/// SplitMix64: small, and the same everywhere.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`, or 0.
    fn below(&mut self, end: usize) -> usize {
        (self.next() % end.max(1) as u64) as usize
    }

    fn one<'a, T: ?Sized>(&mut self, of: &[&'a T]) -> Option<&'a T> {
        let at = self.below(of.len());
        of.get(at).copied()
    }

    /// Two places of a text in order.
    fn range(&mut self, length: usize) -> (usize, usize) {
        let from = self.below(length + 1);
        let longest = (length - from).min(1 << self.below(10));
        (from, from + self.below(longest + 1))
    }
}

fn mutated(random: &mut Random, seeds: &[Vec<u8>], pool: &VecDeque<Vec<u8>>, words: &[&str]) -> Vec<u8> {
    let at = random.below(seeds.len() + pool.len());
    let mut input = seeds
        .get(at)
        .or_else(|| pool.get(at - seeds.len()))
        .cloned()
        .unwrap_or_default();
    for _ in 0..=random.below(4) {
        mutate(random, &mut input, seeds, words);
    }
    input.truncate(BYTES_MAX);
    input
}

fn mutate(random: &mut Random, input: &mut Vec<u8>, seeds: &[Vec<u8>], words: &[&str]) {
    let (from, to) = random.range(input.len());
    match random.below(10) {
        0 => {
            if let Some(byte) = input.get_mut(from) {
                *byte ^= 1 << random.below(8);
            }
        }
        1 => {
            let byte = [0, 0xff, 0x80, b'"', b'\\', b'\n', b'\'', b';'][random.below(8)];
            input.insert(from, byte);
        }
        2 => drop(input.drain(from..to)),
        3 => {
            let part = input[from..to].to_vec();
            let times = 1 + random.below(64);
            input.splice(from..from, part.repeat(times.min(BYTES_MAX / part.len().max(1))));
        }
        4 | 5 => {
            let word = random.one(words).unwrap_or_default();
            input.splice(from..to, format!(" {word} ").bytes());
        }
        6 => {
            let digits = input
                .iter()
                .skip(from)
                .position(u8::is_ascii_digit)
                .map(|at| from + at);
            let start = digits.unwrap_or(from);
            let end = input[start..].iter().position(|byte| !byte.is_ascii_digit());
            let end = end.map_or(input.len(), |length| start + length);
            let number = random.one(&NUMBERS).unwrap_or_default();
            input.splice(start..end, number.bytes());
        }
        7 => {
            let other = &seeds[random.below(seeds.len())];
            let (first, last) = random.range(other.len());
            input.splice(from..to, other[first..last].iter().copied());
        }
        8 => input.truncate(from),
        _ => {
            let text = ["\u{feff}", "ü", "\u{1f600}", "\u{0}", "ǅ", "ﬁ", "\u{202e}", "İ"][random.below(8)];
            input.splice(from..from, text.bytes());
        }
    }
}
