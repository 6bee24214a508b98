//! The rules in force, with what has become of each.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Instant;

use super::rule::{Aim, ConnectFault, Request, RequestFault, Rule};
use super::schedule::dice;

/// Decides what befalls connections and requests.
#[derive(Debug)]
pub struct Faults {
    seed: u64,
    /// Whether there are rules about requests, and about connections: all that is looked at while there are none.
    on_requests: AtomicBool,
    on_connections: AtomicBool,
    setting: RwLock<Setting>,
}

/// The rules as they were last set.
#[derive(Debug, Default)]
struct Setting {
    /// How often rules were set; part of the dice, so that equal rules set again do not repeat themselves.
    number: u64,
    rules: Arc<[Arc<Armed>]>,
}

#[derive(Debug)]
struct Armed {
    rule: Rule,
    since: Instant,
    counts: Mutex<Counts>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    matched: u64,
    fired: u64,
}

/// A rule with what has become of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// The rule as written.
    pub rule: String,
    /// How often it applied, in its time, to what no earlier rule had befallen.
    pub matched: u64,
    /// How often it fired.
    pub fired: u64,
    /// It will not fire again.
    pub spent: bool,
}

impl Faults {
    /// Starts with rules that are set `now`; `seed` makes what they do by probability repeatable.
    pub fn new(seed: u64, rules: Vec<Rule>, now: Instant) -> Arc<Self> {
        let faults = Self {
            seed,
            on_requests: AtomicBool::new(false),
            on_connections: AtomicBool::new(false),
            setting: RwLock::default(),
        };
        faults.set(rules, now);
        Arc::new(faults)
    }

    /// The seed.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// Replaces all rules; the counts of the new ones begin at 0.
    pub fn set(&self, rules: Vec<Rule>, now: Instant) {
        let rules = rules
            .into_iter()
            .map(|rule| Arc::new(Armed::new(rule, now)))
            .collect();
        let mut setting = self.setting.write().unwrap_or_else(PoisonError::into_inner);
        setting.number += 1;
        self.put(&mut setting, rules);
    }

    /// Adds rules after those that are there, which keep their counts. False, and nothing is added, when there would be
    /// more than `rules_max`.
    pub fn add(&self, rules: Vec<Rule>, rules_max: usize, now: Instant) -> bool {
        let mut setting = self.setting.write().unwrap_or_else(PoisonError::into_inner);
        if setting.rules.len() + rules.len() > rules_max {
            return false;
        }
        let added = rules.into_iter().map(|rule| Arc::new(Armed::new(rule, now)));
        let rules = setting.rules.iter().cloned().chain(added).collect();
        self.put(&mut setting, rules);
        true
    }

    fn put(&self, setting: &mut Setting, rules: Arc<[Arc<Armed>]>) {
        let about_connections = |armed: &Arc<Armed>| matches!(armed.rule.aim, Aim::Connection(_));
        self.on_connections
            .store(rules.iter().any(about_connections), Ordering::Release);
        self.on_requests.store(
            rules.iter().any(|armed| !about_connections(armed)),
            Ordering::Release,
        );
        setting.rules = rules;
    }

    /// The rules in their order, with what has become of each.
    pub fn report(&self, now: Instant) -> Vec<Report> {
        let (_, rules) = self.current();
        rules.iter().map(|armed| armed.report(now)).collect()
    }

    /// True when a rule may meddle with connections.
    pub fn awaits_connections(&self) -> bool {
        self.on_connections.load(Ordering::Acquire)
    }

    /// What befalls a new connection: what the first rule that fires says.
    pub fn meet_connection(&self, now: Instant) -> Option<ConnectFault> {
        if !self.awaits_connections() {
            return None;
        }
        self.first(now, |aim| match aim {
            Aim::Connection(fault) => Some(*fault),
            Aim::Request(..) => None,
        })
    }

    /// What befalls a request: what the first rule that fires says. Later rules do not see the request.
    pub fn meet_request(&self, request: &dyn Request, now: Instant) -> Option<RequestFault> {
        if !self.on_requests.load(Ordering::Acquire) {
            return None;
        }
        self.first(now, |aim| match aim {
            Aim::Request(filter, fault) => filter.matches(request).then(|| fault.clone()),
            Aim::Connection(_) => None,
        })
    }

    fn first<T>(&self, now: Instant, applies: impl Fn(&Aim) -> Option<T>) -> Option<T> {
        let (number, rules) = self.current();
        rules.iter().enumerate().find_map(|(index, armed)| {
            let fault = applies(&armed.rule.aim)?;
            armed.meet(self.seed, number, index as u64, now).then_some(fault)
        })
    }

    fn current(&self) -> (u64, Arc<[Arc<Armed>]>) {
        let setting = self.setting.read().unwrap_or_else(PoisonError::into_inner);
        (setting.number, Arc::clone(&setting.rules))
    }
}

impl Armed {
    fn new(rule: Rule, now: Instant) -> Self {
        Self {
            rule,
            since: now,
            counts: Mutex::default(),
        }
    }

    /// Counts a match; true when it fires.
    fn meet(&self, seed: u64, setting: u64, index: u64, now: Instant) -> bool {
        let schedule = &self.rule.schedule;
        let age = now.saturating_duration_since(self.since);
        let mut counts = self.counts();
        if schedule.is_spent(0, age) {
            return false;
        }
        counts.matched += 1;
        let fires = !schedule.is_spent(counts.fired, age)
            && schedule.fires(counts.matched, dice(seed, setting, index, counts.matched));
        counts.fired += u64::from(fires);
        fires
    }

    fn report(&self, now: Instant) -> Report {
        let Counts { matched, fired } = *self.counts();
        let age = now.saturating_duration_since(self.since);
        Report {
            rule: self.rule.text().to_owned(),
            matched,
            fired,
            spent: self.rule.schedule.is_spent(fired, age),
        }
    }

    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::rule::Action;
    use super::*;

    struct Post<'a>(&'a str);

    impl Request for Post<'_> {
        fn method(&self) -> &'static str {
            "POST"
        }
        fn path(&self) -> &'static str {
            "/queries/v1/query-request"
        }
        fn sql(&self) -> Option<&str> {
            Some(self.0)
        }
        fn session(&self) -> Option<u64> {
            Some(5)
        }
    }

    fn faults(rules: &[&str], now: Instant) -> Arc<Faults> {
        let rules = rules.iter().map(|text| Rule::parse(text).unwrap()).collect();
        Faults::new(1, rules, now)
    }

    fn counts(faults: &Faults, now: Instant) -> Vec<(u64, u64, bool)> {
        let reports = faults.report(now).into_iter();
        reports
            .map(|report| (report.matched, report.fired, report.spent))
            .collect()
    }

    #[test]
    fn the_first_rule_that_fires_decides() {
        let now = Instant::now();
        let faults = faults(
            &["reset,times=1", "stall,sql~=insert,session=5", "on=connect,reset"],
            now,
        );
        let meet = |sql| {
            let fault = faults.meet_request(&Post(sql), now);
            fault.map(|fault| fault.action)
        };
        assert_eq!(meet("select 1"), Some(Action::Reset));
        assert_eq!(meet("select 1"), None);
        assert_eq!(meet("INSERT INTO t"), Some(Action::Stall));
        assert_eq!(counts(&faults, now), [(3, 1, true), (1, 1, false), (0, 0, false)]);
        assert_eq!(faults.meet_connection(now), Some(ConnectFault::Reset));
        faults.set(Vec::new(), now);
        assert_eq!(faults.meet_connection(now), None);
        assert_eq!(faults.meet_request(&Post("insert"), now), None);
        assert_eq!(counts(&faults, now), []);
    }

    #[test]
    fn a_rule_has_its_time() {
        let now = Instant::now();
        let faults = faults(&["reset,for=10s,every=2", "stall,method=GET"], now);
        assert_eq!(faults.meet_request(&Post(""), now), None);
        assert!(faults.meet_request(&Post(""), now).is_some());
        let later = now + Duration::from_secs(10);
        assert_eq!(faults.meet_request(&Post(""), later), None);
        assert_eq!(faults.meet_request(&Post(""), later), None);
        assert_eq!(counts(&faults, later), [(2, 1, true), (0, 0, false)]);
    }

    #[test]
    fn added_rules_come_last_and_leave_the_others_their_counts() {
        let now = Instant::now();
        let faults = faults(&["reset,times=1"], now);
        assert!(faults.meet_request(&Post(""), now).is_some());
        let rule = |text| vec![Rule::parse(text).unwrap()];
        assert!(faults.add(rule("on=connect,stall"), 2, now));
        assert_eq!(counts(&faults, now), [(1, 1, true), (0, 0, false)]);
        assert_eq!(faults.meet_connection(now), Some(ConnectFault::Stall));
        assert!(!faults.add(rule("stall"), 2, now), "more than there may be");
        assert_eq!(counts(&faults, now).len(), 2);
    }

    #[test]
    fn equal_rules_set_again_decide_anew_and_repeatably() {
        let now = Instant::now();
        let decisions = |faults: &Faults| -> Vec<bool> {
            (0..64)
                .map(|_| faults.meet_request(&Post(""), now).is_some())
                .collect()
        };
        let half = || faults(&["reset,probability=0.5"], now);
        let (one, other) = (half(), half());
        let first = decisions(&one);
        assert_eq!(first, decisions(&other));
        one.set(vec![Rule::parse("reset,probability=0.5").unwrap()], now);
        assert_ne!(first, decisions(&one));
    }
}
