//! The text format of Prometheus, version 0.0.4, and as much of OpenMetrics as `gatepost serve`
//! writes: one sample on a line, and comments. Text from strangers: what is no sample is an error
//! with its line, and nothing is kept that is not asked for.

use std::borrow::Cow;

/// One sample.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample<'t> {
    /// The metric's name.
    pub name: &'t str,
    /// The labels, in the order of the text.
    pub labels: Vec<(&'t str, Cow<'t, str>)>,
    /// The value. Its time, if there is one, is left out.
    pub value: f64,
}

impl Sample<'_> {
    /// The value of a label.
    #[must_use]
    pub fn label(&self, name: &str) -> Option<&str> {
        self.labels.iter().find(|(known, _)| *known == name).map(|(_, value)| &**value)
    }

    /// The value, if it is a whole number that a double holds exactly, and none below 0.
    #[must_use]
    pub fn count(&self) -> Option<u64> {
        const EXACT: f64 = (1_u64 << 53) as f64;
        let is_count = self.value.fract() == 0.0 && (0.0..EXACT).contains(&self.value);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked")]
        is_count.then_some(self.value as u64)
    }
}

/// A line that is no sample.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line} is no metric of Prometheus: {what}")]
pub struct ExpositionError {
    /// The line, from 1.
    pub line: usize,
    /// What is wrong with it.
    pub what: &'static str,
}

/// The samples of a text.
///
/// # Errors
/// Each line that is no sample and no comment; and the last line, if it does not end. A text that
/// was cut off would lack metrics.
pub fn samples(text: &str) -> impl Iterator<Item = Result<Sample<'_>, ExpositionError>> {
    let lines = text.split_inclusive('\n').zip(1..);
    lines.filter_map(|(line, number)| {
        let error = |what| ExpositionError { line: number, what };
        let Some(line) = line.strip_suffix('\n') else {
            return Some(Err(error("it is cut off")));
        };
        let line = line.strip_suffix('\r').unwrap_or(line).trim_ascii();
        if line.is_empty() || line.starts_with('#') {
            return None;
        }
        Some(sample(line).map_err(error))
    })
}

fn sample(line: &str) -> Result<Sample<'_>, &'static str> {
    let (name, rest) = name(line, true).ok_or("it does not begin with a name")?;
    let (labels, rest) = match rest.strip_prefix('{') {
        Some(rest) => labels(rest)?,
        None => (Vec::new(), rest),
    };
    // Behind the value may be a time, and behind that an exemplar.
    let mut words = rest.split_ascii_whitespace();
    let value = words.next().ok_or("it has no value")?;
    let value = value.parse().map_err(|_| "its value is no number")?;
    match words.next() {
        Some(time) if !time.starts_with('#') && time.parse::<f64>().is_err() => {
            Err("its time is no number")
        }
        _ => Ok(Sample { name, labels, value }),
    }
}

/// The name at the beginning of a text, and what is behind it.
fn name(text: &str, is_metric: bool) -> Option<(&str, &str)> {
    let is_letter =
        |byte: u8| byte.is_ascii_alphabetic() || byte == b'_' || is_metric && byte == b':';
    let end = text
        .bytes()
        .position(|byte| !is_letter(byte) && !byte.is_ascii_digit())
        .unwrap_or(text.len());
    let (name, rest) = text.split_at_checked(end)?;
    name.bytes().next().is_some_and(is_letter).then_some((name, rest))
}

type Labels<'t> = Vec<(&'t str, Cow<'t, str>)>;

/// The labels up to the closing brace, and what is behind it.
fn labels(text: &str) -> Result<(Labels<'_>, &str), &'static str> {
    let (mut labels, mut rest) = (Vec::new(), text.trim_ascii_start());
    loop {
        if let Some(rest) = rest.strip_prefix('}') {
            return Ok((labels, rest));
        }
        let (label, behind) = name(rest, false).ok_or("a label has no name")?;
        let behind = behind.trim_ascii_start().strip_prefix('=').ok_or("a label has no value")?;
        let behind = behind.trim_ascii_start().strip_prefix('"');
        let (value, behind) = quoted(behind.ok_or("a label's value has no quotes")?)?;
        labels.push((label, value));
        let behind = behind.trim_ascii_start();
        rest = match behind.strip_prefix(',') {
            Some(next) => next.trim_ascii_start(),
            None if behind.starts_with('}') => behind,
            None => return Err("labels are not separated by commas"),
        };
    }
}

/// The text up to the closing quote, and what is behind it.
fn quoted(text: &str) -> Result<(Cow<'_, str>, &str), &'static str> {
    const OPEN: &str = "a label's value has no end";
    let end = text.find(['"', '\\']).ok_or(OPEN)?;
    let (plain, rest) = text.split_at_checked(end).ok_or(OPEN)?;
    if let Some(rest) = rest.strip_prefix('"') {
        return Ok((plain.into(), rest));
    }
    let (mut value, mut characters) = (plain.to_owned(), rest.chars());
    loop {
        match characters.next().ok_or(OPEN)? {
            '"' => return Ok((value.into(), characters.as_str())),
            '\\' => match characters.next().ok_or(OPEN)? {
                'n' => value.push('\n'),
                other => value.push(other),
            },
            other => value.push(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(text: &str) -> Result<Vec<Sample<'_>>, ExpositionError> {
        samples(text).collect()
    }

    #[test]
    fn samples_are_read_as_envoy_the_agent_and_serve_write_them() {
        let text = "# TYPE gatepost_host_mapped counter\n\
            gatepost_host_mapped{} 12\n\
            \n\
            envoy_cluster_upstream_rq{response_code=\"200\",cluster_name=\"x\"} 1 1796052729897\n\
            istio_agent_wasm_remote_fetch_count{result=\"download_failure\",} 1\r\n\
            istio_agent_go_gc_gogc_percent 100\n\
            istio_agent_process_virtual_memory_max_bytes 1.8446744073709552e+19\n\
            x{ a = \"q\\\"\\\\\\n\" } +Inf # {trace_id=\"1\"} 5\n\
            # EOF\n";
        let samples = read(text).expect("all are samples");
        let counts: Vec<_> = samples.iter().map(|one| (one.name, one.count())).collect();
        let expected = [
            ("gatepost_host_mapped", Some(12)),
            ("envoy_cluster_upstream_rq", Some(1)),
            ("istio_agent_wasm_remote_fetch_count", Some(1)),
            ("istio_agent_go_gc_gogc_percent", Some(100)),
            ("istio_agent_process_virtual_memory_max_bytes", None),
            ("x", None),
        ];
        assert_eq!(counts, expected);
        assert_eq!(samples[1].label("response_code"), Some("200"));
        assert_eq!(samples[2].label("result"), Some("download_failure"));
        assert_eq!(samples[5].label("a"), Some("q\"\\\n"));
        assert_eq!(samples[5].label("b"), None);
    }

    #[test]
    fn what_is_no_sample_is_an_error_with_its_line() {
        for (text, line, what) in [
            ("<html>\n", 1, "it does not begin with a name"),
            ("a 1\n9a 1\n", 2, "it does not begin with a name"),
            ("a 1\nb{} 1", 2, "it is cut off"),
            ("a\n", 1, "it has no value"),
            ("a{} x\n", 1, "its value is no number"),
            ("a 1 x\n", 1, "its time is no number"),
            ("a{b} 1\n", 1, "a label has no value"),
            ("a{=\"\"} 1\n", 1, "a label has no name"),
            ("a{b=c} 1\n", 1, "a label's value has no quotes"),
            ("a{b=\"c} 1\n", 1, "a label's value has no end"),
            ("a{b=\"c\\\n", 1, "a label's value has no end"),
            ("a{b=\"c\" d=\"\"} 1\n", 1, "labels are not separated by commas"),
            ("a{b=\"c\"\n", 1, "labels are not separated by commas"),
        ] {
            assert_eq!(read(text), Err(ExpositionError { line, what }), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "[a-z{}=\",\\\\ \n0-9#.é]{0,60}") {
            let _ = read(&text);
        }
    }
}
