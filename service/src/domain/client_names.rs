//! Who clients on other machines are, by what stands in their certificates, and who of them may come.

use std::fmt;
use std::str::FromStr;

/// Longest name that is kept, in characters.
const NAME_MAX: usize = 256;

/// The kinds of names that a certificate can give.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NameKind {
    /// A URI, `spiffe://corp/etl` for example.
    Uri,
    /// A DNS name.
    Dns,
    /// An address of mail.
    Email,
    /// The common name of the subject: what older authorities give and nothing else.
    CommonName,
    /// The SHA-256 hash of the certificate, in lower-case hexadecimal digits.
    Sha256,
}

const KINDS: [(NameKind, &str); 5] = [
    (NameKind::Uri, "uri"),
    (NameKind::Dns, "dns"),
    (NameKind::Email, "email"),
    (NameKind::CommonName, "cn"),
    (NameKind::Sha256, "sha256"),
];

/// One name of a client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientName {
    kind: NameKind,
    text: String,
}

impl ClientName {
    /// A name as it stands in a certificate; `None` for one that could make something else of a log, or is too long to be
    /// kept whole. Such a name lets nobody in.
    pub fn new(kind: NameKind, text: &str) -> Option<Self> {
        let is_tame = |c: char| c.is_ascii_graphic() && !matches!(c, '"' | '\\') || c == ' ';
        let fits = !text.is_empty() && text.len() <= NAME_MAX && text.chars().all(is_tame);
        let text = match kind {
            NameKind::Dns | NameKind::Sha256 => text.to_ascii_lowercase(),
            NameKind::Uri | NameKind::Email | NameKind::CommonName => text.to_owned(),
        };
        fits.then_some(Self { kind, text })
    }
}

impl fmt::Display for ClientName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = KINDS.iter().find(|(kind, _)| *kind == self.kind);
        write!(formatter, "{}:{}", kind.map_or("", |(_, word)| word), self.text)
    }
}

/// Whom an entry of the list of allowed clients lets in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AllowedClient {
    /// Everybody whose certificate one of the authorities has signed.
    All,
    /// Who has this name.
    Named(ClientName),
    /// Whose URI begins so; it ends in `/`.
    UriBelow(String),
}

impl FromStr for AllowedClient {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "*" {
            return Ok(Self::All);
        }
        let wrong = |why: &str| {
            format!(
                "{text:?} {why}; write for example \"uri:spiffe://corp/etl\", \"uri:spiffe://corp/etl/*\", \
                 \"dns:etl.corp\", \"email:ann@corp\", \"cn:etl\", \"sha256:…\", or \"*\" for everybody with a certificate"
            )
        };
        let (word, name) = text
            .split_once(':')
            .ok_or_else(|| wrong("does not say what kind of name it is"))?;
        let kind = KINDS.iter().find(|(_, known)| *known == word);
        let (kind, _) = *kind.ok_or_else(|| wrong("is of no known kind"))?;
        if let (NameKind::Uri, Some(beginning)) = (kind, name.strip_suffix('*')) {
            // Without the slash, `spiffe://corp*` would let `spiffe://corporate` in.
            if !beginning.ends_with('/') || beginning.contains('*') {
                return Err(wrong("may have one \"*\", at its end and after a \"/\""));
            }
            let beginning = ClientName::new(kind, beginning).ok_or_else(|| wrong("is not a name"))?;
            return Ok(Self::UriBelow(beginning.text));
        }
        if name.contains('*') {
            return Err(wrong("has a \"*\", which only a \"uri:\" may have, at its end"));
        }
        let is_hash = |text: &str| text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        if kind == NameKind::Sha256 && !is_hash(name) {
            return Err(wrong("is not a SHA-256 hash of 64 hexadecimal digits"));
        }
        let name = ClientName::new(kind, name).ok_or_else(|| wrong("is not a name"))?;
        Ok(Self::Named(name))
    }
}

impl AllowedClient {
    fn lets_in(&self, name: &ClientName) -> bool {
        match self {
            Self::All => true,
            Self::Named(allowed) => allowed == name,
            Self::UriBelow(beginning) => {
                // What comes after it is a name, not a way back out.
                name.kind == NameKind::Uri
                    && name.text.strip_prefix(beginning).is_some_and(|rest| {
                        !rest.is_empty() && rest.split('/').all(|part| part != ".." && part != ".")
                    })
            }
        }
    }
}

/// The name by which a client is let in, of all its names, the telling ones first; `None` when it is not.
pub fn admitted<'a>(names: &'a [ClientName], allowed: &[AllowedClient]) -> Option<&'a ClientName> {
    names
        .iter()
        .find(|name| allowed.iter().any(|entry| entry.lets_in(name)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(kind: NameKind, text: &str) -> ClientName {
        ClientName::new(kind, text).unwrap()
    }

    #[track_caller]
    fn check(allowed: &[&str], names: &[ClientName], admitted_as: Option<&str>) {
        let allowed: Vec<AllowedClient> = allowed.iter().map(|text| text.parse().unwrap()).collect();
        let found = admitted(names, &allowed).map(ToString::to_string);
        assert_eq!(found.as_deref(), admitted_as);
    }

    #[test]
    fn who_is_named_may_come() {
        let etl = [
            name(NameKind::Uri, "spiffe://corp/etl/7"),
            name(NameKind::Dns, "ETL.corp"),
            name(NameKind::CommonName, "etl"),
        ];
        check(&["*"], &etl, Some("uri:spiffe://corp/etl/7"));
        check(&["dns:etl.Corp"], &etl, Some("dns:etl.corp"));
        check(&["cn:etl"], &etl, Some("cn:etl"));
        check(
            &["uri:spiffe://corp/etl/*"],
            &etl,
            Some("uri:spiffe://corp/etl/7"),
        );
        check(&["uri:spiffe://corp/e/*", "uri:spiffe://corp/etl"], &etl, None);
        // A name counts as what it is.
        check(&["dns:etl", "cn:etl.corp", "email:etl"], &etl, None);
        check(&[], &etl, None);
        let climbing = [name(NameKind::Uri, "spiffe://corp/etl/../root")];
        check(&["uri:spiffe://corp/etl/*"], &climbing, None);
    }

    #[test]
    fn entries_that_would_let_in_more_than_they_seem_to_are_refused() {
        for text in [
            "etl",
            "ip:10.0.0.1",
            "uri:spiffe://corp*",
            "uri:*/etl",
            "dns:*.corp",
            "cn:*",
            "cn:",
            "sha256:ab",
            "cn:a\nb",
        ] {
            assert!(text.parse::<AllowedClient>().is_err(), "{text:?} was taken");
        }
        assert!(
            format!("sha256:{}", "Ab".repeat(32))
                .parse::<AllowedClient>()
                .is_ok()
        );
    }

    #[test]
    fn names_that_could_break_a_log_are_none() {
        for text in ["", "a\nb", "a\"b", "a\u{e9}", &"x".repeat(NAME_MAX + 1)] {
            assert_eq!(ClientName::new(NameKind::CommonName, text), None, "{text:?}");
        }
    }
}
