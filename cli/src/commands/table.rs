//! The output of `demo`: a table of requests and decisions, or a list when the terminal is too
//! narrow for the table. Neither breaks a name in the middle.

use comfy_table::{
    Cell, Color, ColumnConstraint, ContentArrangement, LineStyle, Table, Width, presets,
};

/// One request. The texts may have several lines.
pub struct Row {
    pub passed: bool,
    pub scenario: String,
    pub request: String,
    pub decision: String,
    pub answered_by: String,
}

/// The maximal width of each column, with the space around it: a decision can hold a host in a
/// cluster with its port in one line.
const COLUMNS: [u16; 5] = [6, 34, 63, 65, 17];
/// The longest line of a request that fits into its column.
pub const REQUEST: usize = 61;
/// The longest line of a decision that does.
pub const DECISION: usize = 63;
/// In a narrower table the columns would break names.
const NARROWEST: u16 = 150;
/// The width when the output is not a terminal: that of all columns.
const USUAL: u16 = 186;

/// The rows as a table or as a list.
pub fn text(rows: &[Row]) -> String {
    let mut table = Table::new();
    let width = if table.is_tty() { table.width().unwrap_or(USUAL) } else { USUAL };
    if width < NARROWEST {
        return list(rows);
    }
    let style = presets::UTF8_HORIZONTAL_ONLY.row_separator(LineStyle::none());
    table.load_style(style).set_header(["", "scenario", "request", "decision", "answered by"]);
    table.set_content_arrangement(ContentArrangement::Dynamic).set_width(width);
    for row in rows {
        let result = if row.passed {
            Cell::new("ok").fg(Color::Green)
        } else {
            Cell::new("FAIL").fg(Color::Red)
        };
        table.add_row([
            result,
            Cell::new(&row.scenario),
            Cell::new(&row.request),
            Cell::new(&row.decision),
            Cell::new(&row.answered_by),
        ]);
    }
    table.set_constraints(COLUMNS.map(|most| ColumnConstraint::UpperBoundary(Width::Fixed(most))));
    table.to_string()
}

fn list(rows: &[Row]) -> String {
    let (good, bad, off) = ("\u{1b}[32m", "\u{1b}[31m", "\u{1b}[0m");
    let mut text = String::new();
    for row in rows {
        let result =
            if row.passed { format!("{good}ok{off}  ") } else { format!("{bad}FAIL{off}") };
        text += &format!("{result}  {}\n", row.scenario);
        for line in row.request.lines() {
            text += &format!("        {line}\n");
        }
        for line in row.decision.lines() {
            text += &format!("      > {line}\n");
        }
        text += &format!("      > answered by {}\n", row.answered_by);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_breaks_nothing() {
        let row = Row {
            passed: true,
            scenario: "env1 is answered by the first environment".into(),
            request: "GET app.example/\nenv: env1".into(),
            decision: "host app-service.env1.svc.cluster.local:50051\nx-gatepost-env: env1".into(),
            answered_by: "app-env1".into(),
        };
        let expected = "\u{1b}[32mok\u{1b}[0m    env1 is answered by the first environment
        GET app.example/
        env: env1
      > host app-service.env1.svc.cluster.local:50051
      > x-gatepost-env: env1
      > answered by app-env1
";
        assert_eq!(list(&[row]), expected);
    }
}
