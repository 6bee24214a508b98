//! The name by which a write is confirmed or given up.

use std::fmt;

use subtle::ConstantTimeEq as _;

/// Names one write that waits. Whoever has it can let the write count, so it is not shown in logs.
#[derive(Clone)]
pub struct Token(String);

impl Token {
    /// Makes a token of a number that the caller drew at random; that of a random UUID has 122 bits of chance.
    pub fn new(drawn: u128) -> Self {
        Self(format!("{drawn:032x}"))
    }

    /// True for the same token. Takes as long for a wrong one as for the right one.
    pub fn is(&self, given: &str) -> bool {
        self.0.as_bytes().ct_eq(given.as_bytes()).into()
    }

    /// The token as it is handed out.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Token(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_itself_and_is_not_shown() {
        let token = Token::new(0xabc);
        assert_eq!(token.expose().len(), 32);
        assert!(token.is(token.expose()));
        for wrong in ["", "abc", &token.expose()[1..], Token::new(0xabd).expose()] {
            assert!(!token.is(wrong), "{wrong}");
        }
        assert_eq!(format!("{token:?}"), "Token(…)");
    }
}
