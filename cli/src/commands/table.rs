//! How `demo` shows requests and what became of them: a table where there is room for one, and
//! below that width a list, in which nothing is broken in the middle of a name.

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

/// The most that each column takes, with the space around it: a host in a cluster with its port
/// goes into a decision unbroken.
const COLUMNS: [u16; 5] = [6, 34, 63, 65, 17];
/// The longest line of a request that its column holds unbroken.
pub const REQUEST: usize = 61;
/// Narrower, and columns get so thin that names are broken.
const NARROWEST: u16 = 150;
/// Where output is no terminal, nobody says how wide it is: what all columns take.
const USUAL: u16 = 186;

/// The rows in the form that fits.
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
        let mark = if row.passed {
            Cell::new("ok").fg(Color::Green)
        } else {
            Cell::new("FAIL").fg(Color::Red)
        };
        table.add_row([
            mark,
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
        let mark = if row.passed { format!("{good}ok{off}  ") } else { format!("{bad}FAIL{off}") };
        text += &format!("{mark}  {}\n", row.scenario);
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
