//! From an account as people write it to the name in the login and the host.

/// An account, taken apart.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Account {
    /// For the login: locator or `org-account`, without region and domain.
    pub(crate) name: String,
    /// The server.
    pub(crate) host: String,
}

const DOMAIN_MARK: &str = ".snowflakecomputing.";

/// Reads an account: `xy12345`, `xy12345.us-east-1`, `xy12345.us-east-1.aws`, `org-account`, `org-account.privatelink`, also
/// with the domain or as an address. `None` when it can be no account.
pub(crate) fn read_account(text: &str, region: Option<&str>) -> Option<Account> {
    let text = text.trim();
    let text = text
        .strip_prefix("https://")
        .or_else(|| text.strip_prefix("http://"))
        .unwrap_or(text);
    let text = text.trim_end_matches('/');
    let (text, written_domain) = match text.find(DOMAIN_MARK) {
        Some(at) => (&text[..at], Some(&text[at..])),
        None => (text, None),
    };
    let allowed = |character: char| character.is_ascii_alphanumeric() || "-_.".contains(character);
    if text.is_empty() || !text.chars().all(allowed) || text.split('.').any(str::is_empty) {
        return None;
    }
    let (first, rest) = text
        .split_once('.')
        .map_or((text, None), |(first, rest)| (first, Some(rest)));
    let region = rest.or(region.map(str::trim).filter(|region| !region.is_empty()));
    let is_global = rest == Some("global");
    // Names of the old global form carry an id of their own after the last hyphen.
    let name = if is_global {
        first.rsplit_once('-').map_or(first, |(name, _)| name)
    } else {
        first
    };
    let is_china = region.is_some_and(|region| region.to_ascii_lowercase().starts_with("cn-"));
    let domain = written_domain.unwrap_or(if is_china {
        ".snowflakecomputing.cn"
    } else {
        ".snowflakecomputing.com"
    });
    // Certificates and DNS know no underscores; Snowflake answers under the name with hyphens.
    let host_part = |part: &str| part.replace('_', "-").to_ascii_lowercase();
    let host = match region {
        Some(region) => format!("{}.{}{domain}", host_part(first), host_part(region)),
        None => format!("{}{domain}", host_part(first)),
    };
    Some(Account {
        name: name.to_owned(),
        host,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, region: Option<&str>, name: &str, host: &str) {
        let expected = Account {
            name: name.to_owned(),
            host: host.to_owned(),
        };
        assert_eq!(read_account(text, region), Some(expected), "{text}");
    }

    #[test]
    fn accounts_become_names_and_hosts() {
        check("xy12345", None, "xy12345", "xy12345.snowflakecomputing.com");
        check(
            "xy12345.us-east-1",
            None,
            "xy12345",
            "xy12345.us-east-1.snowflakecomputing.com",
        );
        check(
            "xy12345",
            Some("eu-central-1"),
            "xy12345",
            "xy12345.eu-central-1.snowflakecomputing.com",
        );
        check(
            "xy12345.us-east-1",
            Some("ignored"),
            "xy12345",
            "xy12345.us-east-1.snowflakecomputing.com",
        );
        check(
            "org-account",
            None,
            "org-account",
            "org-account.snowflakecomputing.com",
        );
        check(
            "Org-My_Account",
            None,
            "Org-My_Account",
            "org-my-account.snowflakecomputing.com",
        );
        check(
            "xy12345.cn-northwest-1",
            None,
            "xy12345",
            "xy12345.cn-northwest-1.snowflakecomputing.cn",
        );
        check(
            "acct-abc123.global",
            None,
            "acct",
            "acct-abc123.global.snowflakecomputing.com",
        );
        check(
            "org-a.privatelink",
            None,
            "org-a",
            "org-a.privatelink.snowflakecomputing.com",
        );
        check(
            "https://xy1.eu-west-1.snowflakecomputing.com/",
            None,
            "xy1",
            "xy1.eu-west-1.snowflakecomputing.com",
        );
    }

    #[test]
    fn what_can_be_no_account_is_refused() {
        for text in ["", "a b", "a/b", "a..b", ".a", "ä"] {
            assert_eq!(read_account(text, None), None, "{text}");
        }
    }
}
