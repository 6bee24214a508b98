//! What is in the package for Debian, and that what is in it works from there.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use snowflake_session_tests::package::package;
use snowflake_session_tests::process::run;
use snowflake_session_tests::stage::Stage;

/// Files with their modes, as `dpkg-deb --contents` lists them.
fn contents(package: &Path) -> BTreeMap<String, String> {
    let mut command = Command::new("dpkg-deb");
    command.arg("--contents").arg(package);
    let listed = run(command, None).ok();
    let entries = listed.lines().map(|line| {
        let mut words = line.split_whitespace();
        let (mode, owner) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        assert_eq!(owner, "root/root", "{line}");
        let path = words.nth(3).unwrap_or_default();
        (path.trim_start_matches('.').to_owned(), mode.to_owned())
    });
    entries.collect()
}

#[test]
fn the_package_holds_what_it_should_and_it_works_from_there() {
    let stage = Stage::new();
    let package = package(&stage.path("out"), "0.1.0-1");
    let found = contents(&package);
    let (program, file) = ("-rwxr-xr-x", "-rw-r--r--");
    for (path, mode) in [
        ("/usr/bin/snowflake-session", program),
        ("/usr/bin/sfctl", program),
        ("/usr/bin/snowflake-emulator", program),
        ("/usr/lib/systemd/user/snowflake-session.socket", file),
        ("/usr/lib/systemd/user/snowflake-session.service", file),
        ("/usr/lib/systemd/system/snowflake-session.socket", file),
        ("/usr/lib/systemd/system/snowflake-session@.service", file),
        ("/usr/lib/sysusers.d/snowflake-session.conf", file),
        ("/usr/share/snowflake-session/systemd/strict.conf", file),
        ("/etc/snowflake-session/config.toml", file),
        ("/etc/systemd/journald@snowflake.conf", file),
        ("/usr/share/man/man1/sfctl.1.gz", file),
        ("/usr/share/man/man1/sfctl-job-result.1.gz", file),
        ("/usr/share/man/man1/snowflake-session-run.1.gz", file),
        ("/usr/share/man/man1/snowflake-emulator-serve.1.gz", file),
        ("/usr/share/bash-completion/completions/sfctl", file),
        ("/usr/share/zsh/vendor-completions/_sfctl", file),
        ("/usr/share/fish/vendor_completions.d/sfctl.fish", file),
        ("/usr/share/doc/snowflake-session/copyright", file),
        ("/usr/share/doc/snowflake-session/changelog.gz", file),
        ("/usr/share/doc/snowflake-session/changelog.Debian.gz", file),
        // The units name it.
        ("/usr/share/doc/snowflake-session/operations.md", file),
    ] {
        assert_eq!(found.get(path).map(String::as_str), Some(mode), "{path}");
    }
    // Nothing else is a program, and nobody but root can write anything.
    for (path, mode) in found.iter().filter(|(_, mode)| mode.starts_with('-')) {
        let expected = if path.starts_with("/usr/bin/") {
            program
        } else {
            file
        };
        assert_eq!(mode, expected, "{path}");
    }

    let root = stage.path("root");
    let mut extract = Command::new("dpkg-deb");
    extract.arg("--raw-extract").arg(&package).arg(&root);
    run(extract, None).ok();
    let control = std::fs::read_to_string(root.join("DEBIAN/control")).expect("a package has a control file");
    for line in [
        "Package: snowflake-session",
        "Version: 0.1.0-1",
        "Depends: libc6 (>= 2.",
    ] {
        assert!(control.contains(line), "no {line:?} in {control}");
    }
    let settings = std::fs::read_to_string(root.join("DEBIAN/conffiles")).expect("a list of settings");
    assert_eq!(
        settings.lines().collect::<Vec<_>>(),
        [
            "/etc/snowflake-session/config.toml",
            "/etc/systemd/journald@snowflake.conf"
        ]
    );
    let mut sums = Command::new("md5sum");
    sums.args(["--check", "--quiet", "DEBIAN/md5sums"])
        .current_dir(&root);
    run(sums, None).ok();
    for script in ["postinst", "prerm", "postrm"] {
        let mut check = Command::new("sh");
        check.arg("-n").arg(root.join("DEBIAN").join(script));
        run(check, None).ok();
    }

    // The programs find each other and the library from where they lie.
    let mut sfctl = stage.command(root.join("usr/bin/sfctl"));
    sfctl.args(["query", "select 40 + 2", "--format", "csv"]);
    assert_eq!(run(sfctl, None).ok().lines().last(), Some("42"));
    // The machine's settings are read, and set nothing.
    let mut check = stage.command(root.join("usr/bin/snowflake-session"));
    check
        .args(["config", "--config"])
        .arg(root.join("etc/snowflake-session/config.toml"));
    let shown = run(check, None).ok();
    let shown: serde_json::Value = serde_json::from_str(&shown).expect("a document in JSON");
    assert_eq!(shown["files"][1]["outcome"], "read", "{shown}");
    let settings = shown["settings"].as_array().expect("a list of settings");
    assert!(
        !settings.iter().any(|setting| setting["layer"] == "user"),
        "{shown}"
    );
}
