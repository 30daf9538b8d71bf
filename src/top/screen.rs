//! The live view of the terminal.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use ratatui::layout::{Constraint, Layout};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Text};
use ratatui::widgets::Paragraph;
use ratatui::{DefaultTerminal, Frame};
use wsgiaudit_probes_core::figures::snapshot::Snapshot;

use super::page::{PageLine, Tone, compose_page};
use super::watch::Watch;
use crate::exit::Exit;
use crate::render::style::TextStyle;

/// How often the view is drawn again, unless a key is pressed.
const REDRAW: Duration = Duration::from_millis(500);

/// How long keys may wait while datagrams are awaited.
const MOMENT: Duration = Duration::from_millis(50);

/// What a key does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Action {
    Quit,
    /// Scroll by as many lines; down is positive.
    Scroll(i32),
    /// Scroll to the begin.
    ScrollHome,
    None,
}

/// Shows the view until the user or a signal ends it. Whatever happens, the terminal is restored: also if there is a panic.
///
/// # Errors
/// If the source or the terminal fails.
pub(super) fn show_live(watch: &mut Watch, style: TextStyle) -> Result<Exit> {
    let mut terminal = ratatui::try_init().context("cannot use the terminal")?;
    let shown = run_view(watch, &mut terminal, style);
    ratatui::restore();
    shown
}

fn run_view(watch: &mut Watch, terminal: &mut DefaultTerminal, style: TextStyle) -> Result<Exit> {
    let mut offset = 0_u16;
    let mut drawn: Option<Instant> = None;
    loop {
        if watch.is_stopped() {
            return Ok(Exit::Interrupted);
        }
        if drawn.is_none_or(|drawn| drawn.elapsed() >= REDRAW) {
            let snapshot = Snapshot::of_fleet(&watch.fleet);
            terminal.draw(|frame| draw_view(frame, &snapshot, &watch.name, style, &mut offset))?;
            drawn = Some(Instant::now());
        }
        watch.receive(MOMENT)?;
        while event::poll(Duration::ZERO)? {
            match event::read()? {
                Event::Key(key) => match read_key(key) {
                    Action::Quit => return Ok(Exit::Ready),
                    Action::Scroll(lines) => offset = scroll(offset, lines),
                    Action::ScrollHome => offset = 0,
                    Action::None => continue,
                },
                Event::Resize(..) => {}
                Event::FocusGained | Event::FocusLost | Event::Mouse(_) | Event::Paste(_) => continue,
            }
            drawn = None;
        }
    }
}

#[expect(clippy::wildcard_enum_match_arm, reason = "most keys do nothing")]
fn read_key(key: KeyEvent) -> Action {
    if key.kind == KeyEventKind::Release {
        return Action::None;
    }
    let is_control = key.modifiers.contains(KeyModifiers::CONTROL);
    match key.code {
        KeyCode::Char('c' | 'd') if is_control => Action::Quit,
        KeyCode::Char('q') | KeyCode::Esc => Action::Quit,
        KeyCode::Down | KeyCode::Char('j') => Action::Scroll(1),
        KeyCode::Up | KeyCode::Char('k') => Action::Scroll(-1),
        KeyCode::PageDown | KeyCode::Char(' ') => Action::Scroll(20),
        KeyCode::PageUp => Action::Scroll(-20),
        KeyCode::Home => Action::ScrollHome,
        _ => Action::None,
    }
}

fn scroll(offset: u16, lines: i32) -> u16 {
    u16::try_from((i32::from(offset) + lines).max(0)).unwrap_or(u16::MAX)
}

/// Draws the page, from the line `offset` on, which is corrected if the page is shorter, and the keys below it.
fn draw_view(frame: &mut Frame<'_>, snapshot: &Snapshot, source: &str, style: TextStyle, offset: &mut u16) {
    let [body, footer] = Layout::vertical([Constraint::Min(0), Constraint::Length(1)]).areas(frame.area());
    let lines = compose_page(snapshot, source, TextStyle { width: usize::from(body.width).max(1), ..style });
    let hidden = lines.len().saturating_sub(usize::from(body.height));
    *offset = (*offset).min(u16::try_from(hidden).unwrap_or(u16::MAX));
    let text: Text<'_> = lines.iter().map(|line| to_line(line, style.is_colored)).collect::<Vec<_>>().into();
    frame.render_widget(Paragraph::new(text).scroll((*offset, 0)), body);
    let keys = if hidden > 0 { "q quits   arrows and page keys scroll" } else { "q quits" };
    frame.render_widget(Paragraph::new(keys).style(Style::new().add_modifier(Modifier::DIM)), footer);
}

fn to_line(line: &PageLine, is_colored: bool) -> Line<'_> {
    let style = match line.tone {
        Tone::Plain => Style::new(),
        Tone::Heading => Style::new().add_modifier(Modifier::BOLD),
        Tone::Dim => Style::new().add_modifier(Modifier::DIM),
        Tone::Alarm if is_colored => Style::new().fg(Color::Red).add_modifier(Modifier::BOLD),
        Tone::Alarm => Style::new().add_modifier(Modifier::BOLD),
    };
    Line::styled(line.text.as_str(), style)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use ratatui::Terminal;
    use ratatui::backend::TestBackend;

    use wsgiaudit_probes_core::figures::fleet::Fleet;

    use super::super::test_datagrams::request_datagram;
    use super::*;

    fn draw(width: u16, height: u16, offset: &mut u16) -> Vec<String> {
        let mut fleet = Fleet::default();
        for pid in 1..=40 {
            fleet.take_datagram(&request_datagram(pid, 100, 0.9).encode(), Duration::ZERO);
        }
        let snapshot = Snapshot::of_fleet(&fleet);
        let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
        let style = TextStyle { is_colored: true, ..TextStyle::plain(80) };
        terminal.draw(|frame| draw_view(frame, &snapshot, "unix:/a", style, offset)).unwrap();
        let buffer = terminal.backend().buffer().clone();
        let rows = buffer.content.chunks(usize::from(width));
        rows.map(|row| row.iter().map(|cell| cell.symbol()).collect::<String>().trim_end().to_owned())
            .collect()
    }

    #[test]
    fn the_view_has_the_page_and_the_keys() {
        for width in [1, 20, 60, 80, 120, 200] {
            let rows = draw(width, 24, &mut 0);
            assert_eq!(rows.len(), 24);
            if width >= 60 {
                assert_eq!(rows[0], "wsgiaudit top  unix:/a");
                assert!(rows[23].starts_with("q quits   arrows"), "{rows:#?}");
            }
        }
        assert_eq!(draw(80, 1, &mut 0).len(), 1);
    }

    #[test]
    fn a_long_page_scrolls_to_its_end_and_no_further() {
        let mut offset = 5000;
        let rows = draw(80, 24, &mut offset);
        assert!(offset > 10 && offset < 5000, "{offset}");
        assert!(rows.iter().any(|row| row.contains("and 20 more")), "{rows:#?}");
        assert_eq!((scroll(3, -5), scroll(3, 1), scroll(u16::MAX, 20)), (0, 4, u16::MAX));
    }

    #[test]
    fn keys_have_their_meaning() {
        let action = |code, modifiers| read_key(KeyEvent::new(code, modifiers));
        assert_eq!(action(KeyCode::Char('q'), KeyModifiers::NONE), Action::Quit);
        assert_eq!(action(KeyCode::Char('c'), KeyModifiers::CONTROL), Action::Quit);
        assert_eq!(action(KeyCode::Char('c'), KeyModifiers::NONE), Action::None);
        assert_eq!(action(KeyCode::PageDown, KeyModifiers::NONE), Action::Scroll(20));
        assert_eq!(action(KeyCode::Home, KeyModifiers::NONE), Action::ScrollHome);
        assert_eq!(action(KeyCode::Char('x'), KeyModifiers::CONTROL), Action::None);
    }
}
