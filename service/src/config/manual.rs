//! The reference of all keys in `docs/configuration.md`, made of `defaults.toml` and its comments.
//!
//! It is a test: the page must say what the file says. With `SNOWFLAKE_SESSION_TEST_WRITE_PAGES=1` it is written.

use std::fmt::Write as _;
use std::path::Path;

use super::layers::DEFAULTS;
use super::reload::counts_at_reload;

/// Between these lines the page is made.
const BEGIN: &str = "<!-- made of service/src/config/defaults.toml by its test -->\n";
const END: &str = "<!-- end of what is made -->\n";

#[test]
fn the_page_says_what_the_defaults_say() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/configuration.md");
    let found = std::fs::read_to_string(&page).unwrap();
    let (head, rest) = found.split_once(BEGIN).expect("the page has a beginning mark");
    let (_, tail) = rest.split_once(END).expect("the page has an end mark");
    let wanted = format!("{head}{BEGIN}{}{END}{tail}", reference(DEFAULTS));
    if found == wanted {
        return;
    }
    #[expect(
        clippy::disallowed_methods,
        reason = "whoever runs the test asks for the page"
    )]
    let asked = std::env::var_os("SNOWFLAKE_SESSION_TEST_WRITE_PAGES").is_some();
    assert!(
        asked,
        "docs/configuration.md is not what defaults.toml says; \
         `SNOWFLAKE_SESSION_TEST_WRITE_PAGES=1 cargo test -p snowflake-session --lib manual` writes it"
    );
    std::fs::write(&page, wanted).unwrap();
}

/// A table of keys for each section.
fn reference(defaults: &str) -> String {
    let mut page = String::new();
    let mut comment: Vec<&str> = Vec::new();
    let mut section = "";
    for line in defaults.lines() {
        if let Some(text) = line.strip_prefix('#') {
            comment.push(text.trim());
        } else if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            section = name;
            let _ = write!(page, "\n### `[{name}]`\n\n");
            if !comment.is_empty() {
                let _ = write!(page, "{}\n\n", comment.join("\n"));
            }
            page.push_str("| key | default | reload | what |\n|---|---|---|---|\n");
            comment.clear();
        } else if let Some((key, value)) = line.split_once(" = ") {
            let reload = if counts_at_reload(&format!("{section}.{key}")) {
                "yes"
            } else {
                ""
            };
            let what = comment.join(" ").replace('|', "\\|");
            let _ = writeln!(page, "| `{key}` | `{value}` | {reload} | {what} |");
            comment.clear();
        } else {
            // What stands before the first section is about the file, not about a key.
            comment.clear();
        }
    }
    page.push('\n');
    page
}

#[test]
fn comments_belong_to_what_follows_them() {
    let defaults = "# About the file.\n\n# About the section.\n[pool]\n# One | two,\n# three.\nmin = 1\n\n[log]\n\
                    # How much.\nlevel = \"info\"\n";
    assert_eq!(
        reference(defaults),
        "\n### `[pool]`\n\nAbout the section.\n\n| key | default | reload | what |\n|---|---|---|---|\n\
         | `min` | `1` |  | One \\| two, three. |\n\n### `[log]`\n\n| key | default | reload | what |\n\
         |---|---|---|---|\n| `level` | `\"info\"` | yes | How much. |\n\n"
    );
}
