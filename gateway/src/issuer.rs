//! Who signed a certificate, read from its DER as far as that: the certificate is trusted or not by somebody else.

use std::fmt;

/// A name as a certificate has it; at least one part is there.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Issuer {
    /// `CN`.
    pub common_name: String,
    /// `O`.
    pub organization: String,
}

impl fmt::Display for Issuer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts = [self.common_name.as_str(), self.organization.as_str()];
        let mut parts = parts.into_iter().filter(|part| !part.is_empty());
        formatter.write_str(parts.next().unwrap_or_default())?;
        parts.try_for_each(|part| write!(formatter, ", {part}"))
    }
}

/// Longest part of a name that is kept, in characters.
const PART_MAX: usize = 100;

/// Tags of DER.
const INTEGER: u8 = 0x02;
const OBJECT_IDENTIFIER: u8 = 0x06;
const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
const VERSION: u8 = 0xA0;

/// 2.5.4.3 and 2.5.4.10.
const COMMON_NAME: [u8; 3] = [0x55, 0x04, 0x03];
const ORGANIZATION: [u8; 3] = [0x55, 0x04, 0x0A];

/// The issuer of a certificate; `None` for what is none, or names nobody.
pub(crate) fn issuer_of(certificate: &[u8]) -> Option<Issuer> {
    let (certificate, _) = expect(certificate, SEQUENCE)?;
    let (mut fields, _) = expect(certificate, SEQUENCE)?;
    if let Some((_, rest)) = expect(fields, VERSION) {
        fields = rest;
    }
    // Serial number and algorithm come before it.
    let (_, fields) = expect(fields, INTEGER)?;
    let (_, fields) = expect(fields, SEQUENCE)?;
    let (mut names, _) = expect(fields, SEQUENCE)?;
    let mut issuer = Issuer::default();
    while let Some((set, rest)) = expect(names, SET) {
        names = rest;
        let (pair, _) = expect(set, SEQUENCE)?;
        let (kind, value) = expect(pair, OBJECT_IDENTIFIER)?;
        let (_, text, _) = element(value)?;
        let part = if kind == COMMON_NAME {
            &mut issuer.common_name
        } else if kind == ORGANIZATION {
            &mut issuer.organization
        } else {
            continue;
        };
        let text = String::from_utf8_lossy(text);
        *part = text.chars().filter(|c| !c.is_control()).take(PART_MAX).collect();
    }
    (issuer != Issuer::default()).then_some(issuer)
}

/// Content of the next element and what follows it, when it has this tag.
fn expect(bytes: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    element(bytes)
        .filter(|(found, _, _)| *found == tag)
        .map(|(_, content, rest)| (content, rest))
}

/// Tag and content of the next element, and what follows it.
fn element(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&tag, bytes) = bytes.split_first()?;
    let (&first, bytes) = bytes.split_first()?;
    let (length, bytes) = if first < 0x80 {
        (usize::from(first), bytes)
    } else {
        // More than three bytes of length are no certificate.
        let (digits, bytes) = bytes.split_at_checked(usize::from(first & 0x7F).min(4))?;
        if digits.is_empty() || digits.len() > 3 {
            return None;
        }
        let length = digits
            .iter()
            .fold(0, |length, digit| length << 8 | usize::from(*digit));
        (length, bytes)
    };
    let (content, rest) = bytes.split_at_checked(length)?;
    Some((tag, content, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The beginning of a certificate, up to its issuer: `O = Acme Inc, CN = Acme TLS inspection`.
    fn certificate() -> Vec<u8> {
        let wrap = |tag: u8, content: &[u8]| {
            let mut bytes = vec![tag, 0x81, u8::try_from(content.len()).unwrap()];
            bytes.extend_from_slice(content);
            bytes
        };
        let name = |kind: &[u8], text: &str| {
            let mut pair = vec![OBJECT_IDENTIFIER, 3];
            pair.extend_from_slice(kind);
            pair.extend(wrap(0x0C, text.as_bytes()));
            wrap(SET, &wrap(SEQUENCE, &pair))
        };
        let mut names = name(&[0x55, 0x04, 0x06], "DE");
        names.extend(name(&ORGANIZATION, "Acme Inc"));
        names.extend(name(&COMMON_NAME, "Acme TLS\n inspection"));
        let mut fields = vec![VERSION, 3, 2, 1, 2, INTEGER, 1, 7];
        fields.extend(wrap(SEQUENCE, &[0x05, 0]));
        fields.extend(wrap(SEQUENCE, &names));
        fields.extend(wrap(SEQUENCE, &[]));
        wrap(SEQUENCE, &wrap(SEQUENCE, &fields))
    }

    #[test]
    fn the_issuer_is_read() {
        let issuer = issuer_of(&certificate()).unwrap();
        assert_eq!(issuer.to_string(), "Acme TLS inspection, Acme Inc");
    }

    #[test]
    fn no_bytes_can_break_it() {
        let good = certificate();
        for length in 0..good.len() {
            assert_eq!(issuer_of(&good[..length]), None, "{length}");
        }
        for at in 0..good.len() {
            for byte in [0, 0x7F, 0x80, 0x84, 0xFF] {
                let mut bad = good.clone();
                bad[at] = byte;
                // Whatever it says, it ends.
                let _ = issuer_of(&bad);
            }
        }
    }
}
