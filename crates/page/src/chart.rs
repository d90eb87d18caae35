//! Small charts as SVG within the page: bars for runs, and how full something is. Each says in words what it shows; the
//! numbers themselves stand in a table nearby.

use maud::{Markup, html};

use crate::layout::drawn;
use crate::view::{Bar, Count, Tone};

const HEIGHT: u64 = 36;
const STEP: usize = 9;
const WIDTH: usize = 7;

/// Bars of the last runs, oldest first. `what` are the counted things: "changes".
pub(crate) fn bars(bars: &[Bar], what: &str, wide: bool) -> Markup {
    if bars.is_empty() {
        return html! { span.quiet { "no run yet" } };
    }
    let exact = |bar: &Bar| match bar.count {
        Count::Exact(count) => count,
        Count::Under(_) | Count::Held => 0,
    };
    let most = bars.iter().map(exact).max().unwrap_or(0).max(1);
    let words = in_words(bars, what);
    let (step, width) = if wide { (STEP * 2, WIDTH * 2 + 1) } else { (STEP, WIDTH) };
    let height = if wide { HEIGHT * 2 } else { HEIGHT };
    let mut drawing = String::new();
    for (at, bar) in bars.iter().enumerate() {
        // Two at least: that there was a run is seen, whatever it did.
        let tall = (exact(bar).saturating_mul(height - 2) / most).max(2);
        let class = match bar.tone {
            Tone::Good => "good",
            Tone::Waiting => "wait",
            Tone::Bad => "bad",
            Tone::Quiet => "calm",
        };
        let tip = format!("run {}, {}: {}", bar.run, escaped(&bar.day), bar.count);
        drawing.push_str(&format!(
            "<rect class=\"{class}\" x=\"{}\" y=\"{}\" width=\"{width}\" height=\"{tall}\" rx=\"1\"><title>{tip}</title></rect>",
            at * step,
            height - tall
        ));
    }
    let across = bars.len() * step;
    drawn(format!(
        "<svg class=\"bars\" role=\"img\" aria-label=\"{}\" width=\"{across}\" height=\"{height}\" viewBox=\"0 0 {across} {height}\">{drawing}</svg>",
        escaped(&words)
    ))
}

/// What a chart shows.
fn in_words(bars: &[Bar], what: &str) -> String {
    let mut text = match bars.len() {
        1 => format!("{what} of the last run"),
        some => format!("{what} of the last {some} runs"),
    };
    if let Some(last) = bars.last() {
        text.push_str(&format!(": {} at the last one, on {}", last.count, last.day));
    }
    let failed = bars.iter().filter(|bar| bar.tone == Tone::Bad).count();
    let waited = bars.iter().filter(|bar| bar.tone == Tone::Waiting).count();
    for (count, did) in [(failed, "failed"), (waited, "waited")] {
        if count > 0 {
            text.push_str(&format!("; {count} {did}"));
        }
    }
    text
}

/// How full something is, from 0 to 100; what it says stands beside it.
pub(crate) fn meter(percent: u8) -> Markup {
    let filled = percent.min(100);
    drawn(format!(
        "<svg class=\"meter\" aria-hidden=\"true\" width=\"100\" height=\"6\" viewBox=\"0 0 100 6\">\
         <rect class=\"all\" width=\"100\" height=\"6\" rx=\"3\"/><rect class=\"part\" width=\"{filled}\" height=\"6\" rx=\"3\"/></svg>"
    ))
}

fn escaped(text: &str) -> String {
    html! { (text) }.into_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bar(run: i64, count: u64, tone: Tone) -> Bar {
        Bar { run, day: "2026-11-\"24".into(), count: Count::of(count, 10), tone }
    }

    #[test]
    fn a_chart_says_in_words_what_it_shows() {
        let drawn = bars(&[bar(1, 400, Tone::Good), bar(2, 3, Tone::Bad)], "Changes", false).into_string();
        assert!(
            drawn.contains("aria-label=\"Changes of the last 2 runs: fewer than 10 at the last one, on 2026-11-&quot;24; 1 failed\""),
            "{drawn}"
        );
        assert!(drawn.contains("height=\"34\"") && drawn.contains("run 1") && !drawn.contains("style="));
        assert!(bars(&[], "Changes", false).into_string().contains("no run yet"));
        let most = bars(&[bar(1, u64::MAX, Tone::Good)], "Changes", true).into_string();
        assert!(most.contains("<svg"));
    }

    #[test]
    fn a_meter_is_never_fuller_than_full() {
        assert!(meter(250).into_string().contains("width=\"100\" height=\"6\" rx=\"3\"/></svg>"));
    }
}
