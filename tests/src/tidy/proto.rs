//! Comments in the gRPC contract: the file is the reference that clients read.

use super::tree::{Finding, Tree};

/// Every message, field, enum, value, service, method and oneof has a comment right above it.
pub fn comments(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for source in tree.with_extension("proto") {
        let mut commented = false;
        let mut continues = false;
        for (index, line) in source.text.lines().enumerate() {
            let line = line.trim();
            if line.starts_with("//") {
                commented = true;
                continue;
            }
            if is_item(line) && !continues && !commented {
                let message = format!("`{line}` has no comment; say what it means, its unit and its default");
                findings.push(Finding::new(&source.path, index + 1, message));
            }
            continues = !line.is_empty() && !line.ends_with([';', '{', '}']);
            commented = false;
        }
    }
    findings
}

/// Whether a line begins an item, rather than ending one or speaking of the whole file.
fn is_item(line: &str) -> bool {
    let preamble = [
        "syntax ",
        "package ",
        "import ",
        "option ",
        "reserved ",
        "edition ",
    ];
    !line.is_empty() && !line.starts_with('}') && !preamble.iter().any(|word| line.starts_with(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, lines: &[usize]) {
        let findings = comments(&Tree::from_texts(&[("a.proto", text)]));
        assert_eq!(
            findings.iter().map(|finding| finding.line).collect::<Vec<_>>(),
            lines,
            "{findings:?}"
        );
    }

    #[test]
    fn items_without_comment_are_found() {
        check("syntax = \"proto3\";\n\nmessage A {\n}\n", &[3]);
        check(
            "// A.\nmessage A {\n  // B.\n  string b = 1;\n  string c = 2;\n}\n",
            &[5],
        );
        check(
            "// A.\nservice A {\n  // B.\n  rpc B(Long)\n      returns (Long);\n}\n",
            &[],
        );
        check("// A.\n\nenum A {\n  // B.\n  B = 0;\n}\n", &[3]);
    }
}
