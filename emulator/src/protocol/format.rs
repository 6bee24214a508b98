//! Arrow or JSON: which form of rows a client gets.

use crate::session::ParameterValue;

/// What the server does differently for different clients.
#[derive(Clone, Copy, Debug)]
pub(super) struct ClientNeeds {
    /// The form in which it gets rows.
    pub(super) format: ResultFormat,
    /// How it puts files into stages.
    pub(super) puts: Puts,
}

/// How a client puts files into stages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Puts {
    /// Under a signed URL, good for one file; it asks again for each.
    ByUrl,
    /// With a token that is good for the whole place. Python's connector moves files so from its fifth generation on;
    /// signed URLs are to it what older servers have.
    ByToken,
}

/// The name by which Python's connector identifies itself.
const PYTHON: &str = "PythonConnector";
/// Its first generation that puts files with a token.
const PYTHON_WITH_TOKENS: u32 = 5;

impl Puts {
    /// The way of a client that identifies itself so.
    pub(super) fn for_client(application: Option<&str>, version: Option<&str>) -> Self {
        let generation = version
            .and_then(|version| version.split('.').next()?.parse::<u32>().ok())
            .unwrap_or_default();
        if application == Some(PYTHON) && generation >= PYTHON_WITH_TOKENS {
            Self::ByToken
        } else {
            Self::ByUrl
        }
    }
}

/// The form in which rows travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum ResultFormat {
    /// Arrays of texts.
    Json,
    /// An Arrow IPC stream.
    Arrow,
}

/// Each driver has a parameter of its own, `PYTHON_CONNECTOR_…`, `GO_…` and so on, with this end.
const PARAMETER_SUFFIX: &str = "_QUERY_RESULT_FORMAT";

/// Programs that read Arrow. All others, and those that do not say who they are, get JSON, which
/// everyone reads.
const ARROW_READERS: [&str; 7] = [
    PYTHON,
    "PythonSnowpark",
    "SnowflakeSQLAlchemy",
    "Go",
    "JDBC",
    "ODBC",
    "SnowSQL",
];

impl ResultFormat {
    /// The form for a client that identifies itself so.
    pub(super) fn for_client(application: Option<&str>) -> Self {
        match application {
            Some(name)
                if ARROW_READERS
                    .iter()
                    .any(|reader| reader.eq_ignore_ascii_case(name)) =>
            {
                Self::Arrow
            }
            _ => Self::Json,
        }
    }

    /// The form that parameters ask for, if they do.
    pub(super) fn asked<'a>(
        parameters: impl IntoIterator<Item = (&'a String, &'a ParameterValue)>,
    ) -> Option<Self> {
        parameters
            .into_iter()
            .filter(|(name, _)| Self::is_parameter(name))
            .find_map(|(_, value)| match value {
                ParameterValue::Text(text) => Self::parse(text),
                ParameterValue::Bool(_) | ParameterValue::Integer(_) => None,
            })
    }

    /// True for a parameter that asks for a form; the name is in upper case.
    pub(super) fn is_parameter(name: &str) -> bool {
        name.ends_with(PARAMETER_SUFFIX)
    }

    fn parse(text: &str) -> Option<Self> {
        match text.to_ascii_uppercase().as_str() {
            "ARROW" | "ARROW_FORCE" => Some(Self::Arrow),
            "JSON" => Some(Self::Json),
            _ => None,
        }
    }

    /// The word for it in answers.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Arrow => "arrow",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_connectors_generation_decides_how_files_are_put() {
        let puts = |application: &str, version: &str| Puts::for_client(Some(application), Some(version));
        assert_eq!(puts("PythonConnector", "4.8.1"), Puts::ByUrl);
        assert_eq!(puts("PythonConnector", "5.2.0"), Puts::ByToken);
        assert_eq!(puts("PythonConnector", "five"), Puts::ByUrl);
        assert_eq!(puts("JavaScript", "5.0.0"), Puts::ByUrl);
        assert_eq!(Puts::for_client(None, None), Puts::ByUrl);
    }

    #[test]
    fn identity_decides_unless_a_parameter_does() {
        assert_eq!(ResultFormat::for_client(None), ResultFormat::Json);
        assert_eq!(ResultFormat::for_client(Some("JavaScript")), ResultFormat::Json);
        assert_eq!(
            ResultFormat::for_client(Some("PythonConnector")),
            ResultFormat::Arrow
        );
        let asked = |name: &str, value: &str| {
            ResultFormat::asked([(&name.to_owned(), &ParameterValue::Text(value.to_owned()))])
        };
        assert_eq!(asked("GO_QUERY_RESULT_FORMAT", "json"), Some(ResultFormat::Json));
        assert_eq!(
            asked("PYTHON_CONNECTOR_QUERY_RESULT_FORMAT", "ARROW_FORCE"),
            Some(ResultFormat::Arrow)
        );
        assert_eq!(asked("QUERY_TAG", "ARROW"), None);
        assert_eq!(asked("JDBC_QUERY_RESULT_FORMAT", "PARQUET"), None);
    }
}
