//! Snowflake's official clients, unmodified, are content with the emulator; `docs/compatibility.md` says so.

use snowflake_session_tests::clients::page::with_matrix;
use snowflake_session_tests::clients::{CLIENTS, Client};
use snowflake_session_tests::config;

fn is_content(client: Client) {
    let differences = client.report().differences();
    assert!(differences.is_empty(), "{client:?} differs\n{differences}");
}

#[test]
fn connector_4_is_content() {
    is_content(Client::Connector4);
}

#[test]
fn connector_5_is_content() {
    is_content(Client::Connector5);
}

#[test]
fn the_node_sdk_is_content() {
    is_content(Client::Node);
}

#[test]
fn jdbc_is_content() {
    is_content(Client::Jdbc);
}

#[test]
fn adbc_is_content() {
    is_content(Client::Adbc);
}

#[test]
fn sqlalchemy_is_content() {
    is_content(Client::SqlAlchemy);
}

#[test]
fn dbt_is_content() {
    is_content(Client::Dbt);
}

#[test]
fn the_command_line_is_content() {
    is_content(Client::Cli);
}

#[test]
fn the_page_says_what_the_clients_found() {
    let path = config::repository().join("docs/compatibility.md");
    let page = std::fs::read_to_string(&path).expect("the repository has the page");
    let reports: Vec<_> = CLIENTS.into_iter().map(Client::report).collect();
    let found = with_matrix(&page, &reports).expect("the page has a place for the matrix");
    if config::writes_pages() {
        std::fs::write(&path, found).expect("the repository is writable");
    } else {
        assert!(
            page == found,
            "docs/compatibility.md is not what was found; `{}=1 cargo test -p snowflake-session-tests --test clients` \
             writes it",
            config::WRITE_PAGES
        );
    }
}
