//! The trace that `sfctl` is run in, by W3C's Trace Context.

/// Longest trace state that is passed on, in characters; W3C asks for at least as much.
const TRACE_STATE_CHARACTERS_MAX: usize = 512;

/// What is passed on of the trace that we are run in; what is no `traceparent` is nothing to tell.
pub(crate) fn passed_on(parent: Option<&str>, state: Option<&str>) -> Vec<(&'static str, String)> {
    let Some(parent) = parent.map(str::trim) else {
        return Vec::new();
    };
    let is_lower_hex = |part: &str| {
        part.bytes()
            .all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
    };
    let parts: Vec<&str> = parent.split('-').collect();
    let lengths: Vec<usize> = parts.iter().map(|part| part.len()).collect();
    if lengths != [2, 32, 16, 2] || !parts.into_iter().all(is_lower_hex) {
        return Vec::new();
    }
    let mut trace = vec![("traceparent", parent.to_owned())];
    let state = state.map(str::trim);
    let fits = |state: &&str| {
        state.len() <= TRACE_STATE_CHARACTERS_MAX
            && state.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic())
    };
    if let Some(state) = state.filter(fits) {
        trace.push(("tracestate", state.to_owned()));
    }
    trace
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_trace_that_is_one_is_passed_on() {
        let told = |parent: &str, state: Option<&str>| passed_on(Some(parent), state);
        let parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        assert_eq!(told(parent, None), [("traceparent", parent.to_owned())]);
        assert_eq!(
            told(parent, Some("vendor=a,other=b")),
            [
                ("traceparent", parent.to_owned()),
                ("tracestate", "vendor=a,other=b".to_owned())
            ]
        );
        assert_eq!(told(parent, Some("a\nb")).len(), 1);
        for wrong in [
            "",
            "on",
            "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331",
        ] {
            assert!(told(wrong, Some("a=b")).is_empty(), "{wrong}");
        }
    }
}
