//! What only a service manager can show, on a real one: the units, the service's life under them, and what users see of
//! it.
//!
//! Each test boots a machine of its own (see [`machine`](snowflake_session_tests::machine)), once with the systemd of
//! this host and once with that of Debian 13. It needs root, so `cargo xtask test` runs it as a step of its own.

#[path = "systemd/carrying.rs"]
mod carrying;
#[path = "systemd/doctor.rs"]
mod doctor;
#[path = "systemd/failing.rs"]
mod failing;
#[path = "systemd/installing.rs"]
mod installing;
#[path = "systemd/life.rs"]
mod life;
#[path = "systemd/package.rs"]
mod package;
#[path = "systemd/remote.rs"]
mod remote;
#[path = "systemd/restarts.rs"]
mod restarts;
#[path = "systemd/sandbox.rs"]
mod sandbox;
#[path = "systemd/system.rs"]
mod system;

use snowflake_session_tests::machine::{ALICE_UID, Machine};

/// The service of a user.
const SERVICE: &str = "snowflake-session.service";
/// The socket of a user.
const SOCKET: &str = "snowflake-session.socket";
/// The socket for clients of other machines, which nothing enables.
const TCP: &str = "snowflake-session-tcp.socket";

/// Where Alice's clients look.
fn alices_socket() -> String {
    format!("/run/user/{ALICE_UID}/snowflake-session/grpc.sock")
}

/// Lets Alice have the socket, as the installation of a package does.
fn listen(machine: &Machine) {
    machine.alice(&["systemctl", "--user", "enable", "--quiet", "--now", SOCKET]);
}

/// Process of Alice's service, "0" while there is none.
fn main_pid(machine: &Machine) -> String {
    machine.show(SERVICE, &["MainPID"])
}

/// Starts an emulator that is nobody's child, and makes it Alice's default connection.
fn upstream(machine: &Machine) {
    machine.write_home(
        ".config/snowflake/connections.toml",
        "[default]\naccount = \"local\"\nuser = \"tester\"\npassword = \"s3same\"\n\
         host = \"127.0.0.1\"\nport = 7777\nprotocol = \"http\"\n",
    );
    machine.alice(&[
        "systemd-run",
        "--user",
        "--quiet",
        "--unit=upstream",
        "--property=Type=exec",
        "snowflake-emulator",
        "serve",
        "--listen",
        "127.0.0.1:7777",
        "--in-memory",
    ]);
    snowflake_session_tests::wait::until_true(
        "the emulator to listen",
        snowflake_session_tests::machine::PATIENCE,
        || {
            machine
                .run("alice", &["bash", "-c", "exec 3<>/dev/tcp/127.0.0.1/7777"])
                .code
                == 0
        },
    );
}

/// Runs a statement of Alice's and returns its rows as CSV without the header.
#[track_caller]
fn rows(machine: &Machine, sql: &str) -> String {
    let out = machine.alice(&["sfctl", "query", sql, "--format", "csv"]);
    out.split_once('\n')
        .map_or_else(String::new, |(_, rows)| rows.to_owned())
}

/// Each test on both systems.
macro_rules! on_each_systemd {
    ($($module:ident: $($test:ident),+ $(,)?;)+) => {
        mod on_host {
            use snowflake_session_tests::machine::{Machine, System};
            $(mod $module { use super::*; $(#[test] fn $test() { crate::$module::$test(&Machine::boot(System::Host)); })+ })+
            #[test] fn a_package_is_installed_upgraded_and_removed() { crate::package::on(System::Host); }
        }
        mod on_trixie {
            use snowflake_session_tests::machine::{Machine, System};
            $(mod $module { use super::*; $(#[test] fn $test() { crate::$module::$test(&Machine::boot(System::Trixie)); })+ })+
            #[test] fn a_package_is_installed_upgraded_and_removed() { crate::package::on(System::Trixie); }
        }
    };
}

on_each_systemd! {
    sandbox:
        units_verify_and_score,
        the_portable_sandbox_is_in_effect,
        the_strict_sandbox_is_in_effect,
        the_sandbox_of_the_system_is_in_effect;
    life:
        a_connection_starts_the_service_and_waits_for_it,
        start_reload_stop,
        an_unused_service_ends_and_comes_back,
        nobody_is_turned_away_by_a_service_that_leaves,
        a_drain_is_waited_for_and_a_second_signal_ends_it;
    failing:
        a_killed_service_is_back_before_anybody_notices,
        a_hung_service_is_replaced,
        a_program_that_always_fails_is_explained,
        a_start_that_takes_too_long_is_ended,
        a_stopped_journal_stops_nobody,
        a_restarted_journal_has_all_fields,
        sockets_of_others_are_left_alone;
    doctor:
        a_managed_service_is_examined,
        what_systemd_gave_up_is_explained,
        a_sandbox_that_is_denied_is_told_from_other_failures;
    restarts:
        nobody_is_turned_away_by_a_restart,
        other_users_stay_out;
    remote:
        a_call_over_tcp_starts_the_service,
        a_shared_service_is_called_over_tcp;
    carrying:
        a_transaction_survives_restart_kill_and_upgrade,
        what_cannot_be_carried_is_told,
        no_token_is_on_disk;
    installing:
        install_tries_the_strict_sandbox_and_uninstall_leaves_nothing,
        install_falls_back_where_user_namespaces_are_denied;
    system:
        a_group_shares_the_system_service,
        users_have_system_services_of_their_own;
}
