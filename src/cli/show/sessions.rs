//! The table of sessions.

use jiff::Timestamp;

use super::{Cell, Colour, Column, Style, TruncatedEnd, between, plain, table};
use crate::control::wire::{SessionInfo, SessionState};

const COLUMNS: [Column; 8] = [
    Column { title: "NO", keep: TruncatedEnd::All },
    Column { title: "CONV_ID", keep: TruncatedEnd::All },
    Column { title: "USER", keep: TruncatedEnd::Beginning(8) },
    Column { title: "PROJECT", keep: TruncatedEnd::End(8) },
    Column { title: "STATE", keep: TruncatedEnd::All },
    Column { title: "ACTIVITY", keep: TruncatedEnd::All },
    Column { title: "QUEUE", keep: TruncatedEnd::All },
    Column { title: "RUNNING", keep: TruncatedEnd::All },
];

/// The sessions as a table. A star after the number marks the active session of a chat. `columns` is the width of the
/// terminal, if there is one.
#[must_use]
pub(crate) fn sessions(
    sessions: &[SessionInfo],
    now: Timestamp,
    columns: Option<usize>,
    colour: Colour,
) -> Vec<String> {
    let rows: Vec<_> = sessions.iter().map(|session| row(session, now)).collect();
    table(COLUMNS, &rows, columns, colour)
}

fn row(session: &SessionInfo, now: Timestamp) -> [Cell; 8] {
    let number = session.number.map_or_else(|| "-".to_owned(), |number| number.to_string());
    let star = if session.active { "*" } else { "" };
    let (state, style) = match session.state {
        SessionState::Running => ("running", Style::Good),
        SessionState::Ready => ("ready", Style::Plain),
        SessionState::Asleep => ("asleep", Style::Faint),
        SessionState::Closed => ("closed", Style::Faint),
    };
    let queue = if session.queue == 0 { Style::Faint } else { Style::Notable };
    [
        format!("{number}{star}").into(),
        Cell { text: plain(session.conv_id.as_str()), style: Style::Strong },
        plain(session.user.as_str()).into(),
        plain(&session.project).into(),
        Cell { text: state.to_owned(), style },
        between(session.last_activity_at, now).into(),
        Cell { text: session.queue.to_string(), style: queue },
        session.running_since.map_or_else(|| "-".to_owned(), |since| between(since, now)).into(),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session(n: usize, project: &str, state: SessionState) -> SessionInfo {
        let at = |seconds: i64| Timestamp::from_second(1_790_000_000 - seconds).unwrap();
        SessionInfo {
            number: (state != SessionState::Closed).then_some(n),
            conv_id: format!("c-k3v9x2m{n}").as_str().into(),
            user: "ou_84aad35d084aa403a838cf73ee18467".into(),
            chat_id: "oc_1".into(),
            project: project.to_owned(),
            directory: format!("/srv/{project}"),
            state,
            active: n == 1,
            last_activity_at: at(200),
            queue: n % 3,
            running_since: (state == SessionState::Running).then(|| at(75)),
            created_at: at(90_000),
            closed_at: None,
            claude_session_id: "f".into(),
            mode: "default".to_owned(),
            model: None,
            cost_usd: None,
        }
    }

    #[test]
    fn sessions_are_a_table_that_fits() {
        let listed = [
            session(1, "shop", SessionState::Running),
            session(2, "网店/前端", SessionState::Ready),
            session(3, "evil\x1b[2J\nname", SessionState::Asleep),
            session(4, "clients/north/reports/2026", SessionState::Closed),
        ];
        let now = Timestamp::from_second(1_790_000_000).unwrap();
        let shown = [None, Some(100), Some(80), Some(40)]
            .map(|columns| sessions(&listed, now, columns, Colour::Off).join("\n"));
        insta::assert_snapshot!(shown.join("\n\n"), @r"
        NO  CONV_ID     USER                                PROJECT                     STATE    ACTIVITY  QUEUE  RUNNING
        1*  c-k3v9x2m1  ou_84aad35d084aa403a838cf73ee18467  shop                        running  3m        1      1m
        2   c-k3v9x2m2  ou_84aad35d084aa403a838cf73ee18467  网店/前端                   ready    3m        2      -
        3   c-k3v9x2m3  ou_84aad35d084aa403a838cf73ee18467  evil\u{1b}[2J\nname         asleep   3m        0      -
        -   c-k3v9x2m4  ou_84aad35d084aa403a838cf73ee18467  clients/north/reports/2026  closed   3m        1      -

        NO  CONV_ID     USER                      PROJECT                  STATE    ACTIVITY  QUEUE  RUNNING
        1*  c-k3v9x2m1  ou_84aad35d084aa403a838…  shop                     running  3m        1      1m
        2   c-k3v9x2m2  ou_84aad35d084aa403a838…  网店/前端                ready    3m        2      -
        3   c-k3v9x2m3  ou_84aad35d084aa403a838…  evil\u{1b}[2J\nname      asleep   3m        0      -
        -   c-k3v9x2m4  ou_84aad35d084aa403a838…  …nts/north/reports/2026  closed   3m        1      -

        NO  CONV_ID     USER            PROJECT        STATE    ACTIVITY  QUEUE  RUNNING
        1*  c-k3v9x2m1  ou_84aad35d08…  shop           running  3m        1      1m
        2   c-k3v9x2m2  ou_84aad35d08…  网店/前端      ready    3m        2      -
        3   c-k3v9x2m3  ou_84aad35d08…  …1b}[2J\nname  asleep   3m        0      -
        -   c-k3v9x2m4  ou_84aad35d08…  …reports/2026  closed   3m        1      -

        NO  CONV_ID     USER      PROJECT   STA…
        1*  c-k3v9x2m1  ou_84aa…  shop      run…
        2   c-k3v9x2m2  ou_84aa…  …店/前端  rea…
        3   c-k3v9x2m3  ou_84aa…  …J\nname  asl…
        -   c-k3v9x2m4  ou_84aa…  …ts/2026  clo…
        ");
    }
}
